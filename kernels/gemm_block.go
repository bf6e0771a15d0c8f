package kernels

import (
	"encoding/binary"
	"math"
	"unsafe"

	"github.com/winnow-rerank/winnow/quant"
)

// A blockKind is how the numbers of a row are cut into blocks with their own scales.
type blockKind uint8

const (
	blocks32        blockKind = iota // 32 numbers, a scale
	blocks32Offsets                  // 32 numbers, a scale and an offset
	super16                          // 16 numbers, a factor; a scale for 16 blocks
	super32Offsets                   // 32 numbers, factors of scale and offset; a scale and an offset for 8 blocks
)

// superInputs is the size of a superblock: numbers that share the scale of blocks with
// integer factors.
const superInputs = 256

// size returns how many numbers a block holds.
func (b blockKind) size() int {
	if b == super16 {
		return 16
	}
	return 32
}

// super reports whether blocks have integer factors, and their superblock the scale.
func (b blockKind) super() bool { return b >= super16 }

// offsets reports whether blocks have offsets.
func (b blockKind) offsets() bool { return b == blocks32Offsets || b == super32Offsets }

// panelBytes returns the size of a block in a panel: for each column a float32 scale or an
// int32 factor, an offset if blocks32Offsets, and the numbers.
func (s intShape) panelBytes(b blockKind) int {
	if b == blocks32Offsets {
		return s.cols * (4 + 4 + b.size())
	}
	return s.cols * (4 + b.size())
}

// corrected reports whether weights are stored with 128 added, whose effect on sums must be
// subtracted. Codes of blocks with offsets are not negative and need no addition.
func (s intShape) corrected(b blockKind) bool { return s.unsigned && !b.offsets() }

// hasPairs reports whether pairs follow the blocks of a superblock: for each two blocks and
// each column, two 16-bit integers, the factors of the offsets, or those of the scales to
// correct sums with.
func (s intShape) hasPairs(b blockKind) bool { return b == super32Offsets || s.corrected(b) }

// blockHeader is the size of the header of a block of activations: the initial value of
// its sums, an int32, and a float32 scale. If the kind has offsets, the first 4 bytes
// are instead the factor of the offsets, the float32 sum of the activations, and sums
// begin at 0.
//
// superTrailer is the size of the trailer of a superblock of activations, which follows
// its 256 numbers: a float32 scale and, at superSums, the 16-bit sums of its blocks of
// integers.
const (
	blockHeader  = 8
	superTrailer = 64
	superSums    = 32
)

// rowBytes returns the size of blocks, or of their superblocks, in a row of activations.
func (s intShape) rowBytes(b blockKind, blocks int) int {
	if b.super() {
		return blocks * b.size() / superInputs * (superInputs*s.size() + superTrailer)
	}
	return blocks * (blockHeader + b.size()*s.size())
}

// blockTile is the argument of a micro-kernel, which computes exact sums over the
// products of each block and adds them up in float32 in the order of the blocks:
//
//	for i := range rows {
//		for j := range cols { // all columns of the kernel's panel
//			s := c[i*cRow+j]
//			for l := range blocks {
//				x, w := block l of row i of a, block l of column j of b
//				sum := x.start
//				for p := range block {
//					sum += int32(x.q[p]) * int32(w.q[p])
//				}
//				s = fma(float32(sum), float32(x.scale*w.scale), s)
//				if kind == blocks32Offsets {
//					s = fma(x.sum, w.offset, s)
//				}
//			}
//			if add != nil {
//				s += add[i*addRow+j]
//			}
//			y[i*yRow+j] = s
//		}
//	}
//
// A kernel for superblocks takes one of them, whose blocks have integers instead of scales:
//
//	s := c[i*cRow+j]
//	sum, offset := int32(0), int32(0)
//	for l := range blocks {
//		x, w := block l of row i of a, block l of column j of b
//		for p := range block {
//			sum += w.factor * int32(x.q[p]) * int32(w.q[p])
//		}
//		if kind == super32Offsets {
//			offset += w.offset * x.sum
//		}
//	}
//	s = fma(float32(sum), float32(a.scale*b.scale), s)
//	if kind == super32Offsets {
//		s = fma(float32(offset), float32(a.scale*b.offset), s)
//	}
//
// Its b is the blocks, the pairs if there are any, the float32 scales of the columns
// and, for super32Offsets, their offsets.
//
// All strides are in bytes.
type blockTile struct {
	rows, blocks int
	a            unsafe.Pointer
	aRow         uintptr
	b            unsafe.Pointer
	c            unsafe.Pointer
	cRow         uintptr
	y            unsafe.Pointer
	yRow         uintptr
	add          unsafe.Pointer // nil: nothing is added
	addRow       uintptr
}

