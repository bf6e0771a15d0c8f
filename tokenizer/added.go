package tokenizer

import (
	"bytes"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/winnow-rerank/winnow/internal/fault"
)

// An addedToken is matched in a text before the model sees the rest.
type addedToken struct {
	content    string
	id         int32
	singleWord bool // only matches outside words
	lstrip     bool // also matches the whitespace before it
	rstrip     bool // also matches the whitespace after it
	normalized bool // matched in normalised text, in its normal form
	special    bool
	unused     bool // only reserves an id
	configured bool // defined next to tokenizer.json, not in it
}

// alike reports whether the tokens are equal except for their ids.
func (t addedToken) alike(other addedToken) bool {
	t.id, t.configured = other.id, other.configured
	return t == other
}

// addedTokens are the tokens that are matched independently of the model.
type addedTokens struct {
	list   []addedToken
	byID   map[int32]int // index in list
	byName map[string]int
	size   int32 // highest id + 1

	splitSpecial bool // special tokens are treated as plain text

	raw    matcher  // matches in the original text
	normal matcher  // matches in the normalised text
	names  []string // the strings to match, parallel to list; also used for decoding
}

// add adds tokens. A token that is in the model keeps the model's id, whatever the file
// says; the others are numbered from the next free id.
func (a *addedTokens) add(m model, tokens ...addedToken) {
	if a.byID == nil {
		a.byID, a.byName = map[int32]int{}, map[string]int{}
	}
	next := max(a.size, int32(m.count()))
	for _, token := range tokens {
		if token.content == "" {
			continue
		}
		if i, ok := a.byName[token.content]; ok {
			token.id = a.list[i].id
			token.special = token.special || a.list[i].special // once special, always special
			a.list[i] = token
			continue
		}
		if id, ok := m.id(token.content); ok {
			token.id = id
		} else {
			token.id = next
			next++
			if token.unused {
				continue
			}
		}
		a.size = max(a.size, token.id+1)
		a.byName[token.content] = len(a.list)
		if i, ok := a.byID[token.id]; ok { // two pieces of the model share an id
			delete(a.byName, a.list[i].content)
			a.byName[token.content] = i
			a.list[i] = token
			continue
		}
		a.byID[token.id] = len(a.list)
		a.list = append(a.list, token)
	}
}

func (a *addedTokens) has(content string) bool {
	_, ok := a.byName[content]
	return ok
}

// readAddedTokens reads the added_tokens of a tokenizer.json.
func readAddedTokens(path string, raw []byte, m model) ([]addedToken, error) {
	var list []addedToken
	r := newJSONReader(path, "added_tokens", raw)
	if r.null() {
		return nil, r.end()
	}
	r.array(func(i int) {
		token := addedToken{id: -1}
		r.field = fmt.Sprintf("added_tokens[%d]", i)
		r.object(func(key []byte) {
			switch string(key) {
			case "id":
				token.id = r.id()
			case "content":
				token.content = string(r.str())
			case "single_word":
				token.singleWord = r.bool()
			case "lstrip":
				token.lstrip = r.bool()
			case "rstrip":
				token.rstrip = r.bool()
			case "normalized":
				token.normalized = r.bool()
			case "special":
				token.special = r.bool()
			default:
				r.raw()
			}
		})
		if r.err == nil && token.id < 0 {
			r.fail("a token without an id", "")
		}
		list = append(list, token)
	})
	if err := r.end(); err != nil {
		return nil, err
	}
	// Gaps in the numbering occur; ids far beyond it indicate damage.
	limit := int64(m.size()) + int64(len(list)) + 1<<16
	for i, token := range list {
		if int64(token.id) >= limit {
			return nil, &fault.FormatError{Path: path, Field: fmt.Sprintf("added_tokens[%d].id", i), Offset: -1,
				Found: fmt.Sprint(token.id), Want: fmt.Sprintf("an id close to the model's %d", m.size())}
		}
	}
	return list, nil
}

// trim removes the tokens that are not in tokenizer.json and whose ids are at least
// limit. It reports whether there were any.
func (a *addedTokens) trim(limit int) bool {
	list := a.list
	a.list, a.byID, a.byName, a.size = nil, map[int32]int{}, map[string]int{}, 0
	for _, token := range list {
		if token.configured && int(token.id) >= limit {
			continue
		}
		a.byName[token.content], a.byID[token.id] = len(a.list), len(a.list)
		a.list = append(a.list, token)
		a.size = max(a.size, token.id+1)
	}
	return len(a.list) < len(list)
}

