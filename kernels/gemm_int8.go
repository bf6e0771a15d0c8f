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
	// unsigned shapes are for instructions that multiply unsigned by signed bytes.
	// Weights in blocks are then stored with 128 added to them; of others, the
	// activations are. What that adds to sums is taken off again.
	unsigned bool
	// wide activations take 16 bits, for instructions that have no exact product
	// of bytes. Weights take as many while they are multiplied: micro-kernels bring
	// them to 16 bits, or are given them so (widened), if they can take that (canWiden).
	wide, canWiden, widened bool
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
//
// The inputs are in one part or several. A row of activations becomes integers: a
// for each input, and each times the scale that the row has for the part.
// Instructions for bytes see the low byte of a+zero, where zero is such a number
// that one byte holds a+zero for all inputs of the part but the wide ones. Those
// have a high byte too, and the high bytes of a part's wide inputs stand before
// the low bytes of its inputs. What zero adds to a sum is zero times the sum of
// the output's weights.
type int8Weights struct {
	n, k    int
	shape   intShape
	depth   int    // k, filled up
	q       []int8 // panels
	scales  []float32
	allWide bool
	parts   []intPart
	row     int       // bytes of a row of activations
	narrow  []uint32  // for each input all ones, or 0 if it is wide
	sums    [][]int32 // of each output's weights, for units of inputs that parts are made of

	// rest is what rounding left of weights of 16 bits, or nil. It has the same parts.
	rest *int8Weights
}

// An intPart is some of the inputs.
type intPart struct {
	from, k, depth int     // the first one, how many they are, and that filled up
	at             int     // where in a row of activations the bytes of the part begin
	sums           []int32 // of each output's weights

	// The wide inputs: their numbers from the first one of the part (nil if all are
	// wide), how many they are when filled up, panels of their own, and where the
	// sums of their high bytes begin, which have 128 added to them if the shape is
	// unsigned.
	index    []int32
	wide     int
	q        []int8
	start    []int32
	wideStep float32 // the least scale of a row, divided by the largest of its wide activations
}

// A part's size is a multiple of partInputs, and there are maxParts at most.
const (
	partInputs = 64
	maxParts   = 8
)

// unitsOf is into how many parts k inputs can be cut.
func unitsOf(k int) int {
	for units := maxParts; units > 1; units /= 2 {
		if k%(units*partInputs) == 0 {
			return units
		}
	}
	return 1
}

// ByteLevels is how many steps PackInt8 has between the largest and the smallest
// activation of a row that is not wide.
const ByteLevels = byteLevels

// Activations of one byte have byteLevels steps between the smallest and the
// largest of their row, one less than a byte holds, because both zero and the
// largest may have been rounded up. Those of two bytes have maxWide at most on
// either side of 0, so that zero can be added to them.
const (
	wideBits   = 8
	byteLevels = 254
	maxWide    = 127 << wideBits
)

// PackInt8 packs n×k weights for multiplication in 8-bit integers. row is called
// once for each i from 0 to n-1, in order, and must fill dst, k numbers long,
// with the weights of output i.
//
// Each output's weights are rounded to multiples of its scale, the largest
// magnitude among them divided by 127. Weights of an output that are multiples of
// one number already, up to 127 times and within the accuracy of float16, as
// those of models that were made from 8-bit ones, keep that number as their
// scale.
//
// Activations are integers of up to 16 bits for the inputs that wide lists, in
// any order, and of 8 for the others. Each row's are rounded to multiples of its
// scale: the difference of the largest and the smallest of the others (or of 0,
// if that is beyond them) divided by 254, or the largest magnitude of the wide
// ones divided by 32512, whichever is larger. The products are summed exactly, in
// 32 bits, and where these would not hold them, wide activations have fewer:
//
//	y = act(float32(Σ qx·qw)·(scale of x·scale of w) + bias) + residual
//
// Wide inputs cost twice the time of others on instructions that multiply bytes.
//
// A row of activations that holds an infinity or a NaN gives NaN. Where k is
// beyond 65793, so that a sum might not fit in 32 bits, the weights stay
// float32.
func PackInt8(n, k int, wide []int, row func(i int, dst []float32)) Weights {
	return Widen(PackInt8A16(n, k, row), 1, wide)
}

// PackInt8A16 is PackInt8 with all inputs wide: weights of 8 bits, activations of
// up to 16.
func PackInt8A16(n, k int, row func(i int, dst []float32)) Weights {
	if k > maxIntInputs {
		return PackF32(n, k, row)
	}
	return packBytes(n, k, false, row)
}

// panel is a panel's weights.
func (w *int8Weights) panel(i int) []int8 {
	size := w.shape.cols * w.depth
	return w.q[i*size:][:size]
}

// sumsOf is the sums of each output's weights for units from to to-1.
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

// startOf is where the sums of high bytes begin whose weights have the given
// sums.
func (w *int8Weights) startOf(sums []int32) []int32 {
	start := make([]int32, len(sums))
	if w.shape.unsigned {
		for i, sum := range sums {
			start[i] = -1 << (wideBits - 1) * sum
		}
	}
	return start
}

// CanWiden says whether Widen changes weights of that kind.
func CanWiden(weights Weights) bool {
	_, ok := weights.(*int8Weights)
	return ok
}

// CanCut says whether Widen can cut k inputs into so many parts.
func CanCut(k, parts int) bool { return parts > 0 && unitsOf(k)%parts == 0 }

