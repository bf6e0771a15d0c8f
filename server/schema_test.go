package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http/httptest"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// An apiDescription is openapi.json, decoded.
type apiDescription struct{ root map[string]any }

var description = sync.OnceValue(func() (d apiDescription) {
	if err := json.Unmarshal(openAPIDocument, &d.root); err != nil {
		panic(err)
	}
	return d
})

// at is what lies below v by these names, or nil.
func at(v any, names ...string) any {
	for _, name := range names {
		m, _ := v.(map[string]any)
		v = m[name]
	}
	return v
}

// resolve follows v's reference, if it is one.
func (d apiDescription) resolve(v any) map[string]any {
	m, _ := v.(map[string]any)
	if ref, ok := m["$ref"].(string); ok {
		m, _ = at(d.root, strings.Split(strings.TrimPrefix(ref, "#/"), "/")...).(map[string]any)
	}
	return m
}

// schemaWords are the words of JSON Schema that openapi.json has, which check
// knows, and those that check nothing.
var schemaWords = []string{"type", "const", "enum", "minimum", "maximum", "properties", "required", "additionalProperties", "items", "minItems", "oneOf", "anyOf",
	"description", "default", "$ref"}

// check says how v is not as the schema has it, or "". With whole, objects must
// have no members but those that are described, as is so of replies.
func (d apiDescription) check(schema any, v any, whole bool, path string) string {
	s := d.resolve(schema)
	if s == nil {
		return path + ": there is no schema"
	}
	for word := range s {
		if !slices.Contains(schemaWords, word) {
			return fmt.Sprintf("%s: the schema has %q, which is not checked", path, word)
		}
	}
	if types := s["type"]; types != nil {
		list, ok := types.([]any)
		if !ok {
			list = []any{types}
		}
		if !slices.ContainsFunc(list, func(t any) bool { return isType(v, t.(string)) }) {
			return fmt.Sprintf("%s: %v is no %v", path, v, types)
		}
	}
	if c, ok := s["const"]; ok && !reflect.DeepEqual(v, c) {
		return fmt.Sprintf("%s: %v is not %v", path, v, c)
	}
	if list, ok := s["enum"].([]any); ok && !slices.ContainsFunc(list, func(x any) bool { return reflect.DeepEqual(v, x) }) {
		return fmt.Sprintf("%s: %v is none of %v", path, v, list)
	}
	if x, ok := v.(float64); ok {
		low, bounded := s["minimum"].(float64)
		high, below := s["maximum"].(float64)
		if bounded && x < low || below && x > high {
			return fmt.Sprintf("%s: %v is out of bounds", path, x)
		}
	}
	for _, word := range []string{"oneOf", "anyOf"} {
		list, ok := s[word].([]any)
		if !ok {
			continue
		}
		var failures []string
		fit := 0
		for _, x := range list {
			if failure := d.check(x, v, false, path); failure != "" {
				failures = append(failures, failure)
				continue
			}
			fit++
			if failure := d.check(x, v, whole, path); failure != "" {
				return failure
			}
		}
		if fit == 0 {
			return fmt.Sprintf("%s: none fits: %s", path, strings.Join(failures, "; "))
		}
		if fit > 1 && word == "oneOf" {
			return fmt.Sprintf("%s: %d of %d fit", path, fit, len(list))
		}
	}
	switch v := v.(type) {
	case []any:
		if least, ok := s["minItems"].(float64); ok && len(v) < int(least) {
			return fmt.Sprintf("%s: %d elements", path, len(v))
		}
		if items, ok := s["items"]; ok {
			for i, x := range v {
				if failure := d.check(items, x, whole, path+"["+strconv.Itoa(i)+"]"); failure != "" {
					return failure
				}
			}
		}
	case map[string]any:
		required, _ := s["required"].([]any)
		for _, name := range required {
			if _, ok := v[name.(string)]; !ok {
				return fmt.Sprintf("%s: no %v", path, name)
			}
		}
		properties, described := s["properties"].(map[string]any)
		more, restricted := s["additionalProperties"]
		for _, name := range slices.Sorted(maps.Keys(v)) {
			p, ok := properties[name]
			if !ok && restricted && more != true {
				p, ok = more, true
			}
			if ok {
				if failure := d.check(p, v[name], whole, path+"."+name); failure != "" {
					return failure
				}
			} else if whole && described && more != true {
				return fmt.Sprintf("%s: %s is not described", path, name)
			}
		}
	}
	return ""
}

