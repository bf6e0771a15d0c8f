//go:build !purego

package kernels

import "unsafe"

// Tile registers multiply blocks of 32 inputs without offsets one at a time, in half
// registers, and their sums are scaled as elsewhere.
//
// In superblocks the codes are multiplied by their factors. The product is an integer
// of up to 14 bits, which is split into two planes: 128 times a byte in one, plus 7
// bits in the other. Both planes are multiplied over the whole superblock, instead of
// block by block with factors.

const (
	// minTileRows is the number of rows from which that is faster, because unpacking
	// takes longer; minSignedRows is for weights that are otherwise not unpacked.
	minTileRows   = 16
	minSignedRows = 48
	// tileBlockRows and tileBlockBytes replace intBlockRows and intBlockBytes: machines
	// with tile registers have 2 MB of second-level cache.
	tileBlockRows  = 2 * intBlockRows
	tileBlockBytes = 1 << 20
	// planeBytes is the size of a plane of a panel's superblock.
	planeBytes = maxIntCols * superInputs
)

// A tileScratch holds a panel's superblock, in the form that super16AMX and
// super32OffsetsAMX read, its codes, and intermediate sums. It is aligned to a cache
// line.
type tileScratch struct {
	low, high [planeBytes]int8
	pairs     [superInputs / 32 * maxIntCols]int16
	scales    [2][maxIntCols]float32
	codes     [planeBytes]int8
	sums      [tileBlockRows / intBlockRows]slab // as in Multiply
}

// multiplyTiles is Multiply with tile registers. It returns false if other kernels are
// faster.
func (w *blockWeights) multiplyTiles(y Matrix, in *Input, from, to int, e *Epilogue) bool {
	least := minTileRows
	if w.code == nil {
		least = minSignedRows
	}
	if !w.shape.tiles || w.kind == blocks32Offsets || w.k == 0 || in.rows < least {
		return false
	}
	const cols = maxIntCols
	var lastBias [maxIntCols]float32
	var room [unsafe.Sizeof(tileScratch{}) + cacheLine]int8
	scratch := (*tileScratch)(unsafe.Add(unsafe.Pointer(&room), -uintptr(unsafe.Pointer(&room))%cacheLine))

	stride := w.stride()
	height := min(tileBlockRows, max(2*intRows, tileBlockBytes/stride&^(intRows-1)))
	for r0 := 0; r0 < in.rows; r0 += height {
		r1 := min(r0+height, in.rows)
		for j := from; j < to; j += cols {
			o := output{y: y, e: e, r0: r0, r1: r1, j: j, width: min(cols, w.n-j), cols: cols}
			t := blockTile{
				rows: r1 - r0,
				a:    unsafe.Pointer(&in.bytes[r0*stride]), aRow: uintptr(stride),
				b: unsafe.Pointer(scratch), c: o.bias(&lastBias),
				y: unsafe.Pointer(&scratch.sums), yRow: 4 * cols,
			}
			for l := 0; l < w.k; l += windowInputs {
				t.blocks = min(windowInputs, w.k-l) / w.kind.size()
				last := l+windowInputs >= w.k
				if last {
					t.y, t.yRow, t.add, t.addRow = o.target(&scratch.sums[0])
				}
				switch w.kind {
				case super32Offsets:
					w.unpackPlanes(scratch, j/cols, l/windowInputs)
					super32OffsetsAMX(&t)
				case super16:
					w.unpackPlanes(scratch, j/cols, l/windowInputs)
					super16AMX(&t)
				default:
					w.unpackSigned(scratch, j/cols, l/windowInputs, t.blocks)
					multiplyEights(&t, last)
				}
				t.a = unsafe.Add(t.a, w.shape.rowBytes(w.kind, t.blocks))
				t.c, t.cRow = unsafe.Pointer(&scratch.sums), 4*cols
			}
			for i := range scratch.sums {
				part := o
				part.r0 = r0 + i*intBlockRows
				part.r1 = min(part.r0+intBlockRows, r1)
				if part.r0 < part.r1 {
					part.finish(&scratch.sums[i])
				}
			}
		}
	}
	return true
}