// below returns the tile of rows rows that begins n rows below t.
func (t blockTile) below(n, rows int) blockTile {
	t.rows = rows
	t.a = unsafe.Add(t.a, uintptr(n)*t.aRow)
	t.c = unsafe.Add(t.c, uintptr(n)*t.cRow)
	t.y = unsafe.Add(t.y, uintptr(n)*t.yRow)
	if t.add != nil {
		t.add = unsafe.Add(t.add, uintptr(n)*t.addRow)
	}
	return t
}

// blockWeights is a matrix of n rows (outputs) by k columns (inputs) in blocks of
// inputs with their own scales. The blocks of a panel are consecutive.
//
// Weights are stored either in the form that the micro-kernels read, or as codes of fewer
// bits, which are unpacked in windows of inputs during multiplication.
type blockWeights struct {
	name  string
	n, k  int
	kind  blockKind
	shape intShape
	q     []int8
	code  *blockCode // nil: q is in the form that the micro-kernels read

	signed *blockCode // code for signed weights
}

// PackQ8_0 packs n×k weights in GGML's type Q8_0, as they are in the file: rows of
// blocks of 32 numbers of 8 bits, each with a float16 scale. k must be a multiple of 32
// and data n·k/32·34 bytes long.
//
// Activations are rounded, per block of 32, to multiples of their largest magnitude
// divided by 127, and that scale to float16, as in GGML's type Q8_0. The products of a
// block are summed exactly; blocks are added up in float32, in order, starting with the
// bias.
func PackQ8_0(n, k int, data []byte) Weights {
	const bytes = 34
	w := &blockWeights{name: "q8_0", n: n, k: k, kind: blocks32, shape: features.blocks}
	cols, panelBytes := w.shape.cols, w.shape.panelBytes(w.kind)
	blocks := k / 32
	w.q = aligned[int8]((n + cols - 1) / cols * blocks * panelBytes)
	for i := range n {
		for l := range blocks {
			src := data[(i*blocks+l)*bytes:][:bytes]
			dst := w.q[(i/cols*blocks+l)*panelBytes:][:panelBytes]
			scale := quant.Half(binary.LittleEndian.Uint16(src))
			*float(unsafe.Pointer(&dst[0]), uintptr(4*(i%cols))) = scale
			for p, x := range src[2:] {
				dst[4*cols+w.shape.index(i%cols, p)] = w.shape.store(int8(x))
			}
		}
	}
	return w
}

func (w *blockWeights) Outputs() int { return w.n }
func (w *blockWeights) Inputs() int  { return w.k }
func (w *blockWeights) Kind() string { return w.name }
func (w *blockWeights) Panel() int   { return w.shape.cols }
func (w *blockWeights) Bytes() int   { return len(w.q) }

// stride returns the distance between rows of activations in bytes.
func (w *blockWeights) stride() int {
	return rowStride(w.shape.rowBytes(w.kind, w.k/w.kind.size()))
}

func (w *blockWeights) Reserve(in *Input, rows int) { reserveInts(in, rows, w.stride()) }

func (w *blockWeights) Prepare(in *Input, x Matrix, from, to int) {
	stride := w.stride()
	for i := from; i < to; i++ {
		dst := in.bytes[i*stride : (i+1)*stride]
		if w.kind.super() {
			quantiseSuper(dst, x.Row(i), w.kind, w.shape)
		} else {
			quantiseBlocks(dst, x.Row(i), w.kind, w.shape)
		}
	}
}

// quantiseBlocks writes the blocks of a row of activations.
func quantiseBlocks(dst []int8, x []float32, kind blockKind, shape intShape) {
	size, bytes := kind.size(), shape.rowBytes(kind, 1)
	n := quantiseBlocksVector(dst, x, kind, shape)
	x, dst = x[n:], dst[n/size*bytes:]
	for ; len(x) >= size; x, dst = x[size:], dst[bytes:] {
		inverse, scale := scaleOf(Largest(x[:size]), 127)
		var sum int32
		if q := dst[blockHeader:bytes]; shape.wide {
			sum = quantiseWide(wideOf(q), x[:size], inverse)
		} else {
			sum = quantise(q, x[:size], inverse)
		}
		var start uint32
		switch {
		case kind == blocks32Offsets:
			start = math.Float32bits(roundToHalf(float32(sum) * scale))
		case shape.unsigned:
			start = uint32(-128 * sum)
		}
		header := unsafe.Pointer(&dst[0])
		*(*uint32)(header) = start
		*float(header, 4) = roundToHalf(scale)
	}
}

