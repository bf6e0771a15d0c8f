package compute

import (
	"github.com/winnow-rerank/winnow/kernels"
)

// A KVCache is what a causal model keeps of the tokens that it has read: their keys
// and values in every layer. As no token sees a later one, the first n of them
// are those of the first n tokens, whatever follows.
type KVCache struct {
	ids    []int32
	layers []layerCache
	width  int // numbers of a token's keys in a layer, and of its values

	// Under PrefixCache.mu:
	used  uint64 // when it was used last
	users int    // calls that read or write it
	kept  bool   // in PrefixCache.list
}

// layerCache is keys and values of one layer, a row a token.
type layerCache struct{ keys, values []float32 }

// newKVCache has room for so many tokens. width is of a token's keys in a layer.
func newKVCache(layers, width, tokens int) *KVCache {
	k := &KVCache{width: width, layers: make([]layerCache, layers)}
	for i := range k.layers {
		k.layers[i] = layerCache{kernels.Floats(tokens * width)[:0], kernels.Floats(tokens * width)[:0]}
	}
	return k
}

// IDs are the tokens whose keys and values it has. They are the cache's own.
func (k *KVCache) IDs() []int32 { return k.ids }

// Len is the number of tokens.
func (k *KVCache) Len() int { return len(k.ids) }

// Extend says that keys and values of these tokens have been stored in all layers.
func (k *KVCache) Extend(ids []int32) { k.ids = append(k.ids, ids...) }

// rows are the keys and values of the first n tokens.
func (k *KVCache) rows(layer, n int) (keys, values Matrix) {
	l := &k.layers[layer]
	return Matrix{Data: l.keys[:n*k.width], Rows: n, Cols: k.width, Stride: k.width},
		Matrix{Data: l.values[:n*k.width], Rows: n, Cols: k.width, Stride: k.width}
}

// add appends tokens to a layer.
func (k *KVCache) add(layer int, keys, values Matrix) {
	l := &k.layers[layer]
	for i := range keys.Rows {
		l.keys = append(l.keys, keys.Row(i)...)
		l.values = append(l.values, values.Row(i)...)
	}
}

// copyFrom makes it the first n tokens of from.
func (k *KVCache) copyFrom(from *KVCache, n int) {
	k.ids = append(k.ids[:0], from.ids[:n]...)
	for i := range k.layers {
		l, f := &k.layers[i], &from.layers[i]
		l.keys = append(l.keys[:0], f.keys[:n*k.width]...)
		l.values = append(l.values[:0], f.values[:n*k.width]...)
	}
}

// clear leaves it with its memory only.
func (k *KVCache) clear() {
	k.ids = k.ids[:0]
	for i := range k.layers {
		l := &k.layers[i]
		l.keys, l.values = l.keys[:0], l.values[:0]
	}
}

// Bytes is how much memory it holds: all layers are alike.
func (k *KVCache) Bytes() int64 {
	return int64(len(k.layers)) * int64(cap(k.layers[0].keys)+cap(k.layers[0].values)) * 4
}

// fits says whether its memory is right for so many tokens: enough, and not more than
// twice as much.
func (k *KVCache) fits(tokens int) bool {
	room := tokens * k.width
	return cap(k.layers[0].keys) >= room && cap(k.layers[0].keys)/2 <= room
}

// prefillBlock is how many tokens of one text are read at a time.
const prefillBlock = 256

// Prefill reads those of ids that cache, which has the first of them, does not have,
// a block at a time, and stores their keys and values. pass is the model's forward pass,
// which gives what is wanted; Prefill gives what it gave of the last block, of which
// want is wanted. It ends early when the caller has gone away.
func (c *Context) Prefill(cache *KVCache, ids []int32, want Want, pass func(c *Context, want Want) Matrix) Matrix {
	var x Matrix
	for cache.Len() < len(ids) && !c.Cancelled() {
		from := cache.Len()
		to := min(from+prefillBlock, len(ids))
		c.Reset()
		c.Batch.Add(0, Sequence{IDs: ids[from:to]}, Prefix{Cache: cache, Tokens: from, Store: cache})
		block := NoToken
		if to == len(ids) {
			block = want
		}
		x = pass(c, block)
		if c.Cancelled() {
			break
		}
		cache.Extend(ids[from:to])
	}
	return x
}

// CommonPrefix is how many tokens two lists begin with alike.
func CommonPrefix(a, b []int32) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}
