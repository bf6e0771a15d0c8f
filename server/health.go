package server

import (
	"net/http"
	"time"
)

// health answers GET /health: 200 if requests can be answered.
func (s *Server) health(w http.ResponseWriter, r *http.Request) error {
	if err := s.readiness(); err != nil {
		return err
	}
	return s.live(w, r)
}

// live answers GET /livez: 200 if the server runs at all, even while loading or stopping.
func (s *Server) live(w http.ResponseWriter, _ *http.Request) error {
	writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
	return nil
}

// readiness returns the reason why requests cannot be answered, or nil.
func (s *Server) readiness() error {
	if s.stopping.Load() {
		return unavailable(time.Second, "the server is stopping")
	}
	if ok, err := s.registry.ready(); !ok {
		return errLoading(err)
	}
	return nil
}
