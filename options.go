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

// WithPause has every worker call pause between two layers of a model, several at
// the same time. Workers compute without a break otherwise, and Go interrupts them
// every 10 ms only: a program that has no more threads (GOMAXPROCS) than workers can
// do there what is to be done sooner. See server.Pause.
func WithPause(pause func()) Option { return func(o *engine.Options) { o.Pause = pause } }

// WithScore says what a causal model's score is: "yes-no", the softmax of two
// answers' logits at the last token; "yes", the sigmoid of one's; or "token:ID",
// the sigmoid of that token's. Without it, it is what the model's authors take.
func WithScore(score string) Option { return func(o *engine.Options) { o.Score = score } }

// WithTemplate sets the prompt of a causal model: text with {query} and {document}
// in it, and {instruction} if it takes one, or the name of a prompt that winnow
// knows (qwen3-reranker, mxbai-rerank-v2, bge-reranker-gemma, zerank,
// ctxl-rerank-v2, nemotron-rerank). Without it, it is the one of the model's authors.
func WithTemplate(template string) Option { return func(o *engine.Options) { o.Template = template } }

// WithInstruction replaces the instruction in the prompt of a causal model.
func WithInstruction(text string) Option { return func(o *engine.Options) { o.Instruction = text } }

// WithLabel says which label of a classifier means that a document is relevant, by
// its name or number. Without it, it is the only one; or the one whose name says so
// ("entailment", "relevant", "yes" and the like); or the second of two.
func WithLabel(label string) Option { return func(o *engine.Options) { o.Label = label } }

// WithPooling replaces the pooling of a model that embeds: "mean", "cls" or "last".
func WithPooling(kind string) Option { return func(o *engine.Options) { o.Pooling = kind } }

// WithPlainText keeps what spells a special token in queries and documents plain
// text. Otherwise it becomes that token, as the models' authors have it, and a
// document can steer the prompt that it stands in.
func WithPlainText() Option { return func(o *engine.Options) { o.PlainText = true } }

type rerankOptions struct {
	topN        int
	raw         bool
	truncate    bool
	maxLength   int
	instruction string
	plain       bool
}

// A RerankOption changes one call of Rerank, Score, Encode or ScoreEncoded.
type RerankOption func(*rerankOptions)

// TopN keeps the n best documents; 0 or less keeps all.
func TopN(n int) RerankOption { return func(o *rerankOptions) { o.topN = n } }

// RawScores gives the logit as the score instead of the probability (for two
// labels: the relevant one's logit minus the other's; for more: minus the logarithm
// of the others' summed exponentials; for late interaction: the sum of the cosines).
func RawScores() RerankOption { return func(o *rerankOptions) { o.raw = true } }

// Truncate says whether a pair that is longer than the model takes is cut as
// the model's tokenizer does it (true, the default) or is an error that wraps
// ErrTooLong.
func Truncate(cut bool) RerankOption { return func(o *rerankOptions) { o.truncate = cut } }

// MaxTokens lowers the number of tokens of each pair for one call, special
// tokens included; 0 means the model's own limit.
func MaxTokens(n int) RerankOption { return func(o *rerankOptions) { o.maxLength = n } }

// Instruction replaces the instruction in the prompt of a causal model for one
// call; models that take none leave it out.
func Instruction(text string) RerankOption { return func(o *rerankOptions) { o.instruction = text } }

// PlainText is WithPlainText for one call.
func PlainText() RerankOption { return func(o *rerankOptions) { o.plain = true } }

func collect(options []RerankOption) rerankOptions {
	o := rerankOptions{truncate: true}
	for _, set := range options {
		set(&o)
	}
	return o
}
