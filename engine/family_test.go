package engine

import (
	"errors"
	"strings"
	"testing"

	"github.com/winnow-rerank/winnow/internal/fault"
)

// TestFamilyRefusals: what a family's configuration may say and winnow does not compute is
// refused by its name.
func TestFamilyRefusals(t *testing.T) {
	format, unsupported := fault.ErrFormat, fault.ErrUnsupported
	for _, c := range []struct {
		model, old, new string // in config.json
		kind            error
		want            string
	}{
		{"gte-published-ntk", `"logn_attention_scale": false`, `"logn_attention_scale": true`, unsupported, "logn_attention_scale"},
		{"gte-published-ntk", `"logn_attention_clip1": false`, `"logn_attention_clip1": true`, unsupported, "logn_attention_clip1"},
		{"gte-published-ntk", `"position_embedding_type": "rope"`, `"position_embedding_type": "absolute"`, unsupported, `position_embedding_type "absolute"`},
		{"gte-published-ntk", `"layer_norm_type": "layer_norm"`, `"layer_norm_type": "rms_norm"`, unsupported, `layer_norm_type "rms_norm"`},
		{"gte-published-ntk", `"type": "ntk"`, `"type": "ntk", "mixed_b": 0.5`, unsupported, "mixed_b"},
		{"nomic-embed-published", `"prenorm": false`, `"prenorm": true`, unsupported, "prenorm"},
		{"nomic-embed-published", `"parallel_block": false`, `"parallel_block": true`, unsupported, "parallel_block"},
		{"nomic-embed-published", `"use_rms_norm": false`, `"use_rms_norm": true`, unsupported, "use_rms_norm"},
		{"nomic-embed-published", `"rotary_emb_interleaved": false`, `"rotary_emb_interleaved": true`, unsupported, "rotary_emb_interleaved"},
		{"nomic-embed-published", `"rotary_emb_scale_base": null`, `"rotary_emb_scale_base": 512`, unsupported, "rotary_emb_scale_base"},
		{"nomic-embed-published", `"activation_function": "swiglu"`, `"activation_function": "gelu"`, unsupported, `activation_function "gelu"`},
		{"nomic-embed-published", `"n_layer": 3`, `"n_layer": 3, "moe_every_n_layers": 2`, unsupported, "moe_every_n_layers"},
		{"nomic-embed-published", `"n_layer": 3`, `"n_layer": 3, "head_dim": 32`, unsupported, "head_dim 32"},
		{"eurobert-late", `"classifier_pooling": "late"`, `"classifier_pooling": "max"`, format, "classifier_pooling"},
		{"albert", `"num_hidden_groups": 1`, `"num_hidden_groups": 100`, format, "num_hidden_groups"},
		{"albert", `"num_hidden_groups": 1`, `"num_hidden_groups": 2`, format, "encoder.albert_layer_groups.1."},
		{"ernie", `"task_type_vocab_size": 3`, `"task_type_vocab_size": 5`, format, "task_type_embeddings"},
		{"mpnet", `"relative_attention_num_buckets": 32`, `"relative_attention_num_buckets": 16`, format, "relative_attention_num_buckets"},
		{"deberta-v1", `"relative_attention": true`, `"relative_attention": true, "talking_head": true`, unsupported, "talking_head"},
		{"deberta-v1", `"num_attention_heads": 4`, `"num_attention_heads": 5`, format, "num_attention_heads"},
		{"mpnet", `"MPNetForSequenceClassification"`, `"MPNetTwistedModel"], "auto_map": {"AutoModel": "twisted.MPNetTwistedModel"}, "": [""`, unsupported, `"MPNetTwistedModel" with code of its own`},
	} {
		dir := copyModel(t, "zoo/"+c.model+"/model", map[string][2]string{"config.json": {c.old, c.new}})
		m, err := Open(dir, Options{})
		if err == nil {
			m.Close()
		}
		if !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s with %s: %v, want an error of the kind %v that names %s", c.model, c.new, err, c.kind, c.want)
		}
	}
}

// TestNomicStretched: positions that the authors' code would stretch are out of bounds.
func TestNomicStretched(t *testing.T) {
	for changed, want := range map[string]int{`"rotary_scaling_factor": null`: 256, `"rotary_scaling_factor": 2, "max_trained_positions": 100`: 100} {
		dir := copyModel(t, "zoo/nomic-embed-published/model", map[string][2]string{"config.json": {`"rotary_scaling_factor": null`, changed}})
		if got := open(t, dir, Options{}).Info().MaxLength; got != want {
			t.Errorf("%s: %d tokens, want %d", changed, got, want)
		}
	}
}
