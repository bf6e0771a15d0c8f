package server

import (
	"cmp"
	"log/slog"
	"net/http"
	"time"
)

// Options configures a server. Zero values are replaced by the defaults given in
// parentheses.
type Options struct {
	// Models are the models served; the first is the default.
	Models []ModelSpec
	// ModelsMax is the number of models that may be loaded at a time (0: all).
	ModelsMax int

	// BatchTokens bounds the tokens scored together (256 for each thread of the model).
	// Smaller values shorten the wait of short requests alongside long ones. A single
	// longer pair is scored alone.
	BatchTokens int
	// QueueTokens bounds the tokens of all requests under way (4 Mi). New requests beyond
	// it are refused with status 429.
	QueueTokens int
	// MaxBody bounds the bytes of a request (32 MiB), MaxDocuments the texts of its list
	// (10,000).
	MaxBody      int64
	MaxDocuments int
	// CacheSize is the number of scores kept (0: none).
	CacheSize int
	// Timeout bounds the time of a request (1 hour). Clients may set a shorter one with
	// the header X-Request-Timeout.
	Timeout time.Duration
	// BodyTimeout bounds the time in which a request's body must arrive (2 minutes),
	// WriteTimeout the time in which a client must read 64 KiB of a reply, or an event of
	// it (30 seconds).
	BodyTimeout, WriteTimeout time.Duration
	// Grace is how long a stopping Serve waits for requests under way (30 seconds) before
	// it cancels them.
	Grace time.Duration

	// EveryToken makes llama.cpp's embedding routes return the states of every token, as
	// its --pooling none does.
	EveryToken bool

	// Sampling has the defaults of completions (DefaultSampling).
	Sampling *Sampling

	// APIKeys, if any, are the keys of which clients must present one.
	APIKeys []string
	// Hosts, if any, are the only host names that requests may use. They protect servers
	// reachable from this machine only: a page in a local browser could reach such a
	// server under a name of its own.
	Hosts []string
	// CORS says what web pages of other origins may do (nothing).
	CORS CORS
	// Prefix is prepended to every path, for example "/api".
	Prefix string

	// Metrics, Slots and Pprof enable /metrics, /slots and /debug/pprof.
	Metrics, Slots, Pprof bool
	// SlotCount is the number of slots reported by /props and /slots (1).
	SlotCount int

	// Page answers GET requests for unknown paths, for example with a page for people. It
	// requires no API key. Without it such requests get status 404.
	Page http.Handler

	// Version, Commit and Kernels are shown by /props and the metrics.
	Version, Commit, Kernels string

	// Log receives requests, progress and errors; nil discards them.
	Log *slog.Logger
	// Trace says where spans are sent (nowhere).
	Trace TraceOptions
}

// Sampling says how completions choose their tokens where a request does not; see
// winnow.CompleteOptions.
type Sampling struct {
	MaxTokens               int // -1: up to the context's limit
	Temperature, TopP, MinP float64
	TopK                    int
	Seed                    int64 // -1: a different one for each request
	IgnoreEnd               bool
}

// DefaultSampling returns the defaults of llama.cpp's server.
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
