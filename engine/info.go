package engine

import (
	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
)

// Info describes a loaded model: the contents of its files and how it is computed.
type Info struct {
	Name         string   `json:"name"`         // from the model's files, or the last element of Path
	Path         string   `json:"path"`         // as passed to Open or OpenBytes
	Format       string   `json:"format"`       // "gguf" or "safetensors"
	Architecture string   `json:"architecture"` // as named in the model's files
	Family       string   `json:"family"`       // "BERT", "XLM-RoBERTa", …
	Tasks        []string `json:"tasks"`        // some of "rerank", "embed", "complete"
	Head         string   `json:"head"`         // description of the layers from last hidden states to logits
	Labels       []string `json:"labels"`       // of the classifier
	Activation   string   `json:"activation"`   // from logits to score: "sigmoid", "softmax", "mean" (of cosines), "cosine" or "none"
	Configured   string   `json:"configured"`   // activation named in the model's own configuration, or ""
	Relevant     string   `json:"relevant"`     // label that means relevant
	Listwise     bool     `json:"listwise"`     // a document's score depends on the other documents of the call
	MaxLength    int      `json:"max_length"`   // tokens of one sequence, including special tokens

	Prompt       string `json:"prompt,omitempty"`        // name of a causal reranker's prompt
	PromptReason string `json:"prompt_reason,omitempty"` // why this prompt was chosen

	// Unread lists settings in the model's files that were not read and are not known to
	// be harmless.
	Unread []string `json:"unread,omitempty"`

	// For embedding models:
	Dimensions    int               `json:"dimensions,omitempty"`     // length of a vector
	Pooling       string            `json:"pooling,omitempty"`        // description of how token states become one vector
	Unit          bool              `json:"unit,omitempty"`           // the model normalises its vectors to length 1
	Prompts       map[string]string `json:"prompts,omitempty"`        // prepended to texts, by name
	DefaultPrompt string            `json:"default_prompt,omitempty"` // name of the prompt used if none is requested

	// For chat models:
	ChatTemplate string `json:"chat_template,omitempty"` // Jinja source
	BOS          string `json:"bos_token,omitempty"`     // spelling of the token that begins a text
	EOS          string `json:"eos_token,omitempty"`     // spelling of the token that ends a text

	Layers       int `json:"layers"`
	Hidden       int `json:"hidden"`
	Heads        int `json:"heads"`
	Intermediate int `json:"intermediate"`
	Vocabulary   int `json:"vocabulary"`

	Tokenizer  string       `json:"tokenizer"` // "WordPiece", "Unigram", …
	Parameters int64        `json:"parameters"`
	Tensors    []TensorInfo `json:"tensors"`
	FileBytes  int64        `json:"file_bytes"` // of the tensors in the file

	Precision       Precision `json:"precision"` // never Auto
	PrecisionReason string    `json:"precision_reason"`
	Kernels         string    `json:"kernels"` // highest instruction set in use
	Threads         int       `json:"threads"`
	WeightBytes     int64     `json:"weight_bytes"`     // packed weights in memory
	EmbeddingBytes  int64     `json:"embedding_bytes"`  // embedding tables, read in place from the mapped file
	ActivationBytes int64     `json:"activation_bytes"` // upper bound of the working memory of all threads
}

// TensorInfo describes one tensor of a model file.
type TensorInfo = checkpoint.TensorInfo
