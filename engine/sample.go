package engine

import (
	"cmp"
	"container/heap"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/winnow-rerank/winnow/tokenizer"
)

// A choice is a token and its logit, or later its probability.
type choice struct {
	id int32
	p  float64
}

// worst is a heap of choices, the worst first: the lowest logit, of equal ones the
// last token.
type worst []choice

func (w worst) Len() int { return len(w) }

func (w worst) Less(i, j int) bool { return w[i].p < w[j].p || w[i].p == w[j].p && w[i].id > w[j].id }

func (w worst) Swap(i, j int) { w[i], w[j] = w[j], w[i] }

// Push and Pop belong to the interface of a heap; the number of choices is fixed.
func (w *worst) Push(any) {}

// Pop does nothing.
func (w *worst) Pop() any { return nil }

// A sampler chooses the next token by its logits.
type sampler struct {
	o         CompleteOptions
	tokenizer *tokenizer.Tokenizer
	ends      map[int32]bool // tokens that end a text
	logits    []float32      // of the next token
	random    *rand.Rand
	choices   []choice
}

// choose samples a token of the logits: of the TopK most probable ones those that
// TopP and MinP leave, their logits divided by the temperature. The probabilities
// that are told are the model's, before any of that.
func (s *sampler) choose() CompletionToken {
	var top []TokenProbability
	normal := 0.0
	if s.o.Probs > 0 {
		most := float64(slices.Max(s.logits))
		sum := 0.0
		for _, z := range s.logits {
			sum += math.Exp(float64(z) - most)
		}
		normal = most + math.Log(sum)
		for _, c := range s.best(s.o.Probs) {
			top = append(top, TokenProbability{ID: int(c.id), Bytes: s.pieceText(c.id), Logprob: c.p - normal})
		}
	}
	if s.o.IgnoreEnd {
		for id := range s.ends {
			if int(id) < len(s.logits) {
				s.logits[id] = float32(math.Inf(-1))
			}
		}
	}
	id := s.sample()
	t := CompletionToken{TokenProbability: TokenProbability{ID: int(id), Bytes: s.pieceText(id)}, Top: top}
	if s.o.Probs > 0 {
		t.Logprob = float64(s.logits[id]) - normal
	}
	return t
}

// best are the k tokens of the highest logits, best first; of equal ones the first.
func (s *sampler) best(k int) []choice {
	k = min(k, len(s.logits))
	s.choices = slices.Grow(s.choices[:0], k)[:k]
	w := (*worst)(&s.choices)
	for id, z := range s.logits {
		c := choice{int32(id), float64(z)}
		switch {
		case id < k:
			s.choices[id] = c
			if id == k-1 {
				heap.Init(w)
			}
		case k > 0 && c.p > s.choices[0].p: // of equal logits the first tokens stay
			s.choices[0] = c
			heap.Fix(w, 0)
		}
	}
	slices.SortFunc(s.choices, func(a, b choice) int {
		return cmp.Or(cmp.Compare(b.p, a.p), cmp.Compare(a.id, b.id))
	})
	return s.choices
}

func (s *sampler) sample() int32 {
	o := &s.o
	if o.Temperature <= 0 || o.TopK == 1 {
		best := 0
		for id, z := range s.logits {
			if z > s.logits[best] {
				best = id
			}
		}
		return int32(best)
	}
	k := o.TopK
	if k <= 0 {
		k = len(s.logits)
	}
	list := s.best(k)
	most := list[0].p
	if o.TopP > 0 && o.TopP < 1 {
		sum := 0.0
		for _, c := range list {
			sum += math.Exp(c.p - most)
		}
		part := 0.0
		for i, c := range list {
			part += math.Exp(c.p-most) / sum
			if part >= o.TopP {
				list = list[:i+1]
				break
			}
		}
	}
	if o.MinP > 0 {
		least := most + math.Log(o.MinP)
		for len(list) > 1 && list[len(list)-1].p < least {
			list = list[:len(list)-1]
		}
	}
	sum := 0.0
	for i := range list {
		list[i].p = math.Exp((list[i].p - most) / o.Temperature)
		sum += list[i].p
	}
	at := s.random.Float64() * sum
	for _, c := range list {
		if at -= c.p; at < 0 {
			return c.id
		}
	}
	return list[len(list)-1].id
}

// pieceText is what a token adds to a text: special tokens add nothing.
func (s *sampler) pieceText(id int32) string {
	if s.tokenizer.IsSpecial(id) {
		return ""
	}
	return string(s.tokenizer.Bytes(nil, id))
}
