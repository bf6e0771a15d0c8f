package checkpoint

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/winnow-rerank/winnow/gguf"
	"github.com/winnow-rerank/winnow/internal/testenv"
)

// familyReads are the settings that families read by name, by model_type, beside
// RoPE, kinds of layers and labels.
var familyReads = map[string]string{
	"bert":          "hidden_size num_hidden_layers num_attention_heads intermediate_size max_position_embeddings vocab_size type_vocab_size layer_norm_eps hidden_act position_embedding_type is_decoder feed_forward_type",
	"distilbert":    "dim n_layers n_heads hidden_dim activation max_position_embeddings vocab_size",
	"deberta-v2":    "hidden_size num_hidden_layers num_attention_heads intermediate_size max_position_embeddings vocab_size type_vocab_size layer_norm_eps hidden_act relative_attention position_buckets max_relative_positions pos_att_type share_att_key norm_rel_ebd position_biased_input pooler_hidden_size pooler_hidden_act",
	"modernbert":    "hidden_size num_hidden_layers num_attention_heads intermediate_size max_position_embeddings vocab_size norm_eps hidden_activation classifier_pooling classifier_activation local_attention global_attn_every_n_layers",
	"new":           "hidden_size num_hidden_layers num_attention_heads intermediate_size max_position_embeddings vocab_size type_vocab_size layer_norm_eps hidden_act position_embedding_type",
	"nomic_bert":    "n_embd n_layer n_head n_inner n_positions vocab_size type_vocab_size layer_norm_epsilon activation_function hidden_size num_hidden_layers num_attention_heads intermediate_size max_position_embeddings layer_norm_eps hidden_act head_dim",
	"t5":            "d_model d_ff d_kv num_layers num_decoder_layers num_heads layer_norm_epsilon relative_attention_num_buckets feed_forward_proj dense_act_fn is_gated_act vocab_size is_encoder_decoder relative_attention_max_distance scale_decoder_outputs tie_word_embeddings",
	"albert":        "hidden_size num_hidden_layers num_attention_heads intermediate_size max_position_embeddings vocab_size type_vocab_size layer_norm_eps hidden_act embedding_size num_hidden_groups inner_group_num",
	"llama":         "hidden_size num_hidden_layers num_attention_heads num_key_value_heads head_dim intermediate_size max_position_embeddings vocab_size rms_norm_eps hidden_act sliding_window max_window_layers use_sliding_window tie_word_embeddings is_causal use_bidirectional_attention",
	"gemma2":        "hidden_activation query_pre_attn_scalar attn_logit_softcapping final_logit_softcapping _sliding_window_pattern sliding_window_pattern",
	"electra":       "embedding_size",
	"ernie":         "task_type_vocab_size use_task_id",
	"eurobert":      "classifier_pooling",
	"mpnet":         "relative_attention_num_buckets",
	"llama_bidirec": "pooling temperature",
}

// readAsFamily reads what the family of a configuration reads.
func readAsFamily(f *File) {
	kinds := map[string][]string{
		"xlm-roberta": {"bert"}, "": {"bert"}, "electra": {"bert", "electra"}, "roberta": {"bert"}, "ernie": {"bert", "ernie"}, "deberta": {"deberta-v2"}, "eurobert": {"llama", "eurobert"}, "gte": {"bert"}, "mpnet": {"bert", "mpnet"}, "qwen2": {"llama"}, "qwen3": {"llama"}, "mistral": {"llama"},
		"gemma": {"llama", "gemma2"}, "gemma2": {"llama", "gemma2"}, "gemma3_text": {"llama", "gemma2"}, "llama_bidirec": {"llama", "llama_bidirec"},
	}[f.ModelType]
	if kinds == nil {
		kinds = []string{f.ModelType}
	}
	for _, kind := range kinds {
		for name := range strings.FieldsSeq(familyReads[kind]) {
			f.Account(Key{HF: name})
		}
	}
	f.LayerTypes(f.Int(Key{HF: "num_hidden_layers"}, 1, MaxLayers, 1), func(int) bool { return true })
	o := RoPEDefaults{ThetaKey: Key{HF: "rope_theta"}, Theta: 10000, Scaled: true, Dim: 64, Positions: 4096}
	switch {
	case f.ModelType == "modernbert":
		o.ThetaKey = Key{HF: "global_rope_theta"}
		f.RoPE("full_attention", o)
		o.ThetaKey = Key{HF: "local_rope_theta"}
		f.RoPE("sliding_attention", o)
	case f.ModelType == "gemma3_text":
		f.RoPE("full_attention", o)
		o.ThetaKey = Key{HF: "rope_local_base_freq"}
		f.RoPE("sliding_attention", o)
	case f.ModelType == "nomic_bert":
		o.ThetaKey, o.Partial = Key{HF: "rotary_emb_base"}, true
		f.RoPE("", o)
	case slices.Contains(kinds, "llama") || f.ModelType == "new" || f.ModelType == "gte" || f.Config.Has("rope_parameters"):
		f.RoPE("", o)
	}
	if strings.HasSuffix(f.Architecture, "ForSequenceClassification") {
		f.Labels()
		f.Account(Key{HF: "problem_type"})
	}
}

