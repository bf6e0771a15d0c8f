package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/winnow-rerank/winnow/kernels"
	"github.com/winnow-rerank/winnow/server"
)

type serveCommand struct {
	Model     []string `short:"m" sep:"none" placeholder:"[ALIAS=]MODEL" help:"GGUF file, Hugging Face model directory, or hub id (default: the built-in model). Repeatable; the first is the default model."`
	Alias     []string `short:"a" placeholder:"NAME" help:"Names of the first model, comma-separated."`
	Tags      []string `placeholder:"TAG" help:"Tags of the first model, informational only, comma-separated."`
	ModelsDir string   `placeholder:"DIR" help:"Serve every model in DIR."`
	ModelsMax int      `placeholder:"N" help:"Maximum number of models loaded at the same time (0: no limit)."`
	HFRepo    string   `name:"hf-repo" placeholder:"REPO[:QUANT]" help:"Hugging Face model repository (also -hf)."`
	HFFile    string   `name:"hf-file" placeholder:"FILE" help:"File in the --hf-repo repository (also -hff)."`
	HFToken   string   `name:"hf-token" placeholder:"TOKEN" help:"Hugging Face access token (also HF_TOKEN)."`
	Offline   bool     `help:"Do not download anything."`

	Host      string `default:"127.0.0.1" help:"Addresses to listen on, comma-separated."`
	Port      int    `default:"8080" help:"Port to listen on (0: any free port)."`
	APIPrefix string `name:"api-prefix" placeholder:"PATH" help:"Path prefix of all routes."`
	Path      string `placeholder:"DIR" help:"Serve static files from DIR instead of the built-in page."`
	UI        bool   `name:"ui" default:"true" negatable:"" help:"Serve the web page at / (also --no-webui)."`

	Threads     int    `short:"t" placeholder:"N" help:"${threads}"`
	Precision   string `enum:"auto,f32,f16,int8,int8a16,int16a8" default:"auto" help:"Precision of matrix products: ${enum}."`
	MaxLength   int    `placeholder:"N" help:"Maximum tokens of a query and document together (0: the model's limit)."`
	CtxSize     int    `short:"c" placeholder:"N" help:"Same as --max-length; llama.cpp's name for it."`
	BatchSize   int    `short:"b" placeholder:"N" help:"Maximum tokens per batch."`
	UbatchSize  int    `name:"ubatch-size" placeholder:"N" help:"Same as --batch-size (also -ub); longer texts are still accepted."`
	BatchTokens int    `placeholder:"N" help:"Tokens each thread processes at a time (0: automatic)."`
	causalFlags `embed:""`
	Parallel    int    `default:"1" help:"Number of slots reported by /props and /slots (also -np)."`
	Rerank      bool   `help:"Enable reranking; always on (also --reranking)."`
	Embedding   bool   `help:"Enable embeddings; always on for models that support them (also --embeddings)."`
	Pooling     string `placeholder:"KIND" help:"Pooling of embedding models: mean, cls or last overrides the model's own; none returns a vector per token from /embeddings; rank has no effect."`

	ChatTemplate     string `placeholder:"JINJA" help:"Jinja chat template, overriding the model's own; llama.cpp's built-in template names have no effect."`
	ChatTemplateFile string `placeholder:"FILE" help:"Read the chat template from FILE."`

	APIKey      []string `name:"api-key" sep:"none" placeholder:"KEY" help:"API keys accepted from clients, comma-separated (also LLAMA_API_KEY)."`
	APIKeyFile  string   `name:"api-key-file" placeholder:"FILE" help:"File of API keys, one per line."`
	SSLKeyFile  string   `name:"ssl-key-file" placeholder:"FILE" help:"PEM-encoded TLS private key."`
	SSLCertFile string   `name:"ssl-cert-file" placeholder:"FILE" help:"PEM-encoded TLS certificate."`
	Timeout     int      `default:"3600" help:"Request timeout in seconds (also -to)."`
	Shutdown    int      `name:"shutdown-timeout" default:"30" help:"Seconds to wait for running requests on shutdown."`
	Hosts       []string `name:"allowed-hosts" placeholder:"HOST" help:"Host names accepted in requests; * allows all (default: local names when listening only on loopback addresses, otherwise all)."`
	CORSOrigins []string `name:"cors-origins" placeholder:"ORIGIN" help:"Origins allowed for cross-origin requests; * allows all, localhost any local origin."`
	CORSMethods string   `name:"cors-methods" placeholder:"METHODS" help:"Value of Access-Control-Allow-Methods."`
	CORSHeaders string   `name:"cors-headers" placeholder:"HEADERS" help:"Value of Access-Control-Allow-Headers."`
	CORSCookies bool     `name:"cors-credentials" negatable:"" help:"Allow credentials in cross-origin requests."`

	QueueTokens  int   `default:"4194304" help:"Maximum tokens of all pending requests; further ones get 429."`
	MaxBody      int64 `default:"33554432" help:"Maximum size of a request in bytes."`
	MaxDocuments int   `default:"10000" help:"Maximum documents per request."`
	CacheSize    int   `default:"10000" help:"Number of scores to cache for repeated pairs (0: no cache)."`

	NPredict  int     `name:"n-predict" default:"-1" help:"Default maximum tokens of a completion (-1: no limit; also -n)."`
	Temp      float64 `default:"0.8" help:"Default sampling temperature."`
	TopK      int     `name:"top-k" default:"40" help:"Default top-k: sample from the K most probable tokens (0: all)."`
	TopP      float64 `name:"top-p" default:"0.95" help:"Default top-p: cumulative probability of the tokens to sample from."`
	MinP      float64 `name:"min-p" default:"0.05" help:"Default min-p: minimum probability relative to the most probable token."`
	Seed      int64   `default:"-1" help:"Default sampling seed (-1: random for each request; also -s)."`
	IgnoreEOS bool    `name:"ignore-eos" help:"Ignore end-of-sequence tokens and continue generating."`

	Metrics    bool   `help:"Enable Prometheus metrics at /metrics."`
	Slots      bool   `negatable:"" help:"Enable /slots."`
	Pprof      bool   `help:"Enable /debug/pprof."`
	LogDisable bool   `help:"Disable logging."`
	LogFile    string `placeholder:"FILE" help:"Log to FILE."`
	LogJSONL   bool   `name:"log-jsonl" negatable:"" help:"Log as JSON lines."`
	Verbose    bool   `short:"v" help:"Log debug messages."`
	Verbosity  int    `default:"3" help:"Log level: 4 and above debug, 3 info, 2 warnings, 1 errors, 0 nothing (also -lv)."`

	idle []string // given flags without effect
}

