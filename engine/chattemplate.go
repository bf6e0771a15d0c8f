package engine

import (
	"maps"

	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
	"github.com/winnow-rerank/winnow/internal/fault"
	"github.com/winnow-rerank/winnow/internal/jinja"
)

// A chatTemplate is a parsed chat template with the model's special tokens.
type chatTemplate struct {
	*jinja.Template
	path   string            // settings file of the model, for errors
	tokens map[string]string // spellings of special tokens, by their template variables
}

func (b *backbone) chatTemplate(source string) (_ *chatTemplate, err error) {
	t := &chatTemplate{path: b.file.SettingsPath(), tokens: b.file.SpecialTokens(b.tokenizer)}
	if t.Template, err = jinja.Parse(source); err != nil {
		return nil, &fault.UnsupportedError{Path: t.path, What: err.Error() + ", which", Hint: "give the prompt as --template"}
	}
	return t, nil
}

// render renders messages. variables override the default ones.
func (t *chatTemplate) render(messages []any, variables map[string]any) (string, error) {
	all := map[string]any{"messages": messages, "add_generation_prompt": false, "tools": nil, "documents": nil}
	for name, token := range t.tokens {
		all[name] = token
	}
	maps.Copy(all, variables)
	return t.Render(all)
}

// message returns a message in the form that templates expect.
func message(format checkpoint.MessageFormat, role, content string) *jinja.Dict {
	if format != checkpoint.StructuredMessages {
		return jinja.NewDict("role", role, "content", content)
	}
	return jinja.NewDict("role", role, "content", []any{jinja.NewDict("type", "text", "text", content)})
}