// roundToHalf returns x rounded to float16, or x if that would be infinite.
func roundToHalf(x float32) float32 {
	if h := quant.Half(quant.HalfBits(x)); math.Abs(float64(h)) <= math.MaxFloat32 {
		return h
	}
	return x
}

// quantiseSuper writes the superblocks of a row of activations.
func quantiseSuper(dst []int8, x []float32, kind blockKind, shape intShape) {
	size, numbers := kind.size(), superInputs*shape.size()
	for ; len(x) >= superInputs; x, dst = x[superInputs:], dst[numbers+superTrailer:] {
		inverse, scale := scaleOf(Largest(x[:superInputs]), 127)
		if inverse != 0 {
			scale = 1 / inverse
		}
		trailer := unsafe.Pointer(&dst[numbers : numbers+superTrailer][0])
		*float(trailer, 0) = scale
		sums := unsafe.Slice((*int16)(unsafe.Add(trailer, superSums)), superInputs/size)
		if quantiseSuperVector(dst[:numbers], x[:superInputs], inverse, sums, shape) {
			continue
		}
		for i := range sums {
			q := dst[i*size*shape.size():][:size*shape.size()]
			if block := x[i*size:][:size]; shape.wide {
				sums[i] = int16(quantiseWide(wideOf(q), block, inverse))
			} else {
				sums[i] = int16(quantise(q, block, inverse))
			}
		}
	}
}

func (w *blockWeights) Multiply(y Matrix, in *Input, from, to int, e *Epilogue) {
	if in.rows == 0 || from >= to || w.multiplyRow(y, in, from, to, e) || w.multiplyTiles(y, in, from, to, e) {
		return
	}
	cols, stride := w.shape.cols, w.stride()
	blocks, panelBytes := w.k/w.kind.size(), w.shape.panelBytes(w.kind)
	var sums slab
	var lastBias [maxIntCols]float32
	var room [(windowBytes + cacheLine) / 4]float32
	scratch := fromCacheLine(room[:])
	window := max(blocks, 1)
	if w.code != nil {
		window = windowInputs / w.kind.size()
	}

	height := intBlockHeight(stride)
	for r0 := 0; r0 < in.rows; r0 += height {
		r1 := min(r0+height, in.rows)
		waiting := from
		for j := from; j < to; j += cols {
			o := output{y: y, e: e, r0: r0, r1: r1, j: j, width: min(cols, w.n-j), cols: cols}
			t := blockTile{
				rows: r1 - r0,
				a:    unsafe.Pointer(&in.bytes[r0*stride]), aRow: uintptr(stride),
				c: o.bias(&lastBias),
			}
			for l := 0; l == 0 || l < blocks; l += window {
				t.blocks = min(window, blocks-l)
				switch {
				case blocks == 0:
				case w.code == nil:
					t.b = unsafe.Pointer(&w.q[(j/cols*blocks+l)*panelBytes])
				default:
					w.unpack(w.code, scratch, j/cols, l/window, t.blocks)
					t.b = unsafe.Pointer(&scratch[0])
				}
				if l+window >= blocks {
					t.y, t.yRow, t.add, t.addRow = o.target(&sums)
				} else {
					t.y, t.yRow = unsafe.Pointer(&sums), uintptr(4*cols)
				}
				w.shape.multiplyBlocks(&t, w.kind)
				if l+window < blocks {
					t.a = unsafe.Add(t.a, w.shape.rowBytes(w.kind, t.blocks))
				}
				t.c, t.cRow = unsafe.Pointer(&sums), uintptr(4*cols)
			}
			waiting = o.finishSome(&sums, waiting, to)
		}
	}
}

// multiplyRow is Multiply for a single row, if there is a kernel for the codes.
func (w *blockWeights) multiplyRow(y Matrix, in *Input, from, to int, e *Epilogue) bool {
	if in.rows != 1 || w.k == 0 || !w.rowOfCodes() {
		return false
	}
	cols, panel := w.shape.cols, w.code.bytes(w.shape, w.kind, w.k)
	var sums slab
	var lastBias [maxIntCols]float32
	for j := from; j < to; j += cols {
		o := output{y: y, e: e, r1: 1, j: j, width: min(cols, w.n-j), cols: cols}
		t := blockTile{rows: 1, blocks: w.k / windowInputs, a: unsafe.Pointer(&in.bytes[0]),
			b: unsafe.Pointer(&w.q[j/cols*panel]), c: o.bias(&lastBias)}
		t.y, t.yRow, t.add, t.addRow = o.target(&sums)
		w.multiplyCodes(&t)
		o.finish(&sums)
	}
	return true
}

