package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/winnow-rerank/winnow/internal/fault"
	"github.com/winnow-rerank/winnow/kernels"
	"github.com/winnow-rerank/winnow/tokenizer"
)

// Models without a classifier make vectors (embeddings) of texts: the states of the
// encoder, pooled, and taken through the chain of modules behind them.

// ErrCannotEmbed says that a model makes no vectors of texts.
var ErrCannotEmbed = errors.New("the model has neither an embedding head nor pooling and cannot embed")

// ErrCannotRerank says that a model makes no scores.
var ErrCannotRerank = errors.New("the model has no classification head and cannot rerank")

// A trunk is an encoder without a head.
type trunk interface {
	states(c *Compute, want rows) Matrix
}

// An embedder is a network whose rows are vectors, not logits, unless its chain
// ends in a classifier.
type embedder interface {
	network
	behind() *chain
}

// bertEmbedder is BERT's, RoBERTa's, XLM-RoBERTa's or ELECTRA's trunk with a chain.
type bertEmbedder struct {
	bertTrunk
	chain
}

func (m *bertEmbedder) logits(c *Compute) Matrix { return m.vectors(c, &m.bertTrunk) }
func (m *bertEmbedder) behind() *chain           { return &m.chain }

// modernEmbedder is ModernBERT's trunk with a chain.
type modernEmbedder struct {
	modernTrunk
	chain
}

func (m *modernEmbedder) logits(c *Compute) Matrix { return m.vectors(c, &m.modernTrunk) }
func (m *modernEmbedder) behind() *chain           { return &m.chain }

// vectors are those of the sequences of c, or, without pooling, of all tokens.
func (h *chain) vectors(c *Compute, t trunk) Matrix {
	want := allRows
	if h.pooling == poolFirst {
		want = firstRows
	}
	x := t.states(c, want)
	if c.Cancelled() {
		return x
	}
	return h.run(c, c.pooled(x, h.pooling))
}

// pooled makes a row for each sequence of the states x of its tokens.
func (c *Compute) pooled(x Matrix, how pooling) Matrix {
	if how == poolNone || how == poolFirst { // whose rows are all that there are
		return x
	}
	y := c.New(c.Batch.Sequences(), x.Cols)
	switch how {
	case poolMean:
		c.Mean(y, x)
	case poolLast:
		for s := range y.Rows {
			copy(y.Row(s), x.Row(int(c.Batch.Offsets[s+1])-1))
		}
	case poolMax:
		for s := range y.Rows {
			most := y.Row(s)
			first, last := int(c.Batch.Offsets[s]), int(c.Batch.Offsets[s+1])
			copy(most, x.Row(first))
			for i := first + 1; i < last; i++ {
				for j, v := range x.Row(i) {
					most[j] = max(most[j], v) // a NaN stays
				}
			}
		}
	}
	return y
}

// Normalize makes a vector one of length 1; one of length 0 stays.
func Normalize(v []float32) {
	sum := 0.0
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	if sum == 0 {
		return
	}
	scale := 1 / math.Sqrt(sum)
	for i, x := range v {
		v[i] = float32(float64(x) * scale)
	}
}

// ignorableBehind says whether a tensor of a checkpoint may be left over where only
// the encoder is wanted: heads that pretraining left behind.
func ignorableBehind(name string) bool {
	for _, prefix := range []string{"bert.", "roberta.", "electra.", "distilbert.", "model."} {
		name = strings.TrimPrefix(name, prefix)
	}
	for _, prefix := range []string{"pooler.", "cls.", "lm_head.", "head.", "decoder.", "generator_", "vocab_", "pre_classifier."} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return ignorable(name)
}

// The numbers that llama.cpp has for no pooling and for that of a classifier.
const (
	poolingNone = 0
	poolingRank = 4
)

// ggufPoolings are its other numbers.
var ggufPoolings = map[int]pooling{1: poolMean, 2: poolFirst, 3: poolLast}

var (
	keyPoolingType   = key{"", ".pooling_type"}
	keyPoolingName   = key{"", ".pooling"} // of one that has no number
	keyOutputLabels  = key{"", ".classifier.output_labels"}
	keyEmbeddingSize = key{"embedding_size", ".embedding_length_input"}
)

