package engine

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/winnow-rerank/winnow/kernels"
	"github.com/winnow-rerank/winnow/quant"
	"github.com/winnow-rerank/winnow/tokenizer"
)

// Errors of Complete.
var (
	ErrCannotComplete = errors.New("the model has no language model's head and cannot complete text")
	ErrPromptTooLong  = errors.New("the prompt is longer than the model's window")
)

// wholeHead is the language model's head over the whole vocabulary. It is packed
// when it is first needed: rerankers do without.
type wholeHead struct {
	table  *Table
	format packFormat
	floats packFormat // if format is of 8 bits and the table has floats

	once   sync.Once
	linear *Linear
	err    error
}

func (h *wholeHead) get(m *Model) (*Linear, error) {
	h.once.Do(func() {
		h.linear = new(Linear)
		t := h.table
		one := &loader{source: m.source, path: m.path, floats: h.floats,
			work: []packing{{dst: h.linear, parts: []quant.Tensor{t.tensor}, out: t.Rows, in: t.Cols, format: h.format}}}
		_, h.err = one.pack(m.pool)
	})
	return h.linear, h.err
}

// CompleteOptions says how a text is continued. The zero value continues it by
// nothing; MaxTokens -1 goes on until the model ends it or the window is full.
type CompleteOptions struct {
	MaxTokens   int      // at most; -1: no bound but the window
	Temperature float64  // 0 or less: always the most probable token
	TopK        int      // of the most probable tokens only; 0 or less: of all
	TopP        float64  // of the most probable ones that together have this much; 0 or 1: of all
	MinP        float64  // of those with at least this much of the most probable one's
	Seed        uint64   // equal seeds give equal texts
	Stop        []string // the text ends before any of these
	Probs       int      // how many of the most probable tokens to tell at each step
	IgnoreEnd   bool     // the model cannot end the text
	NoCache     bool     // nothing of an earlier prompt is used again, nor is this one kept

	// Emit, if it is set, gets the text as it comes, whole characters at a time. An error ends
	// the completion.
	Emit func(text string, t CompletionToken) error
}

// A TokenProbability is a token and the logarithm of its probability, before any
// sampling option.
type TokenProbability struct {
	ID      int
	Bytes   string
	Logprob float64
}

// A CompletionToken is one step of a completion.
type CompletionToken struct {
	TokenProbability                    // Logprob is set if Probs was
	Top              []TokenProbability // the most probable ones, best first
}

// Why a completion ended.
const (
	StopLimit = "limit" // MaxTokens, or the window
	StopEnd   = "eos"   // the model ended it
	StopWord  = "word"  // one of Stop came
	StopNone  = "none"  // there was nothing to begin with
)

// A Completion is what a text was continued by.
type Completion struct {
	Text         string
	Tokens       []CompletionToken
	Stop         string // StopLimit, …
	StoppingWord string
	PromptTokens int
	CachedTokens int  // of these, not computed anew
	Truncated    bool // the window was full
	PromptTime   time.Duration
	Time         time.Duration // of the tokens after the first
}

// A generator continues one text.
type generator struct {
	reading
	o       CompleteOptions
	head    *Linear
	cap     float32
	logits  []float32
	random  *rand.Rand
	choices []choice
	job     job
}

// A choice is a token and its logit, or later its probability.
type choice struct {
	id int32
	p  float64
}

// roomToGrow is for how many tokens of a completion memory is taken at once.
const roomToGrow = 256

// PromptTokens are the tokens of a prompt, with the special ones that the model
// wants at the beginning.
func (m *Model) PromptTokens(text string) []int32 { return m.Tokenize(text, true).IDs }

// Complete continues a prompt.
func (m *Model) Complete(ctx context.Context, prompt []int32, o CompleteOptions) (*Completion, error) {
	n, ok := m.network.(*reranker)
	if !ok || !m.completes {
		return nil, ErrCannotComplete
	}
	for _, id := range prompt {
		if uint(id) >= uint(m.vocab) {
			return nil, fmt.Errorf("token %d: the vocabulary has %d", id, m.vocab)
		}
	}
	out := &Completion{Stop: StopNone, PromptTokens: len(prompt)}
	if len(prompt) == 0 {
		return out, nil
	}
	if len(prompt) >= m.maxLength {
		return nil, fmt.Errorf("%w: %d tokens of %d", ErrPromptTooLong, len(prompt), m.maxLength)
	}
	head, err := n.vocabulary.get(m)
	if err != nil {
		return nil, err
	}
	// Where the end is unknown, what is kept grows as it does.
	room := min(m.maxLength-len(prompt), roomToGrow)
	if o.MaxTokens >= 0 {
		room = min(room, o.MaxTokens)
	}
	g := &generator{reading: reading{model: m, ctx: ctx, ids: slices.Clone(prompt), room: room}, o: o, head: head, cap: n.logitCap,
		logits: make([]float32, head.Outputs()), random: rand.New(rand.NewPCG(o.Seed, 0))}
	g.state = g.keepLogits
	start := time.Now()
	var known *past
	if !o.NoCache {
		known, out.CachedTokens = m.pasts.find(prompt[:len(prompt)-1])
	}
	g.begin(known, out.CachedTokens)
	defer m.pasts.done(g.past)
	if n.vocabulary.table == &n.Words {
		// The head has the table's numbers in memory once already.
		defer m.source.Release(n.Words.tensor.Name)
	}
	if err := g.step(); err != nil {
		return nil, err
	}
	out.PromptTime = time.Since(start)
	start = time.Now()
	if err := g.run(out); err != nil {
		return nil, err
	}
	out.Time = time.Since(start)
	if !o.NoCache {
		m.pasts.put(g.past)
	}
	return out, nil
}

