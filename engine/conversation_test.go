package engine

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/winnow-rerank/winnow/quant"
)

// withTemplate is a copy of a folder of testdata with a chat template.
func withTemplate(t *testing.T, folder, template string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), folder)
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("..", "testdata", folder))); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "chat_template.jinja"), []byte(template), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestConversations compares prompts and their tokens with those of transformers
// (testdata/make_conversations.py), from the folder, from the file that it is converted to, and
// with the template as an option.
func TestConversations(t *testing.T) {
	var cases map[string]struct {
		Folder, Template string
		Conversations    []struct {
			Messages  []Message
			Variables map[string]any
			Text      string
			IDs       []int32
		}
	}
	readJSON(t, filepath.Join("..", "testdata", "conversations.json"), &cases)
	if len(cases) != 4 {
		t.Errorf("%d cases, want 4", len(cases))
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			dir, file := withTemplate(t, c.Folder, c.Template), filepath.Join(t.TempDir(), "model.gguf")
			if _, err := Convert(dir, file, quant.F32, nil); err != nil {
				t.Fatal(err)
			}
			for _, path := range []string{dir, file, filepath.Join("..", "testdata", c.Folder)} {
				o := Options{Precision: F32}
				if path != dir && path != file {
					o.ChatTemplate = c.Template
				}
				m := open(t, path, o)
				if got := strings.TrimSuffix(m.Info().ChatTemplate, "\n"); got != c.Template {
					t.Errorf("%s: template %q", filepath.Base(path), got)
				}
				for i, want := range c.Conversations {
					got, err := m.ChatPrompt(want.Messages, want.Variables)
					if err != nil {
						t.Fatal(err)
					}
					if got != want.Text {
						t.Errorf("%s, conversation %d:\n got %q\nwant %q", filepath.Base(path), i, got, want.Text)
					}
					if ids := must(m.ChatTokens(got)); !slices.Equal(ids, want.IDs) {
						t.Errorf("%s, conversation %d: tokens\n got %v\nwant %v", filepath.Base(path), i, ids, want.IDs)
					}
				}
			}
		})
	}
}

// TestNoConversation: what cannot be rendered is said, and by which file; the model
// completes all the same.
func TestNoConversation(t *testing.T) {
	user := []Message{{"user", "a"}}
	for _, c := range []struct {
		folder, template, want string
		is                     error
	}{
		{folder: "bert-minilm", is: ErrCannotComplete},
		{folder: "qwen2-mxbai2", is: ErrNoChatTemplate},
		{folder: "qwen2-mxbai2", template: "{% include 'a' %}", want: "include"},
		{folder: "qwen2-mxbai2", template: "{{ raise_exception('Only poems') }}", want: "Only poems"},
	} {
		dir := filepath.Join("..", "testdata", c.folder)
		if c.template != "" {
			dir = withTemplate(t, c.folder, c.template)
		}
		m := open(t, dir, Options{Precision: F32})
		_, err := m.ChatPrompt(user, nil)
		if err == nil || c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s, template %q: %v, want %v %s", c.folder, c.template, err, c.is, c.want)
		}
		if c.folder == "bert-minilm" {
			continue
		}
		if _, err := m.Complete(t.Context(), must(m.PromptTokens("a")), CompleteOptions{MaxTokens: 1}); err != nil {
			t.Error(err)
		}
	}
}

// unrankable opens a language model that cannot rank, because its answer is two tokens,
// with one file changed: the folder, and the GGUF file that it is converted to.
func unrankable(t *testing.T, file string, change [2]string) []*Model {
	in := copyModel(t, "qwen3-reranker", map[string][2]string{
		"tokenizer.json": {"      [\n        \"y\",\n        \"es\"\n      ],\n", ""},
		file:             change,
	})
	out := filepath.Join(t.TempDir(), "m.gguf")
	if _, err := Convert(in, out, quant.F32, nil); err != nil {
		t.Fatal(err)
	}
	models := []*Model{open(t, in, Options{}), open(t, out, Options{})}
	for _, m := range models {
		if got := m.Info().Tasks; !slices.Equal(got, []string{"complete"}) {
			t.Errorf("%s: tasks %v, want complete alone", m.path, got)
		}
	}
	return models
}

// TestConvertUnrankable: a language model that cannot rank keeps its chat template in a
// GGUF file.
func TestConvertUnrankable(t *testing.T) {
	for _, m := range unrankable(t, "chat_template.jinja", [2]string{"", "{% for m in messages %}<{{ m.role }}> {{ m.content }}{% endfor %}"}) {
		text, err := m.ChatPrompt([]Message{{"user", "hello"}}, nil)
		if want := "<user> hello"; err != nil || text != want {
			t.Errorf("%s: %q, want %q: %v", m.path, text, want, err)
		}
	}
}

// TestConvertUnreadableTemplate: a language model whose template cannot be used completes
// all the same, also from a GGUF file.
func TestConvertUnreadableTemplate(t *testing.T) {
	for _, m := range unrankable(t, "tokenizer_config.json", [2]string{"{", `{"chat_template": [{"name": "tool_use", "template": "x"}],`}) {
		if text, err := m.ChatPrompt([]Message{{"user", "hello"}}, nil); err == nil {
			t.Errorf("%s: a prompt %q without a template", m.path, text)
		}
	}
}
