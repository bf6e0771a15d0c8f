package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
	"github.com/winnow-rerank/winnow/engine/internal/compute"
	"github.com/winnow-rerank/winnow/engine/internal/family"
	"github.com/winnow-rerank/winnow/internal/fault"
	"github.com/winnow-rerank/winnow/internal/mapfile"
	"github.com/winnow-rerank/winnow/tokenizer"
)

// Errors of a model that is asked for something that it was not made for, or that
// went wrong in the computation.
var (
	ErrNotFinite      = errors.New("the model computed a number that is not finite")
	ErrCannotRerank   = errors.New("the model has no classification head and cannot rerank")
	ErrCannotEmbed    = errors.New("the model has neither an embedding head nor pooling and cannot embed")
	ErrCannotComplete = errors.New("the model has no language model's head and cannot complete text")
)

// Precision is the number format in which a model's matrices are multiplied.
type Precision = checkpoint.Precision

// The precisions that a user can ask for.
const (
	Auto    = checkpoint.Auto
	F32     = checkpoint.F32
	F16     = checkpoint.F16
	Int8    = checkpoint.Int8
	Int8A16 = checkpoint.Int8A16
	Int16A8 = checkpoint.Int16A8
)

// ParsePrecision reads the name of a precision.
func ParsePrecision(s string) (Precision, error) { return checkpoint.ParsePrecision(s) }

// Options changes how a model is loaded; the zero value is the default.
type Options struct {
	Threads     int
	Precision   Precision
	MaxLength   int    // tokens of a sequence, if that is fewer than the model takes
	BatchTokens int    // that a worker takes through the layers at a time
	Pause       func() // or nil: what workers call between layers

	// Label is the name or number of a classifier's label that says that a document
	// is relevant; "": the only one, or the one whose name says so, or the second of
	// two.
	Label string
	// Pooling is "mean", "cls" or "last" in place of an embedding model's own.
	Pooling string
	// Score is how a score is made where the model leaves a choice: of causal models
	// "yes-no", "yes" or "token:ID"; of embedding models "cosine"; "": as the model's
	// authors do.
	Score string

	// Of rerankers with a head behind each of many layers: the layer to stop behind, 0 for
	// the last one, and the layers before which so many neighbouring tokens of a document
	// become one.
	Layer          int
	CompressRatio  int
	CompressLayers []int

	// Of causal models:
	Template    string // the prompt: a name or text, or "none" for the bare pair; "": as the model's files say
	Instruction string // in place of the prompt's own
	PlainText   bool   // what spells a special token in queries and documents stays text
	// ChatTemplate is the Jinja source of the template of conversations; "": the one that the
	// model's files bring.
	ChatTemplate string

	roundAll bool // narrow matrices too are rounded: for tests
	unjudged bool // any label may be the relevant one: for conversions
}

// A Model is a loaded model. Its methods may be called at the same time; Close only
// when none of them runs.
type Model struct {
	path      string
	file      *checkpoint.File
	network   *family.Network
	tokenizer *tokenizer.Tokenizer
	runner    *compute.Runner
	parts     []any // structs of tensors beside the trunk's
	info      Info

	maxLength int  // tokens of a sequence
	positions int  // that the network has for them
	sized     bool // the files say how long one may be, whatever the tokenizer's say
	slack     int  // that a prompt may have beyond it
	chunk     int  // that a worker takes through the layers at a time
	plain     bool // texts are plain whatever the call says

	ranker    ranker
	embedder  embedder
	completer completer

	prefixes *compute.PrefixCache // of causal models; nil: none needed yet

	mu    sync.Mutex
	calls []*call // not in use
}

// Open loads the model at path.
func Open(path string, o Options) (*Model, error) {
	f, err := checkpoint.Open(path)
	if err != nil {
		return nil, err
	}
	return load(f, path, o)
}

// OpenBytes loads a GGUF file from memory.
func OpenBytes(name string, data []byte, o Options) (*Model, error) {
	f, err := checkpoint.OpenBytes(name, data)
	if err != nil {
		return nil, err
	}
	return load(f, name, o)
}

// defaultChunk is how many tokens a worker takes through the layers at a time:
// enough for the weights, read once for all of them, to cost little, and few
// enough for the activations to stay in the cache.
const defaultChunk = 192

// load makes a model of f, which it closes if it cannot.
func load(f *checkpoint.File, path string, o Options) (m *Model, err error) {
	err = mapfile.Read(f.Path, func() error {
		m, _, err = build(f, path, o, true)
		return err
	})
	return m, err
}

