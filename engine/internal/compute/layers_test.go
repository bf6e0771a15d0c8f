package compute

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

// A forward takes sequences through a model's layers in one tile a chunk.
type forward struct {
	m         *model
	sequences []Sequence
	prefixes  []Prefix
	marks     []int // of each sequence: this token is marked, and its first
	want      Want
	plan      Plan
	rows      [][]float32 // of each sequence: what came out
}

func (f *forward) Tile(c *Context, i int) {
	b := &c.Batch
	f.plan.Fill(b, i, f.sequences, f.prefixes)
	per := make([]int, b.Sequences())
	for s := range per {
		first, last := b.Range(s)
		switch f.want {
		case EveryToken:
			per[s] = last - first
		case MarkedTokens:
			b.Marks = append(b.Marks, int32(first))
			per[s] = 1
			if m := f.marks[b.Numbers[s]]; m > 0 {
				b.Marks = append(b.Marks, int32(first+m))
				per[s]++
			}
		case FirstToken, LastToken:
			per[s] = 1
		}
	}
	x := f.m.pass(c, f.want)
	at := 0
	for s, n := range b.Numbers {
		for range per[s] {
			f.rows[n] = append(f.rows[n], x.Row(at)...)
			at++
		}
	}
	if at != x.Rows {
		panic(fmt.Sprintf("%d rows, want %d", x.Rows, at))
	}
}

func (m *model) pass(c *Context, want Want) Matrix {
	// In two calls, as a family does that has something between two layers.
	x := c.Layers(c.Embed(&m.words, c.Batch.IDs), m.layers[:1], EveryToken)
	return c.Layers(x, m.layers[1:], want)
}

// run gives the rows of each sequence, in chunks of about chunk tokens.
func (f *forward) run(t testing.TB, r *Runner, chunk int) [][]float32 {
	t.Helper()
	f.rows = make([][]float32, len(f.sequences))
	f.plan.Divide(f.sequences, chunk, r.Size(), 100)
	if err := r.Run(context.Background(), f, f.plan.Chunks()); err != nil {
		t.Fatal(err)
	}
	return f.rows
}

func testSequences() []Sequence {
	r := rand.New(rand.NewPCG(3, 4))
	var list []Sequence
	for _, n := range []int{130, 1, 1100, 7, 2, 400, 31} {
		s := Sequence{IDs: make([]int32, n)}
		for i := range s.IDs {
			s.IDs[i] = r.Int32N(testVocabulary)
		}
		list = append(list, s)
	}
	list = append(list, Sequence{IDs: list[0].IDs, Visible: 100})
	return list
}

// TestLayersSameBits: a token's states are the same to the last bit, whichever tokens
// are asked for, on however many workers, with whatever else in the batch, and divided
// among workers or not.
func TestLayersSameBits(t *testing.T) {
	sequences := testSequences()
	one := NewRunner(1, RunnerOptions{})
	defer one.Close()
	for _, m := range models() {
		t.Run(m.name, func(t *testing.T) {
			marks := make([]int, len(sequences))
			var all [][]float32 // each sequence alone
			for i, s := range sequences {
				marks[i] = s.Len() * 2 / 3
				f := forward{m: m, sequences: []Sequence{s}}
				all = append(all, f.run(t, one, 1)[0])
			}
			row := func(s, i int) []float32 { return all[s][i*testWidth : (i+1)*testWidth] }
			for _, workers := range []int{1, 2, 3} {
				r := NewRunner(workers, RunnerOptions{})
				defer r.Close()
				for _, chunk := range []int{1, 1 << 20} {
					for want := EveryToken; want <= MarkedTokens; want++ {
						f := forward{m: m, sequences: sequences, marks: marks, want: want}
						got := f.run(t, r, chunk)
						for s := range sequences {
							wanted := all[s]
							switch want {
							case FirstToken:
								wanted = row(s, 0)
							case LastToken:
								wanted = row(s, sequences[s].Len()-1)
							case MarkedTokens:
								wanted = slices.Clone(row(s, 0))
								if marks[s] > 0 {
									wanted = append(wanted, row(s, marks[s])...)
								}
							}
							if !slices.Equal(got[s], wanted) {
								t.Errorf("%d workers, chunks of %d, want %d: sequence %d differs from itself alone", workers, chunk, want, s)
							}
						}
					}
				}
			}
		})
	}
}

