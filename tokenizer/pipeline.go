package tokenizer

// Text passes through these stages:
//
//	text → added tokens matched → normalizer → preTokenizer → model → ids
//
// FromJSON reads them from tokenizer.json; the constructors for other formats build
// the same stages. They are immutable; all state of a call is in its scratch.

// A normalizer rewrites text before it is split into words.
type normalizer interface {
	// normalize appends the normal form of text to dst, which must not overlap text.
	// head says whether text begins at the first byte of the whole input; the result
	// says the same of the appended text. Only Metaspace's prepend_scheme "first" uses
	// it. A normalizer that can expand text without bound stops once it has exceeded
	// limit bytes; the caller detects the excess.
	normalize(dst, text []byte, head bool, limit int) ([]byte, bool, error)
}

// A span is a part of words.text.
type span struct{ start, end int32 }

// words is normalised text on its way through the pre-tokenizers. The spans are in
// ascending order, non-empty, and do not overlap.
type words struct {
	text  []byte
	spans []span
	head  bool // text[0] is from the first byte of the whole input
	err   error

	// spareText and spareSpans hold the buffers for the next stage's output.
	spareText  []byte
	spareSpans []span
}

// resplit replaces each span with the parts that cut appends to dst. The hot stages
// have loops of their own, in which variables stay in registers.
func (w *words) resplit(cut func(dst []span, s span) []span) {
	out := w.spareSpans[:0]
	for _, s := range w.spans {
		out = cut(out, s)
	}
	w.spans, w.spareSpans = out, w.spans
}

// respell replaces the text of each span with what spell appends to dst.
func (w *words) respell(spell func(dst, piece []byte) []byte) {
	text := w.spareText[:0]
	w.resplit(func(dst []span, s span) []span {
		start := len(text)
		text = spell(text, w.text[s.start:s.end])
		return append(dst, span{int32(start), int32(len(text))})
	})
	w.text, w.spareText = text, w.text
}

// A preTokenizer splits the spans of w; it may also change their text. It sets w.err if
// it fails.
type preTokenizer interface {
	preTokenize(w *words)
}

// A model turns one piece into ids.
type model interface {
	// encode appends the ids of piece, which is valid UTF-8 and not empty.
	encode(dst []int32, piece []byte, s *scratch) []int32
	// id returns the id of a piece by its spelling in the vocabulary.
	id(piece string) (int32, bool)
	// piece returns the spelling of an id; ok is false if it has none.
	piece(id int32) (piece string, ok bool)
	// count returns the number of pieces, size the highest id plus one.
	count() int
	size() int
}

// A decoder turns the pieces of a text back into text: it maps a list of strings to
// another, and the last list is joined.
type decoder interface {
	decode(pieces []string) ([]string, error)
}

// A pattern is a compiled regular expression or literal.
type pattern interface {
	// find returns the first match in text that starts at or after from.
	find(text []byte, from int) (start, end int, ok bool)
}

// scratch holds everything that a call writes except its result. It comes from the
// tokenizer's pool, so that a steady stream of texts allocates nothing.
type scratch struct {
	words
	clean    []byte // the input with invalid UTF-8 replaced
	normal   []byte // normalised text before the second search for added tokens
	segments []segment
	inner    []segment
	a, b     []int32 // token lists of Encode and EncodePair
	plain    bool    // special tokens are not recognised in the text

	unigram unigramScratch
	bpe     bpeScratch
	cache   []cachedWord
}

// A cachedWord is a word that was encoded before, with its ids: a small number of words
// make up most of any text.
type cachedWord struct {
	hash uint64
	ids  [8]int32
	text [22]byte
	size uint8 // of text
	n    uint8 // ids, 0: the entry is free
}

const cachedWords = 8192 // of 64 bytes each; a power of two

// cached returns the cache entry for a word's hash.
func (s *scratch) cached(hash uint64) *cachedWord {
	if len(s.cache) == 0 {
		s.cache = make([]cachedWord, cachedWords)
	}
	return &s.cache[hash%cachedWords]
}

// holds reports whether the entry is for text.
func (c *cachedWord) holds(hash uint64, text []byte) bool {
	return c.hash == hash && c.n > 0 && string(c.text[:c.size]) == string(text)
}

// keep stores the ids of text, if both fit.
func (c *cachedWord) keep(hash uint64, text []byte, ids []int32) {
	if len(ids) > 0 && len(ids) <= len(c.ids) && len(text) <= len(c.text) {
		c.hash = hash
		c.n, c.size = uint8(copy(c.ids[:], ids)), uint8(copy(c.text[:], text))
	}
}
