package compute

import (
	"context"
	"math"
	"slices"
	"testing"

	"github.com/winnow-rerank/winnow/kernels"
)

// inTile runs f as the one tile of one worker.
func inTile(t *testing.T, f func(c *Context)) {
	t.Helper()
	r := NewRunner(1, RunnerOptions{})
	defer r.Close()
	if err := r.Run(context.Background(), tileOf(f), 1); err != nil {
		t.Error(err)
	}
}

type tileOf func(c *Context)

func (f tileOf) Tile(c *Context, _ int) { f(c) }

func TestPool(t *testing.T) {
	nan := float32(math.NaN())
	rows := [][]float32{{1, 2}, {3, -4}, {5, 6}, {7, 8}, {-1, -3}, {-2, nan}}
	inTile(t, func(c *Context) {
		for i, n := range []int{3, 1, 2} {
			c.Batch.Add(i, Sequence{IDs: make([]int32, n)}, Prefix{})
		}
		x := c.New(6, 2)
		for i, row := range rows {
			copy(x.Row(i), row)
		}
		for _, test := range []struct {
			how  Pooling
			want [][]float32
		}{
			{PoolNone, rows},
			{PoolFirst, [][]float32{{1, 2}, {7, 8}, {-1, -3}}},
			{PoolLast, [][]float32{{5, 6}, {7, 8}, {-2, nan}}},
			{PoolMean, [][]float32{{3, 4 / float32(3)}, {7, 8}, {-1.5, nan}}},
			{PoolMax, [][]float32{{5, 6}, {7, 8}, {-1, nan}}},
		} {
			got := c.Pool(x, test.how)
			if got.Rows != len(test.want) {
				t.Fatalf("%v: %d rows", test.how, got.Rows)
			}
			for i, want := range test.want {
				same := func(a, b float32) bool { return a == b || a != a && b != b }
				if !slices.EqualFunc(got.Row(i), want, same) {
					t.Errorf("%v: sequence %d is %v, want %v", test.how, i, got.Row(i), want)
				}
			}
			if want := test.how.Want(); want != EveryToken {
				again := c.Pool(c.Select(x, want), test.how)
				if !slices.Equal(again.Row(0), got.Row(0)) {
					t.Errorf("%v: of the wanted rows it is %v", test.how, again.Row(0))
				}
			}
		}
	})
}

// TestWindows: a convolution's input has a token's neighbours within its sequence.
func TestWindows(t *testing.T) {
	inTile(t, func(c *Context) {
		c.Batch.Add(0, Sequence{IDs: make([]int32, 2)}, Prefix{})
		c.Batch.Add(1, Sequence{IDs: make([]int32, 1)}, Prefix{})
		x := Matrix{Data: []float32{1, 10, 2, 20, 3, 30}, Rows: 3, Cols: 2, Stride: 2}
		got := c.Windows(x, 3)
		for i, want := range [][]float32{{0, 1, 2, 0, 10, 20}, {1, 2, 0, 10, 20, 0}, {0, 3, 0, 0, 30, 0}} {
			if !slices.Equal(got.Row(i), want) {
				t.Errorf("row %d is %v, want %v", i, got.Row(i), want)
			}
		}
	})
}

// TestBatch: types are 0 where a sequence has none, positions go on from a prefix, and
// a reset batch holds nothing.
func TestBatch(t *testing.T) {
	inTile(t, func(c *Context) {
		cache := newKVCache(1, 1, 1)
		c.Batch.Add(4, Sequence{IDs: []int32{5, 6}, Types: []int32{1, 1}}, Prefix{})
		c.Batch.Add(7, Sequence{IDs: []int32{8, 9, 10}, Visible: 2}, Prefix{Cache: cache, Tokens: 30})
		b := &c.Batch
		for _, s := range []struct {
			name      string
			got, want []int32
		}{
			{"ids", b.IDs, []int32{5, 6, 8, 9, 10}}, {"types", b.Types, []int32{1, 1, 0, 0, 0}},
			{"offsets", b.Offsets, []int32{0, 2, 5}}, {"numbers", b.Numbers, []int32{4, 7}},
			{"visible", b.Visible, []int32{2, 2}}, {"positions", b.Positions, []int32{0, 1, 30, 31, 32}},
		} {
			if !slices.Equal(s.got, s.want) {
				t.Errorf("%s are %v, want %v", s.name, s.got, s.want)
			}
		}
		c.Reset()
		if b.Sequences() != 0 || len(b.Positions) != 0 || b.Prefix[:2][1].Cache != nil {
			t.Errorf("after a reset: %+v", b)
		}
	})
}

// TestEmbedding: rows of the table are added, packed, and left out where negative.
func TestEmbedding(t *testing.T) {
	r := weights{newRand()}
	e := r.embedding(5, 16)
	inTile(t, func(c *Context) {
		x := c.Embed(&e, []int32{4, 0, 2})
		y := c.Linear(e.Linear([]int32{4, 1}), x, kernels.Identity)
		row := make([]float32, 16)
		for i, id := range []int32{4, 0, 2} {
			e.Row(row, id)
			if !slices.Equal(x.Row(i), row) {
				t.Errorf("row %d is not that of id %d", i, id)
			}
			for j, other := range []int32{4, 1} {
				want, o := 0.0, make([]float32, 16)
				e.Row(o, other)
				for l := range o {
					want += float64(o[l]) * float64(row[l])
				}
				if math.Abs(float64(y.Row(i)[j])-want) > 1e-5 {
					t.Errorf("%d times %d is %v, want %v", id, other, y.Row(i)[j], want)
				}
			}
		}
		before := slices.Clone(x.Row(1))
		c.AddEmbedding(x, &e, []int32{4, -1, 2})
		e.Row(row, 4)
		if x.Row(0)[3] != 2*row[3] || !slices.Equal(x.Row(1), before) {
			t.Error("the wrong rows were added")
		}
	})
}
