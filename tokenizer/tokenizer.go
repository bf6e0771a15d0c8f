package tokenizer

import (
	"fmt"
	"strings"
	"sync"
	"unicode/utf8"
	"unsafe"
)

// A Tokenizer turns text into the ids that a model was trained on. It is immutable and
// safe for concurrent use.
//
// Each byte of invalid UTF-8 is read as U+FFFD.
type Tokenizer struct {
	normalizer normalizer   // nil: none
	pre        preTokenizer // nil: each segment is one piece
	model      model
	decoder    decoder // nil: pieces are joined with spaces
	added      addedTokens
	single     template
	pair       template
	maxLength  int              // 0: unknown
	cut        int              // max_length of truncation in tokenizer.json; 0: none
	side       Side             // default side at which texts are truncated
	pad        int32            // -1: none
	roles      map[string]int32 // "bos", "eos" …, as the configuration assigns them
	config     *configuration   // the files next to tokenizer.json; nil: none
	scratch    sync.Pool
}

// finish completes a tokenizer whose stages are set. path names its file in errors.
func (t *Tokenizer) finish(path string) error {
	if err := t.added.index(t.normalizer); err != nil {
		return fmt.Errorf("%s: added_tokens: %w", path, err)
	}
	if m, ok := t.model.(*unigram); ok {
		m.special = map[int32]bool{}
		for _, token := range t.added.list {
			if token.special {
				m.special[token.id] = true
			}
		}
	}
	fuse(t)
	return t.checkTemplates(path)
}

// Encoding is the result of Encode and Pair. Callers pass the same one again so that
// its slices are reused.
type Encoding struct {
	IDs   []int32
	Types []int32 // token type (segment) of each id
}

// Truncation selects which of two texts is cut when together they are too long.
type Truncation uint8

const (
	// LongestFirst cuts the longer text to the length of the shorter one, then both.
	LongestFirst Truncation = iota
	// OnlySecond cuts the second text, which is a reranker's document.
	OnlySecond
	// OnlyFirst cuts the first text.
	OnlyFirst
)

// A Side is the end of a text at which it is cut.
type Side uint8

const (
	// Right cuts the end of a text and keeps its first tokens.
	Right Side = iota
	// Left cuts the beginning of a text and keeps its last tokens.
	Left
)

// Cut returns tokens truncated to n at that side.
func (s Side) Cut(tokens []int32, n int) []int32 {
	n = max(n, 0)
	switch {
	case n >= len(tokens):
		return tokens
	case s == Left:
		return tokens[len(tokens)-n:]
	}
	return tokens[:n]
}

// TruncationSide returns the side at which the configuration truncates texts:
// truncation_side in tokenizer_config.json. Encode, Single, Pair and EncodePair use it.
func (t *Tokenizer) TruncationSide() Side { return t.side }

// Tokens appends the ids of text to dst, without the special tokens that the
// post-processor adds. Special tokens spelled in text ("[SEP]", "</s>") become those
// tokens. The error wraps ErrTooMuch.
func (t *Tokenizer) Tokens(dst []int32, text string) ([]int32, error) {
	s := t.get()
	defer t.scratch.Put(s)
	return t.encode(dst, text, false, s)
}

// PlainTokens is Tokens for untrusted text: special tokens spelled in it remain plain
// text.
func (t *Tokenizer) PlainTokens(dst []int32, text string) ([]int32, error) {
	s := t.get()
	defer t.scratch.Put(s)
	return t.encode(dst, text, true, s)
}

// Encode sets e to text with the special tokens of a single text, truncated to limit
// ids in total (0: no limit). Special tokens are never cut. The error wraps ErrTooMuch.
func (t *Tokenizer) Encode(e *Encoding, text string, limit int) error {
	s := t.get()
	defer t.scratch.Put(s)
	var err error
	if s.a, err = t.encode(s.a[:0], text, false, s); err != nil {
		return err
	}
	t.Single(e, s.a, limit)
	return nil
}

// Single is Encode for a text that is already tokenized.
func (t *Tokenizer) Single(e *Encoding, tokens []int32, limit int) {
	t.SingleSide(e, tokens, limit, t.side)
}

// SingleSide is Single with an explicit truncation side.
func (t *Tokenizer) SingleSide(e *Encoding, tokens []int32, limit int, side Side) {
	if limit > 0 {
		tokens = side.Cut(tokens, limit-t.single.added)
	}
	t.single.apply(e, tokens, nil)
}

// Pair sets e to the token lists a and b, joined as the post-processor specifies and
// truncated to limit ids in total (0: no limit), so that the tokens of a query can be
// reused for many documents. It fails if the limit leaves no room for the special
// tokens or if the text to be cut is too short for the cut.
func (t *Tokenizer) Pair(e *Encoding, a, b []int32, limit int, how Truncation) error {
	return t.PairSide(e, a, b, limit, how, t.side)
}

// PairSide is Pair with an explicit truncation side.
func (t *Tokenizer) PairSide(e *Encoding, a, b []int32, limit int, how Truncation, side Side) error {
	if limit > 0 {
		budget := limit - t.pair.added
		if budget < 0 {
			return fmt.Errorf("a limit of %d tokens leaves no room for a pair's %d special tokens", limit, t.pair.added)
		}
		na, nb, err := how.cut(len(a), len(b), budget)
		if err != nil {
			return err
		}
		a, b = side.Cut(a, na), side.Cut(b, nb)
	}
	t.pair.apply(e, a, b)
	return nil
}

