package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/winnow-rerank/winnow/quant"
)

const oddText = "What is [SEP] deep learning, and where do we begin with it?"

// vectorAndStates are the vector of a text and the states of its tokens.
func vectorAndStates(t *testing.T, path, text string) (vector []float32, states []float32, m *Model) {
	t.Helper()
	m = open(t, path, Options{Precision: F32})
	ctx := context.Background()
	e, err := m.EncodeTexts(ctx, []string{text}, TextOptions{})
	if err != nil {
		t.Fatal(err)
	}
	vectors, err := m.Embed(ctx, e.Sequences)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := m.TokenStates(ctx, e.Sequences)
	if err != nil {
		t.Fatal(err)
	}
	return vectors[0], rows[0], m
}

func nearly(t *testing.T, what string, got []float32, want []float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d numbers, want %d", what, len(got), len(want))
	}
	for i := range got {
		if math.Abs(float64(got[i])-want[i]) > 1e-6*(1+math.Abs(want[i])) {
			t.Fatalf("%s: number %d is %g, want %g", what, i, got[i], want[i])
		}
	}
}

// TestPoolings pools the states of tokens by each kind of sentence-transformers, and by
// several whose vectors are joined, from the folder and through a GGUF file.
func TestPoolings(t *testing.T) {
	_, states, _ := vectorAndStates(t, filepath.Join("..", "testdata", "embed-bge"), oddText)
	const width = 32
	n := len(states) / width
	weigh := func(weight func(i int) float64) []float64 {
		y := make([]float64, width)
		for i, x := range states {
			y[i%width] += float64(x) * weight(i/width)
		}
		return y
	}
	most := slices.Repeat([]float64{math.Inf(-1)}, width)
	for i, x := range states {
		most[i%width] = max(most[i%width], float64(x))
	}
	at := func(k int) []float64 {
		return weigh(func(i int) float64 {
			if i == k {
				return 1
			}
			return 0
		})
	}
	kinds := map[string][]float64{
		"cls": at(0), "lasttoken": at(n - 1), "max": most,
		"mean":                 weigh(func(int) float64 { return 1 / float64(n) }),
		"mean_sqrt_len_tokens": weigh(func(int) float64 { return 1 / math.Sqrt(float64(n)) }),
		"weightedmean":         weigh(func(i int) float64 { return float64(i+1) / float64(n*(n+1)/2) }),
	}
	check := func(config string, want []float64) {
		dir := copyModel(t, "embed-bge", map[string][2]string{"1_Pooling/config.json": {"", config}})
		out := filepath.Join(t.TempDir(), "converted.gguf")
		if _, err := Convert(dir, out, quant.F32, nil); err != nil {
			t.Fatalf("%s: %v", config, err)
		}
		for _, path := range []string{dir, out} {
			got, _, m := vectorAndStates(t, path, oddText)
			nearly(t, filepath.Ext(path)+config, got, want)
			if info := m.Info(); info.Dimensions != len(want) || info.Unread != nil {
				t.Errorf("%s: %d numbers, unread %v; want %d", config, info.Dimensions, info.Unread, len(want))
			}
		}
	}
	for name, want := range kinds {
		check(fmt.Sprintf(`{"embedding_dimension": 32, "pooling_mode": %q}`, name), want)
	}
	check(`{"word_embedding_dimension": 32, "pooling_mode_cls_token": true, "pooling_mode_mean_tokens": true, "pooling_mode_weightedmean_tokens": true}`,
		slices.Concat(kinds["cls"], kinds["mean"], kinds["weightedmean"]))
	check(`{"embedding_dimension": 32, "pooling_mode": ["mean", "cls"], "include_prompt": false}`, slices.Concat(kinds["mean"], kinds["cls"]))
}

