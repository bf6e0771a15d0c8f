package compute

import (
	"context"
	"math"
	"slices"
	"testing"

	"github.com/winnow-rerank/winnow/kernels"
)

// A crossLayer attends to an encoder's states.
type crossLayer struct {
	Attention
	q, k, v, out *Linear
}

func (l *crossLayer) Widths() (q, kv int) { return l.Heads * l.HeadDim, 0 }

func (l *crossLayer) Project(c *Context, x Matrix, to QKV) { c.ProjectTo(to.Q, l.q, x) }

func (l *crossLayer) Attend(c *Context, qkv QKV, rows Rows) Matrix {
	x := c.Encoded()
	return l.AttendTo(c, qkv.Q, rows, c.Linear(l.k, x, kernels.Identity), c.Linear(l.v, x, kernels.Identity))
}

func (l *crossLayer) Finish(c *Context, x, a Matrix) { c.AddLinear(x, l.out, a) }

// TestCrossAttention: a decoder's tokens attend to all of the encoder's of their own
// sequence, whatever else is in the batch.
func TestCrossAttention(t *testing.T) {
	r := weights{newRand()}
	encoder, decoder := models()[3], models()[4]
	const heads, dim = 4, 12
	cross := &crossLayer{Attention: NewAttention(heads, dim, AttentionMask{}), q: r.linear(testWidth, testWidth, false),
		k: r.linear(testWidth, testWidth, false), v: r.linear(testWidth, testWidth, false), out: r.linear(testWidth, testWidth, false)}
	layers := []Layer{decoder.layers[0], cross, decoder.layers[1], cross}
	sequences := testSequences()
	start := []int32{3, 1, 4}
	pass := func(c *Context, numbers []int, want Want) Matrix {
		for _, n := range numbers {
			c.Batch.Add(n, sequences[n], Prefix{})
		}
		c.BeginDecoder(encoder.pass(c, EveryToken))
		for _, n := range numbers {
			c.Batch.Add(n, Sequence{IDs: start[:1+n%3]}, Prefix{})
		}
		return c.Layers(c.Embed(&decoder.words, c.Batch.IDs), layers, want)
	}
	one := NewRunner(1, RunnerOptions{})
	defer one.Close()
	var want, last [][]float32
	all := make([]int, len(sequences))
	for n := range sequences {
		all[n] = n
		err := one.Run(context.Background(), tileOf(func(c *Context) {
			x := pass(c, []int{n}, EveryToken)
			want = append(want, slices.Clone(x.Data))
			last = append(last, slices.Clone(x.Row(x.Rows-1)))
		}), 1)
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, workers := range []int{1, 3} {
		r := NewRunner(workers, RunnerOptions{})
		defer r.Close()
		err := r.Run(context.Background(), tileOf(func(c *Context) {
			if got := pass(c, all, EveryToken); !slices.Equal(got.Data, slices.Concat(want...)) {
				t.Errorf("%d workers: together the sequences differ", workers)
			}
			c.Reset()
			if got := pass(c, all, LastToken); !slices.Equal(got.Data, slices.Concat(last...)) {
				t.Errorf("%d workers: the last tokens differ", workers)
			}
		}), 1)
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestAttendTo compares cross-attention with its definition. What the mask says of
// distances does not count.
func TestAttendTo(t *testing.T) {
	const heads, dim = 4, 12
	r := weights{newRand()}
	a := NewAttention(heads, dim, AttentionMask{Causal: true, Window: 2, Slopes: ALiBi(heads)})
	inTile(t, func(c *Context) {
		c.Batch.Add(0, Sequence{IDs: make([]int32, 5)}, Prefix{})
		c.Batch.Add(1, Sequence{IDs: make([]int32, 7), Visible: 6}, Prefix{})
		k, v, q := r.matrix(12, heads*dim), r.matrix(12, heads*dim), r.matrix(3, heads*dim)
		c.BeginDecoder(k)
		c.Batch.Add(0, Sequence{IDs: make([]int32, 1)}, Prefix{})
		c.Batch.Add(1, Sequence{IDs: make([]int32, 2)}, Prefix{})
		got := a.AttendTo(c, q, Rows{All: true}, k, v)
		for row, keys := range [][2]int{{0, 5}, {5, 11}, {5, 11}} {
			for h := range heads {
				from, to := h*dim, (h+1)*dim
				k, v := k.Slice(keys[0], keys[1]).Columns(from, to), v.Slice(keys[0], keys[1]).Columns(from, to)
				compareAttention(t, got.Row(row)[from:to], q.Row(row)[from:to], k, v, func(int) float64 { return 0 })
			}
		}
	})
}

// compareAttention compares what attention gave for one head of one query with its
// definition. bias is what is added to the score of a key.
func compareAttention(t *testing.T, got, q []float32, k, v Matrix, bias func(key int) float64) {
	t.Helper()
	sum, out := 0.0, make([]float64, v.Cols)
	for j := range k.Rows {
		score := 0.0
		for i, x := range k.Row(j) {
			score += float64(q[i]) * float64(x)
		}
		w := math.Exp(score/math.Sqrt(float64(k.Cols)) + bias(j))
		sum += w
		for i, x := range v.Row(j) {
			out[i] += w * float64(x)
		}
	}
	for i, x := range out {
		if want := x / sum; math.Abs(want-float64(got[i])) > 1e-5 {
			t.Fatalf("number %d is %v, want %v", i, got[i], want)
		}
	}
}

// TestUpGated: the halves of a gated product in the other order give the same.
func TestUpGated(t *testing.T) {
	r := weights{newRand()}
	const hidden = 40
	w := r.matrix(2*hidden, testWidth)
	rows := func(first int) *Linear {
		return &Linear{Weights: kernels.PackF32(2*hidden, testWidth, func(i int, dst []float32) { copy(dst, w.Row((i+first)%(2*hidden))) })}
	}
	down := r.linear(testWidth, hidden, false)
	inTile(t, func(c *Context) {
		h, a, b := r.matrix(600, testWidth), c.New(600, testWidth), c.New(600, testWidth)
		clear(a.Data)
		clear(b.Data)
		c.AddGated(a, h, rows(0), kernels.SiLU, down)
		c.AddUpGated(b, h, rows(hidden), kernels.SiLU, down)
		if !slices.Equal(a.Data, b.Data) {
			t.Error("they differ")
		}
		if g := c.Gated(h, rows(0), kernels.SiLU, down); g.Row(5)[7] != a.Row(5)[7] {
			t.Error("added to nothing it is another than alone")
		}
	})
}

// TestPartialRotation: numbers of a head beyond those that are turned stay.
func TestPartialRotation(t *testing.T) {
	r := weights{newRand()}
	x := r.matrix(3, 24)
	before := slices.Clone(x.Data)
	rope := NewRoPE(4, DefaultRoPESettings(100))
	inTile(t, func(c *Context) { c.Rotate(x, rope, []int32{0, 1, 7}, 12) })
	for i, p := range []float64{0, 1, 7} {
		for h := 0; h < 24; h += 12 {
			old, got := before[i*24+h:][:12], x.Row(i)[h:][:12]
			for pair, f := range []float64{1, 0.1} {
				sin, cos := math.Sincos(p * f)
				a, b := float64(old[pair]), float64(old[pair+2])
				if math.Abs(a*cos-b*sin-float64(got[pair])) > 1e-6 || math.Abs(b*cos+a*sin-float64(got[pair+2])) > 1e-6 {
					t.Errorf("position %v: pair %d of %v became %v", p, pair, old, got)
				}
			}
			if !slices.Equal(got[4:], old[4:]) {
				t.Errorf("position %v: %v became %v", p, old, got)
			}
		}
	}
}
