package engine

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"sync"

	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
	"github.com/winnow-rerank/winnow/engine/internal/compute"
	"github.com/winnow-rerank/winnow/internal/fault"
	"github.com/winnow-rerank/winnow/kernels"
)

// jina-reranker-v3 (Wang et al. 2025) reads all documents of a request in one
// prompt, each with a mark behind it, and the query with another. The states at
// the marks go through a projector,
//
//	e = To·relu(In·x)
//
// and the score of a document is the cosine of its e and the query's. A list that
// is too long is cut in blocks; the query's e is then the mean of the blocks', each
// weighted by its best document.
type listwise struct {
	*backbone
	projector               projector
	documentMark, queryMark int32
	instruction             string
}

// projector is the head at the marks.
type projector struct {
	In compute.Linear `hf:"projector.0" gguf:"projector.0" shape:"middle hidden" bias:"none" keep:"exact"`
	To compute.Linear `hf:"projector.2" gguf:"projector.2" shape:"projected middle" bias:"none" keep:"exact"`
}

type projectorSettings struct {
	Middle    int `dim:"middle"`
	Projected int `dim:"projected"`
}

// The bounds that the authors' code has.
const (
	listBlock    = 125 // documents of a prompt
	listDocument = 2048
	listQuery    = 512
)

const (
	documentMark = "<|embed_token|>"
	queryMark    = "<|rerank_token|>"
)

func (m *backbone) planListwise() *taskPlan {
	l := &listwise{backbone: m}
	sizes := &projectorSettings{Middle: max(1, m.file.Rows("projector.0.weight")), Projected: max(1, m.file.Rows("projector.2.weight"))}
	return &taskPlan{parts: []any{&l.projector}, settings: []any{sizes}, finish: func(t *tasks, o Options) error {
		if o.Score != "" || o.Template != "" {
			return fmt.Errorf("%s: a listwise reranker has a prompt and a score of its own", m.file.SettingsPath())
		}
		if err := cmp.Or(noLabel(m.file, o), noScore(m.file, o)); err != nil {
			return err
		}
		l.instruction = o.Instruction
		t.ranker = l
		return l.findMarks()
	}}
}

func (l *listwise) findMarks() error {
	for _, mark := range []struct {
		name string
		id   *int32
	}{{documentMark, &l.documentMark}, {queryMark, &l.queryMark}} {
		id, ok := l.tokenizer.ID(mark.name)
		if !ok {
			return &fault.FormatError{Path: l.file.SettingsPath(), Field: "vocabulary", Offset: -1, Found: "no token " + mark.name, Want: "the marks of a listwise reranker"}
		}
		*mark.id = id
	}
	return nil
}

func (l *listwise) describe(info *Info) {
	info.Tasks = append(info.Tasks, "rerank")
	info.Head, info.Labels, info.Activation, info.Listwise = "marked tokens → projector → cosine", []string{"cosine"}, "none", true
	info.Relevant = "cosine"
}

func (l *listwise) export(*checkpoint.Export) error { return nil }

// A list is documents that are scored as a whole, once, whichever of them is asked
// for first.
type list struct {
	blocks []listPrompt
	total  int

	mu     sync.Mutex
	scores []Output // nil: not yet
}

// score scores the lists that the sequences belong to.
func (l *listwise) score(ctx context.Context, sequences []Sequence, outputs []Output) error {
	for i, s := range sequences {
		list, ok := s.group.(*list)
		if !ok {
			return fmt.Errorf("sequence %d: a listwise model scores only what Encode made", i)
		}
		out, err := l.scoreList(ctx, list)
		if err != nil {
			return err
		}
		outputs[i] = out[s.member]
	}
	return nil
}

func (l *listwise) scoreList(ctx context.Context, docs *list) ([]Output, error) {
	docs.mu.Lock()
	defer docs.mu.Unlock()
	if docs.scores != nil {
		return docs.scores, nil
	}
	if err := l.runner.Run(ctx, &listCall{l, docs}, len(docs.blocks)); err != nil {
		return nil, err
	}
	scores, err := docs.compare()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", l.path, err)
	}
	docs.scores = scores
	return scores, nil
}

// compare makes the scores of the states.
func (l *list) compare() ([]Output, error) {
	// The query's vector over all blocks.
	query := make([]float64, l.blocks[0].states.Cols)
	sum := 0.0
	for i := range l.blocks {
		x := l.blocks[i].states
		documents, q := x.Rows-1, doubles(x.Row(x.Rows-1))
		best := math.Inf(-1)
		for d := range documents {
			best = max(best, (1+cosine(doubles(x.Row(d)), q))/2)
		}
		for j, v := range q {
			query[j] += best * v
		}
		sum += best
	}
	for j := range query {
		query[j] /= sum
	}
	scores := make([]Output, l.total)
	for i := range l.blocks {
		b := &l.blocks[i]
		for d := range b.states.Rows - 1 {
			c := cosine(doubles(b.states.Row(d)), query)
			if math.IsNaN(c) || math.IsInf(c, 0) {
				return nil, fmt.Errorf("document %d: %w", b.first+d, ErrNotFinite)
			}
			scores[b.first+d] = Output{Logit: c, Probability: c}
		}
		b.states, b.ids = compute.Matrix{}, nil
	}
	return scores, nil
}

func doubles(v []float32) []float64 {
	d := make([]float64, len(v))
	for i, x := range v {
		d[i] = float64(x)
	}
	return d
}

// cosine is PyTorch's: each length is at least 1e-8.
func cosine(a, b []float64) float64 {
	var ab, aa, bb float64
	for i, x := range a {
		ab += x * b[i]
		aa += x * x
		bb += b[i] * b[i]
	}
	const least = 1e-8
	return ab / (max(math.Sqrt(aa), least) * max(math.Sqrt(bb), least))
}

// A listCall computes the states at a list's marks.
type listCall struct {
	*listwise
	list *list
}

func (r *listCall) Tile(c *compute.Context, i int) {
	p := &r.list.blocks[i]
	c.Batch.Add(0, compute.Sequence{IDs: p.ids}, compute.Prefix{})
	c.Batch.Marks = append(c.Batch.Marks, p.marks...)
	x := r.network.Trunk.Hidden(c, compute.MarkedTokens)
	if c.Cancelled() {
		return
	}
	p.states = clone(c.Linear(&r.projector.To, c.Linear(&r.projector.In, x, kernels.ReLU), kernels.Identity))
}

// clone is a copy of a matrix that nobody else writes to.
func clone(x compute.Matrix) compute.Matrix {
	y := compute.Matrix{Data: make([]float32, x.Rows*x.Cols), Rows: x.Rows, Cols: x.Cols, Stride: x.Cols}
	for i := range x.Rows {
		copy(y.Row(i), x.Row(i))
	}
	return y
}
