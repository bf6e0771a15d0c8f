package server

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/winnow-rerank/winnow"
)

// Conversations, in the dialect of OpenAI and llama.cpp: the model's own chat template
// turns messages into a prompt, which is completed like any other.

// maxMessages bounds the messages of a conversation and the parts of a message.
const maxMessages = 10000

var chatCompletions = &completionDialect{
	cannot: "chat" + noHead,
	prompts: func(a *completion, f fields) ([]json.RawMessage, error) {
		prompt, err := a.chatPrompt(f)
		if err != nil {
			return nil, err
		}
		a.begun = a.info.BOS != "" && strings.HasPrefix(prompt, a.info.BOS)
		raw, err := json.Marshal(prompt)
		return []json.RawMessage{raw}, err
	},
	probs: func(f *reader) int {
		on, n := f.boolean("logprobs", false), f.integer("top_logprobs", 0, 0)
		if on {
			return max(n, 1) // includes the chosen token
		}
		if n > 0 {
			f.fail(invalid("%q is %d: expected \"logprobs\": true with it", "top_logprobs", n))
		}
		return n
	},
	envelope: chatChunk,
	begin: func(a *completion) any {
		return chatChunk(a, []any{a.delta(nil, map[string]any{"role": "assistant", "content": nil}, nil)})
	},
	partial: func(a *completion, _, _ int, text string, t winnow.CompletionToken) any {
		if text == "" && a.options.Probs == 0 {
			return nil // part of a character or, possibly, of a stop text
		}
		return chatChunk(a, []any{a.delta(eventTokens(t), map[string]any{"content": text}, nil)})
	},
	final: func(a *completion, i int, c *winnow.Completion) any {
		if a.stream {
			return chatChunk(a, []any{a.delta(nil, map[string]any{}, finishReason(c))})
		}
		choice := a.choice(i, c.Tokens, finishReason(c))
		choice["message"] = map[string]any{"role": "assistant", "content": c.Text}
		return choice
	},
	frame: func(a *completion, choices []any, all []*winnow.Completion) any {
		reply := a.withUsage(choices, all)
		reply["object"] = "chat.completion"
		return reply
	},
}

// delta is the choice of a streamed event.
func (a *completion) delta(tokens []winnow.CompletionToken, delta map[string]any, reason any) map[string]any {
	choice := a.choice(0, tokens, reason)
	choice["delta"] = delta
	return choice
}

func chatChunk(a *completion, choices []any) map[string]any {
	return a.envelope("chatcmpl-", "chat.completion.chunk", choices)
}

// applyTemplate answers POST /apply-template with the prompt of a conversation.
func (s *Server) applyTemplate(w http.ResponseWriter, r *http.Request) error {
	var prompt string
	err := s.read(w, r, func(f fields) error {
		c, err := s.named(r, f, "complete", chatCompletions.cannot)
		if err != nil {
			return err
		}
		defer c.close()
		if prompt, err = c.chatPrompt(f); err != nil {
			return err
		}
		// /completion prepends the token that begins texts to every prompt.
		if first, err := c.model.Tokenize("", true); err == nil && len(first) > 0 {
			prompt = strings.TrimPrefix(prompt, first[0].Piece)
		}
		return nil
	})
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, map[string]string{"prompt": prompt})
	return nil
}

// chatPrompt returns the prompt of a conversation.
func (c *call) chatPrompt(f fields) (string, error) {
	variables, err := chatVariables(f)
	if err != nil {
		return "", err
	}
	messages, answer, generate, err := conversation(f)
	if err != nil {
		return "", err
	}
	variables["add_generation_prompt"] = generate
	prompt, err := c.model.ChatPrompt(messages, variables)
	switch {
	case errors.Is(err, winnow.ErrNoChatTemplate):
		return "", notSupported("model %q cannot chat: its files contain no chat template; send the prompt to /completion", c.name)
	case errors.Is(err, winnow.ErrUnsupported):
		return "", notSupported("model %q cannot chat: %v", c.name, err)
	case err != nil: // the template rejects these messages
		return "", invalid("\"messages\": %v", err)
	}
	return prompt + answer, nil
}

// chatVariables returns a request's variables for the chat template. It rejects tools and
// formats.
func chatVariables(f fields) (map[string]any, error) {
	for _, name := range []string{"tools", "functions"} {
		if v := string(f[name]); f.has(name) && v != "[]" {
			return nil, invalid("%q: tool calls are not supported; omit it", name)
		}
	}
	if f.has("response_format") {
		if o, _ := jsonObject(f["response_format"]); string(o["type"]) != `"text"` {
			return nil, invalid("\"response_format\": expected {\"type\": \"text\"}, the only format supported")
		}
	}
	variables := make(map[string]any)
	if f.has("chat_template_kwargs") {
		given, ok := jsonObject(f["chat_template_kwargs"])
		if !ok {
			return nil, f.wrong("chat_template_kwargs", "an object")
		}
		for name, v := range given {
			variables[name] = v
		}
	}
	return variables, nil
}

// conversation returns the messages to render and the text that begins the model's answer
// after them. generate says whether the prompt ends with the beginning of an answer.
func conversation(all fields) (messages []winnow.Message, answer string, generate bool, err error) {
	err = all.list("messages", maxMessages, "messages", func(i int, v json.RawMessage) error {
		m, err := messageOf(i, v)
		messages = append(messages, m)
		return err
	})
	if err != nil {
		return nil, "", false, err
	}
	f := &reader{fields: all}
	generate = f.boolean("add_generation_prompt", true)
	// As in llama.cpp, the model continues a final message of its own.
	earlier, last := messages[:len(messages)-1], messages[len(messages)-1]
	if !f.boolean("continue_final_message", last.Role == "assistant") {
		return messages, "", generate, f.err
	}
	switch {
	case generate && f.has("continue_final_message") && f.has("add_generation_prompt"):
		f.fail(invalid("%q and %q are both true: expected one of them", "add_generation_prompt", "continue_final_message"))
	case last.Role != "assistant":
		f.fail(invalid("%q is true, but the last message has the role %q: expected %q", "continue_final_message", last.Role, "assistant"))
	case len(earlier) > 0 && earlier[len(earlier)-1].Role == "assistant":
		f.fail(invalid("messages[%d] is a second message with the role %q at the end: expected one", len(messages)-1, "assistant"))
	}
	return earlier, last.Content, true, f.err
}

// messageOf parses message i.
func messageOf(i int, v json.RawMessage) (m winnow.Message, err error) {
	f, ok := jsonObject(v)
	if !ok {
		return m, invalid("messages[%d] is %s: expected an object", i, describe(v))
	}
	if m.Role, ok = jsonString(f["role"]); !ok {
		return m, invalid("messages[%d]: %s", i, f.wrong("role", "a string"))
	}
	if calls := string(f["tool_calls"]); f.has("tool_calls") && calls != "[]" {
		return m, invalid("messages[%d] has \"tool_calls\": tool calls are not supported", i)
	}
	if m.Content, ok = jsonString(f["content"]); ok {
		return m, nil
	}
	if !strings.HasPrefix(string(f["content"]), "[") {
		return m, invalid("messages[%d]: %s", i, f.wrong("content", "a string or an array of parts"))
	}
	parts, err := textParts("content", f)
	if err != nil {
		return m, invalid("messages[%d]: %v", i, err)
	}
	m.Content = strings.Join(parts, "\n") // as in llama.cpp
	return m, nil
}