// Widen is the weights w, which PackInt8 or PackInt8A16 made and which it shares
// memory with, with other wide inputs. Weights of another kind it leaves as they
// are.
//
// The inputs are cut into equal parts, as CanCut says, for each of which a row of
// activations has a scale of its own. A part costs about as much as 24 inputs. The
// sums of the parts are exact; they are added up in float32, in order, beginning
// with the bias and the residual. If all inputs are wide there is one part.
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
	// What the sums of bytes leave of 32 bits is for the wide inputs.
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
	// The inputs that fill up have weights of 0.
	for len(p.index) < p.wide {
		p.index = append(p.index, 0)
	}
}

// Levels is how many times the largest magnitude in x is the number that all of x
// are multiples of, as weights are that were 8-bit numbers once. even is false,
// and the result 127, if there is no such number of at most 127 and at least 32
// times.
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

// stride is how many bytes lie between rows of activations, if those are not in
// tiles; then it is how many a row takes.
func (w *int8Weights) stride(s intShape) int {
	if s.tiles {
		return w.row
	}
	return rowStride(w.row)
}

// The tiles of activations for tile registers.
const (
	tileRows   = 16
	tileInputs = 64
)

// tileOf is where inputs 0 to 63 of row i of activations are, if they are in
// tiles; the next inputs are tileRows*tileInputs bytes after them.
func (w *int8Weights) tileOf(i int) int {
	return i/tileRows*tileRows*w.row + i%tileRows*tileInputs
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
	// Of each part those of all rows lie together.
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

// stepsOf is what a part of a row of activations is multiplied by to be integers,
// what brings these back, and what is added to them to be bytes. Rows that are not
// all finite become zeros with a scale of NaN.
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

// quantiseHigh writes the high bytes of a part's wide activations from the from-th
// on, as many as dst is long.
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

// quantiseApart writes the bytes of a part of row i where those of one row do not
// lie together.
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

// intTile says to a micro-kernel what to compute: sums of products of bytes,
// which are exact, and what is made of them.
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
	next              uintptr // address of weights that are wanted soon, or of anything
}

// multiply computes t, whatever its height.
func (s intShape) multiply(t *intTile) {
	piece := *t
	for left := t.rows; ; {
		piece.rows = s.height(left)
		s.tile(&piece)
		if left -= piece.rows; left == 0 {
			return // pointers must not leave what they point to
		}
		n := uintptr(piece.rows)
		piece.a = unsafe.Add(piece.a, n*piece.aRow)
		piece.zeros = unsafe.Add(piece.zeros, 4*n)
		piece.scales = unsafe.Add(piece.scales, 4*n)
		piece.y = unsafe.Add(piece.y, n*piece.yRow)
		if piece.add != nil {
			piece.add = unsafe.Add(piece.add, n*piece.addRow)
		}
		// 12 rows by 32 columns ask for 4 bytes an input, as do 6 by 16.
		piece.next += n * uintptr(piece.depth) * 32 / uintptr(3*s.cols)
	}
}

// pieceOf is the height of the first of the pieces into which rows rows are cut
// so that none is higher than highest and all are of about the same height.
func pieceOf(rows, highest int) int {
	pieces := (rows + highest - 1) / highest
	return (rows + pieces - 1) / pieces
}

// float is the number at an offset in bytes from p.
func float(p unsafe.Pointer, offset uintptr) *float32 { return (*float32)(unsafe.Add(p, offset)) }

// integer is the same for integers.
func integer(p unsafe.Pointer, offset uintptr) *int32 { return (*int32)(unsafe.Add(p, offset)) }

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

// A widePanel is where a panel's weights are in 16 bits while many rows are
// multiplied by them, in the order that they are packed in.
type widePanel [widePanelInputs * maxWideCols]int16

// Panels of up to widePanelInputs inputs are widened for blocks of at least
// widePanelRows rows; for fewer, that would take longer than it saves.
const (
	widePanelInputs = 4096
	maxWideCols     = 16
	widePanelRows   = 18
)

// widePanels are those that nobody uses now.
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
	// The last panel is one that kernels cannot write to y, if any is.
	if o := (output{e: e, width: min(w.shape.cols, to-(to-1)/w.shape.cols*w.shape.cols), cols: w.shape.cols}); o.direct() {
		w.multiply(y, in, from, to, e, nil, wide)
	} else {
		w.multiplyBySlab(y, in, from, to, e, wide)
	}
}

// multiplyBySlab is Multiply with room for sums, which takes time to clear.
//
//go:noinline
func (w *int8Weights) multiplyBySlab(y Matrix, in *Input, from, to int, e *Epilogue, wide []int16) {
	var sums slab
	w.multiply(y, in, from, to, e, &sums, wide)
}

// multiply is Multiply; sums may be nil if kernels can write all sums to y, and wide,
// the room for weights of 16 bits, if the kernel takes them as they are packed.
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
					// The next part is added to it.
					t.bias, t.add, t.addRow = unsafe.Pointer(&zeros), t.y, t.yRow
				}
			}
			waiting = o.finishSome(sums, waiting, to)
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
	added          bool // the residual is
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

// addFirst puts the residual in sums, as what the micro-kernel adds, if it would be
// added there with nothing between: so sums of several parts are made in the same
// order as where the micro-kernel writes to y.
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

// finishSome is finish, but activations of what stands in y, from column waiting on,
// may wait for the panels that follow, up to column to: a call for a few numbers takes
// longer than they do. It returns the first column that waits.
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

// finish does what the micro-kernel left to do.
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

// multiplyIntPortable is the definition of the micro-kernels, for panels in groups
// of four.
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
