package engine

import (
	"context"

	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
	"github.com/winnow-rerank/winnow/engine/internal/compute"
)

// scoreCosine is the value of Options.Score with which an embedding model ranks.
const scoreCosine = "cosine"

// A cosineRanker is a bi-encoder: it scores documents by the cosine similarity of their
// vectors and the query's. It has to be requested, because such a model may embed texts
// of any kind, and a cross-encoder ranks better.
type cosineRanker struct {
	*textEmbedder
	query, document string // prompts
}

// Names of the prompts that sentence-transformers prepends to queries and to documents,
// in its order of preference.
var (
	queryPrompts    = []string{"query"}
	documentPrompts = []string{"document", "passage", "corpus"}
)

func newCosineRanker(e *textEmbedder) *cosineRanker {
	find := func(names []string) string {
		for _, name := range names {
			if text, ok := e.prompts.texts[name]; ok {
				return text
			}
		}
		return e.prompts.texts[e.prompts.defaultName]
	}
	return &cosineRanker{textEmbedder: e, query: find(queryPrompts), document: find(documentPrompts)}
}

func (r *cosineRanker) describe(info *Info) {
	info.Tasks = append(info.Tasks, "rerank")
	info.Labels, info.Relevant, info.Activation = []string{scoreCosine}, scoreCosine, scoreCosine
}

// encode returns a sequence for each document, with the query as its group.
func (r *cosineRanker) encode(ctx context.Context, query string, documents []string, o EncodeOptions, limit int) (Encoded, error) {
	if err := r.reader.checkLimit(limit); err != nil {
		return Encoded{}, err
	}
	q := new(encodedQuery)
	var err error
	if q.sequence, _, err = new(textEncoder).encode(r.textEmbedder, r.query+query, o, o.MaxQuery, limit); err != nil {
		return Encoded{}, err
	}
	q.sequence.group = q
	encoded := newEncoded(len(documents), limit)
	err = r.encodeBatches(ctx, len(documents), func(from, to int) error {
		var s textEncoder
		for n := from; n < to; n++ {
			var err error
			if encoded.Sequences[n], encoded.Full[n], err = s.encode(r.textEmbedder, r.document+documents[n], o, o.MaxDocument, limit); err != nil {
				return err
			}
			encoded.Sequences[n].group = q
		}
		return nil
	})
	return encoded, err
}

func (r *cosineRanker) score(ctx context.Context, sequences []Sequence, outputs []Output) error {
	return r.scoreEncoded(ctx, cosineQueries{r}, r, sequences, outputs)
}

// runBatch computes the scores of a batch of documents.
func (r *cosineRanker) runBatch(c *compute.Context, call *call) {
	x, ok := r.vectors(c)
	if !ok {
		return
	}
	for i, n := range c.Batch.Numbers {
		if !finite(x.Row(i)) {
			call.nonFinite.Store(int64(n))
			continue
		}
		z := cosine(toFloat64(call.query(n).vectors.Load().Row(0)), toFloat64(x.Row(i)))
		call.outputs[n] = Output{Logit: z, Probability: z}
	}
}

// cosineQueries computes and stores the vectors of queries.
type cosineQueries struct{ *cosineRanker }

func (r cosineQueries) runBatch(c *compute.Context, call *call) {
	x, ok := r.vectors(c)
	if !ok {
		return
	}
	for i, n := range c.Batch.Numbers {
		call.storeQuery(n, x.Slice(i, i+1))
	}
}

// export writes nothing: the embedder exports all settings, and ranking has to be
// requested of the GGUF file, too.
func (r *cosineRanker) export(*checkpoint.Export) error { return nil }
