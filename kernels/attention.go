package kernels

import "unsafe"

// Attention is scaled dot-product attention, softmax(scores)·V, for one head of one
// sequence. The logit of query i and key j is Scale·(qᵢ·kⱼ), to which the fields apply
// in this order:
//
//	SoftCap         SoftCap·tanh(score/SoftCap)
//	Slope           − Slope·|i−j|
//	Bias            + Bias[j−i+BiasOffset]
//	Window, Causal  the attention mask: keys outside of it get no weight
//
// Positions are counted over all keys, those of the prefix first; query row r is at
// position Offset+r.
//
// Like FlashAttention, it works through tiles of a few queries by up to 512 keys with
// a running maximum and sum, so that memory does not grow with the length of the
// sequence. A query's result depends on the query and the keys that it sees, and on
// nothing else: the same bits come out whichever other rows q has, and whether keys
// are in the prefix or in k.
//
// Where nothing depends on positions (no Causal, Window, Slope or Bias), several rows
// of q may have the same position: with grouped-query attention, the query heads that
// share a KV head when one token is generated.
type Attention struct {
	HeadDim int     // columns of q and k
	Scale   float32 // usually 1/√HeadDim

	// KPrefix and VPrefix come before the keys and values of k and v: a KV cache, or
	// a prefix that sequences share. They may have no rows.
	KPrefix, VPrefix Matrix

	Causal bool // query i sees keys j ≤ i
	Offset int  // position of query row 0
	Window int  // if above 0, only keys with |i−j| ≤ Window are seen, or, if Causal, with i−j < Window

	Slope   float32 // of ALiBi (Press et al. 2021)
	SoftCap float32 // 0: none

	// Bias is a relative position bias, such as MPNet and T5 learn: one number for
	// each distance j−i. Bias[BiasOffset] belongs to the key at the query's own
	// position, what follows to keys on its right. Every distance between a row of q
	// and a key must have its number, masked or not: the indices run from at most
	// BiasOffset−(Offset+q.Rows−1), the last query and key 0, to at least
	// BiasOffset+(n−1−Offset), the first query and the last of n keys, prefix
	// included. nil adds nothing.
	Bias       []float32
	BiasOffset int

	// Coarse allows bfloat16 products where they are faster, which may depend on the
	// number of keys. The errors are those of rounding q, k, v and the attention
	// weights to 8 significant bits.
	Coarse bool
}

// AttentionScratch is one worker's scratch memory. The zero value is ready for use; it
// grows to what the largest call needs and keeps that.
type AttentionScratch struct {
	keys    []float32 // panels of transposed keys
	values  []float32 // panels of values
	scores  []float32 // a tile
	queries []float32 // a tile's, or, as pairs, all
	state   []softmaxState
	biases  []float32 // what is added at each distance
	sums    []float32 // a tile's, of pairs
}

const (
	// attentionBlock keys are packed and weighed at once. Blocks begin at
	// multiples of it, so that sums do not depend on where a query stands in q.
	attentionBlock = 512
	// attentionStride is the distance of rows in a tile of scores: not a power of
	// two, which would crowd them into a few sets of the cache.
	attentionStride = attentionBlock + softmaxLanes
	// attentionRows are the most rows of a tile.
	attentionRows = max(maxTileRows, bf16Rows)
	// Rows that lie so many bytes apart share one or two sets of the first-level
	// cache.
	crowdedStride = 2048
)

// Run writes softmax(scores)·V to out, which has as many rows as q and as many
// columns as v, and must not overlap any of the others. q and k have HeadDim columns,
// k and v equally many rows.
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

// coarsen takes the shape for bfloat16 numbers, if that is worth it.
func (r *attentionRun) coarsen() {
	if features.coarseKeys > 0 && r.total >= features.coarseKeys && r.HeadDim > 0 {
		r.shape = attentionShape{rows: bf16Rows, cols: bf16Group, bf16: true}
		r.depth = (r.HeadDim + bf16Group - 1) / bf16Group * bf16Group
	}
}

// attentionRun is one Run.
type attentionRun struct {
	*Attention
	*AttentionScratch
	out, q, k, v Matrix
	total        int // keys, the prefix included
	depth        int // HeadDim, or what it is filled up to
	shape        attentionShape
	single       bool // no query sees more than the one block
	crowded      bool // rows of q would crowd each other out of the first-level cache

	bias       []float32 // added to the score of query i and key j: bias[j−i+biasOffset]
	biasOffset int

	from, lo, hi int // the packed keys, and where their block begins
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

// reserveBias says what is added to scores at each distance.
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

// queryStride is the distance of a tile's queries when they are copied.
func (r *attentionRun) queryStride() int { return r.depth + softmaxLanes }

func growAligned(s []float32, n int) []float32 {
	if cap(s) < n {
		return aligned[float32](n)
	}
	return s[:n]
}

// seen is the range of keys that query rows from to to-1 see among them.
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

// block adds keys lo to hi-1 of the block that begins at from to all queries that
// see any of them.
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
	// Tiles are of about the same height.
	rows := r.q.Rows
	tiles := (rows + r.shape.rows - 1) / r.shape.rows
	for t := range tiles {
		i := t * rows / tiles
		r.tile(i, (t+1)*rows/tiles-i)
	}
}

