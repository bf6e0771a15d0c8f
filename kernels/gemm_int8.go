package kernels

import (
	"math"
	"unsafe"
)

// An intShape is the layout of the operands of an integer micro-kernel.
//
// Weights are in panels of cols outputs. In a panel, group inputs of one output are
// adjacent, followed by the same inputs of the next output, and so on; after all
// outputs of the panel come the next group inputs. Activations are row by row. Both are
// padded with zeros to a multiple of depth inputs.
type intShape struct {
	rung  uint8
	cols  int
	group int
	depth int
	// unsigned is for instructions that multiply unsigned by signed bytes. Weights in
	// blocks, or activations for other weights, are then stored with 128 added. The effect
	// on sums is subtracted again.
	unsigned bool
	// wide activations take 16 bits, for instructions without an exact product of bytes.
	// Weights take 16 bits while they are multiplied: micro-kernels widen them, or, if
	// they can (canWiden), read widened ones (widened).
	wide, canWiden, widened bool
	// pairs: pairs of rows of activations are interleaved by 8 inputs.
	pairs bool
	// tiles: tiles of 16 rows of activations by 64 inputs are contiguous.
	tiles bool
}

// The integer micro-kernels of all architectures.
const (
	intPortable = iota
	intAVX2
	intAVXVNNI
	intAVX512VNNI
	intAMX
	intNEON
	intDotProd
	intI8MM
)

// maxIntCols is the width of the widest panel.
const maxIntCols = 32

var portableIntShape = intShape{rung: intPortable, cols: 8, group: 4, depth: 4}

// maxIntInputs is the largest number of inputs for which sums of products of bytes, one
// of them unsigned, are sure to fit in 31 bits.
const maxIntInputs = math.MaxInt32 / (255 * 128)

// padded returns k rounded up to a multiple of depth.
func (s intShape) padded(k int) int { return (k + s.depth - 1) / s.depth * s.depth }

// size returns the size of an activation in bytes.
func (s intShape) size() int {
	if s.wide {
		return 2
	}
	return 1
}

// rowStride returns the stride of rows of activations of the given size: an odd number
// of cache lines, so that neighbouring rows do not compete for the same set of the
// cache.
func rowStride(bytes int) int {
	return (bytes+cacheLine-1)/cacheLine*cacheLine | cacheLine
}

// index returns the position of the weight of output c and input l in its panel.
func (s intShape) index(c, l int) int {
	return l/s.group*s.group*s.cols + c*s.group + l%s.group
}

// store returns the packed form of weight q.
func (s intShape) store(q int8) int8 {
	if s.unsigned {
		return q ^ -128
	}
	return q
}

// int8Weights is a matrix of n rows (outputs) by k columns (inputs) of numbers from
// -127 to 127, each times its output's scale.
//
// The inputs are in one or several parts. A row of activations has a scale for each
// part, and an integer a for each input. Instructions for bytes read the low byte of
// a+zero, where zero is chosen so that a+zero fits in one byte for all inputs of the
// part except the wide ones. Those have a high byte too; the high bytes of a part's
// wide inputs precede the low bytes of its inputs. zero adds zero times the sum of the
// output's weights to a sum.
type int8Weights struct {
	n, k    int
	shape   intShape
	depth   int    // k, padded
	q       []int8 // panels
	scales  []float32
	allWide bool
	parts   []intPart
	row     int       // bytes of a row of activations
	narrow  []uint32  // for each input all ones, or 0 if it is wide
	sums    [][]int32 // of each output's weights, for the units of inputs that form parts

	// rest is the rounding errors of 16-bit weights, or nil. It has the same parts.
	rest *int8Weights
}

// An intPart is a range of the inputs.
type intPart struct {
	from, k, depth int     // the first input, the number of inputs, and that padded
	at             int     // offset of the part's bytes in a row of activations
	sums           []int32 // of each output's weights

	// The wide inputs: their indices in the part (nil if all are wide), their number,
	// padded, their own panels, and the initial values of the sums of their high bytes,
	// which have 128 added if the shape is unsigned.
	index    []int32
	wide     int
	q        []int8
	start    []int32
	wideStep float32 // the smallest scale of a row, divided by the largest of its wide activations
}

