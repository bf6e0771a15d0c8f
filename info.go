package winnow

import "github.com/winnow-rerank/winnow/engine"

// Info describes a loaded model: what its files contain and how it is computed.
type Info struct {
	Name         string   `json:"name"`         // the name that the file gives, or the last element of its path
	Path         string   `json:"path"`         // as opened
	Format       string   `json:"format"`       // "gguf" or "safetensors"
	Architecture string   `json:"architecture"` // as named by the file
	Family       string   `json:"family"`       // "BERT", "XLM-RoBERTa", …
	Tasks        []string `json:"tasks"`        // any of "rerank", "embed", "complete"
	Head         string   `json:"head"`         // how the last hidden states become logits, in words
	Labels       []string `json:"labels"`       // of the classifier
	Activation   string   `json:"activation"`   // turns logits into scores: "sigmoid", "softmax", "mean" (of cosines), "cosine" or "none"
	Configured   string   `json:"configured"`   // the activation named by the model's own configuration, or ""
	Relevant     string   `json:"relevant"`     // the label that means that a document is relevant
	Listwise     bool     `json:"listwise"`     // a document's score depends on the other documents
	MaxLength    int      `json:"max_length"`   // tokens of one sequence, special tokens included

	// Of causal models that rank: the prompt that presents a pair ("none" is the bare
	// pair, "chat template" is rendered by the model's own template), and why it was
	// chosen.
	Prompt       string `json:"prompt,omitempty"`
	PromptReason string `json:"prompt_reason,omitempty"`

	// UnreadSettings are settings in the model's files that winnow did not read and does
	// not know to be harmless. Fully supported models have none.
	UnreadSettings []string `json:"unread_settings,omitempty"`

	// Of models that embed:
	Dimensions    int               `json:"dimensions,omitempty"`     // numbers in a vector
	Pooling       string            `json:"pooling,omitempty"`        // how the hidden states of a text become one vector, in words
	Unit          bool              `json:"unit,omitempty"`           // the model's vectors have length 1
	Prompts       map[string]string `json:"prompts,omitempty"`        // prompts prepended to texts, by name
	DefaultPrompt string            `json:"default_prompt,omitempty"` // name of the prompt used unless another is requested

	// Of models with a chat template:
	ChatTemplate string `json:"chat_template,omitempty"` // source of the template
	BOS          string `json:"bos_token,omitempty"`     // spelling of the token that begins texts
	EOS          string `json:"eos_token,omitempty"`     // spelling of the token that ends texts

	Layers       int `json:"layers"`
	Hidden       int `json:"hidden"` // hidden size
	Heads        int `json:"heads"`
	Intermediate int `json:"intermediate"` // size of the feed-forward layers
	Vocabulary   int `json:"vocabulary"`   // number of tokens

	Tokenizer  string       `json:"tokenizer"` // its model: "WordPiece", "Unigram", …
	Parameters int64        `json:"parameters"`
	Tensors    []TensorInfo `json:"tensors"`
	FileBytes  int64        `json:"file_bytes"` // of the tensors in the file

	Precision       Precision `json:"precision"` // never Auto
	PrecisionReason string    `json:"precision_reason"`
	Kernels         string    `json:"kernels"` // highest instruction set in use
	Threads         int       `json:"threads"`
	WeightBytes     int64     `json:"weight_bytes"`     // packed weights in memory
	EmbeddingBytes  int64     `json:"embedding_bytes"`  // tables read in place from the mapped file
	ActivationBytes int64     `json:"activation_bytes"` // upper bound of the working memory of all threads
}

// TensorInfo describes one tensor of a model file.
type TensorInfo struct {
	Name  string `json:"name"`
	Type  string `json:"type"`
	Shape []int  `json:"shape"` // row-major
	Bytes int64  `json:"bytes"`
}

// Info returns what was loaded and how it is computed. The result does not change while
// the model is open, and callers must not modify it.
func (m *Model) Info() Info { return m.info }

// Operations returns the number of multiplications and additions that matrix products
// have performed since the model was opened, not counting attention scores. The
// difference between two calls divided by the time between them is the throughput.
func (m *Model) Operations() int64 { return m.engine.Operations() }

func infoOf(i engine.Info) Info {
	info := Info{Name: i.Name, Path: i.Path, Format: i.Format, Architecture: i.Architecture, Family: i.Family, Tasks: i.Tasks, Head: i.Head,
		Labels: i.Labels, Activation: i.Activation, Configured: i.Configured, Relevant: i.Relevant, Listwise: i.Listwise, MaxLength: i.MaxLength,
		Prompt: i.Prompt, PromptReason: i.PromptReason, UnreadSettings: i.Unread,
		Dimensions: i.Dimensions, Pooling: i.Pooling, Unit: i.Unit, Prompts: i.Prompts, DefaultPrompt: i.DefaultPrompt,
		ChatTemplate: i.ChatTemplate, BOS: i.BOS, EOS: i.EOS,
		Layers: i.Layers, Hidden: i.Hidden, Heads: i.Heads, Intermediate: i.Intermediate, Vocabulary: i.Vocabulary,
		Tokenizer: i.Tokenizer, Parameters: i.Parameters, Tensors: make([]TensorInfo, len(i.Tensors)), FileBytes: i.FileBytes,
		Precision: Precision(i.Precision.String()), PrecisionReason: i.PrecisionReason, Kernels: i.Kernels, Threads: i.Threads,
		WeightBytes: i.WeightBytes, EmbeddingBytes: i.EmbeddingBytes, ActivationBytes: i.ActivationBytes}
	for n, t := range i.Tensors {
		info.Tensors[n] = TensorInfo(t)
	}
	return info
}
