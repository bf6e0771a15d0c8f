package jinja

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Bounds of one rendering.
const (
	maxSteps  = 1 << 20 // turns of loops, and calls
	maxOutput = 64 << 20
)

// A run is one rendering.
type run struct {
	scopes []map[string]any
	out    *strings.Builder
	steps  int
}

// Render writes the template with the given variables: nil, bool, int, float64,
// string, []any or *Dict.
func (t *Template) Render(variables map[string]any) (string, error) {
	r := &run{scopes: []map[string]any{variables, {}}, out: new(strings.Builder)}
	if err := r.nodes(t.body); err != nil {
		return "", err
	}
	return r.out.String(), nil
}

func (r *run) fail(line int, format string, args ...any) error {
	return &Error{line, fmt.Sprintf(format, args...)}
}

func (r *run) nodes(list []node) error {
	for _, n := range list {
		if err := n.render(r); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) write(s string) error {
	if r.out.Len()+len(s) > maxOutput {
		return fmt.Errorf("chat template: more than %d bytes are written", maxOutput)
	}
	r.out.WriteString(s)
	return nil
}

// bounded refuses values that have grown beyond what a template may write.
func (r *run) bounded(line int, v any) (any, error) {
	switch v := v.(type) {
	case string:
		if len(v) > maxOutput {
			return nil, r.fail(line, "a text of more than %d bytes", maxOutput)
		}
	case []any:
		if len(v) > maxSteps {
			return nil, r.fail(line, "a list of more than %d values", maxSteps)
		}
	}
	return v, nil
}

// step counts what could go on for ever.
func (r *run) step(line int) error {
	if r.steps++; r.steps > maxSteps {
		return r.fail(line, "more than %d steps", maxSteps)
	}
	return nil
}

// capture renders to a text of its own.
func (r *run) capture(body []node) (string, error) {
	outer := r.out
	r.out = new(strings.Builder)
	defer func() { r.out = outer }()
	if err := r.nodes(body); err != nil {
		return "", err
	}
	return r.out.String(), nil
}

// scope begins one for names, and gives the function that ends it.
func (r *run) scope() func() {
	r.scopes = append(r.scopes, map[string]any{})
	return func() { r.scopes = r.scopes[:len(r.scopes)-1] }
}

func (r *run) set(name string, v any) { r.scopes[len(r.scopes)-1][name] = v }

func (r *run) get(name string) any {
	for _, scope := range slices.Backward(r.scopes) {
		if v, ok := scope[name]; ok {
			return v
		}
	}
	return undefined{}
}

// undefined is the value of what is not defined. It is false, and nothing in text.
type undefined struct{}

// A Dict is a dictionary that keeps the order of its keys.
type Dict struct {
	keys      []string
	values    map[string]any
	namespace bool // its attributes can be set
}

// NewDict is a dictionary of keys, which are strings, and values in turn.
func NewDict(pairs ...any) *Dict {
	d := &Dict{values: make(map[string]any)}
	for i := 0; i+1 < len(pairs); i += 2 {
		d.Set(pairs[i].(string), pairs[i+1])
	}
	return d
}

// Set sets a value.
func (d *Dict) Set(key string, v any) {
	if _, ok := d.values[key]; !ok {
		d.keys = append(d.keys, key)
	}
	d.values[key] = v
}

// Get is a value; ok is false where there is none.
func (d *Dict) Get(key string) (v any, ok bool) {
	v, ok = d.values[key]
	return v, ok
}

func truth(v any) bool {
	switch v := v.(type) {
	case nil, undefined:
		return false
	case bool:
		return v
	case int:
		return v != 0
	case float64:
		return v != 0
	case string:
		return v != ""
	case []any:
		return len(v) > 0
	case *Dict:
		return len(v.keys) > 0
	}
	return true
}

// size is about how long the text of a value is, or more than maxOutput if it is
// longer or nested too deep.
func size(v any, depth int) int {
	if depth > maxDepth {
		return maxOutput + 1
	}
	n := 24 // of a number; of brackets and commas
	switch v := v.(type) {
	case string:
		n += len(v)
	case []any:
		for _, e := range v {
			if n += size(e, depth+1); n > maxOutput {
				break
			}
		}
	case *Dict:
		for _, key := range v.keys {
			if n += len(key) + size(v.values[key], depth+1); n > maxOutput {
				break
			}
		}
	}
	return n
}

// fits says whether so many values make no text that is too long.
func fits(values ...any) error {
	if size(values, 0) > maxOutput {
		return fmt.Errorf("a text of more than %d bytes", maxOutput)
	}
	return nil
}

// kind is what a value is, for an error.
func kind(v any) string {
	switch v.(type) {
	case nil:
		return "none"
	case undefined:
		return "something that is not defined"
	case bool:
		return "a truth value"
	case int, float64:
		return "a number"
	case string:
		return "a text"
	case []any:
		return "a list"
	}
	return "a dictionary"
}

// text is a value as Python's str writes it.
func text(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case undefined:
		return ""
	case bool:
		if v {
			return "True"
		}
		return "False"
	case int:
		return strconv.Itoa(v)
	case float64:
		switch x := math.Abs(v); {
		case v == math.Trunc(v) && x < 1e16:
			return strconv.FormatFloat(v, 'f', 1, 64)
		case x >= 1e-4 && x < 1e16:
			return strconv.FormatFloat(v, 'f', -1, 64)
		}
		return strconv.FormatFloat(v, 'e', -1, 64)
	case string:
		return v
	}
	return repr(v)
}

