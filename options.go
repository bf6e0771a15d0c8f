package winnow

import (
	"fmt"

	"github.com/winnow-rerank/winnow/engine"
)

// Precision names the number format in which a model's matrices are multiplied. The zero
// value means Auto.
type Precision string

// Auto chooses by the file's own type and the model's family; see Info.PrecisionReason.
// F32 uses float32 throughout. F16 keeps 16-bit weights and accumulates in float32. Int8
// uses 8-bit weights and activations with 32-bit sums and float32 scales, except for a
// few channels whose activations have 16 bits. Int8A16 uses 8-bit weights and activations
// of up to 16 bits. Int16A8 uses the activations of Int8, and 16-bit weights in matrices
// where 8 bits lose too much accuracy.
const (
	Auto    Precision = "auto"
	F32     Precision = "f32"
	F16     Precision = "f16"
	Int8    Precision = "int8"
	Int8A16 Precision = "int8a16"
	Int16A8 Precision = "int16a8"
)

// ParsePrecision parses "auto", "f32", "f16", "int8", "int8a16" or "int16a8". Other text
// is an error.
func ParsePrecision(s string) (Precision, error) {
	p, err := engine.ParsePrecision(s)
	return Precision(p.String()), public(err)
}

type openOptions struct{ engine engine.Options }

// An Option changes how Open and OpenBytes load a model. They return an error for an
// invalid option.
type Option func(*openOptions) error

// maxThreads bounds WithThreads because each thread has its own working memory.
const maxThreads = 1024

// WithThreads sets the number of threads that compute, from 0 to 1024; 0, the default,
// means one for each physical core available to the process. Scores do not depend on it.
func WithThreads(n int) Option {
	return func(o *openOptions) error {
		o.engine.Threads = n
		return within("WithThreads", n, maxThreads)
	}
}

// within returns an error if n is negative or above most (0: no upper bound).
func within(option string, n, most int) error {
	switch {
	case n < 0:
		return fmt.Errorf("%s(%d): expected at least 0", option, n)
	case most > 0 && n > most:
		return fmt.Errorf("%s(%d): expected at most %d", option, n, most)
	}
	return nil
}

// WithPrecision sets the number format of the matrix multiplications. The default is
// Auto.
func WithPrecision(p Precision) Option {
	return func(o *openOptions) (err error) {
		if p == "" {
			p = Auto
		}
		o.engine.Precision, err = engine.ParsePrecision(string(p))
		return err
	}
}

// WithMaxLength lowers the number of tokens of a query and a document together, special
// tokens included. The model's own limit still applies to larger n, and to 0, the
// default.
func WithMaxLength(n int) Option {
	return func(o *openOptions) error {
		o.engine.MaxLength = n
		return within("WithMaxLength", n, 0)
	}
}

// WithBatchTokens sets the number of tokens that one worker takes through the layers at a
// time; 0 means the default. It bounds the memory of activations and does not change
// scores.
func WithBatchTokens(n int) Option {
	return func(o *openOptions) error {
		o.engine.BatchTokens = n
		return within("WithBatchTokens", n, 0)
	}
}

// WithPause makes every worker call pause between two layers, possibly several workers at
// the same time. Otherwise workers compute without a break and Go preempts them only
// every 10 ms: a program with no more threads (GOMAXPROCS) than workers can use pause to
// run urgent work sooner. See server.Pause.
func WithPause(pause func()) Option {
	return func(o *openOptions) error { o.engine.Pause = pause; return nil }
}

// WithScore selects the score of a causal model: "yes-no" is the softmax of two answers'
// logits at the last token, "yes" is the sigmoid of one answer's logit, and "token:ID" is
// the sigmoid of that token's logit. The default is the score that the model's authors
// define.
//
// "cosine" makes an embedding model rank: a document's score is the cosine of its vector
// and the query's, each with the prompt that the model's files define for it. Such a
// model does not rank otherwise.
func WithScore(score string) Option {
	return func(o *openOptions) error { o.engine.Score = score; return nil }
}

// WithTemplate sets the prompt of a causal model: text containing {query} and {document},
// and {instruction} if it takes one, or the name of a built-in prompt (qwen3-reranker,
// mxbai-rerank-v2, bge-reranker-gemma, zerank, ctxl-rerank-v2, nemotron-rerank,
// qwen3-vl-reranker, and for T5 monot5, monot5-yes-no, monot5-true, ptt5, monoptt5). The
// default is the prompt of the model's authors.
func WithTemplate(template string) Option {
	return func(o *openOptions) error { o.engine.Template = template; return nil }
}

// WithChatTemplate replaces the chat template in the model's files by source, in Jinja.
// Models that do not generate text ignore it.
func WithChatTemplate(source string) Option {
	return func(o *openOptions) error { o.engine.ChatTemplate = source; return nil }
}

// WithInstruction replaces the instruction in the prompt of a causal model.
func WithInstruction(text string) Option {
	return func(o *openOptions) error { o.engine.Instruction = text; return nil }
}

