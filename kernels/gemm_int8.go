package kernels

import (
	"math"
	"unsafe"
)

// An intShape is how one of the integer micro-kernels wants its operands.
//
// Weights lie in panels of cols outputs. In a panel, group inputs of one output
// lie side by side, then the same inputs of the next output, and so on; after
// all outputs of the panel come the next group inputs. Activations lie row by
// row. Both are filled up with zeros to a multiple of depth inputs.
type intShape struct {
	rung  uint8
	cols  int
	group int
	depth int
	// unsigned weights are stored with 128 added to them, for instructions that
	// multiply unsigned by signed bytes. What that adds to a sum is 128 times
	// the sum of the row's activations, and is taken off where the sum begins.
	unsigned bool
	// wide activations take 16 bits, for instructions that have no exact product
	// of bytes.
	wide bool
	// pairs of rows of activations are interleaved by 8 inputs.
	pairs bool
	// tiles of 16 rows of activations by 64 inputs lie together.
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

// maxIntInputs is the largest number of inputs whose products of bytes, one of
// them unsigned, are sure to add up within 31 bits.
const maxIntInputs = math.MaxInt32 / (255 * 128)

// padded is k filled up to a multiple of depth.
func (s intShape) padded(k int) int { return (k + s.depth - 1) / s.depth * s.depth }

// size is how many bytes an activation takes.
func (s intShape) size() int {
	if s.wide {
		return 2
	}
	return 1
}

// rowStride is how many bytes lie between rows of activations that take bytes:
// an odd number of cache lines, so that neighbouring rows do not compete for the
// same set of the cache.
func rowStride(bytes int) int {
	return (bytes+cacheLine-1)/cacheLine*cacheLine | cacheLine
}

// index is where the weight of output c and input l stands in its panel.
func (s intShape) index(c, l int) int {
	return l/s.group*s.group*s.cols + c*s.group + l%s.group
}

// store is the packed form of weight q.
func (s intShape) store(q int8) int8 {
	if s.unsigned {
		return q ^ -128
	}
	return q
}

// int8Weights is a matrix of n rows (outputs) by k columns (inputs) of numbers
// from -127 to 127, each times its output's scale.
type int8Weights struct {
	n, k   int
	shape  intShape
	depth  int    // k, filled up
	q      []int8 // panels
	scales []float32
	limit  float32 // activations are rounded to integers up to it
	terms  int     // bytes of an activation that instructions for bytes multiply
}

// Activations of two terms are 64 times a byte, and another byte.
const (
	termBits = 6
	maxTerms = 127<<termBits - 1
)

// PackInt8 packs n×k weights for multiplication in 8-bit integers. row is called
// once for each i from 0 to n-1, in order, and must fill dst, k numbers long,
// with the weights of output i.
//
// Each output's weights are rounded to multiples of its scale, the largest
// magnitude among them divided by 127, and each row's activations likewise. The
// products are summed exactly, in 32 bits:
//
//	y = act(float32(Σ qx·qw)·(scale of x·scale of w) + bias) + residual
//
// Weights of an output that are multiples of one number already, up to 127 times
// and within the accuracy of float16, as those of models that were made from
// 8-bit ones, keep that number as their scale.
//
// A row of activations that holds an infinity or a NaN gives NaN. Where k is
// beyond 65793, so that a sum might not fit in 32 bits, the weights stay
// float32.
func PackInt8(n, k int, row func(i int, dst []float32)) Weights {
	return packInt8(n, k, row, 1)
}

// PackInt8x14 is PackInt8 with activations of up to 14 bits: each row's are rounded
// to multiples of the largest magnitude among them divided by 8127, or by less
// where k is beyond 2080, so that sums still fit in 32 bits. Instructions that
// multiply bytes need twice the time for it.
func PackInt8x14(n, k int, row func(i int, dst []float32)) Weights {
	return packInt8(n, k, row, 2)
}

func packInt8(n, k int, row func(i int, dst []float32), terms int) Weights {
	if k > maxIntInputs {
		return PackF32(n, k, row)
	}
	shape := features.ints
	depth := shape.padded(max(k, 1))
	panels := (n + shape.cols - 1) / shape.cols
	w := &int8Weights{
		n: n, k: k, shape: shape, depth: depth, limit: 127, terms: terms,
		q:      aligned[int8](panels * shape.cols * depth),
		scales: aligned[float32](panels * shape.cols),
	}
	if terms == 2 {
		w.limit = float32(min(maxTerms, math.MaxInt32/(127*max(k, 1))))
	}
	if shape.wide {
		w.terms = 1 // of 16 bits
	}
	if shape.unsigned {
		for i := range w.q {
			w.q[i] = -128
		}
	}
	numbers, q := make([]float32, k), make([]int8, k)
	for i := range n {
		row(i, numbers)
		limit, _ := Levels(numbers)
		inverse, scale := scaleOf(largest(numbers), limit)
		quantise(q, numbers, inverse)
		w.scales[i] = scale
		panel := w.q[i/shape.cols*shape.cols*depth:][:shape.cols*depth]
		for l, x := range q {
			panel[shape.index(i%shape.cols, l)] = shape.store(x)
		}
	}
	return w
}

// Levels is how many times the largest magnitude in x is the number that all of x
// are multiples of, as weights are that were 8-bit numbers once. even is false,
// and the result 127, if there is no such number of at most 127 and at least 32
// times.
func Levels(x []float32) (levels float32, even bool) {
	top := math.Float32frombits(largest(x))
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
	if w.limit > 127 {
		return "int8x14"
	}
	return "int8"
}
func (w *int8Weights) Panel() int { return w.shape.cols }
func (w *int8Weights) Bytes() int { return len(w.q) + 4*len(w.scales) }

// fewRows is up to how many rows instructions for vectors are faster than those
// for tiles.
const fewRows = 4

// shapeFor is the shape in which rows rows are multiplied: tiles of a few are not
// worth it, and vectors read the same panels.
func (w *int8Weights) shapeFor(rows int) intShape {
	s := w.shape
	if s.tiles && rows <= fewRows {
		s.rung, s.tiles = intAVX512VNNI, false
	}
	return s
}

// bytes is how many bytes a row of activations takes.
func (w *int8Weights) bytes() int { return w.depth * w.shape.size() * w.terms }

// stride is how many bytes lie between rows of activations, if those are not in
// tiles; then it is how many a row takes.
func (w *int8Weights) stride(s intShape) int {
	if s.tiles {
		return w.bytes()
	}
	return rowStride(w.bytes())
}

// The tiles of activations for tile registers.
const (
	tileRows   = 16
	tileInputs = 64
)

// tileOf is where inputs 0 to 63 of row i of activations are, if they are in
// tiles; the next inputs are tileRows*tileInputs bytes after them, and the second
// terms after all of the first ones of the same rows.
func (w *int8Weights) tileOf(i int) int {
	return i/tileRows*tileRows*w.bytes() + i%tileRows*tileInputs
}

// intRows is how far the micro-kernels may read, but not use, rows that follow
// the last one: up to a multiple of it.
const intRows = 32

// reserveInts makes room in in for rows rows of stride bytes each.
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
	if cap(in.scales) < rows {
		in.scales = make([]float32, rows)
	} else {
		in.scales = in.scales[:rows]
	}
	if cap(in.sums) < rows {
		in.sums = make([]int32, rows)
	} else {
		in.sums = in.sums[:rows]
	}
}

