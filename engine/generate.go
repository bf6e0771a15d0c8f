package engine

import (
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/winnow-rerank/winnow/engine/internal/compute"
	"github.com/winnow-rerank/winnow/kernels"
	"github.com/winnow-rerank/winnow/tokenizer"
)

// A generator continues one text.
type generator struct {
	*backbone
	sampler
	ctx   context.Context
	head  *compute.Linear
	ids   []int32 // all, those that the cache has already included
	cache *compute.KVCache
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
	softCap(g.logits, g.network.Decoder.LogitCap)
}

// run adds tokens until one of the reasons to stop.
func (g *generator) run(out *Completion) error {
	var text []byte // all that was generated
	sent := 0       // bytes of it that were emitted
	emit := func(end int, t CompletionToken) error {
		if g.options.Emit == nil {
			return nil
		}
		part := tokenizer.Text(text[sent:end])
		sent = end
		return g.options.Emit(part, t)
	}
	for out.Stop = StopLimit; (g.options.MaxTokens < 0 || len(out.Tokens) < g.options.MaxTokens) && len(g.ids) < g.maxLength; {
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
		if at, word := findStop(text, len(text)-len(t.Bytes), g.options.Stop); at >= 0 {
			text = text[:at]
			out.Stop, out.StoppingWord = StopWord, word
			sent = min(sent, at)
			if err := emit(at, t); err != nil {
				return err
			}
			break
		}
		// What may be part of a character or of a stop text waits.
		ready := max(sent, len(text)-incompleteSuffix(text, g.options.Stop))
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
	if sent < len(text) && out.Stop != StopWord && g.options.Emit != nil {
		if err := g.options.Emit(tokenizer.Text(text[sent:]), CompletionToken{TokenProbability: TokenProbability{ID: -1}}); err != nil {
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
func incompleteSuffix(text []byte, stops []string) int {
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
