package tokenizer

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/winnow-rerank/winnow/internal/fault"
)

// fromMerges makes a byte-level tokenizer of vocab.json, which path names, and
// the merges.txt beside it, as RoBERTa, GPT-2 and Qwen2 come without a
// tokenizer.json. What the files do not say follows from the class that
// tokenizer_config.json names.
func fromMerges(path string, data []byte, c *configuration) (*Tokenizer, error) {
	b := newBPEBuilder(path, bpeOptions{})
	r := newJSONReader(path, "", data)
	r.object(func(key []byte) { b.m.add(key, r.id()) })
	if err := r.end(); err != nil {
		return nil, err
	}
	if err := b.index(); err != nil {
		return nil, err
	}
	b.path = filepath.Join(filepath.Dir(path), "merges.txt")
	lines, err := os.ReadFile(b.path)
	if err != nil {
		return nil, err
	}
	var buf []byte
	rank := uint32(0)
	for line := range bytes.Lines(lines) {
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 || bytes.HasPrefix(line, []byte("#version")) {
			continue
		}
		if buf, err = b.pair(line, rank, buf); err != nil {
			return nil, err
		}
		rank++
	}
	t := &Tokenizer{pad: -1, decoder: byteLevelDecoder{}, single: plainTemplate(false), pair: plainTemplate(true)}
	if t.model, err = b.finish(); err != nil {
		return nil, err
	}
	l := &c.l
	pre := byteLevel{prefixSpace: l.bool(c.config, "", "add_prefix_space", false), regex: true}
	t.pre = pre
	class, _ := c.config["tokenizer_class"].(string)
	if class == "" { // RoBERTa's old files have none
		class = "Roberta"
	}
	var special []string
	switch class = strings.TrimSuffix(strings.TrimSuffix(class, "Fast"), "Tokenizer"); class {
	case "Roberta", "Longformer", "Bart":
		special = []string{c.token("bos_token", "<s>"), c.token("pad_token", "<pad>"), c.token("eos_token", "</s>"), c.token("unk_token", "<unk>")}
	case "GPT2":
		special = []string{c.token("unk_token", "<|endoftext|>")}
	case "Qwen2":
		t.normalizer = newNormalForm(false, true)
		t.pre = preTokenizerSequence{scan{knownScanner(qwen2Pattern)}, byteLevel{}}
	default:
		return nil, &fault.UnsupportedError{Path: l.path, What: fmt.Sprintf("the tokenizer_class %q without a tokenizer.json", class),
			Hint: "save the tokenizer as tokenizer.json"}
	}
	for _, token := range c.addedTokens() {
		t.added.add(token, t.model)
	}
	for _, s := range special {
		if !t.added.has(s) {
			t.added.add(addedToken{content: s, special: true}, t.model)
		}
	}
	if class != "GPT2" && class != "Qwen2" {
		if mask := c.token("mask_token", "<mask>"); !t.added.has(mask) {
			t.added.add(addedToken{content: mask, special: true, lstrip: true}, t.model)
		}
		cls, ok1 := t.ID(c.token("cls_token", "<s>"))
		sep, ok2 := t.ID(c.token("sep_token", "</s>"))
		if !ok1 || !ok2 {
			return nil, b.fail("", "no special tokens", fmt.Sprintf("%q and %q", c.token("cls_token", "<s>"), c.token("sep_token", "</s>")))
		}
		t.single = template{parts: []part{{partSpecial, cls, 0}, {kind: partA}, {partSpecial, sep, 0}}, added: 2}
		t.pair = template{parts: []part{{partSpecial, cls, 0}, {kind: partA}, {partSpecial, sep, 0}, {partSpecial, sep, 0}, {kind: partB}, {partSpecial, sep, 0}}, added: 4}
	}
	if l.err != nil {
		return nil, l.err
	}
	return t, t.finish(path)
}

// addedTokens are those of added_tokens_decoder, by their ids.
func (c *configuration) addedTokens() []addedToken {
	list, _ := c.config["added_tokens_decoder"].(map[string]any)
	var tokens []addedToken
	for id, v := range list {
		m, _ := v.(map[string]any)
		n, err := strconv.ParseInt(id, 10, 32)
		if err != nil || n < 0 || m == nil {
			c.l.fail("added_tokens_decoder."+id, describe(v), "a token with its id")
			return nil
		}
		field := "added_tokens_decoder." + id
		tokens = append(tokens, addedToken{
			id:         int32(n),
			content:    c.l.str(m, field, "content"),
			singleWord: c.l.bool(m, field, "single_word", false),
			lstrip:     c.l.bool(m, field, "lstrip", false),
			rstrip:     c.l.bool(m, field, "rstrip", false),
			normalized: c.l.bool(m, field, "normalized", true),
			special:    c.l.bool(m, field, "special", false),
		})
	}
	slices.SortFunc(tokens, func(a, b addedToken) int { return int(a.id) - int(b.id) })
	return tokens
}

func (a *addedTokens) has(content string) bool {
	_, ok := a.byName[content]
	return ok
}
