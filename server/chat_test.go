package server

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/winnow-rerank/winnow"
)

// chatServer serves a folder of testdata with the chat template of one of the cases of
// testdata/make_conversations.py.
func chatServer(t *testing.T, name string) (*Server, []conversationCase) {
	t.Helper()
	var cases map[string]struct {
		Folder, Template string
		Conversations    []conversationCase
	}
	data, err := os.ReadFile(filepath.Join("..", "testdata", "conversations.json"))
	if err == nil {
		err = json.Unmarshal(data, &cases)
	}
	if err != nil {
		t.Fatal(err)
	}
	c := cases[name]
	dir := filepath.Join(t.TempDir(), c.Folder)
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("..", "testdata", c.Folder))); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "chat_template.jinja"), []byte(c.Template), 0o644); err != nil {
		t.Fatal(err)
	}
	s := start(t, Options{}, ModelSpec{Name: name, Path: dir, Load: func(context.Context) (Model, error) {
		return winnow.Open(dir, winnow.WithPrecision(winnow.F32))
	}})
	return s, c.Conversations
}

type conversationCase struct {
	Messages  []map[string]string
	Variables map[string]any
	Text      string
	IDs       []int
}

type chatReply struct {
	Object, Model string
	Choices       []struct {
		Index        int
		Message      struct{ Role, Content string }
		FinishReason string `json:"finish_reason"`
		Logprobs     *struct {
			Content []struct {
				ID  int
				Top []struct{ ID int } `json:"top_logprobs"`
			}
		}
	}
	Usage completionUsage
}

// TestConversation: a conversation is completed as its prompt is, token by token, whole
// and in parts.
func TestConversation(t *testing.T) {
	const length = 12
	for _, name := range []string{"ChatML", "Gemma", "Llama 3", "parts"} {
		t.Run(name, func(t *testing.T) {
			s, conversations := chatServer(t, name)
			for i, c := range conversations {
				request := map[string]any{"model": name, "messages": c.Messages, "max_tokens": length, "temperature": 0, "logprobs": true, "top_logprobs": 3}
				if think, ok := c.Variables["enable_thinking"]; ok {
					request["chat_template_kwargs"] = map[string]any{"enable_thinking": think}
				}
				if c.Variables["add_generation_prompt"] == false {
					request["add_generation_prompt"] = false
				}
				want := complete(t, s, map[string]any{"prompt": c.IDs, "n_predict": length, "temperature": 0, "return_tokens": true})
				body := toJSON(t, request)
				w := send(s, "POST", "/v1/chat/completions", body)
				checkDescribed(t, "POST", "/v1/chat/completions", body, w)
				var got chatReply
				if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != 200 {
					t.Fatalf("conversation %d: status %d: %s", i, w.Code, w.Body)
				}
				choice := got.Choices[0]
				var tokens []int
				for _, step := range choice.Logprobs.Content {
					tokens = append(tokens, step.ID)
					if len(step.Top) != 3 || step.Top[0].ID != step.ID {
						t.Errorf("conversation %d: %v", i, step)
					}
				}
				reason := "length"
				if want.StopType == "eos" {
					reason = "stop"
				}
				if choice.Message.Content != want.Content || choice.Message.Role != "assistant" || choice.FinishReason != reason || !reflect.DeepEqual(tokens, want.Tokens) ||
					got.Usage.PromptTokens != len(c.IDs) || got.Usage.CompletionTokens != len(want.Tokens) || got.Object != "chat.completion" || got.Model != name {
					t.Errorf("conversation %d: %s\nwant %q, tokens %v after %d", i, w.Body, want.Content, want.Tokens, len(c.IDs))
				}

				request["stream"], request["stream_options"] = true, map[string]any{"include_usage": true}
				text, last := "", map[string]any(nil)
				for n, e := range events(t, send(s, "POST", "/chat/completions", toJSON(t, request)).Body.String()) {
					for _, choice := range e["choices"].([]any) {
						delta := choice.(map[string]any)["delta"].(map[string]any)
						if _, ok := delta["role"]; ok != (n == 0) {
							t.Errorf("event %d: %v", n, e)
						}
						content, _ := delta["content"].(string)
						text += content
					}
					last = e
				}
				usage, _ := last["usage"].(map[string]any)
				if text != want.Content || usage["completion_tokens"] != float64(len(want.Tokens)) {
					t.Errorf("conversation %d in parts: %q, %v, want %q", i, text, last, want.Content)
				}

				// What /apply-template gives is the prompt for /completion.
				delete(request, "stream")
				w = send(s, "POST", "/apply-template", toJSON(t, request))
				checkDescribed(t, "POST", "/apply-template", toJSON(t, map[string]any{"messages": c.Messages}), w)
				var applied struct{ Prompt string }
				if err := json.Unmarshal(w.Body.Bytes(), &applied); err != nil || !strings.HasSuffix(c.Text, applied.Prompt) {
					t.Fatalf("conversation %d: status %d: %s", i, w.Code, w.Body)
				}
				if r := complete(t, s, map[string]any{"prompt": applied.Prompt, "n_predict": 1}); r.TokensEvaluated != len(c.IDs) {
					t.Errorf("conversation %d: /apply-template's prompt has %d tokens, want %d", i, r.TokensEvaluated, len(c.IDs))
				}
			}
			// A last message of the assistant is gone on with.
			open := conversations[0]
			messages := append(open.Messages, map[string]string{"role": "assistant", "content": "It is"})
			w := send(s, "POST", "/apply-template", toJSON(t, map[string]any{"messages": messages}))
			var applied struct{ Prompt string }
			if err := json.Unmarshal(w.Body.Bytes(), &applied); err != nil || applied.Prompt == "" || !strings.HasSuffix(open.Text+"It is", applied.Prompt) {
				t.Errorf("status %d: %s, want the end of %q", w.Code, w.Body, open.Text+"It is")
			}
		})
	}
}

// events are those of a stream that ends as OpenAI's do.
func events(t *testing.T, body string) (list []map[string]any) {
	t.Helper()
	done := false
	for lines := bufio.NewScanner(strings.NewReader(body)); lines.Scan(); {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		switch {
		case !ok:
		case data == "[DONE]":
			done = true
		default:
			var event map[string]any
			if err := json.Unmarshal([]byte(data), &event); err != nil || done {
				t.Fatalf("%q: %v", data, err)
			}
			list = append(list, event)
		}
	}
	if !done {
		t.Errorf("the stream does not end: %s", body)
	}
	return list
}

// TestConversationRefused: what a template does not take is the client's mistake.
func TestConversationRefused(t *testing.T) {
	s, _ := chatServer(t, "Gemma")
	body := `{"messages":[{"role":"user","content":"a"},{"role":"user","content":"b"}]}`
	w := send(s, "POST", "/v1/chat/completions", body)
	if w.Code != 400 || !strings.Contains(w.Body.String(), "Conversation roles must alternate") {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
	var props struct {
		Template string `json:"chat_template"`
		BOS      string `json:"bos_token"`
		EOS      string `json:"eos_token"`
	}
	if err := json.Unmarshal(send(s, "GET", "/props", "").Body.Bytes(), &props); err != nil || !strings.Contains(props.Template, "<start_of_turn>") || props.BOS != "<bos>" || props.EOS != "<eos>" {
		t.Errorf("/props: %+v", props)
	}
}
