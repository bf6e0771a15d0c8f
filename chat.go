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
	Role    string // "system", "user", "assistant" or what else the model's template knows
	Content string
}

// Chat answers messages: it completes their ChatPrompt. variables are as there;
// add_generation_prompt is true unless they have it.
func (m *Model) Chat(ctx context.Context, messages []Message, variables map[string]any, o CompleteOptions) (*Completion, error) {
	all := map[string]any{"add_generation_prompt": true}
	maps.Copy(all, variables)
	prompt, err := m.ChatPrompt(messages, all)
	if err != nil {
		return nil, err
	}
	if err := m.enter(); err != nil {
		return nil, err
	}
	defer m.leave()
	ids, err := m.engine.ChatTokens(prompt)
	if err != nil {
		return nil, public(err)
	}
	return m.complete(ctx, ids, o)
}

// ChatPrompt writes messages with the chat template of the model's files. variables are given to the template beside the messages: values of JSON, or nil.
// With add_generation_prompt true the prompt ends with the beginning of the model's answer.
// It fails with ErrCannotComplete where the model is none that generates text, and with
// ErrNoChatTemplate where it has no template.
func (m *Model) ChatPrompt(messages []Message, variables map[string]any) (string, error) {
	if err := m.enter(); err != nil {
		return "", err
	}
	defer m.leave()
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
	prompt, err := m.engine.ChatPrompt(list, values)
	return prompt, public(err)
}
