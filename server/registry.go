package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"
)

// A ModelSpec is a model that the server offers.
type ModelSpec struct {
	Name    string   // its id
	Aliases []string // further names
	Tags    []string // shown in the list of models, of no effect
	Path    string   // shown by /props
	// Load loads it. It is called again after the model was unloaded.
	Load func(ctx context.Context) (Model, error)
}

// A registry loads models when they are asked for, each once, and unloads the
// one that was used least recently when there are too many.
type registry struct {
	slots   []*slot
	max     int // models that may be loaded at a time; 0 means all
	log     *slog.Logger
	prepare func(name string, m Model) *scheduler

	mu      sync.Mutex
	changed chan struct{} // closed and made anew when a slot changes
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

// A slot is a model that is loaded or not.
type slot struct {
	spec ModelSpec

	// The rest is under registry.mu.
	state     slotState
	model     Model
	info      Info // of the last time that it was loaded
	known     bool // info is set
	scheduler *scheduler
	users     int
	used      uint64 // when, on the registry's clock
	err       error
	failedAt  time.Time
	loadedAt  time.Time
}

// retryAfter is how long a model that failed to load is left alone.
const retryAfter = 10 * time.Second

func newRegistry(specs []ModelSpec, most int, log *slog.Logger, prepare func(name string, m Model) *scheduler) (*registry, error) {
	r := &registry{max: most, log: log, prepare: prepare, changed: make(chan struct{})}
	seen := make(map[string]bool)
	for _, spec := range specs {
		for _, name := range append([]string{spec.Name}, spec.Aliases...) {
			if name == "" {
				return nil, errors.New("a model has an empty name")
			}
			if seen[name] {
				return nil, fmt.Errorf("two models are called %q", name)
			}
		}
		for _, name := range append([]string{spec.Name}, spec.Aliases...) {
			seen[name] = true
		}
		r.slots = append(r.slots, &slot{spec: spec})
	}
	if len(r.slots) == 0 {
		return nil, errors.New("no model")
	}
	return r, nil
}

// start loads what may be loaded at once, one after the other, and fails if
// none could be.
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

// find is the slot of that name. "" and "default" mean the first one. A server
// of one model answers to every name, as llama.cpp's does: clients made for a
// service send that service's.
func (r *registry) find(name string) (*slot, error) {
	for _, s := range r.slots {
		if s.spec.Name == name || slices.Contains(s.spec.Aliases, name) {
			return s, nil
		}
	}
	if name == "" || name == "default" || len(r.slots) == 1 {
		return r.slots[0], nil
	}
	var names []string
	for _, s := range r.slots {
		names = append(names, s.spec.Name)
	}
	return nil, &apiError{Status: http.StatusNotFound, Type: typeNotFound,
		Message: fmt.Sprintf("model %q is not here: expected one of %s", name, strings.Join(names, ", "))}
}

// open is the slot's model, loaded if need be, for use until release.
func (r *registry) open(ctx context.Context, s *slot) (v view, release func(), err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		if r.closed {
			return view{}, nil, errStopping()
		}
		if s.state == loaded {
			s.users++
			r.clock++
			s.used = r.clock
			return view{s.spec.Name, s.model, s.info, s.scheduler}, sync.OnceFunc(func() { r.release(s) }), nil
		}
		if s.state == failed && time.Since(s.failedAt) < retryAfter {
			return view{}, nil, unavailable(retryAfter, "model %q could not be loaded: %v", s.spec.Name, s.err)
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
			return view{}, nil, context.Cause(ctx)
		}
	}
}

// A view is a loaded model as a request uses it.
type view struct {
	name      string
	model     Model
	info      Info
	scheduler *scheduler
}

func (r *registry) release(s *slot) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s.users--
	if s.users == 0 {
		r.broadcast()
	}
}

func (r *registry) broadcast() {
	close(r.changed)
	r.changed = make(chan struct{})
}

// makeRoom says whether one more model may be loaded. If not, it starts to
// unload the idle one that was used least recently.
func (r *registry) makeRoom() bool {
	if r.max <= 0 {
		return true
	}
	n := 0
	var oldest *slot
	for _, s := range r.slots {
		switch s.state {
		case loading, unloading:
			n++
		case loaded:
			n++
			if s.users == 0 && (oldest == nil || s.used < oldest.used) {
				oldest = s
			}
		}
	}
	if n < r.max {
		return true
	}
	if oldest != nil {
		oldest.state = unloading
		go r.unload(oldest)
	}
	return false
}

// load is not tied to the request that caused it: others may wait for it too.
func (r *registry) load(s *slot) {
	start := time.Now()
	m, err := s.spec.Load(context.Background())
	// What loading leaves behind, some 20 MB with a large vocabulary, would stay.
	defer func() { go debug.FreeOSMemory() }()
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.broadcast()
	if err != nil {
		s.state, s.err, s.failedAt = failed, err, time.Now()
		r.log.Error("model failed to load", "model", s.spec.Name, "error", err)
		return
	}
	s.state, s.model, s.info, s.known, s.err = loaded, m, m.Info(), true, nil
	s.scheduler = r.prepare(s.spec.Name, m)
	s.loadedAt = time.Now()
	r.log.Info("model loaded", "model", s.spec.Name, "path", s.info.Path, "architecture", s.info.Architecture,
		"precision", s.info.Precision, "max_length", s.info.MaxLength, "threads", s.info.Threads,
		"seconds", time.Since(start).Seconds())
}

func (r *registry) unload(s *slot) {
	s.scheduler.close()
	err := s.model.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	s.state, s.model, s.scheduler = unloaded, nil, nil
	// An idle server would keep the weights until it collects garbage by itself.
	go debug.FreeOSMemory()
	r.log.Info("model unloaded", "model", s.spec.Name)
	if err != nil {
		r.log.Warn("model did not close", "model", s.spec.Name, "error", err)
	}
	r.broadcast()
}

// ready says whether the first models have been loaded, or why not.
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

// A status is what is known of a slot at one moment.
type status struct {
	spec     ModelSpec
	state    slotState
	info     Info
	known    bool
	loadedAt time.Time
	err      error
}

func (r *registry) status() []status {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]status, len(r.slots))
	for i, s := range r.slots {
		list[i] = status{s.spec, s.state, s.info, s.known, s.loadedAt, s.err}
	}
	return list
}

// schedulers calls f with those of the loaded models.
func (r *registry) schedulers(f func(name string, s *scheduler)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.slots {
		if s.state == loaded {
			f(s.spec.Name, s.scheduler)
		}
	}
}

// close unloads everything, when nobody uses it any more.
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
		r.unload(s)
	}
}
