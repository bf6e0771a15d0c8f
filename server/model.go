package server

import "context"

// A Model is what the server needs of a model. All methods may be called at the
// same time. New takes them from *winnow.Model through Wrap.
type Model interface {
	// Encode turns a query with each of the documents into tokens. It takes a
	// list of documents of any length; the server gives it a part at a time.
	Encode(query string, documents []string, o EncodeOptions) ([]Pair, error)
	// Score scores pairs of one query or of several, in their order. It returns
	// soon after ctx is done.
	Score(ctx context.Context, pairs []Pair) ([]Output, error)
	// Tokenize gives the tokens of a text, uncut.
	Tokenize(text string, special bool) ([]Token, error)
	// Detokenize is the text that tokens spell.
	Detokenize(ids []int) (string, error)
	Info() Info
	Close() error
}

// A Pair is a query with a document as a model's tokens.
type Pair interface {
	Tokens() int     // special ones included
	Truncated() bool // something was cut off
}

// EncodeOptions is what a request may say about the reading of its texts. The
// zero value cuts at the end what is longer than the model takes.
type EncodeOptions struct {
	MaxTokens   int    // of a pair, special tokens included; 0 means the model's limit
	MaxDocument int    // of a document; 0 means no limit of its own
	Refuse      bool   // a pair that is too long is an error, of type *TooLongError
	CutLeft     bool   // cut at the document's beginning
	Instruction string // replaces the default instruction of a model that takes one
	Plain       bool   // what spells a special token stays text
}

// An Output is the score of one pair, or the vector of one text.
type Output struct {
	Logit       float64
	Probability float64
	Vector      []float32
}

// A Token is one unit of text as the model sees it.
type Token struct {
	ID    int
	Piece string
}

// Info is what the server tells about a model.
type Info struct {
	Name         string
	Path         string
	Format       string // "gguf" or "safetensors"
	Architecture string
	Activation   string // "sigmoid" or "softmax"
	Labels       []string
	Tasks        []string // of "rerank", "embed", "complete"
	Tokenizer    string
	Precision    string
	MaxLength    int // tokens of a pair
	Vocabulary   int
	Hidden       int
	Parameters   int64
	FileBytes    int64
	MemoryBytes  int64 // packed weights and working memory
	Threads      int
	Dimensions   int      // of a vector, of models that embed
	Pooling      string   // of models that embed, in words
	Prompts      []string // names of what may be put before texts, of models that embed
	Listwise     bool     // a document's score depends on the documents beside it
}

// A TooLongError says which document has, together with its query, more tokens
// than may be.
type TooLongError struct {
	Index, Tokens, Limit int
}

func (e *TooLongError) Error() string {
	return "a text is too long"
}
