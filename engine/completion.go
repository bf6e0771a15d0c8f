package engine

import (
	"time"
)

// CompleteOptions controls how a text is continued. The zero value generates nothing;
// with a negative MaxTokens, generation ends when the model ends the text or the context
// window is full.
type CompleteOptions struct {
	MaxTokens   int      // maximum number of tokens to generate; negative: limited only by the context window
	Temperature float64  // 0 or less: always take the most probable token
	TopK        int      // sample from this many most probable tokens; 0 or less: from all
	TopP        float64  // sample from the most probable tokens whose probabilities add up to this; 0 or 1: from all
	MinP        float64  // sample from tokens with at least this fraction of the highest probability
	Seed        uint64   // equal seeds produce equal texts
	Stop        []string // the text ends before the first of these
	Probs       int      // number of most probable tokens to report at each step
	IgnoreEnd   bool     // never sample a token that ends the text
	NoCache     bool     // neither use the KV cache of an earlier prompt nor keep this one's

	// Emit, if not nil, receives the text as it is generated, in whole characters. The ID of
	// t is -1 for text held back until the end. An error ends the completion.
	Emit func(text string, t CompletionToken) error
}

// A TokenProbability is a token and the natural logarithm of its probability, before
// sampling options are applied.
type TokenProbability struct {
	ID      int
	Bytes   string // text of the token, perhaps part of a character; "" for special tokens
	Logprob float64
}

// A CompletionToken is one step of a completion.
type CompletionToken struct {
	TokenProbability                    // Logprob is set if CompleteOptions.Probs is positive
	Top              []TokenProbability // the most probable tokens, best first
}

// The reasons for which a completion ends.
const (
	StopLimit = "limit" // MaxTokens or the context window was reached
	StopEnd   = "eos"   // the model ended the text
	StopWord  = "word"  // the text reached one of CompleteOptions.Stop
	StopNone  = "none"  // the prompt was empty
)

// A Completion is the generated continuation of a prompt.
type Completion struct {
	Text         string
	Tokens       []CompletionToken
	Stop         string // StopLimit, StopEnd, StopWord or StopNone
	StoppingWord string // for StopWord: the text that was found
	PromptTokens int
	CachedTokens int           // prompt tokens taken from the KV cache
	Truncated    bool          // the context window was full
	PromptTime   time.Duration // prefill
	Time         time.Duration // generation after prefill
}

// A Message is one turn of a conversation.
type Message struct {
	Role    string // "system", "user", "assistant" or another role that the template knows
	Content string
}
