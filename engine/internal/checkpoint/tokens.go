package checkpoint

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/winnow-rerank/winnow/tokenizer"
)

// Tokenizer returns the model's tokenizer, which is read only once. It may be called
// from another goroutine; Close must wait for it.
func (f *File) Tokenizer() (*tokenizer.Tokenizer, error) { return f.tokenizer() }

// readTokenizer sets how the tokenizer is read.
func (f *File) readTokenizer(read func() (*tokenizer.Tokenizer, error)) {
	lower := f.LowerCase()
	f.tokenizer = sync.OnceValues(func() (*tokenizer.Tokenizer, error) {
		t, err := read()
		if err == nil && lower {
			if err = t.LowerCase(); err != nil {
				err = fmt.Errorf("%s: lower-cased added tokens: %w", f.Path, err)
			}
		}
		return t, err
	})
}

// keyLower says that texts are lower-cased.
var keyLower = Key{GGUF: ".lowercase"}

// LowerCase reports whether texts are lower-cased before tokenisation.
func (f *File) LowerCase() bool {
	if f.IsGGUF() {
		return f.Bool(keyLower, false)
	}
	lower, _ := f.Sentence.Encoder.Bool("do_lower_case")
	return lower
}

// tokenKeys maps template names of special tokens to those of their ids in GGUF files.
var tokenKeys = map[string]string{"bos_token": "bos", "eos_token": "eos", "pad_token": "padding", "unk_token": "unknown", "mask_token": "mask"}

// SpecialTokens returns the spellings of special tokens by their names in templates.
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
			continue // the tokenizer reports what is wrong with it
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
// already set are unchanged. If metadata cannot express the tokenizer, tokenizer.json
// is included whole.
func (e *Export) Tokenizer(t *tokenizer.Tokenizer, vocab int) {
	if e.file.LowerCase() {
		e.Set(keyLower.GGUF, true)
	}
	types, _ := e.Get("tokenizer.ggml.token_type_count").(uint32)
	fields, exact, err := t.GGUF(int(types), vocab)
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
		e.fail(fmt.Errorf("GGUF metadata cannot express this tokenizer and there is no tokenizer.json to embed: %w", err))
		return
	}
	e.Set(tokenizer.HuggingFaceKey, string(whole))
}
