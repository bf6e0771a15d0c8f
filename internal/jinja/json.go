package jinja

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// FromJSON converts JSON to a template value; objects keep the order of their keys.
func FromJSON(data []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	return decode(d)
}

func decode(d *json.Decoder) (any, error) {
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t := t.(type) {
	case json.Number:
		if n, err := strconv.Atoi(t.String()); err == nil {
			return n, nil
		}
		return t.Float64()
	case json.Delim:
		if t == '[' {
			list := []any{}
			for d.More() {
				v, err := decode(d)
				if err != nil {
					return nil, err
				}
				list = append(list, v)
			}
			_, err := d.Token()
			return list, err
		}
		dict := NewDict()
		for d.More() {
			key, err := d.Token()
			if err != nil {
				return nil, err
			}
			name, ok := key.(string)
			if !ok {
				return nil, fmt.Errorf("found %v, expected a key", key)
			}
			v, err := decode(d)
			if err != nil {
				return nil, err
			}
			dict.Set(name, v)
		}
		_, err := d.Token()
		return dict, err
	}
	return t, nil
}

// tojson writes a value like Python's json.dumps, with non-ASCII characters unescaped.
// indent is the number of spaces per level; if negative, the output is one line.
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
		_ = e.Encode(s) // a string can always be encoded
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
