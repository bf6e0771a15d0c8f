package kernels

import "unsafe"

// Disentangled is DeBERTa's attention for one head: softmax(scores)·V, where the score of
// query i and key j is
//
//	Scale·(qᵢ·kⱼ + qᵢ·Keys[b] + kⱼ·Queries[b])    b = Buckets[i−j + len(Buckets)/2]
//
// Keys and Queries hold a vector for each bucket of distances i−j (He et al. 2021). Either
// may have no rows; its term is then omitted.
//
// Like Attention it works in tiles, and a query's result depends only on the query and the
// keys. It is read-only: any number of workers may Run it.
type Disentangled struct {
	Scale         float32 // above 0
	Keys, Queries Matrix  // buckets × columns of q and k
	Buckets       []int32 // of an odd number of distances, with distance 0 in the middle
}

// The relative terms are products of a tile of queries (or keys) with the vectors of
// all its distances to the keys (or queries). In the order of the keys, the terms of a
// query are contiguous, and begin one place earlier for each next query:
//
//	query 0     ·  ·  a  b  c  d  e
//	query 1     ·  f  g  h  i  j  ·
//	query 2     k  l  m  n  o  ·  ·
//
// That is a matrix again, with a stride smaller by one: nothing is gathered. The price is a
// few unused products per tile (dots), and that distances in the same bucket are multiplied
// separately.

// DisentangledScratch is one worker's scratch memory. The zero value is ready for use; it
// grows to the size of the largest call.
type DisentangledScratch struct {
	keys, values []float32 // of a block, in panels
	scores       []float32 // of a group of queries
	rows         []float32 // of a tile: queries or keys, contiguous
	distances    []float32 // of a tile: products with distances
	state        []softmaxState
	ones         [maxTileRows]softmaxState // with factor 1

	// The vectors of distances −reach to reach of packed, in panels: column c of down is
	// Keys at distance reach−c, column c of up is Queries at c−reach. They are kept for
	// the next sequence.
	packed   *Disentangled
	cols     int // of a panel
	reach    int
	down, up []float32
}

// disentangledGroup is the number of queries whose scores are kept at a time.
const disentangledGroup = 192

// Run writes softmax(scores)·V to out, which has the rows of q and the columns of v,
// and must not overlap any of the others. Row i of q is at position i, like row i of k.
// k and v have the same number of rows, not fewer than q. Buckets covers the largest
// distance.
//
// Distances are packed for the longest sequence so far: run all sequences of one
// Disentangled consecutively, the longest first.
func (a *Disentangled) Run(out, q, k, v Matrix, s *DisentangledScratch) {
	if q.Rows == 0 {
		return
	}
	r := disentangledRun{Disentangled: a, DisentangledScratch: s, out: out, q: q, k: k, v: v, shape: chooseAttentionShape()}
	r.single = k.Rows <= attentionBlock
	r.reserve()
	r.packDistances()
	for r.from = 0; r.from < k.Rows; r.from += attentionBlock {
		r.hi = min(r.from+attentionBlock, k.Rows)
		r.packBlock()
		for i := 0; i < q.Rows; i += disentangledGroup {
			r.group(i, min(i+disentangledGroup, q.Rows))
		}
	}
}

// disentangledRun is one call of Run.
type disentangledRun struct {
	*Disentangled
	*DisentangledScratch
	out, q, k, v Matrix
	shape        attentionShape
	single       bool // there is one block of keys

	from, hi int // the block of keys
}

func (r *disentangledRun) reserve() {
	s, cols := r.DisentangledScratch, r.shape.cols
	keys := (min(attentionBlock, r.k.Rows) + cols - 1) / cols * cols
	s.keys = growAligned(s.keys, keys*r.q.Cols)
	s.values = growAligned(s.values, keys*((r.v.Cols+cols-1)/cols*cols))
	s.scores = growAligned(s.scores, min(disentangledGroup, r.q.Rows)*attentionStride)
	s.rows = growAligned(s.rows, max(maxTileRows, cols)*r.rowStride())
	s.distances = growAligned(s.distances, maxTileRows*r.distanceStride())
	states := maxTileRows
	if !r.single {
		states = r.q.Rows
	}
	if cap(s.state) < states {
		s.state = make([]softmaxState, states)
	}
	s.state = s.state[:states]
	for i := range s.ones {
		s.ones[i].factor = 1
	}
}

// rowStride and distanceStride return strides that are not powers of two, which would crowd
// rows into a few sets of the cache.
func (r *disentangledRun) rowStride() int { return r.q.Cols + softmaxLanes }
func (r *disentangledRun) distanceStride() int {
	return max(attentionBlock, disentangledGroup) + maxTileRows + r.shape.cols + softmaxLanes
}

// packDistances packs the vectors of the distances that occur, unless they are packed.
func (r *disentangledRun) packDistances() {
	s, cols := r.DisentangledScratch, r.shape.cols
	reach := r.k.Rows - 1
	if s.packed == r.Disentangled && s.cols == cols && s.reach >= reach {
		return
	}
	s.packed, s.cols, s.reach = r.Disentangled, cols, reach
	s.down = r.packVectors(s.down, r.Keys, -1)
	s.up = r.packVectors(s.up, r.Queries, 1)
}