// build is load, and says of which family the model is. Without weights it is not
// made ready to compute.
func build(f *checkpoint.File, path string, o Options, weights bool) (_ *Model, _ *family.Family, err error) {
	m := &Model{path: path, file: f, plain: o.PlainText, chunk: cmp.Or(o.BatchTokens, defaultChunk)}
	built := false
	defer func() {
		if !built {
			m.Close()
		}
	}()
	if o.Threads < 0 || o.MaxLength < 0 || o.BatchTokens < 0 {
		return nil, nil, fmt.Errorf("%d threads, maximum length %d, %d tokens a batch: expected numbers of at least 0", o.Threads, o.MaxLength, o.BatchTokens)
	}
	fam, task, err := family.Find(f)
	if err != nil {
		return nil, nil, err
	}
	// The vocabulary is read while the weights are packed.
	words := make(chan func() (*tokenizer.Tokenizer, error), 1)
	go func() {
		var t *tokenizer.Tokenizer
		err := mapfile.Read(f.Path, func() (err error) {
			t, err = f.Tokenizer()
			return err
		})
		words <- func() (*tokenizer.Tokenizer, error) { return t, err }
	}()
	defer func() {
		if words != nil {
			<-words // it reads the file, which Close unmaps
		}
	}()
	f.RoundAll = o.roundAll
	precision, reason := f.ChoosePrecision(o.Precision, cmp.Or(fam.EightBits, Int8))
	calibrated := precision == Int8 || precision == Int16A8
	m.network = fam.New(f, task)
	plan, err := m.plan(task, o)
	if err != nil {
		return nil, nil, err
	}
	m.parts = plan.parts
	if err := f.Load(m.network.LoadOptions(fam, plan.settings...), append([]any{m.network.Trunk}, m.parts...)...); err != nil {
		return nil, nil, err
	}
	m.runner = compute.NewRunner(o.Threads, compute.RunnerOptions{Coarse: calibrated, Pause: o.Pause})
	if weights {
		if err := m.pack(); err != nil {
			return nil, nil, err
		}
	}
	vocabulary := <-words
	words = nil
	if m.tokenizer, err = vocabulary(); err != nil {
		return nil, nil, err
	}
	if err := m.limit(o); err != nil {
		return nil, nil, err
	}
	if err := plan.finish(o); err != nil {
		return nil, nil, err
	}
	if weights && calibrated && f.Widens() {
		cost, err := m.calibrate()
		if err != nil {
			return nil, nil, err
		}
		reason += "; " + cost
	}
	m.describe(fam)
	m.info.Precision, m.info.PrecisionReason = precision, reason
	built = true
	return m, fam, nil
}

// pack makes the weights ready to compute.
func (m *Model) pack() error {
	bytes, err := m.file.Pack(m.runner)
	if err != nil {
		return err
	}
	m.info.WeightBytes = bytes
	if m.network.Prepare == nil {
		return nil
	}
	bytes, err = m.network.Prepare(m.runner)
	m.info.WeightBytes += bytes
	return err
}

// limit finds out how long a sequence may be, and checks that the tokenizer and
// the embedding table go together.
func (m *Model) limit(o Options) error {
	f, t := m.file, m.tokenizer
	t.Trim(m.network.Spec.VocabSize)
	if size, rows := t.Size(), m.network.Spec.VocabSize; size > rows {
		return &fault.FormatError{Path: f.SettingsPath(), Field: "vocabulary", Offset: -1,
			Found: fmt.Sprintf("token ids up to %d", size-1), Want: fmt.Sprintf("at most %d, the last row of the embedding table", rows-1)}
	}
	m.maxLength = m.network.MaxLength
	limit := t.MaxLength()
	if m.network.Bag { // whose libraries read tokenizer.json alone
		if limit = t.TruncationLength(); m.network.DropsUnknown {
			limit = 0
		}
	}
	if limit > 0 && !m.sized {
		m.maxLength = min(m.maxLength, limit)
	}
	if o.MaxLength > 0 {
		m.maxLength = min(m.maxLength, o.MaxLength)
	}
	if err := f.Err(); err != nil {
		return err
	}
	if added := t.Added(true); m.maxLength <= added && !m.network.Bag {
		return fmt.Errorf("%s: a maximum length of %d tokens has no room for a query and a document beside %d special tokens", m.path, m.maxLength, added)
	}
	return nil
}

