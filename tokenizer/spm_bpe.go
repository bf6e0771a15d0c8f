package tokenizer

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"

	"github.com/winnow-rerank/winnow/internal/fault"
)

// bpe builds the model from a SentencePiece model for a class that orders merges by the
// ids of the results.
func (m *sentencePiece) bpe(path string, opts bpeOptions) (model, error) {
	b := newBPEBuilder(path, opts)
	for i, p := range m.pieces {
		b.m.add([]byte(p.text), int32(i))
	}
	if err := b.index(); err != nil {
		return nil, err
	}
	order := make([]int, len(m.pieces))
	for i := range order {
		order[i] = i
	}
	b.splitMerges(order, func(int) bool { return true })
	return b.finish(), nil
}

// splitMerges adds a merge for each way to split a piece into two usable ones, in the
// order of the pieces.
func (b *bpeBuilder) splitMerges(order []int, usable func(i int) bool) {
	for _, i := range order {
		if b.m.pieces.find(b.m.pieces.at(i)) == i {
			b.addSplits(i, usable, func() uint32 { return uint32(len(b.merges)) })
		}
	}
}

// fromPieces builds a tokenizer from a SentencePiece model of type BPE without a class
// of its own, as SentencePiece does.
func (c *configuration) fromPieces(path string, m *sentencePiece) (*Tokenizer, error) {
	if m.kind != 2 {
		return nil, &fault.UnsupportedError{Path: path, What: fmt.Sprintf("a SentencePiece model of type %d", m.kind),
			Hint: "save the tokenizer as tokenizer.json"}
	}
	c.pieces = slices.DeleteFunc(c.pieces, func(v any) bool { return v.(map[string]any)["special"] == false })
	c.gather()
	names := make([]string, len(m.pieces)) // added_tokens_decoder renames placeholders
	kept := map[string]bool{}
	for i, p := range m.pieces {
		names[i] = p.text
	}
	renamed := map[int]string{}
	if v, ok := c.config["added_tokens_decoder"]; ok {
		for _, token := range c.addedTokensDecoder(v) {
			if int(token.id) < len(names) {
				renamed[int(token.id)] = token.content
			}
		}
		c.rawTokens = m.dummyPrefix
	}
	for i, name := range names {
		if _, ok := renamed[i]; !ok {
			kept[name] = true
		}
	}
	for i, name := range renamed {
		if !kept[name] {
			names[i] = name
		}
	}
	usable := func(i int) bool { return m.pieces[i].kind == spNormal }
	b := newBPEBuilder(path, bpeOptions{fuseUnk: true, byteFallback: m.byteFallback, unkToken: m.names[spUnknownName]})
	var whole []int // user-defined pieces are neither split nor merged
	var order []int
	for i, name := range names {
		b.m.add([]byte(name), int32(i))
		switch {
		case m.pieces[i].kind == spUserDefined:
			whole = append(whole, i)
		case usable(i):
			order = append(order, i)
		}
	}
	b.m.opts.ignoreMerges = len(whole) > 0
	if err := b.index(); err != nil {
		return nil, err
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(m.pieces[j].score, m.pieces[i].score) })
	b.splitMerges(order, usable)
	t := &Tokenizer{model: b.finish(), pad: -1}
	if err := c.pieceStages(t, path, m, names, whole); err != nil {
		return nil, err
	}
	for _, s := range []struct {
		role string
		name int
		id   int32
	}{{"bos_token", spBOSName, m.bos}, {"eos_token", spEOSName, m.eos}, {"unk_token", spUnknownName, m.unknown}} {
		if _, ok := c.args.values[s.role]; !ok && s.id >= 0 {
			c.args.values[s.role] = m.names[s.name]
		}
	}
	return c.build(path, t, nil)
}

// pieceStages sets the stages from a SentencePiece model's settings. whole are the
// pieces that are matched first.
func (c *configuration) pieceStages(t *Tokenizer, path string, m *sentencePiece, names []string, whole []int) error {
	legacy := c.flag("legacy", true)
	charsmap, err := newPrecompiled(path, "precompiled_charsmap", m.charsmap)
	if err != nil {
		return err
	}
	list := normalizerSequence{charsmap}
	if m.squeeze {
		list = append(list, spaceTrim{}, spaceRuns{})
	}
	if m.escape {
		list = append(list, replace{literal(" "), underscore})
	}
	var stages preTokenizerSequence
	back := decoderSequence{replaceDecoder{literal(underscore), " "}}
	if m.byteFallback {
		back = append(back, byteFallbackDecoder{})
	}
	if m.byteFallback || m.dummyPrefix {
		back = append(back, fuseDecoder{})
	}
	if m.dummyPrefix {
		scheme := prependFirst
		if legacy {
			scheme = prependAlways
			list = append(list, doubleMark{})
		}
		stages = append(stages, metaspace{'▁', scheme, false})
		back = append(back, stripDecoder{' ', 1, 0})
	}
	if len(whole) > 0 {
		stages = append(stages, split{newMatcher(names, whole), isolated, false})
	}
	t.normalizer = list.flat()
	if len(stages) > 0 {
		t.pre = stages
	}
	t.decoder = back
	return nil
}

// doubleMark doubles a ▁ at the start of a text, because Metaspace would otherwise not
// prepend another.
type doubleMark struct{}

func (doubleMark) normalize(dst, text []byte, head bool, _ int) ([]byte, bool, error) {
	if bytes.HasPrefix(text, []byte(underscore)) {
		dst = append(dst, underscore...)
	}
	return append(dst, text...), head, nil
}

// spaceTrim removes the spaces (U+0020) at both ends of a text.
type spaceTrim struct{}

func (spaceTrim) normalize(dst, text []byte, head bool, _ int) ([]byte, bool, error) {
	return append(dst, bytes.Trim(text, " ")...), head && !bytes.HasPrefix(text, []byte(" ")), nil
}