func (c *serveCommand) Run(env *environment) error {
	if err := c.check(); err != nil {
		return err
	}
	log, closeLog, err := c.logger(env.stderr)
	if err != nil {
		return err
	}
	defer closeLog()
	if os.Getenv("GOGC") == "" {
		// The heap consists of long-lived weights. With the default, it would grow by as
		// much garbage before each collection.
		debug.SetGCPercent(20)
	}
	slices.Sort(c.idle)
	for _, name := range slices.Compact(c.idle) {
		log.Warn("flag has no effect", "flag", name)
	}
	options, err := c.options(env, log)
	if err != nil {
		return err
	}
	s, err := server.New(options)
	if err != nil {
		return usageError{err}
	}
	config, err := c.tls()
	if err != nil {
		return err
	}
	listeners, err := c.listen(log, config != nil)
	if err != nil {
		return err
	}
	// Do not end when the parent process stops reading the log.
	signal.Ignore(syscall.SIGPIPE)
	reload := make(chan os.Signal, 1)
	signal.Notify(reload, syscall.SIGHUP)
	defer signal.Stop(reload)
	go func() {
		for {
			select {
			case <-reload:
				s.Reload(env.ctx)
			case <-env.ctx.Done():
				return
			}
		}
	}()
	err = s.Serve(env.ctx, config, listeners...)
	if err == nil {
		log.Info("stopped")
	}
	return err
}

// listen opens the addresses of --host.
func (c *serveCommand) listen(log *slog.Logger, secure bool) ([]net.Listener, error) {
	scheme := "http"
	if secure {
		scheme = "https"
	}
	var listeners []net.Listener
	for host := range strings.SplitSeq(c.Host, ",") {
		l, err := net.Listen("tcp", net.JoinHostPort(bareHost(host), strconv.Itoa(c.Port)))
		if err != nil {
			for _, l := range listeners {
				_ = l.Close()
			}
			return nil, err
		}
		listeners = append(listeners, l)
		log.Info("listening", "url", scheme+"://"+l.Addr().String()+c.APIPrefix)
	}
	return listeners, nil
}

