package engine

import (
	"context"

	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
	"github.com/winnow-rerank/winnow/engine/internal/compute"
	"github.com/winnow-rerank/winnow/tokenizer"
)

// A textEmbedder computes a vector for each text: the hidden states of the trunk, pooled
// and passed through the chain of modules after it.
type textEmbedder struct {
	*backbone
	chain   *checkpoint.Chain
	prompts namedPrompts
	reader  textReader
}

func (e *textEmbedder) describe(info *Info) {
	info.Tasks = append(info.Tasks, "embed")
	info.Head = e.chain.String()
	info.Dimensions, info.Pooling, info.Unit = e.chain.Kept, e.chain.Pooling.String(), e.chain.Unit
	info.Prompts, info.DefaultPrompt = e.prompts.texts, e.prompts.defaultName
}

func (e *textEmbedder) export(x *checkpoint.Export) error {
	x.Chain(e.chain, nil)
	x.Texts(e.prompts.texts, e.prompts.defaultName)
	return nil
}

func (e *textEmbedder) encodeTexts(ctx context.Context, texts []string, o TextOptions, limit int) (Encoded, error) {
	if err := e.reader.checkLimit(limit); err != nil {
		return Encoded{}, err
	}
	prompt, err := e.prompts.text(o.Prompt)
	if err != nil {
		return Encoded{}, err
	}
	read := EncodeOptions{Plain: o.Plain, Side: o.Side}
	encoded := newEncoded(len(texts), limit)
	err = e.encodeBatches(ctx, len(texts), func(from, to int) error {
		var s textEncoder
		for n := from; n < to; n++ {
			var err error
			if encoded.Sequences[n], encoded.Full[n], err = s.encode(e, prompt+texts[n], read, 0, limit); err != nil {
				return err
			}
		}
		return nil
	})
	return encoded, err
}

// A textEncoder holds buffers that are reused from one text to the next.
type textEncoder struct {
	tokens []int32
	out    tokenizer.Encoding
}

// encode returns the sequence of text, which is cut to maxTokens (0: no limit) before
// special tokens are added, and to limit tokens in all; full is the length without cuts.
func (s *textEncoder) encode(e *textEmbedder, text string, o EncodeOptions, maxTokens, limit int) (_ Sequence, full int, err error) {
	if s.tokens, err = o.tokens(e.tokenizer, s.tokens[:0], text); err != nil {
		return Sequence{}, 0, err
	}
	return e.reader.read(&s.out, text, s.tokens, o, maxTokens, limit)
}

func (e *textEmbedder) embed(ctx context.Context, sequences []Sequence) ([][]float32, error) {
	vectors := make([][]float32, len(sequences))
	if err := e.forward(ctx, e, sequences, nil, vectors); err != nil {
		return nil, err
	}
	return vectors, nil
}

// runBatch computes the vectors of a batch.
func (e *textEmbedder) runBatch(c *compute.Context, r *call) {
	x, ok := e.vectors(c)
	if !ok {
		return
	}
	for i, n := range c.Batch.Numbers {
		r.vectors[n] = append([]float32(nil), x.Row(i)...)
		if !finite(x.Row(i)) {
			r.nonFinite.Store(int64(n))
		}
	}
}

// vectors returns the vectors of a batch, one row per text; ok is false if the call was
// cancelled.
func (e *textEmbedder) vectors(c *compute.Context) (x compute.Matrix, ok bool) {
	x = e.network.Trunk.Hidden(c, e.chain.Pooling.Want())
	if c.Cancelled() {
		return x, false
	}
	if !e.network.Bag {
		x = c.Pool(x, e.chain.Pooling)
	}
	return e.chain.Vectors(c, x), true
}

func (e *textEmbedder) states(ctx context.Context, sequences []Sequence) ([][]float32, error) {
	vectors := make([][]float32, len(sequences))
	if err := e.forward(ctx, tokenStates{e}, sequences, nil, vectors); err != nil {
		return nil, err
	}
	return vectors, nil
}

// tokenStates stores the trunk's hidden states of every token.
type tokenStates struct{ *textEmbedder }

// runBatch stores the states of a batch.
func (t tokenStates) runBatch(c *compute.Context, r *call) {
	x := t.network.States(c)
	if c.Cancelled() {
		return
	}
	for i, n := range c.Batch.Numbers {
		own := x.Slice(c.Batch.Range(i))
		r.vectors[n] = clone(own).Data
		if !finite(r.vectors[n]) {
			r.nonFinite.Store(int64(n))
		}
	}
}
