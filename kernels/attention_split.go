package kernels

import (
	"math"
	"unsafe"
)

// Where the machine has tile registers for bfloat16 numbers, Coarse attention
// takes each number x as the sum of two of them, hi + lo, and x·y as
// hi·hi + lo·hi + hi·lo. A product is off by up to 2⁻¹⁶ of its size.
//
// A row of numbers is split in groups of splitGroup: the hi numbers of a group,
// then the lo ones, in the room of the group itself. They go in pairs of numbers
// splitTile apart, which make no shuffling. Keys and values, which are multiplied
// by such rows, are packed in panels of splitGroup columns. Of a panel, each group
// of inputs is four tiles of splitTile rows by splitTile columns: hi of the left
// and of the right columns, then lo. A tile's number (i, j) is pair i of the group
// for column j. What is left of the last group is 0.
const (
	splitGroup = 32
	splitTile  = 16
)

// splitNumber is x rounded to a bfloat16 number, and what that leaves over, cut
// off to one: rounding that too might make a number of a NaN.
func splitNumber(x float32) (hi, lo uint16) {
	const half, mask = 1 << 15, 0xffff0000
	h := (math.Float32bits(x) + half) & mask
	return uint16(h >> 16), uint16(math.Float32bits(x-math.Float32frombits(h)) >> 16)
}

// splitTwo splits a pair of numbers.
func splitTwo(x, y float32) (hi, lo float32) {
	xh, xl := splitNumber(x)
	yh, yl := splitNumber(y)
	return math.Float32frombits(uint32(xh) | uint32(yh)<<16), math.Float32frombits(uint32(xl) | uint32(yl)<<16)
}

// splitRowPortable is the definition of splitRow: it splits src, in groups. dst is
// as long as the groups and may be src.
func splitRowPortable(dst, src []float32) {
	for g := 0; g < len(src); g += splitGroup {
		var group [splitGroup]float32
		copy(group[:], src[g:])
		for i := range splitTile {
			dst[g+i], dst[g+splitTile+i] = splitTwo(group[i], group[splitTile+i])
		}
	}
}

// splitPairPortable is the definition of splitPair: it writes row i of the four
// tiles that begin at dst, the pairs of x and y, up to splitGroup columns each.
func splitPairPortable(dst []float32, i int, x, y []float32) {
	var a, b [splitGroup]float32
	copy(a[:], x)
	copy(b[:], y)
	for j := range splitGroup {
		to := j/splitTile*splitTile*splitTile + i*splitTile + j%splitTile
		dst[to], dst[to+2*splitTile*splitTile] = splitTwo(a[j], b[j])
	}
}

// A splitProduct says to a micro-kernel what to compute: splitTile rows by panels
// of splitGroup columns, y = a·b. Strides are in bytes.
type splitProduct struct {
	a      unsafe.Pointer // rows, split
	aRow   uintptr
	b      unsafe.Pointer // panels
	bPanel uintptr
	y      unsafe.Pointer
	yRow   uintptr
	groups int // of inputs; above 0
	panels int // above 0
}

// multiplySplitPortable is the definition of multiplySplit.
func multiplySplitPortable(t *splitProduct) {
	number := func(p unsafe.Pointer, i int) float32 {
		return math.Float32frombits(uint32(*(*uint16)(unsafe.Add(p, 2*i))) << 16)
	}
	const tile = 4 * splitTile * splitTile // bytes
	for r := range uintptr(splitTile) {
		for c := range t.panels * splitGroup {
			b := unsafe.Add(t.b, uintptr(c/splitGroup)*t.bPanel+uintptr(c%splitGroup/splitTile*tile+c%splitTile*4))
			sum := float32(0)
			for g := range t.groups {
				a, b := unsafe.Add(t.a, r*t.aRow+uintptr(4*splitGroup*g)), unsafe.Add(b, 4*tile*g)
				for i := range splitGroup {
					ah, al := number(a, i), number(a, splitGroup+i)
					pair := unsafe.Add(b, i/2*4*splitTile)
					bh, bl := number(pair, i%2), number(unsafe.Add(pair, 2*tile), i%2)
					sum += float32(ah*bh) + float32(float32(al*bh)+float32(ah*bl))
				}
			}
			*(*float32)(unsafe.Add(t.y, r*t.yRow+uintptr(4*c))) = sum
		}
	}
}