// ggufPooling reads how a GGUF file pools, which is the mean where it does not
// say. One that ranks (pooling type 4) without a classifier, and names the pooling
// before that, has a chain whose vectors are logits.
func (f *file) ggufPooling(c *chain) {
	s := &f.settings
	kind := s.countOr(keyPoolingType, poolingNone, poolingRank, poolingNone)
	switch {
	case s.has(keyLateQuery.length):
		return
	case kind == poolingRank && s.has(keyHeadPooling):
		kind = s.count(keyHeadPooling, poolingNone+1, poolingRank-1)
		f.labels, _ = f.metadata.Strings(s.name(keyOutputLabels))
		if len(f.labels) != c.width {
			s.fail(keyOutputLabels, fmt.Sprintf("%d labels", len(f.labels)), fmt.Sprintf("one for each of the chain's %d numbers", c.width))
		}
	}
	p, ok := ggufPoolings[kind]
	if !ok {
		p = poolMean
	}
	if s.text(keyPoolingName, "") == poolMaxName {
		p = poolMax
	}
	c.pooling = p
}

// headless says whether a GGUF file has no tensor of a classifier.
func (f *file) headless() bool {
	for _, name := range []string{"cls.weight", "cls.output.weight"} {
		if _, ok := f.source.Tensor(name); ok {
			return false
		}
	}
	return f.gguf
}

// readChain reads what follows the encoder, whose settings have been read.
func (f *file) readChain(c *chain) error {
	if f.settings.err != nil {
		return f.settings.err
	}
	hidden := f.dims["hidden"]
	f.ignore = ignorableBehind
	s := f.sentence
	switch {
	case f.gguf:
		c.readGGUF(f)
		f.ggufPooling(c)
	case f.architecture == "HF_ColBERT":
		if err := f.readColBERT(c); err != nil {
			return err
		}
	case len(s.modules) > 0:
		if err := c.read(s.modules[1:], hidden); err != nil {
			return err
		}
		if c.pooling == poolNone && !s.late() {
			return f.refuse("a chain of modules without Pooling", "")
		}
	default:
		c.width, c.pooling = hidden, poolMean // as sentence-transformers does
	}
	f.dims["steps"] = len(c.Steps)
	if err := c.join(f); err != nil {
		return err
	}
	if f.pooling != "" && c.pooling != poolNone {
		p, ok := poolings[strings.Replace(f.pooling, "last", "lasttoken", 1)]
		if !ok {
			return fmt.Errorf("pooling %q: expected mean, cls or last", f.pooling)
		}
		c.pooling = p
	}
	if s != nil {
		// Late interaction has lengths of its own for queries and documents.
		if s.encoder.Has("max_seq_length") && c.pooling != poolNone {
			n, ok := s.encoder.Int("max_seq_length")
			if !ok || n < 1 {
				return &fault.FormatError{Path: f.settings.path, Field: "max_seq_length", Offset: -1, Found: s.encoder.Kind("max_seq_length"), Want: "a whole number above 0"}
			}
			f.maxLength = int(min(int64(f.maxLength), n))
		}
		if s.scores(c) {
			f.labels = defaultLabels(c.width)
			if f.settings.has(keyLabels) {
				if labels := f.configLabels(); len(labels) == c.width {
					f.labels = labels
				}
			}
			f.configured = f.configActivation()
		}
	}
	f.head = c.String()
	return f.settings.err
}

// scores says whether the chain is that of a CrossEncoder, whose vectors are logits.
func (s *sentenceModel) scores(c *chain) bool {
	kind, _ := s.settings.String("model_type")
	return kind == "CrossEncoder" || c.width == 1
}

// String is the chain in words.
func (c *chain) String() string {
	words := append([]string{c.pooling.String()}, c.names...)
	if c.unit && c.pooling != poolNone {
		words = append(words, "length 1")
	}
	return strings.Join(words, " → ")
}

// newBERTEmbedder is a BERT without a head.
func newBERTEmbedder(f *file) (network, error) {
	m := new(bertEmbedder)
	m.configure(f)
	if f.typeless() {
		f.dims["types"], f.oneType = 0, true
	}
	f.prefix = "bert."
	f.maxLength = f.dims["positions"]
	return m, f.embedder(m, "BERT")
}

// typeless says whether a GGUF file has no token types: llama.cpp's converter calls
// DistilBERT a BERT.
func (f *file) typeless() bool {
	_, ok := f.source.Tensor("token_types.weight")
	return f.gguf && !ok
}

// newXLMREmbedder is an XLM-RoBERTa or RoBERTa without a head.
func newXLMREmbedder(f *file) (network, error) {
	m := new(bertEmbedder)
	m.configure(f)
	f.prefix = "roberta."
	f.oneType = true
	f.maxLength = m.place(f)
	return m, f.embedder(m, "XLM-RoBERTa")
}

