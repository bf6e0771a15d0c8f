package engine

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/winnow-rerank/winnow/internal/fault"
	"github.com/winnow-rerank/winnow/kernels"
	"github.com/winnow-rerank/winnow/tokenizer"
)

// Late interaction (ColBERT, Khattab and Zaharia 2020; Santhanam et al. 2021; PyLate):
// query and document go through the encoder apart, each token's state is projected
// to a short vector e of length 1, and
//
//	score = Σᵢ maxⱼ eᵢ(query)·eⱼ(document)
//
// Behind the first special token stands one that says which of the two a text is.
// A query is filled up to a certain length with mask tokens, which see it but which
// nothing sees; their vectors count. Punctuation of documents does not.
type late struct {
	chain *chain

	query, document lateText
	expand          bool  // queries are filled up
	attend          bool  // tokens see the filling
	mask            int32 // what they are filled with
	skip            map[int32]bool
}

// lateText is how a kind of text is encoded.
type lateText struct {
	prefix string
	length int   // most tokens
	mark   int32 // the prefix as a token that is put behind the first one; -1: none
	before bool  // the prefix is put before the text, not between its tokens
}

// What PyLate takes where nothing is said, and what ColBERT does.
const (
	lateQueryLength    = 32
	lateDocumentLength = 180
	punctuation        = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
)

// late says whether the chain of modules is for late interaction.
func (s *sentenceModel) late() bool {
	kind, _ := s.settings.String("model_type")
	similarity, _ := s.settings.String("similarity_fn_name")
	if kind == "ColBERT" || kind == "MultiVectorEncoder" || similarity == "MaxSim" {
		return true
	}
	for _, m := range s.modules {
		if m.pylate {
			return true
		}
	}
	return false
}

// readColBERT makes the chain of a checkpoint of ColBERT's authors, whose
// projection is the tensor linear.weight beside the encoder's.
func (f *file) readColBERT(c *chain) error {
	hidden := f.dims["hidden"]
	t, ok := f.source.Tensor("linear.weight")
	if !ok || len(t.Shape) != 2 || t.Shape[0] < 1 || t.Shape[0] > maxWidth {
		return &fault.FormatError{Path: f.loader.path, Field: "tensor linear.weight", Offset: -1, Found: fmt.Sprintf("shape %v", t.Shape), Want: fmt.Sprintf("shape [width %d]", hidden)}
	}
	f.alias("linear", "dense."+strconv.Itoa(firstStep)+".linear")
	s := step{dense: true, inputs: hidden, outputs: t.Shape[0], activation: kernels.Identity, path: f.loader.path}
	_, s.bias = f.source.Tensor("linear.bias")
	c.width = s.outputs
	c.names = []string{fmt.Sprintf("Dense %d", s.outputs)}
	c.Steps = append(make([]step, firstStep), s)
	c.unit = true
	return nil
}

// lateReader reads the settings of late interaction from one of the files that
// have them, and keeps the first error.
type lateReader struct {
	path   string
	values jsonValues
	err    error
}

func (r *lateReader) fail(name, want string) {
	if r.err == nil {
		r.err = &fault.FormatError{Path: r.path, Field: name, Offset: -1, Found: r.values.Kind(name), Want: want}
	}
}

func (r *lateReader) text(name, fallback string) string {
	if !r.values.Has(name) {
		return fallback
	}
	v, ok := r.values.String(name)
	if !ok {
		r.fail(name, "a text")
	}
	return v
}

func (r *lateReader) truth(name string, fallback bool) bool {
	if !r.values.Has(name) {
		return fallback
	}
	v, ok := r.values.Bool(name)
	if !ok {
		r.fail(name, "true or false")
	}
	return v
}

func (r *lateReader) count(name string, fallback int) int {
	if !r.values.Has(name) {
		return fallback
	}
	v, ok := r.values.Int(name)
	if !ok || v < 4 || v > maxPositions {
		r.fail(name, fmt.Sprintf("a whole number from 4 to %d", maxPositions))
		return fallback
	}
	return int(v)
}

