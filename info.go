package winnow

import "github.com/winnow-rerank/winnow/engine"

// Info describes a loaded model: what its files hold and how it is computed.
type Info struct {
	Name         string   `json:"name"`         // the file's own name for it, or its path's last part
	Path         string   `json:"path"`         // as it was opened
	Format       string   `json:"format"`       // "gguf" or "safetensors"
	Architecture string   `json:"architecture"` // as the file names it
	Family       string   `json:"family"`       // "BERT", "XLM-RoBERTa", …
	Tasks        []string `json:"tasks"`        // of "rerank", "embed", "complete"
	Head         string   `json:"head"`         // how the last hidden states become the logits, in words
	Labels       []string `json:"labels"`       // of the classifier
	Activation   string   `json:"activation"`   // applied to the logits for a score: "sigmoid", "softmax", "mean" (of cosines), "cosine" or "none"
	Configured   string   `json:"configured"`   // activation that the model's authors' configuration names, or ""
	Relevant     string   `json:"relevant"`     // the label that says that a document is relevant
	Listwise     bool     `json:"listwise"`     // a document's score depends on the documents beside it
	MaxLength    int      `json:"max_length"`   // tokens of one sequence, special ones included

	// Of causal models that rank: the prompt in which they read a pair ("none" is the bare
	// pair, "chat template" what the model's own template renders), and why it is this one.
	Prompt       string `json:"prompt,omitempty"`
	PromptReason string `json:"prompt_reason,omitempty"`

	// UnreadSettings are those of the model's files that winnow has not read and does not
	// know to be harmless. There are none in files that it computes wholly.
	UnreadSettings []string `json:"unread_settings,omitempty"`

	// Of models that embed:
	Dimensions    int               `json:"dimensions,omitempty"`     // of a vector
	Pooling       string            `json:"pooling,omitempty"`        // how the hidden states of a text become one, in words
	Unit          bool              `json:"unit,omitempty"`           // the model's vectors are of length 1
	Prompts       map[string]string `json:"prompts,omitempty"`        // that are put before texts, by name
	DefaultPrompt string            `json:"default_prompt,omitempty"` // the name of the one that is, unless another is asked for

	// Of models that hold conversations:
	ChatTemplate string `json:"chat_template,omitempty"` // the source of their template
	BOS          string `json:"bos_token,omitempty"`     // the spellings of the tokens that begin and end texts
	EOS          string `json:"eos_token,omitempty"`

	Layers       int `json:"layers"`
	Hidden       int `json:"hidden"` // size of a hidden state
	Heads        int `json:"heads"`
	Intermediate int `json:"intermediate"`
	Vocabulary   int `json:"vocabulary"`

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
	ActivationBytes int64     `json:"activation_bytes"` // bound of the working memory, all threads together
}

// TensorInfo describes one tensor of a model file.
type TensorInfo struct {
	Name  string `json:"name"`
	Type  string `json:"type"`
	Shape []int  `json:"shape"` // row-major
	Bytes int64  `json:"bytes"`
}

// Info tells what was loaded and how it is computed. It is the same as long as the
// model is open, and not to be changed.
func (m *Model) Info() Info { return m.info }

// Operations is how many multiplications and additions of matrix products the model has
// done since it was opened, those of attention's scores not among them. The difference
// of two calls over the time between them is a speed.
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