// packVectors packs the rows of m for all distances in panels, whose columns are step
// distances apart.
func (r *disentangledRun) packVectors(dst []float32, m Matrix, step int) []float32 {
	if m.Rows == 0 {
		return dst
	}
	cols, d := r.shape.cols, m.Cols
	n := 2*r.reach + 1
	dst = growAligned(dst, (n+cols-1)/cols*cols*d)
	bucket := len(r.Buckets)/2 - step*r.reach
	for c := 0; c < n; c += cols {
		rows := Matrix{Data: r.rows, Rows: min(cols, n-c), Cols: d, Stride: r.rowStride()}
		for i := range rows.Rows {
			copy(rows.Row(i), m.Row(int(r.Buckets[bucket])))
			bucket += step
		}
		transpose(dst[c*d:], cols, rows)
	}
	return dst
}

// packBlock packs the block's keys and values.
func (r *disentangledRun) packBlock() {
	cols, d, keys := r.shape.cols, r.q.Cols, r.hi-r.from
	for j := 0; j < keys; j += cols {
		transpose(r.keys[j*d:], cols, r.k.Slice(r.from+j, min(r.hi, r.from+j+cols)))
	}
	for c := 0; c < r.v.Cols; c += cols {
		r.shape.copyPanel(r.values[c*keys:], r.v.Slice(r.from, r.hi).Columns(c, min(c+cols, r.v.Cols)))
	}
}

// group adds the block to queries from to to-1.
func (r *disentangledRun) group(from, to int) {
	if r.Queries.Rows > 0 {
		// Rows are keys, and distances grow with the query.
		for j := r.from; j < r.hi; j += r.shape.rows {
			height := min(r.shape.rows, r.hi-j)
			skewed := r.multiply(r.copyRows(r.k, j, height), r.up, from-j+r.reach, to-from)
			transpose(r.scores[j-r.from:], attentionStride, skewed)
		}
	}
	for i := from; i < to; i += r.shape.rows {
		r.tile(i, min(r.shape.rows, to-i), r.scores[(i-from)*attentionStride:])
	}
}

// copyRows copies rows i to i+height-1 of m to r.rows.
func (r *disentangledRun) copyRows(m Matrix, i, height int) Matrix {
	rows := Matrix{Data: r.rows, Rows: height, Cols: m.Cols, Stride: r.rowStride()}
	for h := range height {
		copy(rows.Row(h), m.Row(i+h))
	}
	return rows
}

// multiply multiplies rows by packed vectors of distances: row h of the result is row h
// times n vectors from column first−h on.
func (r *disentangledRun) multiply(rows Matrix, vectors []float32, first, n int) Matrix {
	cols, stride := r.shape.cols, r.distanceStride()
	begin := (first - rows.Rows + 1) / cols * cols
	r.shape.product(&attentionTile{rows: rows.Rows, k: rows.Cols, a: unsafe.Pointer(&rows.Data[0]), aRow: uintptr(4 * rows.Stride),
		b: unsafe.Pointer(&vectors[begin*rows.Cols]), bPanel: uintptr(4 * cols * rows.Cols),
		y: unsafe.Pointer(&r.distances[0]), yRow: uintptr(4 * stride), cols: first + n - begin})
	return Matrix{Data: r.distances[first-begin:], Rows: rows.Rows, Cols: n, Stride: stride - 1}
}

// tile adds the block to queries i to i+height-1. scores holds the products of keys and
// distances, if there are any.
func (r *disentangledRun) tile(i, height int, scores []float32) {
	d, keys, cols := r.q.Cols, r.hi-r.from, r.shape.cols
	rows := r.copyRows(r.q, i, height)
	t := attentionTile{rows: height, k: d, a: unsafe.Pointer(&rows.Data[0]), aRow: uintptr(4 * rows.Stride),
		b: unsafe.Pointer(&r.keys[0]), bPanel: uintptr(4 * cols * d),
		y: unsafe.Pointer(&scores[0]), yRow: 4 * attentionStride, cols: keys}
	if r.Queries.Rows > 0 {
		t.before = &r.ones[0].factor
	}
	r.shape.product(&t)
	if r.Keys.Rows > 0 {
		// Rows are queries, and distances fall with the key.
		skewed := r.multiply(rows, r.down, r.from-i+r.reach, keys)
		for h := range height {
			row := scores[h*attentionStride:][:keys]
			addRow(row, row, skewed.Row(h))
		}
	}

	// Weights.
	wide := (keys + softmaxLanes - 1) / softmaxLanes * softmaxLanes
	for h := range height {
		row := scores[h*attentionStride:][:wide]
		for j := keys; j < wide; j++ {
			row[j] = infinity
		}
	}
	states := r.state[:height]
	if !r.single {
		states = r.state[i:][:height]
	}
	if r.from == 0 {
		for h := range states {
			states[h].reset()
		}
	}
	weighRows(states, scores, attentionStride, wide, log2eHigh*r.Scale)

	// Outputs.
	if r.v.Cols == 0 {
		return
	}
	t = attentionTile{rows: height, k: keys, a: unsafe.Pointer(&scores[0]), aRow: 4 * attentionStride,
		b: unsafe.Pointer(&r.values[0]), bPanel: uintptr(4 * cols * keys),
		y: unsafe.Pointer(&r.out.Data[i*r.out.Stride]), yRow: uintptr(4 * r.out.Stride), cols: r.v.Cols}
	if r.from > 0 {
		t.before = &states[0].factor
	}
	if r.hi == r.k.Rows {
		t.after = &states[0].inverse
	}
	r.shape.product(&t)
}
