package compute

import (
	"cmp"
	"context"
	"slices"

	"github.com/winnow-rerank/winnow/kernels"
)

// In 8 bits, a few channels of a transformer's hidden states spoil the rest: they are
// so large that little of the scale is left for the others. Which ones depends on the
// model, not the text, so random tokens reveal them too. They get 16 bits. Channels
// that are large in one token and not in the next, as after a GELU, do less harm if the
// channels are cut into parts with a scale each. 16-bit weights, where available, avoid
// the error of 8-bit ones. All of these cost time, so each matrix gets what brings the
// total error within a budget at the least cost.

// errorBudget is the error that rounding may add to the hidden states, relative to
// them.
const errorBudget = 0.02

// calibrationRows is the number of rows sampled for each product.
const calibrationRows = 48

// restRows of them are multiplied by the residue of rounding the weights.
const restRows = 16

// cutCost is the cost of one more part, in inputs.
const cutCost = 24

// widths are the numbers of channels of a part that may be wide, besides none and all:
// multiples of what kernels process at a time, and at most half of them.
var widths = []int{16, 32, 48, 64, 96, 128, 192, 256, 384, 512}

// A byteProduct is a matrix with 8-bit weights and statistics of its inputs.
type byteProduct struct {
	linear *Linear
	packed kernels.Weights // the original weights
	x      Matrix          // a sample of its input rows
	rows   int             // number of input rows
	added  Matrix          // the same rows of the residual input; no rows: none
	share  float64         // of the product in the sum
	forms  []byteForm
	chosen int
}

// A byteForm is one way to compute the product.
type byteForm struct {
	rest  bool // 16-bit weights
	parts int
	wide  []int
	noise float64 // mean square of the rounding error of an output, relative to the signal
	cost  float64 // in operations
}

// calibration watches a forward pass.
type calibration struct {
	pass     func(c *Context) // nil after all products have been seen
	chosen   bool
	layers   int
	products []*byteProduct // in the order of the pass
	current  *byteProduct   // being multiplied, if it is one of them
}

// A Calibration is what Calibrate has chosen.
type Calibration struct {
	Matrices int     // matrices calibrated
	Rests    int     // of those, how many have 16-bit weights
	Extra    float64 // work beyond that of 8 bits everywhere, as a fraction of it
	Bytes    int64   // additional weight memory
}

// Calibrate chooses the form of all products with 8-bit weights that pass computes, in
// a model with that many layers. pass fills the batch and computes its hidden states.
func (r *Runner) Calibrate(layers int, pass func(c *Context)) (Calibration, error) {
	k := &calibration{pass: pass, layers: layers}
	if err := k.run(r); err != nil {
		return Calibration{}, err
	}
	k.choose(errorBudget)
	return k.apply(r)
}

// run does the pass and analyses what it saw.
func (k *calibration) run(r *Runner) error {
	if err := r.Run(context.Background(), k, 1); err != nil {
		return err
	}
	k.pass = nil
	return r.Run(context.Background(), k, len(k.products))
}

// Tile runs the pass; or, afterwards, analyses product i; or applies the choice for it.
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

// before records the inputs of a product.
func (k *calibration) before(l *Linear, x, residual Matrix) {
	k.current = nil
	if !kernels.CanWiden(l.Weights) || slices.ContainsFunc(k.products, func(p *byteProduct) bool { return p.linear == l }) {
		return
	}
	k.current = &byteProduct{linear: l, packed: l.Weights, x: sample(x, calibrationRows), rows: x.Rows, share: 1}
	l.Weights = kernels.WithoutRest(l.Weights) // 8 bits suffice for the pass
	if residual.Rows > 0 {
		k.current.added = sample(residual, calibrationRows)
	}
	k.products = append(k.products, k.current)
}

// after records its result.
func (k *calibration) after(y Matrix) {
	if k.current == nil || k.current.added.Rows == 0 {
		return
	}
	sum := sample(y, calibrationRows)
	total := variance(sum)
	for i, v := range k.current.added.Data {
		sum.Data[i] -= v
	}
	if total > 0 {
		k.current.share = variance(sum) / total
	}
}

// sample copies up to that many rows, evenly spread.
func sample(x Matrix, rows int) Matrix {
	n := min(x.Rows, rows)
	s := Matrix{Data: make([]float32, n*x.Cols), Rows: n, Cols: x.Cols, Stride: x.Cols}
	for i := range n {
		copy(s.Row(i), x.Row(i*x.Rows/n))
	}
	return s
}

// variance is the mean squared distance of the rows from their mean.
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
	// Fourth powers reveal which channels set the scale of many rows.
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
		steps := make([]float64, n/2+1) // sums of squared scales, by the number of wide channels in a part
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

// addRests adds a 16-bit-weight variant of each form, and the weights' error to the
// noise of the 8-bit forms. cost is that of the product in its cheapest form.
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

// square is the mean squared norm of a row.
func square(x Matrix) float64 {
	sum := 0.0
	for _, v := range x.Data {
		sum += float64(v) * float64(v)
	}
	return sum / float64(x.Rows)
}

// scales adds to steps[n] the squared scales of the rows for a part's channels without
// the first n.
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

// noise is what form n of product i adds to the last layer's hidden states. Early noise
// counts for more: it is part of everything that follows, whereas a state that is
// already the sum of many hardly changes by one more.
func (k *calibration) noise(i, n int) float64 {
	p := k.products[i]
	layer := i * k.layers / len(k.products)
	return p.forms[n].noise * p.share / float64(1+layer)
}

// choose starts from the cheapest forms and repeatedly makes the change that lowers the
// noise most for its cost, until its square root is within the budget. In the last
// layer, which many models compute for one token per text, all changes cost next to
// nothing.
func (k *calibration) choose(budget float64) {
	total := 0.0
	for i, p := range k.products {
		p.chosen = 0
		total += k.noise(i, 0)
	}
	for total > budget*budget {
		best, next, bestRatio := -1, 0, 0.0
		for i, p := range k.products {
			have := k.noise(i, p.chosen)
			for n := range p.forms {
				gain, cost := have-k.noise(i, n), p.forms[n].cost-p.forms[p.chosen].cost
				if ratio := gain / max(cost, 1); gain > 0 && ratio > bestRatio {
					best, next, bestRatio = i, n, ratio
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

// apply converts the weights as chosen.
func (k *calibration) apply(r *Runner) (Calibration, error) {
	k.chosen = true
	if err := r.Run(context.Background(), k, len(k.products)); err != nil {
		return Calibration{}, err
	}
	all := Calibration{Matrices: len(k.products)}
	base, extra := 0.0, 0.0
	for _, p := range k.products {
		c := p.forms[p.chosen]
		if c.rest {
			all.Rests++
		}
		all.Bytes += int64(p.linear.Weights.Bytes() - p.packed.Bytes())
		base += float64(p.linear.Inputs()) * float64(p.rows*p.linear.Outputs())
		extra += c.cost
	}
	all.Extra = extra / max(1, base)
	return all, nil
}

// apply converts the weights of one product.
func (p *byteProduct) apply() {
	c, w := p.forms[p.chosen], p.packed
	if !c.rest {
		w = kernels.WithoutRest(w)
	}
	p.linear.Weights = kernels.Widen(w, c.parts, c.wide)
}
