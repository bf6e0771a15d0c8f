package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/winnow-rerank/winnow"
)

// A ModelSpec describes a model that the server offers.
type ModelSpec struct {
	Name    string   // its id
	Aliases []string // further names
	Tags    []string // shown in the list of models, without effect
	Path    string   // shown by /props
	// Load loads the model. It is called again after the model was unloaded.
	Load func(ctx context.Context) (Model, error)
}

// A registry loads models on demand, each once, and unloads the least recently used one
// when there are too many.
type registry struct {
	slots   []*slot
	max     int // models that may be loaded at a time; 0: all
	log     *slog.Logger
	prepare func(name string, m Model, broken func(error)) *scheduler

	mu      sync.Mutex
	changed chan struct{} // closed and replaced whenever a slot changes
	clock   uint64
	closed  bool
}

type slotState int

const (
	unloaded slotState = iota
	loading
	loaded
	unloading
	failed
)

func (s slotState) String() string {
	return [...]string{"unloaded", "loading", "loaded", "unloaded", "failed"}[s]
}

// A slot holds a model that may or may not be loaded.
type slot struct {
	status

	// The following, and the status except spec, are guarded by registry.mu.
	instance *instance // while loaded
	used     uint64    // time of the last use, on the registry's clock
	failedAt time.Time
}

// A status is what is known of a slot at one moment.
type status struct {
	spec     ModelSpec
	state    slotState
	info     winnow.Info // from the last load
	known    bool        // info is set
	loadedAt time.Time
	err      error
}

// An instance is a model in memory. When a slot's model is reloaded, requests that use
// the previous instance continue to do so.
type instance struct {
	name      string
	model     Model
	info      winnow.Info
	scheduler *scheduler
	serial    uint64 // unique among instances

	// The following are guarded by registry.mu.
	users   int
	retired bool // no longer the slot's: closed when nobody uses it
}

func newRegistry(specs []ModelSpec, most int, log *slog.Logger, prepare func(name string, m Model, broken func(error)) *scheduler) (*registry, error) {
	r := &registry{max: most, log: log, prepare: prepare, changed: make(chan struct{})}
	seen := make(map[string]bool)
	for _, spec := range specs {
		for _, name := range append([]string{spec.Name}, spec.Aliases...) {
			if name == "" {
				return nil, errors.New("a model has an empty name")
			}
			if seen[name] {
				return nil, fmt.Errorf("two models are named %q", name)
			}
		}
		for _, name := range append([]string{spec.Name}, spec.Aliases...) {
			seen[name] = true
		}
		r.slots = append(r.slots, &slot{status: status{spec: spec}})
	}
	if len(r.slots) == 0 {
		return nil, errors.New("no model")
	}
	return r, nil
}

// start loads as many models as may be loaded, one after the other, and fails if all
// fail.
func (r *registry) start(ctx context.Context) error {
	n := len(r.slots)
	if r.max > 0 {
		n = min(n, r.max)
	}
	var errs []error
	for _, s := range r.slots[:n] {
		if _, release, err := r.open(ctx, s); err != nil {
			errs = append(errs, err)
		} else {
			release()
		}
	}
	if len(errs) == n {
		return errors.Join(errs...)
	}
	return nil
}

// find returns the slot with this name. "" and "default" mean the first one. A server of
// one model accepts every name, as llama.cpp's does: clients made for a service send that
// service's names.
func (r *registry) find(name string) (*slot, error) {
	for _, s := range r.slots {
		if s.spec.Name == name || slices.Contains(s.spec.Aliases, name) {
			return s, nil
		}
	}
	if short, ok := strings.CutSuffix(name, ":latest"); ok { // added by Ollama's clients
		return r.find(short)
	}
	if name == "" || name == "default" || len(r.slots) == 1 {
		return r.slots[0], nil
	}
	var names []string
	for _, s := range r.slots {
		names = append(names, s.spec.Name)
	}
	return nil, &apiError{Status: http.StatusNotFound, Type: typeNotFound,
		Message: fmt.Sprintf("unknown model %q: expected one of %s", name, strings.Join(names, ", "))}
}

// open returns the slot's model, loaded if necessary, for use until release is called.
func (r *registry) open(ctx context.Context, s *slot) (_ *instance, release func(), err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		if r.closed {
			return nil, nil, errStopping()
		}
		if s.state == loaded {
			i := s.instance
			i.users++
			r.clock++
			s.used = r.clock
			return i, sync.OnceFunc(func() { r.release(i) }), nil
		}
		if s.state == failed && time.Since(s.failedAt) < retryAfter {
			return nil, nil, unavailable(retryAfter, "model %q could not be loaded: %v", s.spec.Name, s.err)
		}
		if s.state == unloaded || s.state == failed {
			if r.makeRoom() {
				s.state = loading
				go r.load(s)
				continue
			}
		}
		changed := r.changed
		r.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
		}
		r.mu.Lock()
		if ctx.Err() != nil {
			return nil, nil, context.Cause(ctx)
		}
	}
}

func (r *registry) broadcast() {
	close(r.changed)
	r.changed = make(chan struct{})
}

// ready reports whether any model has been loaded, and otherwise why not.
func (r *registry) ready() (ok bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.slots {
		if s.state == loaded || s.known {
			return true, nil
		}
		if s.state == failed {
			err = s.err
		}
	}
	return false, err
}

func (r *registry) status() []status {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]status, len(r.slots))
	for i, s := range r.slots {
		list[i] = s.status
	}
	return list
}

// schedulers calls f with the schedulers of the loaded models.
func (r *registry) schedulers(f func(name string, s *scheduler)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.slots {
		if s.state == loaded {
			f(s.spec.Name, s.instance.scheduler)
		}
	}
}

// close unloads all models once they are no longer used.
func (r *registry) close() {
	r.mu.Lock()
	r.closed = true
	r.broadcast()
	var busy []*slot
	for _, s := range r.slots {
		for s.state == loading || s.state == unloading {
			changed := r.changed
			r.mu.Unlock()
			<-changed
			r.mu.Lock()
		}
		if s.state == loaded {
			s.state = unloading
			busy = append(busy, s)
		}
	}
	r.mu.Unlock()
	for _, s := range busy {
		r.unload(s, s.instance) // nothing else changes it in this state
	}
}