// TestVisible: tokens that attention does not see change nothing.
func TestVisible(t *testing.T) {
	r := NewRunner(1, RunnerOptions{})
	defer r.Close()
	s := testSequences()[0]
	for _, m := range models()[:4] {
		f := forward{m: m, sequences: []Sequence{{IDs: s.IDs[:100]}}}
		want := f.run(t, r, 1)[0]
		f.sequences = []Sequence{{IDs: s.IDs, Visible: 100}}
		if got := f.run(t, r, 1)[0]; !slices.Equal(got[:len(want)], want) {
			t.Errorf("%s: 100 visible tokens differ from 100 tokens", m.name)
		}
		f.sequences = []Sequence{s}
		if got := f.run(t, r, 1)[0]; slices.Equal(got[:len(want)], want) {
			t.Errorf("%s: all tokens are as 100", m.name)
		}
	}
}

// prefill reads tokens into a KV cache, and keeps what the last one's states are.
type prefill struct {
	m     *model
	cache *KVCache
	ids   []int32
	want  Want
	row   []float32
}

func (p *prefill) Tile(c *Context, _ int) {
	x := c.Prefill(p.cache, p.ids, p.want, p.m.pass)
	if p.want == LastToken {
		p.row = slices.Clone(x.Row(0))
	}
}

// TestPrefixSameBits: nor do the bits depend on whether a beginning was read with the
// rest or before, in blocks, from a cache that had some of it, or token by token.
func TestPrefixSameBits(t *testing.T) {
	sequences := testSequences()[:6]
	one := NewRunner(1, RunnerOptions{})
	defer one.Close()
	for _, m := range models() {
		if !m.causal {
			continue
		}
		t.Run(m.name, func(t *testing.T) {
			for _, workers := range []int{1, 2, 3} {
				r := NewRunner(workers, RunnerOptions{})
				defer r.Close()
				caches := NewPrefixCache(len(m.layers), m.kv, 1<<30)
				f := forward{m: m, want: LastToken}
				var want [][]float32
				for _, s := range sequences {
					whole := forward{m: m, sequences: []Sequence{s}, want: LastToken}
					want = append(want, whole.run(t, one, 1)[0])
					n := s.Len() * 3 / 4
					var before Prefix
					if n > 0 {
						short := &prefill{m: m, cache: caches.Begin(nil, 0, n), ids: s.IDs[:n/2], want: NoToken}
						long := &prefill{m: m, ids: s.IDs[:n], want: NoToken}
						if err := r.Run(context.Background(), short, 1); err != nil {
							t.Fatal(err)
						}
						long.cache = caches.Begin(short.cache, n/2, n)
						if err := r.Run(context.Background(), long, 1); err != nil {
							t.Fatal(err)
						}
						before = Prefix{Cache: long.cache, Tokens: n}
					}
					f.prefixes = append(f.prefixes, before)
					f.sequences = append(f.sequences, Sequence{IDs: s.IDs[n:]})
				}
				for _, chunk := range []int{1, 1 << 20} {
					for s, got := range f.run(t, r, chunk) {
						if !slices.Equal(got, want[s]) {
							t.Errorf("%d workers, chunks of %d: sequence %d behind a prefix differs", workers, chunk, s)
						}
					}
				}
				s := sequences[0]
				p := &prefill{m: m, cache: caches.Begin(nil, 0, s.Len()), want: LastToken}
				for n := 100; n <= s.Len(); n++ {
					p.ids = s.IDs[:n]
					if err := r.Run(context.Background(), p, 1); err != nil {
						t.Fatal(err)
					}
				}
				if !slices.Equal(p.row, want[0]) {
					t.Errorf("%d workers: token by token the last one's states differ", workers)
				}
			}
		})
	}
}

// TestCoarse: where 8-bit matrices allow it, long texts are multiplied in 16 bits if
// the machine can, to results that are near and do not depend on workers.
func TestCoarse(t *testing.T) {
	m := models()[1]
	exact, coarse := NewRunner(1, RunnerOptions{}), NewRunner(2, RunnerOptions{Coarse: true})
	defer exact.Close()
	defer coarse.Close()
	f := forward{m: m, sequences: testSequences()}
	want := f.run(t, exact, 1)
	got := f.run(t, coarse, 1)
	again := f.run(t, coarse, 1<<20)
	for s := range want {
		if !slices.Equal(got[s], again[s]) {
			t.Errorf("sequence %d depends on its batch", s)
		}
		var off, size float64
		for i, w := range want[s] {
			off += float64(got[s][i]-w) * float64(got[s][i]-w)
			size += float64(w) * float64(w)
		}
		if off > 0.05*0.05*size {
			t.Errorf("sequence %d is off by %.3g of its size", s, math.Sqrt(off/size))
		}
	}
}

