package kernels

import (
	"math"
	"unsafe"
)

// Coarse attention uses bfloat16 products if the machine has them: queries, keys and values
// are rounded, and weights truncated, to 8 bits. The sum is of the truncated weights, so
// that their errors largely cancel in the quotient.
//
// A row of numbers is cut into groups of bf16Group. In a group, numbers bf16Tile apart
// form a pair, which needs no shuffling and takes the space of one float32 number. Keys
// and values are packed in panels of bf16Group columns. In a panel, each group of
// inputs is two tiles of bf16Tile rows by bf16Tile columns, left and right: number (i,
// j) of a tile is pair i of the group for column j. The last group is padded with 0.
//
// Up to bf16Rows queries are multiplied by bf16Block keys at a time, so that the scores
// stay in the first-level cache, and by all bf16Span packed keys before the next
// queries: the keys stay in the second-level cache and the queries' states in the
// first. Blocks and spans begin at multiples of their sizes.
const (
	bf16Group = 32
	bf16Tile  = 16
	bf16Rows  = 2 * bf16Tile
	bf16Block = 256
	bf16Span  = 4096
	// bf16Stride is attentionStride for a block's scores.
	bf16Stride = bf16Block + softmaxLanes
)

const nan = 0x7fc00000

// roundNumber returns the bits of x rounded to bfloat16.
func roundNumber(x float32) uint32 {
	const half = 1 << 15
	if x != x {
		return nan >> 16
	}
	return (math.Float32bits(x) + half) >> 16
}

func pair(x, y float32) float32 {
	return math.Float32frombits(roundNumber(x) | roundNumber(y)<<16)
}

// roundRowsPortable is the definition of roundRows: it writes the rows of src times factor,
// as whole groups of pairs, to the rows of dst.
func roundRowsPortable(dst, src Matrix, factor float32) {
	for r := range src.Rows {
		to, from := dst.Row(r), src.Row(r)
		for g := 0; g < len(from); g += bf16Group {
			var group [bf16Group]float32
			copy(group[:], from[g:])
			for i := range bf16Tile {
				to[g/2+i] = pair(group[i]*factor, group[bf16Tile+i]*factor)
			}
		}
	}
}

// roundTilesPortable is the definition of roundTiles: it writes the pairs of a group of
// rows of src, up to bf16Group rows and columns, to the two tiles at dst.
func roundTilesPortable(dst []float32, src Matrix) {
	number := func(i, j int) float32 {
		if i >= src.Rows || j >= src.Cols {
			return 0
		}
		return src.Row(i)[j]
	}
	for i := range bf16Tile {
		for j := range bf16Group {
			dst[j/bf16Tile*bf16Tile*bf16Tile+i*bf16Tile+j%bf16Tile] = pair(number(i, j), number(bf16Tile+i, j))
		}
	}
}

// weighBF16Portable is the definition of weighBF16: weighRows for scores that are
// binary logarithms; n is a multiple of bf16Group. The weights are truncated to
// bfloat16 before they are summed, and written as pairs to the first half of each row.
// The inverse of the sum is set after the last piece. In assembly, weights have a
// relative error of up to 2⁻¹³ before they are truncated.
func weighBF16Portable(s []softmaxState, scores []float32, stride, n int, last bool) {
	for r := range s {
		row := scores[r*stride:][:n]
		inverse := s[r].inverse
		s[r].weighSums(row, 1, func(i int, w float32) float32 {
			w = math.Float32frombits(math.Float32bits(w) &^ 0xffff)
			row[i] = w
			return w
		})
		if !last {
			s[r].inverse = inverse
		}
		for g := 0; g < n; g += bf16Group {
			for i := range bf16Tile {
				x, y := math.Float32bits(row[g+i]), math.Float32bits(row[g+bf16Tile+i])
				row[g/2+i] = math.Float32frombits(x>>16 | y)
			}
		}
	}
}

// A bf16Product is the argument of a micro-kernel that computes y = a·b, or y += a·b,
// for rows by panels of bf16Group columns. Strides are in bytes. Rows up to the next
// multiple of bf16Tile are read and written too.
type bf16Product struct {
	a      unsafe.Pointer // rows of pairs
	aRow   uintptr
	b      unsafe.Pointer // panels
	bPanel uintptr
	y      unsafe.Pointer
	yRow   uintptr
	rows   int // 1 to bf16Rows
	groups int // of inputs; above 0
	panels int // above 0
	add    bool
}

// multiplyBF16Portable is the definition of multiplyBF16.
func multiplyBF16Portable(t *bf16Product) {
	const tile = 4 * bf16Tile * bf16Tile // bytes
	for r := range uintptr(t.rows) {
		for c := range t.panels * bf16Group {
			b := unsafe.Add(t.b, uintptr(c/bf16Group)*t.bPanel+uintptr(c%bf16Group/bf16Tile*tile+c%bf16Tile*4))
			y := (*float32)(unsafe.Add(t.y, r*t.yRow+uintptr(4*c)))
			sum := float32(0)
			if t.add {
				sum = *y
			}
			for g := range t.groups {
				a, b := unsafe.Add(t.a, r*t.aRow+uintptr(2*bf16Group*g)), unsafe.Add(b, 2*tile*g)
				for i := range bf16Group {
					sum += float32(shortNumber(a, i) * shortNumber(unsafe.Add(b, i/2*4*bf16Tile), i%2))
				}
			}
			*y = sum
		}
	}
}

// shortNumber returns bfloat16 number i of the pairs at p.
func shortNumber(p unsafe.Pointer, i int) float32 {
	pair := *(*uint32)(unsafe.Add(p, i/2*4))
	return math.Float32frombits(pair >> (i % 2 * 16) << 16)
}

