package tokenizer

// Text goes through five stages, each an interface here:
//
//	text → added tokens cut out → normalizer → preTokenizer → model → ids
//
// The constructors read the stages from tokenizer.json; the other file formats
// put the same stages together by hand. Every stage is immutable; whatever
// changes during a call lives in the scratch that the call brings.

// A normalizer rewrites text before it is cut into words.
type normalizer interface {
	// normalize appends the normal form of text to dst. dst and text do not
	// overlap. head says whether text begins at the first byte of the whole
	// input, and the answer whether what was appended still does: only
	// Metaspace's prepend_scheme "first" asks. A normalizer that makes a text as
	// much longer as its file says stops behind limit bytes; the caller sees that
	// they are too many.
	normalize(dst, text []byte, head bool, limit int) ([]byte, bool, error)
}

// A span is a part of words.text.
type span struct{ start, end int32 }

// words is normalised text on its way through the pre-tokenizers: the pieces
// lie in text in rising order, without overlap, none empty.
type words struct {
	text  []byte
	spans []span
	head  bool // text[0] comes from the first byte of the whole input
	err   error

	// spareText and spareSpans are where a stage writes what replaces text and
	// spans.
	spareText  []byte
	spareSpans []span
}

// recut replaces each span by the parts that cut appends to dst.
func (w *words) recut(cut func(dst []span, s span) []span) {
	out := w.spareSpans[:0]
	for _, s := range w.spans {
		out = cut(out, s)
	}
	w.spans, w.spareSpans = out, w.spans
}

// respell replaces the text of each span by what spell appends to dst.
func (w *words) respell(spell func(dst, piece []byte) []byte) {
	text := w.spareText[:0]
	w.recut(func(dst []span, s span) []span {
		start := len(text)
		text = spell(text, w.text[s.start:s.end])
		return append(dst, span{int32(start), int32(len(text))})
	})
	w.text, w.spareText = text, w.text
}

// A preTokenizer cuts the pieces of w finer; it may change their text too. It
// sets w.err if it fails.
type preTokenizer interface {
	preTokenize(w *words)
}

// A model turns one piece into ids.
type model interface {
	// encode appends the ids of piece, which is valid UTF-8 and not empty.
	encode(dst []int32, piece []byte, s *scratch) []int32
	// id finds a piece by its spelling in the vocabulary.
	id(piece string) (int32, bool)
	// piece is the spelling of an id; ok is false for an id without one.
	piece(id int32) (piece string, ok bool)
	// count is the number of pieces, size the highest id plus one.
	count() int
	size() int
}

// A decoder turns the pieces of a text back into the text: it maps a list of
// strings to a list of strings, and the text is the last list joined.
type decoder interface {
	decode(pieces []string) ([]string, error)
}

// A pattern is a compiled regular expression or literal.
type pattern interface {
	// find gives the first match in text that starts at from or later.
	find(text []byte, from int) (start, end int, ok bool)
}

// scratch holds all that a call writes besides its result. Calls take it from
// the tokenizer's pool, so that a steady stream of texts allocates nothing.
type scratch struct {
	words
	clean    []byte // the input with invalid UTF-8 replaced
	normal   []byte // normalised text before the second search for added tokens
	segments []segment
	inner    []segment
	a, b     []int32 // token lists of Encode and EncodePair
	plain    bool    // special tokens are not to come out of the text

	unigram unigramScratch
	bpe     bpeScratch
	cache   []cachedWord
}

// A cachedWord is a word that was met before and its ids. Words are the same
// few over and over, in any text.
type cachedWord struct {
	hash uint64
	ids  [8]int32
	text [22]byte
	size uint8 // of text
	n    uint8 // ids, 0: the place is free
}

const cachedWords = 8192 // of 64 bytes each; a power of two

// cached is the place of a word in the cache, by its hash.
func (s *scratch) cached(hash uint64) *cachedWord {
	if len(s.cache) == 0 {
		s.cache = make([]cachedWord, cachedWords)
	}
	return &s.cache[hash%cachedWords]
}

// holds says whether the ids of text are there.
func (c *cachedWord) holds(hash uint64, text []byte) bool {
	return c.hash == hash && c.n > 0 && string(c.text[:c.size]) == string(text)
}

// keep puts the ids of text there, if there is room for both.
func (c *cachedWord) keep(hash uint64, text []byte, ids []int32) {
	if len(ids) > 0 && len(ids) <= len(c.ids) && len(text) <= len(c.text) {
		c.hash = hash
		c.n, c.size = uint8(copy(c.ids[:], ids)), uint8(copy(c.text[:], text))
	}
}
