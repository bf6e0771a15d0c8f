package checkpoint

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/winnow-rerank/winnow/gguf"
	"github.com/winnow-rerank/winnow/kernels"
	"github.com/winnow-rerank/winnow/quant"
)

type common struct {
	Hidden int `hf:"hidden_size dim n_embd" gguf:".embedding_length" dim:"hidden"`
	Heads  int `hf:"num_attention_heads" gguf:".attention.head_count" default:"4" max:"heads" dim:"heads"`
}

type sampleSettings struct {
	common
	KVHeads    int                `hf:"num_key_value_heads" gguf:".attention.head_count_kv" default:"@heads" max:"heads"`
	HeadDim    int                `hf:"head_dim" gguf:".attention.key_length" default:"@hidden/heads" dim:"head"`
	Layers     int                `hf:"num_hidden_layers" gguf:".block_count" default:"1" max:"layers"`
	Vocab      int                `hf:"vocab_size" gguf:".vocab_size" default:"rows:words" ggufdefault:"rows:token_embd" max:"vocab"`
	Farthest   int                `hf:"max_relative_positions" gguf:".farthest" default:"-1" min:"-1" max:"positions"`
	Eps        float32            `hf:"layer_norm_eps" gguf:".attention.layer_norm_epsilon" default:"1e-12" min:"1e-30" max:"1"`
	Cap        float64            `hf:"attn_logit_softcapping" gguf:".attn_logit_softcapping" default:"50" null:"0" ggufdefault:"0" min:"0"`
	Biased     bool               `hf:"biased" gguf:".biased" default:"true"`
	Kind       string             `hf:"kind" gguf:".kind" default:"plain"`
	Activation kernels.Activation `hf:"hidden_act" gguf:".hidden_activation" default:"gelu"`
	Terms      []string           `hf:"pos_att_type" gguf:".attention.relative_terms" default:""`
	Window     *int               `hf:"sliding_window" gguf:".attention.sliding_window"`
	Scalar     *float64           `hf:"query_pre_attn_scalar" gguf:".scalar"`
	Preset     float64            `hf:"theta" gguf:".theta" default:"preset"`
	Decoder    bool               `hf:"is_decoder" default:"false"`
	Tied       bool               `hf:"tie_word_embeddings" gguf:"-" default:"true"`

	Own int `dim:"own"` // the family's
}

func TestRead(t *testing.T) {
	for _, c := range []struct {
		settings string
		check    func(s *sampleSettings) bool
		err      string
	}{
		{`{"hidden_size": 64}`, func(s *sampleSettings) bool {
			return s.Hidden == 64 && s.Heads == 4 && s.KVHeads == 4 && s.HeadDim == 16 && s.Farthest == -1 && s.Eps == 1e-12 && s.Cap == 50 && s.Biased &&
				s.Kind == "plain" && s.Activation == kernels.GELU && len(s.Terms) == 0 && s.Window == nil && s.Preset == 7 && s.Tied && s.Own == 3 && s.Vocab == 5
		}, ""},
		{`{"n_embd": 8.0, "hidden_size": null, "num_attention_heads": null, "num_key_value_heads": 2, "layer_norm_eps": 1, "theta": 3}`, func(s *sampleSettings) bool {
			return s.Hidden == 8 && s.KVHeads == 2 && s.HeadDim == 2 && s.Eps == 1 && s.Preset == 3
		}, ""},
		{`{"dim": 9, "attn_logit_softcapping": null, "sliding_window": 12, "query_pre_attn_scalar": 1.5, "biased": false, "hidden_act": "swish", "is_decoder": true}`, func(s *sampleSettings) bool {
			return s.Hidden == 9 && s.Cap == 0 && *s.Window == 12 && *s.Scalar == 1.5 && !s.Biased && s.Activation == kernels.SiLU && s.Decoder
		}, ""},
		{`{"dim": 9, "pos_att_type": "C2P|p2c"}`, func(s *sampleSettings) bool { return slices.Equal(s.Terms, []string{"c2p", "p2c"}) }, ""},
		{`{"dim": 9, "pos_att_type": ["c2p"]}`, func(s *sampleSettings) bool { return slices.Equal(s.Terms, []string{"c2p"}) }, ""},
		{`{}`, nil, "hidden_size: found nothing, expected a whole number from 1 to 1048576"},
		{`{"hidden_size": "64"}`, nil, `hidden_size: found "64"`},
		{`{"hidden_size": 8.5}`, nil, "8.5"},
		{`{"hidden_size": 1e30}`, nil, "1e+30"},
		{`{"hidden_size": [8]}`, nil, "[8]"},
		{`{"hidden_size": NaN}`, nil, "NaN"},
		{`{"hidden_size": 0}`, nil, "0, expected"},
		{`{"dim": -1}`, nil, "dim: found -1"},
		{`{"dim": 1, "num_hidden_layers": 65}`, nil, "no more layers than the file has tensors (2)"},
		{`{"dim": 1, "layer_norm_eps": 0}`, nil, "layer_norm_eps"},
		{`{"dim": 1, "layer_norm_eps": Infinity}`, nil, "+Inf"},
		{`{"dim": 1, "biased": 1}`, nil, "true or false"},
		{`{"dim": 1, "kind": 1}`, nil, "a string"},
		{`{"dim": 1, "hidden_act": "hardswish"}`, nil, "gelu_pytorch_tanh"},
		{`{"dim": 1, "pos_att_type": [1]}`, nil, "a list of strings"},
		{`{"dim": 1, "sliding_window": "1"}`, nil, "sliding_window"},
	} {
		f := open(t, folder(t, map[string]string{"config.json": c.settings}, map[string][]int{"words.weight": {5, 2}, "x": {1}}))
		s := sampleSettings{Preset: 7, Own: 3}
		f.Read(&s)
		switch {
		case c.err != "":
			if f.Err() == nil || !strings.Contains(f.Err().Error(), c.err) || !isFormat(f.Err()) {
				t.Errorf("%s: error %v, want one that says %q", c.settings, f.Err(), c.err)
			}
		case f.Err() != nil || !c.check(&s):
			t.Errorf("%s: %+v, %v", c.settings, s, f.Err())
		}
	}
}