// addWeighedPortable is the definition of addWeighed: row by row,
// y = (y·before + x)·after, with the factors of states; without before, y begins
// at 0.
func addWeighedPortable(y, x Matrix, states []softmaxState, before, after bool) {
	for i := range y.Rows {
		row := y.Row(i)
		for j, v := range x.Row(i)[:len(row)] {
			if before {
				v += float32(row[j] * states[i].factor)
			}
			if after {
				v *= states[i].inverse
			}
			row[j] = v
		}
	}
}

// packSplitKeys is packKeys for split keys. Tiles are as wide as they are high, so
// that keys, split as rows are, only need to be transposed.
func (r *attentionRun) packSplitKeys() {
	stride := r.queryStride()
	rows := Matrix{Data: r.queries, Rows: splitTile, Cols: r.depth, Stride: stride}
	for j := r.lo; j < r.hi; j += splitTile {
		n := min(splitTile, r.hi-j)
		for i := range n {
			splitRow(rows.Row(i), segment(r.KPrefix, r.k, j+i, j+i+1).Row(0))
		}
		tile := r.keys[(j-r.lo)/splitGroup*splitGroup*r.depth+(j-r.lo)%splitGroup*splitTile:]
		for g := 0; g < r.depth; g += splitGroup {
			for half := range 2 {
				from := g + half*splitTile
				transpose(tile[g*splitGroup+half*2*splitTile*splitTile:], splitTile, rows.Columns(from, from+splitTile))
			}
		}
	}
}

// packSplitValues is packValues for split values.
func (r *attentionRun) packSplitValues() {
	span := r.span()
	rows := func(j int) []float32 {
		if j >= r.hi {
			return nil
		}
		return segment(r.VPrefix, r.v, j, j+1).Row(0)
	}
	for g := 0; g < span; g += splitGroup {
		for i := range splitTile {
			x, y := rows(r.lo+g+i), rows(r.lo+g+splitTile+i)
			for c := 0; c < r.v.Cols; c += splitGroup {
				splitPair(r.values[c*span+g*splitGroup:][:splitGroup*splitGroup], i, columns(x, c), columns(y, c))
			}
		}
	}
}

// columns are the numbers of row that are in the panel from column c on.
func columns(row []float32, c int) []float32 {
	if row == nil {
		return nil
	}
	return row[c:min(c+splitGroup, len(row))]
}

// span is the number of packed values, those that fill up the last group
// included.
func (r *attentionRun) span() int {
	if !r.shape.split {
		return r.hi - r.lo
	}
	return (r.hi - r.lo + splitGroup - 1) / splitGroup * splitGroup
}

// splitScores computes the products of height queries from row i on and the
// packed keys from lo on, of so many panels.
func (r *attentionRun) splitScores(i, height, lo, panels int) {
	stride := r.queryStride()
	for h := range height {
		splitRow(r.queries[h*stride:][:r.depth], r.q.Row(i+h))
	}
	multiplySplit(&splitProduct{a: unsafe.Pointer(&r.queries[0]), aRow: uintptr(4 * stride),
		b: unsafe.Pointer(&r.keys[(lo-r.lo)*r.depth]), bPanel: uintptr(4 * splitGroup * r.depth),
		y: unsafe.Pointer(&r.scores[0]), yRow: 4 * attentionStride, groups: r.depth / splitGroup, panels: panels})
}

// splitOutputs adds to the outputs of the tile's rows, from row i on, the packed
// values from lo on, weighed by n scores.
func (r *attentionRun) splitOutputs(states []softmaxState, i, lo, n int, first, last bool) {
	for h := range states {
		row := r.scores[h*attentionStride:][:n]
		splitRow(row, row)
	}
	width := (r.v.Cols + splitGroup - 1) / splitGroup * splitGroup
	multiplySplit(&splitProduct{a: unsafe.Pointer(&r.scores[0]), aRow: 4 * attentionStride,
		b: unsafe.Pointer(&r.values[(lo-r.lo)*splitGroup]), bPanel: uintptr(4 * splitGroup * r.span()),
		y: unsafe.Pointer(&r.sums[0]), yRow: uintptr(4 * width), groups: n / splitGroup, panels: width / splitGroup})
	addWeighed(r.out.Slice(i, i+len(states)), Matrix{Data: r.sums, Rows: len(states), Cols: width, Stride: width}, states, !first, last)
}
