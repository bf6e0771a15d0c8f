package engine

import (
	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
)

// Info describes a loaded model: what the file holds and how it is computed.
type Info struct {
	Name         string   `json:"name"`         // the file's own name for it, or its path's last part
	Path         string   `json:"path"`         // as it was opened
	Format       string   `json:"format"`       // "gguf" or "safetensors"
	Architecture string   `json:"architecture"` // as the file names it
	Family       string   `json:"family"`       // "BERT", "XLM-RoBERTa", …
	Tasks        []string `json:"tasks"`        // of "rerank", "embed", "complete"
	Head         string   `json:"head"`         // how the last states become the logits, in words
	Labels       []string `json:"labels"`       // of the classifier
	Activation   string   `json:"activation"`   // applied to the logits for a score: "sigmoid", "softmax", "mean" (of cosines), "cosine" or "none"
	Configured   string   `json:"configured"`   // activation that the model's authors' configuration names, or ""
	Relevant     string   `json:"relevant"`     // the label that says that a document is relevant
	Listwise     bool     `json:"listwise"`     // a document's score depends on the documents beside it
	MaxLength    int      `json:"max_length"`   // tokens of one sequence, special ones included

	Prompt       string `json:"prompt,omitempty"`        // of models that are asked in words: its name
	PromptReason string `json:"prompt_reason,omitempty"` // why it is this one

	// Unread are settings that the model's files have and nobody has read, and that
	// are not known to be harmless.
	Unread []string `json:"unread,omitempty"`

	// Of models that embed:
	Dimensions    int               `json:"dimensions,omitempty"`     // of a vector
	Pooling       string            `json:"pooling,omitempty"`        // how the states of a text become one, in words
	Unit          bool              `json:"unit,omitempty"`           // the model's vectors are of length 1
	Prompts       map[string]string `json:"prompts,omitempty"`        // that are put before texts, by name
	DefaultPrompt string            `json:"default_prompt,omitempty"` // the name of the one that is, unless another is asked for

	// Of models that hold conversations:
	ChatTemplate string `json:"chat_template,omitempty"` // the source of their template
	BOS          string `json:"bos_token,omitempty"`     // the spellings of the tokens that begin and end texts
	EOS          string `json:"eos_token,omitempty"`

	Layers       int `json:"layers"`
	Hidden       int `json:"hidden"`
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
type TensorInfo = checkpoint.TensorInfo
