package compute

import (
	"slices"
	"sync"
)

// MinPrefix is the minimum length, in tokens, of a prefix worth caching.
const MinPrefix = 8

// A PrefixCache is a bounded store of KV caches of prompt prefixes. A stored cache no
// longer changes.
type PrefixCache struct {
	layers, width int

	mu    sync.Mutex
	limit int64 // of size, in bytes
	clock uint64
	size  int64
	list  []*KVCache
	spare *KVCache // memory free for reuse, or nil
}

// NewPrefixCache keeps up to limit bytes for a model with that many layers, in each of
// which a token has width numbers for its keys and width for its values.
func NewPrefixCache(layers, width int, limit int64) *PrefixCache {
	return &PrefixCache{layers: layers, width: width, limit: limit}
}

// SetLimit changes the limit in bytes, from the next Put on.
func (p *PrefixCache) SetLimit(bytes int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.limit = bytes
}

// Stats returns the number of stored KV caches and their bytes.
func (p *PrefixCache) Stats() (caches int, bytes int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.list), p.size
}

// Begin returns a KV cache to write: the first n tokens of from, which may be nil if n
// is 0, and room for more. The caller must call Done with it.
func (p *PrefixCache) Begin(from *KVCache, n, more int) *KVCache {
	p.mu.Lock()
	k := p.spare
	if k != nil && k.fits(n+more) {
		p.spare = nil
	} else {
		k = nil
	}
	p.mu.Unlock()
	if k == nil {
		k = newKVCache(p.layers, p.width, n+more)
	}
	k.users = 1
	if n > 0 {
		k.copyFrom(from, n)
	} else {
		k.clear()
	}
	return k
}

// Done says that a caller of Begin or Find no longer uses k, which may be nil.
func (p *PrefixCache) Done(k *KVCache) {
	if k == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	k.users--
	p.free(k)
}

// free keeps the memory of an unused KV cache for the next one. Left to the garbage
// collector, a server would hold the memory of several.
func (p *PrefixCache) free(k *KVCache) {
	if k.users == 0 && !k.stored && k.Bytes() <= p.limit && (p.spare == nil || p.spare.Bytes() < k.Bytes()) {
		p.spare = k
	}
}

// drop removes a KV cache from the list.
func (p *PrefixCache) drop(i int) {
	k := p.list[i]
	p.list = slices.Delete(p.list, i, i+1)
	p.size -= k.Bytes()
	k.stored = false
	p.free(k)
}

// Find returns the KV cache with the longest prefix in common with ids, and its length.
// The caller must call Done with it.
func (p *PrefixCache) Find(ids []int32) (best *KVCache, common int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, k := range p.list {
		if n := CommonPrefix(k.ids, ids); n > common {
			best, common = k, n
		}
	}
	if common < MinPrefix {
		return nil, 0
	}
	p.clock++
	best.used = p.clock
	best.users++
	return best, common
}

// Put stores a KV cache and drops the least recently used ones if there are too many.
func (p *PrefixCache) Put(k *KVCache) {
	size := k.Bytes()
	p.mu.Lock()
	defer p.mu.Unlock()
	if size > p.limit || len(k.ids) < MinPrefix {
		return
	}
	// A cache that is a prefix of the new one is redundant.
	for i := len(p.list) - 1; i >= 0; i-- {
		if q := p.list[i]; len(q.ids) <= len(k.ids) && CommonPrefix(q.ids, k.ids) == len(q.ids) {
			p.drop(i)
		}
	}
	for p.size+size > p.limit {
		oldest := 0
		for i, q := range p.list {
			if q.used < p.list[oldest].used {
				oldest = i
			}
		}
		p.drop(oldest)
	}
	p.clock++
	k.used, k.stored = p.clock, true
	p.list = append(p.list, k)
	p.size += size
}
