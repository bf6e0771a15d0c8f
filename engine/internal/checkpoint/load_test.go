package checkpoint

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/winnow-rerank/winnow/engine/internal/compute"
	"github.com/winnow-rerank/winnow/gguf"
	"github.com/winnow-rerank/winnow/kernels"
	"github.com/winnow-rerank/winnow/quant"
)

// sampleModel has every kind of tensor tag.
type sampleModel struct {
	Words  compute.Embedding  `hf:"words,embeddings.words" gguf:"token_embd" shape:"vocab hidden"`
	Types  *compute.Embedding `hf:"types" gguf:"token_types" shape:"2 hidden" optional:"true"`
	Layers []sampleLayer      `hf:"layer.%d.,h.%d." gguf:"blk.%d." each:"layers"`
	Extra  *compute.Norm      `hf:"extra" gguf:"extra" shape:"hidden" if:"Extra"`
	None   compute.Linear     `gguf:"gguf_only" shape:"1 1"`
	Head   *compute.Linear    `hf:"head_out" gguf:"head" shape:"1 hidden" keep:"exact" bias:"none"`
}

type sampleLayer struct {
	QKV  compute.Linear `hf:"q k v,qkv" gguf:"attn_q attn_k attn_v,attn_qkv" shape:"hidden hidden" bias:"optional" interleave:"interleaved"`
	Up   compute.Linear `hf:"up" gguf:"ffn_up" shape:"2*hidden hidden"`
	Norm compute.Norm   `hf:"norm" gguf:"norm" shape:"hidden" bias:"none" plus:"offset"`
}

type sampleTable struct {
	Vocab       int `dim:"vocab"`
	Hidden      int `dim:"hidden"`
	Layers      int `dim:"layers"`
	Interleaved int `dim:"interleaved"`
	Offset      int `dim:"offset"`
	Extra       bool
}

func sampleOptions(t *sampleTable) LoadOptions {
	return LoadOptions{Family: "Sample", Prefixes: []string{"first.", "second."}, Eps: 1e-5, Settings: []any{t}}
}

func sampleShapes() map[string][]int {
	return map[string][]int{
		"first.words.weight": {3, 4}, "second.types.weight": {2, 4},
		"first.layer.0.q.weight": {4, 4}, "layer.0.k.weight": {4, 4}, "layer.0.v.weight": {4, 4},
		"first.layer.0.up.weight": {8, 4}, "first.layer.0.up.bias": {8}, "layer.0.norm.gamma": {4},
		"head_out.weight": {1, 4},
	}
}

func TestLoad(t *testing.T) {
	f := open(t, folder(t, map[string]string{"config.json": "{}"}, sampleShapes()))
	if p, _ := f.ChoosePrecision(Auto, Auto); p != F32 {
		t.Errorf("precision %v of float32 weights", p)
	}
	var m sampleModel
	if err := f.Load(sampleOptions(&sampleTable{Vocab: 3, Hidden: 4, Layers: 1, Offset: 2}), &m); err != nil {
		t.Fatal(err)
	}
	r := compute.NewRunner(1, compute.RunnerOptions{})
	defer r.Close()
	bytes, err := f.Pack(r)
	if err != nil {
		t.Fatal(err)
	}
	if want := int64(4 * (3*16 + 32 + 4)); bytes < want || f.TableBytes() != 4*(12+8) {
		t.Errorf("%d bytes packed, want %d at least; %d of tables", bytes, want, f.TableBytes())
	}
	l := &m.Layers[0]
	if l.QKV.Outputs() != 12 || l.QKV.Bias != nil || l.Up.Outputs() != 8 || len(l.Up.Bias) != 8 || m.Extra != nil || m.Types == nil || m.None.Weights != nil {
		t.Errorf("loaded %+v", m)
	}
	if !slices.Equal(l.Norm.Weight, []float32{2, 3, 4, 5}) || l.Norm.Eps != 1e-5 {
		t.Errorf("norm %v", l.Norm)
	}
	x := []float32{0, 0, 0, 0}
	if m.Words.Row(x, 2); !slices.Equal(x, []float32{8, 9, 10, 11}) {
		t.Errorf("row 2 of the words is %v", x)
	}
}