// newELECTRAEmbedder is an ELECTRA without a head.
func newELECTRAEmbedder(f *file) (network, error) {
	m := new(bertEmbedder)
	m.configureELECTRA(f)
	return m, f.embedder(m, "ELECTRA")
}

// newModernEmbedder is a ModernBERT with a chain in place of its own head.
func newModernEmbedder(f *file) (network, error) {
	m := new(modernEmbedder)
	m.configure(f)
	if err := f.readChain(&m.chain); err != nil {
		return nil, err
	}
	if !f.gguf && f.labels != nil && m.isHead(f.dims["hidden"]) {
		return f.modernHead(&m.chain)
	}
	if err := f.loadEmbedder(m, "ModernBERT"); err != nil {
		return nil, err
	}
	return m, m.check(f)
}

// modernHead makes the chain of a CrossEncoder the head that ModernBERT has anyway
// (the ettin rerankers).
func (f *file) modernHead(c *chain) (network, error) {
	for i, name := range []string{"head.dense", "head.norm", "classifier"} {
		part := ".linear"
		if i == 1 {
			part = ".norm"
		}
		f.alias("dense."+strconv.Itoa(firstStep+i)+part, name)
	}
	m := &modernBERT{mean: c.pooling == poolMean, denseActivation: c.Steps[firstStep].activation}
	m.configure(f)
	f.dims["labels"] = c.width
	if err := f.load(m, "ModernBERT"); err != nil {
		return nil, err
	}
	for i, l := range []*Linear{m.Dense, m.Classifier} {
		s := &c.Steps[firstStep+2*i]
		if s.bias != (l.Bias != nil) {
			return nil, &fault.FormatError{Path: s.path, Field: "bias", Offset: -1, Found: strconv.FormatBool(s.bias), Want: "what the weights have"}
		}
	}
	m.DenseNorm.Eps = stepEps
	return m, m.check(f)
}

// embedder reads the chain of m and loads it.
func (f *file) embedder(m embedder, family string) error {
	if err := f.readChain(m.behind()); err != nil {
		return err
	}
	return f.loadEmbedder(m, family)
}

func (f *file) loadEmbedder(m embedder, family string) error {
	if err := f.load(m, family); err != nil {
		return err
	}
	return m.behind().finish()
}

// embeddings is what a model that embeds has beside its network.
type embeddings struct {
	chain         *chain
	prompts       map[string]string
	defaultPrompt string
	lower         bool
}

// embeds sets the model up for vectors, or for scores if its chain ends in those.
func (m *Model) embeds(n embedder, f *file) error {
	if n.behind().pooling == poolNone {
		return m.finishLate(n, f)
	}
	if f.labels != nil {
		return nil
	}
	e := &embeddings{chain: n.behind()}
	if s := f.sentence; s != nil {
		var err error
		if e.prompts, err = s.prompts(f.settings.path); err != nil {
			return err
		}
		e.defaultPrompt, _ = s.settings.String("default_prompt_name")
		if _, ok := e.prompts[e.defaultPrompt]; !ok && e.defaultPrompt != "" {
			return &fault.FormatError{Path: f.settings.path, Field: "default_prompt_name", Offset: -1, Found: strconv.Quote(abridge(e.defaultPrompt)), Want: "a name of \"prompts\""}
		}
		e.lower, _ = s.encoder.Bool("do_lower_case")
	} else if err := e.readGGUF(f); err != nil {
		return err
	}
	m.vectors = e
	return nil
}

// The keys of GGUF files for what sentence-transformers keeps beside a model.
var (
	keyPromptNames   = key{"", ".prompts.names"}
	keyPromptTexts   = key{"", ".prompts.texts"} // as many
	keyPromptDefault = key{"", ".prompts.default"}
	keyLower         = key{"", ".lowercase"}
)

func (e *embeddings) readGGUF(f *file) error {
	s := &f.settings
	names, _ := f.metadata.Strings(s.name(keyPromptNames))
	texts, _ := f.metadata.Strings(s.name(keyPromptTexts))
	if len(names) != len(texts) {
		s.fail(keyPromptTexts, fmt.Sprintf("%d texts", len(texts)), fmt.Sprintf("one for each of the %d names", len(names)))
		return s.err
	}
	if len(names) > 0 {
		e.prompts = make(map[string]string, len(names))
	}
	for i, name := range names {
		e.prompts[name] = texts[i]
	}
	e.defaultPrompt = s.text(keyPromptDefault, "")
	if _, ok := e.prompts[e.defaultPrompt]; !ok && e.defaultPrompt != "" {
		s.fail(keyPromptDefault, s.describe(keyPromptDefault), "a name of prompts.names")
	}
	e.lower = s.truth(keyLower, false)
	return s.err
}

