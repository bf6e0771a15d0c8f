package server

import (
	"bytes"
	"net/http"

	"github.com/winnow-rerank/winnow"
)

// An eventWriter sends server-sent events.
type eventWriter struct {
	w       http.ResponseWriter
	begin   func() any // returns the first event; or nil
	started bool
}

func (e *eventWriter) send(v any) error {
	if !e.started {
		e.started = true
		e.w.Header().Set("Content-Type", "text/event-stream")
		e.w.Header().Set("Cache-Control", "no-cache")
		e.w.WriteHeader(http.StatusOK)
		if e.begin != nil {
			if err := e.send(e.begin()); err != nil {
				return err
			}
		}
	}
	b := bytes.NewBufferString("data: ")
	if err := encodeJSON(b, v); err != nil {
		return err
	}
	b.WriteString("\n")
	if _, err := e.w.Write(b.Bytes()); err != nil {
		return errClientGone
	}
	return http.NewResponseController(e.w).Flush()
}

// streamed answers with server-sent events.
func (a *completion) streamed(w http.ResponseWriter) error {
	d := a.dialect
	events := &eventWriter{w: w}
	if d.begin != nil {
		events.begin = func() any { return d.begin(a) }
	}
	var all []*winnow.Completion
	for i := range a.prompts {
		o, n := a.options, 0
		o.Emit = func(text string, t winnow.CompletionToken) error {
			n++
			if v := d.partial(a, i, n, text, t); v != nil {
				return events.send(v)
			}
			return nil
		}
		c, err := a.complete(i, o)
		if err != nil {
			if !events.started {
				return err
			}
			// The status has been sent, so the error becomes an event.
			e := asAPIError(err)
			noteError(w, e)
			_ = events.send(map[string]any{"error": e.members()})
			return nil
		}
		all = append(all, c)
		if err := events.send(d.final(a, i, c)); err != nil {
			return nil
		}
	}
	if d.envelope == nil {
		return nil
	}
	if a.usage {
		if err := events.send(a.withUsage([]any{}, all)); err != nil {
			return nil
		}
	}
	_, _ = w.Write([]byte("data: [DONE]\n\n"))
	return nil
}