// A part's size is a multiple of partInputs, and there are at most maxParts.
const (
	partInputs = 64
	maxParts   = 8
)

// unitsOf returns the maximum number of parts for k inputs.
func unitsOf(k int) int {
	for units := maxParts; units > 1; units /= 2 {
		if k%(units*partInputs) == 0 {
			return units
		}
	}
	return 1
}

// ByteLevels is the number of steps of PackInt8 between the smallest and the largest
// activation of a row that is not wide.
const ByteLevels = byteLevels

// Activations of one byte have byteLevels steps between the smallest and the largest of
// their row, one less than fit in a byte, because both zero and the largest may have
// been rounded up. Those of two bytes have at most maxWide on either side of 0, so that
// zero can be added.
const (
	wideBits   = 8
	byteLevels = 254
	maxWide    = 127 << wideBits
)

// PackInt8 packs n×k weights for multiplication in 8-bit integers. It calls row once
// for each i from 0 to n-1, in order; row must fill dst, k numbers long, with the
// weights of output i.
//
// Each output's weights are rounded to multiples of its scale, their largest magnitude
// divided by 127. If the weights of an output are already multiples of one number, up
// to 127 times and within the accuracy of float16, as in models converted from 8-bit
// ones, that number is their scale.
//
// Activations are integers of up to 16 bits for the inputs in wide, in any order, and
// of 8 bits for the others. Those of a row are rounded to multiples of its scale: the
// difference between the largest and the smallest of the others (with 0 included)
// divided by 254, or the largest magnitude of the wide ones divided by 32512, whichever
// is larger. The products are summed exactly in 32 bits; wide activations have fewer
// bits if the sums would not fit:
//
//	y = act(float32(Σ qx·qw)·(scale of x·scale of w) + bias) + residual
//
// Wide inputs cost twice the time of others with instructions that multiply bytes.
//
// A row of activations with an infinity or a NaN results in NaN. If k is above 65793,
// so that a sum might not fit in 32 bits, the weights stay float32.
func PackInt8(n, k int, wide []int, row func(i int, dst []float32)) Weights {
	return Widen(PackInt8A16(n, k, row), 1, wide)
}

// PackInt8A16 is PackInt8 with all inputs wide: weights of 8 bits, activations of up to 16.
func PackInt8A16(n, k int, row func(i int, dst []float32)) Weights {
	if k > maxIntInputs {
		return PackF32(n, k, row)
	}
	return packBytes(n, k, false, row)
}

// panel returns the weights of panel i.
func (w *int8Weights) panel(i int) []int8 {
	size := w.shape.cols * w.depth
	return w.q[i*size:][:size]
}

// sumsOf returns the sums of each output's weights over units from to to-1.
func (w *int8Weights) sumsOf(from, to int) []int32 {
	if to-from == 1 {
		return w.sums[from]
	}
	total := make([]int32, len(w.scales))
	for _, sums := range w.sums[from:to] {
		for i, s := range sums {
			total[i] += s
		}
	}
	return total
}

// widenAll makes all inputs wide.
func (w *int8Weights) widenAll() {
	sums := w.sumsOf(0, len(w.sums))
	w.allWide = true
	w.narrow = make([]uint32, w.k)
	w.row = 2 * w.depth
	w.parts = []intPart{{
		k: w.k, depth: w.depth, sums: sums,
		wide: w.depth, q: w.q, start: w.startOf(sums),
		wideStep: 1 / float32(min(maxWide, math.MaxInt32/(127*max(w.k, 1)))),
	}}
}

// startOf returns the initial values of the sums of high bytes, for weights with the
// given sums.
func (w *int8Weights) startOf(sums []int32) []int32 {
	start := make([]int32, len(sums))
	if w.shape.unsigned {
		for i, sum := range sums {
			start[i] = -1 << (wideBits - 1) * sum
		}
	}
	return start
}

// CanWiden reports whether Widen applies to weights of that kind.
func CanWiden(weights Weights) bool {
	_, ok := weights.(*int8Weights)
	return ok
}

// CanCut reports whether Widen can cut k inputs into that many parts.
func CanCut(k, parts int) bool { return parts > 0 && unitsOf(k)%parts == 0 }

