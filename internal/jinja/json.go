package jinja

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
)

// FromJSON is a JSON value as templates take it: objects keep the order of their
// keys.
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