// TestTruncateDim: of a vector of length 1 the first numbers are kept as they are.
func TestTruncateDim(t *testing.T) {
	whole, _, _ := vectorAndStates(t, filepath.Join("..", "testdata", "embed-bge"), oddText)
	Normalize(whole)
	var want []float64
	for _, x := range whole[:5] {
		want = append(want, float64(x))
	}
	dir := copyModel(t, "embed-bge", map[string][2]string{"config_sentence_transformers.json": {"", `{"truncate_dim": 5}`}})
	out := filepath.Join(t.TempDir(), "converted.gguf")
	if _, err := Convert(dir, out, quant.F32, nil); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, out} {
		got, _, m := vectorAndStates(t, path, oddText)
		nearly(t, path, got, want)
		if info := m.Info(); info.Dimensions != 5 || info.Unit {
			t.Errorf("%s: %d numbers, of length 1: %v", path, info.Dimensions, info.Unit)
		}
	}
}

// TestLowerCase: sentence-transformers' do_lower_case is a step of the tokenizer in front
// of the others, of whatever task the model is; added tokens are found as they are spelled.
func TestLowerCase(t *testing.T) {
	lower := map[string][2]string{"sentence_bert_config.json": {"", `{"do_lower_case": true}`}}
	dir := copyModel(t, "xlmr-mmarco", lower)
	out := filepath.Join(t.TempDir(), "converted.gguf")
	if _, err := Convert(dir, out, quant.F32, nil); err != nil {
		t.Fatal(err)
	}
	plain := open(t, filepath.Join("..", "testdata", "xlmr-mmarco"), Options{})
	want := must(plain.Tokenize("what is </s> deep learning? ός", true)).IDs
	const text = "What Is </s> DEEP learning? ΌΣ"
	if slices.Equal(must(plain.Tokenize(text, true)).IDs, want) {
		t.Fatal("the case makes no difference")
	}
	// The tokenizer's lower case does not know that a sigma ends a word.
	want = must(plain.Tokenize("what is </s> deep learning? όσ", true)).IDs
	for _, path := range []string{dir, out} {
		if got := must(open(t, path, Options{}).Tokenize(text, true)).IDs; !slices.Equal(got, want) {
			t.Errorf("%s: tokens %v, want %v", path, got, want)
		}
	}
}

// TestLengthBySentenceTransformers: what its files say of the length of texts goes before
// what the tokenizer's say.
func TestLengthBySentenceTransformers(t *testing.T) {
	for encoder, want := range map[string]int{
		`{}`:                     20,
		`{"max_seq_length": 40}`: 40,
		`{"max_seq_length": 40, "tokenizer_args": {"model_max_length": 30}}`:                                                        30,
		`{"processor_kwargs": {"model_max_length": 30, "padding_side": "left"}, "processing_kwargs": {"text": {"max_length": 12}}}`: 12,
	} {
		dir := copyModel(t, "embed-bge", map[string][2]string{"sentence_bert_config.json": {"", encoder}, "tokenizer_config.json": {`"model_max_length": 64`, `"model_max_length": 20`}})
		if got := open(t, dir, Options{}).maxLength; got != want {
			t.Errorf("%s: %d tokens, want %d", encoder, got, want)
		}
	}
}

// TestConfigArguments: the arguments that sentence-transformers has for a configuration go
// before config.json.
func TestConfigArguments(t *testing.T) {
	want, _, _ := vectorAndStates(t, copyModel(t, "embed-bge", map[string][2]string{"config.json": {`"hidden_act": "gelu"`, `"hidden_act": "relu"`}}), oddText)
	got, _, _ := vectorAndStates(t, copyModel(t, "embed-bge", map[string][2]string{"sentence_bert_config.json": {"", `{"config_args": {"hidden_act": "relu", "trust_remote_code": true}}`}}), oddText)
	usual, _, _ := vectorAndStates(t, filepath.Join("..", "testdata", "embed-bge"), oddText)
	if !slices.Equal(got, want) || slices.Equal(got, usual) {
		t.Errorf("%v, want %v", got, want)
	}
}

