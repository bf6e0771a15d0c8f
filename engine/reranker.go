package engine

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/winnow-rerank/winnow/internal/fault"
	"github.com/winnow-rerank/winnow/kernels"
	"github.com/winnow-rerank/winnow/tokenizer"
)

// A reranker is a causal model with what makes a score of its states. It has one
// of these heads:
//
//	answers   rows of the language model's head: the logits of "yes" and "no", say,
//	          at the last token
//	Score     a classifier, at the last token
//	mean      the same, on the mean of all states (Llama that sees both ways)
//	project   jina-reranker-v3's projector; see listwise.go
type reranker struct {
	decoder
	Score     *Linear `st:"score" gguf:"cls.output" shape:"labels hidden" bias:"none" keep:"exact" if:"labels"`
	ProjectIn *Linear `st:"projector.0" gguf:"projector.0" shape:"middle hidden" bias:"none" keep:"exact" if:"listwise"`
	ProjectTo *Linear `st:"projector.2" gguf:"projector.2" shape:"projected middle" bias:"none" keep:"exact" if:"listwise"`

	answers  *Linear
	capped   bool    // logitCap applies: the logits are the language model's
	divisor  float32 // of the logits
	yesFirst bool    // of two logits the first is the relevant one's
	mean     bool

	vocabulary wholeHead
}

// A causalKind says how a causal architecture is built.
type causalKind struct {
	name      string
	configure func(*decoder, *file)
	finish    func(*decoder, *file)
	head      causalHead
}

type causalHead uint8

const (
	languageHead causalHead = iota
	classifierHead
	meanHead
	listHead
)

var (
	causalQwen2  = causalKind{name: "Qwen 2", configure: newQwen(false)}
	causalQwen3  = causalKind{name: "Qwen 3", configure: newQwen(true)}
	causalGemma  = causalKind{name: "Gemma", configure: newGemma, finish: (*decoder).gains}
	causalGemma2 = causalKind{name: "Gemma 2", configure: newGemma2, finish: (*decoder).gains}
	causalGemma3 = causalKind{name: "Gemma 3", configure: newGemma3, finish: (*decoder).gains}
	causalLlama  = causalKind{name: "Llama", configure: newLlama}

	causalMistral = causalKind{name: "Mistral", configure: newMistral}
	// llama.cpp's converter weaves Llama's rows.
	wovenLlama = causalKind{name: "Llama", configure: newLlama, finish: (*decoder).unweave}
)

// causal makes the function that builds an architecture with a head.
func causal(kind causalKind, head causalHead) func(*file) (network, error) {
	kind.head = head
	return kind.build
}

func (kind causalKind) build(f *file) (network, error) {
	m := &reranker{divisor: 1}
	kind.configure(&m.decoder, f)
	head := kind.head
	if f.gguf {
		head = f.ggufHead()
	}
	switch head {
	case classifierHead, meanHead:
		f.classifier("cls.output.weight")
		m.yesFirst = len(f.labels) == 2 && strings.EqualFold(f.labels[0], "yes")
		if m.yesFirst {
			f.labels = []string{f.labels[1], f.labels[0]}
		}
	case listHead:
		f.dims["listwise"], f.dims["middle"], f.dims["projected"] = 1, f.rowsOf("projector.0.weight"), f.rowsOf("projector.2.weight")
	}
	temperature := float32(1)
	if head == meanHead && !f.gguf {
		if pooling := f.settings.text(keyPooling, "avg"); pooling != "avg" {
			f.unsupported(fmt.Sprintf("pooling %q", abridge(pooling)), "winnow knows avg")
		}
		if f.settings.has(keyTemperature) {
			temperature = float32(f.settings.number(keyTemperature, 1e-6, 1e6))
		}
	}
	if err := f.load(m, kind.name); err != nil {
		return nil, err
	}
	if m.Head != nil && f.flag("tie_word_embeddings", false) {
		m.Head = nil
	}
	if kind.finish != nil {
		kind.finish(&m.decoder, f)
	}
	f.head = "last token → logits of answers"
	switch head {
	case classifierHead:
		f.head = "last token → classifier"
	case meanHead:
		m.mean = true
		m.divisor = temperature
		m.attention.bothWays = true
		f.head = "mean of all tokens → classifier"
	case listHead:
		f.head = "marked tokens → projector → cosine"
	}
	return m, nil
}

