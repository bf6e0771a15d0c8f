package tokenizer

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/winnow-rerank/winnow/internal/fault"
	"github.com/winnow-rerank/winnow/internal/mapfile"
)

// FromDir builds the tokenizer of a model directory in Hugging Face's layout.
// The library's tokenizer class determines how the files are interpreted:
// tokenizer_class in tokenizer_config.json or config.json, or else the class of
// the model type. The vocabulary is in tokenizer.json, or if that is missing, in
// the file of the class:
//
//	vocab.txt                 WordPiece of BERT and MPNet
//	sentencepiece.bpe.model   SentencePiece of XLM-R and CamemBERT
//	spm.model                 of DeBERTa
//	spiece.model              of T5 and ALBERT
//	tokenizer.model           of Llama, Gemma and Mistral
//	vocab.json, merges.txt    byte-level BPE of RoBERTa, GPT-2, DeBERTa and Qwen
//
// The rest is in tokenizer_config.json, special_tokens_map.json and
// added_tokens.json. If no class is named, the vocabulary file determines it.
func FromDir(dir string) (*Tokenizer, error) {
	c, err := readConfig(dir)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "tokenizer.json")
	data, err := mapfile.ReadAll(path, maxVocabulary)
	switch {
	case err == nil:
		return c.fromWhole(path, data)
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	if err := c.choose(nil); err != nil {
		return nil, err
	}
	return c.fromVocabulary(dir)
}

// fromWhole builds the tokenizer from a tokenizer.json and the files next to it.
func (c *configuration) fromWhole(path string, data []byte) (*Tokenizer, error) {
	c.whole = true
	if err := c.choose(data); err != nil {
		return nil, err
	}
	c.gather()
	return fromJSON(path, data, c)
}

// choose determines the class. file is the tokenizer.json, nil if there is none.
func (c *configuration) choose(file []byte) error {
	name := c.className(file)
	if kind, _ := c.config["word_tokenizer_type"].(string); kind != "" && kind != "basic" {
		name = "BertJapaneseTokenizer"
	}
	if name == "" && file != nil {
		c.class = asIs
	}
	if name == "" {
		return nil
	}
	class, ok := lookUpClass(name)
	switch {
	case !ok && name == "BertJapaneseTokenizer":
		return &fault.UnsupportedError{Path: c.l.path, What: name + ", which splits words with MeCab, Sudachi or Juman,",
			Hint: "use a model whose tokenizer is plain WordPiece, SentencePiece or BPE"}
	case !ok:
		return &fault.UnsupportedError{Path: c.l.path, What: fmt.Sprintf("tokenizer_class %q", name)}
	case class != nil:
		c.class = class
	case file != nil:
		c.class = asIs
	default:
		return &fault.UnsupportedError{Path: c.l.path, What: fmt.Sprintf("tokenizer_class %q without a tokenizer.json", name),
			Hint: "save the tokenizer as tokenizer.json"}
	}
	return nil
}

// vocabularyFiles are the vocabulary files, with the class that each implies if none is
// named.
var vocabularyFiles = []struct {
	name  string
	class string
	read  func(c *configuration, path string, data []byte) (*Tokenizer, error)
}{
	{"vocab.txt", "BertTokenizer", (*configuration).fromVocab},
	{"sentencepiece.bpe.model", "XLMRobertaTokenizer", (*configuration).fromSentencePiece},
	{"spm.model", "DebertaV2Tokenizer", (*configuration).fromSentencePiece},
	{"spiece.model", "T5Tokenizer", (*configuration).fromSentencePiece},
	{"tokenizer.model", "TokenizersBackend", (*configuration).fromSentencePiece},
	{"vocab.json", "RobertaTokenizer", (*configuration).fromMerges},
}

// fromVocabulary builds the tokenizer of a directory without a tokenizer.json.
func (c *configuration) fromVocabulary(dir string) (*Tokenizer, error) {
	var lacks []string
	for _, file := range vocabularyFiles {
		if c.class != nil && c.class.file != file.name && (file.name != "tokenizer.model" || !strings.HasSuffix(c.class.file, ".model")) {
			continue
		}
		path := filepath.Join(dir, file.name)
		data, err := mapfile.ReadAll(path, maxVocabulary)
		if errors.Is(err, fs.ErrNotExist) {
			lacks = append(lacks, file.name)
			continue
		}
		if err != nil {
			return nil, err
		}
		if c.class == nil {
			c.class = tokenizerClasses[file.class]
		}
		c.gather()
		if c.l.err != nil {
			return nil, c.l.err
		}
		return file.read(c, path, data)
	}
	return nil, &fault.UnsupportedError{Path: dir, What: "a directory without tokenizer.json or " + strings.Join(lacks, ", "),
		Hint: "download the tokenizer files together with the model"}
}

// fromVocab reads vocab.txt, which has one piece per line.
func (c *configuration) fromVocab(path string, data []byte) (*Tokenizer, error) {
	w := &wordPiece{maxChars: maxWordChars}
	data = bytes.TrimSuffix(data, []byte("\n"))
	for id, line := range bytes.Split(data, []byte("\n")) {
		w.add(bytes.TrimRightFunc(line, isSpaceRune), int32(id))
	}
	if err := w.finish(path, "the list", c.spelling("unk_token"), "##"); err != nil {
		return nil, err
	}
	return c.build(path, &Tokenizer{model: w, pad: -1}, nil)
}

// fromSentencePiece reads a SentencePiece model.
func (c *configuration) fromSentencePiece(path string, data []byte) (*Tokenizer, error) {
	m, err := parseSentencePiece(path, data)
	if err != nil {
		return nil, err
	}
	for _, p := range m.pieces {
		if p.kind == spControl || p.kind == spUserDefined {
			c.pieces = append(c.pieces, map[string]any{"content": p.text, "normalized": false, "special": p.kind == spControl})
		}
	}
	c.gather() // again, with c.pieces
	kind := c.class.kind
	if kind == "" {
		return c.fromPieces(path, m)
	}
	if m.kind != map[string]int{"Unigram": 1, "BPE": 2}[kind] {
		return nil, &fault.UnsupportedError{Path: path, What: fmt.Sprintf("a SentencePiece model of type %d for %s", m.kind, c.class.name),
			Hint: "save the tokenizer as tokenizer.json"}
	}
	charsmap, err := newPrecompiled(path, "precompiled_charsmap", m.charsmap)
	if err != nil {
		return nil, err
	}
	t := &Tokenizer{pad: -1}
	if kind == "BPE" {
		t.model, err = m.bpe(path, c.class.bpe(c))
	} else {
		t.model, err = m.unigram(path, c)
	}
	if err != nil {
		return nil, err
	}
	return c.build(path, t, charsmap)
}
