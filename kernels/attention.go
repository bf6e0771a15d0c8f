package kernels

import "unsafe"

// Attention is scaled dot-product attention, softmax(scores)·V, for one head of one
// sequence. The score of query i and key j is Scale·(qᵢ·kⱼ), to which the fields are
// applied in this order:
//
//	SoftCap         SoftCap·tanh(score/SoftCap)
//	Slope           − Slope·|i−j|
//	Bias            + Bias[j−i+BiasOffset]
//	Window, Causal  the attention mask: keys outside it get no weight
//
// Positions count all keys, those of the prefix first; query row r is at position Offset+r.
//
// Like FlashAttention, it processes tiles of a few queries by up to 512 keys with a running
// maximum and sum, so that memory does not grow with the length of the sequence. A query's
// result depends only on the query and the keys it sees: its bits are the same for any
// other rows of q, and whether keys are in the prefix or in k.
//
// If nothing depends on positions (no Causal, Window, Slope or Bias), several rows of q
// may have the same position: with grouped-query attention, the query heads that share
// a KV head when one token is generated.
type Attention struct {
	HeadDim int     // columns of q and k
	Scale   float32 // usually 1/√HeadDim

	// KPrefix and VPrefix precede the keys and values of k and v: a KV cache, or a
	// prefix shared by sequences. They may have no rows.
	KPrefix, VPrefix Matrix

	Causal bool // query i sees keys j ≤ i
	Offset int  // position of query row 0
	Window int  // if above 0, query i sees only keys with |i−j| ≤ Window, or, if Causal, with i−j < Window

	Slope   float32 // of ALiBi (Press et al. 2021)
	SoftCap float32 // 0: none

	// Bias is a relative position bias, as MPNet and T5 learn it: one number for each
	// distance j−i. Bias[BiasOffset] is for the key at the query's own position, the
	// following numbers are for keys on its right. Every distance between a row of q and
	// a key needs its number, masked or not: from index BiasOffset−(Offset+q.Rows−1),
	// the last query and key 0, to BiasOffset+(n−1−Offset), the first query and the last
	// of n keys, prefix included. nil adds nothing.
	Bias       []float32
	BiasOffset int

	// Coarse allows bfloat16 products where they are faster, which may depend on the
	// number of keys. It rounds q, k, v and the attention weights to 8 significant bits.
	Coarse bool
}

// AttentionScratch is one worker's scratch memory. The zero value is ready for use; it
// grows to the size of the largest call.
type AttentionScratch struct {
	keys    []float32 // panels of transposed keys
	values  []float32 // panels of values
	scores  []float32 // a tile
	queries []float32 // of a tile, or, as pairs, of all
	state   []softmaxState
	biases  []float32 // of each distance
	sums    []float32 // of a tile of pairs
}

const (
	// attentionBlock keys are packed and weighed at once. Blocks begin at multiples of
	// it, so that sums do not depend on the position of a query in q.
	attentionBlock = 512
	// attentionStride is the distance of rows in a tile of scores. It is not a power of
	// two, which would crowd them into a few sets of the cache.
	attentionStride = attentionBlock + softmaxLanes
	// attentionRows is the maximum number of rows of a tile.
	attentionRows = max(maxTileRows, bf16Rows)
	// crowdedStride bytes between rows map them to one or two sets of the first-level
	// cache.
	crowdedStride = 2048
)

// Run writes softmax(scores)·V to out, which has the rows of q and the columns of v, and
// must not overlap any of the others. q and k have HeadDim columns, k and v the same number
// of rows.
func (a *Attention) Run(out, q, k, v Matrix, s *AttentionScratch) {
	if q.Rows == 0 {
		return
	}
	r := attentionRun{Attention: a, AttentionScratch: s, out: out, q: q, k: k, v: v,
		total: a.KPrefix.Rows + k.Rows, depth: a.HeadDim, shape: chooseAttentionShape()}
	if a.Coarse {
		r.coarsen()
	}
	lo, hi := r.seen(0, q.Rows)
	if lo >= hi {
		for i := range out.Rows {
			clear(out.Row(i))
		}
		return
	}
	size := r.shape.block()
	first := lo / size * size
	r.single = hi <= first+size
	r.crowded = 4*q.Stride%crowdedStride == 0 && !r.shape.bf16
	r.reserve()
	if r.shape.bf16 {
		roundRows(r.queryPairs(bf16Tile, q.Rows), q, r.queryScale())
	}
	for from := first; from < hi; from += size {
		r.block(from, max(lo, from), min(hi, from+size))
	}
}

