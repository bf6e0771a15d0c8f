package engine

import (
	"fmt"
	"strings"

	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
)

// A conversation renders messages as prompts with a chat template.
type conversation struct {
	template *chatTemplate
	source   string
	format   checkpoint.MessageFormat
	err      error // why messages cannot be rendered
}

// newConversation parses source or, if it is "", the model's own chat template. A
// template that cannot be used does not keep the model from loading, since only
// conversations need it.
func (b *backbone) newConversation(source string) *conversation {
	c := &conversation{source: source, format: checkpoint.FlatMessages}
	if source == "" {
		c.source, c.err = b.file.ChatTemplate()
	}
	if c.err == nil && c.source == "" {
		c.err = fmt.Errorf("%s: %w", b.path, ErrNoChatTemplate)
	}
	if c.err == nil {
		c.template, c.err = b.chatTemplate(c.source)
	}
	if c.err != nil {
		return c
	}
	// Templates of vision-language models expect a list of parts instead of a string.
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