// fromCacheLine returns the memory of room, which is one cache line longer than
// windowBytes, from the start of a cache line.
func fromCacheLine(room []float32) []int8 {
	from := int(-uintptr(unsafe.Pointer(&room[0])) % cacheLine)
	return unsafe.Slice((*int8)(unsafe.Pointer(&room[0])), 4*len(room))[from:]
}

// multiplyBlocksPortable is the definition of the micro-kernels, for signed weights in
// groups of four.
func multiplyBlocksPortable(t *blockTile, kind blockKind, s intShape) {
	size, panelBytes, rowBytes := kind.size(), s.panelBytes(kind), s.rowBytes(kind, 1)
	for i := range uintptr(t.rows) {
		var total [maxIntCols]float32
		for j := range s.cols {
			total[j] = *float(t.c, i*t.cRow+4*uintptr(j))
		}
		if a := unsafe.Add(t.a, i*t.aRow); kind.super() {
			if t.blocks > 0 {
				addSuperPortable(&total, a, t.b, kind, s)
			}
		} else {
			for l := range t.blocks {
				x, w := unsafe.Add(a, l*rowBytes), unsafe.Add(t.b, l*panelBytes)
				numbers := panelBytes - size*s.cols
				var sums [maxIntCols]int32
				addProducts(&sums, unsafe.Slice((*int8)(unsafe.Add(x, blockHeader)), size),
					unsafe.Slice((*int8)(unsafe.Add(w, numbers)), size*s.cols), s.cols)
				scale := *float(x, 4)
				for j := range uintptr(s.cols) {
					total[j] = fma32(float32(sums[j]), scale**float(w, 4*j), total[j])
					if kind == blocks32Offsets {
						total[j] = fma32(*float(x, 0), *float(w, 4*(uintptr(s.cols)+j)), total[j])
					}
				}
			}
		}
		for j := range uintptr(s.cols) {
			v := total[j]
			if t.add != nil {
				v += *float(t.add, i*t.addRow+4*j)
			}
			*float(t.y, i*t.yRow+4*j) = v
		}
	}
}

// addSuperPortable adds the products of the superblock of activations at a and that of
// weights at b to total.
func addSuperPortable(total *[maxIntCols]float32, a, b unsafe.Pointer, kind blockKind, s intShape) {
	size, blocks := kind.size(), superInputs/kind.size()
	q := unsafe.Slice((*int8)(a), superInputs)
	trailer := unsafe.Add(a, superInputs)
	var sums, offsets [maxIntCols]int32
	for l := range blocks {
		w := unsafe.Add(b, l*s.panelBytes(kind))
		factors := unsafe.Slice((*int32)(w), s.cols)
		var block [maxIntCols]int32
		addProducts(&block, q[l*size:][:size], unsafe.Slice((*int8)(unsafe.Add(w, 4*s.cols)), size*s.cols), s.cols)
		for j, f := range factors {
			sums[j] += f * block[j]
		}
	}
	b = unsafe.Add(b, blocks*s.panelBytes(kind))
	if kind == super32Offsets {
		pairs := unsafe.Slice((*int16)(b), blocks*s.cols)
		x := unsafe.Slice((*int16)(unsafe.Add(trailer, superSums)), blocks)
		for l, sum := range x {
			for j := range s.cols {
				offsets[j] += int32(sum) * int32(pairs[l/2*2*s.cols+2*j+l%2])
			}
		}
		b = unsafe.Add(b, 2*len(pairs))
	}
	scale := *float(trailer, 0)
	for j := range uintptr(s.cols) {
		total[j] = fma32(float32(sums[j]), scale**float(b, 4*j), total[j])
		if kind == super32Offsets {
			total[j] = fma32(float32(offsets[j]), scale**float(b, 4*(uintptr(s.cols)+j)), total[j])
		}
	}
}

// fma32 returns x·y + z, rounded once.
func fma32(x, y, z float32) float32 {
	// The product is exact in float64. The sum is rounded to odd: if it is not exact, its
	// last bit is set. That bit is far below those of a float32, so that the second
	// rounding has the result of a single one.
	p, c := float64(x)*float64(y), float64(z)
	s := p + c
	// Knuth's two-sum: s + lost is p + c.
	d := s - p
	lost := (p - (s - d)) + (c - d)
	bits := math.Float64bits(s)
	if lost != 0 && bits&1 == 0 && bits&^(1<<63) < 0x7ff0000000000000 {
		if (lost > 0) == (s > 0) {
			bits++
		} else {
			bits--
		}
		s = math.Float64frombits(bits)
	}
	return float32(s)
}
