package tokenizer

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/winnow-rerank/winnow/internal/fault"
)

// Metadata is the key–value section of a GGUF file. ok is false if the key is absent or
// has another type.
type Metadata interface {
	String(key string) (string, bool)
	Strings(key string) ([]string, bool)
	Floats(key string) ([]float32, bool)
	Ints(key string) ([]int64, bool)
	Uint(key string) (uint64, bool)
	Bool(key string) (bool, bool)
	Bytes(key string) ([]byte, bool)
}

// HuggingFaceKey is the key for a complete tokenizer.json in a GGUF file, as defined by
// the format's specification.
const HuggingFaceKey = "tokenizer.huggingface.json"

// configKey is the key for the configuration that accompanies a complete
// tokenizer.json.
const configKey = "tokenizer.huggingface.config"

// FromGGUF builds the tokenizer from the metadata of a GGUF file (tokenizer.ggml.*).
// path names the file in errors.
//
// A complete tokenizer.json under HuggingFaceKey takes precedence, since it can express
// more than those keys.
func FromGGUF(path string, m Metadata) (*Tokenizer, error) {
	if whole, ok := m.String(HuggingFaceKey); ok {
		t, err := wholeFromGGUF(path, whole, m)
		if err != nil {
			return nil, err
		}
		if id, ok := m.Uint("tokenizer.ggml.padding_token_id"); ok && id < uint64(t.Size()) {
			t.pad = int32(id)
		}
		return t, nil
	}
	kind, ok := m.String("tokenizer.ggml.model")
	if !ok {
		return nil, &fault.FormatError{Path: path, Field: "tokenizer.ggml.model", Offset: -1, Found: "nothing", Want: "a tokenizer model's name"}
	}
	switch kind {
	case "bert":
		return newBertGGUF(path, m)
	case "t5":
		return newUnigramGGUF(path, m)
	case "gpt2":
		return newGPT2GGUF(path, m)
	case "llama":
		return newLlamaGGUF(path, m)
	}
	return nil, &fault.UnsupportedError{Path: path, What: fmt.Sprintf("tokenizer.ggml.model %q", kind), Hint: "winnow supports bert, t5, gpt2 and llama"}
}

// Token types of GGUF.
const (
	ggufNormal = iota + 1
	ggufUnknown
	ggufControl
	ggufUserDefined
	ggufUnused
	ggufByte
)

// A ggufVocabulary is the metadata that all kinds share.
type ggufVocabulary struct {
	path   string
	m      Metadata
	tokens []string
	types  []int64 // same length as tokens
	err    error   // first error of special
}

func readGGUFVocabulary(path string, m Metadata) (*ggufVocabulary, error) {
	v := &ggufVocabulary{path: path, m: m}
	var ok bool
	if v.tokens, ok = m.Strings("tokenizer.ggml.tokens"); !ok || len(v.tokens) == 0 {
		return nil, v.bad("tokens", "not a list of strings", "the pieces")
	}
	if len(v.tokens) > math.MaxInt32 {
		return nil, v.bad("tokens", fmt.Sprintf("%d pieces", len(v.tokens)), "fewer than 2^31")
	}
	if v.types, ok = m.Ints("tokenizer.ggml.token_type"); !ok {
		v.types = slices.Repeat([]int64{ggufNormal}, len(v.tokens))
	}
	if len(v.types) != len(v.tokens) {
		return nil, v.bad("token_type", fmt.Sprintf("%d types", len(v.types)), fmt.Sprintf("one for each of %d pieces", len(v.tokens)))
	}
	return v, nil
}

func (v *ggufVocabulary) bad(key, found, want string) error {
	return &fault.FormatError{Path: v.path, Field: "tokenizer.ggml." + key, Offset: -1, Found: found, Want: want}
}

// special reads the id of a special token, or returns absent if there is no such key.
func (v *ggufVocabulary) special(key string, absent int32) int32 {
	id, ok := v.m.Uint("tokenizer.ggml." + key)
	switch {
	case !ok:
		return absent
	case id == math.MaxUint32: // llama.cpp's "none"
		return -1
	case id >= uint64(len(v.tokens)):
		v.err = cmp.Or(v.err, v.bad(key, fmt.Sprint(id), fmt.Sprintf("less than the %d pieces", len(v.tokens))))
		return -1
	}
	return int32(id)
}

