package engine

import (
	"fmt"

	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
)

// Precision is the number format in which a model's matrices are multiplied.
type Precision = checkpoint.Precision

// The supported precisions.
const (
	Auto    = checkpoint.Auto
	F32     = checkpoint.F32
	F16     = checkpoint.F16
	Int8    = checkpoint.Int8
	Int8A16 = checkpoint.Int8A16
	Int16A8 = checkpoint.Int16A8
)

// ParsePrecision parses the name of a precision.
func ParsePrecision(s string) (Precision, error) { return checkpoint.ParsePrecision(s) }

// Options controls how a model is loaded. The zero value is the default.
type Options struct {
	Threads     int // worker threads; 0: one for each core
	Precision   Precision
	MaxLength   int    // tokens of a sequence, if fewer than the model's maximum; 0: that maximum
	BatchTokens int    // tokens that a worker takes through the layers at a time; 0: the default
	Pause       func() // if not nil, called by workers between layers

	// Label is the name or number of the classifier label that means relevant; "": the
	// only one whose name says so, the only label, or the second of two.
	Label string
	// Pooling replaces an embedding model's pooling: "mean", "cls" or "last".
	Pooling string
	// Score selects how scores are computed if the model leaves a choice: "yes-no", "yes"
	// or "token:ID" for causal models, "cosine" for embedding models; "": as the model's
	// authors do.
	Score string

	// For rerankers with a head after each of many layers: the layer to stop after (0: the
	// last), and the layers before which each CompressRatio neighbouring tokens of a
	// document are merged into one.
	Layer          int
	CompressRatio  int
	CompressLayers []int

	// For causal models:
	Template    string // prompt by name or text, or "none" for the bare pair; "": as the model's files say
	Instruction string // replaces the prompt's default instruction
	PlainText   bool   // special token spellings in queries and documents stay plain text
	// ChatTemplate is the Jinja source of the chat template; "": the one in the model's
	// files.
	ChatTemplate string

	roundAll bool // quantise narrow matrices too: for tests
	anyLabel bool // do not require a known relevant label: for conversions
}

// check rejects negative numbers.
func (o *Options) check() error {
	if o.Threads < 0 || o.MaxLength < 0 || o.BatchTokens < 0 {
		return fmt.Errorf("%d threads, maximum length %d, %d tokens a batch: expected numbers of at least 0", o.Threads, o.MaxLength, o.BatchTokens)
	}
	return nil
}

// rejectScore returns an error if o requests a score for a model that leaves no choice.
func rejectScore(f *checkpoint.File, o Options) error {
	if o.Score == "" {
		return nil
	}
	return fmt.Errorf("%s: score %q requested, but the model has its own scoring", f.SettingsPath(), o.Score)
}

// rejectLabel returns an error if o requests a label for a model without a classifier.
func rejectLabel(f *checkpoint.File, o Options) error {
	if o.Label == "" {
		return nil
	}
	return fmt.Errorf("%s: label %q requested, but the model has no classifier", f.Path, o.Label)
}
