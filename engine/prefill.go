package engine

import (
	"context"

	"github.com/winnow-rerank/winnow/engine/internal/compute"
)

// prefixBytes bounds the memory of the KV caches that are kept from call to call.
const prefixBytes = 256 << 20

// scoreShared scores sequences of a causal model. The tokens that several begin with
// are read once, for all of them, and kept for later calls; no score changes by that.
func (m *backbone) scoreShared(ctx context.Context, prefixes *compute.PrefixCache, task finisher, sequences []Sequence, outputs []Output) error {
	r := m.call()
	defer m.done(r)
	r.task, r.sequences, r.outputs = task, sequences, outputs
	defer func() {
		for _, k := range r.held {
			prefixes.Done(k)
		}
	}()
	known, err := r.prefill(ctx, prefixes)
	if err != nil {
		return err
	}
	for _, s := range sequences {
		k := known[string(bytesOf(s.IDs[:s.shared]))]
		if s.shared < compute.MinPrefix {
			k = nil
		}
		if k == nil {
			r.inputs, r.prefixes = append(r.inputs, compute.Sequence{IDs: s.IDs}), append(r.prefixes, compute.Prefix{})
			continue
		}
		r.inputs = append(r.inputs, compute.Sequence{IDs: s.IDs[s.shared:]})
		r.prefixes = append(r.prefixes, compute.Prefix{Cache: k, Tokens: s.shared})
	}
	return r.run(ctx)
}

// prefill has the keys and values of what sequences share: found, or computed.
func (r *call) prefill(ctx context.Context, prefixes *compute.PrefixCache) (map[string]*compute.KVCache, error) {
	known := make(map[string]*compute.KVCache)
	w := &prefills{model: r.model}
	for _, s := range r.sequences {
		if s.shared < compute.MinPrefix {
			continue
		}
		key := bytesOf(s.IDs[:s.shared])
		if _, ok := known[string(key)]; ok {
			continue
		}
		k, n := prefixes.Find(s.IDs[:s.shared])
		if n < s.shared {
			next := prefixes.Begin(k, n, s.shared-n)
			prefixes.Done(k)
			w.caches, w.ids = append(w.caches, next), append(w.ids, s.IDs[:s.shared])
			k = next
		}
		known[string(key)] = k
		r.held = append(r.held, k)
	}
	if len(w.caches) == 0 {
		return known, nil
	}
	if err := r.model.runner.Run(ctx, w, len(w.caches)); err != nil {
		return nil, err
	}
	for _, k := range w.caches {
		prefixes.Put(k)
	}
	return known, nil
}

// prefills are texts that are read at the same time, each into a cache.
type prefills struct {
	model  *backbone
	caches []*compute.KVCache
	ids    [][]int32
}

func (p *prefills) Tile(c *compute.Context, i int) {
	c.Prefill(p.caches[i], p.ids[i], compute.NoToken, p.model.network.Trunk.Hidden)
}

// bytesOf is ids as a key of a map.
func bytesOf(ids []int32) []byte {
	b := make([]byte, 0, 4*len(ids))
	for _, id := range ids {
		b = append(b, byte(id), byte(id>>8), byte(id>>16), byte(id>>24))
	}
	return b
}
