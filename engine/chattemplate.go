package engine

import (
	"maps"

	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
	"github.com/winnow-rerank/winnow/internal/fault"
	"github.com/winnow-rerank/winnow/internal/jinja"
)

// A chatTemplate is a template of conversations with what the model's files say for it.
type chatTemplate struct {
	*jinja.Template
	path   string            // of the file that has it, or would
	tokens map[string]string // special tokens, by the names that templates have for them
}

func (m *backbone) chatTemplate(source string) (_ *chatTemplate, err error) {
	t := &chatTemplate{path: m.file.SettingsPath(), tokens: m.file.SpecialTokens(m.tokenizer)}
	if t.Template, err = jinja.Parse(source); err != nil {
		return nil, &fault.UnsupportedError{Path: t.path, What: err.Error() + ", which", Hint: "give the prompt as --template"}
	}
	return t, nil
}

// render writes messages, with variables in the place of what a template gets as a rule.
func (t *chatTemplate) render(messages []any, variables map[string]any) (string, error) {
	all := map[string]any{"messages": messages, "add_generation_prompt": false, "tools": nil, "documents": nil}
	for name, token := range t.tokens {
		all[name] = token
	}
	maps.Copy(all, variables)
	return t.Render(all)
}

// message is a message as templates get it.
func message(format checkpoint.MessageFormat, role, content string) *jinja.Dict {
	if format != checkpoint.StructuredMessages {
		return jinja.NewDict("role", role, "content", content)
	}
	return jinja.NewDict("role", role, "content", []any{jinja.NewDict("type", "text", "text", content)})
}
