package tokenizer

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/winnow-rerank/winnow/internal/fault"
)

// A preKind is the meaning of a value of tokenizer.ggml.pre: how byte-level tokenizers
// split text into words, and related settings. The converter derives the value from the
// ids of a test text, so one value can stand for several models.
type preKind struct {
	expressions  []string // each splits the result of the one before
	digits       bool     // numbers are split into digits first
	nfc          bool     // the models' own tokenizers apply NFC
	normalized   bool     // user-defined tokens are matched in normalised text
	ignoreMerges bool
	addBOS       bool // unless the file says otherwise
	addSep       bool
}

var (
	preGPT2    = preKind{expressions: []string{gpt2Pattern}}
	preRoberta = preKind{expressions: []string{gpt2Pattern}, addSep: true}
	preDigits  = preKind{expressions: []string{gpt2Pattern}, digits: true}
	preLlama3  = preKind{expressions: []string{llama3Pattern}, ignoreMerges: true, addBOS: true}
	preO200k   = preKind{expressions: []string{o200kPattern}}
	preQwen2   = preKind{expressions: []string{qwen2Pattern}, nfc: true}

	preKinds = map[string]preKind{
		"gpt-2": preGPT2, "phi-2": preGPT2, "mpt": preGPT2, "olmo": preGPT2, "jais": preGPT2, "exaone4": preGPT2,
		"jina-es": preGPT2, "jina-de": preGPT2, "jina-v2-es": preGPT2, "jina-v2-de": preGPT2, "trillion": preGPT2,
		"jina-v1-en": preRoberta, "jina-v2-en": preRoberta, "jina-v2-code": preRoberta, "roberta-bpe": preRoberta,
		"modern-bert": {expressions: []string{gpt2Pattern}, nfc: true, normalized: true},
		"starcoder":   preDigits, "refact": preDigits, "command-r": preDigits, "smollm": preDigits, "codeshell": preDigits, "minerva-7b": preDigits,
		"qwen2": preQwen2, "megrez": preQwen2, "f2llmv2": preQwen2,
		"deepseek-r1-qwen": {expressions: []string{qwen2Pattern}},
		"qwen35":           {expressions: []string{qwen35Pattern}, nfc: true},
		"llama3":           preLlama3, "llama-v3": preLlama3, "llama-bpe": preLlama3, "falcon3": preLlama3, "lfm2": preLlama3, "jina-v5-nano": preLlama3,
		"dbrx": {expressions: []string{llama3Pattern}}, "smaug-bpe": {expressions: []string{llama3Pattern}},
		"chatglm-bpe": {expressions: []string{llama3Pattern}},
		"glm4":        {expressions: []string{llama3Pattern}, ignoreMerges: true},
		"gpt-4o":      preO200k, "llama4": preO200k, "kanana2": preO200k,
		"granite-embed-multi-97m": {expressions: []string{o200kPattern}, ignoreMerges: true},
		"default":                 {expressions: []string{`[\p{P}\$\+<=>\^~\|]+`, gpt2Pattern, `\p{N}+`, `[0-9][0-9][0-9]`}},
	}
)

// preTokenizer returns the stages, the last of which is ByteLevel.
func (k preKind) preTokenizer() (preTokenizer, error) {
	var stages preTokenizerSequence
	if k.digits {
		stages = append(stages, scan{digits{classes(), true}})
	}
	for _, e := range k.expressions {
		p, err := compilePattern(e)
		if err != nil {
			return nil, err
		}
		s, err := newSplit(p, isolated, false)
		if err != nil {
			return nil, err
		}
		stages = append(stages, s)
	}
	return append(stages, byteLevel{}), nil
}

