package compute

import (
	"cmp"
	"context"
	"slices"

	"github.com/winnow-rerank/winnow/kernels"
)

// In 8 bits, a few channels of a transformer's states spoil the rest: they are so
// much larger that little of the scale is left to the others. Which they are is the
// model's, not the text's, so that random tokens show them too. They get 16 bits.
// What is large in one token and not in the next, as behind a GELU, spoils less if
// channels are cut into parts with a scale for each. Weights of 16 bits, where they are
// at hand, have none of the error of 8. All cost time; so each matrix gets as much of
// them as brings the error of all down to a budget at the least cost.

// errorBudget is what rounding may add to the states, as a share of what they tell.
const errorBudget = 0.02

// calibrationRows are looked at of each product.
const calibrationRows = 48

// restRows of them are multiplied by what rounding the weights has left.
const restRows = 16

// cutCost is what a further part costs, in inputs.
const cutCost = 24

// widths are how many channels of a part may be wide, beside none and all: multiples
// of what kernels take at a time, and no more than half of them.
var widths = []int{16, 32, 48, 64, 96, 128, 192, 256, 384, 512}

// A byteProduct is a matrix with 8-bit weights and what the texts show of it.
type byteProduct struct {
	linear *Linear
	packed kernels.Weights // as they were when it was first seen
	x      Matrix          // some rows of its inputs
	rows   int             // how many rows there were
	added  Matrix          // the same rows of what the product is added to; no rows: of nothing
	share  float64         // of the product in what becomes of it
	forms  []byteForm
	chosen int
}

// A byteForm is one way to multiply.
type byteForm struct {
	rest  bool // weights have 16 bits
	parts int
	wide  []int
	noise float64 // mean square of what rounding adds to an output, as a share of what it tells
	cost  float64 // in operations
}

// calibration watches a forward pass.
type calibration struct {
	pass     func(c *Context) // until all products have been seen
	chosen   bool
	layers   int
	products []*byteProduct // in the order of the pass
	present  *byteProduct   // that is being multiplied, if it is one of them
}

// A Calibration is what Calibrate has chosen.
type Calibration struct {
	Matrices int     // that were chosen for
	Rests    int     // of them, those that have weights of 16 bits
	Extra    float64 // work beyond that of 8 bits everywhere, as a share of it
	Bytes    int64   // of weights, more than before
}

// Calibrate chooses for all matrices with 8-bit weights that pass multiplies by, of so
// many layers. pass puts sequences in the batch and computes their states.
func (r *Runner) Calibrate(layers int, pass func(c *Context)) (Calibration, error) {
	k := &calibration{pass: pass, layers: layers}
	if err := k.run(r); err != nil {
		return Calibration{}, err
	}
	k.choose(errorBudget)
	return k.apply(r)
}

// run does the pass and looks at what it saw.
func (k *calibration) run(r *Runner) error {
	if err := r.Run(context.Background(), k, 1); err != nil {
		return err
	}
	k.pass = nil
	return r.Run(context.Background(), k, len(k.products))
}

// Tile does the pass; or afterwards finds the forms of product i; or makes its weights
// as was chosen.
func (k *calibration) Tile(c *Context, i int) {
	switch {
	case k.chosen:
		k.products[i].apply()
		return
	case k.pass == nil:
		k.products[i].analyse()
		return
	}
	c.watch = k
	defer func() { c.watch = nil }()
	k.pass(c)
}

// before sees what a product is about to be made of.
func (k *calibration) before(l *Linear, x, residual Matrix) {
	k.present = nil
	if !kernels.CanWiden(l.Weights) || slices.ContainsFunc(k.products, func(p *byteProduct) bool { return p.linear == l }) {
		return
	}
	k.present = &byteProduct{linear: l, packed: l.Weights, x: sample(x, calibrationRows), rows: x.Rows, share: 1}
	l.Weights = kernels.WithoutRest(l.Weights) // 8 bits do for the pass
	if residual.Rows > 0 {
		k.present.added = sample(residual, calibrationRows)
	}
	k.products = append(k.products, k.present)
}

// after sees what became of it.
func (k *calibration) after(y Matrix) {
	if k.present == nil || k.present.added.Rows == 0 {
		return
	}
	sum := sample(y, calibrationRows)
	total := variance(sum)
	for i, v := range k.present.added.Data {
		sum.Data[i] -= v
	}
	if total > 0 {
		k.present.share = variance(sum) / total
	}
}

// sample copies at most so many rows, evenly spread.
func sample(x Matrix, rows int) Matrix {
	n := min(x.Rows, rows)
	s := Matrix{Data: make([]float32, n*x.Cols), Rows: n, Cols: x.Cols, Stride: x.Cols}
	for i := range n {
		copy(s.Row(i), x.Row(i*x.Rows/n))
	}
	return s
}

// variance is the mean square of a row less the mean row.
func variance(x Matrix) float64 {
	sums, squares := make([]float64, x.Cols), 0.0
	for i := range x.Rows {
		for j, v := range x.Row(i) {
			sums[j] += float64(v)
			squares += float64(v) * float64(v)
		}
	}
	n := float64(x.Rows)
	for _, s := range sums {
		squares -= s * s / n
	}
	return max(0, squares/n)
}

