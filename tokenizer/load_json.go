package tokenizer

import (
	"fmt"
	"math"
	"strings"

	"github.com/winnow-rerank/winnow/internal/fault"
)

// FromJSON reads a tokenizer.json, in its old and its new spellings. path
// names it in errors. Its truncation and padding are left out: the callers
// say how long a text may be, and nothing is ever padded.
//
// The tokenizer keeps no reference to data.
func FromJSON(path string, data []byte) (*Tokenizer, error) {
	return fromJSON(path, data, nil)
}

// fromJSON reads a tokenizer.json. c is what stands beside it, nil if it stands
// alone.
func fromJSON(path string, data []byte, c *configuration) (*Tokenizer, error) {
	t := &Tokenizer{pad: -1}
	l := loader{path: path}
	if uint64(len(data)) > math.MaxUint32 {
		l.fail("", fmt.Sprintf("a text of %d bytes", len(data)), "less than 4 GiB")
		return nil, l.err
	}
	r := newJSONReader(path, "", data)
	parts := map[string][]byte{}
	r.object(func(key []byte) {
		r.field = string(key)
		if r.field != "model" {
			parts[r.field] = r.raw()
		} else if t.model != nil {
			r.fail("a second model", "one")
		} else {
			var err error
			t.model, err = newModel(r)
			l.keep(err)
		}
		r.field = ""
	})
	l.keep(r.end())
	if l.err == nil && t.model == nil {
		l.fail("model", "nothing", "a model")
	}
	if l.err != nil {
		return nil, l.err
	}
	part := func(name string) any {
		raw, ok := parts[name]
		if !ok || l.err != nil {
			return nil
		}
		r := newJSONReader(path, name, raw)
		v := r.value()
		l.keep(r.end())
		return v
	}
	if v := part("version"); l.err == nil && v != nil && v != "1.0" {
		l.fail("version", fmt.Sprint(v), `"1.0"`)
	}
	post := part("post_processor")
	cut := part("truncation")
	normalizer := part("normalizer")
	if normalizer != nil {
		t.normalizer = l.normalizer(normalizer, "normalizer")
	}
	if v := part("pre_tokenizer"); v != nil {
		t.pre = l.preTokenizer(v, "pre_tokenizer")
	}
	if v := part("decoder"); v != nil {
		t.decoder = l.decoder(v, "decoder")
	}
	if l.err != nil {
		return nil, l.err
	}
	var added []addedToken
	if raw, ok := parts["added_tokens"]; ok {
		var err error
		added, err = readAddedTokens(path, raw, t.model)
		l.keep(err)
	}
	t.single, t.pair = l.postProcessor(post)
	if l.err != nil {
		return nil, l.err
	}
	t.added.add(t.model, added...)
	if m, ok := cut.(map[string]any); ok {
		if m["direction"] == "Left" {
			t.side = Left
		}
		if n, ok := m["max_length"].(float64); ok && n >= 1 && n <= 1<<24 {
			t.cut = int(n)
		}
	}
	if c != nil {
		return c.complete(path, t, added, post != nil, normalizer)
	}
	if err := t.finish(path); err != nil {
		return nil, err
	}
	return t, nil
}

// charsmap reads the character table from which a class rebuilds a normalizer: the
// library takes the first at the top level, v itself or a member of its sequence.
// It is nil if there is none.
func (l *loader) charsmap(v any) normalizer {
	m, _ := v.(map[string]any)
	list, _ := m["normalizers"].([]any)
	for _, v := range append(list[:len(list):len(list)], v) {
		if m, _ := v.(map[string]any); m["type"] == "Precompiled" {
			return l.normalizer(v, "normalizer")
		}
	}
	return nil
}

// newModel reads the model of a tokenizer.json, which comes next in r.
func newModel(r *jsonReader) (model, error) {
	ahead := *r
	kind := ahead.modelKind()
	if r.err = ahead.err; r.err != nil {
		return nil, r.err
	}
	switch kind {
	case "WordPiece":
		return newWordPiece(r)
	case "Unigram":
		return newUnigram(r)
	case "BPE":
		return newBPE(r)
	}
	return nil, &fault.UnsupportedError{Path: r.path, What: fmt.Sprintf("tokenizer model %q", kind), Hint: "known are WordPiece, Unigram and BPE"}
}

// modelKind finds the type of the model that comes next. Most files begin it
// with the type; old ones do not have any, and the members tell.
func (r *jsonReader) modelKind() string {
	merges, list, prefix := false, false, false
	if !r.enter('{', "an object") {
		return ""
	}
	for first := true; r.more(first, '}'); first = false {
		switch string(r.key()) {
		case "type":
			return string(r.str())
		case "merges":
			merges = true
			r.raw()
		case "continuing_subword_prefix":
			prefix = true
			r.raw()
		case "vocab":
			list = r.next() == '['
			r.raw()
		default:
			r.raw()
		}
	}
	switch {
	case merges:
		return "BPE"
	case list:
		return "Unigram"
	case prefix:
		return "WordPiece"
	}
	return "WordLevel"
}

