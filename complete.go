package winnow

import (
	"context"

	"github.com/winnow-rerank/winnow/engine"
)

// CompleteOptions says how a text is continued. The zero value continues it by
// nothing; MaxTokens -1 goes on until the model ends it or the window is full.
type CompleteOptions = engine.CompleteOptions

// A Completion is what a text was continued by.
type Completion = engine.Completion

// A CompletionToken is one step of a completion.
type CompletionToken = engine.CompletionToken

// A TokenProbability is a token and the logarithm of its probability, before any
// sampling option.
type TokenProbability = engine.TokenProbability

// Why a completion ended.
const (
	StopLimit = engine.StopLimit // MaxTokens was reached, or the window was full
	StopEnd   = engine.StopEnd   // the model ended it
	StopWord  = engine.StopWord  // one of CompleteOptions.Stop came
	StopNone  = engine.StopNone  // there was nothing to begin with
)

// Complete continues a prompt. Special tokens that the prompt spells are read as
// such, and those that the model wants at the beginning are put there. It fails
// with ErrCannotComplete where the model is none that generates text, and with
// ErrPromptTooLong where the prompt fills its window.
func (m *Model) Complete(ctx context.Context, prompt string, o CompleteOptions) (*Completion, error) {
	if err := m.enter(); err != nil {
		return nil, err
	}
	defer m.leave()
	return m.engine.Complete(ctx, m.engine.PromptTokens(prompt), o)
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
	return m.engine.Complete(ctx, ids, o)
}
