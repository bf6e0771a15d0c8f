package server

import (
	"bytes"
	"net/http"

	"github.com/winnow-rerank/winnow"
)

// streamed answers with server-sent events.
func (a *completion) streamed(w http.ResponseWriter) error {
	started := false
	var event func(v any) error
	event = func(v any) error {
		if !started {
			started = true
			w.Header().Set("Content-Type", "text/event-stream")
			w.Header().Set("Cache-Control", "no-cache")
			w.WriteHeader(http.StatusOK)
			if a.dialect.begin != nil {
				if err := event(a.dialect.begin(a)); err != nil {
					return err
				}
			}
		}
		b := bytes.NewBufferString("data: ")
		if err := encodeJSON(b, v); err != nil {
			return err
		}
		b.WriteString("\n")
		if _, err := w.Write(b.Bytes()); err != nil {
			return errClientGone
		}
		return http.NewResponseController(w).Flush()
	}
	var all []*winnow.Completion
	for i := range a.prompts {
		o, n := a.options, 0
		o.Emit = func(text string, t winnow.CompletionToken) error {
			n++
			if v := a.dialect.partial(a, i, n, text, t); v != nil {
				return event(v)
			}
			return nil
		}
		c, err := a.complete(i, o)
		if err != nil {
			if !started {
				return err
			}
			// The status has been sent, so the error becomes an event.
			e := asAPIError(err)
			noteError(w, e)
			_ = event(map[string]any{"error": e.members()})
			return nil
		}
		all = append(all, c)
		if err := event(a.dialect.final(a, i, c)); err != nil {
			return nil
		}
	}
	if a.dialect.envelope == nil {
		return nil
	}
	if a.usage {
		if err := event(a.counted([]any{}, all)); err != nil {
			return nil
		}
	}
	_, _ = w.Write([]byte("data: [DONE]\n\n"))
	return nil
}
