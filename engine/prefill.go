package engine

import (
	"context"

	"github.com/winnow-rerank/winnow/engine/internal/compute"
)

// prefixBytes limits the memory of KV caches kept between calls.
const prefixBytes = 256 << 20

// A promptScorer scores prompts. Prompts of one call usually share a prefix.
type promptScorer interface {
	score(ctx context.Context, sequences []Sequence, outputs []Output) error
	// markShared sets the length of the prefix that all prompts of a call share. head
	// returns the prompt of an empty document.
	markShared(head func() ([]int32, error), sequences []Sequence) error
}

// newPromptScorer returns a promptScorer whose scores are computed by task.
func (b *backbone) newPromptScorer(task batchRunner) promptScorer {
	if d := b.network.Decoder; d.Causal && !d.Parts {
		return &prefixScorer{b, task, b.prefixCache()}
	}
	return wholePromptScorer{b, task}
}

// wholePromptScorer scores prompts of models for which a shared prefix cannot be computed
// separately: those whose tokens attend to later ones, or that need token types.
type wholePromptScorer struct {
	*backbone
	task batchRunner
}

func (w wholePromptScorer) score(ctx context.Context, sequences []Sequence, outputs []Output) error {
	return w.forward(ctx, w.task, sequences, outputs, nil)
}

func (w wholePromptScorer) markShared(func() ([]int32, error), []Sequence) error { return nil }

// prefixScorer scores prompts of a causal model. A prefix shared by several prompts is
// computed once and its KV cache kept for later calls; scores are the same without it.
type prefixScorer struct {
	*backbone
	task     batchRunner
	prefixes *compute.PrefixCache
}

func (p *prefixScorer) markShared(head func() ([]int32, error), sequences []Sequence) error {
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

func (p *prefixScorer) score(ctx context.Context, sequences []Sequence, outputs []Output) error {
	r := p.acquireCall()
	defer p.releaseCall(r)
	r.task, r.sequences, r.outputs = p.task, sequences, outputs
	defer func() {
		for _, k := range r.caches {
			p.prefixes.Done(k)
		}
	}()
	known, err := r.prefill(ctx, p.prefixes)
	if err != nil {
		return err
	}
	for _, s := range sequences {
		k := known[string(mapKey(s.IDs[:s.shared]))]
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

// prefill returns the KV caches of the shared prefixes by their mapKey, computing those
// that prefixes does not hold.
func (r *call) prefill(ctx context.Context, prefixes *compute.PrefixCache) (map[string]*compute.KVCache, error) {
	known := make(map[string]*compute.KVCache)
	w := &prefillJob{model: r.model}
	for _, s := range r.sequences {
		if s.shared < compute.MinPrefix {
			continue
		}
		key := mapKey(s.IDs[:s.shared])
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
		r.caches = append(r.caches, k)
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

// A prefillJob computes the KV caches of several texts in parallel.
type prefillJob struct {
	model  *backbone
	caches []*compute.KVCache
	ids    [][]int32
}

func (p *prefillJob) Tile(c *compute.Context, i int) {
	c.Prefill(p.caches[i], p.ids[i], compute.NoToken, p.model.network.Trunk.Hidden)
}

// mapKey returns the bytes of ids, for use as a map key.
func mapKey(ids []int32) []byte {
	b := make([]byte, 0, 4*len(ids))
	for _, id := range ids {
		b = append(b, byte(id), byte(id>>8), byte(id>>16), byte(id>>24))
	}
	return b
}

// prefixCache returns the store of KV caches, which all tasks of a causal model share.
func (b *backbone) prefixCache() *compute.PrefixCache {
	if b.prefixes == nil {
		b.prefixes = compute.NewPrefixCache(b.network.Decoder.Layers, b.network.Decoder.KeyWidth, prefixBytes)
	}
	return b.prefixes
}
