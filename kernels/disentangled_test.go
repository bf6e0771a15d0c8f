package kernels

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// disentangled is Disentangled.Run in float64, by its definition.
func disentangled(a *Disentangled, q, k, v Matrix) [][]float64 {
	dot := func(x, y []float32) (sum float64) {
		for l := range x {
			sum += float64(x[l]) * float64(y[l])
		}
		return sum
	}
	out := make([][]float64, q.Rows)
	for i := range out {
		out[i] = make([]float64, v.Cols)
		scores := make([]float64, k.Rows)
		most := math.Inf(-1)
		for j := range scores {
			b := int(a.Buckets[i-j+len(a.Buckets)/2])
			s := dot(q.Row(i), k.Row(j))
			if a.Keys.Rows > 0 {
				s += dot(q.Row(i), a.Keys.Row(b))
			}
			if a.Queries.Rows > 0 {
				s += dot(k.Row(j), a.Queries.Row(b))
			}
			scores[j] = s * float64(a.Scale)
			most = max(most, scores[j])
		}
		sum := 0.0
		for j, s := range scores {
			w := math.Exp(s - most)
			sum += w
			for l, x := range v.Row(j) {
				out[i][l] += w * float64(x)
			}
		}
		for l := range out[i] {
			out[i][l] /= sum
		}
	}
	return out
}

// A disentangledCase is so many positions, buckets on each side of 0, and distances
// that have a bucket.
type disentangledCase struct {
	queries, keys, dim, values int
	buckets, reach             int
	noKeys, noQueries          bool
}

func (c *disentangledCase) make(r *rand.Rand) *Disentangled {
	a := &Disentangled{Scale: float32(1 / math.Sqrt(3*float64(c.dim))), Buckets: make([]int32, 2*c.reach+1)}
	for d := -c.reach; d <= c.reach; d++ {
		// Every distance up to half of the buckets, every other one beyond.
		b := min(max(d, -c.buckets/2), c.buckets/2)
		b = min(max(b+(d-b)/2, -c.buckets), c.buckets-1)
		a.Buckets[d+c.reach] = int32(b + c.buckets)
	}
	if !c.noKeys {
		a.Keys = randomMatrix(r, 2*c.buckets, c.dim, 3)
	}
	if !c.noQueries {
		a.Queries = randomMatrix(r, 2*c.buckets, c.dim, 5)
	}
	return a
}

func checkDisentangled(t interface{ Fatalf(string, ...any) }, r *rand.Rand, c disentangledCase, s *DisentangledScratch) {
	a := c.make(r)
	q, k, v := randomMatrix(r, c.queries, c.dim, 5), randomMatrix(r, c.keys, c.dim, 7), randomMatrix(r, c.keys, c.values, 2)
	out := randomMatrix(r, c.queries, c.values, 3)
	a.Run(out, q, k, v, s)
	for i, row := range disentangled(a, q, k, v) {
		for l, w := range row {
			if got := float64(out.Row(i)[l]); !(math.Abs(got-w) <= attentionTolerance) {
				t.Fatalf("%+v: out[%d][%d] = %v, want %v", c, i, l, got, w)
			}
		}
		if i < c.queries-1 {
			for _, x := range out.Data[i*out.Stride+c.values : (i+1)*out.Stride] {
				if x == x {
					t.Fatalf("%+v: written past row %d", c, i)
				}
			}
		}
	}

	// The same bits for fewer queries, from distances packed for this length and
	// for a longer one.
	some := 1 + r.IntN(c.queries)
	part := randomMatrix(r, some, c.values, 0)
	a.Run(part, q.Slice(0, some), k, v, s)
	sameBits(t, fmt.Sprintf("%+v: %d queries", c, some), part, out.Slice(0, some))
	if long := c.reach + 1; long > c.keys {
		x := randomMatrix(r, long, c.dim, 0)
		a.Run(randomMatrix(r, long, c.dim, 0), x, x, x, s)
		a.Run(part, q.Slice(0, some), k, v, s)
		sameBits(t, fmt.Sprintf("%+v: %d queries after a longer sequence", c, some), part, out.Slice(0, some))
	}
}