// added returns f without the tokens that are not added; the arguments are the defaults
// for missing flags.
func (v *ggufVocabulary) added(f frame, bos, eos, sep bool) frame {
	for _, add := range []struct {
		key    string
		absent bool
		id     *int32
	}{{"add_bos_token", bos, &f.bos}, {"add_eos_token", eos, &f.eos}, {"add_sep_token", sep, &f.sep}} {
		if !v.flag(add.key, add.absent) {
			*add.id = -1
		}
	}
	return f
}

// scores reads the scores of the pieces.
func (v *ggufVocabulary) scores() ([]float32, error) {
	scores, ok := v.m.Floats("tokenizer.ggml.scores")
	if !ok || len(scores) != len(v.tokens) {
		return nil, v.bad("scores", fmt.Sprintf("%d scores", len(scores)), fmt.Sprintf("one for each of %d pieces", len(v.tokens)))
	}
	for i, s := range scores {
		if s := float64(s); math.IsNaN(s) || math.IsInf(s, 0) {
			return nil, v.bad(fmt.Sprintf("scores[%d]", i), fmt.Sprint(s), "a finite number")
		}
	}
	return scores, nil
}

func (v *ggufVocabulary) flag(key string, absent bool) bool {
	if b, ok := v.m.Bool("tokenizer.ggml." + key); ok {
		return b
	}
	return absent
}

// find returns the id of the first spelling that exists, or -1.
func (v *ggufVocabulary) find(spellings ...string) int32 {
	for _, s := range spellings {
		if i := slices.Index(v.tokens, s); i >= 0 {
			return int32(i)
		}
	}
	return -1
}

// placeholder reports whether the converter made the piece up. It does so for each row
// of the embedding table that has no piece: "[PAD1001]", with a score far below all
// others. One of them is XLM-R's <mask>, which is missing from its SentencePiece model.
func (v *ggufVocabulary) placeholder(id int32) bool {
	return v.types[id] == ggufUnused && strings.HasPrefix(v.tokens[id], "[PAD") && strings.HasSuffix(v.tokens[id], "]")
}

// mark adds the control tokens and the user-defined tokens; the latter are matched in
// normalised text if normalized is set. mask is the token that also matches the
// whitespace before it, -1 for none.
func (v *ggufVocabulary) mark(t *Tokenizer, mask int32, normalized bool, alsoSpecial ...int32) {
	for i, kind := range v.types {
		id := int32(i)
		switch {
		case kind == ggufControl || kind == ggufUnknown || slices.Contains(alsoSpecial, id):
			t.added.add(t.model, addedToken{content: v.tokens[i], special: true, lstrip: id == mask})
		case kind == ggufUserDefined:
			t.added.add(t.model, addedToken{content: v.tokens[i], normalized: normalized})
		}
	}
}

// newBertGGUF builds a WordPiece tokenizer. The file uses the opposite convention to
// BERT's: "▁word" begins a word, and continuations are unmarked.
func newBertGGUF(path string, m Metadata) (*Tokenizer, error) {
	v, err := readGGUFVocabulary(path, m)
	if err != nil {
		return nil, err
	}
	unk := v.special("unknown_token_id", v.find("[UNK]"))
	cls := v.special("cls_token_id", v.special("bos_token_id", v.find("[CLS]")))
	sep := v.special("seperator_token_id", v.find("[SEP]"))
	pad := v.special("padding_token_id", v.find("[PAD]"))
	mask := v.special("mask_token_id", v.find("[MASK]"))
	if v.err != nil {
		return nil, v.err
	}
	for _, s := range []struct {
		key string
		id  int32
	}{{"unknown_token_id", unk}, {"bos_token_id", cls}, {"seperator_token_id", sep}} {
		if s.id < 0 {
			return nil, v.bad(s.key, "nothing", "the id of a piece")
		}
	}
	w := &wordPiece{maxChars: maxWordChars}
	special := map[int32]bool{unk: true, cls: true, sep: true, pad: true, mask: true}
	var piece []byte
	for i, s := range v.tokens {
		rest, begins := strings.CutPrefix(s, "▁")
		switch {
		case v.types[i] == ggufControl || v.types[i] == ggufUnknown || v.types[i] == ggufUserDefined || special[int32(i)]:
			piece = append(piece[:0], s...)
		case begins:
			piece = append(piece[:0], rest...)
		case len(s) > 2 && s[0] == '[' && s[len(s)-1] == ']': // old converters left these unchanged
			piece = append(piece[:0], s...)
		default:
			piece = append(append(piece[:0], "##"...), s...)
		}
		w.add(piece, int32(i))
	}
	if err := w.finish(path, "tokenizer.ggml.tokens", v.tokens[unk], "##"); err != nil {
		return nil, err
	}
	w.unknown = unk
	lower := v.flag("normalizer.lowercase", true)
	t := &Tokenizer{
		model:      w,
		normalizer: newBertNormalizer(true, true, v.flag("normalizer.strip_accents", lower), lower),
		pre:        bertPreTokenizer{loadUnidata()},
		decoder:    wordPieceDecoder{"##", true},
		pad:        pad,
	}
	v.mark(t, -1, false, unk, cls, sep, pad, mask)
	t.single, t.pair = frame{cls, sep, -1}.templates(1)
	return t, t.finish(path)
}