func isType(v any, name string) bool {
	switch v := v.(type) {
	case nil:
		return name == "null"
	case bool:
		return name == "boolean"
	case string:
		return name == "string"
	case float64:
		return name == "number" || name == "integer" && v == math.Trunc(v)
	case []any:
		return name == "array"
	}
	return name == "object"
}

// checkDescribed: the reply, and the request if it was granted, are as openapi.json
// describes them. Of paths that it does not describe it says nothing.
func checkDescribed(t *testing.T, method, path, request string, w *httptest.ResponseRecorder) {
	t.Helper()
	d := description()
	path, _, _ = strings.Cut(path, "?")
	operation := at(d.root, "paths", path, strings.ToLower(method))
	if operation == nil {
		return
	}
	response := d.resolve(at(operation, "responses", strconv.Itoa(w.Code)))
	if response == nil {
		t.Errorf("%s %s: status %d is not described", method, path, w.Code)
		return
	}
	kind, _, _ := strings.Cut(w.Header().Get("Content-Type"), ";")
	content := at(response, "content", kind)
	if content == nil {
		t.Errorf("%s %s: status %d with %q is not described", method, path, w.Code, kind)
		return
	}
	if kind == "application/json" {
		var v any
		if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
			t.Errorf("%s %s: %v: %s", method, path, err, w.Body)
		} else if failure := d.check(at(content, "schema"), v, true, "reply"); failure != "" {
			t.Errorf("%s %s: status %d is not as described: %s\n%.400s", method, path, w.Code, failure, w.Body)
		}
	}
	if w.Code == 200 && request != "" {
		var v any
		if err := json.Unmarshal(bytes.TrimPrefix([]byte(request), []byte("\xef\xbb\xbf")), &v); err != nil {
			t.Errorf("%s %s: %v", method, path, err)
		} else if failure := d.check(at(operation, "requestBody", "content", "application/json", "schema"), v, false, "request"); failure != "" {
			t.Errorf("%s %s: a request is taken that is not as described: %s\n%.400s", method, path, failure, request)
		}
	}
}

// TestSchemaCheck: the check of replies by openapi.json sees what is wrong.
func TestSchemaCheck(t *testing.T) {
	var d apiDescription
	if err := json.Unmarshal([]byte(`{"a":{"type":"object","required":["n"],"properties":{"n":{"type":["integer","null"],"minimum":0},
		"list":{"type":"array","minItems":1,"items":{"enum":["x","y"]}},"one":{"oneOf":[{"type":"string"},{"const":3},{"$ref":"#/a"}]}}},
		"two":{"oneOf":[{"type":"number"},{"type":"integer"}]},"any":{"anyOf":[{"type":"number"},{"type":"integer"}]},"bad":{"pattern":"x"},
		"map":{"type":"object","additionalProperties":{"type":"string"}}}`), &d.root); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		schema, value, want string
		whole               bool
	}{
		{"a", `{"n":1,"list":["x"],"one":{"n":null}}`, "", true},
		{"a", `{"n":1,"more":2}`, "", false},
		{"a", `{"n":1,"more":2}`, "v: more is not described", true},
		{"a", `{"n":1,"one":{"n":1,"more":2}}`, "v.one: more is not described", true},
		{"a", `{}`, "v: no n", false},
		{"a", `{"n":-1}`, "v.n: -1 is out of bounds", false},
		{"a", `{"n":1.5}`, "v.n: 1.5 is no [integer null]", false},
		{"a", `{"n":1,"list":[]}`, "v.list: 0 elements", false},
		{"a", `{"n":1,"list":["x","z"]}`, "v.list[1]: z is none of [x y]", false},
		{"a", `{"n":1,"one":4}`, "v.one: none fits: v.one: 4 is no string; v.one: 4 is not 3; v.one: 4 is no object", false},
		{"two", `1`, "v: 2 of 2 fit", false},
		{"any", `1`, "", false},
		{"bad", `"x"`, `v: the schema has "pattern", which is not checked`, false},
		{"map", `{"a":"b"}`, "", true},
		{"map", `{"a":1}`, "v.a: 1 is no string", true},
		{"none", `1`, "v: there is no schema", true},
	} {
		var v any
		if err := json.Unmarshal([]byte(c.value), &v); err != nil {
			t.Fatal(err)
		}
		if got := d.check(d.root[c.schema], v, c.whole, "v"); got != c.want {
			t.Errorf("%s as %s: %q, want %q", c.value, c.schema, got, c.want)
		}
	}
}
