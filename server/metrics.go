package server

import (
	"net/http"
	"runtime"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/winnow-rerank/winnow"
)

// metrics are the values shown by /metrics. Every server has its own.
type metrics struct {
	handler http.Handler

	requests    *prometheus.CounterVec   // by route and status
	errors      *prometheus.CounterVec   // by type
	latency     *prometheus.HistogramVec // by route
	documents   *prometheus.CounterVec   // by model
	tokens      *prometheus.CounterVec   // by model
	running     prometheus.Gauge
	cacheHits   prometheus.Counter
	cacheMisses prometheus.Counter

	batchTokens  *prometheus.HistogramVec // by model
	batchPairs   *prometheus.HistogramVec
	batchFill    *prometheus.HistogramVec
	batchSeconds *prometheus.HistogramVec
	computed     *prometheus.CounterVec

	// The same under the names that llama.cpp's server uses.
	llamaTokens, llamaSeconds, llamaBatches            prometheus.Counter
	llamaCached, llamaPredicted, llamaPredictedSeconds prometheus.Counter
}

func newMetrics(s *Server) *metrics {
	r := prometheus.NewRegistry()
	m := new(metrics)
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
		r.MustRegister(c)
		return c
	}
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
		r.MustRegister(c)
		return c
	}
	histogram := func(name, help, label string, buckets []float64) *prometheus.HistogramVec {
		h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, []string{label})
		r.MustRegister(h)
		return h
	}
	m.requests = counters("winnow_requests_total", "Requests answered, by route and status.", "route", "status")
	m.errors = counters("winnow_errors_total", "Requests refused or failed, by type of error.", "type")
	m.latency = histogram("winnow_request_seconds", "Time from a request to its answer, by route.", "route",
		prometheus.ExponentialBuckets(0.001, 2, 17))
	m.documents = counters("winnow_documents_total", "Documents ranked, those from the cache too.", "model")
	m.tokens = counters("winnow_tokens_total", "Tokens of the pairs ranked, those from the cache too.", "model")
	m.computed = counters("winnow_computed_tokens_total", "Tokens that went through the model.", "model")
	m.cacheHits = counter("winnow_cache_hits_total", "Pairs answered from the score cache.")
	m.cacheMisses = counter("winnow_cache_misses_total", "Pairs not found in the score cache.")
	m.batchTokens = histogram("winnow_batch_tokens", "Tokens of a batch.", "model", prometheus.ExponentialBuckets(16, 2, 11))
	m.batchPairs = histogram("winnow_batch_pairs", "Pairs of a batch.", "model", prometheus.ExponentialBuckets(1, 2, 9))
	m.batchFill = histogram("winnow_batch_fill", "Tokens of a batch by the most that it may have.", "model", prometheus.LinearBuckets(0.1, 0.1, 10))
	m.batchSeconds = histogram("winnow_batch_seconds", "Time that the model took for a batch.", "model", prometheus.ExponentialBuckets(0.0005, 2, 16))
	m.running = prometheus.NewGauge(prometheus.GaugeOpts{Name: "winnow_requests_running", Help: "Requests that are being answered."})
	m.llamaTokens = counter("llamacpp:prompt_tokens_total", "Number of prompt tokens processed.")
	m.llamaSeconds = counter("llamacpp:prompt_seconds_total", "Prompt process time.")
	m.llamaBatches = counter("llamacpp:n_decode_total", "Total number of batches.")
	m.llamaCached = counter("llamacpp:prompt_tokens_cached_total", "Number of prompt tokens found in the KV cache.")
	m.llamaPredicted = counter("llamacpp:tokens_predicted_total", "Number of generation tokens processed.")
	m.llamaPredictedSeconds = counter("llamacpp:tokens_predicted_seconds_total", "Predict process time.")
	build := prometheus.NewGauge(prometheus.GaugeOpts{Name: "winnow_build_info", Help: "Always 1; the labels tell what runs.",
		ConstLabels: prometheus.Labels{"version": s.options.Version, "commit": s.options.Commit, "go": runtime.Version(), "kernels": s.options.Kernels}})
	build.Set(1)
	r.MustRegister(m.running, build, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), &stateCollector{s})
	m.handler = promhttp.HandlerFor(r, promhttp.HandlerOpts{})
	return m
}

