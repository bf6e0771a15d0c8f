package server

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/winnow-rerank/winnow"
)

// Completion of text, in the dialects of llama.cpp and OpenAI.

// A completionDialect is how one kind of client asks for completions and what it reads as
// the answer.
type completionDialect struct {
	// cannot says of a model without a language model's head what it cannot do, and why.
	cannot string
	// prompts finds the prompts of a request; nil: its field "prompt" has them.
	prompts func(a *completion, f fields) ([]json.RawMessage, error)
	// probs reads how many tokens are told at each step; nil: the fields say the number.
	probs func(f *reader) int
	// envelope is what choices come in; nil: in nothing, as with llama.cpp.
	envelope func(a *completion, choices []any) map[string]any
	// begin is the first event of a stream, if it is not nil. partial is an event for token n
	// of prompt i, or nil for none; final is its last event, or the reply to the prompt.
	begin   func(a *completion) any
	partial func(a *completion, i, n int, text string, t winnow.CompletionToken) any
	final   func(a *completion, i int, c *winnow.Completion) any
	// frame is around what final made of all prompts, of a reply in one piece.
	frame func(a *completion, finals []any, all []*winnow.Completion) any
}

const noHead = ": it has no language-model head"

// A completion is a request for completions.
type completion struct {
	*call
	dialect *completionDialect
	asked   string // the model's name in the request
	prompts [][]int
	many    bool // prompts came as a list
	begun   bool // they begin with the token that texts begin with
	options winnow.CompleteOptions
	seed    int64
	tokens  bool     // the reply tells the tokens
	only    []string // the reply has only these members, whose names may be paths; nil: all
	stream  bool
	usage   bool // the stream ends with the usage
}

// completion answers a route on which this dialect is spoken.
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
				if len(prompts) > mostPrompts {
					err = invalid("\"prompt\" has more than %d prompts", mostPrompts)
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
		a.close() // a client that reads slowly keeps neither the model nor a place in its queue
		writeParts(w, reply)
		return nil
	}
}

// A completion keeps its turn at the model for so many tokens at a time. A token takes
// about as long as the reading of tokenCost: all weights are read for each.
const (
	turnTokens = 8
	tokenCost  = 16
)

// complete makes the completion of prompt i, taking turns at the model with what else
// there is to do.
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
		// A client that reads slowly must not keep the model meanwhile.
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

// mostPrompts bounds the prompts of a request.
const mostPrompts = 128

// A reply with probabilities is as large as they are many. They are counted when a request
// is admitted, this many as a token.
const (
	mostProbabilities     = 1 << 20
	probabilitiesPerToken = 4
)

// tokenise makes tokens of the prompts when there is a place in the queue for them and for
// what they are continued by.
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
	if probabilities > mostProbabilities {
		return invalid("%d probabilities for each of %d tokens are asked for (\"n_probs\", \"n_predict\"), of %d prompts: expected at most %d in all",
			a.options.Probs, most, len(prompts), mostProbabilities)
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