// ggufHead is the head that a GGUF file has tensors of.
func (f *file) ggufHead() causalHead {
	if _, ok := f.source.Tensor("projector.0.weight"); ok {
		return listHead
	}
	if _, ok := f.source.Tensor("cls.output.weight"); !ok {
		return languageHead
	}
	if seen, ok := f.metadata.Bool(f.settings.arch + ".attention.causal"); ok && !seen {
		return meanHead
	}
	return classifierHead
}

// rowsOf is the number of rows of a tensor, 1 where it is not a matrix.
func (f *file) rowsOf(name string) int {
	t, _ := f.source.Tensor(name)
	if len(t.Shape) != 2 || t.Shape[0] < 1 || t.Shape[0] > maxWidth {
		return 1
	}
	return t.Shape[0]
}

// completes says whether the file has a language model's head. Converters leave it
// out of rerankers whose head is not their embedding table, without a word of which
// kind the file is; but the classifier is rows of that head.
func (m *reranker) completes(f *file, t *tokenizer.Tokenizer) bool {
	switch {
	case m.ProjectIn != nil || m.mean:
		return false
	case m.Score == nil:
		return true
	}
	return f.gguf && (m.Head != nil || m.classifiesByWords(f, t))
}

// classifiesByWords says whether the classifier's rows are those of its labels in
// the embedding table, up to what the two lose in quantization.
func (m *reranker) classifiesByWords(f *file, t *tokenizer.Tokenizer) bool {
	score, _ := f.source.Tensor("cls.output.weight")
	if len(f.labels) != 2 || !m.yesFirst || len(score.Shape) != 2 || score.Shape[0] != 2 || score.Shape[1] != m.Words.Cols || !score.Type.CanDequantize() {
		return false
	}
	rows := Table{tensor: score, Rows: 2, Cols: m.Words.Cols, rowBytes: score.Type.Bytes(m.Words.Cols)}
	a, b := make([]float32, m.Words.Cols), make([]float32, m.Words.Cols)
	for i, label := range []string{f.labels[1], f.labels[0]} { // as in the file: yes, no
		ids := t.Tokens(nil, label)
		if len(ids) != 1 || int(ids[0]) >= m.Words.Rows {
			return false
		}
		rows.Row(a, int32(i))
		m.Words.Row(b, ids[0])
		if cosine(doubles(a), doubles(b)) < 0.9 {
			return false
		}
	}
	return true
}

func (m *reranker) logits(c *Compute) Matrix {
	b := &c.Batch
	if m.mean {
		return m.meanLogits(c)
	}
	b.wantLast()
	x := m.states(c)
	head := m.answers
	if m.Score != nil {
		head = m.Score
	}
	y := c.Linear(head, x, kernels.Identity)
	m.shape(y)
	return y
}

// shape makes logits of what the head gives.
func (m *reranker) shape(y Matrix) {
	for i := range y.Rows {
		row := y.Row(i)
		if m.capped {
			capRow(row, m.logitCap)
		}
		if m.divisor != 1 {
			for j := range row {
				row[j] /= m.divisor
			}
		}
		if m.yesFirst {
			row[0], row[1] = row[1], row[0]
		}
	}
}

// capRow is cap·tanh(x/cap), or x where cap is 0.
func capRow(row []float32, limit float32) {
	if limit == 0 {
		return
	}
	for j, v := range row {
		row[j] = limit * float32(math.Tanh(float64(v/limit)))
	}
}

