package server

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/winnow-rerank/winnow"
)

// Completion of text, in the dialects of llama.cpp and OpenAI.

// A completionDialect describes how one kind of client requests completions and what
// reply it reads.
type completionDialect struct {
	// cannot says what a model without a language-model head cannot do, and why.
	cannot string
	// prompts returns the prompts of a request; nil: those of its field "prompt".
	prompts func(a *completion, f fields) ([]json.RawMessage, error)
	// probs reads how many tokens to report at each step; nil: the number in n_probs or
	// logprobs.
	probs func(f *reader) int
	// envelope wraps choices; nil: there is no envelope, as in llama.cpp.
	envelope func(a *completion, choices []any) map[string]any
	// begin, if not nil, returns the first event of a stream. partial returns the event
	// for token n of prompt i, or nil for none. final returns the prompt's last event, or
	// its part of the reply.
	begin   func(a *completion) any
	partial func(a *completion, i, n int, text string, t winnow.CompletionToken) any
	final   func(a *completion, i int, c *winnow.Completion) any
	// frame assembles a reply that is not streamed from the results of final.
	frame func(a *completion, finals []any, all []*winnow.Completion) any
}

// noHead says why a model cannot generate text.
const noHead = ": it has no language-model head"

// A completion is a request for completions.
type completion struct {
	*call
	dialect *completionDialect
	asked   string // the model's name in the request
	prompts [][]int
	many    bool // the prompts came as a list
	begun   bool // they begin with the token that begins texts
	options winnow.CompleteOptions
	seed    int64
	tokens  bool     // the reply includes the token ids
	only    []string // paths of the only members that the reply has; nil: all
	stream  bool
	usage   bool // the stream ends with the usage
}

// completion returns the handler of routes of a dialect.
func (s *Server) completion(d *completionDialect) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		a := &completion{dialect: d}
		var prompts []json.RawMessage
		err := s.read(w, r, func(f fields) (err error) {
			if a.call, err = s.named(r, f, "complete", d.cannot); err != nil {
				return err
			}
			if err := a.read(f); err != nil {
				return err
			}
			if d.prompts != nil {
				prompts, err = d.prompts(a, f)
			} else {
				prompts, err = f.prompts("prompt", wantPrompt)
				if len(prompts) > maxPrompts {
					err = invalid("\"prompt\" has more than %d prompts", maxPrompts)
				}
			}
			return err
		})
		if a.call != nil {
			defer a.close()
		}
		if err != nil {
			return err
		}
		if err := a.tokenise(prompts); err != nil {
			return err
		}
		if a.stream {
			return a.streamed(w)
		}
		var finals []any
		var all []*winnow.Completion
		for i := range a.prompts {
			c, err := a.complete(i, a.options)
			if err != nil {
				return err
			}
			finals = append(finals, d.final(a, i, c))
			all = append(all, c)
		}
		reply := d.frame(a, finals, all)
		a.close() // before a slow client reads the reply
		writeParts(w, reply)
		return nil
	}
}

// A completion holds its turn at the model for turnTokens tokens. Generating one token
// takes about as long as reading tokenCost prompt tokens, since either reads all weights.
const (
	turnTokens = 8
	tokenCost  = 16
)

// complete generates the completion of prompt i, taking turns at the model with other
// work.
func (a *completion) complete(i int, o winnow.CompleteOptions) (*winnow.Completion, error) {
	prompt := a.prompts[i]
	var had int64
	var end func()
	begin := func(cost int) (err error) {
		end, err = a.scheduler.turn(a.ctx, a.note.client, cost, had)
		had += int64(cost)
		return err
	}
	if err := begin(len(prompt) + tokenCost); err != nil {
		return nil, err
	}
	defer func() {
		if end != nil {
			end()
		}
	}()
	tokens, emit := 0, o.Emit
	o.Emit = func(text string, t winnow.CompletionToken) error {
		if tokens++; emit == nil && tokens%turnTokens != 0 {
			return nil
		}
		end()
		end = nil
		// A client that reads slowly must not hold the model meanwhile.
		if emit != nil {
			if err := emit(text, t); err != nil {
				return err
			}
			return begin(tokenCost)
		}
		return begin(turnTokens * tokenCost)
	}
	c, err := a.model.CompleteTokens(a.ctx, prompt, o)
	if err == nil {
		a.server.metrics.completion(c)
	}
	if errors.Is(err, winnow.ErrPromptTooLong) {
		return nil, contextSize(len(prompt), a.info.MaxLength, "the prompt has %d tokens and leaves no room in the window of %d", len(prompt), a.info.MaxLength)
	}
	return c, err
}

// maxPrompts bounds the prompts of a request.
const maxPrompts = 128

// The size of a reply grows with its probabilities, which maxProbabilities bounds. They
// count when a request is admitted, probabilitiesPerToken of them as one token.
const (
	maxProbabilities      = 1 << 20
	probabilitiesPerToken = 4
)

// tokenise converts the prompts into tokens, with a place in the queue for them and for
// the tokens to be generated.
func (a *completion) tokenise(prompts []json.RawMessage) error {
	a.many = len(prompts) > 1
	sizes := make([]int, len(prompts))
	for i, p := range prompts {
		sizes[i] = len(p)
	}
	most := a.options.MaxTokens
	if most < 0 || most > a.info.MaxLength {
		most = a.info.MaxLength
	}
	probabilities := int64(most) * int64(len(prompts)) * int64(a.options.Probs)
	if probabilities > maxProbabilities {
		return invalid("%d probabilities for each of %d tokens requested (\"n_probs\", \"n_predict\") for %d prompts: expected at most %d in total",
			a.options.Probs, most, len(prompts), maxProbabilities)
	}
	more := int64(most)*int64(len(prompts)) + probabilities/probabilitiesPerToken
	err := a.encode(sizes, more, more, false, func(_ context.Context, from, to int) (tokens int, err error) {
		for _, raw := range prompts[from:to] {
			p, err := a.prompt(raw)
			if err != nil {
				return 0, err
			}
			tokens += len(p)
			a.prompts = append(a.prompts, p)
		}
		return tokens, nil
	})
	if err != nil {
		return err
	}
	work := probabilities / probabilitiesPerToken
	for _, p := range a.prompts {
		work += int64(len(p) + min(most, max(a.info.MaxLength-len(p), 0)))
	}
	a.note.tokens = int(work)
	a.ticket.correct(work)
	return nil
}
