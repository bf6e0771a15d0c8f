package winnow

import "github.com/winnow-rerank/winnow/engine"

// Precision is the number format in which a model's matrices are multiplied.
type Precision = engine.Precision

// The precisions. F32 is float32 throughout. F16 keeps 16-bit weights and sums
// in float32. Int8 has 8-bit weights and activations, 32-bit sums and float32
// scales. Auto chooses by the file's own type and the model's family; see
// Info.PrecisionReason.
const (
	Auto = engine.Auto
	F32  = engine.F32
	F16  = engine.F16
	Int8 = engine.Int8
)

// ParsePrecision reads "auto", "f32", "f16" or "int8".
func ParsePrecision(s string) (Precision, error) { return engine.ParsePrecision(s) }

// An Option changes how Open loads a model.
type Option func(*engine.Options)

// WithThreads sets how many threads compute; 0, the default, means one for each
// physical core that this process may use. Scores do not depend on it.
func WithThreads(n int) Option { return func(o *engine.Options) { o.Threads = n } }

// WithPrecision sets the number format of the matrix multiplications.
func WithPrecision(p Precision) Option { return func(o *engine.Options) { o.Precision = p } }

// WithMaxLength lowers the number of tokens that a query and a document may
// have together, special tokens included. What the model itself takes is the
// limit however large n is; 0 means just that.
func WithMaxLength(n int) Option { return func(o *engine.Options) { o.MaxLength = n } }

// WithBatchTokens sets how many tokens one worker takes through the layers at a
// time, 0 means the default. It bounds the memory that activations take and
// changes no score.
func WithBatchTokens(n int) Option { return func(o *engine.Options) { o.BatchTokens = n } }

type rerankOptions struct {
	topN      int
	raw       bool
	truncate  bool
	maxLength int
}

// A RerankOption changes one call of Rerank, Score, Encode or ScoreEncoded.
type RerankOption func(*rerankOptions)

// TopN keeps the n best documents; 0 or less keeps all.
func TopN(n int) RerankOption { return func(o *rerankOptions) { o.topN = n } }

// RawScores gives the logit as the score instead of the probability (for two
// labels: the relevant one's logit minus the other's).
func RawScores() RerankOption { return func(o *rerankOptions) { o.raw = true } }

// Truncate says whether a pair that is longer than the model takes is cut as
// the model's tokenizer does it (true, the default) or is an error that wraps
// ErrTooLong.
func Truncate(cut bool) RerankOption { return func(o *rerankOptions) { o.truncate = cut } }

// MaxTokens lowers the number of tokens of each pair for one call, special
// tokens included; 0 means the model's own limit.
func MaxTokens(n int) RerankOption { return func(o *rerankOptions) { o.maxLength = n } }

func collect(options []RerankOption) rerankOptions {
	o := rerankOptions{truncate: true}
	for _, set := range options {
		set(&o)
	}
	return o
}
