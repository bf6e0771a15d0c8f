package engine

import (
	"cmp"
	"context"
	"fmt"
	"math"

	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
	"github.com/winnow-rerank/winnow/engine/internal/compute"
	"github.com/winnow-rerank/winnow/tokenizer"
)

// A lateRanker scores by late interaction (ColBERT, Khattab and Zaharia 2020; Santhanam
// et al. 2021; PyLate). Query and document are encoded separately, each token's state is
// projected to a short vector e of length 1, and
//
//	score = Σᵢ maxⱼ eᵢ(query)·eⱼ(document)
//
// A marker token after the first special token tells queries from documents. Queries may
// be padded to a fixed length with mask tokens, whose vectors count; by default they
// attend to the query but are not attended to. Punctuation in documents does not count.
type lateRanker struct {
	*backbone
	chain    *checkpoint.Chain
	settings *checkpoint.LateSettings
}

func (b *backbone) planLate() (*taskPlan, error) {
	chain, err := b.file.Chain(b.network.Spec.HiddenSize, "")
	if err != nil {
		return nil, err
	}
	l := &lateRanker{backbone: b, chain: chain}
	return &taskPlan{parts: []any{chain}, finish: func(t *tasks, o Options) error {
		if err := cmp.Or(rejectLabel(b.file, o), rejectScore(b.file, o)); err != nil {
			return err
		}
		if b.tokenizer.Added(false) == 0 {
			return b.file.Refuse("late interaction with a tokenizer that adds no special tokens to a text", "the query or document mark follows the first of them")
		}
		var err error
		l.settings, err = b.file.Late(b.tokenizer, b.maxLength, b.network.Spec.VocabSize)
		if err != nil {
			return err
		}
		if s := l.settings; s.Expand && !s.Attend {
			if w := b.network.Window; w > 0 && w < s.Query.Length {
				return b.file.Refuse(fmt.Sprintf("late interaction with queries of %d tokens and attention within %d", s.Query.Length, w), "")
			}
		}
		t.ranker = l
		return nil
	}}, nil
}

func (l *lateRanker) describe(info *Info) {
	info.Tasks = append(info.Tasks, "rerank")
	info.Head, info.Labels, info.Activation = l.chain.String()+" → MaxSim", []string{"MaxSim"}, "mean"
	info.Relevant = "MaxSim"
}

func (l *lateRanker) export(e *checkpoint.Export) error {
	e.Chain(l.chain, nil)
	e.Late(l.settings)
	return nil
}

// tokens encodes a query or document, which is cut to maxTokens (0: no limit) before
// special tokens are added, and to limit tokens in all; full is the length without cuts.
func (l *lateRanker) tokens(kind *checkpoint.LateText, text string, o EncodeOptions, maxTokens, limit int) (ids []int32, full int, err error) {
	if kind.Before {
		text = kind.Prefix + text
	}
	tokens, err := o.tokens(l.tokenizer, nil, text)
	if err != nil {
		return nil, 0, err
	}
	full = len(tokens) + l.tokenizer.Added(false)
	if kind.Mark >= 0 {
		full++
		limit--
	}
	var e tokenizer.Encoding
	l.tokenizer.SingleSide(&e, o.truncate(tokens, maxTokens), limit, o.Side.forTokenizer())
	ids = append(make([]int32, 0, limit+1), e.IDs[:1]...)
	if kind.Mark >= 0 {
		ids = append(ids, kind.Mark)
	}
	return append(ids, e.IDs[1:]...), full, nil
}

// encode returns a sequence for each document, with the query as its group.
func (l *lateRanker) encode(ctx context.Context, query string, documents []string, o EncodeOptions, limit int) (Encoded, error) {
	// Room for the special tokens, the marker and one token of the text.
	if limit < l.tokenizer.Added(false)+2 {
		return Encoded{}, noRoom("at most %d tokens: no room for a text after the special tokens", limit)
	}
	s := l.settings
	q := &encodedQuery{}
	length := min(s.Query.Length, l.maxLength)
	q.sequence.group = q
	var err error
	if q.sequence.IDs, _, err = l.tokens(&s.Query, query, o, o.MaxQuery, length); err != nil {
		return Encoded{}, err
	}
	if n := len(q.sequence.IDs); s.Expand && n < length {
		if !s.Attend {
			q.sequence.visible = n
		}
		for range length - n {
			q.sequence.IDs = append(q.sequence.IDs, s.Mask)
		}
	}
	limit = min(limit, s.Document.Length)
	encoded := newEncoded(len(documents), limit)
	err = l.encodeBatches(ctx, len(documents), func(from, to int) error {
		for d := from; d < to; d++ {
			s := Sequence{group: q}
			var err error
			if s.IDs, encoded.Full[d], err = l.tokens(&l.settings.Document, documents[d], o, o.MaxDocument, limit); err != nil {
				return err
			}
			encoded.Sequences[d] = s
		}
		return nil
	})
	return encoded, err
}

func (l *lateRanker) score(ctx context.Context, sequences []Sequence, outputs []Output) error {
	return l.scoreEncoded(ctx, lateQueries{l}, l, sequences, outputs)
}

// vectors returns the vectors of all tokens of a batch; ok is false if the call was
// cancelled.
func (l *lateRanker) vectors(c *compute.Context) (x compute.Matrix, ok bool) {
	x = l.network.Trunk.Hidden(c, compute.EveryToken)
	if c.Cancelled() {
		return x, false
	}
	x = l.chain.Logits(c, x)
	if !l.settings.Raw {
		for row := range x.Rows {
			Normalize(x.Row(row))
		}
	}
	return x, true
}

// runBatch computes the scores of a batch of documents.
func (l *lateRanker) runBatch(c *compute.Context, r *call) {
	x, ok := l.vectors(c)
	if !ok {
		return
	}
	for i, n := range c.Batch.Numbers {
		own := x.Slice(c.Batch.Range(i))
		if r.outputs[n], ok = l.maxSim(*r.query(n).vectors.Load(), own, r.sequences[n].IDs); !ok {
			r.nonFinite.Store(int64(n))
		}
	}
}

// lateQueries computes and stores the vectors of queries.
type lateQueries struct{ *lateRanker }

func (l lateQueries) runBatch(c *compute.Context, r *call) {
	x, ok := l.vectors(c)
	if !ok {
		return
	}
	for i, n := range c.Batch.Numbers {
		r.storeQuery(n, x.Slice(c.Batch.Range(i)))
	}
}

// maxSim scores a document from its token vectors. Probability is the mean of the summed
// cosines, clamped to [0, 1]; the mean is hardly ever negative, even for irrelevant
// documents.
func (l *lateRanker) maxSim(query, document compute.Matrix, ids []int32) (out Output, ok bool) {
	sum := 0.0
	for i := range query.Rows {
		q := query.Row(i)
		best := float32(math.Inf(-1))
		for j := range document.Rows {
			if l.settings.Skip[ids[j]] {
				continue
			}
			best = max(best, dot(q, document.Row(j))) // max propagates NaN
		}
		sum += float64(best)
	}
	if math.IsNaN(sum) || math.IsInf(sum, 0) {
		return Output{}, false
	}
	return Output{Logit: sum, Probability: min(1, max(0, sum/float64(query.Rows)))}, true
}
