package kernels

import (
	"math"
	"unsafe"
)

// Where the machine has tile registers for bfloat16 numbers, Coarse attention
// multiplies such numbers: queries, keys and values rounded, and weights cut off,
// to 8 bits. The weights are summed as they are cut off, so that what they are off
// by is off by the same in the sum, and hardly shows in the quotient.
//
// A row of numbers is cut in groups of pairGroup; of each, numbers pairTile apart are
// a pair, which makes no shuffling and takes the room of one float32 number. Keys and
// values are packed in panels of pairGroup columns. Of a panel, each group of inputs
// is two tiles of pairTile rows by pairTile columns, left and right: a tile's number
// (i, j) is pair i of the group for column j. What is left of the last group is 0.
//
// Up to pairRows queries are taken through pairBlock keys at a time, whose scores then
// stay in the first-level cache, and through all pairSpan keys that are packed before
// the next ones are: those stay in the second-level cache, and what is known of the
// queries in the first. Blocks and spans begin at multiples of their sizes.
const (
	pairGroup = 32
	pairTile  = 16
	pairRows  = 2 * pairTile
	pairBlock = 256
	pairSpan  = 4096
	// pairStride is attentionStride for a block's scores.
	pairStride = pairBlock + softmaxLanes
)

const nan = 0x7fc00000

// roundNumber is the bits of x rounded to a bfloat16 number.
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

// roundRowsPortable is the definition of roundRows: it writes the pairs of the rows
// of src times factor, whole groups of them, to those of dst.
func roundRowsPortable(dst, src Matrix, factor float32) {
	for r := range src.Rows {
		to, from := dst.Row(r), src.Row(r)
		for g := 0; g < len(from); g += pairGroup {
			var group [pairGroup]float32
			copy(group[:], from[g:])
			for i := range pairTile {
				to[g/2+i] = pair(group[i]*factor, group[pairTile+i]*factor)
			}
		}
	}
}

// roundPairsPortable is the definition of roundPairs: it writes the two tiles that
// begin at dst, the pairs of a group of rows of src, up to pairGroup rows and
// columns.
func roundPairsPortable(dst []float32, src Matrix) {
	number := func(i, j int) float32 {
		if i >= src.Rows || j >= src.Cols {
			return 0
		}
		return src.Row(i)[j]
	}
	for i := range pairTile {
		for j := range pairGroup {
			dst[j/pairTile*pairTile*pairTile+i*pairTile+j%pairTile] = pair(number(i, j), number(pairTile+i, j))
		}
	}
}

// weighPairsPortable is the definition of weighPairs: weighRows for scores that are
// binary logarithms, n of them, a multiple of pairGroup, with weights that are cut off
// to bfloat16 numbers before they are summed, and which are written in pairs to the
// first half of each row. The inverse of the sum is there after the last piece. The
// assembly has weights that are off by up to 2⁻¹³ of their size before they are cut
// off.
func weighPairsPortable(s []softmaxState, scores []float32, stride, n int, last bool) {
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
		for g := 0; g < n; g += pairGroup {
			for i := range pairTile {
				x, y := math.Float32bits(row[g+i]), math.Float32bits(row[g+pairTile+i])
				row[g/2+i] = math.Float32frombits(x>>16 | y)
			}
		}
	}
}

// A pairProduct says to a micro-kernel what to compute: rows by panels of pairGroup
// columns, y = a·b, or y += a·b. Strides are in bytes. Rows up to the next multiple of
// pairTile are read and written, too.
type pairProduct struct {
	a      unsafe.Pointer // rows of pairs
	aRow   uintptr
	b      unsafe.Pointer // panels
	bPanel uintptr
	y      unsafe.Pointer
	yRow   uintptr
	rows   int // 1 to pairRows
	groups int // of inputs; above 0
	panels int // above 0
	add    bool
}

// multiplyPairsPortable is the definition of multiplyPairs.
func multiplyPairsPortable(t *pairProduct) {
	const tile = 4 * pairTile * pairTile // bytes
	for r := range uintptr(t.rows) {
		for c := range t.panels * pairGroup {
			b := unsafe.Add(t.b, uintptr(c/pairGroup)*t.bPanel+uintptr(c%pairGroup/pairTile*tile+c%pairTile*4))
			y := (*float32)(unsafe.Add(t.y, r*t.yRow+uintptr(4*c)))
			sum := float32(0)
			if t.add {
				sum = *y
			}
			for g := range t.groups {
				a, b := unsafe.Add(t.a, r*t.aRow+uintptr(2*pairGroup*g)), unsafe.Add(b, 2*tile*g)
				for i := range pairGroup {
					sum += float32(shortNumber(a, i) * shortNumber(unsafe.Add(b, i/2*4*pairTile), i%2))
				}
			}
			*y = sum
		}
	}
}

// shortNumber is bfloat16 number i from p on.
func shortNumber(p unsafe.Pointer, i int) float32 {
	return math.Float32frombits(uint32(*(*uint16)(unsafe.Add(p, 2*i))) << 16)
}

// scaleRowsPortable is the definition of scaleRows: it writes the rows of src,
// multiplied by their states' factor or inverse, to those of dst, which may be src.
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

