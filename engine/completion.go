package engine

import (
	"time"
)

// CompleteOptions says how a text is continued. The zero value continues it by
// nothing; MaxTokens -1 goes on until the model ends it or the window is full.
type CompleteOptions struct {
	MaxTokens   int      // at most; -1: no bound but the window
	Temperature float64  // 0 or less: always the most probable token
	TopK        int      // of the most probable tokens only; 0 or less: of all
	TopP        float64  // of the most probable ones that together have this much; 0 or 1: of all
	MinP        float64  // of those with at least this much of the most probable one's
	Seed        uint64   // equal seeds give equal texts
	Stop        []string // the text ends before any of these
	Probs       int      // how many of the most probable tokens to tell at each step
	IgnoreEnd   bool     // the model cannot end the text
	NoCache     bool     // nothing of an earlier prompt is used again, nor is this one kept

	// Emit, if it is set, gets the text as it comes, whole characters at a time. An error ends
	// the completion.
	Emit func(text string, t CompletionToken) error
}

// A TokenProbability is a token and the logarithm of its probability, before any
// sampling option.
type TokenProbability struct {
	ID      int
	Bytes   string
	Logprob float64
}

// A CompletionToken is one step of a completion.
type CompletionToken struct {
	TokenProbability                    // Logprob is set if Probs was
	Top              []TokenProbability // the most probable ones, best first
}

// Why a completion ended.
const (
	StopLimit = "limit" // MaxTokens, or the window
	StopEnd   = "eos"   // the model ended it
	StopWord  = "word"  // one of Stop came
	StopNone  = "none"  // there was nothing to begin with
)

// A Completion is what a text was continued by.
type Completion struct {
	Text         string
	Tokens       []CompletionToken
	Stop         string // StopLimit, …
	StoppingWord string
	PromptTokens int
	CachedTokens int  // of these, not computed anew
	Truncated    bool // the window was full
	PromptTime   time.Duration
	Time         time.Duration // of the tokens after the first
}

// A Message is one turn of a conversation.
type Message struct {
	Role    string // "system", "user", "assistant" or what else the template knows
	Content string
}
