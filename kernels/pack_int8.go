package kernels

import "unsafe"

// restLevels is the ratio of an output's scale to the scale of its rounding errors:
// they are at most half of the first, which is 126 times the second.
const restLevels = 252

// PackInt16 is PackInt8A16 with weights of 16 bits: the errors of rounding them to 8
// bits are rounded to 8 bits too, to multiples of the scale divided by 252. The
// products of the errors are another exact sum, which is added in float32, and double
// the cost.
//
// Outputs whose weights are multiples of one number (see PackInt8) have no errors.
func PackInt16(n, k int, row func(i int, dst []float32)) Weights {
	if k > maxIntInputs {
		return PackF32(n, k, row)
	}
	return packBytes(n, k, true, row)
}

// Rest returns the errors of rounding the weights to 8 bits as a matrix, or nil if
// there are none or PackInt16 did not make w.
func Rest(w Weights) Weights {
	if w, ok := w.(*int8Weights); ok && w.rest != nil {
		return w.rest
	}
	return nil
}

// WithoutRest returns w without the errors that Rest returns. It shares memory with w.
func WithoutRest(w Weights) Weights {
	from, ok := w.(*int8Weights)
	if !ok || from.rest == nil {
		return w
	}
	first := *from
	first.rest = nil
	return &first
}

// packBytes packs weights with all inputs wide and, if withRest, with the rest.
func packBytes(n, k int, withRest bool, row func(i int, dst []float32)) *int8Weights {
	w := newInt8Weights(n, k)
	var rest *int8Weights
	numbers, q := make([]float32, k), make([]int8, k)
	for i := range n {
		row(i, numbers)
		limit, even := Levels(numbers)
		inverse, scale := scaleOf(Largest(numbers), limit)
		w.packRow(i, numbers, q, inverse, scale)
		if !withRest || even || inverse == 0 {
			continue
		}
		for l, x := range q {
			numbers[l] -= float32(float32(x) * scale)
		}
		if rest == nil {
			rest = newInt8Weights(n, k)
		}
		rest.packRow(i, numbers, q, inverse*restLevels, scale/restLevels)
	}
	w.widenAll()
	if rest != nil {
		rest.widenAll()
		w.rest = rest
	}
	return w
}

// newInt8Weights returns weights that are all 0.
func newInt8Weights(n, k int) *int8Weights {
	shape := features.ints
	depth := shape.padded(max(k, 1))
	outputs := (n + shape.cols - 1) / shape.cols * shape.cols
	w := &int8Weights{
		n: n, k: k, shape: shape, depth: depth,
		q:      aligned[int8](outputs * depth),
		scales: aligned[float32](outputs),
	}
	for range unitsOf(k) {
		w.sums = append(w.sums, make([]int32, outputs))
	}
	return w
}

// packRow rounds the weights of output i to multiples of scale. q is scratch memory for k
// numbers.
func (w *int8Weights) packRow(i int, numbers []float32, q []int8, inverse, scale float32) {
	w.scales[i] = scale
	size := w.k / len(w.sums)
	for u, sums := range w.sums {
		sums[i] = quantise(q[u*size:(u+1)*size], numbers[u*size:(u+1)*size], inverse)
	}
	s := w.shape
	panel := w.panel(i / s.cols)
	done := 0
	if whole := w.k / 4 * 4; s.group == 4 && whole > 0 {
		// Same as below, but much faster.
		from, to := unsafe.Pointer(&q[0]), unsafe.Pointer(&panel[s.index(i%s.cols, 0)])
		_ = panel[s.index(i%s.cols, whole-1)]
		step := uintptr(4 * s.cols)
		for l := range uintptr(whole / 4) {
			*(*[4]int8)(unsafe.Add(to, l*step)) = *(*[4]int8)(unsafe.Add(from, 4*l))
		}
		done = whole
	}
	for l := done; l < w.k; l++ {
		panel[s.index(i%s.cols, l)] = q[l]
	}
}