// index builds the matchers after all tokens are added.
func (a *addedTokens) index(n normalizer) error {
	var raw, normal []int
	names := make([]string, len(a.list))
	for i, token := range a.list {
		names[i] = token.content
		if !token.normalized {
			raw = append(raw, i)
			continue
		}
		if n != nil {
			text, _, err := normalizeWithin(n, nil, []byte(token.content), true, bound(len(token.content)))
			if err != nil {
				return err
			}
			names[i] = string(text)
		}
		normal = append(normal, i)
	}
	a.names = names
	a.raw = newMatcher(names, raw)
	a.normal = newMatcher(names, normal)
	return nil
}

// A matcher finds the leftmost match of a set of strings in a text, and the longest of
// those that begin at the same position.
type matcher struct {
	trie  *trie     // nil: no strings
	only  byte      // the byte that all of them begin with,
	one   bool      // if they share one
	begin [256]bool // bytes that they can begin with
}

func newMatcher(names []string, which []int) matcher {
	var m matcher
	which = slices.DeleteFunc(which, func(i int) bool { return names[i] == "" })
	if len(which) == 0 {
		return m
	}
	m.trie = newTrie(len(which), func(i int) string { return names[which[i]] }, func(i int) int32 { return int32(which[i]) })
	m.only, m.one = names[which[0]][0], true
	for _, i := range which {
		m.begin[names[i][0]] = true
		m.one = m.one && names[i][0] == m.only
	}
	return m
}

// find returns the first match that starts at or after from.
func (m matcher) find(text []byte, from int) (start, end int, ok bool) {
	start, end, which := m.findWhich(text, from)
	return start, end, which >= 0
}

// findWhich also returns the index of the matching string, -1 if there is no match.
func (m *matcher) findWhich(text []byte, from int) (start, end int, which int32) {
	for from < len(text) {
		if m.one {
			i := bytes.IndexByte(text[from:], m.only)
			if i < 0 {
				break
			}
			from += i
		} else if !m.begin[text[from]] {
			from++
			continue
		}
		if which, n := m.trie.longest(0, text[from:]); which >= 0 {
			return from, from + n, which
		}
		from++
	}
	return 0, 0, -1
}

// A segment is a stretch of text between added tokens, or one of them.
type segment struct {
	start, end int
	token      int32 // its id, or -1
}

// controls reports whether a text that spells the token can control the model: a special
// token, or one written like one ("<think>").
func (t *addedToken) controls() bool {
	return t.special || len(t.content) > 2 && t.content[0] == '<' && t.content[len(t.content)-1] == '>'
}

// split appends the segments of text. With plain, tokens that can control the model
// remain plain text, and the search continues after them.
func (a *addedTokens) split(dst []segment, m *matcher, text []byte, plain bool) []segment {
	if m.trie == nil {
		if len(text) == 0 {
			return dst
		}
		return append(dst, segment{0, len(text), -1})
	}
	done := 0
	for from := 0; ; {
		start, end, which := m.findWhich(text, from)
		if which < 0 {
			break
		}
		from = end
		token := &a.list[which]
		if plain && token.controls() || a.splitSpecial && token.special {
			continue
		}
		if token.singleWord && (endsWithWord(text[:start]) || startsWithWord(text[end:])) {
			continue
		}
		if token.lstrip {
			start = max(len(bytes.TrimRightFunc(text[:start], isSpaceRune)), done)
		}
		if token.rstrip {
			end = len(text) - len(bytes.TrimLeftFunc(text[end:], isSpaceRune))
		}
		if start >= end {
			done = max(done, end)
			continue // nothing but whitespace that another token matched
		}
		if done < start {
			dst = append(dst, segment{done, start, -1})
		}
		dst = append(dst, segment{start, end, token.id})
		done = end
	}
	if done < len(text) {
		dst = append(dst, segment{done, len(text), -1})
	}
	return dst
}

func isSpaceRune(r rune) bool { return loadUnidata().is(r, isSpace) }

func endsWithWord(text []byte) bool {
	r, size := utf8.DecodeLastRune(text)
	return size > 0 && loadUnidata().is(r, isWord)
}

func startsWithWord(text []byte) bool {
	r, size := utf8.DecodeRune(text)
	return size > 0 && loadUnidata().is(r, isWord)
}
