package winnow

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/winnow-rerank/winnow/engine"
)

// CompleteOptions says how a text is continued. The zero value continues it by
// nothing; MaxTokens -1 goes on until the model ends it or its context is full.
type CompleteOptions struct {
	MaxTokens   int      // at most; -1: no bound but the context
	Temperature float64  // 0 or less: always the most probable token
	TopK        int      // of the most probable tokens only; 0 or less: of all
	TopP        float64  // of the most probable ones that together have this much; 0 or 1: of all
	MinP        float64  // of those with at least this much of the most probable one's
	Seed        uint64   // equal seeds give equal texts
	Stop        []string // the text ends before any of these
	Probs       int      // how many of the most probable tokens to tell at each step
	IgnoreEnd   bool     // the model cannot end the text
	NoCache     bool     // neither use the KV cache of an earlier prompt nor keep this one's

	// Emit, if it is set, gets the text as it comes, whole characters at a time, and is
	// called once a token. An error ends the completion.
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
	StopLimit = engine.StopLimit // MaxTokens was reached, or the context was full
	StopEnd   = engine.StopEnd   // the model ended it
	StopWord  = engine.StopWord  // one of CompleteOptions.Stop came
	StopNone  = engine.StopNone  // there was nothing to begin with
)

// A Completion is what a text was continued by.
type Completion struct {
	Text         string
	Tokens       []CompletionToken
	Stop         string // StopLimit, …
	StoppingWord string
	PromptTokens int
	CachedTokens int  // of these, found in the KV cache
	Truncated    bool // the context was full
	PromptTime   time.Duration
	Time         time.Duration // of the tokens after the first
}

// Complete continues a prompt. Special tokens that the prompt spells are read as
// such, and those that the model wants at the beginning are put there. It fails
// with ErrCannotComplete where the model is none that generates text, and with
// ErrPromptTooLong where the prompt fills its context.
func (m *Model) Complete(ctx context.Context, prompt string, o CompleteOptions) (*Completion, error) {
	if err := m.enter(); err != nil {
		return nil, err
	}
	defer m.leave()
	ids, err := m.engine.PromptTokens(prompt)
	if err != nil {
		return nil, public(err)
	}
	return m.complete(ctx, ids, o)
}

// CompleteTokens is Complete for a prompt as tokens, to which none are added.
func (m *Model) CompleteTokens(ctx context.Context, prompt []int, o CompleteOptions) (*Completion, error) {
	if err := m.enter(); err != nil {
		return nil, err
	}
	defer m.leave()
	ids := make([]int32, len(prompt))
	for i, id := range prompt {
		if int(int32(id)) != id {
			id = -1 // which no vocabulary has
		}
		ids[i] = int32(id)
	}
	return m.complete(ctx, ids, o)
}

// CompleteSeq is Complete whose text is yielded as it comes, whole characters at a
// time; a caller that has enough breaks the loop. It ends after the first error.
func (m *Model) CompleteSeq(ctx context.Context, prompt string, o CompleteOptions) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		enough := errors.New("enough")
		emit := o.Emit
		o.Emit = func(text string, t CompletionToken) error {
			if emit != nil {
				if err := emit(text, t); err != nil {
					return err
				}
			}
			if text != "" && !yield(text, nil) {
				return enough
			}
			return nil
		}
		if _, err := m.Complete(ctx, prompt, o); err != nil && !errors.Is(err, enough) {
			yield("", err)
		}
	}
}

func (m *Model) complete(ctx context.Context, prompt []int32, o CompleteOptions) (*Completion, error) {
	e := engine.CompleteOptions{MaxTokens: o.MaxTokens, Temperature: o.Temperature, TopK: o.TopK, TopP: o.TopP, MinP: o.MinP, Seed: o.Seed,
		Stop: o.Stop, Probs: o.Probs, IgnoreEnd: o.IgnoreEnd, NoCache: o.NoCache}
	if o.Emit != nil {
		e.Emit = func(text string, t engine.CompletionToken) error { return o.Emit(text, completionToken(t)) }
	}
	c, err := m.engine.Complete(ctx, prompt, e)
	if err != nil {
		return nil, public(err)
	}
	out := &Completion{Text: c.Text, Stop: c.Stop, StoppingWord: c.StoppingWord, PromptTokens: c.PromptTokens, CachedTokens: c.CachedTokens,
		Truncated: c.Truncated, PromptTime: c.PromptTime, Time: c.Time, Tokens: make([]CompletionToken, len(c.Tokens))}
	for i, t := range c.Tokens {
		out.Tokens[i] = completionToken(t)
	}
	return out, nil
}

func completionToken(t engine.CompletionToken) CompletionToken {
	out := CompletionToken{TokenProbability: TokenProbability(t.TokenProbability)}
	for _, top := range t.Top {
		out.Top = append(out.Top, TokenProbability(top))
	}
	return out
}
