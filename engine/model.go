package engine

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/klauspost/cpuid/v2"

	"github.com/winnow-rerank/winnow/gguf"
	"github.com/winnow-rerank/winnow/internal/fault"
	"github.com/winnow-rerank/winnow/kernels"
	"github.com/winnow-rerank/winnow/tokenizer"
)

// ErrNotFinite says that a model computed a number that is not finite.
var ErrNotFinite = errors.New("the model computed a number that is not finite")

// A network is a family's model: it takes the batch of c to one row of logits
// for each sequence.
type network interface {
	logits(c *Compute) Matrix
}

// A preparer computes something of its weights when they are packed, and tells how
// many bytes that takes.
type preparer interface {
	prepare(f *file, p *pool) (bytes int64, err error)
}

// A family makes networks.
type family struct {
	name      string
	modelType string // that config.json must name; "" for GGUF
	build     func(*file) (network, error)
}

// families are the architectures that winnow computes, by the names that
// config.json and GGUF files have for them.
var families = map[string]family{
	"BertForSequenceClassification":       {"BERT", "bert", newBERT},
	"RobertaForSequenceClassification":    {"RoBERTa", "roberta", newXLMR},
	"XLMRobertaForSequenceClassification": {"XLM-RoBERTa", "xlm-roberta", newXLMR},
	"DebertaV2ForSequenceClassification":  {"DeBERTa", "deberta-v2", newDeBERTa},
	"JinaBertForSequenceClassification":   {"JinaBERT", "bert", newJinaBERT},
	"ModernBertForSequenceClassification": {"ModernBERT", "modernbert", newModernBERT},

	"Qwen2ForCausalLM":  {"Qwen 2", "qwen2", causal(causalQwen2, languageHead)},
	"Qwen3ForCausalLM":  {"Qwen 3", "qwen3", causal(causalQwen3, languageHead)},
	"GemmaForCausalLM":  {"Gemma", "gemma", causal(causalGemma, languageHead)},
	"Gemma2ForCausalLM": {"Gemma 2", "gemma2", causal(causalGemma2, languageHead)},
	"Gemma3ForCausalLM": {"Gemma 3", "gemma3_text", causal(causalGemma3, languageHead)},
	"LlamaForCausalLM":  {"Llama", "llama", causal(causalLlama, languageHead)},

	"MistralForCausalLM":               {"Mistral", "mistral", causal(causalMistral, languageHead)},
	"MistralForSequenceClassification": {"Mistral", "mistral", causal(causalMistral, classifierHead)},

	"Qwen2ForSequenceClassification":              {"Qwen 2", "qwen2", causal(causalQwen2, classifierHead)},
	"Qwen3ForSequenceClassification":              {"Qwen 3", "qwen3", causal(causalQwen3, classifierHead)},
	"GemmaForSequenceClassification":              {"Gemma", "gemma", causal(causalGemma, classifierHead)},
	"Gemma2ForSequenceClassification":             {"Gemma 2", "gemma2", causal(causalGemma2, classifierHead)},
	"Gemma3TextForSequenceClassification":         {"Gemma 3", "gemma3_text", causal(causalGemma3, classifierHead)},
	"LlamaForSequenceClassification":              {"Llama", "llama", causal(causalLlama, classifierHead)},
	"LlamaBidirectionalForSequenceClassification": {"Llama", "llama_bidirec", causal(causalLlama, meanHead)},

	"JinaForRanking": {"Qwen 3", "qwen3", causal(causalQwen3, listHead)},

	"CamembertForSequenceClassification": {"CamemBERT", "camembert", newXLMR},
	"ElectraForSequenceClassification":   {"ELECTRA", "electra", newELECTRA},

	"DistilBertForSequenceClassification": {"DistilBERT", "distilbert", newDistilBERT},
	"DistilBertModel":                     {"DistilBERT", "distilbert", newDistilEmbedder},
	"DistilBertForMaskedLM":               {"DistilBERT", "distilbert", newDistilEmbedder},

	"BertModel":          {"BERT", "bert", newBERTEmbedder},
	"BertForMaskedLM":    {"BERT", "bert", newBERTEmbedder},
	"CamembertModel":     {"CamemBERT", "camembert", newXLMREmbedder},
	"ElectraModel":       {"ELECTRA", "electra", newELECTRAEmbedder},
	"HF_ColBERT":         {"BERT", "bert", newBERTEmbedder},
	"ModernBertModel":    {"ModernBERT", "modernbert", newModernEmbedder},
	"RobertaModel":       {"RoBERTa", "roberta", newXLMREmbedder},
	"XLMRobertaModel":    {"XLM-RoBERTa", "xlm-roberta", newXLMREmbedder},
	"RobertaForMaskedLM": {"RoBERTa", "roberta", newXLMREmbedder},

	"ModernBertForMaskedLM": {"ModernBERT", "modernbert", newModernEmbedder},
	"XLMRobertaForMaskedLM": {"XLM-RoBERTa", "xlm-roberta", newXLMREmbedder},
}