// TestSentenceSettingsUnread: settings of sentence-transformers' files that nobody knows are
// told with the name of their file.
func TestSentenceSettingsUnread(t *testing.T) {
	dir := copyModel(t, "embed-dense", map[string][2]string{"2_Dense/config.json": {"{", `{"gain": 2,`}, "config_sentence_transformers.json": {"{", `{"odd": true,`},
		"sentence_bert_config.json": {"", `{"max_seq_length": 40, "model_args": {"torch_dtype": "float16"}, "scale": 3}`}})
	want := []string{"2_Dense/config.json: gain", "config_sentence_transformers.json: odd", "sentence_bert_config.json: scale"}
	if got := open(t, dir, Options{}).Info().Unread; !slices.Equal(got, want) {
		t.Errorf("unread %v, want %v", got, want)
	}
}

// TestMultiVectorModules: which modules a MultiVectorEncoder of sentence-transformers has
// decides whether vectors are of length 1, and whether what a query is filled up with and
// punctuation count. The numbers are that library's (6.2, float64).
func TestMultiVectorModules(t *testing.T) {
	dropout := func(class, folder string) map[string][2]string {
		return map[string][2]string{"modules.json": {class, "sentence_transformers.sentence_transformer.modules.dropout.Dropout"}, folder + "/config.json": {"", "{}"}}
	}
	for name, c := range map[string]struct {
		changes map[string][2]string
		want    [2]float64
	}{
		"as it is":          {nil, [2]float64{29.224749229095085, 24.919070339087853}},
		"without Normalize": {dropout("sentence_transformers.base.modules.normalize.Normalize", "3_Normalize"), [2]float64{1059.280935996513, 1014.9874851671473}},
		"without mask":      {dropout("sentence_transformers.multi_vector_encoder.modules.multi_vector_mask.MultiVectorMask", "2_MultiVectorMask"), [2]float64{13.069477222117253, 11.250234449817295}},
		"for no task": {map[string][2]string{"2_MultiVectorMask/config.json": {`"skiplist_tasks": [
        "document"
    ]`, `"skiplist_tasks": []`}}, [2]float64{29.252058760430472, 24.919070339087853}},
	} {
		dir := copyModel(t, "colbert-multivector", c.changes)
		out := filepath.Join(t.TempDir(), "converted.gguf")
		if _, err := Convert(dir, out, quant.F32, nil); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		k := modelCase{Query: "What is deep learning?", Documents: []string{"Deep learning, they say: a kind of machine learning.", "apples are red"}}
		for _, path := range []string{dir, out} {
			got, err := k.score(open(t, path, Options{Precision: F32}))
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			for i, want := range c.want {
				if math.Abs(got[i]-want) > 2e-6*math.Abs(want) {
					t.Errorf("%s, %s: document %d has %g, want %g", name, filepath.Ext(path), i, got[i], want)
				}
			}
		}
	}
}

// TestNamesOfOthers: a class reads the names that it has for its settings, whatever those of
// others say, and where two of its own say the same thing the one that transformers lets go
// first.
func TestNamesOfOthers(t *testing.T) {
	scores := func(model string, set ...string) []float64 {
		dir := copyModel(t, model, map[string][2]string{})
		for i := 0; i < len(set); i += 2 {
			dir = changeJSON(t, dir, "config.json", set[i], set[i+1])
		}
		k := modelCase{Query: "What is deep learning?", Documents: []string{"Deep learning is a kind of machine learning of many layers, they say.", "apples"}}
		got, err := k.score(open(t, dir, Options{Precision: F32}))
		if err != nil {
			t.Fatalf("%s %v: %v", model, set, err)
		}
		return got
	}
	for _, c := range []struct {
		model          string
		same, as, from []string // as well as same, another than from
	}{
		{"distilbert", []string{"hidden_act", `"relu"`, "layer_norm_eps", "0.3"}, nil, []string{"activation", `"relu"`}},
		{"bert-minilm", []string{"is_decoder", "true", "is_causal", "false"}, nil, []string{"is_decoder", "true"}},
		{"bert-minilm", []string{"activation", `"relu"`}, nil, []string{"hidden_act", `"relu"`}},
		{"modernbert-gte", []string{"sliding_window", "1"}, []string{"local_attention", "2"}, nil},
		{"modernbert-gte", []string{"hidden_act", `"relu"`}, nil, []string{"hidden_activation", `"relu"`}},
	} {
		got, want := scores(c.model, c.same...), scores(c.model, c.as...)
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v gives %v, %v %v", c.model, c.same, got, c.as, want)
		}
		if other := scores(c.model, c.from...); slices.Equal(got, other) {
			t.Errorf("%s: %v is as good as %v", c.model, c.same, c.from)
		}
	}
}

