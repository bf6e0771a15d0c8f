package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/winnow-rerank/winnow"
	"github.com/winnow-rerank/winnow/internal/peak"
)

type benchCommand struct {
	modelFlags

	Documents int           `default:"32" help:"Documents per request."`
	Words     int           `default:"90" help:"Words per document; the maximum with --mixed."`
	Mixed     bool          `help:"Vary document length from 10 to --words words."`
	Time      time.Duration `default:"3s" help:"How long to measure."`
	JSON      bool          `name:"json" help:"Print JSON."`
}

// A benchReport is the output of winnow bench.
type benchReport struct {
	Model       string  `json:"model"`
	Precision   string  `json:"precision"`
	Kernels     string  `json:"kernels"`
	Threads     int     `json:"threads"`
	Documents   int     `json:"documents"` // of a request
	Tokens      int     `json:"tokens"`    // of a request
	Requests    int     `json:"requests"`
	DocumentsPS float64 `json:"documents_per_second"`
	TokensPS    float64 `json:"tokens_per_second"`
	P50         float64 `json:"p50_ms"` // of a request
	P99         float64 `json:"p99_ms"`
	ShortP50    float64 `json:"short_p50_ms"` // of a request with four documents of 12 words
	ShortP99    float64 `json:"short_p99_ms"`
	Allocations float64 `json:"allocations_per_request"`
	PeakMemory  int64   `json:"peak_memory_bytes,omitempty"` // of the process, where the system reports it
	GigaOps     float64 `json:"giga_operations_per_second"`  // of matrix products
	Peak        float64 `json:"peak_giga_operations_per_second"`
	Share       float64 `json:"share_of_peak"`
}

func (c *benchCommand) Run(env *environment) error {
	if c.Documents < 1 || c.Words < 1 || c.Time <= 0 {
		return usagef("--documents %d, --words %d, --time %v: expected numbers above 0", c.Documents, c.Words, c.Time)
	}
	m, err := c.open(env)
	if err != nil {
		return err
	}
	defer m.Close()
	info := m.Info()
	r := benchReport{Model: info.Name, Precision: string(info.Precision), Kernels: info.Kernels, Threads: info.Threads, Documents: c.Documents}

	query, documents, short := c.texts()
	pairs, err := m.Encode(env.ctx, query, documents, winnow.EncodeOptions{})
	if err != nil {
		return err
	}
	for _, p := range pairs {
		r.Tokens += p.Tokens()
	}
	latencies, allocations, operations, err := c.measure(env, m, query, documents)
	if err != nil {
		return err
	}
	total := time.Duration(0)
	for _, l := range latencies {
		total += l
	}
	r.Requests, r.Allocations = len(latencies), allocations
	r.DocumentsPS = float64(r.Requests*r.Documents) / total.Seconds()
	r.TokensPS = float64(r.Requests*r.Tokens) / total.Seconds()
	r.P50, r.P99 = percentile(latencies, 50), percentile(latencies, 99)
	if latencies, _, _, err = c.measure(env, m, query, short); err != nil {
		return err
	}
	r.ShortP50, r.ShortP99 = percentile(latencies, 50), percentile(latencies, 99)
	r.PeakMemory = peakMemory()

	r.GigaOps = float64(operations) / total.Seconds() / 1e9
	top := peak.F32(r.Kernels)
	if strings.HasPrefix(r.Precision, "int") {
		if p := peak.Int8(r.Kernels); p > 0 {
			top = p
		}
	}
	r.Peak = top * float64(r.Threads)
	r.Share = r.GigaOps / r.Peak
	if c.JSON {
		e := json.NewEncoder(env.stdout)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	return r.print(env.stdout)
}

// texts returns a query, the documents of a request, and four short documents. They are
// the same on every run.
func (c *benchCommand) texts() (query string, documents, short []string) {
	rng := rand.New(rand.NewPCG(1, 2))
	words := func(n int) string {
		list := make([]string, n)
		for i := range list {
			list[i] = benchWords[rng.IntN(len(benchWords))]
		}
		return strings.Join(list, " ")
	}
	documents = make([]string, c.Documents)
	for i := range documents {
		n := c.Words
		if c.Mixed && n > 10 {
			n = 10 + rng.IntN(n-9)
		}
		documents[i] = words(n)
	}
	query = words(8)
	return query, documents, []string{words(12), words(12), words(12), words(12)}
}

func (r *benchReport) print(w io.Writer) error {
	_, err := fmt.Fprintf(w, `%s, %s, %s kernels, %d threads
%d documents, %d tokens in total: %.1f documents/s, %.0f tokens/s over %d requests
  latency         p50 %.2f ms, p99 %.2f ms
  4 short docs    p50 %.2f ms, p99 %.2f ms
  allocations     %.0f per request, including tokenization
  peak memory     %s
  matrix products %.0f G operations/s: %.0f %% of this machine's measured peak of %.0f
| %s, %d threads | %s, %s, %d documents, %d tokens | %.0f tokens/s |
`, r.Model, r.Precision, r.Kernels, r.Threads, r.Documents, r.Tokens, r.DocumentsPS, r.TokensPS, r.Requests, r.P50, r.P99, r.ShortP50, r.ShortP99,
		r.Allocations, bytesOf(r.PeakMemory), r.GigaOps, 100*r.Share, r.Peak,
		r.Kernels, r.Threads, r.Model, r.Precision, r.Documents, r.Tokens, r.TokensPS)
	return err
}

// measure ranks the documents repeatedly for the time given by the flags.
func (c *benchCommand) measure(env *environment, m *winnow.Model, query string, documents []string) (latencies []time.Duration, allocations float64, operations int64, err error) {
	var before, after runtime.MemStats
	begin := time.Now()
	for i := -2; i < 3 || time.Since(begin) < c.Time; i++ {
		if i == 0 { // warmed up
			runtime.ReadMemStats(&before)
			operations = m.Operations()
			begin = time.Now()
		}
		start := time.Now()
		if _, err := m.Rerank(env.ctx, query, documents); err != nil {
			return nil, 0, 0, err
		}
		if i >= 0 {
			latencies = append(latencies, time.Since(start))
		}
	}
	runtime.ReadMemStats(&after)
	return latencies, float64(after.Mallocs-before.Mallocs) / float64(len(latencies)), m.Operations() - operations, nil
}

// percentile returns a percentile in milliseconds.
func percentile(latencies []time.Duration, p int) float64 {
	sorted := slices.Sorted(slices.Values(latencies))
	return float64(sorted[(len(sorted)-1)*p/100]) / 1e6
}

// peakMemory returns the process's peak resident memory in bytes on Linux, 0 elsewhere.
func peakMemory() int64 {
	data, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			if fields := strings.Fields(rest); len(fields) > 0 {
				kib, _ := strconv.ParseInt(fields[0], 10, 64)
				return kib << 10
			}
		}
	}
	return 0
}

// benchWords are single tokens in most vocabularies.
var benchWords = strings.Fields(`the of and in to was is for on as by with he at from his an were are which this be had has first one their its new
after but who not they have her she two been other when there all during into school time may years more most only over city some world would where later up
such used many can state about national out known university united then made people water river house music field work light story book paper table green`)
