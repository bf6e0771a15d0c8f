package winnow

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/winnow-rerank/winnow/engine"
)

// CompleteOptions controls how a prompt is continued. The zero value generates no tokens;
// with MaxTokens -1 generation continues until the model ends the text or its context is
// full. The sampling options apply in the order TopK, TopP, MinP, Temperature.
type CompleteOptions struct {
	MaxTokens   int      // at most this many tokens; negative: up to the context's limit
	Temperature float64  // 0 or less: always the most probable token (greedy decoding)
	TopK        int      // keep only the K most probable tokens; 0 or less: all
	TopP        float64  // keep the most probable tokens whose probabilities add up to TopP; outside (0,1): all
	MinP        float64  // keep tokens with at least MinP times the highest probability; 0 or less: all
	Seed        uint64   // equal seeds give equal texts
	Stop        []string // the text ends before any of these
	Probs       int      // report this many of the most probable tokens at each step
	IgnoreEnd   bool     // do not let the model end the text
	NoCache     bool     // neither reuse the KV cache of an earlier prompt nor keep this prompt's

	// Emit, if not nil, receives the text as it is generated, in whole characters. It is
	// called once a token, and at the end once more, with a token of ID -1, if text
	// remains. An error from it ends the completion.
	Emit func(text string, t CompletionToken) error
}

// A TokenProbability is a token and the natural logarithm of its probability, before any
// sampling option is applied.
type TokenProbability struct {
	ID      int
	Bytes   string
	Logprob float64
}

// A CompletionToken is one step of a completion.
type CompletionToken struct {
	TokenProbability                    // the chosen token; Logprob is set if CompleteOptions.Probs is positive
	Top              []TokenProbability // the most probable tokens, best first
}

// Reasons why a completion ended.
const (
	StopLimit = engine.StopLimit // "limit": MaxTokens was reached, or the context was full
	StopEnd   = engine.StopEnd   // "eos": the model ended the text
	StopWord  = engine.StopWord  // "word": the text reached one of CompleteOptions.Stop
	StopNone  = engine.StopNone  // "none": the prompt was empty
)

// A Completion is the continuation of a prompt.
type Completion struct {
	Text         string
	Tokens       []CompletionToken
	Stop         string // StopLimit, StopEnd, StopWord or StopNone
	StoppingWord string
	PromptTokens int
	CachedTokens int  // prompt tokens found in the KV cache
	Truncated    bool // the context was full
	PromptTime   time.Duration
	Time         time.Duration // of the tokens after the first
}

// Complete continues a prompt. Special tokens spelled in the prompt are read as such, and
// those that the model expects at the beginning are added. Complete fails with
// ErrCannotComplete if the model does not generate text, and with ErrPromptTooLong if the
// prompt fills its context.
func (m *Model) Complete(ctx context.Context, prompt string, o CompleteOptions) (*Completion, error) {
	return m.complete(ctx, o, func(e *engine.Model) ([]int32, error) { return e.PromptTokens(prompt) })
}

// CompleteTokens is like Complete for a prompt given as token ids, to which none are
// added.
func (m *Model) CompleteTokens(ctx context.Context, prompt []int, o CompleteOptions) (*Completion, error) {
	ids := make([]int32, len(prompt))
	for i, id := range prompt {
		if int(int32(id)) != id {
			id = -1 // no vocabulary has this id
		}
		ids[i] = int32(id)
	}
	return m.complete(ctx, o, func(*engine.Model) ([]int32, error) { return ids, nil })
}

// CompleteSeq is like Complete but yields the text as it is generated, in whole
// characters. Breaking the loop ends the completion. The sequence ends after the first
// error.
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

// complete continues the tokens returned by prompt.
func (m *Model) complete(ctx context.Context, o CompleteOptions, prompt func(*engine.Model) ([]int32, error)) (*Completion, error) {
	e := engine.CompleteOptions{MaxTokens: o.MaxTokens, Temperature: o.Temperature, TopK: o.TopK, TopP: o.TopP, MinP: o.MinP, Seed: o.Seed,
		Stop: o.Stop, Probs: o.Probs, IgnoreEnd: o.IgnoreEnd, NoCache: o.NoCache}
	if o.Emit != nil {
		e.Emit = func(text string, t engine.CompletionToken) error { return o.Emit(text, completionToken(t)) }
	}
	c, err := use(m, func(model *engine.Model) (*engine.Completion, error) {
		ids, err := prompt(model)
		if err != nil {
			return nil, err
		}
		return model.Complete(ctx, ids, e)
	})
	if err != nil {
		return nil, err
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
