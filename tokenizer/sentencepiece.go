package tokenizer

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"unicode/utf8"

	"github.com/winnow-rerank/winnow/internal/fault"
)

// A sentencePiece is the relevant content of a SentencePiece model file.
type sentencePiece struct {
	pieces []spPiece

	kind         int // model_type: 1 unigram, 2 BPE, 3 words, 4 characters
	byteFallback bool
	unknown      int32 // unk_id etc.; -1: none
	bos          int32
	eos          int32
	pad          int32

	charsmap    []byte // precompiled_charsmap
	dummyPrefix bool   // prepend a space to the text
	squeeze     bool   // remove_extra_whitespaces
	escape      bool   // escape_whitespaces: spaces become ▁

	names map[int]string // unk_piece, bos_piece and eos_piece, by field number
}

type spPiece struct {
	text  string
	score float32
	kind  int32 // sp… below
}

// Types of pieces.
const (
	spNormal = iota + 1
	spUnknown
	spControl
	spUserDefined
	spUnused
	spByte
)

// Field numbers of the trainer's piece names.
const (
	spUnknownName = iota + 45
	spBOSName
	spEOSName
)

// A protoReader reads the fields of a protocol buffer message in order. The first error
// sticks.
type protoReader struct {
	path, field string
	data        []byte
	base        int // offset of data in the file
	pos         int
	err         error
}

// each calls field for each field.
func (r *protoReader) each(field func(number int, value uint64, part *protoReader)) {
	for number, value, part := r.next(); number != 0; number, value, part = r.next() {
		field(number, value, part)
	}
}

// next reads a field: number is 0 at the end, value is that of a varint or fixed-size
// number, and part that of a string or message.
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
	m := &sentencePiece{kind: 1, unknown: 0, bos: 1, eos: 2, pad: -1, dummyPrefix: true, squeeze: true, escape: true,
		names: map[int]string{spUnknownName: "<unk>", spBOSName: "<s>", spEOSName: "</s>"}}
	r := &protoReader{path: path, field: "ModelProto", data: data}
	r.each(func(number int, _ uint64, part *protoReader) {
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
		r.err = part.err
	})
	if r.err == nil && len(m.pieces) == 0 {
		r.fail("no pieces", "a SentencePiece model")
	}
	return m, r.err
}

func (m *sentencePiece) piece(r *protoReader) {
	p := spPiece{kind: spNormal}
	r.each(func(number int, value uint64, part *protoReader) {
		switch number {
		case 1:
			p.text = string(part.data)
		case 2:
			p.score = math.Float32frombits(uint32(value))
		case 3:
			p.kind = int32(value)
		}
	})
	if !utf8.ValidString(p.text) {
		r.fail("a piece that is not UTF-8", "")
	}
	if s := float64(p.score); math.IsNaN(s) || math.IsInf(s, 0) {
		r.fail(fmt.Sprintf("the score %v", s), "a finite number")
	}
	m.pieces = append(m.pieces, p)
}

func (m *sentencePiece) trainer(r *protoReader) {
	r.each(func(number int, value uint64, part *protoReader) {
		switch number {
		case spUnknownName, spBOSName, spEOSName:
			m.names[number] = string(part.data)
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
	})
}

func (m *sentencePiece) normalizer(r *protoReader) {
	r.each(func(number int, value uint64, part *protoReader) {
		switch number {
		case 2:
			m.charsmap = part.data
		case 3:
			m.dummyPrefix = value != 0
		case 4:
			m.squeeze = value != 0
		case 5:
			m.escape = value != 0
		}
	})
}

// unigram builds the model from a SentencePiece model, with the ids of its class.
func (m *sentencePiece) unigram(path string, c *configuration) (model, error) {
	u := &unigram{worst: math.Inf(1)}
	add := func(text string, score float64) {
		u.add([]byte(text), int32(len(u.ends)))
		u.score(score)
	}
	pieces := m.pieces
	switch c.class {
	case xlmRobertaClass, camembertClass: // fairseq shifted the ids
		first, skip := []string{"bos_token", "pad_token", "eos_token", "unk_token"}, 3
		if c.class == camembertClass {
			first, skip = []string{"<s>NOTUSED", "pad_token", "</s>NOTUSED", "unk_token", "<unk>NOTUSED"}, 1
		}
		if len(pieces) < skip {
			return nil, &fault.FormatError{Path: path, Field: "pieces", Offset: -1, Found: fmt.Sprint(len(pieces)), Want: "at least <unk>, <s> and </s>"}
		}
		for _, s := range first {
			if slices.Contains(roles, s) {
				s = c.spelling(s)
			}
			score := 0.0
			if s == "<unk>NOTUSED" {
				score = -100
			}
			add(s, score)
		}
		pieces = pieces[skip:]
	}
	for _, p := range pieces {
		add(p.text, float64(p.score))
	}
	switch c.class {
	case xlmRobertaClass, camembertClass:
		add(c.spelling("mask_token"), 0)
	case t5Class:
		for i := c.extraIDs() - 1; i >= 0; i-- {
			add(fmt.Sprintf("<extra_id_%d>", i), 0)
		}
	case debertaV2Class:
		if _, ok := c.args.values["unk_id"]; !ok {
			c.args.values["unk_id"] = float64(m.unknown)
		}
	}
	return u, u.finish(path, "pieces", c.class.unknownID(c, u), false)
}

// spaceRuns replaces each run of spaces (U+0020) with one.
type spaceRuns struct{}

func (spaceRuns) normalize(dst, text []byte, head bool, _ int) ([]byte, bool, error) {
	two := []byte("  ")
	head = head && !bytes.HasPrefix(text, two)
	for {
		i := bytes.Index(text, two)
		if i < 0 {
			return append(dst, text...), head, nil
		}
		dst = append(dst, text[:i+1]...)
		text = bytes.TrimLeft(text[i+2:], " ")
	}
}