// coarsen switches to bfloat16 numbers if that is faster.
func (r *attentionRun) coarsen() {
	if features.coarseKeys > 0 && r.total >= features.coarseKeys && r.HeadDim > 0 {
		r.shape = attentionShape{rows: bf16Rows, cols: bf16Group, bf16: true}
		r.depth = (r.HeadDim + bf16Group - 1) / bf16Group * bf16Group
	}
}

// attentionRun is one call of Run.
type attentionRun struct {
	*Attention
	*AttentionScratch
	out, q, k, v Matrix
	total        int // keys, the prefix included
	depth        int // HeadDim, padded
	shape        attentionShape
	single       bool // no query sees more than one block
	crowded      bool // rows of q would crowd each other out of the first-level cache

	bias       []float32 // added to the score of query i and key j: bias[j−i+biasOffset]
	biasOffset int

	from, lo, hi int // the start of the block, and the packed keys: lo to hi-1
}

func (r *attentionRun) reserve() {
	s, cols := r.AttentionScratch, r.shape.cols
	keys := min(r.shape.block(), (r.total+cols-1)/cols*cols+cols)
	width := (r.v.Cols + cols - 1) / cols * cols
	s.keys = growAligned(s.keys, keys*r.depth)
	s.values = growAligned(s.values, keys*width)
	s.scores = growAligned(s.scores, attentionRows*attentionStride)
	switch {
	case r.shape.bf16:
		s.queries = growAligned(s.queries, (bf16Tile+r.q.Rows+bf16Tile)*r.depth/2)
		s.sums = growAligned(s.sums, bf16Rows*width)
	case r.crowded:
		s.queries = growAligned(s.queries, attentionRows*r.queryStride())
	}
	states := attentionRows
	if !r.single {
		states += r.q.Rows
	}
	if cap(s.state) < states {
		s.state = make([]softmaxState, states)
	}
	s.state = s.state[:states]
	r.reserveBias()
}

// reserveBias computes the bias of each distance.
func (r *attentionRun) reserveBias() {
	first, last := -(r.Offset + r.q.Rows - 1), r.total-1-r.Offset // distances j−i
	if r.Bias != nil {
		_, _ = r.Bias[first+r.BiasOffset], r.Bias[last+r.BiasOffset]
	}
	switch {
	case r.Slope == 0 && r.Bias == nil:
		return
	case r.Slope == 0 && !r.shape.bf16:
		r.bias, r.biasOffset = r.Bias, r.BiasOffset
		return
	}
	s, n := r.AttentionScratch, last-first+1
	if cap(s.biases) < n {
		s.biases = make([]float32, n)
	}
	r.bias, r.biasOffset = s.biases[:n], -first
	for i := range r.bias {
		distance := first + i
		x := -r.Slope * float32(max(distance, -distance))
		if r.Bias != nil {
			x += r.Bias[distance+r.BiasOffset]
		}
		if r.shape.bf16 {
			x *= log2eHigh
		}
		r.bias[i] = x
	}
}

// queryStride is the distance of a tile's copied queries.
func (r *attentionRun) queryStride() int { return r.depth + softmaxLanes }

func growAligned(s []float32, n int) []float32 {
	if cap(s) < n {
		return aligned[float32](n)
	}
	return s[:n]
}