// newGPT2GGUF builds a byte-level BPE tokenizer.
func newGPT2GGUF(path string, m Metadata) (*Tokenizer, error) {
	v, err := readGGUFVocabulary(path, m)
	if err != nil {
		return nil, err
	}
	name, ok := m.String("tokenizer.ggml.pre")
	kind, known := preKinds[name]
	if !known {
		what := fmt.Sprintf("tokenizer.ggml.pre %q", name)
		if !ok {
			what = "a gpt2 tokenizer without tokenizer.ggml.pre"
		}
		return nil, &fault.UnsupportedError{Path: path, What: what, Hint: "convert the model again, or use its safetensors files and tokenizer.json"}
	}
	merges, ok := m.Strings("tokenizer.ggml.merges")
	if !ok {
		return nil, v.bad("merges", "not a list of strings", "the merges")
	}
	b := newBPEBuilder(path, bpeOptions{ignoreMerges: kind.ignoreMerges})
	if err := v.fill(b); err != nil {
		return nil, err
	}
	for _, line := range merges {
		if err := b.pair([]byte(line)); err != nil {
			return nil, err
		}
	}
	t := &Tokenizer{model: b.finish(), decoder: byteLevelDecoder{}}
	if t.pre, err = kind.preTokenizer(); err != nil {
		return nil, err
	}
	if kind.nfc {
		t.normalizer = newNormalForm(false, true)
	}
	v.mark(t, v.special("mask_token_id", v.find("<mask>", "[MASK]")), kind.normalized)
	f := v.frame(t, kind.addBOS, kind.addSep)
	if v.err != nil {
		return nil, v.err
	}
	t.single, t.pair = f.templates(0)
	if f == (frame{-1, -1, -1}) {
		t.single, t.pair = f.templatesOfEach()
	}
	return t, t.finish(path)
}

// fill adds all pieces to b.
func (v *ggufVocabulary) fill(b *bpeBuilder) error {
	for i, s := range v.tokens {
		b.m.add([]byte(s), int32(i))
	}
	return b.index()
}

// frame reads the padding token and the frame. bos is the spelling of the default BOS
// token.
func (v *ggufVocabulary) frame(t *Tokenizer, addBOS, addSep bool, bos ...string) frame {
	f := frame{bos: v.special("bos_token_id", v.find(bos...)), eos: v.special("eos_token_id", -1)}
	t.pad = v.special("padding_token_id", -1)
	f.sep = v.special("seperator_token_id", f.eos)
	return v.added(f, addBOS, false, addSep)
}

// newLlamaGGUF builds a SentencePiece BPE tokenizer.
func newLlamaGGUF(path string, m Metadata) (*Tokenizer, error) {
	v, err := readGGUFVocabulary(path, m)
	if err != nil {
		return nil, err
	}
	scores, err := v.scores()
	if err != nil {
		return nil, err
	}
	opts := bpeOptions{fuseUnk: true, byteFallback: slices.Contains(v.types, ggufByte)}
	unk := v.special("unknown_token_id", v.find("<unk>"))
	if v.err != nil {
		return nil, v.err
	}
	// The converter writes Gemma's runs of spaces as spaces, without scores; in the
	// SentencePiece model they are ▁ and precede all other pieces.
	v.tokens, scores = slices.Clone(v.tokens), slices.Clone(scores)
	for i, s := range v.tokens {
		if v.types[i] == ggufUserDefined {
			v.tokens[i] = strings.ReplaceAll(s, " ", underscore)
			scores[i] = math.MaxFloat32
		}
	}
	b := newBPEBuilder(path, opts)
	if err := v.fill(b); err != nil {
		return nil, err
	}
	b.scoreMerges(scores, func(i int) bool { return v.types[i] == ggufNormal || v.types[i] == ggufUserDefined })
	model := b.finish()
	model.unk = unk
	t := &Tokenizer{model: model}
	t.underscores(v.flag("add_space_prefix", true))
	v.mark(t, -1, false)
	f := v.frame(t, true, false, "<s>")
	if v.err != nil {
		return nil, v.err
	}
	t.single, t.pair = f.templates(0)
	if f.eos < 0 && f.sep < 0 {
		t.single, t.pair = f.templatesOfEach()
	}
	return t, t.finish(path)
}

// underscores makes t write spaces as ▁, with another before each text (prefix), and
// back.
func (t *Tokenizer) underscores(prefix bool) {
	t.normalizer = replace{literal(" "), underscore}
	back := decoderSequence{replaceDecoder{literal(underscore), " "}, byteFallbackDecoder{}, fuseDecoder{}}
	if prefix {
		t.normalizer = normalizerSequence{prepend(underscore), t.normalizer}
		back = append(back, stripDecoder{' ', 1, 0})
	}
	t.decoder = back
}