// multiplyEights computes t with blocks32AMX, which takes rows in eights. If the output
// ends with the last row, a partial last eight is computed in a copy.
func multiplyEights(t *blockTile, ends bool) {
	const cols = maxIntCols
	rest := t.rows % 8
	if !ends || rest == 0 {
		blocks32AMX(t)
		return
	}
	piece := *t
	if piece.rows -= rest; piece.rows > 0 {
		blocks32AMX(&piece)
	}
	var rows [8][cols]float32
	piece = t.below(t.rows-rest, 8)
	piece.y, piece.yRow, piece.add = unsafe.Pointer(&rows), 4*cols, nil
	blocks32AMX(&piece)
	for i := range uintptr(rest) {
		for j, v := range rows[i] {
			at := 4 * uintptr(j)
			if t.add != nil {
				v += *float(t.add, uintptr(t.rows-rest)*t.addRow+i*t.addRow+at)
			}
			*float(t.y, uintptr(t.rows-rest)*t.yRow+i*t.yRow+at) = v
		}
	}
}

// unpackSigned converts a panel's window of blocks of 32 to the form that blocks32AMX
// reads: that of the other micro-kernels, with signed weights.
func (w *blockWeights) unpackSigned(s *tileScratch, panel, window, blocks int) {
	dst := unsafe.Slice(&s.low[0], len(s.low)+len(s.high))
	if w.code != nil {
		w.unpack(w.signed, dst, panel, window, blocks)
		return
	}
	panelBytes := w.shape.panelBytes(w.kind)
	src := w.q[(panel*(w.k/32)+window*(windowInputs/32))*panelBytes:][:blocks*panelBytes]
	signedAVX512(&dst[0], &src[0], blocks)
}

// unpackPlanes converts a panel's superblock to the form that super16AMX and
// super32OffsetsAMX read.
func (w *blockWeights) unpackPlanes(s *tileScratch, panel, window int) {
	const cols = maxIntCols
	src := w.window(panel, window)
	blocks, tables := superInputs/w.kind.size(), 1
	if w.kind.offsets() {
		tables = 2
	}
	for i := range tables {
		widenScales(s.scales[i][:], src)
		src = src[2*cols:]
	}
	factors := src[:blocks*cols]
	src = src[blocks*cols:]
	if w.kind.offsets() {
		pairs := unsafe.Slice((*int8)(unsafe.Pointer(&s.pairs)), 2*len(s.pairs))
		for l := 0; l < blocks; l += 2 {
			pairIntegers(pairs[2*l*cols:], src[:cols], src[cols:2*cols])
			src = src[2*cols:]
		}
	}
	w.signed.decode(s.codes[:], src)
	planesAVX512(&s.low, &s.codes, &factors[0], w.kind.size()/4)
}

// blocks32AMX computes t for 32 columns, a multiple of 8 rows above 0 and at least one
// block. Weights are signed.
//
//go:noescape
func blocks32AMX(t *blockTile)

// super32OffsetsAMX computes t for 32 columns and any number of rows; b is a
// tileScratch. It reads, but does not use, rows of a up to the next multiple of 16.
//
//go:noescape
func super32OffsetsAMX(t *blockTile)

// super16AMX is super32OffsetsAMX without offsets.
//
//go:noescape
func super16AMX(t *blockTile)

// signedAVX512 copies at least one block of 32 columns by 32 inputs: the scales, 128 bytes,
// unchanged, and the unsigned weights, 1024 bytes, as signed ones.
//
//go:noescape
func signedAVX512(dst, src *int8, blocks int)

// planesAVX512 splits the products of a superblock's codes, for 32 columns, and their
// 8-bit factors, block by block, into planes: the low one, then the high one. A block
// has 4·groups inputs.
//
//	for i, code := range codes {
//		product := int(code) * int(factors[i/(128*groups)*32+i/4%32])
//		low[i] = int8(product & 127)
//		high[i] = int8(product >> 7)
//	}
//
//go:noescape
func planesAVX512(low, codes *[planeBytes]int8, factors *int8, groups int)