// Close ends the model's share of the workers and unmaps its file.
func (m *Model) Close() error {
	if m.runner != nil {
		m.runner.Close()
	}
	return m.file.Close()
}

// A Sequence is one input of a model as token ids. Types, the token types, is nil
// where all are 0.
type Sequence struct {
	IDs   []int32
	Types []int32

	visible int // how many of its tokens, from the first, attention sees; 0: all
	shared  int // tokens that it begins with like others of its call
	// group is what it is scored with: the query of late interaction, or the list of
	// a listwise model, in which it is member.
	group  any
	member int
}

// Len is the number of tokens.
func (s Sequence) Len() int { return len(s.IDs) }

// An Output is the score of one sequence.
type Output struct {
	Logit       float64 // for two labels the relevant one's minus the other's
	Probability float64
}

// Encode turns the query with each of the documents into tokens, truncated to the
// length that the model takes. It returns early when ctx is done.
func (m *Model) Encode(ctx context.Context, query string, documents []string, o EncodeOptions) (Encoded, error) {
	o.Plain, o.Side = o.Plain || m.plain, m.side(o.Side)
	return m.ranker.encode(ctx, query, documents, o, m.length(o.MaxLength))
}

// length is the tokens of a sequence, at most as many as are asked for.
func (m *Model) length(asked int) int {
	if asked > 0 {
		return min(m.maxLength, asked)
	}
	return m.maxLength
}

// Score scores sequences that Encode has made. The result is in their order.
func (m *Model) Score(ctx context.Context, sequences []Sequence) ([]Output, error) {
	if err := m.checkAll(sequences); err != nil {
		return nil, err
	}
	outputs := make([]Output, len(sequences))
	if err := m.ranker.score(ctx, sequences, outputs); err != nil {
		return nil, err
	}
	return outputs, nil
}

// EncodeTexts turns texts into tokens, truncated to the length that the model takes.
// It returns early when ctx is done.
func (m *Model) EncodeTexts(ctx context.Context, texts []string, o TextOptions) (Encoded, error) {
	o.Plain, o.Side = o.Plain || m.plain, m.side(o.Side)
	return m.embedder.encodeTexts(ctx, texts, o, m.length(o.MaxLength))
}

// Embed makes a vector of each sequence that EncodeTexts has made, in their order.
// They are as the model's chain gives them, but for a last Normalize: see Info.Unit
// and Normalize.
func (m *Model) Embed(ctx context.Context, sequences []Sequence) ([][]float32, error) {
	if err := m.checkAll(sequences); err != nil {
		return nil, err
	}
	return m.embedder.embed(ctx, sequences)
}

// TokenStates are the last hidden states of every token of sequences that EncodeTexts has
// made, those of a sequence one behind the other: neither pooled nor normalised.
func (m *Model) TokenStates(ctx context.Context, sequences []Sequence) ([][]float32, error) {
	if err := m.checkAll(sequences); err != nil {
		return nil, err
	}
	return m.embedder.states(ctx, sequences)
}

// Complete continues a prompt.
func (m *Model) Complete(ctx context.Context, prompt []int32, o CompleteOptions) (*Completion, error) {
	return m.completer.complete(ctx, prompt, o)
}

func (m *Model) checkAll(sequences []Sequence) error {
	for i, s := range sequences {
		if err := m.check(s); err != nil {
			return fmt.Errorf("sequence %d: %w", i, err)
		}
	}
	return nil
}

func (m *Model) check(s Sequence) error {
	if s.Len() == 0 && !m.network.Bag || s.Len() > m.maxLength+m.slack {
		return fmt.Errorf("%d tokens: expected 1 to %d", s.Len(), m.maxLength+m.slack)
	}
	for _, id := range s.IDs {
		if vocab := m.network.Spec.VocabSize; uint(id) >= uint(vocab) {
			return fmt.Errorf("token %d: the vocabulary has %d", id, vocab)
		}
	}
	if s.Types != nil && len(s.Types) != s.Len() {
		return fmt.Errorf("%d token types for %d tokens", len(s.Types), s.Len())
	}
	for _, t := range s.Types {
		if uint(t) >= uint(m.network.TokenTypes) {
			return fmt.Errorf("token type %d: the model has %d", t, m.network.TokenTypes)
		}
	}
	return nil
}

// Operations is how many multiplications and additions of matrix products the model has
// done since it was opened, those of attention's scores not among them.
func (m *Model) Operations() int64 { return m.runner.Operations() }

// Info describes the model.
func (m *Model) Info() Info { return m.info }