// ggufFamilies are GGUF architectures. llama.cpp calls BERT and XLM-RoBERTa by
// one name; their tokenizers tell them apart.
var ggufFamilies = map[string]family{
	"bert":      {"BERT", "", newBERT},
	"bert/bert": {"BERT", "", newBERT},
	"bert/t5":   {"XLM-RoBERTa", "", newXLMR},
	"bert/gpt2": {"RoBERTa", "", newXLMR},

	"deberta-v2": {"DeBERTa", "", newDeBERTa},
	"distilbert": {"DistilBERT", "", newDistilBERT},
	"electra":    {"ELECTRA", "", newELECTRA},

	"jina-bert-v2": {"JinaBERT", "", newJinaBERT},
	"modern-bert":  {"ModernBERT", "", newModernBERT},

	"qwen2":  {"Qwen 2", "", causalQwen2.build},
	"qwen3":  {"Qwen 3", "", causalQwen3.build},
	"gemma":  {"Gemma", "", causalGemma.build},
	"gemma2": {"Gemma 2", "", causalGemma2.build},
	"gemma3": {"Gemma 3", "", causalGemma3.build},
	"llama":  {"Llama", "", wovenLlama.build},
}

func (f *file) family() (family, error) {
	if f.gguf {
		if f.architecture == "" {
			return family{}, &fault.FormatError{Path: f.settings.path, Field: "general.architecture", Offset: -1, Found: "nothing", Want: "a string"}
		}
		kind, _ := f.metadata.String("tokenizer.ggml.model")
		if fam, ok := ggufFamilies[f.architecture+"/"+kind]; ok {
			return fam, nil
		}
		if fam, ok := ggufFamilies[f.architecture]; ok {
			return fam, nil
		}
		return family{}, f.refuse(fmt.Sprintf("general.architecture %q", abridge(f.architecture)), "winnow reads "+known(ggufFamilies))
	}
	modelType := f.settings.text(key{"model_type", ""}, "")
	if f.architecture == "" {
		return family{}, &fault.FormatError{Path: f.settings.path, Field: "architectures", Offset: -1,
			Found: f.settings.describe(key{"architectures", ""}), Want: `a list that begins with the model's class, such as ["BertForSequenceClassification"]`}
	}
	fam, ok := families[f.architecture]
	if strings.HasSuffix(f.architecture, "ForMaskedLM") && len(f.sentence.modules) == 0 {
		ok = false // a bare language model; with modules it makes vectors
	}
	if !ok {
		return family{}, f.refuse(fmt.Sprintf("architecture %q", abridge(f.architecture)), "winnow reads "+known(families))
	}
	if modelType != "" && modelType != fam.modelType {
		return family{}, f.refuse(fmt.Sprintf("model_type %q with architecture %s", abridge(modelType), f.architecture), "that class has model_type "+fam.modelType)
	}
	return fam, nil
}

