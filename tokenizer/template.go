package tokenizer

import (
	"fmt"

	"github.com/winnow-rerank/winnow/internal/fault"
)

// A template says how one or two token lists become a sequence: special tokens
// and the lists, each with its token type.
type template struct {
	parts []part
	added int // special tokens
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

// plainTemplate is what a file without a post-processor means.
func plainTemplate(pair bool) template {
	t := template{parts: []part{{kind: partA}}}
	if pair {
		t.parts = append(t.parts, part{kind: partB, typ: 1})
	}
	return t
}

// special appends special tokens to t.
func (t *template) special(typ int32, ids ...int32) {
	for _, id := range ids {
		t.parts = append(t.parts, part{partSpecial, id, typ})
		t.added++
	}
}

// oneType gives all of the sequence the token type 0.
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

// cut gives the lengths to which lists of n1 and n2 tokens are cut so that
// both together have at most budget.
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
			return 0, 0, fmt.Errorf("the first text has %d tokens of the %d that both may have", n1, budget)
		}
		return n1, n2 - over, nil
	case OnlyFirst:
		if n1 <= over {
			return 0, 0, fmt.Errorf("the second text has %d tokens of the %d that both may have", n2, budget)
		}
		return n1 - over, n2, nil
	}
	swapped := n1 > n2
	if swapped {
		n1, n2 = n2, n1
	}
	if n1 > budget {
		n2 = n1
	} else {
		n2 = max(n1, budget-n1)
	}
	if n1+n2 > budget {
		n1 = budget / 2
		n2 = n1 + budget%2
	}
	if swapped {
		n1, n2 = n2, n1
	}
	return n1, n2, nil
}

// postProcessor reads the templates for one text and for two.
func (l *loader) postProcessor(v any) (single, pair template) {
	single, pair = plainTemplate(false), plainTemplate(true)
	if v == nil || l.err != nil {
		return single, pair
	}
	l.process(v, "post_processor", &single, &pair, new(bool))
	return single, pair
}

// process applies one post-processor. done says whether one before it has put
// the texts together, which only one can.
func (l *loader) process(v any, field string, single, pair *template, done *bool) {
	m, kind := l.object(v, field)
	if l.err != nil {
		return
	}
	switch kind {
	case "ByteLevel": // concerns offsets only
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
	cls, sep := l.marker(m, field, "cls"), l.marker(m, field, "sep")
	*single, *pair = template{}, template{}
	for _, t := range []*template{single, pair} {
		t.special(0, cls)
		t.parts = append(t.parts, part{kind: partA})
		t.special(0, sep)
	}
	second := int32(1)
	if kind == "RobertaProcessing" {
		second = 0
		pair.special(0, sep)
	}
	pair.parts = append(pair.parts, part{kind: partB, typ: second})
	pair.special(second, sep)
}

// marker reads ["[SEP]", 102].
func (l *loader) marker(m map[string]any, field, key string) int32 {
	v, _ := m[key].([]any)
	if len(v) == 2 {
		if id, ok := v[1].(float64); ok && id >= 0 && id < 1<<31 && id == float64(int32(id)) {
			return int32(id)
		}
	}
	l.fail(field+"."+key, describe(m[key]), "a token and its id")
	return 0
}

// specialTokens reads the ids that the names in a template stand for.
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
			id, ok := v.(float64)
			if !ok || id < 0 || id >= 1<<31 || id != float64(int32(id)) {
				l.fail(field+"."+name+".ids", describe(v), "a token id")
				return nil
			}
			special[name] = append(special[name], int32(id))
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

// checkTemplates makes sure that the templates name ids that exist.
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
