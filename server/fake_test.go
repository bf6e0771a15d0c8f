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

	"github.com/winnow-rerank/winnow"
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

// A fakePair is what a fake's encoding stands for: its first id is the pair's number, the
// others are 0.
type fakePair struct{ query, document string }

var fakePairs struct {
	mu   sync.Mutex
	list []fakePair
}

// encoding is that of a pair of so many tokens, of which full there were.
func (p fakePair) encoding(tokens, full int) winnow.Encoding {
	fakePairs.mu.Lock()
	defer fakePairs.mu.Unlock()
	e := winnow.Encoding{IDs: make([]int32, tokens), Full: full}
	e.IDs[0] = int32(len(fakePairs.list))
	fakePairs.list = append(fakePairs.list, p)
	return e
}

func fakePairOf(e winnow.Encoding) fakePair {
	fakePairs.mu.Lock()
	defer fakePairs.mu.Unlock()
	return fakePairs.list[e.IDs[0]]
}

func (m *fakeModel) Info() winnow.Info {
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
	return winnow.Info{Name: name, Path: "fake.gguf", Format: "gguf", Architecture: "bert", Activation: "sigmoid", Tasks: tasks, Tokenizer: "WordPiece",
		Precision: "f32", MaxLength: length, Vocabulary: 1000, Hidden: 8, Parameters: 12345, FileBytes: 49380, WeightBytes: 50000, Threads: 2}
}

func (m *fakeModel) Encode(_ context.Context, query string, documents []string, o winnow.EncodeOptions) ([]winnow.Encoding, error) {
	limit := m.Info().MaxLength
	if o.MaxTokens > 0 {
		limit = min(limit, o.MaxTokens)
	}
	asked := strings.Fields(query)
	if o.MaxQueryTokens > 0 {
		asked = asked[:min(len(asked), o.MaxQueryTokens)]
	}
	pairs := make([]winnow.Encoding, len(documents))
	for i, d := range documents {
		words := strings.Fields(d)
		full := 3 + len(strings.Fields(query)) + len(words)
		if n := o.MaxDocumentTokens; n > 0 && len(words) > n && o.Truncation == winnow.TruncateLeft {
			words = words[len(words)-n:]
		} else if n > 0 && len(words) > n {
			words = words[:n]
		}
		room := limit - 3 - len(asked)
		if len(words) > room {
			switch o.Truncation {
			case winnow.TruncateNever:
				return nil, &winnow.TooLongError{Index: i, Tokens: full, Limit: limit}
			case winnow.TruncateLeft:
				words = words[len(words)-room:]
			default:
				words = words[:room]
			}
		}
		pairs[i] = fakePair{query, strings.Join(words, " ")}.encoding(limit-room+len(words), full)
	}
	return pairs, nil
}

var errFake = errors.New("a number is not finite")

func (m *fakeModel) ScoreEncoded(ctx context.Context, pairs []winnow.Encoding) ([]winnow.Result, error) {
	if m.closed.Load() {
		return nil, errors.New("the fake is closed")
	}
	tokens := 0
	var documents []string
	results := make([]winnow.Result, len(pairs))
	failed := false
	for i, e := range pairs {
		p := fakePairOf(e)
		tokens += e.Tokens()
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
		results[i] = winnow.Result{Index: i, Logit: z, Score: 1 / (1 + math.Exp(-z)), Tokens: e.Tokens()}
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
	return results, nil
}

func (m *fakeModel) EncodeTexts(context.Context, []string, winnow.TextOptions) ([]winnow.Encoding, error) {
	return nil, winnow.ErrCannotEmbed
}

func (m *fakeModel) EmbedEncoded(context.Context, []winnow.Encoding) ([]winnow.Embedding, error) {
	return nil, winnow.ErrCannotEmbed
}

func (m *fakeModel) CompleteTokens(context.Context, []int, winnow.CompleteOptions) (*winnow.Completion, error) {
	return nil, winnow.ErrCannotComplete
}

// ChatPrompt is the messages' roles and contents.
func (m *fakeModel) ChatPrompt(messages []winnow.Message, _ map[string]any) (string, error) {
	var words []string
	for _, m := range messages {
		words = append(words, m.Role, m.Content)
	}
	return strings.Join(words, " "), nil
}

func (m *fakeModel) batches() [][]string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([][]string(nil), m.order...)
}

func (m *fakeModel) Tokenize(text string, special bool) ([]winnow.Token, error) {
	var tokens []winnow.Token
	if special {
		tokens = append(tokens, winnow.Token{ID: 1, Piece: "[CLS]"})
	}
	for _, w := range strings.Fields(text) {
		tokens = append(tokens, winnow.Token{ID: 10 + len(w), Piece: w})
	}
	if special {
		tokens = append(tokens, winnow.Token{ID: 2, Piece: "[SEP]"})
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
func (m *fakeModel) spec(name string) ModelSpec { return specOf(name, m) }

func specOf(name string, m Model) ModelSpec {
	return ModelSpec{Name: name, Path: "fake.gguf", Load: func(context.Context) (Model, error) { return m, nil }}
}