// Widen returns weights made by PackInt8 or PackInt8A16 with other wide inputs. The
// result shares memory with them. It returns weights of other kinds unchanged.
//
// The inputs are cut into equal parts (see CanCut), for each of which a row of
// activations has its own scale. A part costs about as much as 24 inputs. The sums of
// the parts are exact; they are added up in float32, in order, starting with the bias
// and the residual. If all inputs are wide there is one part.
func Widen(weights Weights, parts int, wide []int) Weights {
	from, ok := weights.(*int8Weights)
	if !ok {
		return weights
	}
	w := *from
	if w.rest != nil {
		w.rest = Widen(w.rest, parts, wide).(*int8Weights)
	}
	w.narrow = make([]uint32, w.k)
	for l := range w.narrow {
		w.narrow[l] = math.MaxUint32
	}
	left := w.k
	for _, l := range wide {
		if w.narrow[l] != 0 {
			left--
		}
		w.narrow[l] = 0
	}
	if left == 0 {
		w.widenAll()
		return &w
	}
	if !CanCut(w.k, parts) {
		panic("kernels: inputs cannot be cut into so many parts")
	}
	w.allWide, w.row = false, 0
	w.parts = make([]intPart, parts)
	units := len(w.sums) / parts
	for i := range w.parts {
		p := &w.parts[i]
		p.k = w.k / parts
		p.from, p.at = i*p.k, w.row
		p.depth = w.shape.padded(max(p.k, 1))
		p.sums = w.sumsOf(i*units, (i+1)*units)
		w.widenPart(p)
		w.row += p.wide + p.depth
	}
	if w.shape.wide {
		w.row = 2 * w.depth
	}
	return &w
}

// widenPart gathers the weights of a part's wide inputs.
func (w *int8Weights) widenPart(p *intPart) {
	for l, mask := range w.narrow[p.from:][:p.k] {
		if mask == 0 {
			p.index = append(p.index, int32(l))
		}
	}
	n := len(p.index)
	// The range of 32 bits that the sums of bytes do not need is for the wide inputs.
	p.wideStep = 1 / float32(min(maxWide, (math.MaxInt32/127-(byteLevels+1)*(p.k-n))/max(n, 1)))
	if w.shape.wide || n == 0 {
		p.index = nil
		return
	}
	cols := w.shape.cols
	p.wide = w.shape.padded(n)
	p.q = aligned[int8](len(w.scales) * p.wide)
	sums := make([]int32, len(w.scales))
	for i := range len(w.scales) / cols {
		src, dst := w.panel(i), p.q[i*cols*p.wide:][:cols*p.wide]
		total, step := sums[i*cols:][:cols], w.shape.group
		for j, l := range p.index {
			from, to := src[w.shape.index(0, p.from+int(l)):], dst[w.shape.index(0, j):]
			for c := range total {
				q := from[c*step]
				to[c*step] = q
				total[c] += int32(q)
			}
		}
	}
	p.start = w.startOf(sums)
	// Padding inputs have weights of 0.
	for len(p.index) < p.wide {
		p.index = append(p.index, 0)
	}
}

// Levels returns the ratio of the largest magnitude in x to a number that all of x are
// multiples of, as is the case for weights converted from 8-bit ones. If no ratio from
// 32 to 127 fits, it returns 127 and even is false.
func Levels(x []float32) (levels float32, even bool) {
	top := math.Float32frombits(Largest(x))
	if top < math.SmallestNonzeroFloat32 || math.IsInf(float64(top), 0) {
		return 127, false
	}
	for limit := float32(127); limit >= 32; limit-- {
		inverse := limit / top
		multiples := true
		for _, v := range x {
			m := float32(v * inverse)
			// Both v and top may have been rounded to float16.
			if off := m - float32(roundToInt(m)); max(off, -off) > 0.004+float32(0.001*max(m, -m)) {
				multiples = false
				break
			}
		}
		if multiples {
			return limit, true
		}
	}
	return 127, false
}

