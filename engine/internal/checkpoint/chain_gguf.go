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

// llama.cpp's numbers for no pooling and for a classifier's.
const (
	PoolingTypeNone = 0
	PoolingTypeRank = 4
)

// ggufPoolings are its other numbers.
var ggufPoolings = map[int]compute.Pooling{1: compute.PoolMean, 2: compute.PoolFirst, 3: compute.PoolLast}

// The keys of what follows the encoder in GGUF files.
var (
	keyPoolingType   = Key{GGUF: ".pooling_type"}
	keyPooling       = Key{GGUF: ".pooling"} // names of a pooling without a number
	keyHeadPooling   = Key{GGUF: ".classifier.pooling_type"}
	keyUnit          = Key{GGUF: ".normalize"} // normalise vectors to length 1, as llama.cpp always does
	keyPromptNames   = Key{GGUF: ".prompts.names"}
	keyPromptTexts   = Key{GGUF: ".prompts.texts"} // parallel to the names
	keyPromptDefault = Key{GGUF: ".prompts.default"}
	keyDimensions    = Key{GGUF: ".dimensions"} // kept of each vector, if not all
	keySequence      = Key{GGUF: ".sequence_length"}
)

// maxSequence is keySequence's name in sentence_bert_config.json.
const maxSequence = "max_seq_length"

// PoolingType is the pooling_type of a GGUF file; ok is false if it has none.
func (f *File) PoolingType() (n int, ok bool) {
	if !f.IsGGUF() || !f.Has(keyPoolingType) {
		return 0, false
	}
	return f.Int(keyPoolingType, PoolingTypeNone, PoolingTypeRank, 0), true
}

// readGGUF builds the chain of a GGUF file: dense_2, dense_3 and so on, each of which
// may instead be a norm (dense_2_norm) or a normalisation to length 1 (the key
// dense_2_normalize).
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

// ggufPooling is a GGUF file's pooling, by default the mean. A file that ranks (pooling
// type 4) without a classifier, and names the preceding pooling, has a chain whose
// vectors are logits.
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

// namedPooling parses the names of the kinds that a pooling joins.
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

// ChainScores reports whether a chain's vectors are logits: those of a CrossEncoder, or
// single numbers.
func (f *File) ChainScores(c *Chain) bool {
	if f.IsGGUF() {
		kind, _ := f.PoolingType()
		return kind == PoolingTypeRank && f.Has(keyHeadPooling)
	}
	return f.Sentence.Kind() == "CrossEncoder" || c.Width == 1
}

// Prompts returns the prefixes for texts by name, and the name of the default one, or
// "".
func (f *File) Prompts() (prompts map[string]string, defaultName string, err error) {
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
	defaultName = f.String(keyPromptDefault, "")
	if _, ok := prompts[defaultName]; !ok && defaultName != "" {
		f.Fail(keyPromptDefault, f.Describe(keyPromptDefault), "a name of prompts.names")
	}
	return prompts, defaultName, f.err
}

// SequenceLimit is the maximum sequence length by settings other than the model's
// positions; 0: no further limit.
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

// SequenceLimit writes the maximum sequence length, where it is less than the positions
// allow.
func (e *Export) SequenceLimit(n int) { e.Set(keySequence.GGUF, uint32(n)) }

// PoolingType writes llama.cpp's number of a pooling.
func (e *Export) PoolingType(n int) { e.Set(keyPoolingType.GGUF, uint32(n)) }

// Chain writes what follows the encoder. labels are those of its outputs if they are
// logits, or nil.
func (e *Export) Chain(c *Chain, labels []string) {
	for i := range c.Steps {
		s := &c.Steps[i]
		key := fmt.Sprintf(".dense_%d_", firstStep+i)
		if s.dense && e.architecture == "gemma-embedding" { // required by llama.cpp
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
		e.Set(keyDimensions.GGUF, uint32(c.Kept))
	}
	kind := poolingType(c.Pooling)
	if kind == PoolingTypeNone && c.Pooling != compute.PoolNone {
		e.Set(keyPooling.GGUF, poolingNames(c.Pooling))
		if labels != nil {
			kind = poolingType(compute.PoolMean) // a number is required
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

// Texts writes the prefixes for texts.
func (e *Export) Texts(prompts map[string]string, defaultName string) {
	if len(prompts) > 0 {
		names := slices.Sorted(maps.Keys(prompts))
		texts := make([]string, len(names))
		for i, name := range names {
			texts[i] = prompts[name]
		}
		e.Set(keyPromptNames.GGUF, names)
		e.Set(keyPromptTexts.GGUF, texts)
	}
	if defaultName != "" {
		e.Set(keyPromptDefault.GGUF, defaultName)
	}
}