// repr is a value as Python's repr writes it.
func repr(v any) string {
	var b strings.Builder
	switch v := v.(type) {
	case string:
		quote := "'"
		if strings.Contains(v, "'") && !strings.Contains(v, `"`) {
			quote = `"`
		}
		b.WriteString(quote)
		b.WriteString(strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\t", `\t`, "\r", `\r`, quote, `\`+quote).Replace(v))
		b.WriteString(quote)
	case []any:
		b.WriteByte('[')
		for i, e := range v {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(repr(e))
		}
		b.WriteByte(']')
	case *Dict:
		b.WriteByte('{')
		for i, key := range v.keys {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(repr(key) + ": " + repr(v.values[key]))
		}
		b.WriteByte('}')
	default:
		return text(v)
	}
	return b.String()
}

// tojson is a value as Python's json.dumps writes it, with characters as they are.
// indent is by how many blanks inner lines stand in; negative: it is one line.
func tojson(b *strings.Builder, v any, indent, depth int) {
	line := func(depth int) {
		if indent >= 0 {
			b.WriteString("\n" + strings.Repeat(" ", indent*depth))
		}
	}
	comma := ", "
	if indent >= 0 {
		comma = ","
	}
	list := func(open, end string, n int, element func(i int)) {
		b.WriteString(open)
		for i := range n {
			if i > 0 {
				b.WriteString(comma)
			}
			line(depth + 1)
			element(i)
		}
		if n > 0 {
			line(depth)
		}
		b.WriteString(end)
	}
	quote := func(s string) {
		var q strings.Builder
		e := json.NewEncoder(&q)
		e.SetEscapeHTML(false)
		_ = e.Encode(s) // a string always can be
		b.WriteString(strings.NewReplacer(`\u2028`, "\u2028", `\u2029`, "\u2029").Replace(strings.TrimSuffix(q.String(), "\n")))
	}
	switch v := v.(type) {
	case nil, undefined:
		b.WriteString("null")
	case bool:
		b.WriteString(strconv.FormatBool(v))
	case string:
		quote(v)
	case []any:
		list("[", "]", len(v), func(i int) { tojson(b, v[i], indent, depth+1) })
	case *Dict:
		list("{", "}", len(v.keys), func(i int) {
			quote(v.keys[i])
			b.WriteString(": ")
			tojson(b, v.values[v.keys[i]], indent, depth+1)
		})
	default:
		b.WriteString(text(v))
	}
}

// iterate is what a loop goes through.
func iterate(v any) (list []any, ok bool) {
	switch v := v.(type) {
	case undefined:
		return nil, true
	case []any:
		return v, true
	case string:
		for _, c := range v {
			list = append(list, string(c))
		}
		return list, true
	case *Dict:
		for _, key := range v.keys {
			list = append(list, key)
		}
		return list, true
	}
	return nil, false
}

// sliced is list[from:to:step] as in Python.
func sliced(list []any, bounds [3]*int) ([]any, error) {
	step := 1
	if bounds[2] != nil {
		step = *bounds[2]
	}
	if step == 0 {
		return nil, errors.New("a slice of step 0")
	}
	n := len(list)
	low, high := 0, n
	if step < 0 {
		low, high = -1, n-1
	}
	bound := func(p *int, usual int) int {
		if p == nil {
			return usual
		}
		v := *p
		if v < 0 {
			v += n
		}
		return min(max(v, low), high)
	}
	from, to := bound(bounds[0], low), bound(bounds[1], high)
	if step < 0 {
		from, to = bound(bounds[0], high), bound(bounds[1], low)
	}
	var cut []any
	for i := from; step > 0 && i < to || step < 0 && i > to; i += step {
		cut = append(cut, list[i])
	}
	return cut, nil
}

type binary struct {
	operator    string
	left, right expression
	line        int
}

func (b *binary) value(r *run) (any, error) {
	left, err := b.left.value(r)
	if err != nil {
		return nil, err
	}
	if b.operator == "and" && !truth(left) || b.operator == "or" && truth(left) {
		return left, nil
	}
	right, err := b.right.value(r)
	if err != nil {
		return nil, err
	}
	if b.operator == "and" || b.operator == "or" {
		return right, nil
	}
	v, err := b.combine(r, left, right)
	if err != nil {
		return nil, err
	}
	return r.bounded(b.line, v)
}

func (b *binary) combine(r *run, left, right any) (any, error) {
	switch b.operator {
	case "==":
		return equal(left, right), nil
	case "!=":
		return !equal(left, right), nil
	case "~":
		if err := fits(left, right); err != nil {
			return nil, r.fail(b.line, "%s", err)
		}
		return text(left) + text(right), nil
	case "in", "not in":
		in, ok := contains(right, left)
		if !ok {
			return nil, r.fail(b.line, "%s has no members", kind(right))
		}
		return in == (b.operator == "in"), nil
	}
	if v, ok := combine(b.operator, left, right); ok {
		return v, nil
	}
	return nil, r.fail(b.line, "%s %s %s", kind(left), b.operator, kind(right))
}

func equal(a, b any) bool {
	if x, y, ok := numbers(a, b); ok {
		return x == y
	}
	switch a := a.(type) {
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, equal)
	case *Dict:
		b, ok := b.(*Dict)
		if !ok || len(a.keys) != len(b.keys) {
			return false
		}
		for _, key := range a.keys {
			if v, ok := b.Get(key); !ok || !equal(a.values[key], v) {
				return false
			}
		}
		return true
	}
	switch b.(type) {
	case []any, *Dict:
		return false
	}
	return a == b
}

