package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// A document is one of a request's list, in a form that return_documents can give back.
type document struct {
	text   string
	object json.RawMessage // as received, if it was an object
}

// asObject returns the object received, or one made from the string.
func (d document) asObject() any {
	if d.object != nil {
		return d.object
	}
	return textReply{Text: d.text}
}

// asGiven returns the document as received.
func (d document) asGiven() any {
	if d.object != nil {
		return d.object
	}
	return d.text
}

// asText returns the text that was ranked.
func (d document) asText() any { return d.text }

// documents reads a list of strings or objects, or a single one. The ranked text of an
// object is its text, or the fields named by rank_fields.
func (f *reader) documents(name string, limit int) []document {
	var rankFields []string
	if f.has("rank_fields") {
		var err error
		if rankFields, err = f.texts("rank_fields", maxFields); err != nil {
			f.fail(err)
			return nil
		}
	}
	source := f.fields
	if v := source[name]; len(v) > 0 && (v[0] == '"' || v[0] == '{') {
		source = fields{name: slices.Concat(json.RawMessage("["), v, json.RawMessage("]"))}
	}
	var documents []document
	f.fail(source.list(name, limit, "strings or objects with \"text\"", func(i int, v json.RawMessage) error {
		if s, ok := jsonString(v); ok {
			documents = append(documents, document{text: s})
			return nil
		}
		o, ok := jsonObject(v)
		if !ok {
			return invalid("%s[%d] is %s: expected a string or an object of at most %d fields with \"text\"", name, i, describe(v), maxFields)
		}
		text, err := rankedText(o, rankFields)
		if err != nil {
			return invalid("%s[%d] %v", name, i, err)
		}
		documents = append(documents, document{text: text, object: v})
		return nil
	}))
	return documents
}

// rankedText joins the named members of an object, one a line, or returns its text.
func rankedText(o fields, names []string) (string, error) {
	if len(names) == 0 {
		if media := o.media(); media != "" {
			return "", fmt.Errorf("has %q: only text can be ranked, not images or audio", media)
		}
		s, ok := jsonString(o["text"])
		if !ok {
			return "", fmt.Errorf("is an object without a string \"text\"")
		}
		return s, nil
	}
	var parts []string
	for _, name := range names {
		if !o.has(name) {
			continue
		}
		v := o[name]
		if s, ok := jsonString(v); ok {
			parts = append(parts, s)
		} else {
			parts = append(parts, string(v))
		}
	}
	if parts == nil {
		return "", fmt.Errorf("has none of the rank_fields %s", strings.Join(names, ", "))
	}
	return strings.Join(parts, "\n"), nil
}

// text reads a required query: a string, or an object with text.
func (f *reader) text(name string) string {
	v := f.fields[name]
	if s, ok := jsonString(v); ok {
		return s
	}
	o, ok := jsonObject(v)
	if !ok {
		f.fail(f.wrong(name, "a string"))
		return ""
	}
	if media := o.media(); media != "" {
		f.fail(invalid("%q has %q: only text can be ranked, not images or audio", name, media))
	}
	s, ok := jsonString(o["text"])
	if !ok {
		f.fail(invalid("%q is an object without a string \"text\"", name))
	}
	return s
}

// mediaMembers are the members that hold images, video or sound in the dialects that have them.
var mediaMembers = []string{"image", "images", "image_url", "video", "video_url", "audio", "audio_url", "input_audio"}

// media returns the first member of an object that is not text, or that contains such a
// part, or "". Such content must never be dropped silently.
func (f fields) media() string {
	for _, name := range mediaMembers {
		if f.has(name) {
			return name
		}
		if bytes.Contains(f["content"], []byte(`"type":"`+name+`"`)) || bytes.Contains(f["content"], []byte(`"type": "`+name+`"`)) {
			return name
		}
	}
	return ""
}