// EncodePair tokenizes both texts and calls Pair.
func (t *Tokenizer) EncodePair(e *Encoding, a, b string, limit int, how Truncation) error {
	s := t.get()
	defer t.scratch.Put(s)
	var err error
	if s.a, err = t.encode(s.a[:0], a, false, s); err != nil {
		return err
	}
	if s.b, err = t.encode(s.b[:0], b, false, s); err != nil {
		return err
	}
	return t.Pair(e, s.a, s.b, limit, how)
}

func (t *Tokenizer) get() *scratch {
	if s, ok := t.scratch.Get().(*scratch); ok {
		return s
	}
	return new(scratch)
}

// encode appends the ids of text to dst.
func (t *Tokenizer) encode(dst []int32, text string, plain bool, s *scratch) ([]int32, error) {
	if len(text) == 0 {
		return dst, nil
	}
	s.plain = plain
	input := unsafe.Slice(unsafe.StringData(text), len(text)) // read-only
	if !utf8.ValidString(text) {
		s.clean = appendValid(s.clean[:0], text)
		input = s.clean
	}
	var err error
	s.segments = t.added.split(s.segments[:0], &t.added.raw, input, plain)
	for _, g := range s.segments {
		if g.token >= 0 {
			dst = append(dst, g.token)
			continue
		}
		part, head := input[g.start:g.end], g.start == 0
		if t.normalizer != nil {
			if s.normal, head, err = normalizeWithin(t.normalizer, s.normal[:0], part, head, bound(len(part))); err != nil {
				return dst, err
			}
			part = s.normal
		}
		if t.added.normal.trie == nil {
			if dst, err = t.encodePlain(dst, part, head, s); err != nil {
				return dst, err
			}
			continue
		}
		s.inner = t.added.split(s.inner[:0], &t.added.normal, part, plain)
		for _, g := range s.inner {
			if g.token >= 0 {
				dst = append(dst, g.token)
				continue
			}
			if dst, err = t.encodePlain(dst, part[g.start:g.end], head && g.start == 0, s); err != nil {
				return dst, err
			}
		}
	}
	return dst, nil
}

// encodePlain appends the ids of normalised text that contains no added tokens.
func (t *Tokenizer) encodePlain(dst []int32, text []byte, head bool, s *scratch) ([]int32, error) {
	if len(text) == 0 {
		return dst, nil
	}
	if t.pre == nil {
		return t.model.encode(dst, text, s), nil
	}
	w := &s.words
	w.text, w.head, w.err = append(w.text[:0], text...), head, nil
	w.spans = append(w.spans[:0], span{0, int32(len(text))})
	t.pre.preTokenize(w)
	if w.err == nil && len(w.text) > bound(len(text)) {
		w.err = errLong
	}
	if w.err != nil {
		return dst, w.err
	}
	for _, p := range w.spans {
		dst = t.model.encode(dst, w.text[p.start:p.end], s)
	}
	return dst, nil
}

// Decode turns ids back into text. It skips unknown ids and, with skipSpecial, special
// tokens. The error wraps ErrTooMuch.
func (t *Tokenizer) Decode(ids []int32, skipSpecial bool) (string, error) {
	pieces := make([]string, 0, len(ids))
	for _, id := range ids {
		if i, ok := t.added.byID[id]; ok {
			if !skipSpecial || !t.added.list[i].special {
				pieces = append(pieces, t.added.names[i])
			}
		} else if p, ok := t.model.piece(id); ok {
			pieces = append(pieces, p)
		}
	}
	if t.decoder == nil {
		return strings.Join(pieces, " "), nil
	}
	limit := bound(length(pieces)) // decoders may modify pieces
	decoded, err := t.decoder.decode(pieces)
	if err != nil {
		return "", err
	}
	text := strings.Join(decoded, "")
	if len(text) > limit {
		return "", errLong
	}
	return text, nil
}

// Piece returns the spelling of an id in the vocabulary, or "".
func (t *Tokenizer) Piece(id int32) string {
	if i, ok := t.added.byID[id]; ok {
		return t.added.list[i].content
	}
	piece, _ := t.model.piece(id)
	return piece
}

// ID returns the id of a piece by its spelling in the vocabulary.
func (t *Tokenizer) ID(piece string) (int32, bool) {
	if i, ok := t.added.byName[piece]; ok {
		return t.added.list[i].id, true
	}
	return t.model.id(piece)
}

// Size returns the highest id plus one: the number of rows of the embedding table.
func (t *Tokenizer) Size() int { return max(t.model.size(), int(t.added.size)) }

// Trim removes tokens whose ids are at least rows and that only the files next to
// tokenizer.json define: a model with that many embeddings has none for them, and their
// spellings are plain text to it. It must not be called while the tokenizer is in use.
func (t *Tokenizer) Trim(rows int) {
	if t.added.trim(rows) {
		// Indexing cannot fail: the remaining tokens were indexed when the file was
		// read.
		_ = t.added.index(t.normalizer)
	}
}

// MaxLength returns the configured maximum sequence length in tokens, 0 if there is
// none.
func (t *Tokenizer) MaxLength() int { return t.maxLength }

// TruncationLength returns max_length of the truncation in tokenizer.json, in tokens
// without special ones, 0 if there is none. It matters to programs that read that file
// alone.
func (t *Tokenizer) TruncationLength() int { return t.cut }

// IsSpecial reports whether id is a special token.
func (t *Tokenizer) IsSpecial(id int32) bool {
	i, ok := t.added.byID[id]
	return ok && t.added.list[i].special
}

// PadID returns the id of the padding token.
func (t *Tokenizer) PadID() (int32, bool) { return t.pad, t.pad >= 0 }

// Added returns the number of special tokens that are added to one text or a pair.
func (t *Tokenizer) Added(pair bool) int {
	if pair {
		return t.pair.added
	}
	return t.single.added
}
