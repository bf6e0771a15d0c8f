package server

import (
	_ "embed"
	"net/http"
)

// openAPIDocument describes the routes (OpenAPI 3.1).
//
//go:embed openapi.json
var openAPIDocument []byte

// openAPI answers GET /openapi.json.
func (s *Server) openAPI(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_, _ = w.Write(openAPIDocument)
	return nil
}
