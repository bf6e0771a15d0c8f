package engine

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
	"github.com/winnow-rerank/winnow/engine/internal/compute"
	"github.com/winnow-rerank/winnow/kernels"
	"github.com/winnow-rerank/winnow/tokenizer"
)

// ErrPromptTooLong is the error of a completion whose prompt leaves no room.
var ErrPromptTooLong = errors.New("the prompt is longer than the model's window")

// A languageHead is a language model's own head, of models that do not take their
// embedding table for it.
type languageHead struct {
	Output *compute.Embedding `hf:"lm_head" gguf:"output" shape:"vocab hidden" optional:"true"`
}

// A languageModel continues texts.
type languageModel struct {
	*backbone
	table    *compute.Embedding // a row for each word's logit
	tied     bool               // it is the embedding table
	ends     map[int32]bool     // tokens that end a text
	prefixes *compute.PrefixCache
	chat     *conversation

	// The whole head is packed when it is first needed: rerankers do without.
	once sync.Once
	head *compute.Linear
	err  error
}

func (m *backbone) newLanguageModel(own *languageHead, o Options) *languageModel {
	l := &languageModel{backbone: m, table: own.table(m), ends: m.endTokens(), prefixes: m.prefixCache(), chat: m.newConversation(o.ChatTemplate)}
	l.tied = l.table == m.network.Decoder.Words
	return l
}

// table is what makes the logits: the model's own head, or its embedding table.
func (h *languageHead) table(m *backbone) *compute.Embedding {
	d := m.network.Decoder
	tied := d.TiesWords
	if !d.OneStep {
		tied = m.file.TiesWords(tied)
	}
	if tied || h.Output == nil {
		return d.Words
	}
	return h.Output
}

// prefixCache is the store of KV caches of a causal model, one for all its tasks.
func (m *backbone) prefixCache() *compute.PrefixCache {
	if m.prefixes == nil {
		m.prefixes = compute.NewPrefixCache(m.network.Decoder.Layers, m.network.Decoder.KeyWidth, prefixBytes)
	}
	return m.prefixes
}

func (l *languageModel) describe(info *Info) {
	info.Tasks = append(info.Tasks, "complete")
	if l.chat.err == nil {
		info.ChatTemplate = l.chat.source
		info.BOS, info.EOS = l.chat.template.tokens["bos_token"], l.chat.template.tokens["eos_token"]
	}
}

// export writes the tokens that end a text beside the one that the vocabulary calls
// its end, and the template of conversations.
func (l *languageModel) export(e *checkpoint.Export) error {
	ids := l.endTokens()
	for _, name := range endNames { // which are known anyway
		if id, ok := l.tokenizer.ID(name); ok {
			delete(ids, id)
		}
	}
	if end, ok := e.Get("tokenizer.ggml.eos_token_id").(uint32); ok {
		delete(ids, int32(end))
	}
	var rest []int32
	for id := range ids {
		rest = append(rest, id)
	}
	slices.Sort(rest)
	for i, key := range []string{"tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"} {
		if i < len(rest) {
			e.Set(key, uint32(rest[i]))
		}
	}
	return nil
}

// packed is the whole head.
func (l *languageModel) packed() (*compute.Linear, error) {
	l.once.Do(func() { l.head, l.err = l.file.PackTable(l.runner, l.table) })
	return l.head, l.err
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
	*languageModel
	ctx     context.Context
	o       CompleteOptions
	ids     []int32 // all, those that the cache has already included
	cache   *compute.KVCache
	cap     float32
	logits  []float32 // of the token after ids
	random  *rand.Rand
	choices []choice
}

// roomToGrow is for how many tokens of a completion memory is taken at once.
const roomToGrow = 256

func (l *languageModel) complete(ctx context.Context, prompt []int32, o CompleteOptions) (*Completion, error) {
	for _, id := range prompt {
		if vocab := l.network.Spec.VocabSize; uint(id) >= uint(vocab) {
			return nil, fmt.Errorf("token %d: the vocabulary has %d", id, vocab)
		}
	}
	out := &Completion{Stop: StopNone, PromptTokens: len(prompt)}
	if len(prompt) == 0 {
		return out, nil
	}
	if len(prompt) >= l.maxLength {
		return nil, fmt.Errorf("%w: %d tokens of %d", ErrPromptTooLong, len(prompt), l.maxLength)
	}
	head, err := l.packed()
	if err != nil {
		return nil, err
	}
	// Where the end is unknown, what is kept grows as it does.
	room := min(l.maxLength-len(prompt), roomToGrow)
	if o.MaxTokens >= 0 {
		room = min(room, o.MaxTokens)
	}
	g := &generator{languageModel: l, ctx: ctx, o: o, ids: slices.Clone(prompt), cap: l.network.Decoder.LogitCap,
		logits: make([]float32, head.Outputs()), random: rand.New(rand.NewPCG(o.Seed, 0))}
	start := time.Now()
	var known *compute.KVCache
	if !o.NoCache {
		known, out.CachedTokens = l.prefixes.Find(prompt[:len(prompt)-1])
	}
	g.cache = l.prefixes.Begin(known, out.CachedTokens, len(prompt)-out.CachedTokens+room)
	l.prefixes.Done(known)
	defer func() { l.prefixes.Done(g.cache) }()
	if l.tied {
		// The head has the table's numbers in memory once already.
		defer l.file.Release(l.table.Tensor.Name)
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
		l.prefixes.Put(g.cache)
	}
	return out, nil
}

// step reads what is not read yet and takes the logits of the last token.
func (g *generator) step() error {
	if err := g.runner.Run(g.ctx, g, 1); err != nil {
		return err
	}
	if !finite(g.logits) {
		return fmt.Errorf("%s: %w", g.path, ErrNotFinite)
	}
	return nil
}

// Tile is the work of step.
func (g *generator) Tile(c *compute.Context, _ int) {
	x := c.Prefill(g.cache, g.ids, compute.LastToken, g.network.Trunk.Hidden)
	if c.Cancelled() {
		return
	}
	copy(g.logits, c.Linear(g.head, x, kernels.Identity).Row(0))
	softCap(g.logits, g.cap)
}

// softCap is limit·tanh(x/limit), or x where limit is 0.
func softCap(row []float32, limit float32) {
	if limit == 0 {
		return
	}
	for j, v := range row {
		row[j] = limit * float32(math.Tanh(float64(v/limit)))
	}
}

// run adds tokens until one of the reasons to stop.
func (g *generator) run(out *Completion) error {
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
	for out.Stop = StopLimit; (g.o.MaxTokens < 0 || len(out.Tokens) < g.o.MaxTokens) && len(g.ids) < g.maxLength; {
		if len(out.Tokens) > 0 {
			if err := g.step(); err != nil {
				return err
			}
		}
		t := g.choose()
		out.Tokens = append(out.Tokens, t)
		g.ids = append(g.ids, int32(t.ID))
		end := g.ends[int32(t.ID)]
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
	out.Truncated = out.Stop == StopLimit && len(g.ids) >= g.maxLength
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

// endNames are tokens that end a turn or a text in the families' vocabularies,
// whatever the configuration says.
var endNames = []string{"<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|eom_id|>", "<|end|>", "<|end_of_text|>", "<end_of_turn>"}

// endTokens are the tokens that end a text.
func (m *backbone) endTokens() map[int32]bool {
	ends := make(map[int32]bool)
	for _, id := range m.file.EndTokens() {
		ends[id] = true
	}
	for _, name := range endNames {
		if id, ok := m.tokenizer.ID(name); ok {
			ends[id] = true
		}
	}
	return ends
}