// prompts are what is put before texts, by name.
func (s *sentenceModel) prompts(path string) (map[string]string, error) {
	prompts := make(map[string]string)
	for name, v := range s.settings.object("prompts") {
		text, ok := v.(string)
		if !ok && v != nil {
			return nil, &fault.FormatError{Path: path, Field: "prompts." + abridge(name), Offset: -1, Found: "no text", Want: "a text"}
		}
		prompts[name] = text
	}
	return prompts, nil
}

// TextOptions says how EncodeTexts reads texts. The zero value truncates at the end
// what is longer than the model takes.
type TextOptions struct {
	MaxLength    int    // tokens of a text, special ones included; 0: what the model takes
	Prompt       string // the name of the prompt that is put before them; "": the model's default one
	Plain        bool   // the spelling of a special token stays text
	TruncateLeft bool   // drop the beginning of what is too long, not the end
}

// EncodeTexts turns texts into tokens, truncated to the length that the model takes.
// It returns early when ctx is done.
func (m *Model) EncodeTexts(ctx context.Context, texts []string, o TextOptions) (Encoded, error) {
	e := m.vectors
	if e == nil {
		return Encoded{}, fmt.Errorf("%s: %w", m.path, ErrCannotEmbed)
	}
	limit := m.maxLength
	if o.MaxLength > 0 {
		limit = min(limit, o.MaxLength)
	}
	t := m.tokenizer
	added := t.Added(false)
	if limit < added {
		return Encoded{}, fmt.Errorf("at most %d tokens: no room for a text beside %d special tokens", limit, added)
	}
	name := o.Prompt
	if name == "" {
		name = e.defaultPrompt
	}
	prompt, ok := e.prompts[name]
	if !ok && name != "" {
		return Encoded{}, &UnknownPromptError{Name: name, Known: slices.Sorted(maps.Keys(e.prompts))}
	}
	read := EncodeOptions{Plain: o.Plain || m.plain, TruncateLeft: o.TruncateLeft}
	encoded := newEncoded(len(texts), limit)
	err := m.encodePieces(ctx, len(texts), func(from, to int) error {
		var tokens []int32
		var out tokenizer.Encoding
		for n := from; n < to; n++ {
			text := prompt + texts[n]
			if e.lower {
				text = strings.ToLower(text)
			}
			tokens = read.tokens(t, tokens[:0], text)
			encoded.Full[n] = len(tokens) + added
			kept := tokens
			if room := limit - added; len(kept) > room {
				kept = kept[:0]
				if room > 0 {
					kept = read.truncate(tokens, room)
				}
			}
			t.Single(&out, kept, limit)
			encoded.Sequences[n] = m.sequence(&out)
		}
		return nil
	})
	return encoded, err
}

// An UnknownPromptError names a prompt that the model does not have.
type UnknownPromptError struct {
	Name  string
	Known []string
}

func (e *UnknownPromptError) Error() string {
	if len(e.Known) == 0 {
		return fmt.Sprintf("prompt %q: the model has no prompts", e.Name)
	}
	return fmt.Sprintf("prompt %q: the model has %s", e.Name, strings.Join(e.Known, ", "))
}

// Embed makes a vector of each sequence, in their order. They are as the model's
// chain gives them, but for a last Normalize: see Info.Unit and Normalize.
func (m *Model) Embed(ctx context.Context, sequences []Sequence) ([][]float32, error) {
	if m.vectors == nil {
		return nil, fmt.Errorf("%s: %w", m.path, ErrCannotEmbed)
	}
	vectors := make([][]float32, len(sequences))
	if err := m.compute(ctx, sequences, nil, vectors); err != nil {
		return nil, err
	}
	return vectors, nil
}

// finite says whether all numbers are.
func finite(v []float32) bool { return notFinite(v) < 0 }

// clone is a copy of a matrix that nobody else writes to.
func clone(x Matrix) Matrix {
	y := kernels.Matrix{Data: make([]float32, x.Rows*x.Cols), Rows: x.Rows, Cols: x.Cols, Stride: x.Cols}
	for i := range x.Rows {
		copy(y.Row(i), x.Row(i))
	}
	return y
}