// TestTrace: a trace sees every layer with all rows, and the result stays the same.
func TestTrace(t *testing.T) {
	for _, m := range models() {
		r := NewRunner(1, RunnerOptions{})
		f := forward{m: m, sequences: testSequences()[:1], want: LastToken}
		want := f.run(t, r, 1)[0]
		var seen []string
		var last []float32
		r.Trace(func(layer int, x Matrix) {
			seen = append(seen, fmt.Sprint(layer, " ", x.Rows))
			last = slices.Clone(x.Row(x.Rows - 1))
		})
		if got := f.run(t, r, 1)[0]; !slices.Equal(got, want) || !slices.Equal(last, want) {
			t.Errorf("%s: traced, the result differs", m.name)
		}
		var stages []string
		for layer := -1; layer < len(m.layers); layer++ {
			stages = append(stages, fmt.Sprint(layer, " 130"))
		}
		if !slices.Equal(seen, stages) {
			t.Errorf("%s: traced %q, want %q", m.name, seen, stages)
		}
		r.Close()
	}
}

// TestLongTextIsShared: several workers take blocks of rows of one long text.
func TestLongTextIsShared(t *testing.T) {
	r := NewRunner(2, RunnerOptions{})
	defer r.Close()
	m := models()[0]
	var by [8]atomic.Int32
	m.layers[0].(*blockLayer).by = &by
	f := forward{m: m, sequences: testSequences()[2:3], want: FirstToken}
	for range 100 {
		f.run(t, r, 1)
		if by[0].Load() > 0 && by[1].Load() > 0 {
			return
		}
	}
	t.Errorf("the workers finished %d and %d blocks", by[0].Load(), by[1].Load())
}

// TestLayerPanics: a panic in a block of rows, on whichever worker, is Run's error, and
// the workers go on.
func TestLayerPanics(t *testing.T) {
	r := NewRunner(3, RunnerOptions{})
	defer r.Close()
	m := models()[0]
	l := m.layers[0].(*blockLayer)
	f := forward{m: m, sequences: testSequences(), want: FirstToken}
	want := f.run(t, r, 500)
	for range 5 {
		l.panicsAt = 100
		f.rows = make([][]float32, len(f.sequences))
		err := r.Run(context.Background(), &f, f.plan.Chunks())
		var e *PanicError
		if !errors.As(err, &e) || !strings.Contains(err.Error(), "a layer's error") || !strings.Contains(string(e.StackTrace()), "blockLayer") {
			t.Fatalf("%v", err)
		}
		l.panicsAt = 0
		for s, got := range f.run(t, r, 500) {
			if !slices.Equal(got, want[s]) {
				t.Errorf("after a panic sequence %d differs", s)
			}
		}
	}
}

// TestRunCancelled: a pass ends between two layers when its caller has gone away.
func TestRunCancelled(t *testing.T) {
	gone := errors.New("gone")
	ctx, cancel := context.WithCancelCause(context.Background())
	paused := 0
	r := NewRunner(1, RunnerOptions{Pause: func() { paused++; cancel(gone) }})
	defer r.Close()
	m := models()[0]
	w := &cancelled{m: m}
	if err := r.Run(ctx, w, 2); err != gone {
		t.Errorf("%v, want %v", err, gone)
	}
	if paused != 1 || w.tiles != 1 {
		t.Errorf("%d pauses in %d tiles, want the first of each", paused, w.tiles)
	}
	if err := r.Run(ctx, w, 1); err != gone || w.tiles != 1 {
		t.Errorf("after its end a context gives %v", err)
	}
}

type cancelled struct {
	m     *model
	tiles int
}

func (w *cancelled) Tile(c *Context, _ int) {
	w.tiles++
	c.Batch.Add(0, testSequences()[0], Prefix{})
	w.m.pass(c, EveryToken)
}

// TestRunAllocatesNothing: a forward pass in the steady state makes no garbage.
func TestRunAllocatesNothing(t *testing.T) {
	for _, m := range models() {
		for _, workers := range []int{1, 2} {
			r := NewRunner(workers, RunnerOptions{})
			w := &quiet{m: m, sequences: append(testSequences()[3:7:7], Sequence{IDs: make([]int32, 600)})}
			run := func() {
				w.plan.Divide(w.sequences, 500, r.Size(), 100)
				if err := r.Run(context.Background(), w, w.plan.Chunks()); err != nil {
					t.Fatal(err)
				}
			}
			for range 10 { // which worker gets which chunk differs
				run()
			}
			if n := testing.AllocsPerRun(10, run); n != 0 {
				t.Errorf("%s, %d workers: %v allocations a call, want 0", m.name, workers, n)
			}
			r.Close()
		}
	}
}

type quiet struct {
	m         *model
	sequences []Sequence
	plan      Plan
}

func (w *quiet) Tile(c *Context, i int) {
	w.plan.Fill(&c.Batch, i, w.sequences, nil)
	c.Pool(w.m.pass(c, FirstToken), PoolFirst)
}
