package jinja

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// undefined is the value of undefined variables: false, and empty as text.
type undefined struct{}

// A Dict is a dictionary that keeps the order of its keys.
type Dict struct {
	keys      []string
	values    map[string]any
	namespace bool // attributes can be set
}

// NewDict returns a dictionary of alternating keys, which are strings, and values.
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

// Get returns a value; ok is false if there is none.
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

// size estimates the length of a value's text; it exceeds maxOutput if the text is
// longer or nested too deep.
func size(v any, depth int) int {
	if depth > maxDepth {
		return maxOutput + 1
	}
	n := 24 // for a number, or brackets and commas
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

// fits returns an error if the text of the values is too long.
func fits(values ...any) error {
	if size(values, 0) > maxOutput {
		return fmt.Errorf("a text of more than %d bytes", maxOutput)
	}
	return nil
}

// kind describes the type of a value for errors.
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

// text converts a value like Python's str.
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

// repr converts a value like Python's repr.
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

// iterate returns the elements that a loop iterates over.
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

// sliced returns list[from:to:step] as in Python.
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

// numbers converts two values to numbers, if both are.
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

// combine applies an operator to numbers, texts or lists.
func combine(operator string, left, right any) (v any, ok bool) {
	a, isText := left.(string)
	b, both := right.(string)
	if isText && both {
		if operator == "+" {
			return a + b, true
		}
		return ordered(operator, a, b)
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
	}
	return ordered(operator, x, y)
}

// ordered applies a comparison operator.
func ordered[T cmp.Ordered](operator string, a, b T) (v any, ok bool) {
	switch operator {
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
