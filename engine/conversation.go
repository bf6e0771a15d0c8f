package engine

import (
	"fmt"
	"strings"

	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
)

// A conversation makes prompts of messages.
type conversation struct {
	template *chatTemplate
	source   string
	format   checkpoint.MessageFormat
	err      error // why there are none
}

// newConversation takes a chat template, or reads the model's own for "". A model whose template cannot be used
// loads all the same: it is only conversations that need it.
func (m *backbone) newConversation(source string) *conversation {
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
