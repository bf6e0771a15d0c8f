package tokenizer

import (
	"fmt"
	"math"

	"github.com/winnow-rerank/winnow/internal/fault"
)

// newSentencePieceBPE makes a tokenizer of a SentencePiece model of type BPE,
// with the special tokens around texts that Llama and Gemma put there: each
// text begins with BOS.
func newSentencePieceBPE(path string, m *sentencePiece) (*Tokenizer, error) {
	b := newBPEBuilder(path, bpeOptions{fuseUnk: true, byteFallback: m.byteFallback})
	scores := make([]float32, len(m.pieces))
	for i, p := range m.pieces {
		b.m.add([]byte(p.text), int32(i))
		if scores[i] = p.score; p.kind == spUserDefined {
			scores[i] = math.MaxFloat32 // taken whole before anything is merged
		}
	}
	if err := b.index(); err != nil {
		return nil, err
	}
	b.scoreMerges(scores, func(i int) bool { return m.pieces[i].kind == spNormal || m.pieces[i].kind == spUserDefined })
	model, err := b.finish()
	if err != nil {
		return nil, err
	}
	t := &Tokenizer{model: model, pad: -1}
	t.underscores(m.dummyPrefix)
	var before normalizerSequence
	if len(m.charsmap) > 0 {
		charsmap, err := newPrecompiled(path, "precompiled_charsmap", m.charsmap)
		if err != nil {
			return nil, err
		}
		before = append(before, charsmap)
	}
	if m.squeeze {
		before = append(before, blankTrim{}, blankRuns{})
	}
	if len(before) > 0 {
		t.normalizer = append(before, t.normalizer)
	}
	for i, p := range m.pieces {
		switch p.kind {
		case spUnknown:
			model.unk = int32(i)
			t.added.add(addedToken{content: p.text, special: true}, model)
		case spControl:
			t.added.add(addedToken{content: p.text, special: true}, model)
		case spUserDefined:
			t.added.add(addedToken{content: p.text}, model)
		}
	}
	for _, s := range []struct {
		name string
		id   int32
	}{{"bos_id", m.bos}, {"pad_id", m.pad}} {
		if int(s.id) >= len(m.pieces) {
			return nil, &fault.FormatError{Path: path, Field: "trainer_spec." + s.name, Offset: -1,
				Found: fmt.Sprint(s.id), Want: fmt.Sprintf("less than the %d pieces", len(m.pieces))}
		}
	}
	t.single, t.pair = template{}, template{}
	for _, p := range []*template{&t.single, &t.pair} {
		if m.bos >= 0 {
			p.special(0, m.bos)
		}
		p.parts = append(p.parts, part{kind: partA})
	}
	if m.bos >= 0 {
		t.pair.special(1, m.bos)
	}
	t.pair.parts = append(t.pair.parts, part{kind: partB, typ: 1})
	if m.pad >= 0 {
		t.pad = m.pad
	}
	return t, t.finish(path)
}

// blankTrim removes the blanks (U+0020) at both ends of a text.
type blankTrim struct{}

func (blankTrim) normalize(dst, text []byte, head bool) ([]byte, bool) {
	start, end := 0, len(text)
	for start < end && text[start] == ' ' {
		start++
	}
	for start < end && text[end-1] == ' ' {
		end--
	}
	return append(dst, text[start:end]...), head && start == 0
}
