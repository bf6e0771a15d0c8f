package kernels

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// attention is Attention.Run in float64, by its definition.
func attention(a *Attention, q, k, v Matrix) [][]float64 {
	p := a.KPrefix.Rows
	keys := p + k.Rows
	key := func(m, prefix Matrix, j int) []float32 {
		if j < p {
			return prefix.Row(j)
		}
		return m.Row(j - p)
	}
	out := make([][]float64, q.Rows)
	for r := range q.Rows {
		i := a.Offset + r
		out[r] = make([]float64, v.Cols)
		scores := make([]float64, keys)
		most := math.Inf(-1)
		for j := range keys {
			var s float64
			for l, x := range q.Row(r) {
				s += float64(x) * float64(key(k, a.KPrefix, j)[l])
			}
			s *= float64(a.Scale)
			if a.SoftCap != 0 {
				s = float64(a.SoftCap) * math.Tanh(s/float64(a.SoftCap))
			}
			s -= float64(a.Slope) * math.Abs(float64(i-j))
			if a.Bias != nil {
				s += float64(a.Bias[j-i+a.BiasOffset])
			}
			switch {
			case a.Causal && (j > i || a.Window > 0 && i-j >= a.Window):
				s = math.Inf(-1)
			case !a.Causal && a.Window > 0 && max(i-j, j-i) > a.Window:
				s = math.Inf(-1)
			}
			scores[j] = s
			most = max(most, s)
		}
		if math.IsInf(most, -1) {
			continue
		}
		var sum float64
		for j, s := range scores {
			w := math.Exp(s - most)
			sum += w
			for l, x := range key(v, a.VPrefix, j) {
				out[r][l] += w * float64(x)
			}
		}
		for l := range out[r] {
			out[r][l] /= sum
		}
	}
	return out
}

type attentionCase struct {
	queries, keys, dim int
	a                  Attention
	bias               bool
}

func (c *attentionCase) String() string {
	a := &c.a
	return fmt.Sprintf("%d×%d×%d causal %v offset %d window %d slope %v cap %v coarse %v bias %v", c.queries, c.keys, c.dim, a.Causal, a.Offset, a.Window, a.Slope, a.SoftCap, a.Coarse, c.bias)
}

// A weight's error is a few units of 2⁻²⁴ of its exponent, so results are as far
// from the truth as scores are large.
const attentionTolerance = 4e-6

// Numbers of 8 significant bits make scores, which are up to about ten here, and
// values that much worse.
const coarseTolerance = 0.03

func checkAttention(t interface{ Fatalf(string, ...any) }, r *rand.Rand, c *attentionCase, s *AttentionScratch) {
	a := &c.a
	a.HeadDim = c.dim
	if a.Scale == 0 {
		a.Scale = float32(1 / math.Sqrt(float64(c.dim)))
	}
	q, k, v := randomMatrix(r, c.queries, c.dim, 5), randomMatrix(r, c.keys, c.dim, 7), randomMatrix(r, c.keys, c.dim, 2)
	out := randomMatrix(r, c.queries, c.dim, 3)
	if c.bias {
		// Exactly as far as it must reach.
		a.BiasOffset = a.Offset + c.queries - 1
		a.Bias = randomMatrix(r, 1, a.BiasOffset+max(1, c.keys-a.Offset), 0).Data
	}
	want := attention(a, q, k, v)
	a.Run(out, q, k, v, s)
	tolerance := attentionTolerance
	if a.Coarse {
		tolerance = coarseTolerance
	}
	// Distances make scores of hundreds where others are about ten.
	tolerance *= max(1, float64(a.Slope)*float64(a.Offset+c.queries+c.keys)/10)
	for i := range want {
		for l, w := range want[i] {
			if got := float64(out.Row(i)[l]); !(math.Abs(got-w) <= tolerance) {
				t.Fatalf("%v: out[%d][%d] = %v, want %v", c, i, l, got, w)
			}
		}
		if i < len(want)-1 {
			for _, x := range out.Data[i*out.Stride+c.dim : (i+1)*out.Stride] {
				if x == x {
					t.Fatalf("%v: written past row %d", c, i)
				}
			}
		}
	}

	// The same bits in pieces.
	part := randomMatrix(r, c.queries, c.dim, 0)
	for from := 0; from < c.queries; {
		to := min(c.queries, from+1+r.IntN(17))
		b := *a
		b.Offset += from
		b.Run(part.Slice(from, to), q.Slice(from, to), k, v, s)
		from = to
	}
	sameBits(t, fmt.Sprint(c, " in pieces"), part, out)

	// The same bits with a prefix.
	p := r.IntN(c.keys + 1)
	b := *a
	b.KPrefix, b.VPrefix = copyMatrix(k.Slice(0, p)), copyMatrix(v.Slice(0, p))
	b.Run(part, q, k.Slice(p, c.keys), v.Slice(p, c.keys), s)
	sameBits(t, fmt.Sprint(c, " with a prefix of ", p), part, out)
}