func (w *int8Weights) Outputs() int { return w.n }
func (w *int8Weights) Inputs() int  { return w.k }
func (w *int8Weights) Kind() string {
	if w.rest != nil {
		return "int16a8"
	}
	if w.allWide {
		return "int8a16"
	}
	return "int8"
}
func (w *int8Weights) Panel() int { return w.shape.cols }
func (w *int8Weights) Bytes() int {
	size := len(w.q) + 4*len(w.scales)*(1+len(w.sums)) + 4*len(w.narrow)
	for _, p := range w.parts {
		size += 4 * (len(p.index) + len(p.start))
		if !w.allWide {
			size += len(p.q)
		}
		if len(w.parts) != len(w.sums) {
			size += 4 * len(p.sums)
		}
	}
	if w.rest != nil {
		size += w.rest.Bytes()
	}
	return size
}

// fewRows is the number of rows up to which vectors are faster than tile registers.
const fewRows = 4

// shapeFor returns the shape for multiplying rows rows: tile registers do not pay off
// for a few, and vectors read the same panels.
func (w *int8Weights) shapeFor(rows int) intShape {
	s := w.shape
	if s.tiles && rows <= fewRows {
		s.rung, s.tiles = intAVX512VNNI, false
	}
	return s
}

// stride returns the stride of rows of activations in bytes, or, in tiles, the size of
// a row.
func (w *int8Weights) stride(s intShape) int {
	if s.tiles {
		return w.row
	}
	return rowStride(w.row)
}

// The size of tiles of activations.
const (
	tileRows   = 16
	tileInputs = 64
)

// tileOf returns the offset of inputs 0 to 63 of row i of activations in tiles; the
// next inputs are tileRows*tileInputs bytes further on.
func (w *int8Weights) tileOf(i int) int {
	return i/tileRows*tileRows*w.row + i%tileRows*tileInputs
}

// intRows is the multiple up to which micro-kernels may read, but not use, rows after
// the last one.
const intRows = 32

// reserveInts makes room in in for rows of stride bytes each.
func reserveInts(in *Input, rows, stride int) {
	in.rows = rows
	padded := (rows + intRows - 1) / intRows * intRows
	if need := padded * stride; cap(in.bytes) < need {
		in.bytes = aligned[int8](need)
	} else {
		in.bytes = in.bytes[:need]
	}
}

func (w *int8Weights) Reserve(in *Input, rows int) {
	reserveInts(in, rows, w.stride(w.shapeFor(rows)))
	// Those of one part are contiguous.
	steps := rows * len(w.parts)
	if cap(in.scales) < steps {
		in.scales = make([]float32, steps)
	} else {
		in.scales = in.scales[:steps]
	}
	if cap(in.sums) < steps {
		in.sums = make([]int32, steps)
	} else {
		in.sums = in.sums[:steps]
	}
}

func (w *int8Weights) Prepare(in *Input, x Matrix, from, to int) {
	s := w.shapeFor(in.rows)
	stride := w.stride(s)
	for number := range w.parts {
		p := &w.parts[number]
		scales, zeros := in.scales[number*in.rows:][:in.rows], in.sums[number*in.rows:][:in.rows]
		if w.prepareVector(s, p, in, scales, zeros, x, from, to) {
			continue
		}
		for i := from; i < to; i++ {
			row := x.Row(i)[p.from:][:p.k]
			inverse, scale, zero := w.stepsOf(p, row)
			scales[i], zeros[i] = scale, -zero
			switch {
			case s.wide:
				zeros[i] = 0
				quantiseWide(wideOf(in.bytes[i*stride+2*p.from:][:2*p.depth]), row, inverse)
			case s.tiles || s.pairs:
				w.quantiseApart(s, p, in, i, row, inverse, zero)
			default:
				dst := in.bytes[i*stride+p.at:][:p.wide+p.depth]
				w.quantiseHigh(p, dst[:p.wide], row, 0, inverse, zero)
				quantiseLow(dst[p.wide:], row, inverse, zero)
			}
		}
	}
}

