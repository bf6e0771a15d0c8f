package engine

import (
	"github.com/winnow-rerank/winnow/tokenizer"
)

// A Sequence is one model input as token ids. Types holds the token types and is nil if
// all are 0.
type Sequence struct {
	IDs   []int32
	Types []int32

	visible int // number of leading tokens that attention sees; 0: all
	shared  int // number of leading tokens that it shares with the other sequences of its call
	// group is what the sequence is scored with: an *encodedQuery, or a *documentList, in
	// which member is its index.
	group  any
	member int
}

// Len returns the number of tokens.
func (s Sequence) Len() int { return len(s.IDs) }

// An Output is the score of one sequence.
type Output struct {
	Logit       float64 // for a softmax over labels: the log-odds of the relevant one
	Probability float64 // the score as Info.Activation maps it
}

// Encoded is the result of Encode or EncodeTexts: one sequence per document or text.
type Encoded struct {
	Sequences []Sequence
	Full      []int // their lengths in tokens before truncation
	Limit     int   // the maximum length in tokens that was applied
}

// EncodeOptions controls how Encode tokenizes a query and its documents. The zero value
// truncates inputs longer than the model's maximum, on the side that its tokenizer is
// configured for.
type EncodeOptions struct {
	MaxLength   int    // tokens of a pair, including special tokens; 0: the model's maximum
	MaxQuery    int    // tokens of the query before pairing; 0: no separate limit
	MaxDocument int    // tokens of a document before pairing; 0: no separate limit
	Instruction string // replaces the instruction in a causal model's prompt
	Plain       bool   // special token spellings in the texts stay plain text
	Side        Side   // where inputs that are too long are truncated
}

// A Side is the end of a text at which it is truncated.
type Side uint8

// The sides.
const (
	ModelSide Side = iota // as the tokenizer is configured, usually RightSide
	RightSide             // drop the end
	LeftSide              // drop the beginning
)

// forTokenizer returns the tokenizer's equivalent of s.
func (s Side) forTokenizer() tokenizer.Side {
	if s == LeftSide {
		return tokenizer.Left
	}
	return tokenizer.Right
}

// TextOptions controls how EncodeTexts tokenizes texts. The zero value truncates texts
// longer than the model's maximum, on the side that its tokenizer is configured for.
type TextOptions struct {
	MaxLength int    // tokens of a text, including special tokens; 0: the model's maximum
	Prompt    string // name of the prompt to prepend; "": the model's default
	Plain     bool   // special token spellings in the texts stay plain text
	Side      Side   // where texts that are too long are truncated
}

func newEncoded(n, limit int) Encoded {
	return Encoded{Sequences: make([]Sequence, n), Full: make([]int, n), Limit: limit}
}

// tokens appends the tokens of text to dst, without truncation.
func (o *EncodeOptions) tokens(t *tokenizer.Tokenizer, dst []int32, text string) ([]int32, error) {
	if o.Plain {
		return t.PlainTokens(dst, text)
	}
	return t.Tokens(dst, text)
}

// truncate cuts tokens to maxTokens (0: no limit) on o.Side.
func (o *EncodeOptions) truncate(tokens []int32, maxTokens int) []int32 {
	if maxTokens <= 0 {
		return tokens
	}
	return o.Side.forTokenizer().Cut(tokens, maxTokens)
}
