package checkpoint

import (
	"encoding/json"
	"strconv"
)

var (
	keyLabels       = Key{HF: "id2label", GGUF: ".classifier.output_labels"}
	keyNumLabels    = Key{HF: "num_labels"}
	keyActivation   = Key{HF: "sbert_ce_default_activation_function"}
	keyLabelsByName = Key{HF: "label2id"}
)

// DefaultLabels returns transformers' default names for n labels.
func DefaultLabels(n int) []string {
	labels := make([]string, n)
	for i := range labels {
		labels[i] = "LABEL_" + strconv.Itoa(i)
	}
	return labels
}

// HasLabels reports whether the file names labels.
func (f *File) HasLabels() bool { return f.Has(keyLabels) }

// Labels returns the names of a classifier's outputs. A GGUF file without them has one
// for each row of the tensor cls.output.
func (f *File) Labels() []string {
	if f.IsGGUF() {
		if labels := f.Strings(keyLabels, nil); len(labels) > 0 {
			return labels
		}
		return DefaultLabels(min(max(f.Rows("cls.output.weight"), 1), MaxLabels))
	}
	f.Account(keyLabelsByName)
	n := f.Int(keyNumLabels, 1, MaxLabels, 2)
	if !f.Has(keyLabels) {
		return DefaultLabels(n)
	}
	object, ok := f.Config.value(keyLabels.HF).(map[string]any)
	if !ok || len(object) == 0 || len(object) > MaxLabels {
		f.Fail(keyLabels, f.Describe(keyLabels), `an object with names for "0", "1", …`)
		return DefaultLabels(1)
	}
	labels := make([]string, len(object))
	named := make([]bool, len(object))
	for number, v := range object {
		i, err := strconv.Atoi(number)
		name, ok := labelName(v)
		if err != nil || i < 0 || i >= len(labels) || named[i] || !ok {
			f.Fail(keyLabels, f.Describe(keyLabels), `an object with names for "0", "1", …`)
			return DefaultLabels(len(labels))
		}
		labels[i], named[i] = name, true
	}
	return labels
}

// labelName is a label as Python prints it.
func labelName(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		if v {
			return "True", true
		}
		return "False", true
	}
	return "", false
}

// ConfiguredActivation names the function that sentence-transformers applies to the
// logits, "" if the files do not say.
func (f *File) ConfiguredActivation() string {
	if f.IsGGUF() {
		return ""
	}
	if v, ok := f.Config.Object("sentence_transformers").String("activation_fn"); ok {
		return v
	}
	if v := f.String(keyActivation, ""); v != "" {
		return v
	}
	v, _ := f.Sentence.Settings.String("activation_fn")
	return v
}

// Labels writes the labels of a classifier.
func (e *Export) Labels(labels []string) { e.Set(keyLabels.GGUF, labels) }
