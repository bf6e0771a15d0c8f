package winnow

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/winnow-rerank/winnow/engine"
)

// A Model is a loaded reranking model. It is safe for concurrent use.
type Model struct {
	engine *engine.Model

	// mu is held for reading while the model computes: Close waits for that.
	mu     sync.RWMutex
	closed bool
}

// A Result is the score of one document.
type Result struct {
	Index    int     // position of the document in the call
	Score    float64 // probability in [0,1], or the logit with RawScores
	Logit    float64 // what the ranking goes by
	Document string  // the document, as it was given; "" from ScoreEncoded
	Tokens   int     // tokens that were computed: query, document and special ones
}

// Open loads the model at path: a GGUF file, or a directory in Hugging Face
// layout. The file stays mapped until Close.
func Open(path string, options ...Option) (*Model, error) {
	e, err := engine.Open(path, collectOpen(options))
	if err != nil {
		return nil, err
	}
	return &Model{engine: e}, nil
}

// OpenBytes loads a model from a GGUF file in memory, for example an embedded
// one. It keeps data, which must not change. Errors call it by name.
func OpenBytes(name string, data []byte, options ...Option) (*Model, error) {
	e, err := engine.OpenBytes(name, data, collectOpen(options))
	if err != nil {
		return nil, err
	}
	return &Model{engine: e}, nil
}

func collectOpen(options []Option) engine.Options {
	var o engine.Options
	for _, set := range options {
		set(&o)
	}
	return o
}

// Close ends the model's workers and gives its memory back, after the calls
// that run have returned. Later calls fail with ErrClosed.
func (m *Model) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil
	}
	m.closed = true
	return m.engine.Close()
}

// enter keeps the model open until leave.
func (m *Model) enter() error {
	m.mu.RLock()
	if m.closed {
		m.mu.RUnlock()
		return ErrClosed
	}
	return nil
}

func (m *Model) leave() { m.mu.RUnlock() }

// Rerank scores each document against the query and returns them best first.
func (m *Model) Rerank(ctx context.Context, query string, documents []string, options ...RerankOption) ([]Result, error) {
	results, err := m.score(ctx, query, documents, options)
	if err != nil {
		return nil, err
	}
	Rank(results)
	if n := collect(options).topN; n > 0 && n < len(results) {
		results = results[:n]
	}
	return results, nil
}

// Score is the score of each document, in the order in which they were given.
func (m *Model) Score(ctx context.Context, query string, documents []string, options ...RerankOption) ([]float64, error) {
	results, err := m.score(ctx, query, documents, options)
	if err != nil {
		return nil, err
	}
	scores := make([]float64, len(results))
	for i, r := range results {
		scores[i] = r.Score
	}
	return scores, nil
}

func (m *Model) score(ctx context.Context, query string, documents []string, options []RerankOption) ([]Result, error) {
	pairs, err := m.Encode(ctx, query, documents, options...)
	if err != nil {
		return nil, err
	}
	results, err := m.ScoreEncoded(ctx, pairs, options...)
	if err != nil {
		return nil, err
	}
	for i := range results {
		results[i].Document = documents[i]
	}
	return results, nil
}

// Rank sorts results best first, by logit; equal ones keep the order of Index.
func Rank(results []Result) {
	slices.SortFunc(results, func(a, b Result) int {
		return cmp.Or(cmp.Compare(b.Logit, a.Logit), cmp.Compare(a.Index, b.Index))
	})
}

// A Pair is a query and a document as the model's tokens. Encode makes it; the
// model that made it, and only that one, scores it.
type Pair struct {
	sequence  engine.Sequence
	truncated bool
}

// Tokens is the number of tokens, special ones included.
func (p Pair) Tokens() int { return p.sequence.Len() }

// Truncated says whether something was cut off.
func (p Pair) Truncated() bool { return p.truncated }

