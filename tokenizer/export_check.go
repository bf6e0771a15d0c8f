package tokenizer

import (
	"slices"
	"strings"
)

// equals reports whether other, read back from t's metadata, is the same tokenizer: it
// has the pieces and merges of t and gives the same results for texts that exercise all
// stages. It may have additional pieces.
func (t *Tokenizer) equals(other *Tokenizer) bool {
	if t.side != other.side || t.added.splitSpecial != other.added.splitSpecial {
		return false
	}
	for id := range int32(t.Size()) {
		if piece := t.Piece(id); piece != "" && piece != other.Piece(id) || t.IsSpecial(id) != other.IsSpecial(id) {
			return false
		}
	}
	if m, ok := t.model.(*bpe); ok {
		o, ok := other.model.(*bpe)
		if !ok || !t.mergesLike(m, o) {
			return false
		}
	}
	// The added tokens within texts, next to words and in other cases.
	var names []string
	for _, token := range t.added.list {
		names = append(names, token.content)
	}
	texts := slices.Clone(probes)
	for _, between := range []string{"", " ", "x", " x  ", "\u0338", "\n\t"} {
		all := between + strings.Join(names, between) + between
		texts = append(texts, all, strings.ToLower(all), strings.ToUpper(all))
	}
	for i, text := range texts {
		if !t.agrees(other, text, texts[(i+1)%len(texts)]) {
			return false
		}
	}
	return true
}

// agrees compares the tokenizers on a text and a pair.
func (t *Tokenizer) agrees(other *Tokenizer, a, b string) bool {
	// A text that is too much for either proves nothing.
	ids, err := t.Tokens(nil, a)
	if theirs, otherErr := other.Tokens(nil, a); err != nil || otherErr != nil || !slices.Equal(ids, theirs) {
		return false
	}
	plain, err := t.PlainTokens(nil, a)
	if theirs, otherErr := other.PlainTokens(nil, a); err != nil || otherErr != nil || !slices.Equal(plain, theirs) {
		return false
	}
	text, err := t.Decode(ids, true)
	if theirs, otherErr := other.Decode(ids, true); err != nil || otherErr != nil || text != theirs {
		return false
	}
	var e, o Encoding
	same := func(err, otherErr error) bool {
		return err == nil && otherErr == nil && slices.Equal(e.IDs, o.IDs) && slices.Equal(e.Types, o.Types)
	}
	return same(t.Encode(&e, a, 0), other.Encode(&o, a, 0)) &&
		same(t.EncodePair(&e, a, b, 0, LongestFirst), other.EncodePair(&o, a, b, 0, LongestFirst))
}

// mergesLike reports whether o has the merges of t's model m in the same order, except
// that ranks may be equal. Merges of added tokens may be anywhere, because the model
// never sees a text with such a token; the exception is a run of spaces, which becomes
// a token only in the model.
func (t *Tokenizer) mergesLike(m, o *bpe) bool {
	list := m.list()
	if len(o.list()) != len(list) {
		return false
	}
	rank := uint64(0)
	for _, g := range list {
		merge := o.merges.find(g.a, g.b)
		if merge == noMerge || int32(uint32(merge)) != g.id {
			return false
		}
		if i, ok := t.added.byID[g.id]; ok && !strings.Contains(t.added.list[i].content, underscore) {
			continue
		}
		if merge>>32 < rank {
			return false
		}
		rank = merge >> 32
	}
	return true
}

// probes are texts on which tokenizers differ: all kinds of whitespace at the ends and
// inside, control characters, combining and non-combining marks, scripts with and
// without word boundaries, numbers, apostrophes, the spellings used in vocabularies,
// and overlong words.
var probes = []string{
	"", " ", "  ", "a", " a", "a ", "  a  b   c    d     e ", "What is the capital of France? Paris.",
	"\t", "\ttab\t\ttabs \t ", "\n", "\n\n\n", "line\r\nline\rline\n \nend\n", "a\u00a0b\u00a0\u00a0c\u2003d\u3000e\u200b\u2028f\u1680", "\u00a0a\u00a0",
	"nul\x00 bell\x07 del\x7f esc\x1b soft\u00adhyphen bom\ufeff unknown\ufffd \u0085 \u008f", "\x00", "\u200d\u200c\u200e",
	"Élan VITAL naïve Straße ﬁne ｆｕｌｌ Ω Å İstanbul", "e\u0301 E\u0301 o\u0308\u0323 \u1e9b\u0323 \u212b", "\u0301start " + strings.Repeat("\u0301\u0327", 10),
	"日本語テキスト 한국어 中文，標點。", "中a文b", "𠀀𪛖 㐀 々〆", "각\u1100\u1161\u11a8", "العَرَبِيَّة עִבְרִית", "हिन्दी में ক্ষ ไทยไม่มีช่องว่าง ខ្មែរ",
	"👩‍👩‍👧‍👦🇫🇷🇩 ❤️ 1️⃣ 👍🏽", "𝔘𝔫𝔦 ① ½ Ⅷ ² ㎏ ﷺ",
	"don't DON'T I'Ve we'll ‘quoted’ 'tis y'all'd", "12345 1,234.5 1e-9 0x41 ١٢٣ 1234567890123", "camelCaseHTTPServer snake_case kebab-case", "a+b=c; x<y && y>z {[(\"'`~^|\\/@#$%*)]} ——…",
	"[CLS] [SEP][MASK]  [MASK]  [PAD] [UNK] [cls]", "<s></s> <pad> <unk>  <mask> x<mask> y <S>", "<|im_start|>user\nhi<|im_end|><|endoftext|>", "<think>\n\n</think>\u0338", "<bos><eos><start_of_turn>model\n",
	"▁under▁score ▁▁ ▁", "Ġbyte ĠĠ Ċ", "##ing ## #", "<0x41><0x0A> <0xZZ>", "[PAD7] [unused1]",
	strings.Repeat("a", 100), strings.Repeat("a", 101), strings.Repeat("é", 120), strings.Repeat("ab ", 200), "https://example.org/a?b=c&d=%20#e foo@bar.com",
}

// A fieldMap is fields as they read from a file.
type fieldMap map[string]any

func newFieldMap(fields []Field) fieldMap {
	m := fieldMap{}
	for _, f := range fields {
		m[f.Key] = f.Value
	}
	return m
}

func fieldOf[T any](m fieldMap, key string) (T, bool) {
	v, ok := m[key].(T)
	return v, ok
}

func (m fieldMap) String(key string) (string, bool)    { return fieldOf[string](m, key) }
func (m fieldMap) Strings(key string) ([]string, bool) { return fieldOf[[]string](m, key) }
func (m fieldMap) Floats(key string) ([]float32, bool) { return fieldOf[[]float32](m, key) }
func (m fieldMap) Bool(key string) (value, ok bool)    { return fieldOf[bool](m, key) }
func (m fieldMap) Bytes(key string) ([]byte, bool)     { return fieldOf[[]uint8](m, key) }

func (m fieldMap) Uint(key string) (uint64, bool) {
	v, ok := m[key].(uint32)
	return uint64(v), ok
}

func (m fieldMap) Ints(key string) ([]int64, bool) {
	v, ok := m[key].([]int32)
	ints := make([]int64, len(v))
	for i, n := range v {
		ints[i] = int64(n)
	}
	return ints, ok
}
