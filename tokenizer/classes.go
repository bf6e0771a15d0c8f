package tokenizer

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// bertStages sets BERT's stages.
func bertStages(b *builder) {
	lower := b.strict("do_lower_case", true)
	strip := lower
	if b.args.values["strip_accents"] != nil {
		strip = b.strict("strip_accents", lower)
	}
	b.t.normalizer = newBertNormalizer(true, b.strict("tokenize_chinese_chars", true), strip, lower)
	b.t.pre = bertPreTokenizer{loadUnidata()}
	b.t.decoder = wordPieceDecoder{"##", true}
}

// adjustBert rebuilds the stages of any WordPiece tokenizer.
func adjustBert(b *builder) {
	_, ok := b.t.model.(*wordPiece)
	b.restage(ok)
}

var bertClass = &tokenizerClass{
	name: "BertTokenizer", file: "vocab.txt", kind: "WordPiece",
	defaults: map[string]string{"unk_token": "[UNK]", "sep_token": "[SEP]", "pad_token": "[PAD]",
		"cls_token": "[CLS]", "mask_token": "[MASK]"},
	stages: bertStages,
	adjust: adjustBert,
	frame:  func(b *builder) { b.twoTypes(2, 3) },
}

var distilBertClass = func() *tokenizerClass {
	c := *bertClass
	c.name, c.noTypes = "DistilBertTokenizer", true
	return &c
}()

var mpnetClass = &tokenizerClass{
	name: "MPNetTokenizer", file: "vocab.txt", kind: "WordPiece", noTypes: true, maskStrips: true,
	defaults: map[string]string{"bos_token": "<s>", "eos_token": "</s>", "sep_token": "</s>", "cls_token": "<s>",
		"unk_token": "[UNK]", "pad_token": "<pad>", "mask_token": "<mask>"},
	stages: bertStages,
	adjust: adjustBert,
	frame:  func(b *builder) { b.twoSeps(0, 2) },
}

// byteLevelStages sets the stages of GPT-2 and its relatives.
func byteLevelStages(b *builder) {
	b.t.normalizer = nil
	b.t.pre = byteLevel{prefixSpace: b.strict("add_prefix_space", false), regex: true}
	b.t.decoder = byteLevelDecoder{}
}

// adjustByteLevel sets whether a space is prepended to texts.
func adjustByteLevel(b *builder) {
	if pre, ok := b.t.pre.(byteLevel); ok {
		pre.prefixSpace = b.strict("add_prefix_space", false)
		b.t.pre = pre
	}
}

var robertaClass = &tokenizerClass{
	name: "RobertaTokenizer", file: "vocab.json", kind: "BPE", noTypes: true, maskStrips: true,
	defaults: map[string]string{"bos_token": "<s>", "eos_token": "</s>", "sep_token": "</s>", "cls_token": "<s>",
		"unk_token": "<unk>", "pad_token": "<pad>", "mask_token": "<mask>"},
	stages: byteLevelStages,
	adjust: adjustByteLevel,
	frame:  func(b *builder) { b.twoSeps(-1, -1) },
}

var debertaClass = &tokenizerClass{
	name: "DebertaTokenizer", file: "vocab.json", kind: "BPE", maskStrips: true,
	defaults: map[string]string{"bos_token": "[CLS]", "eos_token": "[SEP]", "sep_token": "[SEP]", "cls_token": "[CLS]",
		"unk_token": "[UNK]", "pad_token": "[PAD]", "mask_token": "[MASK]"},
	stages: byteLevelStages,
	adjust: adjustByteLevel,
	frame:  func(b *builder) { b.twoSeps(-1, -1) },
}

var gpt2Class = &tokenizerClass{
	name: "GPT2Tokenizer", file: "vocab.json", kind: "BPE",
	defaults: map[string]string{"unk_token": "<|endoftext|>", "bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>"},
	stages:   byteLevelStages,
	adjust:   adjustByteLevel,
}

var gptNeoXClass = &tokenizerClass{
	name: "GPTNeoXTokenizer", file: "vocab.json", kind: "BPE",
	defaults: map[string]string{"unk_token": "<|endoftext|>", "bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>",
		"pad_token": "<|padding|>"},
	stages: func(b *builder) {
		byteLevelStages(b)
		b.t.normalizer = newNormalForm(false, true)
	},
	adjust:   adjustByteLevel,
	reframes: true,
}

// qwenStages returns the stages of Qwen's tokenizers, which differ in one regular
// expression.
func qwenStages(expression string) func(b *builder) {
	return func(b *builder) {
		b.t.normalizer = newNormalForm(false, true)
		prefix := b.args.values["add_prefix_space"] != nil && b.strict("add_prefix_space", false)
		b.t.pre = preTokenizerSequence{knownScan(expression), byteLevel{prefixSpace: prefix}}
		b.t.decoder = byteLevelDecoder{}
	}
}

