package checkpoint

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/winnow-rerank/winnow/tokenizer"
)

// Tokenizer is the model's, read once. It may be called by a goroutine of its own;
// Close must wait for it.
func (f *File) Tokenizer() (*tokenizer.Tokenizer, error) { return f.tokenizer() }

// readTokenizer sets how the tokenizer is read.
func (f *File) readTokenizer(read func() (*tokenizer.Tokenizer, error)) {
	lower := f.LowerCase()
	f.tokenizer = sync.OnceValues(func() (*tokenizer.Tokenizer, error) {
		t, err := read()
		if err == nil && lower {
			if err = t.LowerCase(); err != nil {
				err = fmt.Errorf("%s: added tokens in lower case: %w", f.Path, err)
			}
		}
		return t, err
	})
}

// keyLower says that texts are turned to lower case.
var keyLower = Key{GGUF: ".lowercase"}

// LowerCase says whether texts are turned to lower case before they are tokenized.
func (f *File) LowerCase() bool {
	if f.IsGGUF() {
		return f.Bool(keyLower, false)
	}
	lower, _ := f.Sentence.Encoder.Bool("do_lower_case")
	return lower
}

// tokenKeys are the names that templates have for special tokens, and those of their ids
// in GGUF files.
var tokenKeys = map[string]string{"bos_token": "bos", "eos_token": "eos", "pad_token": "padding", "unk_token": "unknown", "mask_token": "mask"}

// SpecialTokens are the spellings of special tokens by the names that templates have
// for them.
func (f *File) SpecialTokens(t *tokenizer.Tokenizer) map[string]string {
	tokens := make(map[string]string)
	if f.IsGGUF() {
		for name, key := range tokenKeys {
			if id := f.Int(Key{GGUF: "tokenizer.ggml." + key + "_token_id"}, 0, MaxVocab, -1); id >= 0 {
				tokens[name] = t.Piece(int32(id))
			}
		}
		return tokens
	}
	for _, file := range []string{"special_tokens_map.json", "tokenizer_config.json"} {
		config, err := ReadObject(filepath.Join(f.Folder(), file))
		if err != nil {
			continue // the tokenizer says what is wrong with it
		}
		for _, name := range []string{"bos_token", "eos_token", "pad_token", "unk_token", "sep_token", "cls_token", "mask_token"} {
			if text, ok := config.String(name); ok {
				tokens[name] = text
			} else if text, ok := config.Object(name).String("content"); ok {
				tokens[name] = text
			}
		}
	}
	return tokens
}

// Tokenizer writes the tokenizer of a model whose embedding table has vocab rows. Keys
// that are set already stay as they are. Where metadata cannot express the tokenizer,
// tokenizer.json is written whole.
func (e *Export) Tokenizer(t *tokenizer.Tokenizer, vocab int) {
	if e.file.LowerCase() {
		e.Set(keyLower.GGUF, true)
	}
	fields, exact, err := t.GGUF(0, vocab)
	if err != nil {
		e.fail(fmt.Errorf("%s: %w", e.file.Path, err))
		return
	}
	for _, field := range fields {
		if _, at := e.find(field.Key); at < 0 {
			e.Set(field.Key, field.Value)
		}
	}
	if exact {
		return
	}
	whole, err := os.ReadFile(filepath.Join(e.file.Folder(), "tokenizer.json"))
	if err != nil {
		e.fail(fmt.Errorf("GGUF metadata cannot express this tokenizer and there is no tokenizer.json to put in: %w", err))
		return
	}
	e.Set(tokenizer.HuggingFaceKey, string(whole))
}
