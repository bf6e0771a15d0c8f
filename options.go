package winnow

import (
	"fmt"

	"github.com/winnow-rerank/winnow/engine"
)

// Precision is the number format in which a model's matrices are multiplied, by name.
// The zero value is Auto.
type Precision string

// The precisions. F32 is float32 throughout. F16 keeps 16-bit weights and sums in
// float32. Int8 has 8-bit weights and activations, but for a few channels, whose
// activations have 16 bits, 32-bit sums and float32 scales. Int8A16 has 8-bit weights
// and activations of up to 16 bits. Int16A8 has activations as Int8's, and weights of 16
// bits in those matrices where 8 err too much. Auto chooses by the file's own type and the model's
// family; see Info.PrecisionReason.
const (
	Auto    Precision = "auto"
	F32     Precision = "f32"
	F16     Precision = "f16"
	Int8    Precision = "int8"
	Int8A16 Precision = "int8a16"
	Int16A8 Precision = "int16a8"
)

// ParsePrecision reads "auto", "f32", "f16", "int8", "int8a16" or "int16a8".
func ParsePrecision(s string) (Precision, error) {
	p, err := engine.ParsePrecision(s)
	return Precision(p.String()), public(err)
}

type openOptions struct{ engine engine.Options }

// An Option changes how Open loads a model. One that makes no sense is an error of Open.
type Option func(*openOptions) error

// mostThreads bounds WithThreads: each has working memory of its own.
const mostThreads = 1024

// WithThreads sets how many threads compute; 0, the default, means one for each
// physical core that this process may use. Scores do not depend on it.
func WithThreads(n int) Option {
	return func(o *openOptions) error {
		o.engine.Threads = n
		return within("WithThreads", n, mostThreads)
	}
}

// within refuses a number of an option that is negative or above most (0: no bound).
func within(option string, n, most int) error {
	switch {
	case n < 0:
		return fmt.Errorf("%s(%d): expected at least 0", option, n)
	case most > 0 && n > most:
		return fmt.Errorf("%s(%d): expected at most %d", option, n, most)
	}
	return nil
}

// WithPrecision sets the number format of the matrix multiplications.
func WithPrecision(p Precision) Option {
	return func(o *openOptions) (err error) {
		if p == "" {
			p = Auto
		}
		o.engine.Precision, err = engine.ParsePrecision(string(p))
		return err
	}
}

// WithMaxLength lowers the number of tokens that a query and a document may
// have together, special tokens included. What the model itself takes is the
// limit however large n is; 0 means just that.
func WithMaxLength(n int) Option {
	return func(o *openOptions) error {
		o.engine.MaxLength = n
		return within("WithMaxLength", n, 0)
	}
}

// WithBatchTokens sets how many tokens one worker takes through the layers at a
// time, 0 means the default. It bounds the memory that activations take and
// changes no score.
func WithBatchTokens(n int) Option {
	return func(o *openOptions) error {
		o.engine.BatchTokens = n
		return within("WithBatchTokens", n, 0)
	}
}

// WithPause has every worker call pause between two layers of a model, several at
// the same time. Workers compute without a break otherwise, and Go interrupts them
// every 10 ms only: a program that has no more threads (GOMAXPROCS) than workers can
// do there what is to be done sooner. See server.Pause.
func WithPause(pause func()) Option {
	return func(o *openOptions) error { o.engine.Pause = pause; return nil }
}

// WithScore says what a causal model's score is: "yes-no", the softmax of two
// answers' logits at the last token; "yes", the sigmoid of one's; or "token:ID",
// the sigmoid of that token's. Without it, it is what the model's authors take.
//
// "cosine" makes a model that embeds rank: a document's score is the cosine of its
// vector and the query's, each with the prompt that the model's files have for it.
// Without it, such a model does not rank.
func WithScore(score string) Option {
	return func(o *openOptions) error { o.engine.Score = score; return nil }
}

// WithTemplate sets the prompt of a causal model: text with {query} and {document}
// in it, and {instruction} if it takes one, or the name of a prompt that winnow
// knows (qwen3-reranker, mxbai-rerank-v2, bge-reranker-gemma, zerank,
// ctxl-rerank-v2, nemotron-rerank, qwen3-vl-reranker, and those of T5: monot5,
// monot5-yes-no, monot5-true, ptt5, monoptt5). Without it, it is the one of the model's authors.
func WithTemplate(template string) Option {
	return func(o *openOptions) error { o.engine.Template = template; return nil }
}

// WithChatTemplate sets the template of conversations, in Jinja, in the place of the one
// that the model's files bring. Only models that generate text read it.
func WithChatTemplate(source string) Option {
	return func(o *openOptions) error { o.engine.ChatTemplate = source; return nil }
}

// WithInstruction replaces the instruction in the prompt of a causal model.
func WithInstruction(text string) Option {
	return func(o *openOptions) error { o.engine.Instruction = text; return nil }
}

// WithLabel says which label of a classifier means that a document is relevant, by
// its name or number. Without it, it is the only one; or the one whose name says so
// ("entailment", "relevant", "yes" and the like); or the second of two.
func WithLabel(label string) Option {
	return func(o *openOptions) error { o.engine.Label = label; return nil }
}

// WithLayer has a reranker with a head behind each of many layers
// (bge-reranker-v2-minicpm-layerwise, bge-reranker-v2.5-gemma2-lightweight) stop behind
// a layer: fewer layers take less time and memory. 0 is the last one.
func WithLayer(layer int) Option {
	return func(o *openOptions) error {
		o.engine.Layer = layer
		return within("WithLayer", layer, 0)
	}
}

