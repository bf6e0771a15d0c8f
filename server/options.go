package server

import (
	"cmp"
	"log/slog"
	"net/http"
	"time"
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