func copyMatrix(m Matrix) Matrix {
	c := Matrix{Data: make([]float32, m.Rows*m.Cols), Rows: m.Rows, Cols: m.Cols, Stride: m.Cols}
	for i := range m.Rows {
		copy(c.Row(i), m.Row(i))
	}
	return c
}

func sameBits(t interface{ Fatalf(string, ...any) }, what string, got, want Matrix) {
	for i := range want.Rows {
		for j, w := range want.Row(i) {
			if g := got.Row(i)[j]; math.Float32bits(g) != math.Float32bits(w) {
				t.Fatalf("%s: [%d][%d] = %v (%08x), want %v (%08x)", what, i, j, g, math.Float32bits(g), w, math.Float32bits(w))
			}
		}
	}
}

func TestAttention(t *testing.T) {
	cases := []attentionCase{
		{queries: 1, keys: 1, dim: 6},
		{queries: 1, keys: 1, dim: 64},
		{queries: 2, keys: 3, dim: 1},
		{queries: 5, keys: 5, dim: 12},
		{queries: 13, keys: 13, dim: 8},
		{queries: 17, keys: 17, dim: 6},
		{queries: 30, keys: 33, dim: 32},
		{queries: 7, keys: 512, dim: 64},
		{queries: 3, keys: 513, dim: 72},
		{queries: 40, keys: 1100, dim: 16},
		{queries: 9, keys: 65, dim: 256},
		{queries: 33, keys: 33, dim: 24, a: Attention{Causal: true}},
		{queries: 20, keys: 600, dim: 24, a: Attention{Causal: true, Offset: 580}},
		{queries: 700, keys: 700, dim: 12, a: Attention{Causal: true}},
		{queries: 700, keys: 700, dim: 6, a: Attention{Causal: true, Window: 70}},
		{queries: 700, keys: 700, dim: 8, a: Attention{Window: 64}},
		{queries: 40, keys: 40, dim: 8, a: Attention{Window: 1}},
		{queries: 40, keys: 10, dim: 8, a: Attention{Window: 5}},
		{queries: 40, keys: 10, dim: 8, a: Attention{Window: 5, Offset: 16}},
		{queries: 560, keys: 560, dim: 20, a: Attention{Slope: 0.25}},
		{queries: 40, keys: 40, dim: 32, a: Attention{Slope: 0.5, SoftCap: 5}},
		{queries: 40, keys: 40, dim: 48, a: Attention{SoftCap: 2, Causal: true, Window: 9}},
		{queries: 8, keys: 8, dim: 8, a: Attention{Scale: -0.3}},
		{queries: 1, keys: 1, dim: 8, bias: true},
		{queries: 37, keys: 37, dim: 64, bias: true},
		{queries: 530, keys: 530, dim: 20, bias: true, a: Attention{Scale: 0.3}},
		{queries: 20, keys: 600, dim: 24, bias: true, a: Attention{Causal: true, Offset: 580}},
		{queries: 90, keys: 90, dim: 8, bias: true, a: Attention{Window: 7}},
		{queries: 50, keys: 50, dim: 16, bias: true, a: Attention{Slope: 0.25, SoftCap: 4}},
	}
	everyFloatRung(t, func(t *testing.T) {
		var s AttentionScratch
		for i, c := range cases {
			checkAttention(t, rand.New(rand.NewPCG(1, uint64(i))), &c, &s)
			c.a.Coarse = true
			coarseAlways()
			checkAttention(t, rand.New(rand.NewPCG(1, uint64(i))), &c, &s)
		}
	})
}

