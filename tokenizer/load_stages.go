package tokenizer

import (
	"fmt"
)

// charsmap reads the character table from which a class rebuilds a normalizer. Like the
// library, it takes the first at the top level: v itself or a direct member of its
// sequence. It returns nil if there is none.
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

// pattern reads {"String": s} as a literal or {"Regex": s} as a regular expression.
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

// sequence reads the members of a part with read.
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
			return spaceRuns{} // SentencePiece's remove_extra_whitespaces as the Hugging Face library writes it
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
			l.fail(field+".add_prefix_space", "false", "a value consistent with prepend_scheme")
		}
		p.prepend = prependNever
	}
	return p
}

// A behaviour determines what a split does with the matches of its pattern.
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
