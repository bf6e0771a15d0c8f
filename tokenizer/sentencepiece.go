package tokenizer

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/winnow-rerank/winnow/internal/fault"
)

// A sentencePiece is what a SentencePiece model file holds, as far as it
// matters here.
type sentencePiece struct {
	pieces []spPiece

	kind         int // model_type: 1 unigram, 2 BPE, 3 words, 4 characters
	byteFallback bool
	unknown      int32 // unk_id and so on: -1 where there is none
	bos          int32
	eos          int32
	pad          int32

	charsmap    []byte // precompiled_charsmap
	dummyPrefix bool   // a blank before the text
	squeeze     bool   // remove_extra_whitespaces
}

type spPiece struct {
	text  string
	score float32
	kind  int32 // sp… below
}

// Kinds of pieces.
const (
	spNormal = iota + 1
	spUnknown
	spControl
	spUserDefined
	spUnused
	spByte
)

// A protoReader reads the fields of a protocol buffer message one after
// another. The first error sticks.
type protoReader struct {
	path, field string
	data        []byte
	base        int // offset of data in the file
	pos         int
	err         error
}

// next reads a field's key and value: number is 0 at the end. A varint or a
// fixed number is in value, a string or a message in part.
func (r *protoReader) next() (number int, value uint64, part *protoReader) {
	if r.err != nil || r.pos == len(r.data) {
		return 0, 0, nil
	}
	key := r.varint()
	if key>>3 == 0 || key>>3 > 1<<29-1 {
		r.fail(fmt.Sprintf("the field key %d", key), "a field number")
	}
	switch key & 7 {
	case 0:
		value = r.varint()
	case 1:
		if b := r.take(8); b != nil {
			value = binary.LittleEndian.Uint64(b)
		}
	case 2:
		n := r.varint()
		at := r.pos
		part = &protoReader{path: r.path, field: r.field, data: r.take(n), base: r.base + at}
	case 5:
		if b := r.take(4); b != nil {
			value = uint64(binary.LittleEndian.Uint32(b))
		}
	default:
		r.fail(fmt.Sprintf("the wire type %d", key&7), "0, 1, 2 or 5")
	}
	if r.err != nil {
		return 0, 0, nil
	}
	if part == nil {
		part = &protoReader{path: r.path, field: r.field}
	}
	return int(key >> 3), value, part
}

func (r *protoReader) fail(found, want string) {
	if r.err == nil {
		r.err = &fault.FormatError{Path: r.path, Field: r.field, Offset: int64(r.base + r.pos), Found: found, Want: want}
	}
}

func (r *protoReader) varint() uint64 {
	v, n := binary.Uvarint(r.data[r.pos:])
	if n <= 0 {
		r.fail("a broken number", "a varint")
		return 0
	}
	r.pos += n
	return v
}

func (r *protoReader) take(n uint64) []byte {
	if r.err != nil {
		return nil
	}
	if n > uint64(len(r.data)-r.pos) {
		r.fail(fmt.Sprintf("a value of %d bytes", n), fmt.Sprintf("at most the %d bytes left", len(r.data)-r.pos))
		return nil
	}
	r.pos += int(n)
	return r.data[r.pos-int(n) : r.pos]
}

// parseSentencePiece reads a model file. path names it in errors.
func parseSentencePiece(path string, data []byte) (*sentencePiece, error) {
	m := &sentencePiece{kind: 1, unknown: 0, bos: 1, eos: 2, pad: -1, dummyPrefix: true, squeeze: true}
	r := &protoReader{path: path, field: "ModelProto", data: data}
	for {
		number, _, part := r.next()
		if number == 0 {
			break
		}
		switch number {
		case 1:
			part.field = fmt.Sprintf("pieces[%d]", len(m.pieces))
			m.piece(part)
		case 2:
			part.field = "trainer_spec"
			m.trainer(part)
		case 3:
			part.field = "normalizer_spec"
			m.normalizer(part)
		}
		if part.err != nil {
			return nil, part.err
		}
	}
	if r.err == nil && len(m.pieces) == 0 {
		r.fail("no pieces", "a SentencePiece model")
	}
	return m, r.err
}

func (m *sentencePiece) piece(r *protoReader) {
	p := spPiece{kind: spNormal}
	for {
		number, value, part := r.next()
		switch number {
		case 0:
			if r.err == nil && !utf8.ValidString(p.text) {
				r.fail("a piece that is not UTF-8", "")
			}
			if s := float64(p.score); r.err == nil && (math.IsNaN(s) || math.IsInf(s, 0)) {
				r.fail(fmt.Sprintf("the score %v", s), "a finite number")
			}
			m.pieces = append(m.pieces, p)
			return
		case 1:
			p.text = string(part.data)
		case 2:
			p.score = math.Float32frombits(uint32(value))
		case 3:
			p.kind = int32(value)
		}
	}
}

func (m *sentencePiece) trainer(r *protoReader) {
	for {
		number, value, _ := r.next()
		switch number {
		case 0:
			return
		case 3:
			m.kind = int(value)
		case 35:
			m.byteFallback = value != 0
		case 40:
			m.unknown = int32(value)
		case 41:
			m.bos = int32(value)
		case 42:
			m.eos = int32(value)
		case 43:
			m.pad = int32(value)
		}
	}
}

