package checkpoint

import (
	"fmt"
	"path/filepath"
	"slices"
)

// What the files say about a model's purpose, apart from its class.

// LateInteraction reports whether the model compares token vectors (ColBERT).
func (f *File) LateInteraction() bool {
	if f.IsGGUF() {
		return f.Has(keyLateQuery.length)
	}
	return f.Architecture == colBERT || f.Sentence.Late()
}

// HasChain reports whether modules follow the trunk, instead of the class's head.
func (f *File) HasChain() bool {
	if !f.IsGGUF() {
		return slices.ContainsFunc(f.Sentence.Modules, func(m Module) bool { return m.Class != "Transformer" && m.Class != "LogitScore" })
	}
	kind, ok := f.PoolingType()
	for _, name := range []string{"cls.weight", "cls.output.weight"} {
		if _, ok := f.source.Tensor(name); ok {
			return false
		}
	}
	return ok && kind != PoolingTypeNone || f.Has(keyPooling)
}

// ChainLabels returns the labels of a chain whose vectors are logits; ok is false if
// they are vectors.
func (f *File) ChainLabels(c *Chain) (labels []string, ok bool) {
	if !f.ChainScores(c) {
		return nil, false
	}
	if f.HasLabels() {
		if labels := f.Labels(); len(labels) == c.Width {
			return labels, true
		}
		if f.IsGGUF() {
			f.Fail(keyLabels, f.Describe(keyLabels), fmt.Sprintf("one for each of the chain's %d numbers", c.Width))
		}
	}
	return DefaultLabels(c.Width), true
}

// TiesWords reports whether a language model's head is its embedding table even if the
// file has a separate head.
func (f *File) TiesWords(byDefault bool) bool {
	return !f.IsGGUF() && f.Bool(Key{HF: "tie_word_embeddings"}, byDefault)
}

// EndTokens returns the tokens that end a text: from the configuration and
// generation_config.json, or from GGUF metadata.
func (f *File) EndTokens() []int32 {
	var ids []int32
	if f.IsGGUF() {
		for _, name := range []string{"eos", "eot", "eom"} {
			if id := f.Int(Key{GGUF: "tokenizer.ggml." + name + "_token_id"}, 0, MaxVocab, -1); id >= 0 {
				ids = append(ids, int32(id))
			}
		}
		return ids
	}
	generation, err := ReadObject(filepath.Join(f.Folder(), "generation_config.json"))
	if err != nil {
		generation = nil // it only configures generation: no reason to refuse a model
	}
	for _, config := range []*Object{f.Config, generation} {
		if id, ok := config.Int("eos_token_id"); ok {
			ids = append(ids, int32(id))
		}
		if list, ok := config.Ints("eos_token_id"); ok {
			for _, id := range list {
				ids = append(ids, int32(id))
			}
		}
	}
	return ids
}

// Release tells the system that a tensor will not be read soon.
func (f *File) Release(name string) { f.source.Release(name) }
