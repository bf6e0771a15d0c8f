package server

import (
	"bufio"
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"slices"

	"github.com/winnow-rerank/winnow"
)

// steps are the probabilities of a completion's tokens. Those of a step are built when it
// is written.
type steps []winnow.CompletionToken

// MarshalJSON is used for events, which have one step each.
func (s steps) MarshalJSON() ([]byte, error) {
	list := make([]stepProbabilities, len(s))
	for i, t := range s {
		list[i] = probabilitiesOf(t)
	}
	return json.Marshal(list)
}

// writeParts writes v as writeJSON does, but encodes the elements of maps, lists and
// steps separately: with all probabilities at once a reply may be too large for memory.
func writeParts(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(http.StatusOK)
	out := bufio.NewWriterSize(w, writePiece)
	p := partWriter{out: out, buffer: new(bytes.Buffer)}
	p.value(v)
	p.string("\n")
	_ = out.Flush() // on error the client has gone
}

type partWriter struct {
	out    *bufio.Writer
	buffer *bytes.Buffer
}

func (p *partWriter) string(s string) { _, _ = p.out.WriteString(s) }

func (p *partWriter) value(v any) {
	switch v := v.(type) {
	case map[string]any:
		p.string("{")
		for i, name := range slices.Sorted(maps.Keys(v)) {
			if i > 0 {
				p.string(",")
			}
			p.value(name)
			p.string(":")
			p.value(v[name])
		}
		p.string("}")
	case []any:
		p.list(len(v), func(i int) any { return v[i] })
	case steps:
		p.list(len(v), func(i int) any { return probabilitiesOf(v[i]) })
	default:
		p.buffer.Reset()
		if encodeJSON(p.buffer, v) == nil { // a failure is a bug in this package
			_, _ = p.out.Write(bytes.TrimSuffix(p.buffer.Bytes(), []byte("\n")))
		}
	}
}

func (p *partWriter) list(n int, element func(i int) any) {
	p.string("[")
	for i := range n {
		if i > 0 {
			p.string(",")
		}
		p.value(element(i))
	}
	p.string("]")
}