func (m *sentencePiece) normalizer(r *protoReader) {
	for {
		number, value, part := r.next()
		switch number {
		case 0:
			return
		case 2:
			m.charsmap = part.data
		case 3:
			m.dummyPrefix = value != 0
		case 4:
			m.squeeze = value != 0
		}
	}
}

// fromXLMR makes the tokenizer of XLM-R's sentencepiece.bpe.model, whose ids
// fairseq has moved: <s> <pad> </s> <unk>, the pieces from the fourth on, and
// <mask> at the end.
func fromXLMR(path string, m *sentencePiece, _ *configuration) (*Tokenizer, error) {
	if len(m.pieces) < 3 {
		return nil, &fault.FormatError{Path: path, Field: "pieces", Offset: -1, Found: fmt.Sprint(len(m.pieces)), Want: "at least <unk>, <s> and </s>"}
	}
	u := &unigram{worst: math.Inf(1)}
	add := func(text string, score float32) {
		u.add([]byte(text), int32(len(u.ends)))
		u.score(float64(score))
	}
	for _, s := range []string{"<s>", "<pad>", "</s>", "<unk>"} {
		add(s, 0)
	}
	for _, p := range m.pieces[3:] {
		add(p.text, p.score)
	}
	add("<mask>", 0)
	t := &Tokenizer{model: u, pad: 1}
	if err := u.finish(path, "pieces", 3, false); err != nil {
		return nil, err
	}
	var err error
	if t.normalizer, err = newPrecompiled(path, "precompiled_charsmap", m.charsmap); err != nil {
		return nil, err
	}
	t.pre = preTokenizerSequence{whitespaceSplit{loadUnidata()}, metaspace{'▁', prependAlways, true}}
	t.decoder = metaspaceDecoder{'▁', true}
	for _, s := range []string{"<s>", "<pad>", "</s>", "<unk>", "<mask>"} {
		t.added.add(addedToken{content: s, special: true, lstrip: s == "<mask>"}, u)
	}
	t.single.special(0, 0)
	t.single.parts = append(t.single.parts, part{kind: partA})
	t.single.special(0, 2)
	t.pair.parts = append(t.pair.parts, t.single.parts...)
	t.pair.added = t.single.added
	t.pair.special(0, 2)
	t.pair.parts = append(t.pair.parts, part{kind: partB})
	t.pair.special(0, 2)
	return t, t.finish(path)
}

// fromDeBERTa makes the tokenizer of DeBERTa's spm.model: the pieces as they
// are, and behind them the special tokens that are none, which is [MASK].
func fromDeBERTa(path string, m *sentencePiece, c *configuration) (*Tokenizer, error) {
	u := &unigram{worst: math.Inf(1)}
	unknown := int64(-1)
	for i, p := range m.pieces {
		u.add([]byte(p.text), int32(i))
		u.score(float64(p.score))
		if p.kind == spUnknown {
			unknown = int64(i)
		}
	}
	if err := u.finish(path, "pieces", unknown, m.byteFallback); err != nil {
		return nil, err
	}
	t := &Tokenizer{model: u, pad: -1}
	charsmap, err := newPrecompiled(path, "precompiled_charsmap", m.charsmap)
	if err != nil {
		return nil, err
	}
	list := normalizerSequence{stripSpace{loadUnidata(), true, true}, charsmap, blankRuns{}}
	if c.l.bool(c.config, "", "do_lower_case", false) {
		list = append(normalizerSequence{lowercase{loadUnidata()}}, list...)
	}
	if c.l.bool(c.config, "", "split_by_punct", false) {
		return nil, &fault.UnsupportedError{Path: c.l.path, What: "split_by_punct", Hint: "save the tokenizer as tokenizer.json"}
	}
	if c.l.err != nil {
		return nil, c.l.err
	}
	t.normalizer = list.flat()
	t.pre = metaspace{'▁', prependAlways, true}
	t.decoder = metaspaceDecoder{'▁', true}
	var ids [3]int32 // [PAD], [CLS], [SEP]
	for i, s := range []string{"pad", "cls", "sep", "unk", "mask"} {
		name := c.token(s+"_token", "["+strings.ToUpper(s)+"]")
		t.added.add(addedToken{content: name, special: true, normalized: s == "unk"}, u)
		if i < len(ids) {
			ids[i], _ = t.ID(name)
		}
	}
	t.pad = ids[0]
	t.bertTemplates(ids[1], ids[2])
	return t, t.finish(path)
}

// bertTemplates sets [CLS] a [SEP] and [CLS] a [SEP] b [SEP], with type 1 for
// the second text.
func (t *Tokenizer) bertTemplates(cls, sep int32) {
	t.single, t.pair = template{}, template{}
	for _, p := range []*template{&t.single, &t.pair} {
		p.special(0, cls)
		p.parts = append(p.parts, part{kind: partA})
		p.special(0, sep)
	}
	t.pair.parts = append(t.pair.parts, part{kind: partB, typ: 1})
	t.pair.special(1, sep)
}

// blankRuns makes one blank of each run of blanks (U+0020).
type blankRuns struct{}

func (blankRuns) normalize(dst, text []byte, head bool) ([]byte, bool) {
	two := []byte("  ")
	head = head && !bytes.HasPrefix(text, two)
	for {
		i := bytes.Index(text, two)
		if i < 0 {
			return append(dst, text...), head
		}
		dst = append(dst, text[:i+1]...)
		for text = text[i+2:]; len(text) > 0 && text[0] == ' '; {
			text = text[1:]
		}
	}
}
