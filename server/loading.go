package server

import (
	"context"
	"runtime/debug"
	"strings"
	"time"
)

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
			if s.instance.users == 0 && (oldest == nil || s.used < oldest.used) {
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
		r.fail(s, err)
		r.log.Error("model failed to load", "model", s.spec.Name, "error", err)
		return
	}
	r.put(s, m)
	r.log.Info("model loaded", "model", s.spec.Name, "path", s.info.Path, "architecture", s.info.Architecture,
		"precision", string(s.info.Precision), "max_length", s.info.MaxLength, "threads", s.info.Threads,
		"seconds", time.Since(start).Seconds())
	if unread := s.info.UnreadSettings; len(unread) > 0 {
		r.log.Warn("settings of the model are not read, and may change its scores", "model", s.spec.Name, "settings", strings.Join(unread, ", "))
	}
}

// put makes m the slot's model.
func (r *registry) put(s *slot, m Model) {
	r.clock++
	i := &instance{name: s.spec.Name, model: m, info: m.Info(), serial: r.clock}
	i.scheduler = r.prepare(s.spec.Name, m, func(err error) { r.broke(s, i, err) })
	s.state, s.instance, s.info, s.known, s.err, s.loadedAt = loaded, i, i.info, true, nil, time.Now()
}

func (r *registry) fail(s *slot, err error) {
	s.state, s.instance, s.err, s.failedAt = failed, nil, err, time.Now()
}

// retryAfter is how long a model that failed to load is left alone.
const retryAfter = 10 * time.Second

// broke takes an instance that cannot compute any more out of its slot. The model is
// loaded again when it is asked for and retryAfter has passed.
func (r *registry) broke(s *slot, i *instance, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.instance != i {
		return
	}
	r.log.Error("model is broken", "model", s.spec.Name, "error", err)
	r.fail(s, err)
	r.retire(i)
	r.broadcast()
}

// reload loads the models that are loaded once more, and lets requests have the new ones
// as each is there. One that cannot be loaded stays as it was. One that has failed is
// loaded when it is next asked for.
func (r *registry) reload(ctx context.Context) {
	for _, s := range r.slots {
		r.mu.Lock()
		before := s.instance
		is := s.state == loaded && !r.closed
		if s.state == failed {
			s.failedAt = time.Time{}
		}
		r.mu.Unlock()
		if !is {
			continue
		}
		m, err := s.spec.Load(ctx)
		if err != nil {
			r.log.Error("model failed to load again", "model", s.spec.Name, "error", err)
			continue
		}
		r.mu.Lock()
		if r.closed || s.instance != before { // it was unloaded meanwhile
			r.mu.Unlock()
			_ = m.Close()
			continue
		}
		r.put(s, m)
		r.retire(before)
		r.broadcast()
		r.mu.Unlock()
		r.log.Info("model loaded again", "model", s.spec.Name)
	}
}

// unload closes the model of a slot whose state is unloading.
func (r *registry) unload(s *slot) {
	r.end(s.instance)
	r.mu.Lock()
	defer r.mu.Unlock()
	s.state, s.instance = unloaded, nil
	r.log.Info("model unloaded", "model", s.spec.Name)
	r.broadcast()
}

// retire closes an instance that is no longer its slot's when nobody uses it.
func (r *registry) retire(i *instance) {
	if i.retired = true; i.users == 0 {
		go r.end(i)
	}
}

// end closes an instance that nobody uses.
func (r *registry) end(i *instance) {
	i.scheduler.close()
	if err := i.model.Close(); err != nil {
		r.log.Warn("model did not close", "error", err)
	}
	// An idle server would keep the weights until it collects garbage by itself.
	debug.FreeOSMemory()
}

func (r *registry) release(i *instance) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if i.users--; i.users > 0 {
		return
	}
	if i.retired {
		go r.end(i)
	}
	r.broadcast()
}