// stepsOf returns, for a part of a row of activations, the factor that makes them
// integers, the scale that restores them, and the integer that is added to make them
// bytes. Rows that are not all finite become zeros with a scale of NaN.
func (w *int8Weights) stepsOf(p *intPart, row []float32) (inverse, scale float32, zero int32) {
	top, bottom, wide := extremes(row, w.narrow[p.from:][:p.k])
	if top >= infinite || bottom >= 1<<31|infinite || wide >= infinite {
		return 0, float32(math.NaN()), 0
	}
	const step = 1.0 / byteLevels
	low := math.Float32frombits(bottom)
	scale = float32(math.Float32frombits(uint32(top))*step) - float32(low*step)
	scale = max(scale, float32(math.Float32frombits(wide)*p.wideStep))
	if math.Float32bits(scale) <= negligible {
		return 0, 0, 0
	}
	inverse = 1 / scale
	zero = -roundToInt(float32(low * inverse))
	if !w.shape.unsigned {
		zero -= 128
	}
	return inverse, scale, zero
}

// quantiseHigh fills dst with the high bytes of a part's wide activations from index
// from on.
func (w *int8Weights) quantiseHigh(p *intPart, dst []int8, row []float32, from int, inverse float32, zero int32) {
	half, flip := int32(1<<(wideBits-1)), int8(0)
	if w.shape.unsigned {
		half, flip = 0, -128
	}
	if p.index == nil {
		quantiseHigh(dst, row[min(from, len(row)):min(from+len(dst), len(row))], inverse, zero+half, flip)
		return
	}
	var numbers [64]float32
	for len(dst) > 0 {
		n := min(len(dst), len(numbers))
		for i, l := range p.index[from : from+n] {
			numbers[i] = row[l]
		}
		quantiseHigh(dst[:n], numbers[:n], inverse, zero+half, flip)
		dst, from = dst[n:], from+n
	}
}

// quantiseApart writes the bytes of a part of row i for shapes in which those of a row
// are not contiguous.
func (w *int8Weights) quantiseApart(s intShape, p *intPart, in *Input, i int, row []float32, inverse float32, zero int32) {
	var bytes [tileInputs]int8
	for l := 0; l < p.wide+p.depth; {
		var n int
		if l < p.wide {
			n = min(len(bytes), p.wide-l)
			w.quantiseHigh(p, bytes[:n], row, l, inverse, zero)
		} else {
			first := min(l-p.wide, len(row))
			n = min(len(bytes), p.wide+p.depth-l)
			quantiseLow(bytes[:n], row[first:min(first+n, len(row))], inverse, zero)
		}
		if s.tiles {
			copy(in.bytes[w.tileOf(i)+(p.at+l)*tileRows:], bytes[:n])
		} else {
			dst := in.bytes[i&^1*w.stride(s)+8*(i&1):]
			for o := 0; o < n; o += 8 {
				copy(dst[2*(p.at+l+o):], bytes[o:o+8])
			}
		}
		l += n
	}
}

// intTile is the argument of a micro-kernel, which computes exact sums of products of
// bytes, and outputs from them:
//
//	for i := range rows {
//		for j := range cols { // all columns of the kernel's panel
//			s := wideStart[j]
//			for l := range wide {
//				s += int32(a[i*aRow+l]) * int32(bWide[index(j, l)])
//			}
//			s <<= 8
//			for l := range depth {
//				s += int32(a[i*aRow+wide+l]) * int32(b[index(j, l)])
//			}
//			s += zeros[i] * sums[j]
//			v := float32(float32(s)*float32(scales[i]*colScales[j])) + bias[j]
//			if add != nil {
//				v += add[i*addRow+j]
//			}
//			y[i*yRow+j] = v
//		}
//	}
//
// Sums wrap around at 32 bits. Every float32 operation is rounded. All strides
// are in bytes.
type intTile struct {
	rows, wide, depth int
	a                 unsafe.Pointer
	aRow              uintptr
	b, bWide          unsafe.Pointer
	wideStart         unsafe.Pointer
	zeros, sums       unsafe.Pointer
	scales            unsafe.Pointer
	colScales         unsafe.Pointer
	bias              unsafe.Pointer
	y                 unsafe.Pointer
	yRow              uintptr
	add               unsafe.Pointer // nil: nothing is added
	addRow            uintptr
	next              uintptr // address to prefetch, of weights that are needed soon; may be invalid
}