// seen returns the range of keys that any of query rows from to to-1 sees.
func (r *attentionRun) seen(from, to int) (lo, hi int) {
	first, last := r.Offset+from, r.Offset+to-1
	lo, hi = 0, r.total
	switch {
	case r.Causal:
		hi = min(hi, last+1)
		if r.Window > 0 {
			lo = max(lo, first-r.Window+1)
		}
	case r.Window > 0:
		lo, hi = max(lo, first-r.Window), min(hi, last+r.Window+1)
	}
	return lo, hi
}

// block adds keys lo to hi-1 of the block that begins at from to all queries that see
// any of them.
func (r *attentionRun) block(from, lo, hi int) {
	r.from, r.lo, r.hi = from, from+(lo-from)/r.shape.cols*r.shape.cols, hi
	if r.shape.bf16 {
		r.packBF16Keys()
		r.packBF16Values()
		for i := 0; i < r.q.Rows; i += bf16Rows {
			r.tileBF16(i, min(bf16Rows, r.q.Rows-i))
		}
		return
	}
	r.packKeys()
	r.packValues()
	// Tiles have about the same height.
	rows := r.q.Rows
	tiles := (rows + r.shape.rows - 1) / r.shape.rows
	for t := range tiles {
		i := t * rows / tiles
		r.tile(i, (t+1)*rows/tiles-i)
	}
}

// segment returns keys from from on, up to to-1, of the concatenation of prefix and
// rest, as far as they are in one of them.
func segment(prefix, rest Matrix, from, to int) Matrix {
	if from < prefix.Rows {
		return prefix.Slice(from, min(to, prefix.Rows))
	}
	return rest.Slice(from-prefix.Rows, to-prefix.Rows)
}

// packKeys transposes the keys in panels of shape.cols. Columns of the last panel without a
// key are left as they are.
func (r *attentionRun) packKeys() {
	cols, d := r.shape.cols, r.HeadDim
	for j := r.lo; j < r.hi; {
		part := segment(r.KPrefix, r.k, j, min(r.hi, r.lo+((j-r.lo)/cols+1)*cols))
		transpose(r.keys[(j-r.lo)/cols*cols*d+(j-r.lo)%cols:], cols, part)
		j += part.Rows
	}
}

// packValues copies the values in panels of shape.cols columns, the last padded with zeros.
func (r *attentionRun) packValues() {
	cols, keys := r.shape.cols, r.hi-r.lo
	for j := r.lo; j < r.hi; {
		part := segment(r.VPrefix, r.v, j, r.hi)
		for c := 0; c < part.Cols; c += cols {
			r.shape.copyPanel(r.values[c*keys+(j-r.lo)*cols:], part.Columns(c, min(c+cols, part.Cols)))
		}
		j += part.Rows
	}
}

// clip returns the range of packed keys that query rows i to i+height-1 see, and whether
// these include the first and the last keys they see; blocks have block keys. It clears the
// outputs of rows that see no key at all.
func (r *attentionRun) clip(i, height, block int) (lo, hi int, first, last bool) {
	lo, hi = r.seen(i, i+height)
	if lo >= hi {
		for h := range height {
			clear(r.out.Row(i + h))
		}
	}
	return max(lo, r.lo), min(hi, r.hi), lo >= r.from, hi <= r.from+block
}

// states returns the softmax states of query rows i to i+height-1. They are stored per
// query only if they are needed again.
func (r *attentionRun) states(i, height int, first, last bool) []softmaxState {
	states := r.state[:height]
	if !first || !last {
		states = r.state[attentionRows+i:][:height]
	}
	if first {
		for h := range states {
			states[h].reset()
		}
	}
	return states
}

// prepare turns products into scores, for height queries from row i on and n keys from lo
// on. Keys that a query does not see, and those from hi on, get a score of −Inf.
func (r *attentionRun) prepare(i, height, stride, lo, n, hi int) {
	if r.plain() && r.Window == 0 && !r.Causal && lo+n == hi {
		return
	}
	if !r.plain() {
		r.change(i, height, stride, lo, n)
	}
	for h := range height {
		row := r.scores[h*stride:][:n]
		seen, end := r.seen(i+h, i+h+1)
		seen, end = min(max(seen-lo, 0), len(row)), max(min(end, hi)-lo, 0)
		for j := range row[:seen] {
			row[j] = infinity
		}
		for j := end; j < len(row); j++ {
			row[j] = infinity
		}
	}
}

