package server

import (
	"context"
	"runtime/debug"
	"strings"
	"time"
)

// makeRoom reports whether one more model may be loaded. If not, it starts to unload the
// least recently used idle one.
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
		go r.unload(oldest, oldest.instance)
	}
	return false
}

// load loads a slot's model. It is independent of the request that caused it, since
// others may wait for it too.
func (r *registry) load(s *slot) {
	start := time.Now()
	m, err := s.spec.Load(context.Background())
	// Garbage from loading, some 20 MB with a large vocabulary, would otherwise stay.
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
		r.log.Warn("the model has settings that winnow ignores and that may affect its scores", "model", s.spec.Name, "settings", strings.Join(unread, ", "))
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

// retryAfter is the time during which a model that failed to load is not tried again.
const retryAfter = 10 * time.Second

// broke removes from its slot an instance that can no longer compute. The model is loaded
// again on the first request after retryAfter.
func (r *registry) broke(s *slot, i *instance, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.state != loaded || s.instance != i {
		return
	}
	r.log.Error("model is broken", "model", s.spec.Name, "error", err)
	r.fail(s, err)
	r.retire(i)
	r.broadcast()
}

// reload loads the loaded models again and switches requests to each new one as soon as
// it is ready. A model that fails to load stays as it was. One that had failed before is
// loaded on the next request.
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
		if r.closed || s.state != loaded || s.instance != before { // it was unloaded meanwhile, or is being
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

// unload closes i, the instance of a slot in state unloading.
func (r *registry) unload(s *slot, i *instance) {
	r.end(i)
	r.mu.Lock()
	defer r.mu.Unlock()
	s.state, s.instance = unloaded, nil
	r.log.Info("model unloaded", "model", s.spec.Name)
	r.broadcast()
}

// retire closes an instance that has left its slot, as soon as nobody uses it.
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
	// An idle server would keep the weights until its next garbage collection.
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
