package engine

import (
	"context"

	"github.com/winnow-rerank/winnow/engine/internal/compute"
)

// prefixBytes bounds the memory of the KV caches that are kept from call to call.
const prefixBytes = 256 << 20

// A promptScorer scores prompts, of which those of one call mostly begin alike.
type promptScorer interface {
	score(ctx context.Context, sequences []Sequence, outputs []Output) error
	// share finds the tokens that all prompts of a call begin with. head makes the prompt of
	// an empty document.
	share(head func() ([]int32, error), sequences []Sequence) error
}

// promptScorer is the one whose scores task makes.
func (m *backbone) promptScorer(task finisher) promptScorer {
	if d := m.network.Decoder; d.Causal && !d.Parts {
		return &prefixScorer{m, task, m.prefixCache()}
	}
	return wholePrompts{m, task}
}

// wholePrompts scores prompts whose tokens also see what comes after them.
type wholePrompts struct {
	*backbone
	task finisher
}

func (m wholePrompts) score(ctx context.Context, sequences []Sequence, outputs []Output) error {
	return m.forward(ctx, m.task, sequences, outputs, nil)
}

func (m wholePrompts) share(func() ([]int32, error), []Sequence) error { return nil }

// prefixScorer scores prompts of a causal model. The tokens that several begin with are
// read once, for all of them, and kept for later calls; no score changes by that.
type prefixScorer struct {
	*backbone
	task     finisher
	prefixes *compute.PrefixCache
}

func (m *prefixScorer) share(head func() ([]int32, error), sequences []Sequence) error {
	if len(sequences) == 0 {
		return nil
	}
	ids, err := head()
	if err != nil {
		return err
	}
	n := len(ids)
	for _, s := range sequences {
		n = min(n, compute.CommonPrefix(ids, s.IDs), len(s.IDs)-1)
	}
	for i := range sequences {
		if n >= compute.MinPrefix {
			sequences[i].shared = n
		}
	}
	return nil
}

func (m *prefixScorer) score(ctx context.Context, sequences []Sequence, outputs []Output) error {
	r := m.call()
	defer m.done(r)
	r.task, r.sequences, r.outputs = m.task, sequences, outputs
	defer func() {
		for _, k := range r.held {
			m.prefixes.Done(k)
		}
	}()
	known, err := r.prefill(ctx, m.prefixes)
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

// prefixCache is the store of KV caches of a causal model, one for all its tasks.
func (m *backbone) prefixCache() *compute.PrefixCache {
	if m.prefixes == nil {
		m.prefixes = compute.NewPrefixCache(m.network.Decoder.Layers, m.network.Decoder.KeyWidth, prefixBytes)
	}
	return m.prefixes
}
