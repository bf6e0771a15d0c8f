package server

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/winnow-rerank/winnow/internal/nearest"
)

// Options says what a server serves and what it lets clients do. Zero values
// are replaced by the defaults that are named here.
type Options struct {
	// Models are what is served; the first is the default one.
	Models []ModelSpec
	// ModelsMax is how many of them may be loaded at a time; 0 means all.
	ModelsMax int

	// BatchTokens bounds the tokens that are scored together: the smaller, the
	// sooner short requests are answered beside long ones; the default is 256
	// for each thread of the model. A single longer pair goes alone.
	BatchTokens int
	// QueueTokens bounds the tokens of all requests under way (4 Mi): beyond
	// it new ones are refused with 429.
	QueueTokens int
	// MaxBody bounds the bytes of a request (32 MiB), MaxDocuments the texts of
	// its list (10,000).
	MaxBody      int64
	MaxDocuments int
	// CacheSize is how many scores are kept; 0 means none.
	CacheSize int
	// Timeout bounds the time of a request (1 hour). Clients may ask for less
	// with the header X-Request-Timeout.
	Timeout time.Duration
	// BodyTimeout bounds the time in which a request's body is to come (2 minutes),
	// WriteTimeout that in which a client is to read 64 KiB of a reply, or an event of
	// one (30 seconds).
	BodyTimeout, WriteTimeout time.Duration
	// Grace is how long Serve waits, when it is to stop, for the requests that it has
	// (30 seconds). Then they are given up.
	Grace time.Duration

	// EveryToken has llama.cpp's routes of embedding give the states of every token, as its
	// --pooling none does.
	EveryToken bool

	// Sampling is what completions do where a request does not say; nil is
	// DefaultSampling.
	Sampling *Sampling

	// APIKeys are what clients must show one of, if there are any.
	APIKeys []string
	// Hosts are the names by which the server may be asked; without any, it may be by
	// all. It is for servers that only this machine can reach, which a page in a browser
	// here could reach too, under a name of its own.
	Hosts []string
	// CORS is what web pages from elsewhere may do; nothing by default.
	CORS CORS
	// Prefix is put before every path, for example "/api".
	Prefix string

	// Metrics, Slots and Pprof open /metrics, /slots and /debug/pprof.
	Metrics, Slots, Pprof bool
	// SlotCount is what /props and /slots tell llama.cpp's clients (1).
	SlotCount int

	// Page answers GET requests for paths that are no route: the page for
	// people. It needs no API key. Without it these are not found.
	Page http.Handler

	// Version and Commit are shown by /props and the metrics, Kernels too.
	Version, Commit, Kernels string

	// Log gets what happens; nil means nothing is said.
	Log *slog.Logger
	// Trace is where spans are sent; the zero value sends none.
	Trace TraceOptions
}

// Sampling says how completions choose their tokens; see winnow.CompleteOptions.
type Sampling struct {
	MaxTokens               int // -1: no bound but the context
	Temperature, TopP, MinP float64
	TopK                    int
	Seed                    int64 // -1: another for each request
	IgnoreEnd               bool
}

// DefaultSampling is what llama.cpp's server does.
func DefaultSampling() *Sampling {
	return &Sampling{MaxTokens: -1, Temperature: 0.8, TopK: 40, TopP: 0.95, MinP: 0.05, Seed: -1}
}

func (o *Options) setDefaults() {
	setDefault(&o.QueueTokens, 4<<20)
	setDefault(&o.MaxDocuments, 10000)
	setDefault(&o.SlotCount, 1)
	setDefault(&o.MaxBody, 32<<20)
	setDefault(&o.Timeout, time.Hour)
	setDefault(&o.BodyTimeout, 2*time.Minute)
	setDefault(&o.WriteTimeout, 30*time.Second)
	setDefault(&o.Grace, 30*time.Second)
	setDefault(&o.Version, "dev")
	if o.Sampling == nil {
		o.Sampling = DefaultSampling()
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
}

// setDefault replaces a value that is not above zero.
func setDefault[T cmp.Ordered](v *T, otherwise T) {
	var zero T
	if *v <= zero {
		*v = otherwise
	}
}

// A Server is an http.Handler. Until Start has loaded a model it answers 503.
type Server struct {
	options  Options
	registry *registry
	cache    *scoreCache
	metrics  *metrics
	tracer   *tracer
	keys     keySet
	handler  http.Handler
	large    chan struct{} // holds one while a large body is taken apart
	started  time.Time
	stopping atomic.Bool
}

// New makes a server. Nothing is loaded before Start.
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

// Start loads the models, as many as may be loaded at a time. It fails if none
// could be; of others that fail the log tells.
func (s *Server) Start(ctx context.Context) error { return s.registry.start(ctx) }

// Reload loads the models that are loaded once more, for files that have changed.
// Requests go on meanwhile, with what was loaded before.
func (s *Server) Reload(ctx context.Context) { s.registry.reload(ctx) }

// Close unloads the models and sends what is left of the traces. The requests
// under way must have ended.
func (s *Server) Close() {
	s.registry.close()
	s.tracer.close()
}

// ServeHTTP answers a request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Serve answers on the listeners, over TLS if config is not nil, and loads the
// models meanwhile. When ctx is done it takes no more requests, answers those
// that it has, as far as Grace allows, and returns nil.
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

// A handler answers a request or returns the error to answer with.
type handler func(w http.ResponseWriter, r *http.Request) error

// A route is a path with what it answers by method.
type route struct {
	path string
	get  handler
	post handler
	// open routes need no API key, early ones no model.
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
		if r.path == "/" { // which is a pattern for all paths
			root = s.endpoint(r)
			continue
		}
		mux.Handle(r.path, s.endpoint(r))
		known = append(known, r.path)
	}
	if s.options.Pprof {
		s.mountPprof(mux)
	}
	mux.Handle("/", s.elsewhere(root, known))
	h := withoutSlash(mux)
	if s.options.Prefix != "" {
		h = under(s.options.Prefix, h)
	}
	return s.frame(h)
}

// withoutSlash serves a route by its path with a slash behind it, too.
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

// under serves the paths that begin with prefix, which is left out.
func under(prefix string, h http.Handler) http.Handler {
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

// endpoint checks what all routes have in common, then calls the route's own.
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

// elsewhere answers for all paths that are no route.
func (s *Server) elsewhere(root http.Handler, known []string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" && r.Method == http.MethodPost {
			root.ServeHTTP(w, r)
			return
		}
		note := noteOf(r.Context())
		note.route, note.meant = "other", meant(r.URL.Path, known)
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

// meant is the known path that one that does not exist was perhaps to be, or "": the
// nearest, or the longest that it ends in.
func meant(path string, known []string) string {
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

// NotFound answers as for a path that does not exist; a Page handler may use it.
func NotFound(w http.ResponseWriter, r *http.Request) {
	message := "File Not Found"
	if best := noteOf(r.Context()).meant; best != "" {
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

// errLoading is for requests that come before a model is there; failure is why
// there may never be one.
func errLoading(failure error) *apiError {
	if failure != nil {
		return unavailable(retryAfter, "no model could be loaded: %v", failure)
	}
	return unavailable(time.Second, "Loading model")
}