var qwen2Class = &tokenizerClass{
	name: "Qwen2Tokenizer", file: "vocab.json", kind: "BPE",
	defaults:     map[string]string{"unk_token": "<|endoftext|>", "eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>"},
	stages:       qwenStages(qwen2Pattern),
	adjust:       adjustQwen,
	plainSpecial: true,
}

var qwen35Class = &tokenizerClass{
	name: "Qwen3_5Tokenizer", file: "vocab.json", kind: "BPE",
	defaults: qwen2Class.defaults,
	stages:   qwenStages(qwen35Pattern),
	adjust:   adjustQwen,
}

var llamaClass = &tokenizerClass{
	name: "LlamaTokenizer", file: "tokenizer.model", kind: "BPE",
	defaults: map[string]string{"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"},
	bpe:      func(*configuration) bpeOptions { return bpeOptions{fuseUnk: true, byteFallback: true} },
	adjust:   adjustPrefix,
	stages: func(b *builder) {
		b.t.normalizer = nil
		scheme := prependFirst
		switch {
		case b.args.values["add_prefix_space"] != nil && !b.flag("add_prefix_space", true):
			scheme = prependNever
		case b.flag("legacy", false):
			scheme = prependAlways
		}
		b.t.pre = metaspace{'▁', scheme, false}
		back := decoderSequence{replaceDecoder{literal(underscore), " "}, byteFallbackDecoder{}, fuseDecoder{}}
		if scheme != prependNever {
			back = append(back, stripDecoder{' ', 1, 0})
		}
		b.t.decoder = back
	},
}

var gemmaClass = &tokenizerClass{
	name: "GemmaTokenizer", file: "tokenizer.model", kind: "BPE",
	defaults: map[string]string{"unk_token": "<unk>", "bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>",
		"mask_token": "<mask>"},
	bpe: func(c *configuration) bpeOptions {
		return bpeOptions{fuseUnk: true, byteFallback: true, unkToken: c.spelling("unk_token")}
	},
	stages: func(b *builder) {
		b.t.underscores(false)
		b.t.pre = nil // no spaces are left to split at
	},
}

// adjustPrefix rebuilds the stages if add_prefix_space contradicts them.
func adjustPrefix(b *builder) { b.restage(b.contradictsPrefix()) }

// adjustQwen is adjustPrefix, or adjustByteLevel if that is the only step.
func adjustQwen(b *builder) {
	if _, ok := b.t.pre.(byteLevel); ok {
		adjustByteLevel(b)
		return
	}
	adjustPrefix(b)
}

// fixedUnknown returns an unknownID that is always id.
func fixedUnknown(id int64) func(*configuration, *unigram) int64 {
	return func(*configuration, *unigram) int64 { return id }
}

// wordMarks writes spaces as ▁ and splits text into words that begin with it.
func (b *builder) wordMarks(scheme int) {
	b.t.pre = preTokenizerSequence{whitespaceSplit{loadUnidata()}, metaspace{'▁', scheme, true}}
	b.t.decoder = metaspaceDecoder{'▁', scheme != prependNever}
}

// prefixScheme returns when ▁ is prepended by a class that tests add_prefix_space for
// truth.
func (b *builder) prefixScheme() int {
	if b.flag("add_prefix_space", true) {
		return prependAlways
	}
	return prependNever
}

// charsmapStages sets the stages of XLM-R and its relatives.
func charsmapStages(b *builder) {
	b.t.normalizer = b.charsmap
	b.wordMarks(b.prefixScheme())
}

var xlmRobertaClass = &tokenizerClass{
	name: "XLMRobertaTokenizer", file: "sentencepiece.bpe.model", kind: "Unigram", noTypes: true, maskStrips: true,
	defaults:  robertaClass.defaults,
	unknownID: fixedUnknown(3),
	stages:    charsmapStages,
	adjust:    adjustPrefix,
	frame:     func(b *builder) { b.around(&mark{"bos_token", -1}, mark{"eos_token", -1}, true, 0) },
}

var camembertClass = &tokenizerClass{
	name: "CamembertTokenizer", file: "sentencepiece.bpe.model", kind: "Unigram", noTypes: true, maskStrips: true,
	defaults: robertaClass.defaults,
	extra: func(_ *configuration, configured any) any {
		if configured == nil {
			return []any{usualToken("<s>NOTUSED"), usualToken("</s>NOTUSED"), usualToken("<unk>NOTUSED")}
		}
		return configured
	},
	unknownID: func(c *configuration, u *unigram) int64 { return max(u.number(c.spelling("unk_token")), 0) },
	stages:    charsmapStages,
	adjust:    adjustPrefix,
	frame:     xlmRobertaClass.frame,
}