// TestUnreadCorpus: nothing is told of the models of the corpus.
func TestUnreadCorpus(t *testing.T) {
	for _, pattern := range []string{"models/*", "../zoo/*/model", "../field/*/model"} {
		folders, err := filepath.Glob(filepath.Join(testenv.Parity(t), pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, dir := range folders {
			f := open(t, dir)
			readAsFamily(f)
			for i := range f.Sentence.Modules { // which Chain and LogitScore read
				f.Sentence.Modules[i].Config.account()
			}
			if f.Err() != nil || f.Unread() != nil {
				t.Errorf("%s: unread %v, %v", dir, f.Unread(), f.Err())
			}
		}
	}
}

// TestUnreadPublished: of published configurations nothing is told, and of what is
// added to them everything.
func TestUnreadPublished(t *testing.T) {
	paths, err := filepath.Glob("testdata/published/*.json")
	if err != nil || len(paths) < 20 {
		t.Fatal(paths, err)
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		f := configFile(t, string(data))
		readAsFamily(f)
		if f.Err() != nil || f.Unread() != nil {
			t.Errorf("%s: unread %v, %v", path, f.Unread(), f.Err())
		}
		var config map[string]any
		if err := json.Unmarshal(data, &config); err != nil {
			t.Fatal(err)
		}
		config["mystery"], config["add_cross_attention"], config["pruned_heads"] = 1, true, map[string]any{"1": []int{2}}
		config["none"] = nil
		if scaling, ok := config["rope_scaling"].(map[string]any); ok {
			scaling["mystery"] = 2
		}
		if data, err = json.Marshal(config); err != nil {
			t.Fatal(err)
		}
		f = configFile(t, string(data))
		readAsFamily(f)
		want := []string{"add_cross_attention", "mystery", "pruned_heads"}
		if _, ok := config["rope_scaling"].(map[string]any); ok {
			want = append(want, "rope_scaling.mystery")
		}
		if got := f.Unread(); !slices.Equal(got, want) {
			t.Errorf("%s, changed: unread %v, want %v", path, got, want)
		}
	}
}

// TestUnreadConditions: what is harmless for one class or with one value is not for
// others.
func TestUnreadConditions(t *testing.T) {
	for config, want := range map[string]string{
		`{"architectures": ["BertModel"], "classifier_pooling": "mean", "problem_type": "regression"}`:               "[]",
		`{"architectures": ["BertForSequenceClassification"], "classifier_pooling": "mean"}`:                         "[classifier_pooling]",
		`{"architectures": ["BertModel"], "is_decoder": false, "tie_word_embeddings": true, "temperature": 1.0}`:     "[]",
		`{"architectures": ["LlamaForCausalLM"], "tie_word_embeddings": true, "is_decoder": true, "temperature": 2}`: "[is_decoder temperature]",
		`{"model_type": "modernbert", "layer_norm_eps": 1}`:                                                          "[]",
		`{"model_type": "bert", "layer_norm_eps": 1}`:                                                                "[layer_norm_eps]",
		`{"quantization_config": {"bits": 4}, "rope_parameters": {}, "text_config": {"a": 1}}`:                       "[quantization_config rope_parameters text_config]",
		`{"sentence_transformers": {"version": "5"}, "some_dropout": 0.1, "yes_token_id": 4, "nothing": null}`:       "[yes_token_id]",
	} {
		if got := fmt.Sprint(configFile(t, config).Unread()); got != want {
			t.Errorf("%s: unread %s, want %s", config, got, want)
		}
	}
	g := ggufFile(t, []gguf.KV{{Key: "general.name", Value: "a"}, {Key: "tokenizer.ggml.pre", Value: "a"}, {Key: "x.rope.scaling.finetuned", Value: true}, {Key: "x.head_count", Value: uint32(1)}, {Key: "y.z", Value: "a"}}, nil)
	if got := fmt.Sprint(g.Unread()); got != "[x.head_count y.z]" {
		t.Errorf("GGUF: unread %s", got)
	}
}
