package tokenizer

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"sync/atomic"
	"unicode/utf8"

	"github.com/winnow-rerank/winnow/internal/fault"
)

// A bpeBuilder builds a bpe: first the pieces, then index, then the merges, then
// finish.
type bpeBuilder struct {
	path   string
	m      *bpe
	merges []bpeMerge
	last   int // the piece that the latest merge produces
	buf    []byte
}

// A bpeMerge joins the symbols a and b to the symbol id.
type bpeMerge struct {
	a, b, id int32
	rank     uint32
}

func newBPEBuilder(path string, opts bpeOptions) *bpeBuilder {
	return &bpeBuilder{path: path, m: &bpe{opts: opts, unk: -1}}
}

// failMerge returns an error about the merge of that rank.
func (b *bpeBuilder) failMerge(rank int, found, want string) error {
	return b.fail("model.merges["+strconv.Itoa(rank)+"]", found, want)
}

// fail returns an error about a field of the file.
func (b *bpeBuilder) fail(field, found, want string) error {
	return &fault.FormatError{Path: b.path, Field: field, Offset: -1, Found: found, Want: want}
}

// index builds the tables of pieces.
func (b *bpeBuilder) index() error {
	v := &b.m.vocabulary
	highest := int32(-1)
	for _, id := range v.ids {
		highest = max(highest, id)
	}
	// The size of the table by id must be in proportion to the file.
	if limit := 1<<20 + 8*len(v.ids); int(highest) >= limit {
		return b.fail("model.vocab", fmt.Sprintf("the id %d in a vocabulary of %d pieces", highest, len(v.ids)), fmt.Sprintf("ids below %d", limit))
	}
	b.m.pieces = newStringTable(v.packed)
	v.invert()
	return nil
}

// merge adds the merge of pieces a and c, which produces their concatenation without
// the prefix of the second.
func (b *bpeBuilder) merge(a, c int) error {
	m := b.m
	left, right := m.pieces.at(a), m.pieces.at(c)
	if len(right) < len(m.opts.prefix) {
		return b.failMerge(len(b.merges), fmt.Sprintf("%q", right), "a piece with the continuation prefix")
	}
	b.buf = append(append(b.buf[:0], left...), right[len(m.opts.prefix):]...)
	// The results of merges are usually in the order of the pieces.
	to := b.last + 1
	if to >= len(m.ends) || m.pieces.twice || !bytes.Equal(m.pieces.at(to), b.buf) {
		if to = m.pieces.find(b.buf); to < 0 {
			return b.unknown(b.buf)
		}
	}
	b.last = to
	b.merges = append(b.merges, bpeMerge{m.idOf(a), m.idOf(c), m.idOf(to), uint32(len(b.merges))})
	return nil
}

func (b *bpeBuilder) unknown(piece []byte) error {
	return b.failMerge(len(b.merges), fmt.Sprintf("the piece %q", piece[:min(len(piece), 40)]), "pieces of the vocabulary")
}

// pair adds a merge written as "left right".
func (b *bpeBuilder) pair(line []byte) error {
	left, right, ok := bytes.Cut(line, []byte(" "))
	if !ok || bytes.IndexByte(right, ' ') >= 0 {
		return b.failMerge(len(b.merges), fmt.Sprintf("%q", line[:min(len(line), 40)]), "two pieces separated by a space")
	}
	a, c := b.m.pieces.find(left), b.m.pieces.find(right)
	if a < 0 {
		return b.unknown(left)
	}
	if c < 0 {
		return b.unknown(right)
	}
	return b.merge(a, c)
}

// finish completes the model.
func (b *bpeBuilder) finish() *bpe {
	m := b.m
	m.merges = newMergeTable(len(b.merges))
	for _, g := range b.merges {
		m.merges.add(g.a, g.b, g.rank, g.id)
	}
	if m.opts.unkToken != "" {
		// A missing one matters only for an unknown character, which is then dropped.
		m.unk = m.idSpelled([]byte(m.opts.unkToken))
	}
	for i := range m.bytes {
		m.bytes[i] = -1
		if m.opts.byteFallback {
			m.bytes[i] = m.idSpelled(fmt.Appendf(nil, "<0x%02X>", i))
		}
	}
	if m.opts.prefix != "" || m.opts.suffix != "" {
		m.symbols = affixSymbols{}
		if m.opts.ignoreMerges {
			m.lookUp(&m.pieces)
		}
		return m
	}
	runes := &runeSymbols{}
	for i := range m.ends {
		if r, n := utf8.DecodeRune(m.pieces.at(i)); n > 0 && n == len(m.pieces.at(i)) {
			runes.set(r, m.idOf(i))
		}
	}
	m.symbols = runes
	m.reach = b.reach(runes)
	m.lookUp(&m.pieces)
	return m
}