// multiply computes t, of any height.
func (s intShape) multiply(t *intTile) {
	piece := *t
	for left := t.rows; ; {
		piece.rows = s.height(left)
		s.tile(&piece)
		if left -= piece.rows; left == 0 {
			return // pointers must not leave their objects
		}
		n := uintptr(piece.rows)
		piece.a = unsafe.Add(piece.a, n*piece.aRow)
		piece.zeros = unsafe.Add(piece.zeros, 4*n)
		piece.scales = unsafe.Add(piece.scales, 4*n)
		piece.y = unsafe.Add(piece.y, n*piece.yRow)
		if piece.add != nil {
			piece.add = unsafe.Add(piece.add, n*piece.addRow)
		}
		// Tiles of 12 rows by 32 columns prefetch 4 bytes per input, as do those of 6
		// by 16.
		piece.next += n * uintptr(piece.depth) * 32 / uintptr(3*s.cols)
	}
}

// pieceOf returns the height of the first piece when rows rows are cut into pieces of
// about the same height, none above highest.
func pieceOf(rows, highest int) int {
	pieces := (rows + highest - 1) / highest
	return (rows + pieces - 1) / pieces
}

// float returns the address of the number offset bytes after p.
func float(p unsafe.Pointer, offset uintptr) *float32 { return (*float32)(unsafe.Add(p, offset)) }

// integer is float for int32 numbers.
func integer(p unsafe.Pointer, offset uintptr) *int32 { return (*int32)(unsafe.Add(p, offset)) }

// Rows are taken in blocks of at most intBlockRows and of about intBlockBytes bytes of
// activations, which stay in the second-level cache while they are multiplied by all
// panels.
const (
	intBlockRows  = 256
	intBlockBytes = 384 << 10
)

// intBlockHeight returns the height of the blocks for rows of stride bytes.
func intBlockHeight(stride int) int {
	return min(intBlockRows, max(2*intRows, intBlockBytes/stride&^(intRows-1)))
}

// A slab holds sums that cannot be written to y yet.
type slab [intBlockRows * maxIntCols]float32

// A widePanel holds a panel's weights, widened to 16 bits for many rows, in packed order.
type widePanel [widePanelInputs * maxWideCols]int16

// Panels of up to widePanelInputs inputs are widened for blocks of at least
// widePanelRows rows; for fewer, that would cost more than it saves.
const (
	widePanelInputs = 4096
	maxWideCols     = 16
	widePanelRows   = 18
)

// widePanels holds the unused panels.
var widePanels = make(chan *widePanel, 64)

func takeWidePanel() *widePanel {
	select {
	case p := <-widePanels:
		return p
	default:
		return new(widePanel)
	}
}

func returnWidePanel(p *widePanel) {
	select {
	case widePanels <- p:
	default:
	}
}

func (w *int8Weights) Multiply(y Matrix, in *Input, from, to int, e *Epilogue) {
	if in.rows == 0 || from >= to {
		return
	}
	var wide []int16
	if w.shape.canWiden && in.rows >= widePanelRows {
		panel := takeWidePanel()
		defer returnWidePanel(panel)
		wide = panel[:]
	}
	// If kernels cannot write some panel to y, the last one is among those.
	if o := (output{e: e, width: min(w.shape.cols, to-(to-1)/w.shape.cols*w.shape.cols), cols: w.shape.cols}); o.direct() {
		w.multiply(y, in, from, to, e, nil, wide)
	} else {
		w.multiplyBySlab(y, in, from, to, e, wide)
	}
}

// multiplyBySlab is Multiply with room for sums, which costs time to clear.
//
//go:noinline
func (w *int8Weights) multiplyBySlab(y Matrix, in *Input, from, to int, e *Epilogue, wide []int16) {
	var sums slab
	w.multiply(y, in, from, to, e, &sums, wide)
}