// request counts an answered request.
func (m *metrics) request(n *note, status int, e *apiError, took time.Duration) {
	m.requests.WithLabelValues(n.route, strconv.Itoa(status)).Inc()
	if e != nil {
		m.errors.WithLabelValues(e.Type).Inc()
	}
	m.latency.WithLabelValues(n.route).Observe(took.Seconds())
	if n.tokens > 0 {
		m.documents.WithLabelValues(n.model).Add(float64(n.documents))
		m.tokens.WithLabelValues(n.model).Add(float64(n.tokens))
	}
}

// batch returns the function that counts a model's batches.
func (m *metrics) batch(model string, most int) func(pairs, tokens int, took time.Duration) {
	tokens, pairs := m.batchTokens.WithLabelValues(model), m.batchPairs.WithLabelValues(model)
	fill, seconds := m.batchFill.WithLabelValues(model), m.batchSeconds.WithLabelValues(model)
	computed := m.computed.WithLabelValues(model)
	return func(p, t int, took time.Duration) {
		tokens.Observe(float64(t))
		pairs.Observe(float64(p))
		fill.Observe(float64(t) / float64(most))
		seconds.Observe(took.Seconds())
		computed.Add(float64(t))
		m.llamaTokens.Add(float64(t))
		m.llamaSeconds.Add(took.Seconds())
		m.llamaBatches.Inc()
	}
}

// completion counts a completion.
func (m *metrics) completion(c *winnow.Completion) {
	m.llamaTokens.Add(float64(c.PromptTokens - c.CachedTokens))
	m.llamaCached.Add(float64(c.CachedTokens))
	m.llamaSeconds.Add(c.PromptTime.Seconds())
	m.llamaPredicted.Add(float64(len(c.Tokens)))
	m.llamaPredictedSeconds.Add(c.Time.Seconds())
	m.llamaBatches.Add(float64(max(1, len(c.Tokens)))) // the prompt, and each token but the last
}

// A stateCollector reports the current state of the models, queues and the cache.
type stateCollector struct{ s *Server }

var (
	descQueueTokens   = prometheus.NewDesc("winnow_queue_tokens", "Tokens of the requests under way.", []string{"model"}, nil)
	descQueueRequests = prometheus.NewDesc("winnow_queue_requests", "Requests that have pairs waiting.", []string{"model"}, nil)
	descBatches       = prometheus.NewDesc("winnow_batches_running", "Batches with the model.", []string{"model"}, nil)
	descLoaded        = prometheus.NewDesc("winnow_model_loaded", "1 while the model is loaded.", []string{"model"}, nil)
	descMemory        = prometheus.NewDesc("winnow_model_memory_bytes", "Packed weights and working memory of a loaded model.", []string{"model"}, nil)
	descCache         = prometheus.NewDesc("winnow_cache_entries", "Scores in the cache.", nil, nil)
	descProcessing    = prometheus.NewDesc("llamacpp:requests_processing", "Number of requests processing.", nil, nil)
	descDeferred      = prometheus.NewDesc("llamacpp:requests_deferred", "Number of requests deferred.", nil, nil)
)

func (c *stateCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descQueueTokens, descQueueRequests, descBatches, descLoaded, descMemory, descCache, descProcessing, descDeferred} {
		ch <- d
	}
}

func (c *stateCollector) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	for _, m := range c.s.registry.status() {
		isLoaded, memory := 0.0, 0.0
		if m.state == loaded {
			isLoaded, memory = 1, float64(m.info.WeightBytes+m.info.ActivationBytes)
		}
		gauge(descLoaded, isLoaded, m.spec.Name)
		gauge(descMemory, memory, m.spec.Name)
	}
	var waiting, running int
	c.s.registry.schedulers(func(name string, s *scheduler) {
		jobs, tokens, batches := s.load()
		waiting += jobs
		running += batches
		gauge(descQueueRequests, float64(jobs), name)
		gauge(descQueueTokens, float64(tokens), name)
		gauge(descBatches, float64(batches), name)
	})
	entries := 0
	if c.s.cache != nil {
		entries = c.s.cache.len()
	}
	gauge(descCache, float64(entries))
	gauge(descProcessing, float64(running))
	gauge(descDeferred, float64(waiting))
}

// metricsPage answers GET /metrics.
func (s *Server) metricsPage(w http.ResponseWriter, r *http.Request) error {
	if !s.options.Metrics {
		return notSupported("this server does not show metrics. Start it with `--metrics`")
	}
	w.Header().Set("Process-Start-Time-Unix", strconv.FormatInt(s.started.Unix(), 10)) // as in llama.cpp's server
	s.metrics.handler.ServeHTTP(w, r)
	return nil
}