// plain reports whether scores are just products times a factor.
func (r *attentionRun) plain() bool {
	return (r.Scale > 0 || r.shape.bf16) && r.bias == nil && r.SoftCap == 0
}

// queryScale is the factor of queries in pairs. Without SoftCap it makes scores binary
// logarithms of weights.
func (r *attentionRun) queryScale() float32 {
	if r.SoftCap != 0 {
		return r.Scale
	}
	return r.Scale * log2eHigh
}

// tile adds the packed keys to query rows i to i+height-1.
func (r *attentionRun) tile(i, height int) {
	lo, hi, first, last := r.clip(i, height, attentionBlock)
	if lo >= hi {
		return
	}
	cols, from := r.shape.cols, lo
	lo = r.lo + (lo-r.lo)/cols*cols
	end := lo + (hi-lo+cols-1)/cols*cols
	states := r.states(i, height, first, last)
	r.products(i, height, lo, end)

	wide := (hi - lo + softmaxLanes - 1) / softmaxLanes * softmaxLanes
	r.prepare(i, height, attentionStride, lo, wide, hi)
	c := float32(log2eHigh)
	if r.plain() {
		c *= r.Scale
	}
	weighRows(states, r.scores, attentionStride, wide, c)

	// Outputs.
	if r.v.Cols == 0 {
		return
	}
	t := attentionTile{rows: height, k: hi - from, a: unsafe.Pointer(&r.scores[from-lo]), aRow: 4 * attentionStride,
		b: unsafe.Pointer(&r.values[(from-r.lo)*cols]), bPanel: uintptr(4 * cols * (r.hi - r.lo)),
		y: unsafe.Pointer(&r.out.Data[i*r.out.Stride]), yRow: uintptr(4 * r.out.Stride), cols: r.v.Cols}
	if !first {
		t.before = &states[0].factor
	}
	if last {
		t.after = &states[0].inverse
	}
	r.shape.product(&t)
}

// products computes the products of height queries from row i on and packed keys from to
// to-1.
func (r *attentionRun) products(i, height, from, to int) {
	d := r.HeadDim
	t := attentionTile{rows: height, k: d, aRow: uintptr(4 * r.q.Stride), bPanel: uintptr(4 * r.shape.cols * d),
		y: unsafe.Pointer(&r.scores[0]), yRow: 4 * attentionStride, cols: to - from}
	if d > 0 {
		q := r.q.Data[i*r.q.Stride:]
		if r.crowded {
			t.aRow = uintptr(4 * r.queryStride())
			for h := range height {
				copy(r.queries[h*r.queryStride():], r.q.Row(i+h))
			}
			q = r.queries
		}
		t.a = unsafe.Pointer(&q[0])
		t.b = unsafe.Pointer(&r.keys[(from-r.lo)*d])
	}
	r.shape.product(&t)
}

// change applies Scale, SoftCap, Slope and Bias to the products of height query rows from
// row i on and n keys from lo on.
func (r *attentionRun) change(i, height, stride, lo, n int) {
	scale := r.Scale
	if r.shape.bf16 {
		scale = 1
	}
	if r.SoftCap != 0 {
		for h := range height {
			row := r.scores[h*stride:][:n]
			scaleRow(row, scale/r.SoftCap)
			vector(row, row, nil, Tanh)
		}
		scale = r.SoftCap
		if r.shape.bf16 {
			scale *= log2eHigh
		}
	}
	if r.bias != nil {
		// Columns beyond the last key have no bias and stay as they are.
		n = min(n, r.total-lo)
		biasRows(r.scores, height, stride, n, scale, r.bias, lo-(r.Offset+i)+r.biasOffset)
		return
	}
	if scale != 1 {
		for h := range height {
			scaleRow(r.scores[h*stride:][:n], scale)
		}
	}
}