func (w *int8Weights) Prepare(in *Input, x Matrix, from, to int) {
	s := w.shapeFor(in.rows)
	if w.prepareVector(s, in, x, from, to) {
		return
	}
	stride := w.stride(s)
	for i := from; i < to; i++ {
		row := x.Row(i)
		inverse, scale := scaleOf(largest(row), w.limit)
		dst := in.bytes[min(i*stride, len(in.bytes)):]
		var sum int32
		switch {
		case s.tiles:
			sum = quantiseTiles(in.bytes[w.tileOf(i):], w.depth, w.terms, row, inverse)
		case s.wide:
			sum = quantiseWide(wideOf(dst[:w.bytes()]), row, inverse)
		case s.pairs:
			first := i &^ 1 * stride
			sum = quantisePairs(in.bytes[first : first+2*w.bytes()][8*(i&1):], w.depth, w.terms, row, inverse)
		case w.terms == 2:
			sum = quantiseTerms(dst[:w.depth], dst[w.depth:][:w.depth], row, inverse)
		default:
			sum = quantise(dst[:w.depth], row, inverse)
		}
		in.scales[i] = scale
		in.sums[i] = 0
		if s.unsigned {
			in.sums[i] = -128 >> (termBits * (w.terms - 1)) * sum
		}
	}
}

