package engine

import (
	"cmp"
	"container/heap"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/winnow-rerank/winnow/tokenizer"
)

// A candidate is a token with its logit, which sample later replaces by its unnormalised
// probability.
type candidate struct {
	id    int32
	score float64
}

// A candidateHeap is a min-heap of candidates: the lowest logit comes first, and the
// highest id among equal logits.
type candidateHeap []candidate

func (h candidateHeap) Len() int { return len(h) }

func (h candidateHeap) Less(i, j int) bool {
	return h[i].score < h[j].score || h[i].score == h[j].score && h[i].id > h[j].id
}

func (h candidateHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Push does nothing: heap.Interface requires it, but the number of candidates is fixed.
func (h *candidateHeap) Push(any) {}

// Pop does nothing, like Push.
func (h *candidateHeap) Pop() any { return nil }

// A sampler chooses the next token from the logits.
type sampler struct {
	options    CompleteOptions
	tokenizer  *tokenizer.Tokenizer
	ends       map[int32]bool // tokens that end a text
	logits     []float32      // of the next token
	random     *rand.Rand
	candidates []candidate
}

// choose samples a token: it restricts the TopK most probable ones by TopP and MinP, and
// divides the remaining logits by the temperature. The probabilities it returns are the
// model's, before any of that.
func (s *sampler) choose() CompletionToken {
	var top []TokenProbability
	logSum := 0.0
	if s.options.Probs > 0 {
		maxLogit := float64(slices.Max(s.logits))
		sum := 0.0
		for _, z := range s.logits {
			sum += math.Exp(float64(z) - maxLogit)
		}
		logSum = maxLogit + math.Log(sum)
		for _, c := range s.topCandidates(s.options.Probs) {
			top = append(top, TokenProbability{ID: int(c.id), Bytes: s.pieceText(c.id), Logprob: c.score - logSum})
		}
	}
	if s.options.IgnoreEnd {
		for id := range s.ends {
			if int(id) < len(s.logits) {
				s.logits[id] = float32(math.Inf(-1))
			}
		}
	}
	id := s.sample()
	t := CompletionToken{TokenProbability: TokenProbability{ID: int(id), Bytes: s.pieceText(id)}, Top: top}
	if s.options.Probs > 0 {
		t.Logprob = float64(s.logits[id]) - logSum
	}
	return t
}

// topCandidates returns the k tokens with the highest logits in descending order, lower
// ids first among equal logits.
func (s *sampler) topCandidates(k int) []candidate {
	k = min(k, len(s.logits))
	s.candidates = slices.Grow(s.candidates[:0], k)[:k]
	h := (*candidateHeap)(&s.candidates)
	for id, z := range s.logits {
		c := candidate{int32(id), float64(z)}
		switch {
		case id < k:
			s.candidates[id] = c
			if id == k-1 {
				heap.Init(h)
			}
		case k > 0 && c.score > s.candidates[0].score: // lower ids win ties
			s.candidates[0] = c
			heap.Fix(h, 0)
		}
	}
	slices.SortFunc(s.candidates, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(a.id, b.id))
	})
	return s.candidates
}

// sample draws a token from the logits.
func (s *sampler) sample() int32 {
	o := &s.options
	if o.Temperature <= 0 || o.TopK == 1 {
		return s.mostProbable()
	}
	k := o.TopK
	if k <= 0 {
		k = len(s.logits)
	}
	list := o.restrict(s.topCandidates(k))
	maxLogit := list[0].score
	sum := 0.0
	for i := range list {
		list[i].score = math.Exp((list[i].score - maxLogit) / o.Temperature)
		sum += list[i].score
	}
	remaining := s.random.Float64() * sum
	for _, c := range list {
		if remaining -= c.score; remaining < 0 {
			return c.id
		}
	}
	return list[len(list)-1].id
}

// mostProbable returns the token with the highest logit, the lowest id among equal ones.
func (s *sampler) mostProbable() int32 {
	best := 0
	for id, z := range s.logits {
		if z > s.logits[best] {
			best = id
		}
	}
	return int32(best)
}

// restrict applies TopP and MinP to list, which is in descending order of logits, and
// returns at least one candidate.
func (o *CompleteOptions) restrict(list []candidate) []candidate {
	maxLogit := list[0].score
	if o.TopP > 0 && o.TopP < 1 {
		sum := 0.0
		for _, c := range list {
			sum += math.Exp(c.score - maxLogit)
		}
		cumulative := 0.0
		for i, c := range list {
			cumulative += math.Exp(c.score-maxLogit) / sum
			if cumulative >= o.TopP {
				list = list[:i+1]
				break
			}
		}
	}
	if o.MinP > 0 {
		minLogit := maxLogit + math.Log(o.MinP)
		for len(list) > 1 && list[len(list)-1].score < minLogit {
			list = list[:len(list)-1]
		}
	}
	return list
}

// pieceText returns the bytes that a token adds to a text: none for special tokens.
func (s *sampler) pieceText(id int32) string {
	if s.tokenizer.IsSpecial(id) {
		return ""
	}
	return string(s.tokenizer.Bytes(nil, id))
}
