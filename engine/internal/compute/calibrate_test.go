package compute

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/winnow-rerank/winnow/kernels"
)

// Channels that are far larger than the others are the first to be wide; parts pay
// where each row has large numbers in one of them.
func TestByteForms(t *testing.T) {
	const inputs, rows = 512, 40
	r := rand.New(rand.NewPCG(1, 2))
	weights := kernels.PackInt8A16(32, inputs, func(_ int, dst []float32) {
		for i := range dst {
			dst[i] = float32(r.NormFloat64())
		}
	})
	normal := func() Matrix {
		x := Matrix{Data: make([]float32, rows*inputs), Rows: rows, Cols: inputs, Stride: inputs}
		for i := range x.Data {
			x.Data[i] = float32(r.NormFloat64())
		}
		return x
	}
	analyse := func(x Matrix) *calibration {
		p := &byteProduct{linear: &Linear{Weights: weights}, x: x, rows: rows, share: 1}
		p.analyse()
		return &calibration{layers: 1, products: []*byteProduct{p}}
	}

	x := normal()
	large := []int{500, 3, 77, 130}
	for i := range x.Rows {
		for _, l := range large {
			x.Row(i)[l] *= 30
		}
	}
	k := analyse(x)
	for _, f := range k.products[0].forms {
		if f.parts != 1 || len(f.wide) == 0 {
			continue
		}
		for _, l := range large {
			if !slices.Contains(f.wide, l) {
				t.Errorf("%d channels are wide, but channel %d is not", len(f.wide), l)
			}
		}
	}
	first := k.products[0].forms
	if first[0].noise < 50*first[1].noise {
		t.Errorf("noise %.3g with no wide channel, %.3g with %d", first[0].noise, first[1].noise, len(first[1].wide))
	}
	k.choose(0.015)
	if f := first[k.products[0].chosen]; f.parts != 1 || len(f.wide) != 16 {
		t.Errorf("%d parts and %d wide channels were chosen", f.parts, len(f.wide))
	}

	x = normal()
	for i := range x.Rows {
		for range 16 {
			x.Row(i)[i%8*(inputs/8)+r.IntN(inputs/8)] = float32(20 * r.NormFloat64())
		}
	}
	k = analyse(x)
	k.choose(0.01)
	if f := k.products[0].forms[k.products[0].chosen]; f.parts < 4 {
		t.Errorf("%d parts and %d wide channels were chosen", f.parts, len(f.wide))
	}
}

// TestCalibration: the choice is within the budget, costs more where that is smaller,
// sees each matrix once and is the same whatever the number of threads.
func TestCalibration(t *testing.T) {
	var before []int
	for _, threads := range []int{1, 3} {
		m := models()[1]
		r := NewRunner(threads, RunnerOptions{})
		k := &calibration{layers: len(m.layers), pass: func(c *Context) {
			for i, s := range testSequences() {
				if len(s.IDs) <= 130 {
					c.Batch.Add(i, s, Prefix{})
				}
			}
			m.pass(c, FirstToken)
		}}
		if err := k.run(r); err != nil {
			t.Fatal(err)
		}
		last := 0.0
		for _, budget := range []float64{0.03, errorBudget, 0.005} {
			k.choose(budget)
			noise, cost := 0.0, 0.0
			for i, p := range k.products {
				noise += k.noise(i, p.chosen)
				cost += p.forms[p.chosen].cost
			}
			if noise > budget*budget*1.0001 {
				t.Errorf("noise %.3g, budget %v", noise, budget)
			}
			if cost < last {
				t.Errorf("a budget of %v costs %.3g, a larger one %.3g", budget, cost, last)
			}
			last = cost
		}
		var chosen []int
		for _, p := range k.products {
			chosen = append(chosen, p.chosen)
		}
		if before != nil && !slices.Equal(chosen, before) {
			t.Errorf("%d threads choose %v, one %v", threads, chosen, before)
		}
		before = chosen
		r.Close()
	}
	if len(before) == 0 {
		t.Error("no matrix was seen")
	}
}

// TestRests: what is said of a form's noise is what it does, with weights of 8 bits and
// of 16, and weights of 16 are chosen where activations alone would not do.
func TestRests(t *testing.T) {
	const inputs, rows, many = 512, 16, 96
	r := rand.New(rand.NewPCG(5, 6))
	w := make([][]float32, many)
	for i := range w {
		w[i] = make([]float32, inputs)
		for l := range w[i] {
			w[i][l] = float32(r.NormFloat64())
		}
	}
	weights := kernels.PackInt16(many, inputs, func(i int, dst []float32) { copy(dst, w[i]) })
	x := Matrix{Data: make([]float32, rows*inputs), Rows: rows, Cols: inputs, Stride: inputs}
	for i := range x.Data {
		x.Data[i] = float32(r.NormFloat64())
	}
	exact := Matrix{Data: make([]float32, rows*many), Rows: rows, Cols: many, Stride: many}
	for i := range rows {
		for j := range w {
			sum := 0.0
			for l, v := range x.Row(i) {
				sum += float64(v) * float64(w[j][l])
			}
			exact.Row(i)[j] = float32(sum)
		}
	}
	p := &byteProduct{linear: &Linear{Weights: weights}, packed: weights, x: x, rows: rows, share: 1}
	p.analyse()
	for n, f := range p.forms {
		form := weights
		if !f.rest {
			form = kernels.WithoutRest(form)
		}
		y := outputs(kernels.Widen(form, f.parts, f.wide), x)
		for i, v := range exact.Data {
			y.Data[i] -= v
		}
		if got := square(y) / variance(exact); f.noise > 1e-8 && (got < 0.8*f.noise || got > 1.25*f.noise) {
			t.Errorf("form %d, %d parts, %d wide, rest %v: noise %.3g, said to be %.3g", n, f.parts, len(f.wide), f.rest, got, f.noise)
		}
	}
	half := len(p.forms) / 2
	if p.forms[half-1].noise < 3e-5 || p.forms[2*half-1].noise > 1e-8 {
		t.Errorf("noise %.3g with weights of 8 bits and %.3g with 16, if activations have 16", p.forms[half-1].noise, p.forms[2*half-1].noise)
	}
	k := &calibration{layers: 1, products: []*byteProduct{p}}
	runner := NewRunner(1, RunnerOptions{})
	defer runner.Close()
	for _, c := range []struct {
		budget float64
		rests  int
	}{{0.012, 0}, {0.006, 1}} {
		k.choose(c.budget)
		got, err := k.apply(runner)
		if err != nil {
			t.Fatal(err)
		}
		if got.Rests != c.rests || got.Matrices != 1 {
			t.Errorf("a budget of %v: %+v", c.budget, got)
		}
		if want := p.linear.Weights.Bytes() - weights.Bytes(); got.Bytes != int64(want) {
			t.Errorf("%d bytes more, want %d", got.Bytes, want)
		}
	}
}