// Encode turns the query with each of the documents into tokens. With
// ScoreEncoded it is Score in two steps, for callers that schedule the work by
// the number of tokens: a pair's score does not depend on the pairs beside it.
func (m *Model) Encode(ctx context.Context, query string, documents []string, options ...RerankOption) ([]Pair, error) {
	if err := m.enter(); err != nil {
		return nil, err
	}
	defer m.leave()
	o := collect(options)
	encoded, err := m.engine.Encode(ctx, query, documents, engine.EncodeOptions{MaxLength: o.maxLength, Instruction: o.instruction, Plain: o.plain})
	if err != nil {
		return nil, err
	}
	pairs := make([]Pair, len(documents))
	for i, s := range encoded.Sequences {
		full := encoded.Full[i]
		if full > s.Len() && !o.truncate {
			return nil, &TooLongError{Index: i, Tokens: full, Limit: encoded.Limit}
		}
		pairs[i] = Pair{sequence: s, truncated: full > s.Len()}
	}
	return pairs, nil
}

// ScoreEncoded scores pairs from Encode, of one query or of several, in the
// order in which they are given. Of the options it takes RawScores.
func (m *Model) ScoreEncoded(ctx context.Context, pairs []Pair, options ...RerankOption) ([]Result, error) {
	if err := m.enter(); err != nil {
		return nil, err
	}
	defer m.leave()
	sequences := make([]engine.Sequence, len(pairs))
	for i, p := range pairs {
		sequences[i] = p.sequence
	}
	outputs, err := m.engine.Score(ctx, sequences)
	if err != nil {
		return nil, err
	}
	o := collect(options)
	results := make([]Result, len(pairs))
	for i, out := range outputs {
		results[i] = Result{Index: i, Score: out.Probability, Logit: out.Logit, Tokens: sequences[i].Len()}
		if o.raw {
			results[i].Score = out.Logit
		}
	}
	return results, nil
}

// A TooLongError says which document, together with its query, or which text has more tokens
// than the model takes.
type TooLongError struct {
	Index  int // of the document
	Tokens int // of the pair, uncut, special tokens included
	Limit  int

	text bool // it is a text that was to be embedded
}

func (e *TooLongError) Error() string {
	if e.text {
		return fmt.Sprintf("text %d: %d tokens, at most %d: %v", e.Index, e.Tokens, e.Limit, ErrTooLong)
	}
	return fmt.Sprintf("document %d: %d tokens with the query, at most %d: %v", e.Index, e.Tokens, e.Limit, ErrTooLong)
}

// Unwrap makes errors.Is(err, ErrTooLong) true.
func (e *TooLongError) Unwrap() error { return ErrTooLong }

// A Token is one unit of text as the model sees it.
type Token struct {
	ID    int    `json:"id"`
	Type  int    `json:"type"` // token type (segment): 0, or 1 for the second text of BERT's pairs
	Piece string `json:"piece"`
}

// Tokenize gives the tokens of text, with the special tokens around it if
// special says so. Nothing is cut.
func (m *Model) Tokenize(text string, special bool) ([]Token, error) {
	if err := m.enter(); err != nil {
		return nil, err
	}
	defer m.leave()
	return m.tokens(m.engine.Tokenize(text, special)), nil
}

// TokenizePair gives the tokens of a query and a document, cut as Rerank cuts
// them.
func (m *Model) TokenizePair(query, document string) ([]Token, error) {
	pairs, err := m.Encode(context.Background(), query, []string{document})
	if err != nil {
		return nil, err
	}
	return m.tokens(pairs[0].sequence), nil
}

func (m *Model) tokens(s engine.Sequence) []Token {
	tokens := make([]Token, s.Len())
	for i, id := range s.IDs {
		tokens[i] = Token{ID: int(id), Piece: m.engine.Piece(id)}
		if s.Types != nil {
			tokens[i].Type = int(s.Types[i])
		}
	}
	return tokens
}

// Detokenize is the text that the tokens spell, special ones left out. Ids that
// the vocabulary does not have are left out too.
func (m *Model) Detokenize(ids []int) (string, error) {
	if err := m.enter(); err != nil {
		return "", err
	}
	defer m.leave()
	return m.engine.Detokenize(ids), nil
}

// Info describes a loaded model: what the file holds and how it is computed.
type Info = engine.Info

// TensorInfo describes one tensor of a model file.
type TensorInfo = engine.TensorInfo

// Info tells what was loaded and how it is computed.
func (m *Model) Info() Info { return m.engine.Info() }
