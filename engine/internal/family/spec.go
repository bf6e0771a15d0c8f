package family

import (
	"fmt"

	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
)

// Spec holds the settings common to all families: the sizes of the network. Before
// reading, a family fills in its class's defaults for what config.json omits; GGUF
// files have to state them.
type Spec struct {
	HiddenSize       int `hf:"hidden_size dim n_embd d_model" gguf:".embedding_length" dim:"hidden" default:"preset" ggufdefault:"required"`
	IntermediateSize int `hf:"intermediate_size hidden_dim n_inner d_ff" gguf:".feed_forward_length" dim:"intermediate" default:"preset" ggufdefault:"required"`
	Layers           int `hf:"num_hidden_layers n_layers n_layer num_layers" gguf:".block_count" dim:"layers" max:"layers" default:"preset" ggufdefault:"required"`
	Heads            int `hf:"num_attention_heads n_heads n_head num_heads" gguf:".attention.head_count" dim:"heads" max:"heads" default:"preset" ggufdefault:"required"`
	VocabSize        int `hf:"vocab_size" gguf:".vocab_size" dim:"vocab" max:"vocab" default:"preset" ggufdefault:"rows:token_embd"`
}

// headDim is the head dim of heads that share the hidden size.
func (s *Spec) headDim(f *checkpoint.File) int {
	if s.HiddenSize%s.Heads != 0 {
		f.Fail(keyHeads, fmt.Sprint(s.Heads), fmt.Sprintf("a divisor of the hidden size %d", s.HiddenSize))
		return s.HiddenSize
	}
	return s.HiddenSize / s.Heads
}

// Names of settings, for errors and for settings read individually.
var (
	keyHeads     = checkpoint.Key{HF: "num_attention_heads", GGUF: ".attention.head_count"}
	keyPositions = checkpoint.Key{HF: "max_position_embeddings", GGUF: ".context_length"}
	keyCausal    = checkpoint.Key{GGUF: ".attention.causal"}
	keyTheta     = checkpoint.Key{HF: "rope_theta", GGUF: ".rope.freq_base"}
)