var t5Class = &tokenizerClass{
	name: "T5Tokenizer", file: "spiece.model", kind: "Unigram", noTypes: true,
	defaults: map[string]string{"eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"},
	extra: func(c *configuration, configured any) any {
		tokens, _ := configured.([]any)
		for _, v := range tokens {
			if v, ok := c.tokenValue(v, "additional_special_tokens"); ok && strings.Contains(v.token.content, "<extra_id_") {
				return tokens
			}
		}
		for i := range c.extraIDs() {
			tokens = append(tokens, usualToken(fmt.Sprintf("<extra_id_%d>", i)))
		}
		return tokens
	},
	unknownID: fixedUnknown(2),
	stages: func(b *builder) {
		b.t.normalizer = b.charsmap
		b.wordMarks(prependAlways)
	},
	frame: func(b *builder) { b.around(nil, mark{"eos_token", -1}, false, 0) },
}

// extraIDs returns how many sentinel tokens T5 has for gaps in a text.
func (c *configuration) extraIDs() int { return c.integer("extra_ids", 100, 1<<16) }

var albertClass = &tokenizerClass{
	name: "AlbertTokenizer", file: "spiece.model", kind: "Unigram", maskStrips: true,
	defaults: map[string]string{"bos_token": "[CLS]", "eos_token": "[SEP]", "unk_token": "<unk>", "sep_token": "[SEP]",
		"pad_token": "<pad>", "cls_token": "[CLS]", "mask_token": "[MASK]"},
	unknownID: fixedUnknown(1),
	adjust: func(b *builder) {
		b.restage(b.contradictsPrefix() || b.contradicts("do_lower_case", normalizes[lowercase](b.t)) ||
			b.contradicts("keep_accents", !normalizes[stripAccents](b.t)))
	},
	stages: func(b *builder) {
		list := normalizerSequence{replace{literal("``"), `"`}, replace{literal("''"), `"`}}
		if !b.flag("keep_accents", false) {
			list = append(list, newNormalForm(true, false), stripAccents{loadUnidata()})
		}
		if b.flag("do_lower_case", true) {
			list = append(list, lowercase{loadUnidata()})
		}
		if b.charsmap != nil {
			list = append(list, b.charsmap)
		}
		b.t.normalizer = list
		b.wordMarks(b.prefixScheme())
	},
	frame: func(b *builder) { b.twoTypes(-1, -1) },
}

var debertaV2Class = &tokenizerClass{
	name: "DebertaV2Tokenizer", file: "spm.model", kind: "Unigram", unknownNormal: true,
	defaults: map[string]string{"bos_token": "[CLS]", "eos_token": "[SEP]", "unk_token": "[UNK]", "sep_token": "[SEP]",
		"pad_token": "[PAD]", "cls_token": "[CLS]", "mask_token": "[MASK]"},
	unknownID: func(c *configuration, u *unigram) int64 {
		if id := u.number(c.spelling("unk_token")); id >= 0 && u.scores[id] == 0 {
			return id
		}
		return int64(c.integer("unk_id", 1, math.MaxInt32))
	},
	adjust: func(b *builder) {
		punctuation := slices.ContainsFunc(b.t.preTokenizers(), func(p preTokenizer) bool {
			s, ok := p.(split)
			return ok && s.pattern == pattern(runePattern(isPunctuation))
		})
		b.restage(b.contradictsPrefix() || b.contradicts("do_lower_case", normalizes[lowercase](b.t)) || b.contradicts("split_by_punct", punctuation))
	},
	stages: func(b *builder) {
		var list normalizerSequence
		if b.flag("do_lower_case", false) {
			list = append(list, lowercase{loadUnidata()})
		}
		if b.whole {
			list = append(list, replace{whitespaceRuns{loadUnidata()}, " "}, newNormalForm(false, true), stripSpace{loadUnidata(), false, true})
		} else { // as in the models' own tokenizer.json, with which they were trained
			list = append(list, stripSpace{loadUnidata(), true, true})
			if b.charsmap != nil {
				list = append(list, b.charsmap)
			}
			list = append(list, spaceRuns{})
		}
		b.t.normalizer = list
		scheme := prependFirst
		if b.flag("add_prefix_space", true) {
			scheme = prependAlways
		}
		b.t.pre = metaspace{'▁', scheme, true}
		if b.flag("split_by_punct", false) {
			b.t.pre = preTokenizerSequence{split{runePattern(isPunctuation), isolated, false}, b.t.pre}
		}
		b.t.decoder = metaspaceDecoder{'▁', true}
	},
	frame: func(b *builder) { b.twoTypes(0, 0) },
}
