package compute

import (
	"github.com/winnow-rerank/winnow/kernels"
)

// A KVCache holds the keys and values, in every layer, of the tokens that a causal
// model has read. As no token sees a later one, the first n entries are those of the
// first n tokens, whatever follows.
type KVCache struct {
	ids    []int32
	layers []layerCache
	width  int // numbers in a token's keys in a layer, and in its values

	// Under PrefixCache.mu:
	used   uint64 // last use, by PrefixCache.clock
	users  int    // calls that read or write it
	stored bool   // in PrefixCache.list
}

// layerCache is the keys and values of one layer, one row per token.
type layerCache struct{ keys, values []float32 }

// newKVCache has room for that many tokens. width is that of a token's keys in a layer.
func newKVCache(layers, width, tokens int) *KVCache {
	k := &KVCache{width: width, layers: make([]layerCache, layers)}
	for i := range k.layers {
		k.layers[i] = layerCache{kernels.Floats(tokens * width)[:0], kernels.Floats(tokens * width)[:0]}
	}
	return k
}

// IDs returns the tokens whose keys and values it holds. The slice is the cache's own.
func (k *KVCache) IDs() []int32 { return k.ids }

// Len is the number of tokens.
func (k *KVCache) Len() int { return len(k.ids) }

// Extend records that keys and values of these tokens have been stored in all layers.
func (k *KVCache) Extend(ids []int32) { k.ids = append(k.ids, ids...) }

// rows returns the keys and values of the first n tokens.
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

// copyFrom makes k a copy of the first n tokens of from.
func (k *KVCache) copyFrom(from *KVCache, n int) {
	k.ids = append(k.ids[:0], from.ids[:n]...)
	for i := range k.layers {
		l, f := &k.layers[i], &from.layers[i]
		l.keys = append(l.keys[:0], f.keys[:n*k.width]...)
		l.values = append(l.values[:0], f.values[:n*k.width]...)
	}
}

// clear removes all tokens but keeps the memory.
func (k *KVCache) clear() {
	k.ids = k.ids[:0]
	for i := range k.layers {
		l := &k.layers[i]
		l.keys, l.values = l.keys[:0], l.values[:0]
	}
}

// Bytes is the memory it holds: all layers are alike.
func (k *KVCache) Bytes() int64 {
	return int64(len(k.layers)) * int64(cap(k.layers[0].keys)+cap(k.layers[0].values)) * 4
}

// fits reports whether its memory suits that many tokens: enough, and no more than
// twice as much.
func (k *KVCache) fits(tokens int) bool {
	room := tokens * k.width
	return cap(k.layers[0].keys) >= room && cap(k.layers[0].keys)/2 <= room
}

// prefillBlock is how many tokens of one text are read at a time.
const prefillBlock = 256

// Prefill reads the tokens of ids that are not in cache yet (it holds the first of
// them), a block at a time, and stores their keys and values. pass is the model's
// forward pass and returns the requested states; Prefill returns the last block's
// result, for which it requests want. It ends early when the caller has gone away.
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

// CommonPrefix is the length of the common prefix of two lists.
func CommonPrefix(a, b []int32) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}