func (r *lateReader) texts(name string) []string {
	list, ok := r.values[name].([]any)
	if !ok {
		r.fail(name, "a list of texts")
	}
	var texts []string
	for _, v := range list {
		s, ok := v.(string)
		if !ok {
			r.fail(name, "a list of texts")
		}
		texts = append(texts, s)
	}
	return texts
}

// finishLate sets the model up for late interaction.
func (m *Model) finishLate(n embedder, f *file) error {
	l := &late{chain: n.behind(), expand: true}
	var err error
	if f.gguf {
		err = l.readGGUF(m, f)
	} else {
		err = l.read(m, f)
	}
	if err != nil {
		return err
	}
	if e, ok := n.(*modernEmbedder); ok && l.expand && !l.attend {
		for _, see := range e.sights {
			if see.window > 0 && see.window < l.query.length {
				return f.refuse(fmt.Sprintf("late interaction with queries of %d tokens and attention within %d", l.query.length, see.window), "")
			}
		}
	}
	m.late = l
	f.labels = []string{"MaxSim"}
	f.head = l.chain.String() + " → MaxSim"
	return nil
}

// The keys of late interaction in GGUF files, whose marks and skipped tokens are
// ids.
type lateKeys struct{ length, mark, prefix key }

var (
	keyLateQuery    = lateKeysOf("query")
	keyLateDocument = lateKeysOf("document")
	keyLateExpand   = key{"", ".late_interaction.expand"}
	keyLateAttend   = key{"", ".late_interaction.attend"}
	keyLateSkip     = key{"", ".late_interaction.skip_tokens"}
)

func lateKeysOf(kind string) lateKeys {
	stem := ".late_interaction." + kind
	return lateKeys{key{"", stem + "_length"}, key{"", stem + "_token_id"}, key{"", stem + "_prefix"}}
}

func (l *late) readGGUF(m *Model, f *file) error {
	s := &f.settings
	for _, t := range []struct {
		keys lateKeys
		text *lateText
	}{{keyLateQuery, &l.query}, {keyLateDocument, &l.document}} {
		t.text.length = min(s.count(t.keys.length, 4, maxPositions), m.maxLength)
		t.text.mark = -1
		if s.has(t.keys.mark) {
			t.text.mark = int32(s.count(t.keys.mark, 0, f.dims["vocab"]-1))
		}
		t.text.prefix = s.text(t.keys.prefix, "")
		t.text.before = t.text.prefix != ""
	}
	l.expand, l.attend = s.truth(keyLateExpand, true), s.truth(keyLateAttend, false)
	l.skip = make(map[int32]bool)
	ids, _ := f.metadata.Ints(s.name(keyLateSkip))
	for _, id := range ids {
		l.skip[int32(id)] = true
	}
	if s.err != nil {
		return s.err
	}
	return l.filling(m, f)
}