func known(families map[string]family) string {
	var names []string
	for name := range families {
		if !strings.Contains(name, "/") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// Options changes how a model is loaded; the zero value is the default.
type Options struct {
	Threads     int
	Precision   Precision
	MaxLength   int
	BatchTokens int
	Pause       func() // or nil: what workers call between layers

	// Label is the name or number of a classifier's label that says that a document
	// is relevant; "": the only one, or the one whose name says so, or the second of
	// two.
	Label string
	// Pooling is "mean", "cls" or "last" in place of an embedding model's own.
	Pooling string

	roundAll bool // narrow matrices too are rounded to 8 bits: for tests

	// Of causal models:
	Score       string // "yes-no", "yes" or "token:ID"; "": as the model's authors do
	Template    string // the prompt: a name or text; "": as the model's authors do
	Instruction string // in place of the prompt's own
	PlainText   bool   // what spells a special token in queries and documents stays text
}

// A Model is a loaded model. Its methods may be called at the same time; Close
// only when none of them runs.
type Model struct {
	source    source
	network   network
	tokenizer *tokenizer.Tokenizer
	info      Info
	path      string
	vocab     int  // rows of the embedding table
	types     int  // token types
	oneType   bool // all token types are 0
	maxLength int
	chunk     int // tokens that a worker takes through the layers at a time
	judgement judgement
	vectors   *embeddings // of models that embed
	late      *late       // of models of late interaction

	// Of causal models:
	prompt       *prompt // or nil
	cannotRerank error   // why not, if prompt is nil
	pasts        *pasts
	slack        int            // tokens that a prompt may have beyond maxLength
	plain        bool           // texts are plain whatever the call says
	completes    bool           // it has a language model's head
	ends         map[int32]bool // tokens that end a text
	listwise     *listwise

	pool     *pool
	computes []Compute
	lanes    []lane

	mu    sync.Mutex
	calls []*call // not in use
}

// Open loads the model at path.
func Open(path string, o Options) (*Model, error) {
	f, err := openFile(path)
	if err != nil {
		return nil, err
	}
	return load(f, path, o)
}

// OpenBytes loads a GGUF file from memory.
func OpenBytes(name string, data []byte, o Options) (*Model, error) {
	g, err := gguf.OpenBytes(name, data)
	if err != nil {
		return nil, err
	}
	return load(ggufFile(g), name, o)
}

func load(f *file, path string, o Options) (_ *Model, err error) {
	m := &Model{source: f.source, path: path}
	defer func() {
		if err != nil {
			m.Close()
		}
	}()
	if o.Threads < 0 || o.MaxLength < 0 || o.BatchTokens < 0 {
		return nil, fmt.Errorf("%d threads, maximum length %d, %d tokens a batch: expected numbers of at least 0", o.Threads, o.MaxLength, o.BatchTokens)
	}
	fam, err := f.family()
	if err != nil {
		return nil, err
	}
	// The vocabulary is read while the weights are packed.
	type vocabulary struct {
		*tokenizer.Tokenizer
		error
	}
	words := make(chan vocabulary, 1)
	go func() {
		t, err := f.tokenizer()
		words <- vocabulary{t, err}
	}()
	defer func() {
		if words != nil {
			<-words // it reads the file, which Close unmaps
		}
	}()
	f.ignore = ignorable
	precision, reason := f.choosePrecision(o.Precision)
	if o.roundAll {
		f.narrow = 0
	}
	f.pooling = o.Pooling
	m.network, err = fam.build(f)
	m.source = f.source // which the family may have joined others to
	if err != nil {
		return nil, err
	}
	if f.err != nil {
		return nil, f.err
	}
	threads := o.Threads
	if threads == 0 {
		threads = defaultThreads()
	}
	m.pool = acquirePool(threads)
	packed, err := f.pack(m.pool)
	if err != nil {
		return nil, err
	}
	if n, ok := m.network.(preparer); ok {
		bytes, err := n.prepare(f, m.pool)
		if err != nil {
			return nil, err
		}
		packed += bytes
	}
	v := <-words
	words = nil
	if v.error != nil {
		return nil, v.error
	}
	m.tokenizer = v.Tokenizer
	if err := m.checkVocabulary(f); err != nil {
		return nil, err
	}
	m.oneType = f.oneType
	m.plain = o.PlainText
	m.maxLength = f.maxLength
	for _, limit := range []int{m.tokenizer.MaxLength(), f.settings.countOr(keySequence, 1, maxPositions, 0), o.MaxLength} {
		if limit > 0 {
			m.maxLength = min(m.maxLength, limit)
		}
	}
	if f.settings.err != nil {
		return nil, f.settings.err
	}
	if added := m.tokenizer.Added(true); m.maxLength <= added {
		return nil, fmt.Errorf("%s: a maximum length of %d tokens has no room for a query and a document beside %d special tokens", path, m.maxLength, added)
	}
	m.chunk = o.BatchTokens
	if m.chunk == 0 {
		m.chunk = defaultChunk
	}
	m.lanes = make([]lane, threads)
	m.computes = make([]Compute, threads)
	for w := range m.computes {
		m.computes[w] = Compute{pool: m.pool, worker: w, peers: m.computes, lanes: m.lanes, coarse: precision == Int8, pause: o.Pause}
	}
	if n, ok := m.network.(*reranker); ok {
		if err := n.finish(m, f, o); err != nil {
			return nil, err
		}
	}
	if n, ok := m.network.(embedder); ok {
		if err := m.embeds(n, f); err != nil {
			return nil, err
		}
	}
	if o.Label != "" && (m.vectors != nil || m.late != nil || m.listwise != nil || m.completes) {
		return nil, fmt.Errorf("%s: the label %q was asked for, but the model has no classifier", path, o.Label)
	}
	if m.vectors == nil && m.late == nil && m.listwise == nil {
		if m.judgement, err = f.judge(o.Label); err != nil {
			return nil, err
		}
	}
	m.describe(f, fam)
	m.info.Precision, m.info.PrecisionReason = precision, reason
	m.info.WeightBytes = packed
	return m, nil
}

// keySequence is how many tokens a GGUF file's sequences may have, where that is
// fewer than its positions are enough for.
var keySequence = key{"", ".sequence_length"}

// defaultChunk is how many tokens a worker takes through the layers at a time:
// enough for the weights, read once for all of them, to cost little, and few
// enough for the activations to stay in the cache.
const defaultChunk = 192

// defaultThreads is one for each core that this process may use: the second
// thread of a core has no multipliers of its own.
func defaultThreads() int {
	n := runtime.GOMAXPROCS(0)
	if cores := cpuid.CPU.PhysicalCores; cores > 0 {
		n = min(n, cores)
	}
	return max(1, n)
}

// ignorable says whether a tensor that no family asks for may be left over:
// buffers that are computed anyway, and heads that pretraining left behind.
func ignorable(name string) bool {
	for _, prefix := range []string{"cls.predictions.", "cls.seq_relationship.", "lm_head.", "roberta.pooler."} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return strings.HasSuffix(name, "embeddings.position_ids") || strings.HasSuffix(name, "embeddings.token_type_ids")
}

// checkVocabulary compares the tokenizer with the embedding tables.
func (m *Model) checkVocabulary(f *file) error {
	m.vocab, m.types = f.dims["vocab"], f.dims["types"]
	size := m.tokenizer.Size()
	if f.gguf {
		// There is a piece for each row, if only a placeholder.
		if pieces, ok := f.metadata.Strings("tokenizer.ggml.tokens"); ok {
			size = max(size, len(pieces))
		}
	}
	if size > m.vocab || f.gguf && size != m.vocab {
		return &fault.FormatError{Path: f.settings.path, Field: "vocabulary", Offset: -1,
			Found: fmt.Sprintf("token ids up to %d", size-1), Want: fmt.Sprintf("at most %d, the last row of the embedding table", m.vocab-1)}
	}
	return nil
}

// Close ends the model's share of the workers and unmaps its file.
func (m *Model) Close() error {
	if m.pool != nil {
		m.pool.release()
	}
	return m.source.Close()
}

// A Sequence is one input of a model as token ids. Types, the token types, is
// nil where all are 0.
type Sequence struct {
	IDs   []int32
	Types []int32

	shared int        // tokens that it begins with like others of its call
	list   *documents // of a listwise model: the documents that it is scored with
	member int        // which of them it is
	late   *lateQuery // of late interaction: the query, or that which it is
	seen   int32      // how many of its tokens attention sees; 0: all
}

// Len is the number of tokens.
func (s Sequence) Len() int { return len(s.IDs) }

// An Output is the score of one sequence.
type Output struct {
	Logit       float64 // for two labels the relevant one's minus the other's
	Probability float64
}

// Score scores sequences. The result is in their order.
func (m *Model) Score(ctx context.Context, sequences []Sequence) ([]Output, error) {
	outputs := make([]Output, len(sequences))
	switch {
	case m.listwise != nil:
		return outputs, m.scoreLists(ctx, sequences, outputs)
	case m.late != nil:
		return outputs, m.scoreLate(ctx, sequences, outputs)
	case m.vectors != nil:
		return nil, fmt.Errorf("%s: %w", m.path, ErrCannotRerank)
	}
	if err := m.score(ctx, sequences, outputs); err != nil {
		return nil, err
	}
	return outputs, nil
}

// score allocates nothing once as large a call has been made before.
func (m *Model) score(ctx context.Context, sequences []Sequence, outputs []Output) error {
	return m.compute(ctx, sequences, outputs, nil)
}

// compute fills outputs or vectors, whichever is not nil.
func (m *Model) compute(ctx context.Context, sequences []Sequence, outputs []Output, vectors [][]float32) error {
	for i, s := range sequences {
		if err := m.check(s); err != nil {
			return fmt.Errorf("sequence %d: %w", i, err)
		}
	}
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	r := m.call()
	defer m.done(r)
	r.ctx, r.sequences, r.outputs, r.vectors = ctx, sequences, outputs, vectors
	r.bad.Store(-1)
	if m.pasts != nil {
		if err := r.share(); err != nil {
			return err
		}
		sequences = r.sequences
	}
	r.plan.divide(sequences, m.chunk, m.pool.size, 4*max(1, m.info.Hidden))
	m.pool.run(&r.job, r, len(r.plan.chunks))
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if i := r.bad.Load(); i >= 0 {
		return fmt.Errorf("%s: sequence %d: %w", m.path, i, ErrNotFinite)
	}
	return nil
}

func (m *Model) check(s Sequence) error {
	if s.Len() == 0 || s.Len() > m.maxLength+m.slack {
		return fmt.Errorf("%d tokens: expected 1 to %d", s.Len(), m.maxLength+m.slack)
	}
	for _, id := range s.IDs {
		if uint(id) >= uint(m.vocab) {
			return fmt.Errorf("token %d: the vocabulary has %d", id, m.vocab)
		}
	}
	if s.Types != nil && len(s.Types) != s.Len() {
		return fmt.Errorf("%d token types for %d tokens", len(s.Types), s.Len())
	}
	for _, t := range s.Types {
		if uint(t) >= uint(m.types) {
			return fmt.Errorf("token type %d: the model has %d", t, m.types)
		}
	}
	return nil
}

// A call is what one Score needs; it is kept for the next.
type call struct {
	model     *Model
	job       job
	plan      plan
	ctx       context.Context
	sequences []Sequence
	outputs   []Output
	vectors   [][]float32
	bad       atomic.Int64 // a sequence whose logits are not finite, or -1

	// Of causal models: what lies before each sequence, which is then a prompt's
	// rest.
	rests  []Sequence
	behind []behind
	held   []*past // that the call uses
}

func (m *Model) call() *call {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := len(m.calls); n > 0 {
		r := m.calls[n-1]
		m.calls = m.calls[:n-1]
		return r
	}
	return &call{model: m}
}

func (m *Model) done(r *call) {
	r.ctx, r.sequences, r.outputs, r.vectors = nil, nil, nil, nil
	r.forget()
	m.mu.Lock()
	m.calls = append(m.calls, r)
	m.mu.Unlock()
}

// tile scores one chunk.
func (r *call) tile(i, w int) {
	if r.ctx.Err() != nil {
		return
	}
	c := &r.model.computes[w]
	c.ctx = r.ctx
	c.arena.reset()
	r.plan.fill(&c.Batch, i, r.sequences)
	r.attach(&c.Batch)
	logits := r.model.network.logits(c)
	if !c.Cancelled() {
		r.take(c, logits)
	}
	c.ctx = nil
}

// take makes of a chunk's rows what is wanted.
func (r *call) take(c *Compute, x Matrix) {
	if r.model.late != nil {
		r.takeLate(c, x)
		return
	}
	for s, n := range c.Batch.Numbers {
		ok := true
		if r.vectors != nil {
			r.vectors[n] = append([]float32(nil), x.Row(s)...)
			ok = finite(x.Row(s))
		} else {
			r.outputs[n], ok = r.model.judgement.output(x.Row(s))
		}
		if !ok {
			r.bad.Store(int64(n))
		}
	}
}

// Info describes the model.
func (m *Model) Info() Info { return m.info }

func (m *Model) describe(f *file, fam family) {
	info := &m.info
	info.Name, info.Path, info.Format = f.name, m.path, f.kind
	if info.Name == "" {
		info.Name = strings.TrimSuffix(filepath.Base(m.path), ".gguf")
	}
	info.Architecture, info.Family = f.architecture, fam.name
	info.Tasks = m.tasks()
	info.Labels, info.Configured = f.labels, f.configured
	info.Activation = m.judgement.activation()
	if n := m.judgement.relevant; n < len(f.labels) {
		info.Relevant = f.labels[n]
	}
	switch {
	case m.listwise != nil:
		info.Activation, info.Listwise = "none", true
	case m.late != nil:
		info.Activation = "mean"
	case m.vectors != nil:
		info.Activation, info.Labels = "", nil
		info.Dimensions, info.Pooling, info.Unit = m.vectors.chain.width, m.vectors.chain.pooling.String(), m.vectors.chain.unit
		info.Prompts, info.DefaultPrompt = m.vectors.prompts, m.vectors.defaultPrompt
	}
	info.MaxLength = m.maxLength
	info.Layers, info.Hidden = f.dims["layers"], f.dims["hidden"]
	info.Intermediate, info.Vocabulary = f.dims["intermediate"], f.dims["vocab"]
	info.Heads = f.heads
	info.Head = f.head
	info.Tokenizer = m.tokenizer.Kind()
	info.Tensors, info.Parameters, info.FileBytes = f.tensorInfos()
	info.EmbeddingBytes = f.tables
	info.Kernels = kernels.Rung()
	info.Threads = m.pool.size
	// A worker keeps the states, queries, keys, values and attention's output of
	// all tokens of its chunk, and the hidden layer and a product's input of a
	// block.
	tokens := max(m.chunk, m.maxLength)
	floats := 5*tokens*info.Hidden + min(tokens, blockRows)*2*max(info.Intermediate, info.Hidden)
	info.ActivationBytes = int64(m.pool.size) * int64(floats) * 4
}