func (m *reranker) meanLogits(c *Compute) Matrix {
	b := &c.Batch
	b.Want = b.Want[:0]
	for i := range b.IDs {
		b.Want = append(b.Want, int32(i))
	}
	x := m.states(c)
	mean := c.New(b.Sequences(), x.Cols)
	for s := range b.Sequences() {
		sum := mean.Row(s)
		clear(sum)
		first, last := int(b.Offsets[s]), int(b.Offsets[s+1])
		for i := first; i < last; i++ {
			for j, v := range x.Row(i) {
				sum[j] += v
			}
		}
		n := float32(last - first)
		for j := range sum {
			sum[j] /= n
		}
	}
	y := c.Linear(m.Score, mean, kernels.Identity)
	m.shape(y)
	return y
}

var (
	keyPooling     = key{"pooling", ""}
	keyTemperature = key{"temperature", ""}
)

// finish gives the model its way to make prompts and scores, once the tokenizer
// is there.
func (m *reranker) finish(model *Model, f *file, o Options) error {
	if m.completes(f, model.tokenizer) {
		m.vocabulary.table = m.head()
		m.vocabulary.format, m.vocabulary.floats = f.packAs, f.floats
		model.completes, model.ends = true, f.endTokens(model)
	}
	if !m.mean {
		model.pasts = &pasts{layers: len(m.Layers), width: f.dims["keys"], limit: pastBytes}
	}
	if m.ProjectIn != nil {
		return m.finishList(model, f, o)
	}
	p, err := choosePrompt(model, f, m, o)
	if err != nil {
		return err
	}
	if p.slack != nil {
		model.slack = 2 * model.maxLength
	}
	score := o.Score
	switch {
	case m.Score != nil && score != "":
		return fmt.Errorf("%s: the scoring %q was asked for, but the model has a classifier", f.settings.path, score)
	case m.Score != nil:
		model.prompt = p
		return nil
	}
	ids, labels, err := p.answers(model.tokenizer, score)
	if err != nil {
		if o.Score == "" && o.Template == "" {
			// It still completes.
			model.cannotRerank = err
			return nil
		}
		return &fault.UnsupportedError{Path: f.settings.path, What: err.Error(), Hint: "choose a token with the score option, token:ID"}
	}
	for _, id := range ids {
		if int(id) >= m.head().Rows {
			return &fault.FormatError{Path: f.settings.path, Field: "score", Offset: -1, Found: fmt.Sprintf("token %d", id), Want: fmt.Sprintf("less than %d, the rows of the vocabulary", m.head().Rows)}
		}
	}
	model.prompt = p
	m.answers, m.capped, m.divisor = m.head().linear(ids), true, p.divisor
	f.labels = labels
	if len(ids) == 1 {
		f.labels = labels[:1]
	}
	return nil
}

// answers are the tokens whose logits make the score: of "no" and "yes", in this
// order, or of one alone.
func (p *prompt) answers(t *tokenizer.Tokenizer, score string) (ids []int32, labels []string, err error) {
	word := func(w string) int32 {
		list := t.Tokens(nil, w)
		if len(list) != 1 {
			err = fmt.Errorf("scores by the answer %q, which is %d tokens", w, len(list))
			return 0
		}
		return list[0]
	}
	if score == "" {
		score = p.score
	}
	switch {
	case score == "yes-no":
		ids, labels = []int32{word(p.no), word(p.yes)}, []string{p.no, p.yes}
	case score == "yes":
		ids, labels = []int32{word(p.yes)}, []string{p.yes}
	case strings.HasPrefix(score, "token:"):
		n, bad := strconv.ParseUint(score[len("token:"):], 10, 31)
		if bad != nil {
			return nil, nil, fmt.Errorf("score %q: expected a token's number after the colon", score)
		}
		ids, labels = []int32{int32(n)}, []string{"token " + strconv.FormatUint(n, 10)}
	default:
		return nil, nil, fmt.Errorf("score %q: expected yes-no, yes or token:ID", score)
	}
	return ids, slices.Clip(labels), err
}
