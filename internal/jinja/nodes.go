package jinja

// A node is a part of a template that can be rendered.
type node interface {
	render(r *run) error
}

// An expression evaluates to nil, bool, int, float64, string, []any, *Dict, or
// undefined.
type expression interface {
	value(r *run) (any, error)
}

type textNode string

func (n textNode) render(r *run) error { return r.write(string(n)) }

type outputNode struct {
	expression
	line int
}

func (n *outputNode) render(r *run) error {
	v, err := n.value(r)
	if err == nil {
		err = fits(v)
	}
	if err != nil {
		return err
	}
	return r.write(text(v))
}

type blockNode struct{ body []node }

func (n *blockNode) render(r *run) error { return r.nodes(n.body) }

type branch struct {
	condition expression
	body      []node
}

type ifNode struct {
	branches  []branch
	otherwise []node
}

func (n *ifNode) render(r *run) error {
	for _, b := range n.branches {
		v, err := b.condition.value(r)
		if err != nil {
			return err
		}
		if truth(v) {
			return r.nodes(b.body)
		}
	}
	return r.nodes(n.otherwise)
}

type forNode struct {
	names     []string
	list      expression
	condition expression // or nil
	body      []node
	otherwise []node
	line      int
}

func (n *forNode) render(r *run) error {
	v, err := n.list.value(r)
	if err != nil {
		return err
	}
	items, ok := iterate(v)
	if !ok {
		return r.fail(n.line, "%s is not a list", kind(v))
	}
	defer r.scope()()
	if n.condition != nil {
		var kept []any
		for _, item := range items {
			if err := n.bind(r, item); err != nil {
				return err
			}
			v, err := n.condition.value(r)
			if err != nil {
				return err
			}
			if truth(v) {
				kept = append(kept, item)
			}
		}
		items = kept
	}
	if len(items) == 0 {
		return r.nodes(n.otherwise)
	}
	for i, item := range items {
		if err := r.step(n.line); err != nil {
			return err
		}
		if err := n.bind(r, item); err != nil {
			return err
		}
		loop := NewDict("index", i+1, "index0", i, "first", i == 0, "last", i == len(items)-1, "length", len(items), "revindex", len(items)-i, "revindex0", len(items)-1-i)
		if i > 0 {
			loop.Set("previtem", items[i-1])
		}
		if i+1 < len(items) {
			loop.Set("nextitem", items[i+1])
		}
		r.set("loop", loop)
		err := r.nodes(n.body)
		if jump, ok := err.(jump); ok {
			if jump {
				return nil
			}
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// bind assigns an item to the loop variables.
func (n *forNode) bind(r *run, item any) error {
	if len(n.names) == 1 {
		r.set(n.names[0], item)
		return nil
	}
	list, ok := item.([]any)
	if !ok || len(list) != len(n.names) {
		return r.fail(n.line, "%s is not %d values", kind(item), len(n.names))
	}
	for i, name := range n.names {
		r.set(name, list[i])
	}
	return nil
}

// A jump leaves a loop's body: true for break, false for continue.
type jump bool

func (j jump) Error() string { return "break or continue outside of a loop" }

func (j jump) render(*run) error { return j }

type setNode struct {
	name, attribute string
	of              expression // or nil: body
	body            []node
	line            int
}

func (n *setNode) render(r *run) error {
	var v any
	var err error
	if n.of != nil {
		v, err = n.of.value(r)
	} else {
		v, err = r.capture(n.body)
	}
	if err != nil {
		return err
	}
	if n.attribute == "" {
		r.set(n.name, v)
		return nil
	}
	space, ok := r.get(n.name).(*Dict)
	if !ok || !space.namespace {
		return r.fail(n.line, "%s is not a namespace; only a namespace's attributes can be set", n.name)
	}
	space.Set(n.attribute, v)
	return nil
}

type literal struct{ v any }

func (l literal) value(*run) (any, error) { return l.v, nil }

type variable string

func (v variable) value(r *run) (any, error) { return r.get(string(v)), nil }

type listLiteral []expression

func (l listLiteral) value(r *run) (any, error) {
	list := make([]any, len(l))
	for i, e := range l {
		var err error
		if list[i], err = e.value(r); err != nil {
			return nil, err
		}
	}
	return list, nil
}

type dictLiteral [][2]expression

func (d dictLiteral) value(r *run) (any, error) {
	dict := NewDict()
	for _, pair := range d {
		key, err := pair[0].value(r)
		if err != nil {
			return nil, err
		}
		v, err := pair[1].value(r)
		if err != nil {
			return nil, err
		}
		dict.Set(text(key), v)
	}
	return dict, nil
}

type conditional struct{ condition, then, otherwise expression }

func (c *conditional) value(r *run) (any, error) {
	v, err := c.condition.value(r)
	switch {
	case err != nil:
		return nil, err
	case truth(v):
		return c.then.value(r)
	case c.otherwise == nil:
		return undefined{}, nil
	}
	return c.otherwise.value(r)
}

type unary struct {
	operator string
	operand  expression
	line     int
}

func (u *unary) value(r *run) (any, error) {
	v, err := u.operand.value(r)
	if err != nil {
		return nil, err
	}
	if u.operator == "not" {
		return !truth(v), nil
	}
	switch v := v.(type) {
	case int:
		return -v, nil
	case float64:
		return -v, nil
	}
	return nil, r.fail(u.line, "minus %s", kind(v))
}

type item struct {
	of, key expression
	line    int
}

func (i *item) value(r *run) (any, error) {
	of, err := i.of.value(r)
	if err != nil {
		return nil, err
	}
	key, err := i.key.value(r)
	if err != nil {
		return nil, err
	}
	if _, ok := of.(undefined); ok {
		return nil, r.fail(i.line, "%s of something that is not defined", text(key))
	}
	return member(of, key), nil
}

// member returns an attribute or item of a value.
func member(of, key any) any {
	switch of := of.(type) {
	case *Dict:
		if v, ok := of.Get(text(key)); ok {
			return v
		}
	case []any:
		if n, ok := position(key, len(of)); ok {
			return of[n]
		}
	case string:
		runes := []rune(of)
		if n, ok := position(key, len(runes)); ok {
			return string(runes[n])
		}
	}
	return undefined{}
}

// position resolves an index, which counts from the end if it is negative.
func position(key any, length int) (int, bool) {
	n, ok := key.(int)
	if n < 0 {
		n += length
	}
	return n, ok && n >= 0 && n < length
}

type slice struct {
	of     expression
	bounds [3]expression
	line   int
}

func (s *slice) value(r *run) (any, error) {
	of, err := s.of.value(r)
	if err != nil {
		return nil, err
	}
	var bounds [3]*int
	for i, e := range s.bounds {
		if e == nil {
			continue
		}
		v, err := e.value(r)
		if err != nil {
			return nil, err
		}
		if n, ok := v.(int); ok {
			bounds[i] = &n
		} else if v != nil {
			return nil, r.fail(s.line, "a slice by %s", kind(v))
		}
	}
	list, isList := of.([]any)
	_, isText := of.(string)
	switch {
	case isText:
		list, _ = iterate(of)
	case !isList:
		return nil, r.fail(s.line, "a slice of %s", kind(of))
	}
	cut, err := sliced(list, bounds)
	if err != nil {
		return nil, r.fail(s.line, "%s", err)
	}
	if !isText {
		return cut, nil
	}
	return join(cut, "")
}