// intTile says to a micro-kernel what to compute: sums of products of bytes,
// which are exact, and what is made of them.
//
//	for i := range rows {
//		for j := range cols { // all columns of the kernel's panel
//			s := sums[i]
//			for term := range terms {
//				s <<= 6 * term
//				for l := range depth {
//					s += int32(a[i*aRow+term*depth+l]) * int32(b[index(j, l)])
//				}
//			}
//			v := float32(float32(s)*float32(scales[i]*colScales[j])) + bias[j]
//			if add != nil {
//				v += add[i*addRow+j]
//			}
//			y[i*yRow+j] = v
//		}
//	}
//
// Every float32 operation is rounded. All strides are in bytes.
type intTile struct {
	rows, depth, terms int
	a                  unsafe.Pointer
	aRow               uintptr
	b                  unsafe.Pointer
	sums               unsafe.Pointer
	scales             unsafe.Pointer
	colScales          unsafe.Pointer
	bias               unsafe.Pointer
	y                  unsafe.Pointer
	yRow               uintptr
	add                unsafe.Pointer // nil: nothing is added
	addRow             uintptr
}

// below is the tile of rows rows that begins n rows below t.
func (t intTile) below(n, rows int) intTile {
	t.rows = rows
	t.a = unsafe.Add(t.a, uintptr(n)*t.aRow)
	t.sums = unsafe.Add(t.sums, 4*n)
	t.scales = unsafe.Add(t.scales, 4*n)
	t.y = unsafe.Add(t.y, uintptr(n)*t.yRow)
	if t.add != nil {
		t.add = unsafe.Add(t.add, uintptr(n)*t.addRow)
	}
	return t
}

// pieceOf is the height of the first of the pieces into which rows rows are cut
// so that none is higher than highest and all are of about the same height.
func pieceOf(rows, highest int) int {
	pieces := (rows + highest - 1) / highest
	return (rows + pieces - 1) / pieces
}

// float is the number at an offset in bytes from p.
func float(p unsafe.Pointer, offset uintptr) *float32 { return (*float32)(unsafe.Add(p, offset)) }

// Rows are taken in blocks of at most intBlockRows and of about intBlockBytes
// bytes of activations, which stay in the second-level cache while all panels
// pass by.
const (
	intBlockRows  = 256
	intBlockBytes = 384 << 10
)

// intBlockHeight is the height of the blocks for rows of stride bytes.
func intBlockHeight(stride int) int {
	return min(intBlockRows, max(2*intRows, intBlockBytes/stride&^(intRows-1)))
}

// A slab is where sums wait that cannot be written to y yet.
type slab [intBlockRows * maxIntCols]float32

