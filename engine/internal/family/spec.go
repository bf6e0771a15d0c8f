package family

import (
	"fmt"

	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
)

// Spec is what the settings of every family have: the sizes of the network. A
// family fills in, before it reads them, what its class takes where config.json
// says nothing.
type Spec struct {
	HiddenSize       int `hf:"hidden_size dim n_embd d_model" gguf:".embedding_length" dim:"hidden" default:"preset"`
	IntermediateSize int `hf:"intermediate_size hidden_dim n_inner d_ff" gguf:".feed_forward_length" dim:"intermediate" default:"preset"`
	Layers           int `hf:"num_hidden_layers n_layers n_layer num_layers" gguf:".block_count" dim:"layers" default:"preset"`
	Heads            int `hf:"num_attention_heads n_heads n_head num_heads" gguf:".attention.head_count" default:"preset"`
	VocabSize        int `hf:"vocab_size" gguf:".vocab_size" dim:"vocab" default:"preset"`
}

// read fills s from f and checks it.
func (s *Spec) read(f *checkpoint.File) {
	if f.IsGGUF() {
		// The key is often left out: the table has the number.
		s.VocabSize = f.RowsOf("token_embd.weight")
	}
	f.Read(s)
	if n := f.Tensors(); s.Layers > n {
		f.Fail(keyLayers, fmt.Sprint(s.Layers), fmt.Sprintf("no more layers than the file has tensors (%d)", n))
		s.Layers = 1
	}
}

// headDim is how wide a head is, of heads that share the hidden size.
func (s *Spec) headDim(f *checkpoint.File) int {
	if s.HiddenSize%s.Heads != 0 {
		f.Fail(keyHeads, fmt.Sprint(s.Heads), fmt.Sprintf("a divisor of the hidden size %d", s.HiddenSize))
		return s.HiddenSize
	}
	return s.HiddenSize / s.Heads
}

// The names of settings in errors, and of those that are read by themselves.
var (
	keyLayers    = checkpoint.Key{HF: "num_hidden_layers", GGUF: ".block_count"}
	keyHeads     = checkpoint.Key{HF: "num_attention_heads", GGUF: ".attention.head_count"}
	keyPositions = checkpoint.Key{HF: "max_position_embeddings", GGUF: ".context_length"}
	keyTheta     = checkpoint.Key{HF: "rope_theta", GGUF: ".rope.freq_base"}
)
