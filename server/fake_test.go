package server

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A fakeModel has words for tokens and three special tokens around a pair. A
// document that begins with a number has that for its logit, others their
// number of words.
type fakeModel struct {
	name      string
	maxLength int           // 64 if 0
	perToken  time.Duration // that scoring takes
	gate      chan struct{} // if it is set, each batch takes one from it
	fail      string        // pairs with this word fail their batch
	tasks     []string

	closed atomic.Bool
	mu     sync.Mutex
	sizes  []int      // tokens of the batches
	order  [][]string // documents of the batches
}

type fakePair struct {
	query, document string
	tokens          int
	cut             bool
}

func (p fakePair) Tokens() int     { return p.tokens }
func (p fakePair) Truncated() bool { return p.cut }

func (m *fakeModel) Info() Info {
	name, tasks, length := m.name, m.tasks, m.maxLength
	if name == "" {
		name = "fake"
	}
	if tasks == nil {
		tasks = []string{"rerank"}
	}
	if length == 0 {
		length = 64
	}
	return Info{Name: name, Path: "fake.gguf", Format: "gguf", Architecture: "bert", Activation: "sigmoid", Tasks: tasks, Tokenizer: "WordPiece",
		Precision: "f32", MaxLength: length, Vocabulary: 1000, Hidden: 8, Parameters: 12345, FileBytes: 49380, MemoryBytes: 50000, Threads: 2}
}

func (m *fakeModel) Encode(query string, documents []string, o EncodeOptions) ([]Pair, error) {
	limit := m.Info().MaxLength
	if o.MaxTokens > 0 {
		limit = min(limit, o.MaxTokens)
	}
	pairs := make([]Pair, len(documents))
	for i, d := range documents {
		words := strings.Fields(d)
		cut := false
		if o.MaxDocument > 0 && len(words) > o.MaxDocument {
			words, cut = words[:o.MaxDocument], true
		}
		room := limit - 3 - len(strings.Fields(query))
		if len(words) > room {
			if o.Refuse {
				return nil, &TooLongError{Index: i, Tokens: limit - room + len(words), Limit: limit}
			}
			if o.CutLeft {
				words = words[len(words)-room:]
			} else {
				words = words[:room]
			}
			cut = true
		}
		pairs[i] = fakePair{query, strings.Join(words, " "), limit - room + len(words), cut}
	}
	return pairs, nil
}

var errFake = errors.New("a number is not finite")

func (m *fakeModel) Score(ctx context.Context, pairs []Pair) ([]Output, error) {
	if m.closed.Load() {
		return nil, errors.New("the fake is closed")
	}
	tokens := 0
	var documents []string
	outputs := make([]Output, len(pairs))
	failed := false
	for i, p := range pairs {
		p := p.(fakePair)
		tokens += p.tokens
		documents = append(documents, p.document)
		first, _, _ := strings.Cut(p.document, " ")
		z, err := strconv.ParseFloat(first, 64)
		if err != nil {
			z = float64(len(strings.Fields(p.document)))
		}
		if p.query == "negate" {
			z = -z
		}
		failed = failed || m.fail != "" && strings.Contains(p.document, m.fail)
		outputs[i] = Output{Logit: z, Probability: 1 / (1 + math.Exp(-z))}
	}
	m.mu.Lock()
	m.sizes = append(m.sizes, tokens)
	m.order = append(m.order, documents)
	m.mu.Unlock()
	if m.gate != nil {
		select {
		case <-m.gate:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if m.perToken > 0 {
		select {
		case <-time.After(time.Duration(tokens) * m.perToken):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if failed {
		return nil, errFake
	}
	return outputs, nil
}

func (m *fakeModel) batches() [][]string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([][]string(nil), m.order...)
}

func (m *fakeModel) Tokenize(text string, special bool) ([]Token, error) {
	var tokens []Token
	if special {
		tokens = append(tokens, Token{1, "[CLS]"})
	}
	for _, w := range strings.Fields(text) {
		tokens = append(tokens, Token{10 + len(w), w})
	}
	if special {
		tokens = append(tokens, Token{2, "[SEP]"})
	}
	return tokens, nil
}

func (m *fakeModel) Detokenize(ids []int) (string, error) {
	return strings.Trim(fmt.Sprint(ids), "[]"), nil
}

func (m *fakeModel) Close() error {
	m.closed.Store(true)
	return nil
}

// spec offers the model.
func (m *fakeModel) spec(name string) ModelSpec {
	return ModelSpec{Name: name, Path: "fake.gguf", Load: func(context.Context) (Model, error) { return m, nil }}
}