// WithCompression has bge-reranker-v2.5-gemma2-lightweight make one token of each ratio
// neighbouring ones of a document before each of the layers, which are ascending.
func WithCompression(ratio int, layers ...int) Option {
	return func(o *openOptions) error {
		o.engine.CompressRatio, o.engine.CompressLayers = ratio, layers
		return within("WithCompression", ratio, 0)
	}
}

// WithPooling replaces the pooling of a model that embeds: "mean", "cls" or "last".
func WithPooling(kind string) Option {
	return func(o *openOptions) error {
		switch kind {
		case "", "mean", "cls", "last":
			o.engine.Pooling = kind
			return nil
		}
		return fmt.Errorf("WithPooling(%q): expected mean, cls or last", kind)
	}
}

// WithPlainText keeps what spells a special token in queries and documents plain
// text. Otherwise it becomes that token, as the models' authors have it, and a
// document can steer the prompt that it stands in.
func WithPlainText() Option {
	return func(o *openOptions) error { o.engine.PlainText = true; return nil }
}

type rerankOptions struct {
	encode EncodeOptions
	topN   int
	raw    bool
}

// A RerankOption changes one call of Rerank, Score or ScoreSeq. One that makes no sense
// is an error of the call.
type RerankOption interface{ rerank(*rerankOptions) error }

type rerankOption func(*rerankOptions) error

func (f rerankOption) rerank(o *rerankOptions) error { return f(o) }

// collectRerank reads the options of a call.
func collectRerank(options []RerankOption) (o rerankOptions, err error) {
	for _, option := range options {
		if err := option.rerank(&o); err != nil {
			return o, public(err)
		}
	}
	return o, nil
}

// TopN keeps the n best documents; 0 keeps all.
func TopN(n int) RerankOption {
	return rerankOption(func(o *rerankOptions) error {
		o.topN = n
		return within("TopN", n, 0)
	})
}

// RawScores gives the logit as the score instead of the probability (for two
// labels: the relevant one's logit minus the other's; for more: minus the logarithm
// of the others' summed exponentials; for late interaction: the sum of the cosines).
func RawScores() RerankOption {
	return rerankOption(func(o *rerankOptions) error { o.raw = true; return nil })
}

// Instruction replaces the instruction in the prompt of a causal model for one
// call; models that take none leave it out.
func Instruction(text string) RerankOption {
	return rerankOption(func(o *rerankOptions) error { o.encode.Instruction = text; return nil })
}

type embedOptions struct {
	encode     TextOptions
	normalize  *bool
	dimensions int
}

// An EmbedOption changes one call of Embed. One that makes no sense is an error of the
// call.
type EmbedOption interface{ embed(*embedOptions) error }

type embedOption func(*embedOptions) error

func (f embedOption) embed(o *embedOptions) error { return f(o) }

func collectEmbed(options []EmbedOption) (o embedOptions, err error) {
	for _, option := range options {
		if err := option.embed(&o); err != nil {
			return o, public(err)
		}
	}
	return o, nil
}

// Prompt puts one of the model's prompts before the texts: "query" or "document",
// say; see Info.Prompts. Without it, it is the model's default one, if it has one.
func Prompt(name string) EmbedOption {
	return embedOption(func(o *embedOptions) error { o.encode.Prompt = name; return nil })
}

// Normalize says whether vectors are made ones of length 1. Without it they are
// what the model's authors have; see Info.Unit.
func Normalize(unit bool) EmbedOption {
	return embedOption(func(o *embedOptions) error { o.normalize = &unit; return nil })
}

// Dimensions keeps the first n numbers of a vector, before it is normalised; 0
// keeps all. It is for models that were trained so (Matryoshka).
func Dimensions(n int) EmbedOption {
	return embedOption(func(o *embedOptions) error {
		o.dimensions = n
		return within("Dimensions", n, 0)
	})
}

// A TextOption changes one call of either kind: it is a RerankOption and an EmbedOption.
type TextOption struct {
	set func(maxTokens *int, plain *bool, t *Truncation) error
}

func (t TextOption) rerank(o *rerankOptions) error {
	return t.set(&o.encode.MaxTokens, &o.encode.PlainText, &o.encode.Truncation)
}

func (t TextOption) embed(o *embedOptions) error {
	return t.set(&o.encode.MaxTokens, &o.encode.PlainText, &o.encode.Truncation)
}

// Truncate says what becomes of a pair or text that is longer than the model takes.
func Truncate(how Truncation) TextOption {
	return TextOption{func(_ *int, _ *bool, t *Truncation) error {
		*t = how
		if how > TruncateNever {
			return fmt.Errorf("Truncate(%d): expected TruncateAsModel, TruncateRight, TruncateLeft or TruncateNever", how)
		}
		return nil
	}}
}

// MaxTokens lowers the number of tokens of each pair or text for one call, special
// tokens included; 0 means the model's own limit.
func MaxTokens(n int) TextOption {
	return TextOption{func(most *int, _ *bool, _ *Truncation) error {
		*most = n
		return within("MaxTokens", n, 0)
	}}
}

// PlainText is WithPlainText for one call.
func PlainText() TextOption {
	return TextOption{func(_ *int, plain *bool, _ *Truncation) error { *plain = true; return nil }}
}
