package engine

import (
	"fmt"

	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
)

// Precision is the number format in which a model's matrices are multiplied.
type Precision = checkpoint.Precision

// The precisions that a user can ask for.
const (
	Auto    = checkpoint.Auto
	F32     = checkpoint.F32
	F16     = checkpoint.F16
	Int8    = checkpoint.Int8
	Int8A16 = checkpoint.Int8A16
	Int16A8 = checkpoint.Int16A8
)

// ParsePrecision reads the name of a precision.
func ParsePrecision(s string) (Precision, error) { return checkpoint.ParsePrecision(s) }

// Options changes how a model is loaded; the zero value is the default.
type Options struct {
	Threads     int
	Precision   Precision
	MaxLength   int    // tokens of a sequence, if that is fewer than the model takes
	BatchTokens int    // that a worker takes through the layers at a time
	Pause       func() // or nil: what workers call between layers

	// Label is the name or number of a classifier's label that says that a document
	// is relevant; "": the only one, or the one whose name says so, or the second of
	// two.
	Label string
	// Pooling is "mean", "cls" or "last" in place of an embedding model's own.
	Pooling string
	// Score is how a score is made where the model leaves a choice: of causal models
	// "yes-no", "yes" or "token:ID"; of embedding models "cosine"; "": as the model's
	// authors do.
	Score string

	// Of rerankers with a head behind each of many layers: the layer to stop behind, 0 for
	// the last one, and the layers before which so many neighbouring tokens of a document
	// become one.
	Layer          int
	CompressRatio  int
	CompressLayers []int

	// Of causal models:
	Template    string // the prompt: a name or text, or "none" for the bare pair; "": as the model's files say
	Instruction string // in place of the prompt's own
	PlainText   bool   // what spells a special token in queries and documents stays text
	// ChatTemplate is the Jinja source of the template of conversations; "": the one that the
	// model's files bring.
	ChatTemplate string

	roundAll bool // narrow matrices too are rounded: for tests
	unjudged bool // any label may be the relevant one: for conversions
}

// check says what is wrong with the numbers.
func (o *Options) check() error {
	if o.Threads < 0 || o.MaxLength < 0 || o.BatchTokens < 0 {
		return fmt.Errorf("%d threads, maximum length %d, %d tokens a batch: expected numbers of at least 0", o.Threads, o.MaxLength, o.BatchTokens)
	}
	return nil
}

// noScore is the error of a scoring that is asked for where the model leaves no choice.
func noScore(f *checkpoint.File, o Options) error {
	if o.Score == "" {
		return nil
	}
	return fmt.Errorf("%s: the scoring %q was asked for, but the model has its own", f.SettingsPath(), o.Score)
}

// noLabel is the error of a label that is asked for where there is no classifier.
func noLabel(f *checkpoint.File, o Options) error {
	if o.Label == "" {
		return nil
	}
	return fmt.Errorf("%s: the label %q was asked for, but the model has no classifier", f.Path, o.Label)
}