// coarseAlways lets few keys be coarse, too, until the next rung.
func coarseAlways() { features.coarseKeys = min(features.coarseKeys, 1) }

func TestAttentionRandom(t *testing.T) {
	everyFloatRung(t, func(t *testing.T) {
		coarseAlways()
		var s AttentionScratch
		rapid.Check(t, func(t *rapid.T) {
			c := attentionCase{
				bias:    rapid.Bool().Draw(t, "bias"),
				queries: rapid.IntRange(1, 60).Draw(t, "queries"),
				keys:    rapid.OneOf(rapid.IntRange(1, 80), rapid.IntRange(500, 530)).Draw(t, "keys"),
				dim:     rapid.IntRange(1, 70).Draw(t, "dim"),
				a: Attention{
					Causal:  rapid.Bool().Draw(t, "causal"),
					Offset:  rapid.IntRange(0, 100).Draw(t, "offset"),
					Window:  rapid.SampledFrom([]int{0, 0, 1, 3, 40}).Draw(t, "window"),
					Slope:   rapid.SampledFrom([]float32{0, 0, 0.5}).Draw(t, "slope"),
					SoftCap: rapid.SampledFrom([]float32{0, 0, 3}).Draw(t, "cap"),
					Coarse:  rapid.Bool().Draw(t, "coarse"),
				},
			}
			checkAttention(t, rand.New(rand.NewPCG(2, rapid.Uint64().Draw(t, "seed"))), &c, &s)
		})
	})
}

// Scores of any size give weights, and a NaN is not hidden.
func TestAttentionLargeScores(t *testing.T) {
	everyFloatRung(t, func(t *testing.T) {
		coarseAlways()
		var s AttentionScratch
		one := Matrix{Data: []float32{1}, Rows: 1, Cols: 1, Stride: 1}
		k := Matrix{Data: []float32{-1e9, 1e9, 0}, Rows: 3, Cols: 1, Stride: 1}
		v := Matrix{Data: []float32{1, 2, 3}, Rows: 3, Cols: 1, Stride: 1}
		out := Matrix{Data: []float32{0}, Rows: 1, Cols: 1, Stride: 1}
		for _, c := range []struct{ q, want float32 }{{1, 2}, {-1, 1}, {1e9, 2}, {0, 2}, {1e-20, 2}} {
			one.Data[0] = c.q
			(&Attention{HeadDim: 1, Scale: 1}).Run(out, one, k, v, &s)
			if got := out.Data[0]; !(math.Abs(float64(got-c.want)) < 1e-6) {
				t.Errorf("query %v: %v, want %v", c.q, got, c.want)
			}
		}
		for _, bits := range []uint32{0x7fc00000, 0x7fc00001, 0xffffffff} {
			one.Data[0] = math.Float32frombits(bits)
			for _, coarse := range []bool{false, true} {
				(&Attention{HeadDim: 1, Scale: 1, Coarse: coarse}).Run(out, one, k, v, &s)
				if got := out.Data[0]; got == got {
					t.Errorf("query NaN (%x), coarse %v: %v, want NaN", bits, coarse, got)
				}
			}
		}
	})
}

