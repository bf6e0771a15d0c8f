package kernels

import (
	"unsafe"

	"github.com/winnow-rerank/winnow/quant"
)

// The number formats of packed weights.
const (
	formatF32 = iota
	formatF16
	formatBF16
)

// floatWeights is a matrix of n rows (outputs) by k columns (inputs), packed in panels
// of shape.cols outputs. In a panel the input is the slow index: the weights of one
// input for all outputs of the panel are adjacent. The last panel is padded with zeros.
type floatWeights struct {
	n, k   int
	format uint8
	shape  floatShape
	f32    []float32 // formatF32
	u16    []uint16  // formatF16, formatBF16
}

// A floatShape is the tile that a micro-kernel computes: up to rows rows of y by cols
// columns.
type floatShape struct {
	rows, cols int
	block      int // inputs that are summed before the next tile
	// direct is the number of row tiles up to which kernels convert 16-bit weights
	// themselves, for each tile, which is cheap where conversion does not compete with
	// multiplication. For more tiles, the weights are converted to float32 once.
	direct int
	rung   uint8
}

// floatPortable is plain Go. Each architecture numbers its assembly from 1 on.
const floatPortable = 0

// The largest tile of any architecture.
const (
	maxTileRows = 12
	maxTileCols = 32
)

// The plain Go kernel works on portableCols columns at a time.
const portableCols = 8

// portableShape is the tile of the plain Go kernel.
var portableShape = floatShape{rows: 4, cols: portableCols, block: 512, direct: 2, rung: floatPortable}

// PackF32 packs n×k weights for multiplication in float32. It calls row once for each i
// from 0 to n-1, in order; row must fill dst, k numbers long, with the weights of
// output i.
func PackF32(n, k int, row func(i int, dst []float32)) Weights {
	w := newFloatWeights(n, k, formatF32)
	w.pack(row)
	return w
}

// PackF16 is PackF32 with weights rounded to IEEE 754 binary16. Sums stay float32.
func PackF16(n, k int, row func(i int, dst []float32)) Weights {
	w := newFloatWeights(n, k, formatF16)
	w.pack(row)
	return w
}

// PackBF16 is PackF32 with weights rounded to bfloat16, the upper half of a float32.
// Sums stay float32.
func PackBF16(n, k int, row func(i int, dst []float32)) Weights {
	w := newFloatWeights(n, k, formatBF16)
	w.pack(row)
	return w
}

func newFloatWeights(n, k int, format uint8) *floatWeights {
	w := &floatWeights{n: n, k: k, format: format, shape: features.floats}
	numbers := w.panels() * w.shape.cols * k
	if format == formatF32 {
		w.f32 = aligned[float32](numbers)
	} else {
		w.u16 = aligned[uint16](numbers)
	}
	return w
}

func (w *floatWeights) panels() int { return (w.n + w.shape.cols - 1) / w.shape.cols }

func (w *floatWeights) pack(row func(i int, dst []float32)) {
	cols, k := w.shape.cols, w.k
	rows := make([]float32, cols*k)
	var panel []float32
	if w.format != formatF32 {
		panel = make([]float32, cols*k)
	}
	for p := range w.panels() {
		first := p * cols
		count := min(cols, w.n-first)
		for i := range count {
			row(first+i, rows[i*k:(i+1)*k:(i+1)*k])
		}
		clear(rows[count*k:])
		if w.format == formatF32 {
			transpose(w.f32[p*cols*k:(p+1)*cols*k], cols, Matrix{Data: rows, Rows: cols, Cols: k, Stride: k})
			continue
		}
		transpose(panel, cols, Matrix{Data: rows, Rows: cols, Cols: k, Stride: k})
		packed := w.u16[p*cols*k : (p+1)*cols*k]
		if w.format == formatF16 {
			f16Of(packed, panel)
		} else {
			bf16Of(packed, panel)
		}
	}
}

func (w *floatWeights) Outputs() int { return w.n }
func (w *floatWeights) Inputs() int  { return w.k }
func (w *floatWeights) Panel() int   { return w.shape.cols }
func (w *floatWeights) Bytes() int   { return 4*len(w.f32) + 2*len(w.u16) }