// segment is the part of keys from to to-1 of prefix and rest, two matrices one
// after the other, that lies in one of them: it begins at from.
func segment(prefix, rest Matrix, from, to int) Matrix {
	if from < prefix.Rows {
		return prefix.Slice(from, min(to, prefix.Rows))
	}
	return rest.Slice(from-prefix.Rows, to-prefix.Rows)
}

// packKeys transposes the keys, a panel of shape.cols of them after the other.
// Columns of the last panel that have no key keep what was there.
func (r *attentionRun) packKeys() {
	cols, d := r.shape.cols, r.HeadDim
	for j := r.lo; j < r.hi; {
		part := segment(r.KPrefix, r.k, j, min(r.hi, r.lo+((j-r.lo)/cols+1)*cols))
		transpose(r.keys[(j-r.lo)/cols*cols*d+(j-r.lo)%cols:], cols, part)
		j += part.Rows
	}
}

// packValues copies the values in panels of shape.cols columns, the last filled
// up with zeros.
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

// clip is which of the packed keys, of a block of so many, query rows i to i+height-1
// see, and whether these are their first and their last ones. It clears the outputs of
// rows that see no key at all.
func (r *attentionRun) clip(i, height, block int) (lo, hi int, first, last bool) {
	lo, hi = r.seen(i, i+height)
	if lo >= hi {
		for h := range height {
			clear(r.out.Row(i + h))
		}
	}
	return max(lo, r.lo), min(hi, r.hi), lo >= r.from, hi <= r.from+block
}

// states is what is known of query rows i to i+height-1. It is kept apart only if it
// is needed again.
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

// prepare changes the scores of height queries from row i on, and of n keys from lo
// on, to what weights are computed from: keys that a query does not see, and those
// from hi on, get none.
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

// plain says whether scores are products times a factor, and nothing else.
func (r *attentionRun) plain() bool {
	return (r.Scale > 0 || r.shape.bf16) && r.bias == nil && r.SoftCap == 0
}

// queryScale is what queries in pairs are multiplied by, so that weights are powers
// of 2 by the scores, if nothing comes between.
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

// products computes the scores of height queries from row i on and the packed keys
// from from to to-1, before anything changes them.
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

// change makes scores of the products of height query rows from row i on and n keys
// from lo on, as SoftCap, Slope and Bias say.
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
		// Columns beyond the last key have no bias; what they hold is left.
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

// biasRowsPortable is the definition of biasRows: n numbers of each of some rows are
// multiplied by scale, and biases are added, those of a row from index at on and those
// of the next one from the index before.
func biasRowsPortable(scores []float32, rows, stride, n int, scale float32, bias []float32, at int) {
	for h := range rows {
		row := scores[h*stride:][:n]
		for j, b := range bias[at-h:][:n] {
			row[j] = float32(row[j]*scale) + b
		}
	}
}

// attentionShape is the tile that a micro-kernel keeps in registers: up to rows
// rows by cols columns. cols is a multiple of softmaxLanes.
type attentionShape struct {
	rows, cols int
	rung       uint8 // as floatShape.rung
	bf16       bool  // of bfloat16 numbers: see attention_bf16.go
}

// block is how many keys are packed at a time.
func (s attentionShape) block() int {
	if s.bf16 {
		return bf16Span
	}
	return attentionBlock
}

// chooseAttentionShape is the tile of the float GEMM, but that plain Go has a wider
// one.
func chooseAttentionShape() attentionShape {
	s := features.floats
	if s.rung == floatPortable {
		return attentionShape{rows: 4, cols: portablePanel, rung: floatPortable}
	}
	return attentionShape{rows: s.rows, cols: s.cols, rung: s.rung}
}

// attentionTile says to a micro-kernel what to compute; see productPortable. All
// strides are in bytes.
type attentionTile struct {
	a             unsafe.Pointer // rows × k
	aRow          uintptr
	b             unsafe.Pointer // k × cols, in panels
	bPanel        uintptr
	y             unsafe.Pointer // rows × cols
	yRow          uintptr
	before, after *float32 // one for each row, a softmaxState apart; or nil
	rows, k, cols int
}

// productPortable is the definition of the micro-kernels:
//
//	y = (y·before + a·b)·after
//
// before and after multiply rows; without before, y begins at 0. The columns of b
// are cut in panels of portablePanel columns: in each, one row of b follows the other. Each
// sum goes in the order of b's rows.
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
// rows of cols numbers that follow each other in dst, and fills them up with zeros.
func copyPanelPortable(dst []float32, cols int, src Matrix) {
	for i := range src.Rows {
		row := dst[i*cols : (i+1)*cols]
		clear(row[copy(row, src.Row(i)):])
	}
}
