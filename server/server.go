package server

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// A Server is an http.Handler. Until Start has loaded a model it answers with status 503.
type Server struct {
	options  Options
	registry *registry
	cache    *scoreCache
	metrics  *metrics
	tracer   *tracer
	keys     keySet
	handler  http.Handler
	large    chan struct{} // holds one element while a large body is parsed
	started  time.Time
	stopping atomic.Bool
}

// New returns a server with the given options. Models are loaded by Start.
func New(o Options) (*Server, error) {
	o.setDefaults()
	s := &Server{options: o, cache: newScoreCache(o.CacheSize), keys: newKeySet(o.APIKeys), large: make(chan struct{}, 1), started: time.Now()}
	var err error
	s.registry, err = newRegistry(o.Models, o.ModelsMax, o.Log, func(name string, m Model, broken func(error)) *scheduler {
		most := s.batchTokens(m.Info().Threads)
		c := newScheduler(m, most, int64(o.QueueTokens), s.metrics.batch(name, most))
		c.broken, c.log = broken, o.Log
		return c
	})
	if err != nil {
		return nil, err
	}
	s.metrics = newMetrics(s)
	s.tracer = newTracer(o.Trace, o.Log)
	s.handler = s.routes()
	return s, nil
}

func (s *Server) batchTokens(threads int) int {
	if s.options.BatchTokens > 0 {
		return s.options.BatchTokens
	}
	return 256 * max(1, threads)
}

// Start loads the models, as many as may be loaded at a time. It fails if all fail; other
// failures are logged.
func (s *Server) Start(ctx context.Context) error { return s.registry.start(ctx) }

// Reload loads the loaded models again, after their files have changed. Meanwhile
// requests use the previous ones.
func (s *Server) Reload(ctx context.Context) { s.registry.reload(ctx) }

// Close unloads the models and sends the remaining traces. All requests must have ended.
func (s *Server) Close() {
	s.registry.close()
	s.tracer.close()
}

// ServeHTTP answers a request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Serve answers on the listeners, over TLS if config is not nil, while it loads the
// models. When ctx is done it accepts no more requests, answers those under way within
// Grace, and returns nil.
func (s *Server) Serve(ctx context.Context, config *tls.Config, listeners ...net.Listener) error {
	requests, giveUp := context.WithCancelCause(context.Background())
	defer giveUp(nil)
	h := &http.Server{
		Handler:           s,
		BaseContext:       func(net.Listener) context.Context { return requests },
		ReadHeaderTimeout: 10 * time.Second,
		WriteTimeout:      s.options.Timeout + time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(s.options.Log.Handler(), slog.LevelDebug),
		TLSConfig:         config,
	}
	failed := make(chan error, len(listeners)+1)
	for _, l := range listeners {
		go func() {
			var err error
			if config != nil {
				err = h.ServeTLS(l, "", "")
			} else {
				err = h.Serve(l)
			}
			if !errors.Is(err, http.ErrServerClosed) {
				failed <- err
			}
		}()
	}
	go func() {
		if err := s.Start(ctx); err != nil && ctx.Err() == nil {
			failed <- err
		}
	}()
	var err error
	select {
	case err = <-failed:
	case <-ctx.Done():
	}
	s.stopping.Store(true)
	end, cancel := context.WithTimeout(context.Background(), s.options.Grace)
	defer cancel()
	if h.Shutdown(end) != nil {
		giveUp(errStopping())
		last, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if h.Shutdown(last) != nil {
			_ = h.Close()
		}
	}
	s.Close()
	return err
}