// analyse finds the forms.
func (p *byteProduct) analyse() {
	inputs, signal := p.x.Cols, variance(p.x)
	cost := float64(p.rows * p.linear.Outputs())
	all := make([]int, inputs)
	for j := range all {
		all[j] = j
	}
	// Fourth powers tell which channels set the scale of many rows.
	size := make([]float64, inputs)
	for i := range p.x.Rows {
		row := p.x.Row(i)
		square := 0.0
		for _, v := range row {
			square += float64(v) * float64(v)
		}
		for j, v := range row {
			s := float64(v) * float64(v) / max(square, 1e-30)
			size[j] += s * s
		}
	}
	for parts := 1; kernels.CanCut(inputs, parts); parts *= 2 {
		n := inputs / parts
		steps := make([]float64, n/2+1) // sums of the squares of scales if so many channels of a part are wide
		var channels []int
		for from := 0; from < inputs; from += n {
			part := slices.Clone(all[from : from+n])
			slices.SortFunc(part, func(a, b int) int { return cmp.Or(cmp.Compare(size[b], size[a]), cmp.Compare(a, b)) })
			p.scales(steps, part)
			channels = append(channels, part...)
		}
		for _, wide := range append([]int{0}, widths...) {
			if wide > n/2 {
				break
			}
			c := byteForm{parts: parts, cost: cost * float64(parts*wide+(parts-1)*cutCost)}
			for from := 0; from < inputs; from += n {
				c.wide = append(c.wide, channels[from:from+wide]...)
			}
			if signal > 0 {
				c.noise = steps[wide] * float64(n) / 12 / float64(p.x.Rows) / signal
			}
			p.forms = append(p.forms, c)
		}
	}
	p.forms = append(p.forms, byteForm{parts: 1, wide: all, cost: cost * float64(inputs)})
	if rest := kernels.Rest(p.packed); rest != nil {
		p.addRests(rest, cost*float64(inputs))
	}
	p.x, p.added = Matrix{}, Matrix{}
}

// addRests adds each form with weights of 16 bits, and to those of 8 bits what they add
// to the noise. cost is that of the product in its cheapest form.
func (p *byteProduct) addRests(rest kernels.Weights, cost float64) {
	x := sample(p.x, restRows)
	noise, signal := 0.0, variance(outputs(kernels.WithoutRest(p.packed), x))
	if signal > 0 {
		noise = square(outputs(rest, x)) / signal
	}
	for i := range p.forms {
		c := p.forms[i]
		c.rest, c.cost = true, cost+2*c.cost
		p.forms[i].noise += noise
		p.forms = append(p.forms, c)
	}
}

// outputs is x·Wᵀ.
func outputs(w kernels.Weights, x Matrix) Matrix {
	var in kernels.Input
	w.Reserve(&in, x.Rows)
	w.Prepare(&in, x, 0, x.Rows)
	y := Matrix{Data: make([]float32, x.Rows*w.Outputs()), Rows: x.Rows, Cols: w.Outputs(), Stride: w.Outputs()}
	w.Multiply(y, &in, 0, w.Outputs(), &kernels.Epilogue{})
	return y
}

// square is the mean square of a row.
func square(x Matrix) float64 {
	sum := 0.0
	for _, v := range x.Data {
		sum += float64(v) * float64(v)
	}
	return sum / float64(x.Rows)
}

// scales adds to steps[n] the squares of the scales that rows have for the channels
// of a part, less the first n.
func (p *byteProduct) scales(steps []float64, channels []int) {
	for i := range p.x.Rows {
		row := p.x.Row(i)
		low, high := float32(0), float32(0)
		for at, channel := range slices.Backward(channels) {
			low, high = min(low, row[channel]), max(high, row[channel])
			if at < len(steps) {
				step := float64(high-low) / kernels.ByteLevels
				steps[at] += step * step
			}
		}
	}
}

// noise is what choice n of product i adds to the states of the last layer. What is
// added early is heard more: it is a part of all that follows, whereas a state that
// has become of many sums hardly changes by one of them.
func (k *calibration) noise(i, n int) float64 {
	p := k.products[i]
	layer := i * k.layers / len(k.products)
	return p.forms[n].noise * p.share / float64(1+layer)
}

// choose takes, from the cheapest forms on, always that which lowers the noise most
// for what it costs, until its square root is at most the budget. Of the last layer,
// which many models compute for one token of a text, all cost next to nothing.
func (k *calibration) choose(budget float64) {
	total := 0.0
	for i, p := range k.products {
		p.chosen = 0
		total += k.noise(i, 0)
	}
	for total > budget*budget {
		best, next, most := -1, 0, 0.0
		for i, p := range k.products {
			have := k.noise(i, p.chosen)
			for n := range p.forms {
				gain, cost := have-k.noise(i, n), p.forms[n].cost-p.forms[p.chosen].cost
				if ratio := gain / max(cost, 1); gain > 0 && ratio > most {
					best, next, most = i, n, ratio
				}
			}
		}
		if best < 0 {
			return
		}
		p := k.products[best]
		total -= k.noise(best, p.chosen) - k.noise(best, next)
		p.chosen = next
	}
}

// apply makes the weights as was chosen.
func (k *calibration) apply(r *Runner) (Calibration, error) {
	k.chosen = true
	if err := r.Run(context.Background(), k, len(k.products)); err != nil {
		return Calibration{}, err
	}
	all := Calibration{Matrices: len(k.products)}
	least, extra := 0.0, 0.0
	for _, p := range k.products {
		c := p.forms[p.chosen]
		if c.rest {
			all.Rests++
		}
		all.Bytes += int64(p.linear.Weights.Bytes() - p.packed.Bytes())
		least += float64(p.linear.Inputs()) * float64(p.rows*p.linear.Outputs())
		extra += c.cost
	}
	all.Extra = extra / max(1, least)
	return all, nil
}

// apply is that of one product.
func (p *byteProduct) apply() {
	c, w := p.forms[p.chosen], p.packed
	if !c.rest {
		w = kernels.WithoutRest(w)
	}
	p.linear.Weights = kernels.Widen(w, c.parts, c.wide)
}