func TestReadGGUF(t *testing.T) {
	table := gguf.Source{Name: "token_embd.weight", Type: quant.F32, Shape: []int{7, 4}, Data: zeros(28)}
	f := ggufFile(t, []gguf.KV{{Key: "x.embedding_length", Value: uint32(4)}, {Key: "x.scalar", Value: uint32(3)}, {Key: "x.unknown", Value: true}}, []gguf.Source{table})
	var s sampleSettings
	f.Read(&s)
	if f.Err() != nil || s.Hidden != 4 || s.Vocab != 7 || s.Cap != 0 || *s.Scalar != 3 || s.Decoder || !s.Tied {
		t.Errorf("%+v, %v", s, f.Err())
	}
	if got := f.Unread(); !slices.Equal(got, []string{"x.unknown"}) {
		t.Errorf("unread: %v", got)
	}
	f = ggufFile(t, []gguf.KV{{Key: "x.embedding_length", Value: []uint32{4}}}, nil)
	if f.Read(&s); f.Err() == nil || !strings.Contains(f.Err().Error(), "x.embedding_length: found array") {
		t.Errorf("a list for a number: %v", f.Err())
	}
}

// random fills the table's fields of a struct with random values that config.json
// could have.
func random(v reflect.Value, r *rand.Rand) {
	acts := []kernels.Activation{kernels.Identity, kernels.GELU, kernels.GELUTanh, kernels.ReLU, kernels.SiLU, kernels.Tanh}
	settingsOf(v, func(s *setting) {
		f := s.value
		if f.Kind() == reflect.Pointer {
			if r.IntN(2) == 0 {
				return
			}
			f.Set(reflect.New(f.Type().Elem()))
			f = f.Elem()
		}
		switch x := f.Addr().Interface().(type) {
		case *int:
			low, high := int(s.bound("min", 1)), int(s.bound("max", MaxWidth))
			if s.tag.Get("max") == "layers" {
				high = low
			}
			*x = low + r.IntN(high-low+1)
		case *bool:
			*x = r.IntN(2) == 0
		case *float32:
			*x = float32(s.bound("min", 0)) + r.Float32()*float32(min(s.bound("max", 100), 100))/2
		case *float64:
			*x = float64(float32(math.Exp(r.Float64() * 10)))
		case *string:
			*x = fmt.Sprint("text ", r.IntN(100))
		case *kernels.Activation:
			*x = acts[r.IntN(len(acts))]
		case *[]string:
			*x = nil
			for range r.IntN(3) {
				*x = append(*x, fmt.Sprint("word", r.IntN(9)))
			}
		}
	})
}

// TestSettingsRoundTrip: what is read is written, and what is written is read.
func TestSettingsRoundTrip(t *testing.T) {
	f := configFile(t, `{}`)
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var want sampleSettings
		random(reflect.ValueOf(&want).Elem(), r)
		want.Decoder, want.Tied, want.Own = false, true, 0
		g := throughGGUF(t, f, func(e *Export) {
			e.Settings(&want)
			e.Add("token_embd.weight", []int{1, 1}, []float32{0})
		})
		var got sampleSettings
		g.Read(&got)
		if g.Err() != nil {
			t.Fatal(g.Err())
		}
		if len(got.Terms) == 0 && len(want.Terms) == 0 {
			got.Terms, want.Terms = nil, nil
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%+v, want %+v", got, want)
		}
		if unread := g.Unread(); unread != nil {
			t.Fatalf("unread: %v", unread)
		}
	}
}