func (c *serveCommand) check() error {
	for _, n := range []struct {
		name      string
		value     int
		low, high int
	}{
		{"--port", c.Port, 0, 65535},
		{"--threads", c.Threads, -1, 1024},
		{"--max-length", c.MaxLength, 0, 1 << 30},
		{"--ctx-size", c.CtxSize, 0, 1 << 30},
		{"--batch-size", c.BatchSize, 0, 1 << 30},
		{"--ubatch-size", c.UbatchSize, 0, 1 << 30},
		{"--batch-tokens", c.BatchTokens, 0, 1 << 30},
		{"--parallel", c.Parallel, -1, 1 << 16},
		{"--timeout", c.Timeout, 1, 1 << 30},
		{"--shutdown-timeout", c.Shutdown, 0, 1 << 30},
		{"--models-max", c.ModelsMax, 0, 1 << 16},
		{"--queue-tokens", c.QueueTokens, 1, min(1<<40, math.MaxInt)},
		{"--max-documents", c.MaxDocuments, 1, 1 << 30},
		{"--cache-size", c.CacheSize, 0, 1 << 30},
	} {
		if n.value < n.low || n.value > n.high {
			return usagef("%s is %d: expected a number from %d to %d", n.name, n.value, n.low, n.high)
		}
	}
	for _, n := range []struct {
		name             string
		value, low, high float64
	}{
		{"--n-predict", float64(c.NPredict), -1, 1 << 30},
		{"--temp", c.Temp, 0, math.Inf(1)},
		{"--top-p", c.TopP, 0, 1},
		{"--min-p", c.MinP, 0, 1},
		{"--seed", float64(c.Seed), -1, 1 << 53},
	} {
		if !(n.value >= n.low && n.value <= n.high) {
			return usagef("%s is %v: expected a number from %v to %v", n.name, n.value, n.low, n.high)
		}
	}
	if c.MaxBody < 1 {
		return usagef("--max-body is %d: expected a number of at least 1", c.MaxBody)
	}
	if c.Pooling != "" && !slices.Contains([]string{"none", "mean", "cls", "last", "rank"}, c.Pooling) {
		return usagef("--pooling is %q: expected none, mean, cls, last or rank", c.Pooling)
	}
	if (c.SSLKeyFile == "") != (c.SSLCertFile == "") {
		return usagef("--ssl-key-file and --ssl-cert-file must be given together")
	}
	if c.APIPrefix != "" && (c.APIPrefix[0] != '/' || strings.HasSuffix(c.APIPrefix, "/")) {
		return usagef("--api-prefix is %q: expected a path such as /api", c.APIPrefix)
	}
	// In llama.cpp, -1 leaves the choice to the program.
	c.Threads = max(c.Threads, 0)
	c.Parallel = max(c.Parallel, 1)
	return nil
}

// logger returns the log configured by the flags; done closes it.
func (c *serveCommand) logger(stderr io.Writer) (log *slog.Logger, done func(), err error) {
	done = func() {}
	if c.LogDisable || c.Verbosity <= 0 && !c.Verbose {
		return slog.New(slog.DiscardHandler), done, nil
	}
	out := stderr
	if c.LogFile != "" {
		f, err := os.OpenFile(c.LogFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return nil, nil, err
		}
		out, done = f, func() { _ = f.Close() }
	}
	level := slog.LevelInfo
	switch {
	case c.Verbose || c.Verbosity >= 4:
		level = slog.LevelDebug
	case c.Verbosity == 1:
		level = slog.LevelError
	case c.Verbosity == 2:
		level = slog.LevelWarn
	}
	options := &slog.HandlerOptions{Level: level}
	if c.LogJSONL {
		return slog.New(slog.NewJSONHandler(out, options)), done, nil
	}
	return slog.New(slog.NewTextHandler(out, options)), done, nil
}