// multiply is Multiply. sums may be nil if kernels can write all sums to y; wide, room
// for 16-bit weights, may be nil if the kernel reads packed ones.
func (w *int8Weights) multiply(y Matrix, in *Input, from, to int, e *Epilogue, sums *slab, wide []int16) {
	s := w.shapeFor(in.rows)
	cols, stride := s.cols, w.stride(s)
	var lastBias [maxIntCols]float32

	height := intBlockHeight(stride)
	for r0 := 0; r0 < in.rows; r0 += height {
		r1 := min(r0+height, in.rows)
		waiting := from
		for j := from; j < to; j += cols {
			o := output{y: y, e: e, r0: r0, r1: r1, j: j, width: min(cols, w.n-j), cols: cols}
			t := intTile{rows: r1 - r0, aRow: uintptr(stride), bias: o.bias(&lastBias)}
			t.y, t.yRow, t.add, t.addRow = o.target(sums)
			if t.add == nil && (len(w.parts) > 1 || w.rest != nil) && o.addFirst(sums) {
				t.add, t.addRow = t.y, t.yRow
			}
			for i := range w.parts {
				for v := w; v != nil; v = v.rest { // the weights, and their rest
					p := &v.parts[i]
					t.depth = p.depth
					t.colScales = unsafe.Pointer(&v.scales[j])
					t.b, t.sums = unsafe.Pointer(&v.q[j*w.depth+p.from*cols]), unsafe.Pointer(&p.sums[j])
					t.next = uintptr(t.b) + uintptr(p.depth*cols)
					t.zeros, t.scales = unsafe.Pointer(&in.sums[i*in.rows+r0]), unsafe.Pointer(&in.scales[i*in.rows+r0])
					at := r0 * stride
					switch {
					case s.wide:
						at += 2 * p.from
					case s.tiles:
						at += p.at * tileRows
					case s.pairs:
						at += 2 * p.at
					default:
						at += p.at
					}
					t.a = unsafe.Pointer(&in.bytes[at])
					t.wide = 0
					if p.wide > 0 && !s.wide {
						t.wide, t.bWide = p.wide, unsafe.Pointer(&p.q[j*p.wide])
						t.wideStart = unsafe.Pointer(&p.start[j])
					}
					n := p.depth * cols
					s.widened = n <= len(wide) && r1-r0 >= widePanelRows
					if s.widened {
						widenBytes(wide[:n], v.q[j*w.depth+p.from*cols:][:n])
						t.b = unsafe.Pointer(&wide[0])
					}
					s.multiply(&t)
					// The next part is added to y.
					t.bias, t.add, t.addRow = unsafe.Pointer(&zeros), t.y, t.yRow
				}
			}
			waiting = o.finishSome(sums, waiting, to)
		}
	}
}

// An output is a part of y, rows r0 to r1-1 by width columns from j on, which the
// micro-kernels compute in panels of cols columns.
type output struct {
	y              Matrix
	e              *Epilogue
	r0, r1         int
	j, width, cols int
	added          bool // the residual has been added
}

// bias returns the address of cols biases; last is room for those of a partial panel.
func (o *output) bias(last *[maxIntCols]float32) unsafe.Pointer {
	switch {
	case o.e.Bias == nil:
		return unsafe.Pointer(&zeros)
	case o.width == o.cols:
		return unsafe.Pointer(&o.e.Bias[o.j : o.j+o.cols][0])
	}
	clear(last[copy(last[:], o.e.Bias[o.j:o.j+o.width]):])
	return unsafe.Pointer(last)
}

// direct reports whether the micro-kernel can write to y: y must have room for a whole
// panel, and the remaining steps must be possible in y.
func (o *output) direct() bool {
	return o.width == o.cols && (o.e.Act == Identity || o.e.Residual.Rows == 0)
}

// target returns the destination of the micro-kernel, and what it adds.
func (o *output) target(sums *slab) (y unsafe.Pointer, yRow uintptr, add unsafe.Pointer, addRow uintptr) {
	if !o.direct() {
		return unsafe.Pointer(sums), uintptr(4 * o.cols), nil, 0
	}
	// Bounds of the last row are checked too: the micro-kernel checks nothing.
	_ = o.y.Row(o.r1 - 1)[o.j : o.j+o.cols]
	y, yRow = unsafe.Pointer(&o.y.Row(o.r0)[o.j]), uintptr(4*o.y.Stride)
	if r := o.e.Residual; r.Rows > 0 {
		_ = r.Row(o.r1 - 1)[o.j : o.j+o.cols]
		add, addRow = unsafe.Pointer(&r.Row(o.r0)[o.j]), uintptr(4*r.Stride)
	}
	return y, yRow, add, addRow
}

