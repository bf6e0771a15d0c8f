package engine

import (
	"errors"
	"fmt"
	"strings"

	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
)

// ErrNoChatTemplate is the error of a conversation with a model whose files bring no
// template for one.
var ErrNoChatTemplate = errors.New("the model has no chat template")

// A Message is one turn of a conversation.
type Message struct {
	Role    string // "system", "user", "assistant" or what else the template knows
	Content string
}

// A conversation makes prompts of messages.
type conversation struct {
	template *chatTemplate
	source   string
	format   checkpoint.MessageFormat
	err      error // why there are none
}

// newConversation takes a chat template, or reads the model's own for "". A model whose template cannot be used
// loads all the same: it is only conversations that need it.
func (m *Model) newConversation(source string) *conversation {
	c := &conversation{source: source, format: checkpoint.FlatMessages}
	if source == "" {
		c.source, c.err = m.file.ChatTemplate()
	}
	if c.err == nil && c.source == "" {
		c.err = fmt.Errorf("%s: %w", m.path, ErrNoChatTemplate)
	}
	if c.err == nil {
		c.template, c.err = m.chatTemplate(c.source)
	}
	if c.err != nil {
		return c
	}
	// Templates of models that also see expect parts where others expect a text.
	const probe = "alpha"
	if text, err := c.render([]Message{{"user", probe}}, nil); err != nil || !strings.Contains(text, probe) {
		c.format = checkpoint.StructuredMessages
		if text, err := c.render([]Message{{"user", probe}}, nil); err != nil || !strings.Contains(text, probe) {
			c.format = checkpoint.FlatMessages
		}
	}
	return c
}

func (c *conversation) render(messages []Message, variables map[string]any) (string, error) {
	list := make([]any, len(messages))
	for i, m := range messages {
		list[i] = message(c.format, m.Role, m.Content)
	}
	text, err := c.template.render(list, variables)
	if err != nil {
		return "", fmt.Errorf("%s: %w", c.template.path, err)
	}
	return text, nil
}

// ChatPrompt writes messages with the model's own chat template, as the prompt of a
// completion. variables are given to the template beside the messages, add_generation_prompt
// among them: without it the prompt does not begin the answer.
func (m *Model) ChatPrompt(messages []Message, variables map[string]any) (string, error) {
	l, ok := m.completer.(*languageModel)
	if !ok {
		return "", ErrCannotComplete
	}
	if l.chat.err != nil {
		return "", l.chat.err
	}
	return l.chat.render(messages, variables)
}

// ChatTokens are the tokens of what ChatPrompt wrote. Templates may write the token that
// texts begin with, and then it is not put there once more.
func (m *Model) ChatTokens(prompt string) ([]int32, error) {
	s, err := m.Tokenize(prompt, m.info.BOS == "" || !strings.HasPrefix(prompt, m.info.BOS))
	return s.IDs, err
}