// stacked is a layer whose matrix has queries, keys and values head by head.
type stacked struct {
	QKV   compute.Linear `hf:"in" gguf:"in" shape:"12 1" bias:"biased" byhead:"heads"`
	Value []float32      `hf:"values" gguf:"v.bias" shape:"4" if:"values"`
}

type stackedTable struct {
	Biased int `dim:"biased"`
	Heads  int `dim:"heads"`
	Values int `dim:"values"`
}

// TestLoadHeadByHead: rows in any order of heads come out as all queries, all keys, all
// values; vectors are called by their whole name; a dim says whether there is a bias. An
// export keeps the order of the rows, and what it wrote is read as the folder is.
func TestLoadHeadByHead(t *testing.T) {
	whole := map[string][]int{"in.weight": {12, 1}, "in.bias": {12}, "values": {4}}
	r := compute.NewRunner(1, compute.RunnerOptions{})
	defer r.Close()
	for _, c := range []struct {
		table stackedTable
		want  []float32 // the outputs of 1
	}{
		{stackedTable{1, 2, 1}, []float32{0, 2, 12, 14, 4, 6, 16, 18, 8, 10, 20, 22}}, // twice, with the bias
		{stackedTable{1, 0, 1}, []float32{0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22}},
		{stackedTable{0, 2, 0}, []float32{0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11}},
	} {
		shapes := maps.Clone(whole)
		if c.table.Biased == 0 {
			delete(shapes, "in.bias")
		}
		if c.table.Values == 0 {
			delete(shapes, "values")
		}
		dir := folder(t, map[string]string{"config.json": "{}"}, shapes)
		options := LoadOptions{Family: "Stacked", Settings: []any{&c.table}}
		check := func(f *File, m *stacked) {
			t.Helper()
			if err := f.Load(options, m); err != nil {
				t.Fatal(err)
			}
			if _, err := f.Pack(r); err != nil {
				t.Fatal(err)
			}
			one := &compute.Linear{Weights: m.QKV.Weights, Bias: m.QKV.Bias}
			if got := outputs(t, r, one); !slices.Equal(got, c.want) {
				t.Errorf("%s, %+v: %v, want %v", f.Format, c.table, got, c.want)
			}
			if want := []float32{0, 1, 2, 3}[:4*c.table.Values]; !slices.Equal(m.Value, want) {
				t.Errorf("%s, %+v: the vector is %v, want %v", f.Format, c.table, m.Value, want)
			}
		}
		f, m := open(t, dir), new(stacked)
		check(f, m)
		e, err := NewExport(f, quant.F32, "stacked")
		if err != nil {
			t.Fatal(err)
		}
		e.Tensors()
		path := filepath.Join(t.TempDir(), "x.gguf")
		if _, err := e.WriteFile(path, nil); err != nil {
			t.Fatal(err)
		}
		check(open(t, path), new(stacked))
	}
}

// outputs is what a layer with one input gives of 1.
func outputs(t *testing.T, r *compute.Runner, l *compute.Linear) []float32 {
	w := &oneInput{layer: l}
	if err := r.Run(t.Context(), w, 1); err != nil {
		t.Fatal(err)
	}
	return w.out
}

type oneInput struct {
	layer *compute.Linear
	out   []float32
}

func (w *oneInput) Tile(c *compute.Context, _ int) {
	x := c.New(1, 1)
	x.Data[0] = 1
	w.out = slices.Clone(c.Linear(w.layer, x, kernels.Identity).Row(0))
}

// TestLoadErrors: one error lists all that is missing and all that is left over.
func TestLoadErrors(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(shapes map[string][]int, dims *sampleTable)
		want   []string
	}{
		{"missing and left over", func(s map[string][]int, d *sampleTable) {
			d.Layers, d.Extra = 2, true
			delete(s, "layer.0.k.weight")
			s["first.stranger.weight"] = []int{1}
			s["bert.embeddings.position_ids"] = []int{3} // known
		}, []string{"tensors: found 9 missing (layer.0.k.weight, layer.1.q.weight,", "layer.1.norm.weight, extra.weight, extra.bias) and 1 unused (first.stranger.weight), expected the tensors of Sample"}},
		{"shape", func(s map[string][]int, _ *sampleTable) { s["first.words.weight"] = []int{2, 4} }, []string{"first.words.weight: found shape [2 4], expected shape [3 4]"}},
		{"some biases", func(s map[string][]int, _ *sampleTable) { s["layer.0.k.bias"] = []int{4} }, []string{"layer.0.q.bias: found 4 biases in all, expected 12"}},
	} {
		shapes, dims := sampleShapes(), &sampleTable{Vocab: 3, Hidden: 4, Layers: 1}
		c.change(shapes, dims)
		f := open(t, folder(t, map[string]string{"config.json": "{}"}, shapes))
		err := f.Load(sampleOptions(dims), new(sampleModel))
		for _, want := range c.want {
			if err == nil || !isFormat(err) || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: error %v, want one that says %q", c.name, err, want)
			}
		}
	}
	f := configFile(t, `{}`)
	f.Fail(Key{HF: "x"}, "a", "b")
	if err := f.Load(LoadOptions{}, new(struct{})); err == nil || err != f.Err() {
		t.Errorf("wrong settings: %v", err)
	}
}

