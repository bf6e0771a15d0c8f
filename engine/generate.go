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
	ids   []int32 // prompt and generated tokens, whether in the cache or not
	cache *compute.KVCache
}

// step takes the tokens that are not in the cache through the network and computes the
// logits after the last one.
func (g *generator) step() error {
	if err := g.runner.Run(g.ctx, g, 1); err != nil {
		return err
	}
	if !finite(g.logits) {
		return fmt.Errorf("%s: %w", g.path, ErrNotFinite)
	}
	return nil
}

// Tile does the work of step.
func (g *generator) Tile(c *compute.Context, _ int) {
	x := c.Prefill(g.cache, g.ids, compute.LastToken, g.network.Trunk.Hidden)
	if c.Cancelled() {
		return
	}
	copy(g.logits, c.Linear(g.head, x, kernels.Identity).Row(0))
	softCap(g.logits, g.network.Decoder.LogitCap)
}

// run generates tokens until there is a reason to stop. The logits of the first one must
// have been computed.
func (g *generator) run(out *Completion) error {
	s := textStream{emit: g.options.Emit}
	out.Stop = StopLimit
	for out.Stop == StopLimit && (g.options.MaxTokens < 0 || len(out.Tokens) < g.options.MaxTokens) && len(g.ids) < g.maxLength {
		if len(out.Tokens) > 0 {
			if err := g.step(); err != nil {
				return err
			}
		}
		t := g.choose()
		out.Tokens = append(out.Tokens, t)
		g.ids = append(g.ids, int32(t.ID))
		if err := g.appendText(&s, t, out); err != nil {
			return err
		}
	}
	out.Truncated = out.Stop == StopLimit && len(g.ids) >= g.maxLength
	if s.sent < len(s.text) && out.Stop != StopWord {
		if err := s.send(len(s.text), CompletionToken{TokenProbability: TokenProbability{ID: -1}}); err != nil {
			return err
		}
	}
	out.Text = tokenizer.Text(s.text)
	return nil
}

// appendText appends the text of t to s and emits what is complete. If t ends the
// completion, it sets out.Stop.
func (g *generator) appendText(s *textStream, t CompletionToken, out *Completion) error {
	end := g.ends[int32(t.ID)]
	if !end {
		s.text = append(s.text, t.Bytes...)
	}
	if at, word := findStop(s.text, len(s.text)-len(t.Bytes), g.options.Stop); at >= 0 {
		out.Stop, out.StoppingWord = StopWord, word
		s.text = s.text[:at]
		s.sent = min(s.sent, at)
		return s.send(at, t)
	}
	if end {
		out.Stop = StopEnd
		return s.send(len(s.text), t)
	}
	return s.send(max(s.sent, len(s.text)-incompleteSuffix(s.text, g.options.Stop)), t)
}

// A textStream is generated text that is emitted as it becomes complete.
type textStream struct {
	text []byte // all generated text
	sent int    // bytes of text that were emitted
	emit func(text string, t CompletionToken) error
}

// send emits the text up to end, with the token t that completed it.
func (s *textStream) send(end int, t CompletionToken) error {
	if s.emit == nil {
		return nil
	}
	part := tokenizer.Text(s.text[s.sent:end])
	s.sent = end
	return s.emit(part, t)
}

// findStop finds the earliest stop text that ends after from; at is -1 if there is none.
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

// incompleteSuffix returns the number of bytes at the end of text that may be the start
// of a longer character or of a stop text.
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
