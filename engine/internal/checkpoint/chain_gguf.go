package checkpoint

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/winnow-rerank/winnow/engine/internal/compute"
	"github.com/winnow-rerank/winnow/internal/fault"
	"github.com/winnow-rerank/winnow/kernels"
)

// The numbers that llama.cpp has for no pooling and for that of a classifier.
const (
	PoolingTypeNone = 0
	PoolingTypeRank = 4
)

// ggufPoolings are its other numbers.
var ggufPoolings = map[int]compute.Pooling{1: compute.PoolMean, 2: compute.PoolFirst, 3: compute.PoolLast}

// The keys of what follows the encoder in GGUF files.
var (
	keyPoolingType = Key{GGUF: ".pooling_type"}
	keyPooling     = Key{GGUF: ".pooling"} // the name of one that has no number
	keyHeadPooling = Key{GGUF: ".classifier.pooling_type"}
	keyUnit        = Key{GGUF: ".normalize"} // vectors are to be of length 1, as llama.cpp makes all
	keyPromptNames = Key{GGUF: ".prompts.names"}
	keyPromptTexts = Key{GGUF: ".prompts.texts"} // as many
	keyPromptUsual = Key{GGUF: ".prompts.default"}
	keyKept        = Key{GGUF: ".dimensions"} // of each vector, where it is not all
	keySequence    = Key{GGUF: ".sequence_length"}
)

// maxSequence is the same in sentence_bert_config.json.
const maxSequence = "max_seq_length"

// PoolingType is the pooling_type of a GGUF file; ok is false where it has none.
func (f *File) PoolingType() (n int, ok bool) {
	if !f.IsGGUF() || !f.Has(keyPoolingType) {
		return 0, false
	}
	return f.Int(keyPoolingType, PoolingTypeNone, PoolingTypeRank, 0), true
}

// readGGUF makes the chain of a GGUF file: dense_2, dense_3 and so on, each of
// which may be a norm, dense_2_norm, or a key that asks for length 1,
// dense_2_normalize.
func (c *Chain) readGGUF(f *File) {
	c.Unit = f.Bool(keyUnit, true)
	pooling := f.ggufPooling()
	c.Width *= pooling.Kinds()
	for n := firstStep; n < maxModules; n++ {
		name := fmt.Sprintf("dense_%d", n)
		s := Step{inputs: c.Width, outputs: c.Width, path: f.settingsPath}
		if t, ok := f.source.Tensor(name + ".weight"); ok {
			s.dense, s.outputs = true, 1
			if len(t.Shape) == 2 && t.Shape[0] <= MaxWidth {
				s.outputs = max(1, t.Shape[0])
			}
			_, s.bias = f.source.Tensor(name + ".bias")
			f.Account(Key{GGUF: "." + name + "_feat_in"}, Key{GGUF: "." + name + "_feat_out"})
			s.Activation = f.Activation(Key{GGUF: "." + name + "_activation"}, kernels.Identity)
			s.add = f.Bool(Key{GGUF: "." + name + "_residual"}, false)
		} else if _, ok := f.source.Tensor(name + "_norm.weight"); ok {
			s.norm = true
		} else if s.normalize = f.Bool(Key{GGUF: "." + name + "_normalize"}, false); !s.normalize {
			break
		}
		c.add(s)
	}
	c.Pooling = pooling
}

// ggufPooling is how a GGUF file pools, which is the mean where it does not say.
// One that ranks (pooling type 4) without a classifier, and names the pooling
// before that, has a chain whose vectors are logits.
func (f *File) ggufPooling() compute.Pooling {
	kind := f.Int(keyPoolingType, PoolingTypeNone, PoolingTypeRank, PoolingTypeNone)
	switch {
	case f.Has(keyLateQuery.length):
		return compute.PoolNone
	case kind == PoolingTypeRank && f.Has(keyHeadPooling):
		kind = f.Int(keyHeadPooling, PoolingTypeNone+1, PoolingTypeRank-1, 0)
	}
	if f.Has(keyPooling) {
		return f.namedPooling(f.String(keyPooling, ""))
	}
	if p, ok := ggufPoolings[kind]; ok {
		return p
	}
	return compute.PoolMean
}

// namedPooling reads the names of the kinds that a pooling joins.
func (f *File) namedPooling(text string) compute.Pooling {
	p, ok := joinedPooling(strings.Split(text, " "))
	if !ok {
		f.Fail(keyPooling, f.Describe(keyPooling), "names of poolings, such as max")
	}
	return p
}

// poolingNames are the names of the kinds that a pooling joins.
func poolingNames(p compute.Pooling) string {
	names := make([]string, p.Kinds())
	for i := range names {
		for name, kind := range poolings {
			if kind == p.Kind(i) {
				names[i] = name
			}
		}
	}
	return strings.Join(names, " ")
}