func (c *serveCommand) options(env *environment, log *slog.Logger) (server.Options, error) {
	specs, err := c.specs(env, log)
	if err != nil {
		return server.Options{}, err
	}
	keys, err := c.keys()
	if err != nil {
		return server.Options{}, err
	}
	trace, err := server.TraceFromEnv(env.getenv)
	if err != nil {
		return server.Options{}, usageError{err}
	}
	version, commit := build()
	trace.Version = version
	batch := c.BatchSize
	if c.UbatchSize > 0 && (batch == 0 || c.UbatchSize < batch) {
		batch = c.UbatchSize
	}
	o := server.Options{
		Models: specs, ModelsMax: c.ModelsMax,
		BatchTokens: batch, QueueTokens: c.QueueTokens, MaxBody: c.MaxBody, MaxDocuments: c.MaxDocuments,
		CacheSize: c.CacheSize, Timeout: time.Duration(c.Timeout) * time.Second, Grace: max(time.Duration(c.Shutdown)*time.Second, 1),
		EveryToken: c.Pooling == "none", APIKeys: keys, Prefix: c.APIPrefix, Hosts: c.Hosts,
		CORS:     server.CORS{Origins: c.CORSOrigins, Methods: c.CORSMethods, Headers: c.CORSHeaders, Credentials: c.CORSCookies},
		Sampling: &server.Sampling{MaxTokens: c.NPredict, Temperature: c.Temp, TopK: c.TopK, TopP: c.TopP, MinP: c.MinP, Seed: c.Seed, IgnoreEnd: c.IgnoreEOS},
		Metrics:  c.Metrics, Slots: c.Slots, Pprof: c.Pprof, SlotCount: c.Parallel,
		Version: version, Commit: commit, Kernels: kernels.Rung(), Log: log, Trace: trace,
	}
	if loopback := !slices.ContainsFunc(strings.Split(c.Host, ","), func(host string) bool { return !isLoopback(host) }); !loopback {
		if len(keys) == 0 {
			log.Warn("anyone who can reach this machine can use the server: --api-key is not set", "host", c.Host)
		}
	} else if len(o.Hosts) == 0 {
		o.Hosts = []string{"localhost", "127.0.0.1", "::1"}
		for host := range strings.SplitSeq(c.Host, ",") {
			o.Hosts = append(o.Hosts, strings.ToLower(bareHost(host)))
		}
	}
	if c.UI {
		if o.Page, err = c.page(); err != nil {
			return server.Options{}, err
		}
	}
	return o, nil
}

// bareHost returns an element of --host without white space and brackets.
func bareHost(host string) string { return strings.Trim(strings.TrimSpace(host), "[]") }

func isLoopback(host string) bool {
	host = bareHost(host)
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}

// page returns the handler of the page, or of the files in --path.
func (c *serveCommand) page() (http.Handler, error) {
	if c.Path == "" {
		return server.Page(), nil
	}
	if info, err := os.Stat(c.Path); err != nil {
		return nil, err
	} else if !info.IsDir() {
		return nil, usagef("--path is %q: expected a directory", c.Path)
	}
	// Symbolic links that leave the directory are not followed.
	root, err := os.OpenRoot(c.Path)
	if err != nil {
		return nil, err
	}
	return server.Files(root.FS()), nil
}

func (c *serveCommand) keys() ([]string, error) {
	var keys []string
	for _, list := range c.APIKey {
		for k := range strings.SplitSeq(list, ",") {
			if k = strings.TrimSpace(k); k != "" {
				keys = append(keys, k)
			}
		}
	}
	if len(keys) == 0 && len(c.APIKey) > 0 {
		// Serving without a key cannot be intended.
		return nil, usagef("--api-key is empty")
	}
	if c.APIKeyFile == "" {
		return keys, nil
	}
	data, err := os.ReadFile(c.APIKeyFile)
	if err != nil {
		return nil, err
	}
	before := len(keys)
	for line := range strings.Lines(string(data)) {
		if k := strings.TrimSpace(line); k != "" && !strings.HasPrefix(k, "#") {
			keys = append(keys, k)
		}
	}
	if len(keys) == before {
		return nil, fmt.Errorf("%s: no keys", c.APIKeyFile)
	}
	return keys, nil
}

func (c *serveCommand) tls() (*tls.Config, error) {
	if c.SSLCertFile == "" {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(c.SSLCertFile, c.SSLKeyFile)
	if err != nil {
		return nil, err
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, nil
}
