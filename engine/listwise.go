package engine

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"

	"github.com/winnow-rerank/winnow/internal/fault"
	"github.com/winnow-rerank/winnow/kernels"
	"github.com/winnow-rerank/winnow/tokenizer"
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

// listwise is what the prompt of such a model needs.
type listwise struct {
	documentMark, queryMark int32
	window                  int // tokens of a prompt
	instruction             string
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

func (m *reranker) finishList(model *Model, f *file, o Options) error {
	l := &listwise{window: model.maxLength, instruction: o.Instruction}
	for _, mark := range []struct {
		name string
		id   *int32
	}{{documentMark, &l.documentMark}, {queryMark, &l.queryMark}} {
		id, ok := model.tokenizer.ID(mark.name)
		if !ok {
			return &fault.FormatError{Path: f.settings.path, Field: "vocabulary", Offset: -1, Found: "no token " + mark.name, Want: "the marks of a listwise reranker"}
		}
		*mark.id = id
	}
	if o.Score != "" || o.Template != "" {
		return fmt.Errorf("%s: a listwise reranker has a prompt and a score of its own", f.settings.path)
	}
	f.labels = []string{"cosine"}
	model.listwise = l
	return nil
}

// documents is a list that is scored as a whole, once, whichever of its documents is asked for
// first.
type documents struct {
	blocks []listPrompt
	total  int

	mu     sync.Mutex
	scores []Output // nil: not yet
}

// A listPrompt is a prompt of some documents.
type listPrompt struct {
	ids   []int32
	first int // number of its first document
	marks []int32
	query int32 // row of the query's mark

	documents, queryState Matrix // e of the documents and of the query
}

var withoutMarks = strings.NewReplacer(documentMark, "", queryMark, "")

// text writes the prompt.
func (l *listwise) text(query string, documents []string, instruction string) string {
	var b strings.Builder
	b.WriteString("<|im_start|>system\n" +
		"You are a search relevance expert who can determine a ranking of the passages based on how relevant they are to the query. " +
		"If the query is a question, how relevant a passage is depends on how well it answers the question. " +
		"If not, try to analyze the intent of the query and assess how well each passage satisfies the intent. " +
		"If an instruction is provided, you should follow the instruction when determining the ranking." +
		"<|im_end|>\n<|im_start|>user\n" +
		"I will provide you with " + strconv.Itoa(len(documents)) + " passages, each indicated by a numerical identifier. " +
		"Rank the passages based on their relevance to query: " + query + "\n")
	if instruction != "" {
		b.WriteString("<instruct>\n" + instruction + "\n</instruct>\n")
	}
	for i, d := range documents {
		b.WriteString("<passage id=\"" + strconv.Itoa(i) + "\">\n" + d + documentMark + "\n</passage>\n")
	}
	b.WriteString("<query>\n" + query + queryMark + "\n</query><|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n")
	return b.String()
}

// encodeList is Encode for a listwise model: each document's sequence is its
// share of the prompt, and knows the list.
func (m *Model) encodeList(ctx context.Context, query string, texts []string, o EncodeOptions, limit int) (Encoded, error) {
	l, t := m.listwise, m.tokenizer
	encoded := newEncoded(len(texts), limit)
	if len(texts) == 0 {
		return encoded, nil
	}
	instruction := l.instruction
	if o.Instruction != "" {
		instruction = o.Instruction
	}
	clean := func(text string, most, bound int) (out string, tokens, dropped int) {
		if bound > 0 {
			most = min(most, bound)
		}
		text = withoutMarks.Replace(text)
		ids := o.tokens(t, nil, text)
		if len(ids) <= most {
			return text, len(ids), 0
		}
		return t.Decode(o.truncate(ids, most), false), most, len(ids) - most
	}
	query, queryTokens, _ := clean(query, min(listQuery, limit/4), o.MaxQuery)
	list := &documents{total: len(texts)}
	room := limit - 2*queryTokens
	var block []string
	dropped := make([]int, len(texts))
	flush := func(end int) error {
		p, err := l.prompt(t, query, block, instruction, o.Plain)
		if err != nil {
			return err
		}
		p.first = end - len(block)
		list.blocks = append(list.blocks, p)
		block, room = nil, limit-2*queryTokens
		return nil
	}
	most := min(listDocument, limit/2)
	for i, d := range texts {
		if ctx.Err() != nil {
			return Encoded{}, context.Cause(ctx)
		}
		d, tokens, cut := clean(d, most, o.MaxDocument)
		dropped[i] = cut
		block = append(block, d)
		room -= tokens
		if len(block) >= listBlock || room <= most {
			if err := flush(i + 1); err != nil {
				return Encoded{}, err
			}
		}
	}
	if len(block) > 0 {
		if err := flush(len(texts)); err != nil {
			return Encoded{}, err
		}
	}
	for _, p := range list.blocks {
		from := 0
		for i, mark := range p.marks {
			to := int(mark) + 1
			if i == len(p.marks)-1 {
				to = len(p.ids)
			}
			n := p.first + i
			encoded.Sequences[n] = Sequence{IDs: p.ids[from:to:to], list: list, member: n}
			encoded.Full[n] = to - from + dropped[n]
			from = to
		}
	}
	return encoded, nil
}

// prompt is the tokens of a block and where the marks are.
func (l *listwise) prompt(t *tokenizer.Tokenizer, query string, block []string, instruction string, plain bool) (listPrompt, error) {
	text := l.text(query, block, instruction)
	p := listPrompt{query: -1}
	if plain {
		p.ids = l.plainTokens(t, query, block, instruction)
	} else {
		p.ids = t.Tokens(nil, text)
	}
	for i, id := range p.ids {
		switch id {
		case l.documentMark:
			p.marks = append(p.marks, int32(i))
		case l.queryMark:
			p.query = int32(i)
		}
	}
	if len(p.marks) != len(block) || p.query < 0 {
		return p, fmt.Errorf("a prompt of %d documents has %d marks", len(block), len(p.marks))
	}
	return p, nil
}

// plainTokens are the tokens of the prompt with the special tokens of its own
// only.
func (l *listwise) plainTokens(t *tokenizer.Tokenizer, query string, block []string, instruction string) []int32 {
	// The texts' places are held by characters that no text has.
	const hole = "\x00"
	holes := make([]string, len(block))
	for i := range holes {
		holes[i] = hole
	}
	values := []string{query}
	if instruction != "" {
		values = append(values, instruction)
		instruction = hole
	}
	values = append(append(values, block...), query)
	var ids []int32
	for _, s := range segmentsOf(t, l.text(hole, holes, instruction)) {
		if s.id >= 0 {
			ids = append(ids, s.id)
			continue
		}
		text := s.text
		for strings.Contains(text, hole) {
			at := strings.Index(text, hole)
			text = text[:at] + strings.ReplaceAll(values[0], hole, " ") + text[at+1:]
			values = values[1:]
		}
		ids = t.PlainTokens(ids, text)
	}
	return ids
}

// scoreLists is Score for a listwise model.
func (m *Model) scoreLists(ctx context.Context, sequences []Sequence, outputs []Output) error {
	for i, s := range sequences {
		if s.list == nil {
			return fmt.Errorf("sequence %d: a listwise model scores only what Encode made", i)
		}
		out, err := m.scoreList(ctx, s.list)
		if err != nil {
			return err
		}
		outputs[i] = out[s.member]
	}
	return nil
}

func (m *Model) scoreList(ctx context.Context, l *documents) ([]Output, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.scores != nil {
		return l.scores, nil
	}
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	m.pool.run(new(job), &listCall{m, ctx, l}, len(l.blocks))
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	// The query's vector over all blocks.
	width := l.blocks[0].queryState.Cols
	query := make([]float64, width)
	sum := 0.0
	for i := range l.blocks {
		b := &l.blocks[i]
		q := doubles(b.queryState.Row(0))
		best := math.Inf(-1)
		for d := range b.documents.Rows {
			best = max(best, (1+cosine(doubles(b.documents.Row(d)), q))/2)
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
		for d := range b.documents.Rows {
			c := cosine(doubles(b.documents.Row(d)), query)
			if math.IsNaN(c) || math.IsInf(c, 0) {
				return nil, fmt.Errorf("%s: document %d: %w", m.path, b.first+d, ErrNotFinite)
			}
			scores[b.first+d] = Output{Logit: c, Probability: c}
		}
		b.documents, b.queryState, b.ids = Matrix{}, Matrix{}, nil
	}
	l.scores = scores
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

// A listCall computes the states of a list's marks.
type listCall struct {
	m    *Model
	ctx  context.Context
	list *documents
}

func (r *listCall) tile(i, w int) {
	p := &r.list.blocks[i]
	c := &r.m.computes[w]
	c.ctx = r.ctx
	c.arena.reset()
	b := &c.Batch
	b.reset()
	b.add(0, Sequence{IDs: p.ids})
	b.Past = nil
	b.Want = append(append(b.Want[:0], p.marks...), p.query)
	x := r.m.network.(*reranker).project(c)
	if !c.Cancelled() {
		p.documents, p.queryState = copied(x.Slice(0, len(p.marks))), copied(x.Slice(len(p.marks), x.Rows))
	}
	c.ctx = nil
}

// project is e of the tokens that the batch wants.
func (m *reranker) project(c *Compute) Matrix {
	return c.Linear(m.ProjectTo, c.Linear(m.ProjectIn, m.states(c), kernels.ReLU), kernels.Identity)
}

func copied(x Matrix) Matrix {
	y := Matrix{Data: make([]float32, x.Rows*x.Cols), Rows: x.Rows, Cols: x.Cols, Stride: x.Cols}
	for i := range x.Rows {
		copy(y.Row(i), x.Row(i))
	}
	return y
}