// TestExportRefuses: a setting that GGUF files have no key for is not lost without
// a word, nor one that comes back otherwise.
func TestExportRefuses(t *testing.T) {
	f := configFile(t, `{"hidden_size": 8, "is_decoder": true, "tie_word_embeddings": false}`)
	var s sampleSettings
	s.Preset = 1
	f.Read(&s)
	s.Vocab = 1
	write := func(change func(e *Export)) error {
		e, err := NewExport(f, quant.F32, "x")
		if err != nil {
			t.Fatal(err)
		}
		e.Settings(&s)
		change(e)
		_, err = e.WriteFile(t.TempDir()+"/out.gguf", nil)
		return err
	}
	if err := write(func(*Export) {}); err == nil || !strings.Contains(err.Error(), "is_decoder true") {
		t.Errorf("a setting without a key: %v", err)
	}
	s.Decoder = false
	if err := write(func(e *Export) { e.Set(".kind", "another") }); err != nil {
		t.Errorf("a key that is set otherwise on purpose: %v", err)
	}
	s.Kind = strings.Repeat("x", 10)
	s.Hidden = 0 // which cannot be read
	if err := write(func(*Export) {}); err == nil || !strings.Contains(err.Error(), "x.embedding_length") {
		t.Errorf("a setting that cannot be read back: %v", err)
	}
	s.Hidden = 8
	if err := write(func(e *Export) {
		e.Add("a", []int{1}, []float32{1})
		e.Add("a", []int{1}, []float32{1})
	}); err == nil || !strings.Contains(err.Error(), "or duplicate") {
		t.Errorf("a tensor twice: %v", err)
	}
}

func TestLabels(t *testing.T) {
	for _, c := range []struct {
		settings string
		want     []string // nil: an error
	}{
		{`{}`, []string{"LABEL_0", "LABEL_1"}},
		{`{"num_labels": 1}`, []string{"LABEL_0"}},
		{`{"num_labels": 3, "id2label": null}`, []string{"LABEL_0", "LABEL_1", "LABEL_2"}},
		{`{"id2label": {"0": "no", "1": "yes"}, "num_labels": 5}`, []string{"no", "yes"}},
		{`{"id2label": {"0": 0, "1": 1.5, "2": true, "3": false}}`, []string{"0", "1.5", "True", "False"}},
		{`{"id2label": {"1": "yes", "2": "no"}}`, nil},
		{`{"id2label": {"0": "yes", "00": "no"}}`, nil},
		{`{"id2label": {"0": ["yes"]}}`, nil},
		{`{"id2label": {}}`, nil},
		{`{"id2label": ["yes"]}`, nil},
		{`{"id2label": {"x": "yes"}}`, nil},
		{`{"num_labels": 0}`, nil},
	} {
		f := configFile(t, c.settings)
		got := f.Labels()
		if (c.want == nil) != (f.Err() != nil) || c.want != nil && !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, %v; want %q", c.settings, got, f.Err(), c.want)
		}
	}
	rows := gguf.Source{Name: "cls.output.weight", Type: quant.F32, Shape: []int{3, 2}, Data: zeros(6)}
	if got := ggufFile(t, nil, []gguf.Source{rows}).Labels(); len(got) != 3 {
		t.Errorf("three rows without labels: %q", got)
	}
	if got := ggufFile(t, []gguf.KV{{Key: "x.classifier.output_labels", Value: []string{"a"}}}, nil).Labels(); !slices.Equal(got, []string{"a"}) {
		t.Errorf("labels of metadata: %q", got)
	}
}

func TestConfiguredActivation(t *testing.T) {
	for _, c := range []struct{ config, sentence, want string }{
		{`{}`, `{}`, ""},
		{`{"sentence_transformers": {"activation_fn": "a", "version": "4"}}`, `{"activation_fn": "c"}`, "a"},
		{`{"sbert_ce_default_activation_function": "b"}`, `{"activation_fn": "c"}`, "b"},
		{`{}`, `{"activation_fn": "c"}`, "c"},
	} {
		f := open(t, folder(t, map[string]string{"config.json": c.config, "config_sentence_transformers.json": c.sentence}, map[string][]int{"x": {1}}))
		if got := f.ConfiguredActivation(); got != c.want || f.Unread() != nil {
			t.Errorf("%s: %q, want %q; unread %v", c.config, got, c.want, f.Unread())
		}
	}
}

func TestClass(t *testing.T) {
	for settings, want := range map[string]string{
		`{"architectures": ["BertModel", "x"]}`: "BertModel", `{"architectures": null, "model_type": "bert"}`: "", `{}`: "", `{"architectures": []}`: "", `{"architectures": "BertModel"}`: "BertModel",
	} {
		if f := configFile(t, settings); f.Architecture != want {
			t.Errorf("%s: %q, want %q", settings, f.Architecture, want)
		}
	}
	for _, settings := range []string{`{"architectures": [1]}`, `{"architectures": 1}`, `{"model_type": 1}`} {
		if _, err := Open(folder(t, map[string]string{"config.json": settings}, map[string][]int{"x": {1}})); err == nil || !isFormat(err) {
			t.Errorf("%s: %v", settings, err)
		}
	}
}
