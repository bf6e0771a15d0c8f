package compute

import (
	"slices"
	"sync"
)

// MinPrefix is the number of tokens from which on it pays to keep the keys and values
// of a prefix and to look them up.
const MinPrefix = 8

// A PrefixCache is a bounded store of KV caches of the texts that prompts begin with.
// Those in it do not change any more.
type PrefixCache struct {
	layers, width int

	mu    sync.Mutex
	limit int64 // bytes that are kept
	clock uint64
	size  int64
	list  []*KVCache
	spare *KVCache // memory that nobody reads any more, or nil
}

// NewPrefixCache keeps up to limit bytes for a model of so many layers, in each of which
// a token has width numbers of keys and as many of values.
func NewPrefixCache(layers, width int, limit int64) *PrefixCache {
	return &PrefixCache{layers: layers, width: width, limit: limit}
}

// SetLimit changes how many bytes are kept from the next Put on.
func (p *PrefixCache) SetLimit(bytes int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.limit = bytes
}

// Stats are how many KV caches are kept, and their bytes.
func (p *PrefixCache) Stats() (caches int, bytes int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.list), p.size
}

// Begin is a KV cache for the caller to write, and to be Done with: the first n tokens
// of from, which may be nil if n is 0, and room for more.
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

// Done says that a caller of Begin or Find uses k, which may be nil, no more.
func (p *PrefixCache) Done(k *KVCache) {
	if k == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	k.users--
	p.free(k)
}

// free takes the memory of a KV cache that nobody uses for the next one. At the pace of
// the garbage collector a server would hold the memory of several.
func (p *PrefixCache) free(k *KVCache) {
	if k.users == 0 && !k.kept && k.Bytes() <= p.limit && (p.spare == nil || p.spare.Bytes() < k.Bytes()) {
		p.spare = k
	}
}

// drop takes a KV cache out of the list.
func (p *PrefixCache) drop(i int) {
	k := p.list[i]
	p.list = slices.Delete(p.list, i, i+1)
	p.size -= k.Bytes()
	k.kept = false
	p.free(k)
}

// Find is the KV cache that has the most tokens of the beginning of ids, and how many
// these are. The caller says when it is Done with it.
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

// Put stores a KV cache, and drops those that were used least recently where there
// are too many.
func (p *PrefixCache) Put(k *KVCache) {
	size := k.Bytes()
	p.mu.Lock()
	defer p.mu.Unlock()
	if size > p.limit || len(k.ids) < MinPrefix {
		return
	}
	// What is wholly contained in the new one is of no more use.
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
	k.used, k.kept = p.clock, true
	p.list = append(p.list, k)
	p.size += size
}
