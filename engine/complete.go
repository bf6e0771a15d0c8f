package engine

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
	"github.com/winnow-rerank/winnow/engine/internal/compute"
)

// A languageHead is the output matrix of a language model, if it is not tied to the
// embedding table.
type languageHead struct {
	Output *compute.Embedding `hf:"lm_head" gguf:"output" shape:"vocab hidden" optional:"true"`
}

// A languageModel continues texts.
type languageModel struct {
	*backbone
	table    *compute.Embedding // output matrix, a row for each token
	tied     bool               // table is the embedding table
	ends     map[int32]bool     // tokens that end a text
	prefixes *compute.PrefixCache
	chat     *conversation

	// The head is packed when it is first needed, since reranking does not need it.
	once sync.Once
	head *compute.Linear
	err  error
}

func (b *backbone) newLanguageModel(own *languageHead, o Options) *languageModel {
	l := &languageModel{backbone: b, table: own.table(b), ends: b.endTokens(), prefixes: b.prefixCache(), chat: b.newConversation(o.ChatTemplate)}
	l.tied = l.table == b.network.Decoder.Words
	return l
}

// table returns the output matrix: h, or the embedding table if the model ties the two or
// has no head.
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

func (l *languageModel) describe(info *Info) {
	info.Tasks = append(info.Tasks, "complete")
	if l.chat.err == nil {
		info.ChatTemplate = l.chat.source
		info.BOS, info.EOS = l.chat.template.tokens["bos_token"], l.chat.template.tokens["eos_token"]
	}
}

// export writes the chat template and the tokens that end a text, except those that
// readers know anyway: the vocabulary's end token and endNames.
func (l *languageModel) export(e *checkpoint.Export) error {
	if text, err := l.file.ChatTemplate(); err == nil && text != "" { // one that cannot be used is of no use to readers
		e.Set("tokenizer.chat_template", text)
	}
	ids := l.endTokens()
	for _, name := range endNames {
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

// packedHead returns the whole head, packing it on first use.
func (l *languageModel) packedHead() (*compute.Linear, error) {
	l.once.Do(func() { l.head, l.err = l.file.PackTable(l.runner, l.table) })
	return l.head, l.err
}

// completionReserve is the number of generated tokens for which memory is reserved in
// advance.
const completionReserve = 256

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
	head, err := l.packedHead()
	if err != nil {
		return nil, err
	}
	g := &generator{backbone: l.backbone, ctx: ctx, head: head, ids: slices.Clone(prompt),
		sampler: sampler{options: o, tokenizer: l.tokenizer, ends: l.ends, logits: make([]float32, head.Outputs()), random: rand.New(rand.NewPCG(o.Seed, 0))}}
	start := time.Now()
	g.cache, out.CachedTokens = l.newCache(prompt, o)
	defer func() { l.prefixes.Done(g.cache) }()
	if l.tied {
		// The packed head already holds a copy of the table.
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

// newCache returns a KV cache with room for the prompt and generated tokens. The first
// cached tokens of the prompt are taken from earlier calls.
func (l *languageModel) newCache(prompt []int32, o CompleteOptions) (cache *compute.KVCache, cached int) {
	// The final length is unknown, so longer completions let the cache grow.
	room := min(l.maxLength-len(prompt), completionReserve)
	if o.MaxTokens >= 0 {
		room = min(room, o.MaxTokens)
	}
	var known *compute.KVCache
	if !o.NoCache {
		known, cached = l.prefixes.Find(prompt[:len(prompt)-1])
	}
	cache = l.prefixes.Begin(known, cached, len(prompt)-cached+room)
	l.prefixes.Done(known)
	return cache, cached
}

// endNames are tokens that end a turn or a text, even if the configuration does not list
// them.
var endNames = []string{"<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|eom_id|>", "<|end|>", "<|end_of_text|>", "<end_of_turn>"}

// endTokens returns the tokens that end a text.
func (b *backbone) endTokens() map[int32]bool {
	ends := make(map[int32]bool)
	for _, id := range b.file.EndTokens() {
		ends[id] = true
	}
	for _, name := range endNames {
		if id, ok := b.tokenizer.ID(name); ok {
			ends[id] = true
		}
	}
	return ends
}

func (l *languageModel) chatPrompt(messages []Message, variables map[string]any) (string, error) {
	if l.chat.err != nil {
		return "", l.chat.err
	}
	return l.chat.render(messages, variables)
}