// WithLabel selects the label of a classifier that means that a document is relevant, by
// name or number. The default is the only label, the label whose name says so
// ("entailment", "relevant", "yes" and the like), or the second of two.
func WithLabel(label string) Option {
	return func(o *openOptions) error { o.engine.Label = label; return nil }
}

// WithLayer makes a reranker that has a head after each of many layers
// (bge-reranker-v2-minicpm-layerwise, bge-reranker-v2.5-gemma2-lightweight) stop after
// the given layer: fewer layers take less time and memory. 0, the default, is the last
// layer.
func WithLayer(layer int) Option {
	return func(o *openOptions) error {
		o.engine.Layer = layer
		return within("WithLayer", layer, 0)
	}
}

// WithCompression makes bge-reranker-v2.5-gemma2-lightweight merge each ratio
// neighbouring tokens of a document into one before each of the given layers, in
// ascending order.
func WithCompression(ratio int, layers ...int) Option {
	return func(o *openOptions) error {
		o.engine.CompressRatio, o.engine.CompressLayers = ratio, layers
		return within("WithCompression", ratio, 0)
	}
}

// WithPooling replaces the pooling of an embedding model: "mean", "cls" or "last"; ""
// keeps the model's own.
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

// WithPlainText keeps spellings of special tokens in queries and documents as plain text.
// By default they become those tokens, as the models' authors do, which lets a document
// steer the prompt that contains it.
func WithPlainText() Option {
	return func(o *openOptions) error { o.engine.PlainText = true; return nil }
}

type rerankOptions struct {
	encode EncodeOptions
	topN   int
	raw    bool
}

// A RerankOption changes one call of Rerank, Score or ScoreSeq, which returns an error
// for an invalid option.
type RerankOption interface{ rerank(*rerankOptions) error }

type rerankOption func(*rerankOptions) error

func (f rerankOption) rerank(o *rerankOptions) error { return f(o) }

// collectRerank applies the options of a call.
func collectRerank(options []RerankOption) (o rerankOptions, err error) {
	for _, option := range options {
		if err := option.rerank(&o); err != nil {
			return o, public(err)
		}
	}
	return o, nil
}

// TopN keeps the n best documents; 0, the default, keeps all.
func TopN(n int) RerankOption {
	return rerankOption(func(o *rerankOptions) error {
		o.topN = n
		return within("TopN", n, 0)
	})
}

// RawScores makes the score the logit instead of the probability (for two labels, the
// relevant logit minus the other; for more, minus the log-sum-exp of the others; for late
// interaction, the sum of the cosines).
func RawScores() RerankOption {
	return rerankOption(func(o *rerankOptions) error { o.raw = true; return nil })
}

// Instruction replaces the instruction in the prompt of a causal model for one call.
// Models that take no instruction ignore it.
func Instruction(text string) RerankOption {
	return rerankOption(func(o *rerankOptions) error { o.encode.Instruction = text; return nil })
}

type embedOptions struct {
	encode     TextOptions
	normalize  *bool
	dimensions int
}

// An EmbedOption changes one call of Embed, which returns an error for an invalid option.
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

// Prompt prepends one of the model's prompts to the texts, such as "query" or "document";
// see Info.Prompts. The default is Info.DefaultPrompt.
func Prompt(name string) EmbedOption {
	return embedOption(func(o *embedOptions) error { o.encode.Prompt = name; return nil })
}

// Normalize sets whether vectors are scaled to length 1. The default is the model
// authors' choice; see Info.Unit.
func Normalize(unit bool) EmbedOption {
	return embedOption(func(o *embedOptions) error { o.normalize = &unit; return nil })
}

// Dimensions keeps the first n numbers of a vector, before normalisation; 0, the default,
// keeps all. It suits models trained for it (Matryoshka embeddings). More than
// Info.Dimensions is an error.
func Dimensions(n int) EmbedOption {
	return embedOption(func(o *embedOptions) error {
		o.dimensions = n
		return within("Dimensions", n, 0)
	})
}

// A TextOption is both a RerankOption and an EmbedOption.
type TextOption struct {
	set func(maxTokens *int, plain *bool, t *Truncation) error
}

func (t TextOption) rerank(o *rerankOptions) error {
	return t.set(&o.encode.MaxTokens, &o.encode.PlainText, &o.encode.Truncation)
}

func (t TextOption) embed(o *embedOptions) error {
	return t.set(&o.encode.MaxTokens, &o.encode.PlainText, &o.encode.Truncation)
}

// Truncate sets what happens to a pair or text that is longer than the model takes. The
// default is TruncateAsModel.
func Truncate(how Truncation) TextOption {
	return TextOption{func(_ *int, _ *bool, t *Truncation) error {
		*t = how
		if how > TruncateNever {
			return fmt.Errorf("Truncate(%d): expected TruncateAsModel, TruncateRight, TruncateLeft or TruncateNever", how)
		}
		return nil
	}}
}

// MaxTokens lowers the number of tokens of each pair or text for one call, special tokens
// included; 0, the default, means the model's own limit.
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
