package tokenizer

import (
	"fmt"
	"slices"

	"github.com/winnow-rerank/winnow/internal/fault"
)

// A template describes how one or two token lists become a sequence: special tokens and
// the lists, each with its token type.
type template struct {
	parts []part
	added int // number of special tokens
}

type part struct {
	kind partKind
	id   int32 // of a special token
	typ  int32
}

type partKind uint8

const (
	partSpecial partKind = iota
	partA
	partB
)

// special appends special tokens to t, skipping negative ids.
func (t *template) special(typ int32, ids ...int32) {
	for _, id := range ids {
		if id >= 0 {
			t.parts = append(t.parts, part{partSpecial, id, typ})
			t.added++
		}
	}
}

// A frame is the usual arrangement of special tokens: bos A eos, and bos A eos sep B
// eos. -1 omits a token.
type frame struct{ bos, eos, sep int32 }

// templates returns the templates for one text and for two. second is the token type of
// the second text and everything after it.
func (f frame) templates(second int32) (single, pair template) {
	for _, t := range []*template{&single, &pair} {
		t.special(0, f.bos)
		t.parts = append(t.parts, part{kind: partA})
		t.special(0, f.eos)
	}
	pair.special(0, f.sep)
	pair.parts = append(pair.parts, part{kind: partB, typ: second})
	pair.special(second, f.eos)
	return single, pair
}

// templatesOfEach returns templates with bos and eos around each text of a pair.
func (f frame) templatesOfEach() (single, pair template) {
	for typ, kind := range []partKind{partA, partB} {
		pair.special(int32(typ), f.bos)
		pair.parts = append(pair.parts, part{kind: kind, typ: int32(typ)})
		pair.special(int32(typ), f.eos)
		if kind == partA {
			single = template{slices.Clone(pair.parts), pair.added}
		}
	}
	return single, pair
}

// oneType sets all token types to 0.
func (t *template) oneType() {
	for i := range t.parts {
		t.parts[i].typ = 0
	}
}

// apply writes the sequence of a and b to e.
func (t *template) apply(e *Encoding, a, b []int32) {
	e.IDs, e.Types = e.IDs[:0], e.Types[:0]
	for _, p := range t.parts {
		switch p.kind {
		case partA:
			e.IDs = append(e.IDs, a...)
		case partB:
			e.IDs = append(e.IDs, b...)
		default:
			e.IDs = append(e.IDs, p.id)
		}
		for len(e.Types) < len(e.IDs) {
			e.Types = append(e.Types, p.typ)
		}
	}
}

// cut returns the lengths to which lists of n1 and n2 tokens are truncated to fit
// budget.
func (how Truncation) cut(n1, n2, budget int) (int, int, error) {
	over := n1 + n2 - budget
	if over <= 0 {
		return n1, n2, nil
	}
	if budget == 0 {
		return 0, 0, nil
	}
	switch how {
	case OnlySecond:
		if n2 <= over {
			return 0, 0, fmt.Errorf("the first text has %d of the %d tokens allowed for both", n1, budget)
		}
		return n1, n2 - over, nil
	case OnlyFirst:
		if n1 <= over {
			return 0, 0, fmt.Errorf("the second text has %d of the %d tokens allowed for both", n2, budget)
		}
		return n1 - over, n2, nil
	}
	short := min(n1, n2, budget/2)
	if n1 > n2 {
		return budget - short, short, nil
	}
	return short, budget - short, nil
}

// postProcessor reads the templates for one text and for two.
func (l *loader) postProcessor(v any) (single, pair template) {
	single, pair = frame{-1, -1, -1}.templatesOfEach()
	if v == nil || l.err != nil {
		return single, pair
	}
	l.process(v, "post_processor", &single, &pair, new(bool))
	return single, pair
}

// process applies one post-processor. done records whether an earlier one has combined
// the texts, which only one may do.
func (l *loader) process(v any, field string, single, pair *template, done *bool) {
	m, kind := l.object(v, field)
	if l.err != nil {
		return
	}
	switch kind {
	case "ByteLevel": // affects offsets only
		return
	case "Sequence":
		for i, v := range l.list(m, field, "processors") {
			l.process(v, fmt.Sprintf("%s.processors[%d]", field, i), single, pair, done)
		}
		return
	case "TemplateProcessing", "BertProcessing", "RobertaProcessing":
		if *done {
			l.unsupported("post-processor", "Sequence with two templates")
			return
		}
		*done = true
	default:
		l.unsupported("post-processor", fmt.Sprintf("%q", kind))
		return
	}
	if kind == "TemplateProcessing" {
		special := l.specialTokens(m, field)
		*single = l.template(m, field, "single", special)
		*pair = l.template(m, field, "pair", special)
		return
	}
	f, second := frame{l.marker(m, field, "cls"), l.marker(m, field, "sep"), -1}, int32(1)
	if kind == "RobertaProcessing" {
		f.sep, second = f.eos, 0
	}
	*single, *pair = f.templates(second)
}

// marker reads ["[SEP]", 102].
func (l *loader) marker(m map[string]any, field, key string) int32 {
	v, _ := m[key].([]any)
	if len(v) == 2 {
		if id, ok := tokenID(v[1]); ok {
			return id
		}
	}
	l.fail(field+"."+key, describe(m[key]), "a token and its id")
	return 0
}

// specialTokens reads the ids of the names used in a template.
func (l *loader) specialTokens(m map[string]any, field string) map[string][]int32 {
	field += ".special_tokens"
	special := map[string][]int32{}
	list, ok := m["special_tokens"].(map[string]any)
	if !ok {
		l.fail(field, describe(m["special_tokens"]), "an object")
	}
	for name, v := range list {
		m, _ := v.(map[string]any)
		for _, v := range l.list(m, field+"."+name, "ids") {
			id, ok := tokenID(v)
			if !ok {
				l.fail(field+"."+name+".ids", describe(v), "a token id")
				return nil
			}
			special[name] = append(special[name], id)
		}
	}
	return special
}

func (l *loader) template(m map[string]any, field, key string, special map[string][]int32) template {
	var t template
	for i, v := range l.list(m, field, key) {
		at := fmt.Sprintf("%s.%s[%d]", field, key, i)
		m, _ := v.(map[string]any)
		if p, ok := m["Sequence"].(map[string]any); ok {
			kind := partA
			switch id := p["id"]; id {
			case "A":
			case "B":
				kind = partB
			default:
				l.fail(at+".Sequence.id", describe(id), `"A" or "B"`)
			}
			t.parts = append(t.parts, part{kind: kind, typ: int32(l.integer(p, at+".Sequence", "type_id"))})
			continue
		}
		if p, ok := m["SpecialToken"].(map[string]any); ok {
			name := l.str(p, at+".SpecialToken", "id")
			ids, ok := special[name]
			if !ok {
				l.fail(at+".SpecialToken.id", fmt.Sprintf("%q", name), "a name in special_tokens")
			}
			t.special(int32(l.integer(p, at+".SpecialToken", "type_id")), ids...)
			continue
		}
		l.fail(at, describe(v), "a Sequence or a SpecialToken")
	}
	return t
}

// checkTemplates checks that the ids in the templates exist.
func (t *Tokenizer) checkTemplates(path string) error {
	for _, template := range []template{t.single, t.pair} {
		for _, p := range template.parts {
			if p.kind == partSpecial && int(p.id) >= t.Size() {
				return &fault.FormatError{Path: path, Field: "post_processor", Offset: -1,
					Found: fmt.Sprintf("the id %d", p.id), Want: fmt.Sprintf("less than the %d ids of the tokenizer", t.Size())}
			}
		}
	}
	return nil
}