// packPairKeys is packKeys for keys that are rounded. Tiles are as wide as they are
// high, so that pairs, made as those of queries are, only need to be transposed.
func (r *attentionRun) packPairKeys() {
	for j := r.lo; j < r.hi; j += pairTile {
		r.rounded(r.rowsOfPairs(0, min(pairTile, r.hi-j)), r.KPrefix, r.k, j)
		rows := r.rowsOfPairs(0, pairTile)
		tile := r.keys[((j-r.lo)/pairGroup*pairGroup*r.depth)/2+(j-r.lo)%pairGroup*pairTile:]
		for g := 0; g < rows.Cols; g += pairTile {
			transpose(tile[g*pairGroup:], pairTile, rows.Columns(g, g+pairTile))
		}
	}
}

// rowsOfPairs are n of the rows of pairs in r.queries: pairTile for keys that are to be
// packed, then the queries.
func (r *attentionRun) rowsOfPairs(from, n int) Matrix {
	cols := r.depth / 2
	return Matrix{Data: r.queries[from*cols:], Rows: n, Cols: cols, Stride: cols}
}

// rounded rounds to dst as many rows of prefix and rest, from row from on.
func (r *attentionRun) rounded(dst, prefix, rest Matrix, from int) {
	for i := 0; i < dst.Rows; {
		part := segment(prefix, rest, from+i, from+dst.Rows)
		roundRows(dst.Slice(i, i+part.Rows), part, 1)
		i += part.Rows
	}
}

// packPairValues is packValues for values that are rounded.
func (r *attentionRun) packPairValues() {
	span := r.span()
	for j := r.lo; j < r.hi; j += pairGroup {
		end := min(j+pairGroup, r.hi)
		rows := segment(r.VPrefix, r.v, j, end)
		if rows.Rows < end-j { // both in the prefix and behind it
			joined := Matrix{Data: r.sums, Rows: end - j, Cols: r.v.Cols, Stride: r.v.Cols}
			for i := range joined.Rows {
				copy(joined.Row(i), segment(r.VPrefix, r.v, j+i, j+i+1).Row(0))
			}
			rows = joined
		}
		for c := 0; c < r.v.Cols; c += pairGroup {
			roundPairs(r.values[(c*span+(j-r.lo)*pairGroup)/2:][:pairGroup*pairTile], rows.Columns(c, min(c+pairGroup, r.v.Cols)))
		}
	}
}

// span is the number of packed keys, those that fill up the last group included.
func (r *attentionRun) span() int {
	return (r.hi - r.lo + pairGroup - 1) / pairGroup * pairGroup
}

// tilePairs adds the packed keys to query rows i to i+height-1.
func (r *attentionRun) tilePairs(i, height int) {
	lo, hi, first, last := r.clip(i, height, pairSpan)
	if lo >= hi {
		return
	}
	states := r.states(i, height, first, last)
	width := (r.v.Cols + pairGroup - 1) / pairGroup * pairGroup
	sums := Matrix{Data: r.sums, Rows: height, Cols: r.v.Cols, Stride: width}
	out := r.out.Slice(i, i+height)
	if !first {
		for h := range height {
			copy(sums.Row(h), out.Row(h))
		}
	}
	prefetchRows(out)
	for from, begins := lo, first; from < hi; begins = false {
		to := min(hi, from/pairBlock*pairBlock+pairBlock)
		r.blockPairs(states, sums, i, from, to, begins, last && to == hi)
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

// blockPairs adds packed keys from to to-1, of one block, to sums, which are those of
// the tile that begins at query row i; or makes them the sums if they are the first.
func (r *attentionRun) blockPairs(states []softmaxState, sums Matrix, i, from, to int, first, last bool) {
	from = r.lo + (from-r.lo)/pairGroup*pairGroup
	n := (to - from + pairGroup - 1) / pairGroup * pairGroup
	q := r.rowsOfPairs(pairTile+i, len(states))
	multiplyPairs(&pairProduct{a: unsafe.Pointer(&q.Data[0]), aRow: uintptr(4 * q.Stride),
		b: unsafe.Pointer(&r.keys[(from-r.lo)*r.depth/2]), bPanel: uintptr(2 * pairGroup * r.depth),
		y: unsafe.Pointer(&r.scores[0]), yRow: 4 * pairStride, rows: len(states), groups: r.depth / pairGroup, panels: n / pairGroup})
	r.prepare(i, len(states), pairStride, from, n, to)
	weighPairs(states, r.scores, pairStride, n, last)
	if sums.Cols == 0 {
		return
	}
	if !first {
		scaleRows(sums, sums, states, false)
	}
	multiplyPairs(&pairProduct{a: unsafe.Pointer(&r.scores[0]), aRow: 4 * pairStride,
		b: unsafe.Pointer(&r.values[(from-r.lo)*pairTile]), bPanel: uintptr(2 * pairGroup * r.span()),
		y: unsafe.Pointer(&sums.Data[0]), yRow: uintptr(4 * sums.Stride), rows: len(states), groups: n / pairGroup,
		panels: sums.Stride / pairGroup, add: !first})
}
