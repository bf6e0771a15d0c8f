package server

import (
	"cmp"
	"net/http"
	"time"
)

// The routes of Ollama that its clients use to embed and to list models.

// ollamaEmbed is the dialect of /api/embed.
var ollamaEmbed = &embedDialect{
	input: []string{"input"},
	reply: func(a *embedded, _ http.Header) any {
		return map[string]any{"model": cmp.Or(a.asked, a.name), "embeddings": a.vectors, "total_duration": time.Since(a.start).Nanoseconds(),
			"load_duration": 0, "prompt_eval_count": a.tokens}
	},
	fail: writeBareError,
}

// ollamaEmbedding is the dialect of the older /api/embeddings, which takes one text.
var ollamaEmbedding = &embedDialect{
	input: []string{"prompt"},
	reply: func(a *embedded, _ http.Header) any { return map[string]any{"embedding": a.vectors[0]} },
	fail:  writeBareError,
}

// writeBareError writes an error in the form of Ollama and of Weaviate's containers.
func writeBareError(w http.ResponseWriter, e *apiError) {
	errorHeader(w, e)
	writeJSON(w, e.Status, map[string]string{"error": e.Message})
}

type ollamaModel struct {
	Name       string       `json:"name"`
	Model      string       `json:"model"`
	ModifiedAt string       `json:"modified_at"`
	Size       int64        `json:"size"`
	Digest     string       `json:"digest"`
	Details    modelDetails `json:"details"`
}

// tags answers GET /api/tags.
func (s *Server) tags(w http.ResponseWriter, _ *http.Request) error {
	list := []ollamaModel{}
	for _, m := range s.registry.status() {
		list = append(list, ollamaModel{Name: m.spec.Name, Model: m.spec.Name, ModifiedAt: m.loadedAt.UTC().Format(time.RFC3339), Size: m.info.FileBytes,
			Details: m.details()})
	}
	writeJSON(w, http.StatusOK, map[string]any{"models": list})
	return nil
}

// version answers GET /api/version.
func (s *Server) version(w http.ResponseWriter, _ *http.Request) error {
	writeJSON(w, http.StatusOK, map[string]string{"version": s.options.Version})
	return nil
}
