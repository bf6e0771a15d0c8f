package jinja

import (
	"fmt"
	"slices"
	"strings"
)

// Limits of one rendering.
const (
	maxSteps  = 1 << 20 // loop iterations and calls
	maxOutput = 64 << 20
)

// A run is one rendering.
type run struct {
	scopes []map[string]any
	out    *strings.Builder
	steps  int
}

// Render renders the template with the given variables: nil, bool, int, float64,
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
		return fmt.Errorf("chat template: more than %d bytes of output", maxOutput)
	}
	r.out.WriteString(s)
	return nil
}

// bounded rejects values larger than the output limits.
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

// step counts operations that could continue forever.
func (r *run) step(line int) error {
	if r.steps++; r.steps > maxSteps {
		return r.fail(line, "more than %d steps", maxSteps)
	}
	return nil
}

// capture renders into a separate text.
func (r *run) capture(body []node) (string, error) {
	outer := r.out
	r.out = new(strings.Builder)
	defer func() { r.out = outer }()
	if err := r.nodes(body); err != nil {
		return "", err
	}
	return r.out.String(), nil
}

// scope opens a scope and returns a function that closes it.
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
