package engine

import (
	"github.com/winnow-rerank/winnow/tokenizer"
)

// A Sequence is one input of a model as token ids. Types, the token types, is nil
// where all are 0.
type Sequence struct {
	IDs   []int32
	Types []int32

	visible int // how many of its tokens, from the first, attention sees; 0: all
	shared  int // tokens that it begins with like others of its call
	// group is what it is scored with: the query of late interaction, or the list of
	// a listwise model, in which it is member.
	group  any
	member int
}

// Len is the number of tokens.
func (s Sequence) Len() int { return len(s.IDs) }

// An Output is the score of one sequence.
type Output struct {
	Logit       float64 // for two labels the relevant one's minus the other's
	Probability float64
}

// Encoded is what Encode or EncodeTexts made of documents or texts.
type Encoded struct {
	Sequences []Sequence
	Full      []int // their lengths before anything was truncated
	Limit     int   // the length that they were truncated to
}

// EncodeOptions says how Encode reads a query and its documents. The zero value
// truncates as the model's tokenizer does what is longer than the model takes.
type EncodeOptions struct {
	MaxLength   int    // tokens of a pair, special ones included; 0: what the model takes
	MaxQuery    int    // tokens of the query, before it is paired; 0: no bound of its own
	MaxDocument int    // tokens of a document, before it is paired; 0: no bound of its own
	Instruction string // replaces that of a causal model's prompt
	Plain       bool   // the spelling of a special token stays text
	Side        Side   // of what is too long, where it is truncated
}

// A Side is the end of a text at which it is truncated.
type Side uint8

// The sides.
const (
	ModelSide Side = iota // what the tokenizer's configuration says, the right one as a rule
	RightSide             // drop the end
	LeftSide              // drop the beginning
)

// cut is the same for the tokenizer.
func (s Side) cut() tokenizer.Side {
	if s == LeftSide {
		return tokenizer.Left
	}
	return tokenizer.Right
}

// TextOptions says how EncodeTexts reads texts. The zero value truncates as the
// model's tokenizer does what is longer than the model takes.
type TextOptions struct {
	MaxLength int    // tokens of a text, special ones included; 0: what the model takes
	Prompt    string // the name of the prompt that is put before them; "": the model's default one
	Plain     bool   // the spelling of a special token stays text
	Side      Side   // of what is too long, where it is truncated
}

func newEncoded(n, limit int) Encoded {
	return Encoded{Sequences: make([]Sequence, n), Full: make([]int, n), Limit: limit}
}

// tokens appends those of a text, uncut.
func (o *EncodeOptions) tokens(t *tokenizer.Tokenizer, dst []int32, text string) ([]int32, error) {
	if o.Plain {
		return t.PlainTokens(dst, text)
	}
	return t.Tokens(dst, text)
}

// truncate keeps most tokens (0: all) of the side that o keeps.
func (o *EncodeOptions) truncate(tokens []int32, most int) []int32 {
	if most <= 0 {
		return tokens
	}
	return o.Side.cut().Cut(tokens, most)
}