// TestLeftovers: what transformers leaves alone, and nothing else.
func TestLeftovers(t *testing.T) {
	f := configFile(t, `{}`)
	f.loading.options.Prefixes = []string{"bert."}
	for name, want := range map[string]bool{
		"bert.embeddings.position_ids": true, "model.layers.3.self_attn.rotary_emb.inv_freq": true, "layers.0.rotary_emb.cos_cached": true,
		"h.0.attn.masked_bias": true, "h.0.attn.bias": true, "cls.predictions.decoder.weight": true, "bert.pooler.dense.weight": true,
		"roberta.pooler.dense.bias": true, "lm_head.weight": true, "model.lm_head.weight": true, "discriminator_predictions.dense.weight": true,
		"generator_lm_head.bias": true, "mask_predictions.dense.weight": true, "decoder.weight": true, "vocab_projector.bias": true, "head.norm.weight": true,
		"loss_fct.weight": true,

		"classifier.weight": false, "bert.encoder.layer.0.attention.self.query.bias": false, "model.norm.weight": false, "score.weight": false, "linear.weight": false,
		"model.decoder.layers.0.fc1.weight": true, "encoder.layer.12.output.dense.bias": false, "headless.weight": false,
	} {
		if got := f.leftover(name); got != want {
			t.Errorf("%s: left over %v, want %v", name, got, want)
		}
	}
}

// TestLoadGGUF loads interleaved heads, one tensor for three and a matrix of one
// row as a vector.
func TestLoadGGUF(t *testing.T) {
	ramp := func(name string, shape ...int) gguf.Source {
		n := quant.Tensor{Shape: shape}.Len()
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(i)
		}
		e := &Export{result: Conversion{Types: map[string]int{}}, dropped: map[string]bool{}}
		e.Add(name, shape, x)
		return e.tensors[0]
	}
	f := ggufFile(t, nil, []gguf.Source{
		ramp("token_embd.weight", 3, 4), ramp("blk.0.attn_q.weight", 4, 4), ramp("blk.0.attn_q.bias", 4), ramp("blk.0.attn_k.weight", 4, 4), ramp("blk.0.attn_k.bias", 4),
		ramp("blk.0.attn_v.weight", 4, 4), ramp("blk.0.attn_v.bias", 4), ramp("blk.0.ffn_up.weight", 8, 4), ramp("blk.0.ffn_up.bias", 8), ramp("blk.0.norm.weight", 4),
		ramp("gguf_only.weight", 1, 1), ramp("gguf_only.bias", 1), ramp("head.weight", 4), ramp("rope_freqs.weight", 2),
	})
	var m sampleModel
	if err := f.Load(sampleOptions(&sampleTable{Vocab: 3, Hidden: 4, Layers: 1, Interleaved: 1, Offset: 1}), &m); err != nil {
		t.Fatal(err)
	}
	l := &m.Layers[0]
	if !slices.Equal(l.Norm.Weight, []float32{0, 1, 2, 3}) {
		t.Errorf("a GGUF file has its norms whole: %v", l.Norm.Weight)
	}
	// Of a head of four rows 0, 2 are the first half and 1, 3 the second.
	if want := []float32{0, 2, 1, 3}; !slices.Equal(l.QKV.Bias[:4], want) {
		t.Errorf("biases %v, want %v", l.QKV.Bias[:4], want)
	}
	r := compute.NewRunner(1, compute.RunnerOptions{})
	defer r.Close()
	if _, err := f.Pack(r); err != nil {
		t.Fatal(err)
	}
	c := new(rowReader)
	if err := r.Run(t.Context(), c.of(&l.QKV), 1); err != nil {
		t.Fatal(err)
	}
	if want := []float32{0, 8 + 2, 4 + 1, 12 + 3}; !slices.Equal(c.out[:4], want) {
		t.Errorf("the first column with its biases is %v, want %v", c.out[:4], want)
	}
}