// keepLogits takes the logits of the last token.
func (g *generator) keepLogits(c *Compute, x Matrix) {
	y := c.Linear(g.head, x, kernels.Identity)
	copy(g.logits, y.Row(0))
	capRow(g.logits, g.cap)
}

// step reads what is not read yet.
func (g *generator) step() error {
	g.model.pool.run(&g.job, readings{&g.reading}, 1)
	if g.ctx.Err() != nil {
		return context.Cause(g.ctx)
	}
	if notFinite(g.logits) >= 0 {
		return fmt.Errorf("%s: %w", g.model.path, ErrNotFinite)
	}
	return nil
}

// run adds tokens until one of the reasons to stop.
func (g *generator) run(out *Completion) error {
	m := g.model
	var text []byte // all that was generated
	sent := 0       // bytes of it that were emitted
	emit := func(end int, t CompletionToken) error {
		if g.o.Emit == nil {
			return nil
		}
		part := tokenizer.Text(text[sent:end])
		sent = end
		return g.o.Emit(part, t)
	}
	for out.Stop = StopLimit; (g.o.MaxTokens < 0 || len(out.Tokens) < g.o.MaxTokens) && len(g.ids) < m.maxLength; {
		if len(out.Tokens) > 0 {
			if err := g.step(); err != nil {
				return err
			}
		}
		t := g.choose()
		out.Tokens = append(out.Tokens, t)
		g.ids = append(g.ids, int32(t.ID))
		end := m.ends[int32(t.ID)]
		if !end {
			text = append(text, t.Bytes...)
		}
		if at, word := findStop(text, len(text)-len(t.Bytes), g.o.Stop); at >= 0 {
			text = text[:at]
			out.Stop, out.StoppingWord = StopWord, word
			sent = min(sent, at)
			if err := emit(at, t); err != nil {
				return err
			}
			break
		}
		// What may be part of a character or of a stop text waits.
		ready := max(sent, len(text)-waiting(text, g.o.Stop))
		if end {
			ready = len(text)
		}
		if err := emit(ready, t); err != nil {
			return err
		}
		if end {
			out.Stop = StopEnd
			break
		}
	}
	out.Truncated = out.Stop == StopLimit && len(g.ids) >= m.maxLength
	if sent < len(text) && out.Stop != StopWord && g.o.Emit != nil {
		if err := g.o.Emit(tokenizer.Text(text[sent:]), CompletionToken{TokenProbability: TokenProbability{ID: -1}}); err != nil {
			return err
		}
	}
	out.Text = tokenizer.Text(text)
	return nil
}

// findStop finds the first of the stop texts that ends after from.
func findStop(text []byte, from int, stops []string) (at int, word string) {
	at = -1
	for _, s := range stops {
		if s == "" {
			continue
		}
		begin := max(0, from-len(s)+1)
		if i := strings.Index(string(text[begin:]), s); i >= 0 && (at < 0 || begin+i < at) {
			at, word = begin+i, s
		}
	}
	return at, word
}

// waiting is how many bytes at the end of text may still become something else:
// part of a character, or the beginning of a stop text.
func waiting(text []byte, stops []string) int {
	n := 0
	for i := 1; i <= min(3, len(text)); i++ {
		if b := text[len(text)-i]; utf8.RuneStart(b) {
			if !utf8.FullRune(text[len(text)-i:]) {
				n = i
			}
			break
		}
	}
	for _, s := range stops {
		for i := min(len(s)-1, len(text)); i > n; i-- {
			if string(text[len(text)-i:]) == s[:i] {
				n = i
				break
			}
		}
	}
	return n
}