func ExampleAttention() {
	// One query that is like the second of three keys.
	q := Matrix{Data: []float32{0, 4}, Rows: 1, Cols: 2, Stride: 2}
	k := Matrix{Data: []float32{4, 0, 0, 4, -4, 0}, Rows: 3, Cols: 2, Stride: 2}
	v := Matrix{Data: []float32{1, 2, 3}, Rows: 3, Cols: 1, Stride: 1}
	out := Matrix{Data: make([]float32, 1), Rows: 1, Cols: 1, Stride: 1}

	a := Attention{HeadDim: 2, Scale: float32(1 / math.Sqrt2)}
	var scratch AttentionScratch
	a.Run(out, q, k, v, &scratch)
	fmt.Printf("%.3f\n", out.Data[0])
	// Output: 2.000
}

func TestAttentionAllocates(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	qkv, out := randomMatrix(r, 50, 3*32, 0), randomMatrix(r, 50, 32, 0)
	for _, coarse := range []bool{false, true} {
		a := &Attention{HeadDim: 32, Scale: 0.2, Slope: 0.1, Coarse: coarse}
		var s AttentionScratch
		if n := testing.AllocsPerRun(5, func() {
			a.Run(out, qkv.Columns(0, 32), qkv.Columns(32, 64), qkv.Columns(64, 96), &s)
		}); n > 0 {
			t.Errorf("coarse %v: %v allocations", coarse, n)
		}
	}
}

func BenchmarkAttention(b *testing.B) {
	for _, c := range []struct {
		name       string
		rows, dims int
		heads      int
		a          Attention
	}{
		{"minilm/T=20", 20, 32, 12, Attention{}},
		{"minilm/T=128", 128, 32, 12, Attention{}},
		{"minilm/T=512", 512, 32, 12, Attention{}},
		{"base/T=128", 128, 64, 12, Attention{}},
		{"base/T=512", 512, 64, 12, Attention{}},
		{"base/T=2048", 2048, 64, 12, Attention{}},
		{"modernbert-local/T=512", 512, 64, 12, Attention{Window: 64}},
		{"modernbert-local/T=4096", 4096, 64, 12, Attention{Window: 64}},
		{"modernbert-local-coarse/T=4096", 4096, 64, 12, Attention{Window: 64, Coarse: true}},
		{"minilm-coarse/T=128", 128, 32, 12, Attention{Coarse: true}},
		{"base-coarse/T=128", 128, 64, 12, Attention{Coarse: true}},
		{"base-coarse/T=512", 512, 64, 12, Attention{Coarse: true}},
		{"base-coarse/T=2048", 2048, 64, 12, Attention{Coarse: true}},
		{"base-coarse/T=4096", 4096, 64, 12, Attention{Coarse: true}},
		{"jina-alibi/T=128", 128, 32, 12, Attention{Slope: 0.1}},
		{"mpnet/T=128", 128, 64, 12, Attention{Bias: make([]float32, 255), BiasOffset: 127}},
		{"mpnet/T=512", 512, 64, 12, Attention{Bias: make([]float32, 1023), BiasOffset: 511}},
		{"qwen3/T=512", 512, 128, 16, Attention{Causal: true}},
		{"decode/T=1024", 1024, 128, 16, Attention{Causal: true, Offset: 1023}},
	} {
		b.Run(c.name, func(b *testing.B) {
			r := rand.New(rand.NewPCG(1, 2))
			width := c.dims * c.heads
			qkv, out := randomMatrix(r, c.rows, 3*width, 0), randomMatrix(r, c.rows, width, 0)
			rows := c.rows - c.a.Offset
			a := c.a
			a.HeadDim, a.Scale = c.dims, 0.15
			var s AttentionScratch
			b.ReportAllocs()
			for b.Loop() {
				for h := range c.heads {
					o := h * c.dims
					a.Run(out.Slice(0, rows).Columns(o, o+c.dims), qkv.Slice(c.a.Offset, c.rows).Columns(o, o+c.dims),
						qkv.Columns(width+o, width+o+c.dims), qkv.Columns(2*width+o, 2*width+o+c.dims), &s)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/float64(rows), "µs/token")
		})
	}
}