// changeJSON sets a member of a JSON file of a folder.
func changeJSON(t *testing.T, dir, file, name, value string) string {
	t.Helper()
	path := filepath.Join(dir, file)
	var members map[string]json.RawMessage
	readJSON(t, path, &members)
	members[name] = json.RawMessage(value)
	data, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestNomicLayouts: the names of the authors' configuration count in their layout only, as
// transformers' class does not know them.
func TestNomicLayouts(t *testing.T) {
	const model = "zoo/nomic-embed-published/model"
	vector := func(native bool, set ...string) []float32 {
		dir := copyModel(t, model, map[string][2]string{})
		if native {
			var members map[string]json.RawMessage
			readJSON(t, filepath.Join(dir, "config.json"), &members)
			for name, as := range map[string]string{"n_embd": "hidden_size", "n_inner": "intermediate_size", "n_layer": "num_hidden_layers", "n_head": "num_attention_heads", "n_positions": "max_position_embeddings"} {
				changeJSON(t, dir, "config.json", as, string(members[name]))
				changeJSON(t, dir, "config.json", name, "null")
			}
		}
		for i := 0; i < len(set); i += 2 {
			changeJSON(t, dir, "config.json", set[i], set[i+1])
		}
		v, _, _ := vectorAndStates(t, dir, oddText)
		return v
	}
	usual := vector(false)
	for _, c := range []struct {
		native bool
		set    []string
		same   bool
	}{
		{true, nil, true},
		{true, []string{"layer_norm_epsilon", "0.3", "rotary_emb_base", "10"}, true},
		{true, []string{"layer_norm_eps", "0.3"}, false},
		{true, []string{"rope_theta", "10"}, false},
		{false, []string{"layer_norm_epsilon", "0.3"}, false},
		{false, []string{"rotary_emb_base", "10"}, false},
	} {
		if got := vector(c.native, c.set...); slices.Equal(got, usual) != c.same {
			t.Errorf("native %v, %v: the usual vector %v, want %v", c.native, c.set, !c.same, c.same)
		}
	}
}

// TestConvertDecoderThatSeesBothWays: what the class makes of two settings that contradict
// each other is what a GGUF file says.
func TestConvertDecoderThatSeesBothWays(t *testing.T) {
	k := modelCase{Query: "What is deep learning?", Documents: []string{"Deep learning is a kind of machine learning.", "apples"}}
	for _, model := range []string{"xlmr-mmarco", "bert-minilm", "electra"} {
		dir := copyModel(t, model, map[string][2]string{})
		changeJSON(t, dir, "config.json", "is_decoder", "true")
		changeJSON(t, dir, "config.json", "is_causal", "false")
		out := filepath.Join(t.TempDir(), "converted.gguf")
		if _, err := Convert(dir, out, quant.F32, nil); err != nil {
			t.Fatalf("%s: %v", model, err)
		}
		want, err := k.score(open(t, filepath.Join("..", "testdata", model), Options{Precision: F32}))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{dir, out} {
			if got, err := k.score(open(t, path, Options{Precision: F32})); err != nil || !slices.Equal(got, want) {
				t.Errorf("%s: %v, %v; want %v", path, got, err, want)
			}
		}
	}
}
