package records

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// list reads the elements of a JSON list.
func (r *Reader) list() func() (Record, error) {
	in := &lineCounter{r: r.in, line: 1}
	decoder := json.NewDecoder(in)
	begun, ended := false, false
	fail := func(err error) (Record, error) {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		offset := decoder.InputOffset()
		if syntax, ok := err.(*json.SyntaxError); ok {
			offset = syntax.Offset
		}
		return Record{}, r.errorf(in.at(offset), "broken JSON: %w", err)
	}
	return func() (Record, error) {
		if !begun {
			switch token, err := decoder.Token(); {
			case err == io.EOF:
				return Record{}, io.EOF // an empty file
			case err != nil:
				return fail(err)
			case token != json.Delim('['):
				return Record{}, r.errorf(in.at(decoder.InputOffset()), "a JSON %s: expected a list; for one object per line, name the file .jsonl", kindOf(token))
			}
			begun = true
		}
		if !decoder.More() {
			if !ended {
				if _, err := decoder.Token(); err != nil {
					return fail(err)
				}
				ended = true
			}
			switch token, err := decoder.Token(); {
			case err == io.EOF:
				return Record{}, io.EOF
			case err != nil:
				return fail(err)
			default:
				return Record{}, r.errorf(in.at(decoder.InputOffset()), "a JSON %s after the list has ended", kindOf(token))
			}
		}
		in.begin(decoder.InputOffset())
		var raw json.RawMessage
		err := decoder.Decode(&raw)
		switch {
		case err != nil && in.exceeded:
			rest, _ := io.ReadAll(io.LimitReader(decoder.Buffered(), sniffed))
			space := len(rest) - len(bytes.TrimLeft(rest, ", \t\r\n"))
			return Record{}, r.errorf(in.at(decoder.InputOffset()+int64(space)), "the element is longer than %d MiB", MaxRecord>>20)
		case err != nil:
			return fail(err)
		}
		line := in.at(decoder.InputOffset() - int64(len(raw)))
		if err := encoding(raw); err != nil {
			return Record{}, r.errorf(line, "%w", err)
		}
		values, err := r.object(raw)
		if err != nil {
			return Record{}, r.errorf(line, "%w", err)
		}
		return Record{Line: line, Values: values}, nil
	}
}

func kindOf(token json.Token) string {
	switch token := token.(type) {
	case json.Delim:
		return map[json.Delim]string{'{': "object", '[': "list"}[token]
	case string:
		return "string"
	case float64:
		return "number"
	}
	return "value"
}

// object reads the columns of a JSON object, or a string as the only required column.
func (r *Reader) object(data []byte) ([]Value, error) {
	values := make([]Value, len(r.columns))
	if r.sole >= 0 && data[0] == '"' {
		v := &values[r.sole]
		v.Set = true
		if err := json.Unmarshal(data, &v.Text); err != nil {
			return nil, fmt.Errorf("broken JSON: %w", err)
		}
		return values, nil
	}
	if data[0] != '{' {
		return nil, fmt.Errorf("%s: expected %s", clipped(string(data)), r.element())
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil {
		return nil, fmt.Errorf("broken JSON: %w", err)
	}
	for i, c := range r.columns {
		raw, name := field(fields, c.Names)
		if raw == nil {
			if c.Optional {
				continue
			}
			return nil, fmt.Errorf("no %q among the fields %s: expected %s", c.Name, fieldNames(fields), r.element())
		}
		v := &values[i]
		v.Set = true
		switch {
		case raw[0] == '"':
			if err := json.Unmarshal(raw, &v.Text); err != nil {
				return nil, fmt.Errorf("%q: %w", name, err)
			}
		case c.Number && (raw[0] == '-' || raw[0] >= '0' && raw[0] <= '9'):
			v.Text, v.Number = string(raw), true
		default:
			want := "a string"
			if c.Number {
				want += " or a number"
			}
			return nil, fmt.Errorf("%q is %s: expected %s", name, clipped(string(raw)), want)
		}
	}
	return values, nil
}

// element describes valid lines or list elements, for messages.
func (r *Reader) element() string {
	if r.sole >= 0 {
		return "a JSON string, or an object with a string " + r.required()
	}
	return "a JSON object with " + r.required()
}

// field finds a field by one of its names: exactly, then ignoring case. null counts as
// missing.
func field(fields map[string]json.RawMessage, names []string) (json.RawMessage, string) {
	for _, name := range names {
		if raw, ok := fields[name]; ok && string(raw) != "null" {
			return raw, name
		}
	}
	for _, name := range names {
		for key, raw := range fields {
			if strings.EqualFold(key, name) && string(raw) != "null" {
				return raw, key
			}
		}
	}
	return nil, ""
}

func fieldNames(fields map[string]json.RawMessage) string {
	if len(fields) == 0 {
		return "(none)"
	}
	names := make([]string, 0, len(fields))
	for name := range fields {
		names = append(names, strconv.Quote(name))
	}
	slices.Sort(names)
	return clipped(strings.Join(names, ", "))
}

// A lineCounter maps offsets to line numbers and limits each element to MaxRecord
// bytes.
type lineCounter struct {
	r        io.Reader
	offset   int64
	breaks   []int64 // offsets of the line breaks that at has not yet passed
	line     int     // number of the line before them
	limit    int64
	exceeded bool
}

// begin is called before reading an element that starts at offset or later.
func (c *lineCounter) begin(offset int64) {
	c.at(offset)
	c.limit = offset + MaxRecord
}

func (c *lineCounter) Read(p []byte) (int, error) {
	if c.limit > 0 && c.offset >= c.limit {
		c.exceeded = true
		return 0, io.ErrUnexpectedEOF
	}
	n, err := c.r.Read(p)
	for i, b := range p[:n] {
		if b == '\n' {
			c.breaks = append(c.breaks, c.offset+int64(i))
		}
	}
	c.offset += int64(n)
	return n, err
}

func (c *lineCounter) at(offset int64) int {
	n, _ := slices.BinarySearch(c.breaks, offset)
	c.line += n
	c.breaks = append(c.breaks[:0], c.breaks[n:]...)
	return c.line
}
