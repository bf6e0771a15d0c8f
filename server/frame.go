package server

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"net/url"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A note collects what the log, the metrics and the trace need to know about a request.
type note struct {
	id         string
	client     string
	route      string
	suggestion string // the route that an unknown path probably stands for, or ""
	model      string
	documents  int
	tokens     int
	span       *span
}

type noteKey struct{}

// noteOf returns the note of a request's context. Outside frame it returns a dummy.
func noteOf(ctx context.Context) *note {
	if n, ok := ctx.Value(noteKey{}).(*note); ok {
		return n
	}
	return new(note)
}

// A response records the reply and limits the time that a client may take to read it.
type response struct {
	http.ResponseWriter
	control *http.ResponseController
	timeout time.Duration // of each write
	unread  bool          // part of the request's body has not been read
	status  int
	err     *apiError
}

func (w *response) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
		if w.unread {
			// net/http would wait for the rest of the body before it reads the next
			// request.
			w.Header().Set("Connection", "close")
		}
	}
	w.ResponseWriter.WriteHeader(status)
}

// writePiece is the number of bytes that a client must read within timeout.
const writePiece = 64 << 10

func (w *response) Write(b []byte) (written int, err error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	for len(b) > 0 && err == nil {
		_ = w.control.SetWriteDeadline(time.Now().Add(w.timeout)) // writers without deadlines need none
		var n int
		n, err = w.ResponseWriter.Write(b[:min(len(b), writePiece)])
		written += n
		b = b[n:]
	}
	return written, err
}

// bodyRead records that the request's body has been read completely. Its deadline would
// otherwise keep running, and look as if the client had gone away.
func bodyRead(w http.ResponseWriter) {
	if r, ok := w.(*response); ok {
		r.unread = false
		_ = r.control.SetReadDeadline(time.Time{})
	}
}

// Unwrap lets http.ResponseController reach the underlying writer.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// noteError records the error that w is about to send.
func noteError(w http.ResponseWriter, e *apiError) {
	if r, ok := w.(*response); ok {
		r.err = e
	}
}