// A loader reads the small parts of a tokenizer.json from their trees. Its
// first error sticks.
type loader struct {
	path string
	err  error
}

func (l *loader) keep(err error) {
	if l.err == nil {
		l.err = err
	}
}

func (l *loader) fail(field, found, want string) {
	l.keep(&fault.FormatError{Path: l.path, Field: field, Offset: -1, Found: found, Want: want})
}

func (l *loader) unsupported(field, what string) {
	l.keep(&fault.UnsupportedError{Path: l.path, What: field + " " + what})
}

// object is a part's members, and its type.
func (l *loader) object(v any, field string) (m map[string]any, kind string) {
	m, ok := v.(map[string]any)
	if !ok {
		l.fail(field, describe(v), "an object")
		return nil, ""
	}
	kind, ok = m["type"].(string)
	if !ok {
		l.fail(field+".type", describe(m["type"]), "a string")
	}
	return m, kind
}

func describe(v any) string {
	switch v := v.(type) {
	case nil:
		return "nothing"
	case map[string]any:
		return "an object"
	case []any:
		return "a list"
	case string:
		if len(v) > 40 {
			v = v[:40] + "…"
		}
		return fmt.Sprintf("%q", v)
	default:
		return fmt.Sprint(v)
	}
}

func (l *loader) list(m map[string]any, field, key string) []any {
	v, ok := m[key].([]any)
	if !ok {
		l.fail(field+"."+key, describe(m[key]), "a list")
	}
	return v
}

func (l *loader) str(m map[string]any, field, key string) string {
	v, ok := m[key].(string)
	if !ok {
		l.fail(field+"."+key, describe(m[key]), "a string")
	}
	return v
}

// bool reads a member that may be absent or null.
func (l *loader) bool(m map[string]any, field, key string, absent bool) bool {
	switch v := m[key].(type) {
	case nil:
		return absent
	case bool:
		return v
	default:
		l.fail(strings.TrimPrefix(field+"."+key, "."), describe(v), "true or false")
		return absent
	}
}

// rune reads a string of one character.
func (l *loader) rune(m map[string]any, field, key string) rune {
	v := []rune(l.str(m, field, key))
	if len(v) != 1 {
		l.fail(field+"."+key, describe(m[key]), "one character")
		return ' '
	}
	return v[0]
}

// tokenID is a value that is a token id.
func tokenID(v any) (id int32, ok bool) {
	n, ok := v.(float64)
	if !ok || n < 0 || n > math.MaxInt32 || n != math.Trunc(n) {
		return 0, false
	}
	return int32(n), true
}

// integer reads a number that is neither negative nor fractional nor huge.
func (l *loader) integer(m map[string]any, field, key string) int {
	v, ok := tokenID(m[key])
	if !ok {
		l.fail(field+"."+key, describe(m[key]), "an integer from 0 to 2147483647")
	}
	return int(v)
}

// pattern reads {"String": s} or {"Regex": s}; literal is the former.
func (l *loader) pattern(m map[string]any, field, key string) pattern {
	p, _ := m[key].(map[string]any)
	if s, ok := p["String"].(string); ok && len(p) == 1 {
		return literal(s)
	}
	if s, ok := p["Regex"].(string); ok && len(p) == 1 {
		p, err := compilePattern(s)
		if err != nil {
			l.fail(field+"."+key, fmt.Sprintf("the regular expression %q: %v", s, err), "")
			return literal("")
		}
		return p
	}
	l.fail(field+"."+key, describe(m[key]), `{"String": …} or {"Regex": …}`)
	return literal("")
}

// sequence reads the members of a part by read.
func sequence[T any](l *loader, m map[string]any, field, key string, read func(v any, field string) T) []T {
	var members []T
	for i, v := range l.list(m, field, key) {
		member := read(v, fmt.Sprintf("%s.%s[%d]", field, key, i))
		if l.err != nil {
			return nil
		}
		members = append(members, member)
	}
	return members
}

func (l *loader) normalizer(v any, field string) normalizer {
	m, kind := l.object(v, field)
	if l.err != nil {
		return nil
	}
	switch kind {
	case "Sequence":
		return normalizerSequence(sequence(l, m, field, "normalizers", l.normalizer)).flat()
	case "BertNormalizer", "Bert":
		lower := l.bool(m, field, "lowercase", true)
		return newBertNormalizer(l.bool(m, field, "clean_text", true), l.bool(m, field, "handle_chinese_chars", true),
			l.bool(m, field, "strip_accents", lower), lower)
	case "Lowercase":
		return lowercase{loadUnidata()}
	case "StripAccents":
		return stripAccents{loadUnidata()}
	case "NFC":
		return newNormalForm(false, true)
	case "NFD":
		return newNormalForm(false, false)
	case "NFKC":
		return newNormalForm(true, true)
	case "NFKD":
		return newNormalForm(true, false)
	case "Nmt":
		return nmt{}
	case "Strip":
		return stripSpace{loadUnidata(), l.bool(m, field, "strip_left", false), l.bool(m, field, "strip_right", false)}
	case "Prepend":
		return prepend(l.str(m, field, "prepend"))
	case "Replace":
		p, content := l.pattern(m, field, "pattern"), l.str(m, field, "content")
		if r, _ := m["pattern"].(map[string]any); r["Regex"] == " {2,}" && content == " " {
			return blankRuns{} // SentencePiece's remove_extra_whitespaces as the Hugging Face library writes it
		}
		return replace{p, content}
	case "Precompiled":
		if m["precompiled_charsmap"] == nil { // some files carry an empty one
			return nil
		}
		n, err := newPrecompiledBase64(l.path, field+".precompiled_charsmap", l.str(m, field, "precompiled_charsmap"))
		l.keep(err)
		return n
	case "ByteLevel":
		return byteLevelNormalizer{}
	}
	l.unsupported("normalizer", fmt.Sprintf("%q", kind))
	return nil
}