// A rowReader multiplies a layer by the first unit vector.
type rowReader struct {
	layer *compute.Linear
	out   []float32
}

func (r *rowReader) of(l *compute.Linear) *rowReader {
	r.layer = l
	return r
}

func (r *rowReader) Tile(c *compute.Context, _ int) {
	x := c.New(1, r.layer.Inputs())
	clear(x.Row(0))
	x.Row(0)[0] = 1
	r.out = slices.Clone(c.Linear(r.layer, x, 0).Row(0))
}

// TestTensorsRoundTrip exports a model and loads it again: every number is the
// same.
func TestTensorsRoundTrip(t *testing.T) {
	f := open(t, folder(t, map[string]string{"config.json": "{}"}, sampleShapes()))
	dims := &sampleTable{Vocab: 3, Hidden: 4, Layers: 1, Interleaved: 1, Offset: 1}
	var m, n sampleModel
	if err := f.Load(sampleOptions(dims), &m); err != nil {
		t.Fatal(err)
	}
	g := throughGGUF(t, f, func(e *Export) {
		e.Tensors()
		e.Add("gguf_only.weight", []int{1, 1}, []float32{1})
		e.Add("gguf_only.bias", []int{1}, []float32{1})
	})
	if err := g.Load(sampleOptions(dims), &n); err != nil {
		t.Fatal(err)
	}
	r := compute.NewRunner(1, compute.RunnerOptions{})
	defer r.Close()
	for _, file := range []*File{f, g} {
		if _, err := file.Pack(r); err != nil {
			t.Fatal(err)
		}
	}
	var a, b rowReader
	for _, pair := range [][2]*compute.Linear{{&m.Layers[0].QKV, &n.Layers[0].QKV}, {&m.Layers[0].Up, &n.Layers[0].Up}, {m.Head, n.Head}} {
		if err := r.Run(t.Context(), a.of(pair[0]), 1); err != nil {
			t.Fatal(err)
		}
		if err := r.Run(t.Context(), b.of(pair[1]), 1); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(a.out, b.out) {
			t.Errorf("%v, want %v", b.out, a.out)
		}
	}
	if !slices.Equal(m.Layers[0].Norm.Weight, n.Layers[0].Norm.Weight) {
		t.Errorf("norm %v, want %v", n.Layers[0].Norm.Weight, m.Layers[0].Norm.Weight)
	}
	if _, ok := g.Tensor("token_types.weight"); !ok {
		t.Error("the types are lost")
	}
	if matrix, _ := g.Tensor("blk.0.attn_q.weight"); slices.Equal(matrix.Data, first(f.Tensor("first.layer.0.q.weight")).Data) {
		t.Error("the heads have not been interleaved")
	}
}

func first(t quant.Tensor, _ bool) quant.Tensor { return t }

// TestRetype keeps everything but the types of matrices.
func TestRetype(t *testing.T) {
	path := filepath.Join("..", "..", "..", "testdata", "llama-lm-F16.gguf")
	f := open(t, path)
	e, err := Retype(f, quant.BF16)
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "out.gguf")
	written := 0
	c, err := e.WriteFile(out, func(done, of int) { written = done })
	if err != nil {
		t.Fatal(err)
	}
	g := open(t, out)
	if c.Tensors != len(f.TensorNames()) || written != c.Tensors || len(g.TensorNames()) != c.Tensors || c.Types["bf16"]+c.Types["BF16"] == 0 {
		t.Errorf("%+v of %d tensors", c, len(f.TensorNames()))
	}
	if len(g.Metadata.Keys()) != len(f.Metadata.Keys()) {
		t.Errorf("%d keys, want %d", len(g.Metadata.Keys()), len(f.Metadata.Keys()))
	}
	if _, err := Retype(f, quant.IQ4_XS); err == nil || !strings.Contains(err.Error(), "q8_0") {
		t.Errorf("a type that is not written: %v", err)
	}
}
