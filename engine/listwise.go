package engine

import (
	"cmp"
	"context"
	"fmt"
	"math"

	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
	"github.com/winnow-rerank/winnow/engine/internal/compute"
	"github.com/winnow-rerank/winnow/internal/fault"
	"github.com/winnow-rerank/winnow/kernels"
)

// A listwiseRanker runs jina-reranker-v3 (Wang et al. 2025). It reads all documents of a
// call in one prompt, in which a mark token follows each document and another the query.
// The states at the marks pass through a projector,
//
//	e = To·relu(In·x)
//
// and a document's score is the cosine of its e and the query's. Longer lists are split
// into blocks; the query's e is then the mean over blocks, weighted by the score of each
// block's best document, (1+cosine)/2.
type listwiseRanker struct {
	*backbone
	projector   projector
	marks       listMarks
	instruction string
}

// A projector is the head applied to the states at the marks.
type projector struct {
	In compute.Linear `hf:"projector.0" gguf:"projector.0" shape:"middle hidden" bias:"none" keep:"exact"`
	To compute.Linear `hf:"projector.2" gguf:"projector.2" shape:"projected middle" bias:"none" keep:"exact"`
}

type projectorSettings struct {
	Middle    int `dim:"middle"`
	Projected int `dim:"projected"`
}

func (b *backbone) planListwise() *taskPlan {
	l := &listwiseRanker{backbone: b}
	sizes := &projectorSettings{Middle: max(1, b.file.Rows("projector.0.weight")), Projected: max(1, b.file.Rows("projector.2.weight"))}
	return &taskPlan{parts: []any{&l.projector}, settings: []any{sizes}, finish: func(t *tasks, o Options) error {
		if o.Score != "" || o.Template != "" {
			return fmt.Errorf("%s: a listwise reranker has its own prompt and scoring", b.file.SettingsPath())
		}
		if err := cmp.Or(rejectLabel(b.file, o), rejectScore(b.file, o)); err != nil {
			return err
		}
		l.instruction = o.Instruction
		t.ranker = l
		return l.findMarks()
	}}
}

func (l *listwiseRanker) findMarks() error {
	for _, mark := range []struct {
		name string
		id   *int32
	}{{documentMark, &l.marks.document}, {queryMark, &l.marks.query}} {
		id, ok := l.tokenizer.ID(mark.name)
		if !ok {
			return &fault.FormatError{Path: l.file.SettingsPath(), Field: "vocabulary", Offset: -1, Found: "no token " + mark.name, Want: "the marks of a listwise reranker"}
		}
		*mark.id = id
	}
	return nil
}

func (l *listwiseRanker) describe(info *Info) {
	info.Tasks = append(info.Tasks, "rerank")
	info.Head, info.Labels, info.Activation, info.Listwise = "marked tokens → projector → cosine", []string{"cosine"}, "none", true
	info.Relevant = "cosine"
}

func (l *listwiseRanker) export(*checkpoint.Export) error { return nil }

// score scores the lists that the sequences belong to, unless they have been scored.
func (l *listwiseRanker) score(ctx context.Context, sequences []Sequence, outputs []Output) error {
	for i, s := range sequences {
		list, ok := s.group.(*documentList)
		if !ok {
			return fmt.Errorf("sequence %d: a listwise model scores only encodings made by Encode", i)
		}
		out, err := l.scoreList(ctx, list)
		if err != nil {
			return err
		}
		outputs[i] = out[s.member]
	}
	return nil
}

func (l *listwiseRanker) scoreList(ctx context.Context, docs *documentList) ([]Output, error) {
	docs.mu.Lock()
	defer docs.mu.Unlock()
	if docs.scores != nil {
		return docs.scores, nil
	}
	if err := l.runner.Run(ctx, &listJob{l, docs}, len(docs.blocks)); err != nil {
		return nil, err
	}
	scores, err := docs.scoreStates()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", l.path, err)
	}
	docs.scores = scores
	return scores, nil
}

// scoreStates computes the scores from the states at the marks, and releases the states
// and tokens of the blocks.
func (l *documentList) scoreStates() ([]Output, error) {
	query := make([]float64, l.blocks[0].states.Cols) // mean over all blocks
	sum := 0.0
	for i := range l.blocks {
		x := l.blocks[i].states
		documents, q := x.Rows-1, toFloat64(x.Row(x.Rows-1))
		best := math.Inf(-1)
		for d := range documents {
			best = max(best, (1+cosine(toFloat64(x.Row(d)), q))/2)
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
			c := cosine(toFloat64(b.states.Row(d)), query)
			if math.IsNaN(c) || math.IsInf(c, 0) {
				return nil, fmt.Errorf("document %d: %w", b.first+d, ErrNotFinite)
			}
			scores[b.first+d] = Output{Logit: c, Probability: c}
		}
		b.states, b.ids = compute.Matrix{}, nil
	}
	return scores, nil
}

// A listJob computes the states at the marks of a list, one block per tile.
type listJob struct {
	*listwiseRanker
	list *documentList
}

func (r *listJob) Tile(c *compute.Context, i int) {
	p := &r.list.blocks[i]
	c.Batch.Add(0, compute.Sequence{IDs: p.ids}, compute.Prefix{})
	c.Batch.Marks = append(c.Batch.Marks, p.marks...)
	x := r.network.Trunk.Hidden(c, compute.MarkedTokens)
	if c.Cancelled() {
		return
	}
	p.states = clone(c.Linear(&r.projector.To, c.Linear(&r.projector.In, x, kernels.ReLU), kernels.Identity))
}

// encode returns a sequence for each document: its part of the prompt, with the list as
// its group.
func (l *listwiseRanker) encode(ctx context.Context, query string, texts []string, o EncodeOptions, limit int) (Encoded, error) {
	if len(texts) == 0 {
		return newEncoded(0, limit), nil
	}
	e := &listEncoder{backbone: l.backbone, marks: l.marks, options: o, instruction: l.instruction, documents: make([]string, len(texts)),
		list: &documentList{total: len(texts)}, dropped: make([]int, len(texts)), limit: limit}
	if o.Instruction != "" {
		e.instruction = o.Instruction
	}
	room, err := e.setQuery(query)
	if err != nil {
		return Encoded{}, err
	}
	if err := e.addDocuments(ctx, texts, room); err != nil {
		return Encoded{}, err
	}
	return e.encoded(), nil
}
