package server

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
)

// prompts returns the undecoded prompts of a field: each text, tokens, or both mixed.
func (f fields) prompts(name, want string) ([]json.RawMessage, error) {
	if !f.has(name) {
		return nil, f.wrong(name, want)
	}
	raw := f[name]
	if raw[0] != '[' {
		return []json.RawMessage{raw}, nil
	}
	if string(raw) == "[]" {
		e := invalid("%q is an empty array: expected tokens or prompts", name)
		e.Empty = true
		return nil, e
	}
	var list []json.RawMessage
	numbers := false
	err := f.list(name, maxTokens, "tokens or prompts", func(_ int, v json.RawMessage) error {
		if v[0] != '"' && v[0] != '[' && v[0] != '{' {
			numbers = true
			return errEnough
		}
		list = append(list, v)
		return nil
	})
	if numbers { // possibly mixed with texts: one prompt
		return []json.RawMessage{raw}, nil
	}
	return list, err
}

const wantPrompt = "a string, an array of tokens, or an array of prompts"

// errEnough ends the reading of a list early.
var errEnough = errors.New("enough")

// prompt converts one prompt into tokens.
func (a *completion) prompt(raw json.RawMessage) ([]int, error) {
	if s, ok := jsonString(raw); ok {
		// For an empty text these are the tokens that the model expects before any text.
		return a.idsOf(s, !a.begun)
	}
	if o, ok := jsonObject(raw); ok {
		s, err := promptString("prompt", o)
		if err != nil {
			return nil, err
		}
		return a.idsOf(s, true)
	}
	if raw[0] != '[' {
		return nil, invalid("\"prompt\" is %s: expected %s", describe(raw), wantPrompt)
	}
	return a.tokensOf("prompt", raw)
}

// idsOf returns the tokens of a text, surrounded by special ones if special is true.
func (c *call) idsOf(text string, special bool) ([]int, error) {
	tokens, err := c.model.Tokenize(text, special)
	ids := make([]int, len(tokens))
	for i, t := range tokens {
		ids[i] = t.ID
	}
	return ids, err
}

// tokensOf returns the tokens of an array of token ids and texts.
func (c *call) tokensOf(name string, raw json.RawMessage) (ids []int, err error) {
	if string(raw) == "[]" {
		return nil, nil
	}
	f := fields{name: raw}
	err = f.list(name, maxTokens, "tokens", func(i int, v json.RawMessage) error {
		if s, ok := jsonString(v); ok {
			// As in llama.cpp, special tokens precede the first part only.
			part, err := c.idsOf(s, i == 0)
			ids = append(ids, part...)
			return err
		}
		id, err := c.token(name, i, v)
		ids = append(ids, id)
		return err
	})
	return ids, err
}

// promptString returns the text of an object that llama.cpp accepts as a text, its form
// for multimodal models.
func promptString(name string, o fields) (string, error) {
	if v := string(o["multimodal_data"]); o.has("multimodal_data") && v != "[]" {
		return "", invalid("\"multimodal_data\": the model reads text only")
	}
	if o.has("content") {
		parts, err := textParts("content", o)
		return strings.Join(parts, ""), err
	}
	s, ok := jsonString(o["prompt_string"])
	if !ok {
		return "", invalid("%q is an object without a string \"prompt_string\"", name)
	}
	return s, nil
}

// token parses element i of a list of token ids.
func (c *call) token(name string, i int, raw json.RawMessage) (int, error) {
	id, err := strconv.Atoi(string(raw))
	if err != nil || id < 0 || id >= c.info.Vocabulary {
		return 0, invalid("%s[%d] is %s: expected a token id from 0 to %d", name, i, describe(raw), c.info.Vocabulary-1)
	}
	return id, nil
}

// maxTokens bounds the elements of a list of tokens.
const maxTokens = 1 << 20

// textParts returns the texts of a list of parts, all of which must be texts.
func textParts(name string, f fields) (parts []string, err error) {
	err = f.list(name, maxMessages, "parts", func(n int, v json.RawMessage) error {
		part, _ := jsonObject(v)
		text, ok := jsonString(part["text"])
		if kind, _ := jsonString(part["type"]); kind != "text" || !ok {
			return invalid("part %d is %s: expected {\"type\": \"text\", \"text\": …}; the model reads text only", n, describe(v))
		}
		parts = append(parts, text)
		return nil
	})
	return parts, err
}