func (w *floatWeights) Kind() string {
	switch w.format {
	case formatF16:
		return "f16"
	case formatBF16:
		return "bf16"
	}
	return "f32"
}

func (w *floatWeights) Reserve(in *Input, rows int) {
	in.rows = rows
	if need := rows * w.k; cap(in.floats) < need {
		in.floats = aligned[float32](need)
	} else {
		in.floats = in.floats[:need]
	}
}

// tileOf returns the first row and the height of the tile that contains row i of a
// matrix of rows rows. Tiles have the kernel's maximum height; a last tile of fewer
// than four rows, which could not keep the multipliers busy, is balanced with the one
// before it.
func (s floatShape) tileOf(i, rows int) (first, height int) {
	first = i - i%s.rows
	if tail := rows % s.rows; tail > 0 && tail < 4 && rows > s.rows {
		if pair := rows - tail - s.rows; i >= pair {
			half := (s.rows + tail + 1) / 2
			if i < pair+half {
				return pair, half
			}
			return pair + half, rows - pair - half
		}
	}
	return first, min(s.rows, rows-first)
}

// Prepare packs rows of x in tiles. In a tile, as in a panel of weights, the input is
// the slow index.
func (w *floatWeights) Prepare(in *Input, x Matrix, from, to int) {
	k := w.k
	if k == 0 {
		return
	}
	for i := from; i < to; {
		first, height := w.shape.tileOf(i, in.rows)
		end := min(to, first+height)
		transpose(in.floats[first*k+i-first:(first+height)*k], height, x.Slice(i, end))
		i = end
	}
}

// floatTile is the argument of a micro-kernel, which computes
//
//	for i := range rows {
//		for j := range cols { // all columns of the kernel's tile
//			s := c[i*cRow+j]
//			for l := range k {
//				s = fma(a[i*aRow+l*aCol], b[l*bRow+j], s)
//			}
//			if add != nil {
//				s += add[i*addRow+j]
//			}
//			y[i*yRow+j] = s
//		}
//	}
//
// All strides are in bytes. b holds 16-bit numbers in some kernels.
type floatTile struct {
	rows, k    int
	a          unsafe.Pointer
	aRow, aCol uintptr
	b          unsafe.Pointer
	bRow       uintptr
	bPanel     uintptr // wide kernels: from a panel to the next
	c          unsafe.Pointer
	cRow       uintptr
	y          unsafe.Pointer
	yRow       uintptr
	add        unsafe.Pointer // nil: nothing is added
	addRow     uintptr
	// Memory that will soon be read is prefetched into the second-level cache:
	// aheadRow bytes for each input, beginning at ahead, which may be beyond
	// allocated memory; with 0 the kernel prefetches b itself. Wide kernels do not
	// prefetch.
	ahead, aheadRow uintptr
}

// Inputs are summed in blocks of floatShape.block, small enough for a panel's block to
// stay in the first-level cache while it is multiplied by all row tiles. If there is
// only one tile, the blocks have streamInputs inputs, so that no kernel call delays the
// scheduler. Rows are taken in blocks of at most blockRows, and of about blockNumbers
// numbers, which stay in the second-level cache while they are multiplied by all
// panels.
const (
	streamInputs = 2048
	blockRows    = 96
	blockNumbers = 192 << 10
)

// maxBlock is the maximum size of a block of a panel, in numbers.
const maxBlock = 256 * maxTileCols

// Up to wideRows rows are multiplied by two panels at a time.
const wideRows = 3

// Activations are applied to this many columns at a time.
const activateCols = 128

// zeros is the initial value of sums without a bias.
var zeros [2 * maxTileCols]float32

func (w *floatWeights) Multiply(y Matrix, in *Input, from, to int, e *Epilogue) {
	switch {
	case in.rows == 0 || from >= to:
	case w.format != formatF32 && in.rows > w.shape.direct*w.shape.rows:
		w.multiplyUnpacked(y, in, from, to, e)
	default:
		w.multiply(y, in, from, to, e, nil)
	}
}