// newUnigramGGUF builds a Unigram tokenizer as in XLM-R, T5 and DeBERTa.
func newUnigramGGUF(path string, m Metadata) (*Tokenizer, error) {
	v, err := readGGUFVocabulary(path, m)
	if err != nil {
		return nil, err
	}
	scores, err := v.scores()
	if err != nil {
		return nil, err
	}
	arch, _ := m.String("general.architecture")
	t5 := arch == "t5" || arch == "t5encoder"
	unk := v.special("unknown_token_id", v.find("<unk>", "[UNK]"))
	bos := v.special("bos_token_id", v.find("<s>", "[CLS]"))
	eos := v.special("eos_token_id", v.find("</s>", "[SEP]"))
	pad := v.special("padding_token_id", v.find("<pad>", "[PAD]"))
	mask := v.special("mask_token_id", v.find("<mask>", "[MASK]"))
	sep := v.special("seperator_token_id", eos)
	if v.err != nil {
		return nil, v.err
	}
	if mask >= 0 && v.placeholder(mask) {
		v.tokens = slices.Clone(v.tokens)
		if v.tokens[mask] = "[MASK]"; bos >= 0 && v.tokens[bos] == "<s>" {
			v.tokens[mask] = "<mask>"
		}
	}
	u := &unigram{scores: make([]float64, len(scores)), worst: math.Inf(1)}
	fallback := false
	for i, s := range scores {
		if !v.placeholder(int32(i)) {
			u.worst = min(u.worst, float64(s))
		}
		u.scores[i] = float64(s)
		if !utf8.ValidString(v.tokens[i]) {
			return nil, v.bad(fmt.Sprintf("tokens[%d]", i), "a piece that is not UTF-8", "")
		}
		u.add([]byte(v.tokens[i]), int32(i))
		fallback = fallback || v.types[i] == ggufByte
	}
	if err := u.finish(path, "tokenizer.ggml", int64(unk), fallback); err != nil {
		return nil, err
	}
	t := &Tokenizer{model: u, pad: pad, decoder: metaspaceDecoder{'▁', true}}
	charsmap, _ := m.Bytes("tokenizer.ggml.precompiled_charsmap")
	if t.normalizer, err = newPrecompiled(path, "tokenizer.ggml.precompiled_charsmap", charsmap); err != nil {
		return nil, err
	}
	mark := metaspace{'▁', prependAlways, true}
	if !v.flag("add_space_prefix", true) {
		mark.prepend = prependNever
	}
	t.pre = mark
	if v.flag("remove_extra_whitespaces", true) {
		t.pre = preTokenizerSequence{whitespaceSplit{loadUnidata()}, mark}
	}
	lstrip := int32(-1)
	if mask >= 0 && v.tokens[mask] == "<mask>" {
		lstrip = mask
	}
	v.mark(t, lstrip, false, unk, bos, eos, sep, pad, mask)

	second := int32(0)
	if n, ok := m.Uint("tokenizer.ggml.token_type_count"); ok && n > 1 {
		second = 1
	}
	t.single, t.pair = v.added(frame{bos, eos, sep}, !t5, true, bos >= 0 && v.tokens[bos] == "<s>").templates(second)
	return t, t.finish(path)
}

// wholeFromGGUF builds the tokenizer from a complete tokenizer.json in the metadata.
func wholeFromGGUF(path, whole string, m Metadata) (*Tokenizer, error) {
	text, ok := m.String(configKey)
	if !ok {
		return FromJSON(path, []byte(whole))
	}
	c, err := readConfigText(path, text)
	if err != nil {
		return nil, err
	}
	return c.fromWhole(path, []byte(whole))
}