// read reads the settings of a directory.
func (l *late) read(m *Model, f *file) error {
	s := f.sentence
	skip := strings.Split(punctuation, "")
	var r lateReader
	kind, _ := s.settings.String("model_type")
	switch {
	case f.architecture == "HF_ColBERT" && s.modules == nil:
		r = lateReader{path: f.settings.path, values: s.artifact}
		l.query = lateText{prefix: r.text("query_token_id", "[unused0]"), length: r.count("query_maxlen", lateQueryLength)}
		l.document = lateText{prefix: r.text("doc_token_id", "[unused1]"), length: r.count("doc_maxlen", lateDocumentLength)}
		l.attend = r.truth("attend_to_mask_tokens", false)
		if !r.truth("mask_punctuation", true) {
			skip = nil
		}
	case kind == "MultiVectorEncoder":
		r = lateReader{path: f.settings.path, values: s.encoder}
		prompts, err := s.prompts(f.settings.path)
		if err != nil {
			return err
		}
		l.query = lateText{prefix: prompts["query"], length: r.count("query_length", m.maxLength), before: true}
		l.document = lateText{prefix: prompts["document"], length: r.count("document_length", m.maxLength), before: true}
		expansion := s.encoder.object("query_expansion")
		if l.expand = expansion != nil; l.expand {
			if how, _ := expansion.String("strategy"); how != "fixed" || expansion.Has("token") {
				return f.refuse("query_expansion "+abridge(s.encoder.Kind("query_expansion")), `winnow knows the strategy "fixed" with the mask token`)
			}
			x := lateReader{path: f.settings.path, values: expansion}
			l.query.length, l.attend = x.count("length", lateQueryLength), x.truth("attend", false)
			r.err = x.err
		}
		skip = nil
		for _, e := range s.modules {
			if e.class == "MultiVectorMask" && e.config.Has("skiplist_words") {
				x := lateReader{path: e.path, values: e.config}
				if skip = x.texts("skiplist_words"); x.err != nil {
					return x.err
				}
			}
		}
	default:
		r = lateReader{path: f.settings.path, values: s.settings}
		l.query = lateText{prefix: r.text("query_prefix", "[Q] "), length: r.count("query_length", lateQueryLength)}
		l.document = lateText{prefix: r.text("document_prefix", "[D] "), length: r.count("document_length", lateDocumentLength)}
		l.expand, l.attend = r.truth("do_query_expansion", true), r.truth("attend_to_expansion_tokens", false)
		if s.settings.Has("skiplist_words") {
			skip = r.texts("skiplist_words")
		}
	}
	if r.err != nil {
		return r.err
	}
	return l.marks(m, f, skip)
}

// marks looks the special tokens up.
func (l *late) marks(m *Model, f *file, skip []string) error {
	for _, t := range []*lateText{&l.query, &l.document} {
		t.length = min(t.length, m.maxLength)
		t.mark = -1
		if t.prefix == "" || t.before {
			continue
		}
		id, ok := m.tokenizer.ID(t.prefix)
		if !ok {
			return f.markless(strconv.Quote(t.prefix))
		}
		t.mark = id
	}
	l.skip = make(map[int32]bool)
	for _, word := range skip {
		if id, ok := m.tokenizer.ID(word); ok {
			l.skip[id] = true
		}
	}
	return l.filling(m, f)
}

func (f *file) markless(name string) error {
	return &fault.FormatError{Path: f.settings.path, Field: "vocabulary", Offset: -1, Found: "no token " + name, Want: "the marks of late interaction"}
}

// filling looks up what queries are filled up with.
func (l *late) filling(m *Model, f *file) error {
	if !l.expand {
		return nil
	}
	for _, name := range []string{"[MASK]", "<mask>"} {
		if id, ok := m.tokenizer.ID(name); ok {
			l.mask = id
			return nil
		}
	}
	return f.markless("[MASK]")
}

// A lateQuery is a query whose vectors are computed once, when the first of its
// documents is scored.
type lateQuery struct {
	sequence Sequence
	vectors  atomic.Pointer[Matrix] // nil: not yet
}

// tokens encodes a text of a kind within limit tokens, of which at most most (0: all) are
// the text's own; full is how many they would be uncut.
func (l *late) tokens(t *tokenizer.Tokenizer, kind *lateText, text string, limit, most int, o *EncodeOptions) (ids []int32, full int) {
	if kind.before {
		text = kind.prefix + text
	}
	tokens := o.tokens(t, nil, text)
	full = len(tokens) + t.Added(false)
	if kind.mark >= 0 {
		full++
		limit--
	}
	if room := max(limit-t.Added(false), 1); most <= 0 || room < most {
		most = room
	}
	var e tokenizer.Encoding
	t.Single(&e, o.truncate(tokens, most), limit)
	ids = append(make([]int32, 0, limit+1), e.IDs[:1]...)
	if kind.mark >= 0 {
		ids = append(ids, kind.mark)
	}
	return append(ids, e.IDs[1:]...), full
}