// biasRowsPortable is the definition of biasRows: it multiplies n numbers of each row by
// scale and adds biases, to row h those from index at−h on.
func biasRowsPortable(scores []float32, rows, stride, n int, scale float32, bias []float32, at int) {
	for h := range rows {
		row := scores[h*stride:][:n]
		for j, b := range bias[at-h:][:n] {
			row[j] = float32(row[j]*scale) + b
		}
	}
}

// attentionShape is the tile that a micro-kernel keeps in registers: up to rows rows by
// cols columns. cols is a multiple of softmaxLanes.
type attentionShape struct {
	rows, cols int
	rung       uint8 // as floatShape.rung
	bf16       bool  // bfloat16 products: see attention_bf16.go
}

// block returns how many keys are packed at a time.
func (s attentionShape) block() int {
	if s.bf16 {
		return bf16Span
	}
	return attentionBlock
}

// chooseAttentionShape returns the tile of the float GEMM, or a wider one for plain Go.
func chooseAttentionShape() attentionShape {
	s := features.floats
	if s.rung == floatPortable {
		return attentionShape{rows: 4, cols: portablePanel, rung: floatPortable}
	}
	return attentionShape{rows: s.rows, cols: s.cols, rung: s.rung}
}

// attentionTile is the argument of a micro-kernel; productPortable defines what it
// computes. All strides are in bytes.
type attentionTile struct {
	a             unsafe.Pointer // rows × k
	aRow          uintptr
	b             unsafe.Pointer // k × cols, in panels
	bPanel        uintptr
	y             unsafe.Pointer // rows × cols
	yRow          uintptr
	before, after *float32 // one for each row, at the stride of a softmaxState; or nil
	rows, k, cols int
}

// productPortable is the definition of the micro-kernels:
//
//	y = (y·before + a·b)·after
//
// before and after are factors of the rows; without before, y begins at 0. The columns of b
// are cut into panels of portablePanel columns; in a panel, the rows of b are consecutive.
// Sums are in the order of b's rows.
func productPortable(t *attentionTile) {
	const panel = portablePanel
	var sums [portablePanel]float32
	for i := range uintptr(t.rows) {
		before, after := float32(0), float32(1)
		if t.before != nil {
			before = *(*float32)(unsafe.Add(unsafe.Pointer(t.before), i*unsafe.Sizeof(softmaxState{})))
		}
		if t.after != nil {
			after = *(*float32)(unsafe.Add(unsafe.Pointer(t.after), i*unsafe.Sizeof(softmaxState{})))
		}
		for j := 0; j < t.cols; j += panel {
			y := unsafe.Slice((*float32)(unsafe.Add(t.y, i*t.yRow+4*uintptr(j))), min(panel, t.cols-j))
			clear(sums[:])
			if t.before != nil {
				for c, v := range y {
					sums[c] = v * before
				}
			}
			b := unsafe.Add(t.b, uintptr(j/panel)*t.bPanel)
			for l := range uintptr(t.k) {
				a := *(*float32)(unsafe.Add(t.a, i*t.aRow+4*l))
				for c, v := range (*[portablePanel]float32)(unsafe.Add(b, 4*l*portablePanel)) {
					sums[c] += float32(a * v)
				}
			}
			for c := range y {
				y[c] = sums[c] * after
			}
		}
	}
}

// portablePanel is the panel of productPortable.
const portablePanel = 16

// copyPanelPortable is the definition of copyPanel: it copies the rows of src to
// consecutive rows of cols numbers in dst, padded with zeros.
func copyPanelPortable(dst []float32, cols int, src Matrix) {
	for i := range src.Rows {
		row := dst[i*cols : (i+1)*cols]
		clear(row[copy(row, src.Row(i)):])
	}
}