// multiplyUnpacked converts each block of 16-bit weights to float32 once for all row tiles.
func (w *floatWeights) multiplyUnpacked(y Matrix, in *Input, from, to int, e *Epilogue) {
	var block [maxBlock + cacheLine/4]float32
	o := -uintptr(unsafe.Pointer(&block)) % cacheLine / 4
	w.multiply(y, in, from, to, e, block[o:])
}

// multiply is Multiply. unpacked is room for a block of weights in float32, or nil: the
// kernel then reads packed weights.
func (w *floatWeights) multiply(y Matrix, in *Input, from, to int, e *Epilogue, unpacked []float32) {
	rows, cols, k := in.rows, w.shape.cols, w.k
	// Sums are kept here until their next block of inputs, or for steps that the
	// kernel cannot do.
	var slab [blockRows * maxTileCols]float32
	var lastBias [maxTileCols]float32

	size := 4
	if w.format != formatF32 {
		size = 2
	}
	block := w.shape.block
	if rows <= w.shape.rows {
		block = streamInputs
	}
	blocks := max(1, (k+block-1)/block)
	step := max(1, (k+blocks-1)/blocks)
	height := min(blockRows, max(4*w.shape.rows, blockNumbers/max(k, 1)))
	height -= height % w.shape.rows
	add := e.Residual.Rows > 0

	first := uintptr(w.at(from * k))
	format, bRow := w.format, cols*size
	if unpacked != nil {
		format, bRow = formatF32, 4*cols
	}
	t := floatTile{aRow: 4, bRow: uintptr(bRow), bPanel: uintptr(cols * k * size)}
	for r0 := 0; r0 < rows; {
		r1 := min(r0+height, rows)
		if r1 < rows {
			r1, _ = w.shape.tileOf(r1, rows)
		}
		tiles := (r1 - r0 + w.shape.rows - 1) / w.shape.rows
		activated := from
		for j := from; j < to; {
			width := min(cols, w.n-j)
			wide := rows <= wideRows && j+2*cols <= min(to, w.n)
			if wide {
				width = 2 * cols
			}
			full := width >= cols
			span := max(width, cols)
			bias := unsafe.Pointer(&zeros)
			if e.Bias != nil {
				b := e.Bias[j : j+width]
				if !full {
					b = append(lastBias[:0], b...)[:cols]
				}
				bias = unsafe.Pointer(&b[0])
			}
			direct := full && (e.Act == Identity || !add)
			for l := 0; l == 0 || l < k; l += step {
				last := l+step >= k
				t.k = min(step, k-l)
				t.b = w.at(j*k + l*cols)
				// The tiles together prefetch the whole next block.
				t.ahead = uintptr(t.b) + uintptr(t.k*cols*size)
				if last && j+cols >= to {
					t.ahead = first
				}
				t.aheadRow = uintptr((cols*size + tiles - 1) / tiles)
				if unpacked != nil && k > 0 {
					n := t.k * cols
					floatsOf(unpacked[:n], w.u16[j*k+l*cols:][:n], w.format)
					t.b = unsafe.Pointer(&unpacked[0])
				}
				for i := r0; i < r1; i += t.rows {
					_, t.rows = w.shape.tileOf(i, rows)
					if k > 0 {
						t.a, t.aCol = unsafe.Pointer(&in.floats[i*k+l*t.rows]), uintptr(4*t.rows)
					}
					t.y, t.yRow = unsafe.Pointer(&slab[(i-r0)*span]), uintptr(4*span)
					t.c, t.cRow = t.y, t.yRow
					if l == 0 {
						t.c, t.cRow = bias, 0
					}
					t.add = nil
					if last && direct {
						t.y, t.yRow = unsafe.Pointer(&y.Data[i*y.Stride+j]), uintptr(4*y.Stride)
						if add {
							t.add, t.addRow = unsafe.Pointer(&e.Residual.Data[i*e.Residual.Stride+j]), uintptr(4*e.Residual.Stride)
						}
					}
					if wide {
						w.shape.multiplyWide(&t, format)
					} else {
						w.shape.multiply(&t, format)
						t.ahead += t.aheadRow * uintptr(t.k)
					}
				}
			}
			if !direct {
				for i := r0; i < r1; i++ {
					sums := slab[(i-r0)*span:][:width]
					applyActivation(sums, e.Act)
					if add {
						for c, r := range e.Residual.Row(i)[j : j+width] {
							sums[c] += r
						}
					}
					copy(y.Row(i)[j:j+width], sums)
				}
			}
			j += width
			if e.Act == Identity || add {
				continue
			}
			// The activation of a partial last panel has been applied.
			if done := j - j%cols; j >= to || done-activated >= activateCols {
				for i := r0; i < r1 && activated < done; i++ {
					applyActivation(y.Row(i)[activated:done], e.Act)
				}
				activated = done
			}
		}
		r0 = r1
	}
}

