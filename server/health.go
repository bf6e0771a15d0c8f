package server

import (
	"net/http"
	"time"
)

// health answers GET /health: whether requests can be answered.
func (s *Server) health(w http.ResponseWriter, r *http.Request) error {
	if err := s.readiness(); err != nil {
		return err
	}
	return s.live(w, r)
}

// live answers GET /livez: whether the server runs at all, loading or stopping too.
func (s *Server) live(w http.ResponseWriter, _ *http.Request) error {
	writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
	return nil
}

// readiness is why no requests can be answered, if so.
func (s *Server) readiness() error {
	if s.stopping.Load() {
		return unavailable(time.Second, "the server is stopping")
	}
	if ok, err := s.registry.ready(); !ok {
		return errLoading(err)
	}
	return nil
}
