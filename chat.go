package winnow

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"

	"github.com/winnow-rerank/winnow/engine"
	"github.com/winnow-rerank/winnow/internal/jinja"
)

// A Message is one turn of a conversation.
type Message struct {
	Role    string // "system", "user", "assistant" or another role that the model's template knows
	Content string
}

// Chat completes the ChatPrompt of messages. It passes variables to ChatPrompt and sets
// add_generation_prompt to true unless they contain it. It fails like ChatPrompt and
// Complete.
func (m *Model) Chat(ctx context.Context, messages []Message, variables map[string]any, o CompleteOptions) (*Completion, error) {
	all := map[string]any{"add_generation_prompt": true}
	maps.Copy(all, variables)
	prompt, err := m.ChatPrompt(messages, all)
	if err != nil {
		return nil, err
	}
	return m.complete(ctx, o, func(e *engine.Model) ([]int32, error) { return e.ChatTokens(prompt) })
}

// ChatPrompt renders messages with the model's chat template. variables are passed to the
// template along with the messages; their values must encode to JSON, and the map may be
// nil. With add_generation_prompt true, the prompt ends with the beginning of the model's
// answer. ChatPrompt fails with ErrCannotComplete if the model does not generate text,
// and with ErrNoChatTemplate if it has no template.
func (m *Model) ChatPrompt(messages []Message, variables map[string]any) (string, error) {
	list := make([]engine.Message, len(messages))
	for i, message := range messages {
		list[i] = engine.Message(message)
	}
	values := make(map[string]any, len(variables))
	for name, v := range variables {
		data, err := json.Marshal(v)
		if err == nil {
			values[name], err = jinja.FromJSON(data)
		}
		if err != nil {
			return "", fmt.Errorf("winnow: variable %q of the chat template: %w", name, err)
		}
	}
	return use(m, func(e *engine.Model) (string, error) { return e.ChatPrompt(list, values) })
}