func TestDisentangled(t *testing.T) {
	cases := []disentangledCase{
		{queries: 1, keys: 1, dim: 6, values: 6, buckets: 1, reach: 0},
		{queries: 1, keys: 1, dim: 64, values: 64, buckets: 8, reach: 3},
		{queries: 2, keys: 3, dim: 1, values: 2, buckets: 2, reach: 5},
		{queries: 5, keys: 5, dim: 12, values: 12, buckets: 4, reach: 4},
		{queries: 33, keys: 33, dim: 24, values: 40, buckets: 16, reach: 40},
		{queries: 128, keys: 128, dim: 64, values: 64, buckets: 256, reach: 127},
		{queries: 128, keys: 128, dim: 64, values: 64, buckets: 256, reach: 127, noKeys: true},
		{queries: 128, keys: 128, dim: 64, values: 64, buckets: 256, reach: 127, noQueries: true},
		{queries: 50, keys: 50, dim: 16, values: 16, buckets: 8, reach: 49, noQueries: true, noKeys: true},
		{queries: 512, keys: 512, dim: 12, values: 12, buckets: 32, reach: 511},
		{queries: 513, keys: 513, dim: 8, values: 8, buckets: 256, reach: 600},
		{queries: 1, keys: 1100, dim: 8, values: 8, buckets: 256, reach: 1200},
		{queries: 1100, keys: 1100, dim: 8, values: 8, buckets: 256, reach: 1099},
	}
	everyFloatRung(t, func(t *testing.T) {
		var s DisentangledScratch
		for i, c := range cases {
			checkDisentangled(t, rand.New(rand.NewPCG(1, uint64(i))), c, &s)
		}
	})
}

func TestDisentangledRandom(t *testing.T) {
	everyFloatRung(t, func(t *testing.T) {
		var s DisentangledScratch
		rapid.Check(t, func(t *rapid.T) {
			keys := rapid.OneOf(rapid.IntRange(1, 80), rapid.IntRange(500, 530)).Draw(t, "keys")
			c := disentangledCase{
				queries:   rapid.IntRange(1, min(keys, 60)).Draw(t, "queries"),
				keys:      keys,
				dim:       rapid.IntRange(1, 70).Draw(t, "dim"),
				values:    rapid.IntRange(1, 70).Draw(t, "values"),
				buckets:   rapid.IntRange(1, 100).Draw(t, "buckets"),
				reach:     keys - 1 + rapid.IntRange(0, 40).Draw(t, "more"),
				noKeys:    rapid.Bool().Draw(t, "noKeys"),
				noQueries: rapid.Bool().Draw(t, "noQueries"),
			}
			checkDisentangled(t, rand.New(rand.NewPCG(2, rapid.Uint64().Draw(t, "seed"))), c, &s)
		})
	})
}

// Without relative terms it is Attention.
func TestDisentangledIsAttention(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	q, k, v := randomMatrix(r, 40, 32, 0), randomMatrix(r, 700, 32, 0), randomMatrix(r, 700, 32, 0)
	got, want := randomMatrix(r, 40, 32, 0), randomMatrix(r, 40, 32, 0)
	(&Disentangled{Scale: 0.2, Buckets: make([]int32, 2*700-1)}).Run(got, q, k, v, new(DisentangledScratch))
	(&Attention{HeadDim: 32, Scale: 0.2}).Run(want, q, k, v, new(AttentionScratch))
	sameBits(t, "disentangled", got, want)
}

func TestDisentangledNaN(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	c := disentangledCase{queries: 20, keys: 20, dim: 8, values: 8, buckets: 8, reach: 19}
	a := c.make(r)
	x, out := randomMatrix(r, 20, 8, 0), randomMatrix(r, 20, 8, 0)
	x.Row(3)[5] = float32(math.NaN())
	a.Run(out, x, x, x, new(DisentangledScratch))
	if y := out.Row(3)[0]; y == y {
		t.Errorf("query NaN: %v, want NaN", y)
	}
}

func TestDisentangledAllocates(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	c := disentangledCase{queries: 50, keys: 50, dim: 32, values: 32, buckets: 32, reach: 49}
	a, b := c.make(r), c.make(r)
	qkv, out := randomMatrix(r, 50, 3*32, 0), randomMatrix(r, 50, 32, 0)
	var s DisentangledScratch
	if n := testing.AllocsPerRun(5, func() {
		for _, a := range []*Disentangled{a, b} {
			a.Run(out, qkv.Columns(0, 32), qkv.Columns(32, 64), qkv.Columns(64, 96), &s)
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkDisentangled(b *testing.B) {
	for _, n := range []int{20, 128, 512} {
		b.Run(fmt.Sprintf("deberta-xsmall/T=%d", n), func(b *testing.B) {
			const dim, heads, width, sequences = 64, 6, 384, 3
			r := rand.New(rand.NewPCG(1, 2))
			qkv, out := randomMatrix(r, sequences*n, 3*width, 0), randomMatrix(r, sequences*n, width, 0)
			c := disentangledCase{dim: dim, buckets: 256, reach: n - 1}
			var as []*Disentangled
			for range heads {
				as = append(as, c.make(r))
			}
			var s DisentangledScratch
			b.ReportAllocs()
			for b.Loop() {
				for h, a := range as {
					for i := range sequences {
						x, y, o := qkv.Slice(i*n, (i+1)*n), out.Slice(i*n, (i+1)*n), h*dim
						a.Run(y.Columns(o, o+dim), x.Columns(o, o+dim), x.Columns(width+o, width+o+dim), x.Columns(2*width+o, 2*width+o+dim), &s)
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/float64(sequences*n), "µs/token")
		})
	}
}