// addFirst copies the residual to sums, for the micro-kernel to add, if there is no
// activation. Sums of several parts then have the same order as when the micro-kernel
// writes to y.
func (o *output) addFirst(sums *slab) bool {
	if o.e.Act != Identity || o.e.Residual.Rows == 0 {
		return false
	}
	for i := o.r0; i < o.r1; i++ {
		row := sums[(i-o.r0)*o.cols:][:o.cols]
		clear(row[copy(row, o.e.Residual.Row(i)[o.j:o.j+o.width]):])
	}
	o.added = true
	return true
}

// finishSome is finish, except that the activation of columns of y from waiting on may
// be deferred until more panels, up to column to, are done: calls for a few numbers are
// slow. It returns the first deferred column.
func (o *output) finishSome(sums *slab, waiting, to int) int {
	end := o.j + o.width
	if o.direct() {
		if end < to && end-waiting < activateCols {
			return waiting
		}
		o.activate(waiting, end)
		return end
	}
	o.activate(waiting, o.j)
	o.finish(sums)
	return end
}

// activate applies the activation to columns from to to-1 of y.
func (o *output) activate(from, to int) {
	if o.e.Act == Identity || from >= to {
		return
	}
	for i := o.r0; i < o.r1; i++ {
		applyActivation(o.y.Row(i)[from:to], o.e.Act)
	}
}

// finish does the steps that the micro-kernel cannot do.
func (o *output) finish(sums *slab) {
	if o.direct() {
		o.activate(o.j, o.j+o.width)
		return
	}
	for i := o.r0; i < o.r1; i++ {
		dst := o.y.Row(i)[o.j : o.j+o.width]
		row := sums[(i-o.r0)*o.cols:][:o.width]
		applyActivation(row, o.e.Act)
		if o.e.Residual.Rows > 0 && !o.added {
			for c, r := range o.e.Residual.Row(i)[o.j : o.j+o.width] {
				row[c] += r
			}
		}
		copy(dst, row)
	}
}

// multiplyIntPortable is the definition of the micro-kernels, for panels in groups of four.
func multiplyIntPortable(t *intTile, cols int) {
	b := unsafe.Slice((*int8)(t.b), cols*t.depth)
	bWide := unsafe.Slice((*int8)(t.bWide), cols*t.wide)
	for i := range uintptr(t.rows) {
		a := unsafe.Slice((*int8)(unsafe.Add(t.a, i*t.aRow)), t.wide+t.depth)
		var sums [maxIntCols]int32
		if t.wide > 0 {
			copy(sums[:cols], unsafe.Slice((*int32)(t.wideStart), cols))
			addProducts(&sums, a[:t.wide], bWide, cols)
			for j := range sums {
				sums[j] <<= wideBits
			}
		}
		addProducts(&sums, a[t.wide:], b, cols)
		zero := *integer(t.zeros, 4*i)
		scale := *float(t.scales, 4*i)
		for j := range uintptr(cols) {
			s := sums[j] + zero**integer(t.sums, 4*j)
			v := float32(float32(s)*float32(scale**float(t.colScales, 4*j))) + *float(t.bias, 4*j)
			if t.add != nil {
				v += *float(t.add, i*t.addRow+4*j)
			}
			*float(t.y, i*t.yRow+4*j) = v
		}
	}
}

// addProducts adds the products of a and each of cols columns of b to the sum of the
// column.
func addProducts(sums *[maxIntCols]int32, a, b []int8, cols int) {
	const group = 4
	for l := 0; l+group <= len(a); l += group {
		x := a[l : l+group : l+group]
		x0, x1, x2, x3 := int32(x[0]), int32(x[1]), int32(x[2]), int32(x[3])
		w := b[l*cols:][:cols*group]
		for j := 0; j+group <= len(w); j += group {
			q := w[j : j+group : j+group]
			sums[j/group%maxIntCols] += x0*int32(q[0]) + x1*int32(q[1]) + x2*int32(q[2]) + x3*int32(q[3])
		}
	}
}