// choose samples a token of the logits: of the TopK most probable ones those that
// TopP and MinP leave, their logits divided by the temperature.
func (g *generator) choose() CompletionToken {
	m := g.model
	if g.o.IgnoreEnd {
		for id := range m.ends {
			if int(id) < len(g.logits) {
				g.logits[id] = float32(math.Inf(-1))
			}
		}
	}
	id := g.sample()
	t := CompletionToken{TokenProbability: TokenProbability{ID: int(id), Bytes: m.pieceText(id)}}
	if g.o.Probs > 0 {
		most := float64(slices.Max(g.logits))
		sum := 0.0
		for _, z := range g.logits {
			sum += math.Exp(float64(z) - most)
		}
		normal := most + math.Log(sum)
		t.Logprob = float64(g.logits[id]) - normal
		for _, c := range g.best(g.o.Probs) {
			t.Top = append(t.Top, TokenProbability{ID: int(c.id), Bytes: m.pieceText(c.id), Logprob: c.p - normal})
		}
	}
	return t
}

// best are the k tokens of the highest logits, best first; of equal ones the first.
func (g *generator) best(k int) []choice {
	k = min(k, len(g.logits))
	heap := g.choices[:0] // the worst first
	worse := func(a, b choice) bool { return a.p < b.p || a.p == b.p && a.id > b.id }
	sink := func(i int) {
		for {
			child := 2*i + 1
			if child >= len(heap) {
				return
			}
			if child+1 < len(heap) && worse(heap[child+1], heap[child]) {
				child++
			}
			if !worse(heap[child], heap[i]) {
				return
			}
			heap[i], heap[child] = heap[child], heap[i]
			i = child
		}
	}
	for id, z := range g.logits {
		c := choice{int32(id), float64(z)}
		switch {
		case len(heap) < k:
			heap = append(heap, c)
			if len(heap) == k {
				for i := k/2 - 1; i >= 0; i-- {
					sink(i)
				}
			}
		case k > 0 && worse(heap[0], c):
			heap[0] = c
			sink(0)
		}
	}
	slices.SortFunc(heap, func(a, b choice) int {
		if worse(b, a) {
			return -1
		}
		return 1
	})
	g.choices = heap
	return heap
}

func (g *generator) sample() int32 {
	o := &g.o
	if o.Temperature <= 0 || o.TopK == 1 {
		best := 0
		for id, z := range g.logits {
			if z > g.logits[best] {
				best = id
			}
		}
		return int32(best)
	}
	k := o.TopK
	if k <= 0 {
		k = len(g.logits)
	}
	list := g.best(k)
	most := list[0].p
	if o.TopP > 0 && o.TopP < 1 {
		sum := 0.0
		for _, c := range list {
			sum += math.Exp(c.p - most)
		}
		part := 0.0
		for i, c := range list {
			part += math.Exp(c.p-most) / sum
			if part >= o.TopP {
				list = list[:i+1]
				break
			}
		}
	}
	if o.MinP > 0 {
		least := most + math.Log(o.MinP)
		for len(list) > 1 && list[len(list)-1].p < least {
			list = list[:len(list)-1]
		}
	}
	sum := 0.0
	for i := range list {
		list[i].p = math.Exp((list[i].p - most) / o.Temperature)
		sum += list[i].p
	}
	at := g.random.Float64() * sum
	for _, c := range list {
		if at -= c.p; at < 0 {
			return c.id
		}
	}
	return list[len(list)-1].id
}

// pieceText is what a token adds to a text: special tokens add nothing.
func (m *Model) pieceText(id int32) string {
	if m.tokenizer.IsSpecial(id) {
		return ""
	}
	return string(m.tokenizer.Bytes(nil, id))
}

// endNames are tokens that end a turn or a text in the families' vocabularies,
// whatever the configuration says.
var endNames = []string{"<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|eom_id|>", "<|end|>", "<|end_of_text|>", "<end_of_turn>"}

// endTokens are the tokens that end a text.
func (f *file) endTokens(m *Model) map[int32]bool {
	ends := make(map[int32]bool)
	add := func(v any) {
		switch v := v.(type) {
		case int64:
			ends[int32(v)] = true
		case interface{ Int64() (int64, error) }:
			if n, err := v.Int64(); err == nil {
				ends[int32(n)] = true
			}
		}
	}
	if f.gguf {
		for _, name := range []string{"eos", "eot", "eom"} {
			if n, ok := f.metadata.Int("tokenizer.ggml." + name + "_token_id"); ok {
				add(n)
			}
		}
	} else {
		for _, config := range []jsonValues{f.config, f.generationConfig()} {
			if list, ok := config["eos_token_id"].([]any); ok {
				for _, v := range list {
					add(v)
				}
			} else {
				add(config["eos_token_id"])
			}
		}
	}
	for _, name := range endNames {
		if id, ok := m.tokenizer.ID(name); ok {
			ends[id] = true
		}
	}
	return ends
}

// generationConfig is generation_config.json, or nothing.
func (f *file) generationConfig() jsonValues {
	path := filepath.Join(filepath.Dir(f.settings.path), "generation_config.json")
	data, err := readSmall(path)
	if err != nil {
		return nil
	}
	config, err := parseObject(path, data)
	if err != nil {
		return nil
	}
	return config
}
