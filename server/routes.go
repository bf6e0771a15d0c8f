package server

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/winnow-rerank/winnow/internal/nearest"
)

// A handler answers a request, or returns the error to answer with.
type handler func(w http.ResponseWriter, r *http.Request) error

// A route is a path with its handlers by method.
type route struct {
	path string
	get  handler
	post handler
	// open routes require no API key, early ones no loaded model.
	open, early bool
}

func (s *Server) table() []route {
	routes := []route{
		{path: "/health", get: s.health, open: true, early: true},
		{path: "/v1/health", get: s.health, open: true, early: true},
		{path: "/readyz", get: s.health, open: true, early: true},
		{path: "/livez", get: s.live, open: true, early: true},
		{path: "/.well-known/ready", get: s.wellKnown, open: true, early: true},
		{path: "/.well-known/live", get: s.wellKnown, open: true, early: true},
		{path: "/meta", get: s.meta, open: true},
		{path: "/api/tags", get: s.tags},
		{path: "/api/version", get: s.version, early: true},
		{path: "/openapi.json", get: s.openAPI, early: true},
		{path: "/v1/models", get: s.models},
		{path: "/models", get: s.models},
		{path: "/v1/models/{id...}", get: s.model},
		{path: "/props", get: s.props, post: s.setProps},
		{path: "/slots", get: s.slots},
		{path: "/info", get: s.info},
		{path: "/metrics", get: s.metricsPage, early: true},
		{path: "/tokenize", post: s.tokenize},
		{path: "/detokenize", post: s.detokenize},
	}
	for _, r := range []struct {
		post  handler
		paths []string
	}{
		{s.reranking(tei, mixedbread, weaviate, voyage, jina), []string{"/v1/rerank", "/rerank", "/v1/reranking", "/reranking"}},
		{s.reranking(jina), []string{"/api/rerank", "/compatible-api/v1/reranks"}},
		{s.reranking(nim), []string{"/v1/ranking", "/v1/retrieval/{vendor}/reranking", "/v1/retrieval/{vendor}/{model}/reranking"}},
		{s.reranking(dashscope), []string{"/api/v1/services/rerank/text-rerank/text-rerank"}},
		{s.reranking(teiPredict), []string{"/predict"}},
		{s.reranking(vllm, cohere), []string{"/v2/rerank"}},
		{s.reranking(vllmScore), []string{"/v1/score", "/score"}},
		{s.reranking(isaacus, mixedbread, voyage, jina), []string{"/v1/rerankings"}},
		{s.reranking(infinity), []string{"/infinity/rerank"}},
		{s.embedding(openAIEmbeddings), []string{"/v1/embeddings"}},
		{s.embedding(llamaEmbeddings), []string{"/embeddings", "/embedding"}},
		{s.embedding(teiEmbed), []string{"/embed"}},
		{s.embedding(teiSimilarity), []string{"/similarity"}},
		{s.embedding(teiEmbedAll), []string{"/embed_all"}},
		{s.embedSparse, []string{"/embed_sparse"}},
		{s.root(), []string{"/"}},
		{s.embedding(cohereEmbed1), []string{"/v1/embed"}},
		{s.embedding(cohereEmbed2), []string{"/v2/embed"}},
		{s.embedding(ollamaEmbed), []string{"/api/embed"}},
		{s.embedding(ollamaEmbedding), []string{"/api/embeddings"}},
		{s.completion(llamaCompletions), []string{"/completion", "/completions"}},
		{s.completion(openAICompletions), []string{"/v1/completions"}},
		{s.completion(chatCompletions), []string{"/v1/chat/completions", "/chat/completions"}},
		{s.applyTemplate, []string{"/apply-template"}},
	} {
		for _, path := range r.paths {
			routes = append(routes, route{path: path, post: r.post})
		}
	}
	return routes
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	var known []string
	var root http.Handler
	for _, r := range s.table() {
		if r.path == "/" { // as a pattern, "/" matches all paths
			root = s.endpoint(r)
			continue
		}
		mux.Handle(r.path, s.endpoint(r))
		known = append(known, r.path)
	}
	if s.options.Pprof {
		s.mountPprof(mux)
	}
	mux.Handle("/", s.fallback(root, known))
	h := withoutSlash(mux)
	if s.options.Prefix != "" {
		h = withPrefix(s.options.Prefix, h)
	}
	return s.frame(h)
}