// scaleRowsPortable is the definition of scaleRows: it writes the rows of src,
// multiplied by the factor or inverse of their states, to the rows of dst, which may be
// src.
func scaleRowsPortable(dst, src Matrix, states []softmaxState, inverse bool) {
	for i := range src.Rows {
		factor := states[i].factor
		if inverse {
			factor = states[i].inverse
		}
		for j, v := range src.Row(i) {
			dst.Row(i)[j] = v * factor
		}
	}
}

// packBF16Keys is packKeys with rounding. Tiles are square, so that pairs, formed like
// those of queries, only need to be transposed.
func (r *attentionRun) packBF16Keys() {
	for j := r.lo; j < r.hi; j += bf16Tile {
		r.rounded(r.queryPairs(0, min(bf16Tile, r.hi-j)), r.KPrefix, r.k, j)
		rows := r.queryPairs(0, bf16Tile)
		tile := r.keys[((j-r.lo)/bf16Group*bf16Group*r.depth)/2+(j-r.lo)%bf16Group*bf16Tile:]
		for g := 0; g < rows.Cols; g += bf16Tile {
			transpose(tile[g*bf16Group:], bf16Tile, rows.Columns(g, g+bf16Tile))
		}
	}
}

// queryPairs returns n rows of pairs in r.queries. The first bf16Tile rows are for keys
// to be packed; the queries follow.
func (r *attentionRun) queryPairs(from, n int) Matrix {
	cols := r.depth / 2
	return Matrix{Data: r.queries[from*cols:], Rows: n, Cols: cols, Stride: cols}
}

// rounded fills dst with rounded rows of the concatenation of prefix and rest, from row
// from on.
func (r *attentionRun) rounded(dst, prefix, rest Matrix, from int) {
	for i := 0; i < dst.Rows; {
		part := segment(prefix, rest, from+i, from+dst.Rows)
		roundRows(dst.Slice(i, i+part.Rows), part, 1)
		i += part.Rows
	}
}

// packBF16Values is packValues with rounding.
func (r *attentionRun) packBF16Values() {
	span := r.span()
	for j := r.lo; j < r.hi; j += bf16Group {
		end := min(j+bf16Group, r.hi)
		rows := segment(r.VPrefix, r.v, j, end)
		if rows.Rows < end-j { // both in the prefix and after it
			joined := Matrix{Data: r.sums, Rows: end - j, Cols: r.v.Cols, Stride: r.v.Cols}
			for i := range joined.Rows {
				copy(joined.Row(i), segment(r.VPrefix, r.v, j+i, j+i+1).Row(0))
			}
			rows = joined
		}
		for c := 0; c < r.v.Cols; c += bf16Group {
			roundTiles(r.values[(c*span+(j-r.lo)*bf16Group)/2:][:bf16Group*bf16Tile], rows.Columns(c, min(c+bf16Group, r.v.Cols)))
		}
	}
}

// span returns the number of packed keys, including the padding of the last group.
func (r *attentionRun) span() int {
	return (r.hi - r.lo + bf16Group - 1) / bf16Group * bf16Group
}

// tileBF16 adds the packed keys to query rows i to i+height-1.
func (r *attentionRun) tileBF16(i, height int) {
	lo, hi, first, last := r.clip(i, height, bf16Span)
	if lo >= hi {
		return
	}
	states := r.states(i, height, first, last)
	width := (r.v.Cols + bf16Group - 1) / bf16Group * bf16Group
	sums := Matrix{Data: r.sums, Rows: height, Cols: r.v.Cols, Stride: width}
	out := r.out.Slice(i, i+height)
	if !first {
		for h := range height {
			copy(sums.Row(h), out.Row(h))
		}
	}
	prefetchRows(out)
	for from, begins := lo, first; from < hi; begins = false {
		to := min(hi, from/bf16Block*bf16Block+bf16Block)
		r.blockBF16(states, sums, i, from, to, begins, last && to == hi)
		from = to
	}
	if last {
		scaleRows(out, sums, states, true)
		return
	}
	for h := range height {
		copy(out.Row(h), sums.Row(h))
	}
}

// blockBF16 adds packed keys from to to-1, of one block, to the sums of the tile that
// begins at query row i, or starts the sums if first.
func (r *attentionRun) blockBF16(states []softmaxState, sums Matrix, i, from, to int, first, last bool) {
	from = r.lo + (from-r.lo)/bf16Group*bf16Group
	n := (to - from + bf16Group - 1) / bf16Group * bf16Group
	q := r.queryPairs(bf16Tile+i, len(states))
	multiplyBF16(&bf16Product{a: unsafe.Pointer(&q.Data[0]), aRow: uintptr(4 * q.Stride),
		b: unsafe.Pointer(&r.keys[(from-r.lo)*r.depth/2]), bPanel: uintptr(2 * bf16Group * r.depth),
		y: unsafe.Pointer(&r.scores[0]), yRow: 4 * bf16Stride, rows: len(states), groups: r.depth / bf16Group, panels: n / bf16Group})
	r.prepare(i, len(states), bf16Stride, from, n, to)
	weighBF16(states, r.scores, bf16Stride, n, last)
	if sums.Cols == 0 {
		return
	}
	if !first {
		scaleRows(sums, sums, states, false)
	}
	multiplyBF16(&bf16Product{a: unsafe.Pointer(&r.scores[0]), aRow: 4 * bf16Stride,
		b: unsafe.Pointer(&r.values[(from-r.lo)*bf16Tile]), bPanel: uintptr(2 * bf16Group * r.span()),
		y: unsafe.Pointer(&sums.Data[0]), yRow: uintptr(4 * sums.Stride), rows: len(states), groups: n / bf16Group,
		panels: sums.Stride / bf16Group, add: !first})
}