// at returns the address of packed number i.
func (w *floatWeights) at(i int) unsafe.Pointer {
	switch {
	case w.k == 0:
		return nil
	case w.format == formatF32:
		return unsafe.Pointer(&w.f32[i])
	}
	return unsafe.Pointer(&w.u16[i])
}

// multiplyPortable is the definition of the micro-kernels. It rounds products before it
// adds them, as on a machine without a fused multiply-add; the assembly rounds once.
func multiplyPortable(t *floatTile, cols int, format uint8) {
	var row [portableCols]float32
	for j := 0; j < cols; j += portableCols {
		for i := range t.rows {
			s := (*[portableCols]float32)(unsafe.Add(t.c, uintptr(i)*t.cRow+4*uintptr(j)))
			s0, s1, s2, s3 := s[0], s[1], s[2], s[3]
			s4, s5, s6, s7 := s[4], s[5], s[6], s[7]
			for l := range uintptr(t.k) {
				a := *(*float32)(unsafe.Add(t.a, uintptr(i)*t.aRow+l*t.aCol))
				b := &row
				switch format {
				case formatF32:
					b = (*[portableCols]float32)(unsafe.Add(t.b, l*t.bRow+4*uintptr(j)))
				case formatF16:
					for c, h := range (*[portableCols]uint16)(unsafe.Add(t.b, l*t.bRow+2*uintptr(j))) {
						row[c] = quant.Half(h)
					}
				case formatBF16:
					for c, h := range (*[portableCols]uint16)(unsafe.Add(t.b, l*t.bRow+2*uintptr(j))) {
						row[c] = quant.BFloat16(h)
					}
				}
				s0 += float32(a * b[0])
				s1 += float32(a * b[1])
				s2 += float32(a * b[2])
				s3 += float32(a * b[3])
				s4 += float32(a * b[4])
				s5 += float32(a * b[5])
				s6 += float32(a * b[6])
				s7 += float32(a * b[7])
			}
			if t.add != nil {
				r := (*[portableCols]float32)(unsafe.Add(t.add, uintptr(i)*t.addRow+4*uintptr(j)))
				s0, s1, s2, s3 = s0+r[0], s1+r[1], s2+r[2], s3+r[3]
				s4, s5, s6, s7 = s4+r[4], s5+r[5], s6+r[6], s7+r[7]
			}
			y := (*[portableCols]float32)(unsafe.Add(t.y, uintptr(i)*t.yRow+4*uintptr(j)))
			y[0], y[1], y[2], y[3] = s0, s1, s2, s3
			y[4], y[5], y[6], y[7] = s4, s5, s6, s7
		}
	}
}

// multiplyWidePortable is the definition of the wide micro-kernels, which compute a
// tile of 1 to wideRows rows and two panels.
func multiplyWidePortable(t *floatTile, cols int, format uint8) {
	left, right := *t, *t
	next := uintptr(4 * cols)
	right.b = unsafe.Add(t.b, t.bPanel)
	right.c = unsafe.Add(t.c, next)
	right.y = unsafe.Add(t.y, next)
	if t.add != nil {
		right.add = unsafe.Add(t.add, next)
	}
	multiplyPortable(&left, cols, format)
	multiplyPortable(&right, cols, format)
}