// withoutSlash also serves routes whose path is followed by a slash.
func withoutSlash(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := strings.TrimRight(r.URL.Path, "/")
		if _, pattern := mux.Handler(r); pattern == "/" && path != r.URL.Path && path != "" {
			bare := r.Clone(r.Context())
			bare.URL.Path, bare.URL.RawPath = path, ""
			if _, pattern := mux.Handler(bare); pattern != "/" {
				r = bare
			}
		}
		mux.ServeHTTP(w, r)
	})
}

// withPrefix serves the paths below prefix, which it strips.
func withPrefix(prefix string, h http.Handler) http.Handler {
	inner := http.StripPrefix(prefix, h)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch rest, ok := strings.CutPrefix(r.URL.Path, prefix); {
		case ok && rest == "":
			http.Redirect(w, r, prefix+"/", http.StatusMovedPermanently)
		case ok && rest[0] == '/':
			inner.ServeHTTP(w, r)
		default:
			NotFound(w, r)
		}
	})
}

// endpoint performs the checks that all routes share, then calls the route's handler.
func (s *Server) endpoint(r route) http.Handler {
	var allowed []string
	if r.get != nil {
		allowed = append(allowed, http.MethodGet, http.MethodHead)
	}
	if r.post != nil {
		allowed = append(allowed, http.MethodPost)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		noteOf(q.Context()).route = r.path
		err := func() error {
			if !r.open && !s.keys.allow(q.Header) {
				return errKey()
			}
			h := r.post
			if q.Method != http.MethodPost {
				h = r.get
			}
			if !slices.Contains(allowed, q.Method) {
				return methodNotAllowed(w, q, allowed)
			}
			if !r.early {
				if ok, err := s.registry.ready(); !ok {
					return errLoading(err)
				}
			}
			return h(w, q)
		}()
		if err != nil {
			writeError(w, asAPIError(err))
		}
	})
}

// fallback answers paths that are not routes.
func (s *Server) fallback(root http.Handler, known []string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" && r.Method == http.MethodPost {
			root.ServeHTTP(w, r)
			return
		}
		note := noteOf(r.Context())
		note.route, note.suggestion = "other", suggest(r.URL.Path, known)
		if s.options.Page != nil && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
			note.route = "page"
			s.options.Page.ServeHTTP(w, r)
			return
		}
		if !s.keys.allow(r.Header) {
			writeError(w, errKey())
			return
		}
		NotFound(w, r)
	})
}

// suggest returns the known path that an unknown one probably stands for, or "": the
// nearest, or the longest that it ends with.
func suggest(path string, known []string) string {
	path = strings.TrimRight(path, "/")
	best := ""
	if len(path) <= 100 {
		best = nearest.Of(path, known, max(2, len(path)/5))
	}
	if best == "" {
		for _, k := range known {
			if len(k) > len(best) && strings.HasSuffix(path, k) {
				best = k
			}
		}
	}
	return best
}

// NotFound answers as for an unknown path; a Page handler may use it.
func NotFound(w http.ResponseWriter, r *http.Request) {
	message := "File Not Found"
	if best := noteOf(r.Context()).suggestion; best != "" {
		message += ": did you mean " + best + "?"
	}
	writeError(w, &apiError{Status: http.StatusNotFound, Type: typeNotFound, Message: message})
}

func methodNotAllowed(w http.ResponseWriter, r *http.Request, allowed []string) error {
	list := strings.Join(allowed, ", ")
	w.Header().Set("Allow", list)
	return &apiError{Status: http.StatusMethodNotAllowed, Type: typeInvalid, Message: "method " + r.Method + " is not allowed here: expected " + list}
}

func errKey() *apiError {
	return &apiError{Status: http.StatusUnauthorized, Type: typeAuthentication, Message: "Invalid API Key"}
}

// errLoading returns the error for requests that arrive before a model is loaded. failure
// is the reason why none may ever be, or nil.
func errLoading(failure error) *apiError {
	if failure != nil {
		return unavailable(retryAfter, "no model could be loaded: %v", failure)
	}
	return unavailable(time.Second, "Loading model")
}