// lookUp sets the table in which words are looked up.
func (m *bpe) lookUp(words *stringTable) {
	m.words = words
	m.longest = 0
	start := uint32(0)
	for _, end := range words.ends {
		m.longest = max(m.longest, int(end-start))
		start = end
	}
	m.reached = make([]atomic.Uint32, len(words.ends)/16+1)
}

// ofBytes returns the same model for raw bytes instead of their visible spelling, or
// nil if the results would differ.
func (m *bpe) ofBytes() *bpe {
	if m.opts.byteFallback || m.opts.prefix != "" || m.opts.suffix != "" {
		return nil
	}
	bytes := packed{make([]byte, 0, len(m.text)), make([]uint32, len(m.ends))}
	for i := range bytes.ends {
		bytes.text, _ = appendBytes(bytes.text, m.spelling(i)) // a piece that spells no bytes cannot be found
		bytes.ends[i] = uint32(len(bytes.text))
	}
	raw := &bpe{vocabulary: m.vocabulary, pieces: m.pieces, merges: m.merges, opts: m.opts, unk: m.unk}
	words := newStringTable(bytes)
	raw.lookUp(&words)
	symbols := &byteSymbols{all: true}
	for c := range symbols.ids {
		i := words.find([]byte{byte(c)})
		if i < 0 {
			symbols.ids[c] = -1
			symbols.all = false
			continue
		}
		symbols.ids[c] = m.idOf(i)
	}
	raw.symbols = symbols
	return raw
}

// scoreMerges builds the merges of a SentencePiece model, which stores none: neighbours
// may be joined if the result is in the vocabulary, in descending order of scores.
// scores are by piece index; usable selects the pieces that take part.
func (b *bpeBuilder) scoreMerges(scores []float32, usable func(i int) bool) {
	m := b.m
	order := make([]int, 0, len(scores))
	for i := range scores {
		if usable(i) && utf8.RuneCountInString(view(m.pieces.at(i))) > 1 && m.pieces.find(m.pieces.at(i)) == i {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(scores[j], scores[i]) })
	rank, last := uint32(0), float32(math.Inf(1))
	for _, i := range order {
		if scores[i] != last {
			rank++
			last = scores[i]
		}
		b.addSplits(i, usable, func() uint32 { return rank })
	}
}

// addSplits adds a merge for each way to split the i-th piece into two usable ones.
func (b *bpeBuilder) addSplits(i int, usable func(i int) bool, rank func() uint32) {
	m := b.m
	text := m.pieces.at(i)
	for cut := range string(text) {
		if cut == 0 {
			continue
		}
		left := m.pieces.find(text[:cut])
		if left < 0 || !usable(left) {
			continue
		}
		if right := m.pieces.find(text[cut:]); right >= 0 && usable(right) {
			b.merges = append(b.merges, bpeMerge{m.idOf(left), m.idOf(right), m.idOf(i), rank()})
		}
	}
}

// fuse replaces the stages of a byte-level tokenizer with equivalent ones that work on
// raw bytes.
func fuse(t *Tokenizer) {
	m, ok := t.model.(*bpe)
	if !ok {
		return
	}
	stages, ok := t.pre.(preTokenizerSequence)
	if !ok {
		stages = preTokenizerSequence{t.pre}
	}
	if len(stages) == 0 {
		return
	}
	last, ok := stages[len(stages)-1].(byteLevel)
	if !ok {
		return
	}
	raw := m.ofBytes()
	if raw == nil {
		return
	}
	stages = slices.Clone(stages[:len(stages)-1])
	if last.raw = true; last.prefixSpace || last.regex {
		stages = append(stages, last)
	}
	t.model = raw
	switch len(stages) {
	case 0:
		t.pre = nil
	case 1:
		t.pre = stages[0]
	default:
		t.pre = stages
	}
}