// ChainScores says whether the vectors of a chain are logits: those of a
// CrossEncoder, or of one number.
func (f *File) ChainScores(c *Chain) bool {
	if f.IsGGUF() {
		kind, _ := f.PoolingType()
		return kind == PoolingTypeRank && f.Has(keyHeadPooling)
	}
	return f.Sentence.Kind() == "CrossEncoder" || c.Width == 1
}

// Prompts are what is put before texts, by name, and the name of the one that is
// put before all, unless another is asked for, or "".
func (f *File) Prompts() (prompts map[string]string, usual string, err error) {
	if !f.IsGGUF() {
		return f.Sentence.Prompts()
	}
	names, texts := f.Strings(keyPromptNames, nil), f.Strings(keyPromptTexts, nil)
	if len(names) != len(texts) {
		f.Fail(keyPromptTexts, fmt.Sprintf("%d texts", len(texts)), fmt.Sprintf("one for each of the %d names", len(names)))
		return nil, "", f.err
	}
	prompts = make(map[string]string, len(names))
	for i, name := range names {
		prompts[name] = texts[i]
	}
	usual = f.String(keyPromptUsual, "")
	if _, ok := prompts[usual]; !ok && usual != "" {
		f.Fail(keyPromptUsual, f.Describe(keyPromptUsual), "a name of prompts.names")
	}
	return prompts, usual, f.err
}

// SequenceLimit is how many tokens a sequence may have by settings beside the
// model's positions; 0: as many as these are enough for.
func (f *File) SequenceLimit() (int, error) {
	if f.IsGGUF() {
		n := f.Int(keySequence, 1, MaxPositions, 0)
		return n, f.err
	}
	n, name, o, ok := f.Sentence.sequenceLimit()
	if !ok {
		return 0, &fault.FormatError{Path: o.path, Field: name, Offset: -1, Found: o.Kind(name), Want: "a whole number above 0"}
	}
	return int(min(n, MaxPositions)), nil
}

// SequenceLimit writes how many tokens a sequence may have, where that is fewer
// than the positions are enough for.
func (e *Export) SequenceLimit(n int) { e.Set(keySequence.GGUF, uint32(n)) }

// PoolingType writes llama.cpp's number of a pooling.
func (e *Export) PoolingType(n int) { e.Set(keyPoolingType.GGUF, uint32(n)) }

// Chain writes what follows the encoder. labels are those of its numbers where
// they are logits, or nil.
func (e *Export) Chain(c *Chain, labels []string) {
	for i := range c.Steps {
		s := &c.Steps[i]
		key := fmt.Sprintf(".dense_%d_", firstStep+i)
		if s.dense && e.architecture == "gemma-embedding" { // llama.cpp wants to know
			e.Set(key+"feat_in", uint32(s.inputs))
			e.Set(key+"feat_out", uint32(s.outputs))
		}
		if s.dense && s.Activation != kernels.Identity {
			e.Set(key+"activation", ActivationName(s.Activation))
		}
		if s.add {
			e.Set(key+"residual", true)
		}
		if s.normalize {
			e.Set(key+"normalize", true)
		}
	}
	if !c.Unit {
		e.Set(keyUnit.GGUF, false)
	}
	if c.Kept != c.Width {
		e.Set(keyKept.GGUF, uint32(c.Kept))
	}
	kind := poolingType(c.Pooling)
	if kind == PoolingTypeNone && c.Pooling != compute.PoolNone {
		e.Set(keyPooling.GGUF, poolingNames(c.Pooling))
		if labels != nil {
			kind = poolingType(compute.PoolMean) // for there has to be a number
		}
	}
	if labels == nil {
		e.Set(keyPoolingType.GGUF, kind)
		return
	}
	e.Set(keyPoolingType.GGUF, uint32(PoolingTypeRank))
	e.Set(keyHeadPooling.GGUF, kind)
	e.Set(keyLabels.GGUF, labels)
}

// poolingType is llama.cpp's number of a pooling.
func poolingType(p compute.Pooling) uint32 {
	for n, q := range ggufPoolings {
		if p == q {
			return uint32(n)
		}
	}
	return PoolingTypeNone
}

// Texts writes what is put before texts.
func (e *Export) Texts(prompts map[string]string, usual string) {
	if len(prompts) > 0 {
		names := slices.Sorted(maps.Keys(prompts))
		texts := make([]string, len(names))
		for i, name := range names {
			texts[i] = prompts[name]
		}
		e.Set(keyPromptNames.GGUF, names)
		e.Set(keyPromptTexts.GGUF, texts)
	}
	if usual != "" {
		e.Set(keyPromptUsual.GGUF, usual)
	}
}
