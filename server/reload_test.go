package server

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/winnow-rerank/winnow"
)

// closingModel counts how often it is closed, which waits for gate.
type closingModel struct {
	*fakeModel
	closes atomic.Int32
	gate   chan struct{}
}

func (m *closingModel) Close() error {
	m.closes.Add(1)
	if m.gate != nil {
		<-m.gate
	}
	return nil
}

// TestReloadWhileUnloading: a model that is unloaded while it is loaded again, or that
// breaks then, is closed once, and so is the new one.
func TestReloadWhileUnloading(t *testing.T) {
	for _, breaks := range []bool{false, true} {
		first, second, other := &closingModel{fakeModel: &fakeModel{}, gate: make(chan struct{})}, &closingModel{fakeModel: &fakeModel{}}, &closingModel{fakeModel: &fakeModel{}}
		var s *Server
		loads := 0
		s, err := New(Options{Log: slog.New(slog.DiscardHandler), ModelsMax: 1, Models: []ModelSpec{
			{Name: "a", Load: func(context.Context) (Model, error) {
				if loads++; loads == 1 {
					return first, nil
				}
				// While a is loaded again, somebody asks for b, and a has to go.
				slot, _ := s.registry.find("b")
				go func() {
					if _, free, err := s.registry.open(context.Background(), slot); err == nil {
						free()
					}
				}()
				for first.closes.Load() == 0 {
					time.Sleep(time.Millisecond)
				}
				if breaks {
					a, _ := s.registry.find("a")
					s.registry.broke(a, a.instance, errors.New("broken"))
				}
				return second, nil
			}},
			{Name: "b", Load: func(context.Context) (Model, error) { return other, nil }},
		}})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Start(context.Background()); err != nil {
			t.Fatal(err)
		}
		s.Reload(context.Background())
		close(first.gate)
		b, _ := s.registry.find("b")
		if _, free, err := s.registry.open(context.Background(), b); err != nil {
			t.Error(err)
		} else {
			free()
		}
		s.Close()
		for i, m := range []*closingModel{first, second, other} {
			if n := m.closes.Load(); n != 1 {
				t.Errorf("breaks %v: model %d was closed %d times", breaks, i, n)
			}
		}
	}
}

// slowEncoder takes longer than its clients wait.
type slowEncoder struct{ *fakeModel }

func (m slowEncoder) Encode(ctx context.Context, query string, documents []string, o winnow.EncodeOptions) ([]winnow.Encoding, error) {
	time.Sleep(20 * time.Millisecond)
	return m.fakeModel.Encode(ctx, query, documents, o)
}

// TestGoneWhileEncoding has the race detector look at what an abandoned batch writes.
func TestGoneWhileEncoding(t *testing.T) {
	s := start(t, Options{}, ModelSpec{Name: "slow", Load: func(context.Context) (Model, error) { return slowEncoder{&fakeModel{}}, nil }})
	for range 20 {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodPost, "/v1/rerank", strings.NewReader(`{"query":"a","documents":["b","c"]}`)))
		cancel()
		if w.Code == http.StatusOK {
			t.Error("answered in time")
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// TestRootAlone: POST / answers bodies that lack one of TEI's fields, or have another's.
func TestRootAlone(t *testing.T) {
	s := start(t, Options{}, (&fakeModel{maxLength: 64}).spec("fake"))
	for body, want := range map[string]int{
		`{"query":"a"}`: http.StatusBadRequest,
		`{"query":"a","texts":["b"],"documents":["c"]}`: http.StatusOK,
		`{"texts":["b"]}`: http.StatusBadRequest,
	} {
		w := send(s, "POST", "/", body)
		if w.Code != want {
			t.Errorf("%s: %d %s, want %d", body, w.Code, w.Body, want)
		}
	}
}
