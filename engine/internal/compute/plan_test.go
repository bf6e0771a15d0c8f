package compute

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Every sequence is in one chunk, the chunks are not more than need be, and
// their loads differ by no more than the longest sequence's cost.
func TestPlanDivides(t *testing.T) {
	var p Plan
	rapid.Check(t, func(t *rapid.T) {
		lengths := rapid.SliceOfN(rapid.IntRange(1, 600), 1, 200).Draw(t, "lengths")
		workers := rapid.IntRange(1, 8).Draw(t, "workers")
		sequences := make([]Sequence, len(lengths))
		tokens, longest := 0, 0
		for i, n := range lengths {
			sequences[i] = Sequence{IDs: make([]int32, n)}
			for j := range sequences[i].IDs {
				sequences[i].IDs[j] = int32(i)
			}
			tokens += n
			longest = max(longest, n)
		}
		const size, knee = 256, 1536
		p.Divide(sequences, size, workers, knee)
		if n := len(p.chunks); n > len(lengths) || n > tokens/size+workers {
			t.Fatalf("%d chunks for %d sequences of %d tokens in all", n, len(lengths), tokens)
		}
		if len(lengths) >= workers && len(p.chunks)%workers != 0 && len(p.chunks) != len(lengths) {
			t.Fatalf("%d chunks for %d workers", len(p.chunks), workers)
		}
		seen := make([]bool, len(lengths))
		var b Batch
		for i, c := range p.chunks {
			b.reset()
			p.Fill(&b, i, sequences, nil)
			if len(b.IDs) != c.tokens || len(b.Types) != c.tokens || int(b.Offsets[len(b.Offsets)-1]) != c.tokens {
				t.Fatalf("chunk of %d tokens filled with %d", c.tokens, len(b.IDs))
			}
			for s, n := range b.Numbers {
				if seen[n] {
					t.Fatalf("sequence %d twice", n)
				}
				seen[n] = true
				if ids := b.IDs[b.Offsets[s]:b.Offsets[s+1]]; !slices.Equal(ids, sequences[n].IDs) {
					t.Fatalf("sequence %d came out as %v", n, ids)
				}
			}
			if i > 0 && c.load > p.chunks[i-1].load {
				t.Fatal("chunks are not in order of load")
			}
		}
		if slices.Contains(seen, false) {
			t.Fatal("a sequence was left out")
		}
		first, last := p.chunks[0], p.chunks[len(p.chunks)-1]
		if first.load-last.load > cost(longest, knee) {
			t.Fatalf("loads from %d to %d with sequences of at most %d", last.load, first.load, cost(longest, knee))
		}
	})
}