func (w *int8Weights) Multiply(y Matrix, in *Input, from, to int, e *Epilogue) {
	if in.rows == 0 || from >= to {
		return
	}
	s := w.shapeFor(in.rows)
	cols, stride := s.cols, w.stride(s)
	var sums slab
	var lastBias [maxIntCols]float32

	height := intBlockHeight(stride)
	for r0 := 0; r0 < in.rows; r0 += height {
		r1 := min(r0+height, in.rows)
		for j := from; j < to; j += cols {
			o := output{y: y, e: e, r0: r0, r1: r1, j: j, width: min(cols, w.n-j), cols: cols}
			t := intTile{
				rows: r1 - r0, depth: w.depth, terms: w.terms,
				a: unsafe.Pointer(&in.bytes[r0*stride]), aRow: uintptr(stride),
				b:    unsafe.Pointer(&w.q[j*w.depth]),
				sums: unsafe.Pointer(&in.sums[r0]), scales: unsafe.Pointer(&in.scales[r0]),
				colScales: unsafe.Pointer(&w.scales[j]),
				bias:      o.bias(&lastBias),
			}
			t.y, t.yRow, t.add, t.addRow = o.target(&sums)
			s.multiply(&t)
			o.finish(&sums)
		}
	}
}

// An output is a part of y, rows r0 to r1-1 by width columns from j, that the
// micro-kernels make in panels of cols columns.
type output struct {
	y              Matrix
	e              *Epilogue
	r0, r1         int
	j, width, cols int
}

// bias is the address of the biases, cols numbers long; last is room for those
// of a panel that is not full.
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

// direct says whether the micro-kernel can write to y itself: y must have room
// for a whole panel, and no more must be left to do than can be done in y.
func (o *output) direct() bool {
	return o.width == o.cols && (o.e.Act == Identity || o.e.Residual.Rows == 0)
}

// target is where the micro-kernel writes to, and what it adds.
func (o *output) target(sums *slab) (y unsafe.Pointer, yRow uintptr, add unsafe.Pointer, addRow uintptr) {
	if !o.direct() {
		return unsafe.Pointer(sums), uintptr(4 * o.cols), nil, 0
	}
	// The last row is looked at too: the micro-kernel checks nothing.
	_ = o.y.Row(o.r1 - 1)[o.j : o.j+o.cols]
	y, yRow = unsafe.Pointer(&o.y.Row(o.r0)[o.j]), uintptr(4*o.y.Stride)
	if r := o.e.Residual; r.Rows > 0 {
		_ = r.Row(o.r1 - 1)[o.j : o.j+o.cols]
		add, addRow = unsafe.Pointer(&r.Row(o.r0)[o.j]), uintptr(4*r.Stride)
	}
	return y, yRow, add, addRow
}

// finish does what the micro-kernel left to do.
func (o *output) finish(sums *slab) {
	direct := o.direct()
	if direct && o.e.Act == Identity {
		return
	}
	for i := o.r0; i < o.r1; i++ {
		dst := o.y.Row(i)[o.j : o.j+o.width]
		if direct {
			applyActivation(dst, o.e.Act)
			continue
		}
		row := sums[(i-o.r0)*o.cols:][:o.width]
		applyActivation(row, o.e.Act)
		if o.e.Residual.Rows > 0 {
			for c, r := range o.e.Residual.Row(i)[o.j : o.j+o.width] {
				row[c] += r
			}
		}
		copy(dst, row)
	}
}

// multiplyIntPortable is the definition of the micro-kernels, for panels of
// signed weights in groups of four.
func multiplyIntPortable(t *intTile, cols int) {
	b := unsafe.Slice((*int8)(t.b), cols*t.depth)
	for i := range uintptr(t.rows) {
		a := unsafe.Slice((*int8)(unsafe.Add(t.a, i*t.aRow)), t.terms*t.depth)
		var sums [maxIntCols]int32
		for len(a) > 0 {
			for j := range sums {
				sums[j] <<= termBits
			}
			addProducts(&sums, a[:t.depth], b, cols)
			a = a[t.depth:]
		}
		scale := *float(t.scales, 4*i)
		for j := range uintptr(cols) {
			v := float32(float32(sums[j])*float32(scale**float(t.colScales, 4*j))) + *float(t.bias, 4*j)
			if t.add != nil {
				v += *float(t.add, i*t.addRow+4*j)
			}
			*float(t.y, i*t.yRow+4*j) = v
		}
	}
}

// addProducts adds to the sum of each of cols columns the products of a and the
// column of b.
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