// frame wraps all handlers: request ids, headers, limits, metrics and the log.
func (s *Server) frame(next http.Handler) http.Handler {
	return http.HandlerFunc(func(writer http.ResponseWriter, r *http.Request) {
		start := time.Now()
		w := &response{ResponseWriter: writer, control: http.NewResponseController(writer), timeout: s.options.WriteTimeout, unread: r.ContentLength != 0}
		if w.unread {
			_ = w.control.SetReadDeadline(start.Add(s.options.BodyTimeout))
		}
		n := &note{id: requestID(r.Header), client: s.clientID(r), route: "other"}
		ctx := context.WithValue(r.Context(), noteKey{}, n)
		n.span = s.tracer.request(r)
		h := w.Header()
		h.Set("X-Request-Id", n.id)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("Cache-Control", "no-store")
		if n.span != nil {
			h.Set("Traceparent", n.span.header())
		}
		s.metrics.running.Inc()
		defer func() {
			p := recover()
			if p != nil && p != http.ErrAbortHandler {
				s.options.Log.Error("panic", "id", n.id, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
				if w.status == 0 {
					writeError(w, errInternal())
				}
			}
			s.metrics.running.Dec()
			s.finish(w, r, n, start)
			if p == http.ErrAbortHandler {
				panic(p) // net/http closes the connection, which tells the client that the reply is incomplete
			}
		}()
		if !s.allowedHost(r.Host) {
			writeError(w, &apiError{Status: http.StatusForbidden, Type: typeInvalid,
				Message: fmt.Sprintf("host %q is not allowed (--allowed-hosts)", hostOf(r.Host))})
			return
		}
		if s.cors(w, r) {
			return
		}
		limit, err := timeLimit(r.Header, s.options.Timeout)
		if err != nil {
			writeError(w, asAPIError(err))
			return
		}
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// finish counts and logs an answered request.
func (s *Server) finish(w *response, r *http.Request, n *note, start time.Time) {
	took := time.Since(start)
	status := w.status
	if status == 0 {
		status = http.StatusOK
	}
	s.metrics.request(n, status, w.err, took)
	n.span.set("http.request.method", r.Method)
	n.span.set("http.route", n.route)
	n.span.set("http.response.status_code", status)
	if n.model != "" {
		n.span.set("winnow.model", n.model)
		n.span.set("winnow.documents", n.documents)
		n.span.set("winnow.tokens", n.tokens)
	}
	n.span.finish(r.Method+" "+n.route, status >= 500)

	level := slog.LevelInfo
	switch {
	case status >= 500 && status != http.StatusNotImplemented && status != http.StatusServiceUnavailable:
		level = slog.LevelError
	case n.route == "/health" || n.route == "/v1/health" || n.route == "/metrics" || n.route == "page":
		level = slog.LevelDebug
	}
	attributes := []slog.Attr{slog.String("id", n.id), slog.String("method", r.Method), slog.String("path", r.URL.Path),
		slog.Int("status", status), slog.Float64("ms", float64(took.Microseconds())/1000)}
	if n.model != "" {
		attributes = append(attributes, slog.String("model", n.model), slog.Int("documents", n.documents), slog.Int("tokens", n.tokens))
	}
	if w.err != nil {
		attributes = append(attributes, slog.String("error", w.err.Message))
	}
	if n.span != nil {
		attributes = append(attributes, slog.String("trace", n.span.traceID()))
	}
	s.options.Log.LogAttrs(context.Background(), level, "request", attributes...)
}

// requestID returns the client's id of the request if it is harmless, or else a random
// one.
func requestID(h http.Header) string {
	id := h.Get("X-Request-Id")
	if id != "" && len(id) <= 64 && strings.Trim(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.") == "" {
		return id
	}
	var b [12]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// clientID identifies the client for the scheduler, by key or by address.
func (s *Server) clientID(r *http.Request) string {
	if len(s.keys) > 0 {
		if key := keyOf(r.Header); key != "" {
			sum := sha256.Sum256([]byte(key))
			return string(sum[:])
		}
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// timeLimit returns the time that the client requests, in seconds, up to most.
func timeLimit(h http.Header, most time.Duration) (time.Duration, error) {
	const name = "X-Request-Timeout"
	given := h.Get(name)
	if given == "" {
		return most, nil
	}
	seconds, err := strconv.ParseFloat(given, 64)
	if err != nil || !(seconds > 0) {
		return 0, invalid("header %s is %q: expected a number of seconds above 0", name, given)
	}
	if seconds >= most.Seconds() {
		return most, nil
	}
	return time.Duration(seconds * float64(time.Second)), nil
}

// A keySet holds the hashes of the API keys.
type keySet [][sha256.Size]byte

func newKeySet(keys []string) keySet {
	var set keySet
	for _, k := range keys {
		if k != "" {
			set = append(set, sha256.Sum256([]byte(k)))
		}
	}
	return set
}

// allow reports whether the request shows one of the keys, or none is required. Its
// running time reveals nothing about the keys.
func (k keySet) allow(h http.Header) bool {
	if len(k) == 0 {
		return true
	}
	shown := sha256.Sum256([]byte(keyOf(h)))
	found := 0
	for i := range k {
		found |= subtle.ConstantTimeCompare(shown[:], k[i][:])
	}
	return found == 1
}

// keyOf returns the key in a request: a bearer token, a bare Authorization header, or
// X-Api-Key.
func keyOf(h http.Header) string {
	key := h.Get("Authorization")
	if key == "" {
		return h.Get("X-Api-Key")
	}
	if len(key) > 7 && strings.EqualFold(key[:7], "Bearer ") {
		return strings.TrimSpace(key[7:])
	}
	return key
}

// allowedHost reports whether requests to this host are answered. Otherwise a page elsewhere
// whose name is made to resolve to this machine would be of the same origin (DNS
// rebinding).
func (s *Server) allowedHost(host string) bool {
	if host == "" || len(s.options.Hosts) == 0 || slices.Contains(s.options.Hosts, "*") {
		return true
	}
	name := strings.ToLower(hostOf(host))
	return slices.Contains(s.options.Hosts, name) || strings.HasSuffix(name, ".localhost") && slices.Contains(s.options.Hosts, "localhost")
}

// hostOf returns a host without its port.
func hostOf(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.Trim(host, "[]")
}

// CORS says what pages of other origins may do. The zero value allows nothing.
type CORS struct {
	// Origins are origins such as "https://example.org"; "*" stands for all, and
	// "localhost" for those of this machine.
	Origins     []string
	Methods     string // default: "GET, POST, OPTIONS"
	Headers     string // default: "*"
	Credentials bool
}

func (c *CORS) allows(origin string) bool {
	if slices.Contains(c.Origins, "*") || slices.Contains(c.Origins, origin) {
		return true
	}
	if !slices.Contains(c.Origins, "localhost") {
		return false
	}
	u, err := url.Parse(origin)
	return err == nil && (u.Hostname() == "localhost" || u.Hostname() == "127.0.0.1" || u.Hostname() == "::1")
}

// crossOrigin rejects requests that a browser sends for a page of another origin.
var crossOrigin = http.NewCrossOriginProtection()

// cors sets the headers for pages of other origins. It reports whether it has answered
// the request: preflights, and POST requests that such pages may not send. (A browser
// would hide the reply from them, but the work would be done.)
func (s *Server) cors(w http.ResponseWriter, r *http.Request) bool {
	c := &s.options.CORS
	origin := r.Header.Get("Origin")
	if origin == "" {
		return false
	}
	if len(c.Origins) == 0 || !c.allows(origin) {
		if r.Method == http.MethodOptions && len(c.Origins) > 0 {
			w.WriteHeader(http.StatusOK)
			return true
		}
		if err := crossOrigin.Check(r); err != nil && r.Method != http.MethodOptions {
			writeError(w, &apiError{Status: http.StatusForbidden, Type: typeInvalid,
				Message: fmt.Sprintf("cross-origin requests from %s are not allowed (--cors-origins)", origin)})
			return true
		}
		return false
	}
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", origin)
	h.Add("Vary", "Origin")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	h.Set("Access-Control-Expose-Headers", "X-Request-Id, Retry-After")
	if c.Credentials {
		h.Set("Access-Control-Allow-Credentials", "true")
	}
	if r.Method != http.MethodOptions {
		return false
	}
	methods, headers := c.Methods, c.Headers
	if methods == "" {
		methods = "GET, POST, OPTIONS"
	}
	if headers == "" {
		headers = "*"
		if asked := r.Header.Get("Access-Control-Request-Headers"); asked != "" && c.Credentials {
			headers = asked // a star has no effect with credentials
		}
	}
	h.Set("Access-Control-Allow-Methods", methods)
	h.Set("Access-Control-Allow-Headers", headers)
	w.WriteHeader(http.StatusOK)
	return true
}

func (s *Server) mountPprof(mux *http.ServeMux) {
	for path, h := range map[string]http.HandlerFunc{
		"/debug/pprof/":        pprof.Index,
		"/debug/pprof/cmdline": pprof.Cmdline,
		"/debug/pprof/profile": pprof.Profile,
		"/debug/pprof/symbol":  pprof.Symbol,
		"/debug/pprof/trace":   pprof.Trace,
	} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			noteOf(r.Context()).route = "/debug/pprof/"
			if !s.keys.allow(r.Header) {
				writeError(w, errKey())
				return
			}
			h(w, r)
		})
	}
}
