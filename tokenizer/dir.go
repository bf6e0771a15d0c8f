package tokenizer

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/winnow-rerank/winnow/internal/fault"
)

// FromDir makes the tokenizer of a model's directory in Hugging Face's layout,
// from the first of these that it has:
//
//	tokenizer.json
//	vocab.txt                 BERT's WordPiece
//	sentencepiece.bpe.model   XLM-R's SentencePiece
//	spm.model                 DeBERTa's SentencePiece
//	tokenizer.model           SentencePiece BPE
//	vocab.json, merges.txt    byte-level BPE of RoBERTa, GPT-2 and Qwen2
//
// tokenizer_config.json and special_tokens_map.json add what these do not say.
func FromDir(dir string) (*Tokenizer, error) {
	config, err := readConfig(dir)
	if err != nil {
		return nil, err
	}
	for _, kind := range []struct {
		name string
		read func(path string, data []byte, c *configuration) (*Tokenizer, error)
	}{
		{"tokenizer.json", func(path string, data []byte, _ *configuration) (*Tokenizer, error) { return FromJSON(path, data) }},
		{"vocab.txt", fromVocab},
		{"sentencepiece.bpe.model", fromSentencePiece(fromXLMR)},
		{"spm.model", fromSentencePiece(fromDeBERTa)},
		{"tokenizer.model", fromSentencePiece(nil)},
		{"vocab.json", fromMerges},
	} {
		path := filepath.Join(dir, kind.name)
		data, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		t, err := kind.read(path, data, config)
		if err != nil {
			return nil, err
		}
		config.apply(t)
		return t, nil
	}
	return nil, &fault.UnsupportedError{Path: dir, What: "a directory without tokenizer.json, vocab.txt or a SentencePiece model",
		Hint: "download the tokenizer's files along with the model"}
}

// fromSentencePiece gives a reader of a SentencePiece model whose Unigram
// models become tokenizers by make.
func fromSentencePiece(make func(path string, m *sentencePiece, c *configuration) (*Tokenizer, error)) func(string, []byte, *configuration) (*Tokenizer, error) {
	return func(path string, data []byte, c *configuration) (*Tokenizer, error) {
		m, err := parseSentencePiece(path, data)
		if err != nil {
			return nil, err
		}
		switch {
		case m.kind == 2:
			return newSentencePieceBPE(path, m)
		case m.kind == 1 && make != nil:
			return make(path, m, c)
		}
		return nil, &fault.UnsupportedError{Path: path, What: fmt.Sprintf("a SentencePiece model of type %d", m.kind),
			Hint: "save the tokenizer as tokenizer.json"}
	}
}

// configuration is what tokenizer_config.json and special_tokens_map.json say.
type configuration struct {
	l         loader
	config    map[string]any
	special   map[string]any
	maxLength int
}

func readConfig(dir string) (*configuration, error) {
	c := &configuration{}
	read := func(name string) (map[string]any, error) {
		path := filepath.Join(dir, name)
		data, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		r := newJSONReader(path, "", data)
		v := r.value()
		if err := r.end(); err != nil {
			return nil, err
		}
		m, ok := v.(map[string]any)
		if !ok {
			return nil, &fault.FormatError{Path: path, Offset: -1, Found: describe(v), Want: "an object"}
		}
		return m, nil
	}
	var err error
	if c.config, err = read("tokenizer_config.json"); err != nil {
		return nil, err
	}
	if c.special, err = read("special_tokens_map.json"); err != nil {
		return nil, err
	}
	c.l.path = filepath.Join(dir, "tokenizer_config.json")
	// "No limit" is written as a number of thirty digits.
	if n, ok := c.config["model_max_length"].(float64); ok && n >= 1 && n <= 1<<24 {
		c.maxLength = int(n)
	}
	return c, nil
}

// token is the spelling of a special token: a string, or an object with the
// string as content.
func (c *configuration) token(key, absent string) string {
	for _, m := range []map[string]any{c.config, c.special} {
		switch v := m[key].(type) {
		case string:
			if v != "" {
				return v
			}
		case map[string]any:
			if s, ok := v["content"].(string); ok && s != "" {
				return s
			}
		}
	}
	return absent
}

// apply adds to t what the configuration says.
func (c *configuration) apply(t *Tokenizer) {
	t.maxLength = c.maxLength
	t.roles = map[string]int32{}
	for _, role := range []string{"bos", "eos", "unk", "sep", "cls", "mask"} {
		if name := c.token(role+"_token", ""); name != "" {
			if id, ok := t.ID(name); ok {
				t.roles[role] = id
			}
		}
	}
	for _, name := range []string{c.token("pad_token", ""), "[PAD]", "<pad>"} {
		if name == "" {
			continue
		}
		if id, ok := t.ID(name); ok && t.pad < 0 {
			t.pad = id
		}
	}
}

// fromVocab makes BERT's tokenizer: the pieces line by line, the rest from
// tokenizer_config.json or as the original has it.
func fromVocab(path string, data []byte, c *configuration) (*Tokenizer, error) {
	w := &wordPiece{maxChars: 100}
	data = bytes.TrimSuffix(data, []byte("\n"))
	for id, line := range bytes.Split(data, []byte("\n")) {
		w.add(bytes.TrimSuffix(line, []byte("\r")), int32(id))
	}
	unk := c.token("unk_token", "[UNK]")
	if _, err := w.finish(path, "the list", unk, "##"); err != nil {
		return nil, err
	}
	t := &Tokenizer{model: w, pad: -1, pre: bertPreTokenizer{loadUnidata()}, decoder: wordPieceDecoder{"##", true}}
	l := &c.l
	lower := l.bool(c.config, "", "do_lower_case", true)
	t.normalizer = newBertNormalizer(true, l.bool(c.config, "", "tokenize_chinese_chars", true), l.bool(c.config, "", "strip_accents", lower), lower)
	if l.err != nil {
		return nil, l.err
	}
	cls, sep := c.token("cls_token", "[CLS]"), c.token("sep_token", "[SEP]")
	for _, s := range []string{c.token("pad_token", "[PAD]"), unk, cls, sep, c.token("mask_token", "[MASK]")} {
		t.added.add(addedToken{content: s, special: true}, w)
	}
	clsID, ok1 := w.id(cls)
	sepID, ok2 := w.id(sep)
	if !ok1 || !ok2 {
		return nil, &fault.FormatError{Path: path, Field: "the list", Offset: -1, Found: "no special tokens", Want: fmt.Sprintf("%q and %q", cls, sep)}
	}
	t.bertTemplates(clsID, sepID)
	return t, t.finish(path)
}