func (l *loader) preTokenizer(v any, field string) preTokenizer {
	m, kind := l.object(v, field)
	if l.err != nil {
		return nil
	}
	switch kind {
	case "Sequence":
		return preTokenizerSequence(sequence(l, m, field, "pretokenizers", l.preTokenizer))
	case "BertPreTokenizer":
		return bertPreTokenizer{loadUnidata()}
	case "Whitespace":
		return whitespace{loadUnidata()}
	case "WhitespaceSplit":
		return whitespaceSplit{loadUnidata()}
	case "Metaspace":
		return l.metaspace(m, field)
	case "Punctuation":
		return split{runePattern(isPunctuation), l.behaviour(m, field), false}
	case "CharDelimiterSplit", "Delimiter":
		return split{literal(string(l.rune(m, field, "delimiter"))), removed, false}
	case "Digits":
		return scan{digits{classes(), l.bool(m, field, "individual_digits", false)}}
	case "ByteLevel":
		return byteLevel{
			prefixSpace: l.bool(m, field, "add_prefix_space", true),
			regex:       l.bool(m, field, "use_regex", true),
		}
	case "Split":
		p, err := newSplit(l.pattern(m, field, "pattern"), l.behaviour(m, field), l.bool(m, field, "invert", false))
		l.keep(err)
		return p
	}
	l.unsupported("pre-tokenizer", fmt.Sprintf("%q", kind))
	return nil
}

func (l *loader) metaspace(m map[string]any, field string) preTokenizer {
	p := metaspace{replacement: l.rune(m, field, "replacement"), prepend: prependAlways, split: l.bool(m, field, "split", true)}
	switch scheme := m["prepend_scheme"]; scheme {
	case nil, "always":
	case "first":
		p.prepend = prependFirst
	case "never":
		p.prepend = prependNever
	default:
		l.fail(field+".prepend_scheme", describe(scheme), `"always", "first" or "never"`)
	}
	if !l.bool(m, field, "add_prefix_space", true) {
		if m["prepend_scheme"] != nil && p.prepend != prependNever {
			l.fail(field+".add_prefix_space", "false", "what prepend_scheme says")
		}
		p.prepend = prependNever
	}
	return p
}

// A behaviour says what a split does with what its pattern matched.
type behaviour uint8

const (
	isolated behaviour = iota
	removed
	mergedWithPrevious
	mergedWithNext
	contiguous
)

func (l *loader) behaviour(m map[string]any, field string) behaviour {
	switch v := m["behavior"]; v {
	case nil, "Isolated", "isolated":
		return isolated
	case "Removed", "removed":
		return removed
	case "MergedWithPrevious", "merged_with_previous":
		return mergedWithPrevious
	case "MergedWithNext", "merged_with_next":
		return mergedWithNext
	case "Contiguous", "contiguous":
		return contiguous
	default:
		l.fail(field+".behavior", describe(v), "Isolated, Removed, MergedWithPrevious, MergedWithNext or Contiguous")
		return isolated
	}
}

func (l *loader) decoder(v any, field string) decoder {
	m, kind := l.object(v, field)
	if l.err != nil {
		return nil
	}
	switch kind {
	case "Sequence":
		return decoderSequence(sequence(l, m, field, "decoders", l.decoder))
	case "WordPiece":
		return wordPieceDecoder{l.str(m, field, "prefix"), l.bool(m, field, "cleanup", true)}
	case "Metaspace":
		p, _ := l.metaspace(m, field).(metaspace)
		return metaspaceDecoder{p.replacement, p.prepend != prependNever}
	case "ByteLevel":
		return byteLevelDecoder{}
	case "ByteFallback":
		return byteFallbackDecoder{}
	case "Fuse":
		return fuseDecoder{}
	case "Replace":
		return replaceDecoder{l.pattern(m, field, "pattern"), l.str(m, field, "content")}
	case "Strip":
		return stripDecoder{l.rune(m, field, "content"), l.integer(m, field, "start"), l.integer(m, field, "stop")}
	case "BPEDecoder":
		return bpeDecoder(l.str(m, field, "suffix"))
	}
	l.unsupported("decoder", fmt.Sprintf("%q", kind))
	return nil
}
