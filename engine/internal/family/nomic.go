package family

import (
	"fmt"

	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
	"github.com/winnow-rerank/winnow/kernels"
)

func init() {
	register(&Family{
		Name: "NomicBERT", ModelTypes: []string{"nomic_bert"}, GGUF: []string{"nomic-bert"},
		Classes: map[string]Task{"NomicBertForSequenceClassification": Classify, "NomicBertModel": Embed, "NomicBertForMaskedLM": Embed,
			"NomicBertForPreTraining": Embed},
		New: newNomicBERT,
	})
}

// nomicSettings are those of transformers and, under GPT-2's names, of the authors'
// configuration.
type nomicSettings struct {
	Spec
	MaxPositions  int                `hf:"max_position_embeddings n_positions" gguf:".context_length" default:"2048" max:"positions"`
	TypeVocabSize int                `hf:"type_vocab_size" gguf:"tokenizer.ggml.token_type_count" default:"2" min:"0" max:"vocab" dim:"types"`
	Eps           float32            `hf:"layer_norm_eps" gguf:".attention.layer_norm_epsilon" default:"1e-12" min:"1e-30" max:"1"`
	HiddenAct     kernels.Activation `hf:"hidden_act" gguf:".hidden_activation" default:"silu"`

	QKVBias  bool `hf:"qkv_proj_bias" gguf:"-" default:"false" dim:"qkvbias"`
	UpBias   bool `hf:"mlp_fc1_bias" gguf:"-" default:"false" dim:"upbias"`
	DownBias bool `hf:"mlp_fc2_bias" gguf:"-" default:"false" dim:"downbias"`
}

// keyTrained is the number of tokens up to which positions are not stretched.
var keyTrained = checkpoint.Key{HF: "max_trained_positions"}

// nomicUnsupported are settings of the authors' configuration that are false in every
// published model of this architecture.
var nomicUnsupported = []string{"prenorm", "parallel_block", "use_rms_norm", "rotary_emb_interleaved", "scale_attn_by_inverse_layer_idx"}

// NomicBERT (Nussbaum et al. 2024), as transformers' and its authors'
// NomicBertForSequenceClassification: a rotaryBERT with BERT's head.
func newNomicBERT(f *checkpoint.File, task Task) *Network {
	m, s := new(rotaryBERT), &nomicSettings{Spec: bertSpec(30528)}
	f.Read(&s.Spec)
	f.Read(s)
	thetaNames := "rope_theta"
	if f.Has(checkpoint.Key{HF: "n_embd"}) { // the authors' layout, whose names transformers' class does not know
		thetaNames += " rotary_emb_base"
		if eps := (checkpoint.Key{HF: "layer_norm_epsilon"}); !f.Has(checkpoint.Key{HF: "layer_norm_eps"}) {
			s.Eps = float32(f.Float(eps, 1e-30, 1, float64(s.Eps)))
		}
	}
	if f.Int(checkpoint.Key{HF: "moe_every_n_layers", GGUF: ".moe_every_n_layers"}, 0, checkpoint.MaxLayers, 0) > 0 {
		f.Unsupported("NomicBERT with experts (moe_every_n_layers)", "")
	}
	switch act := f.String(checkpoint.Key{HF: "activation_function"}, ""); act {
	case "":
	case "swiglu":
		s.HiddenAct = kernels.SiLU
	case "geglu":
		s.HiddenAct = kernels.GELU
	default:
		f.Unsupported(fmt.Sprintf("NomicBERT with activation_function %q", checkpoint.Abridge(act)), "winnow supports swiglu and geglu")
	}
	for _, name := range nomicUnsupported {
		if f.Bool(checkpoint.Key{HF: name}, false) {
			f.Unsupported("NomicBERT with "+name, "")
		}
	}
	if f.Has(checkpoint.Key{HF: "rotary_emb_scale_base"}) {
		f.Unsupported("NomicBERT with rotary_emb_scale_base", "")
	}
	positions := s.MaxPositions
	// The authors' factor stretches positions of texts longer than the model's training
	// texts.
	if trained := f.Int(keyTrained, 1, checkpoint.MaxPositions, 2048); f.Float(checkpoint.Key{HF: "rotary_scaling_factor"}, 0, 1e6, 0) != 0 {
		positions = min(positions, trained)
	}
	theta := 1000.0
	if f.IsGGUF() {
		theta = 10000 // llama.cpp's default
	}
	n := m.build(f, &s.Spec, s, rotarySettings{types: s.TypeVocabSize, positions: positions, eps: s.Eps, activation: s.HiddenAct,
		rope: checkpoint.RoPEDefaults{ThetaKey: checkpoint.Key{HF: thetaNames, GGUF: ".rope.freq_base"}, Theta: theta, Scaled: true,
			// The authors' name; transformers' class does not do what its own name says.
			Partial: f.IsGGUF() || f.Has(checkpoint.Key{HF: "rotary_emb_fraction"}) && !f.Has(checkpoint.Key{HF: "partial_rotary_factor"})}}, task)
	n.Load.Prefixes = []string{"nomic_bert.", "bert."}
	return n
}