// encodeLate is Encode for late interaction: each document is a sequence that
// knows its query.
func (m *Model) encodeLate(ctx context.Context, query string, documents []string, o EncodeOptions, limit int) (Encoded, error) {
	l := m.late
	// The first and the last token, the mark and one of the text.
	if limit < m.tokenizer.Added(false)+2 {
		return Encoded{}, fmt.Errorf("at most %d tokens: no room for a text beside the special tokens", limit)
	}
	q := &lateQuery{}
	q.sequence.late = q
	length := min(l.query.length, m.maxLength)
	q.sequence.IDs, _ = l.tokens(m.tokenizer, &l.query, query, length, o.MaxQuery, &o)
	if n := len(q.sequence.IDs); l.expand && n < length {
		if !l.attend {
			q.sequence.seen = int32(n)
		}
		for range length - n {
			q.sequence.IDs = append(q.sequence.IDs, l.mask)
		}
	}
	limit = min(limit, l.document.length)
	encoded := newEncoded(len(documents), limit)
	err := m.encodePieces(ctx, len(documents), func(from, to int) error {
		for d := from; d < to; d++ {
			s := Sequence{late: q}
			s.IDs, encoded.Full[d] = l.tokens(m.tokenizer, &l.document, documents[d], limit, o.MaxDocument, &o)
			encoded.Sequences[d] = s
		}
		return nil
	})
	return encoded, err
}

// scoreLate scores documents against their queries, whose vectors are computed
// first where they are not yet.
func (m *Model) scoreLate(ctx context.Context, sequences []Sequence, outputs []Output) error {
	var queries []Sequence
	asked := make(map[*lateQuery]bool)
	for i, s := range sequences {
		if s.late == nil {
			return fmt.Errorf("sequence %d: a model of late interaction scores what it has encoded itself", i)
		}
		if s.late.vectors.Load() == nil && !asked[s.late] {
			asked[s.late] = true
			queries = append(queries, s.late.sequence)
		}
	}
	if len(queries) > 0 {
		if err := m.compute(ctx, queries, make([]Output, len(queries)), nil); err != nil {
			return err
		}
	}
	return m.compute(ctx, sequences, outputs, nil)
}

// takeLate makes scores of the vectors x of all tokens of c, and keeps those of
// queries.
func (r *call) takeLate(c *Compute, x Matrix) {
	l := r.model.late
	for row := range x.Rows {
		Normalize(x.Row(row))
	}
	for i, n := range c.Batch.Numbers {
		s := &r.sequences[n]
		own := x.Slice(int(c.Batch.Offsets[i]), int(c.Batch.Offsets[i+1]))
		query := s.late.vectors.Load()
		if query == nil { // it is the query itself
			if v := clone(own); finite(v.Data) {
				s.late.vectors.Store(&v)
			} else {
				r.bad.Store(int64(n))
			}
			continue
		}
		out, ok := l.maxSim(*query, own, s.IDs)
		if r.outputs[n] = out; !ok {
			r.bad.Store(int64(n))
		}
	}
}

// maxSim is the score of a document by its tokens' vectors. The probability is the
// mean of the cosines that are summed, which relevant or not are hardly ever
// below 0.
func (l *late) maxSim(query, document Matrix, ids []int32) (out Output, ok bool) {
	sum := 0.0
	for i := range query.Rows {
		q := query.Row(i)
		best := float32(math.Inf(-1))
		for j := range document.Rows {
			if l.skip[ids[j]] {
				continue
			}
			best = max(best, dot(q, document.Row(j))) // a NaN stays
		}
		sum += float64(best)
	}
	if math.IsNaN(sum) || math.IsInf(sum, 0) {
		return Output{}, false
	}
	return Output{Logit: sum, Probability: min(1, max(0, sum/float64(query.Rows)))}, true
}

// dot is Σ xᵢ·yᵢ, in eight sums.
func dot(x, y []float32) float32 {
	y = y[:len(x)]
	var s [8]float32
	for ; len(x) >= 8; x, y = x[8:], y[8:] {
		for k := range s {
			s[k] += float32(x[k] * y[k])
		}
	}
	for k, v := range x {
		s[k] += float32(v * y[k])
	}
	return s[0] + s[4] + (s[1] + s[5]) + (s[2] + s[6]) + (s[3] + s[7])
}