// numbers are two values as numbers, if both are.
func numbers(a, b any) (x, y float64, ok bool) {
	number := func(v any) (float64, bool) {
		switch v := v.(type) {
		case int:
			return float64(v), true
		case float64:
			return v, true
		case bool:
			if v {
				return 1, true
			}
			return 0, true
		}
		return 0, false
	}
	x, isX := number(a)
	y, isY := number(b)
	return x, y, isX && isY
}

func contains(of, v any) (in, ok bool) {
	switch of := of.(type) {
	case string:
		part, ok := v.(string)
		return ok && strings.Contains(of, part), ok
	case []any:
		return slices.ContainsFunc(of, func(e any) bool { return equal(e, v) }), true
	case *Dict:
		_, in = of.Get(text(v))
		return in, true
	case undefined:
		return false, true
	}
	return false, false
}

// combine is an operation of numbers, texts or lists.
func combine(operator string, left, right any) (v any, ok bool) {
	a, isText := left.(string)
	b, both := right.(string)
	if isText && both {
		switch operator {
		case "+":
			return a + b, true
		case "<":
			return a < b, true
		case ">":
			return a > b, true
		case "<=":
			return a <= b, true
		case ">=":
			return a >= b, true
		}
		return nil, false
	}
	if l, ok := left.([]any); ok && operator == "+" {
		r, ok := right.([]any)
		return slices.Concat(l, r), ok
	}
	x, y, ok := numbers(left, right)
	if !ok {
		return nil, false
	}
	whole := func(f float64) any {
		_, i := left.(float64)
		_, j := right.(float64)
		if i || j || math.Abs(f) > 1<<53 {
			return f
		}
		return int(f)
	}
	switch operator {
	case "+":
		return whole(x + y), true
	case "-":
		return whole(x - y), true
	case "*":
		return whole(x * y), true
	case "/":
		return x / y, y != 0
	case "//":
		return whole(math.Floor(x / y)), y != 0
	case "%":
		return whole(x - y*math.Floor(x/y)), y != 0
	case "<":
		return x < y, true
	case ">":
		return x > y, true
	case "<=":
		return x <= y, true
	case ">=":
		return x >= y, true
	}
	return nil, false
}
