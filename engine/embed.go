package engine

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
	"github.com/winnow-rerank/winnow/engine/internal/compute"
	"github.com/winnow-rerank/winnow/engine/internal/family"
	"github.com/winnow-rerank/winnow/tokenizer"
)

// embedding makes a vector of each text: the states of the trunk, pooled, and taken
// through the chain of modules behind it.
type embedding struct {
	*backbone
	chain   *checkpoint.Chain
	prompts prompts
	bag     *bag // of static embeddings; else nil
}

// planChain is for a trunk without a classifier of its family's: what follows it, if
// anything does, is a chain of modules, whose vectors are those of the texts or, of
// a cross-encoder, logits.
func (m *backbone) planChain(o Options) (*taskPlan, error) {
	chain, err := m.file.Chain(m.network.Spec.HiddenSize, o.Pooling)
	if err != nil {
		return nil, err
	}
	p := &taskPlan{parts: []any{chain}}
	if labels, ok := m.file.ChainLabels(chain); ok {
		s := &scorer{backbone: m, head: chainHead{chain}, pooling: chain.Pooling, labels: labels, words: chain.String()}
		if own := m.chainClassifier(chain); own != nil {
			s.head, p.parts, p.settings = classifierHead{own}, []any{own}, []any{&labelSettings{Count: len(labels)}}
			m.network.Classifier, m.network.Pooling = own, chain.Pooling
		}
		p.finish = func(t *tasks, o Options) error {
			if err := cmp.Or(noScore(m.file, o), s.judge(o)); err != nil {
				return err
			}
			t.ranker, err = m.newPair(s)
			return err
		}
		return p, nil
	}
	p.finish = func(t *tasks, o Options) error {
		if err := noLabel(m.file, o); err != nil {
			return err
		}
		prompts, err := readPrompts(m.file)
		if err != nil {
			return err
		}
		e := &embedding{backbone: m, chain: chain, prompts: prompts}
		if m.network.Bag {
			e.bag = m.newBag()
		}
		t.embedder = e
		switch o.Score {
		case "":
			t.ranker = unable{fmt.Errorf("%s: %w; by the cosine of its vectors it does if it is asked to: --score cosine, or the option WithScore", m.path, ErrCannotRerank)}
		case scoreCosine:
			t.ranker = newCosine(e)
		default:
			return fmt.Errorf("%s: the scoring %q was asked for, but the model embeds, which can be scored by %s", m.file.SettingsPath(), o.Score, scoreCosine)
		}
		return m.file.Err()
	}
	return p, nil
}

// chainClassifier is the family's own head in the place of a chain, or nil.
func (m *backbone) chainClassifier(c *checkpoint.Chain) family.Classifier {
	if m.network.ChainClassifier == nil {
		return nil
	}
	return m.network.ChainClassifier(m.file, c, m.network.Spec.HiddenSize)
}

// prompts are texts that are put before others, by name, and which of them is
// unless another is asked for.
type prompts struct {
	texts    map[string]string
	standard string
}

// readPrompts reads those that sentence-transformers keeps beside a model.
func readPrompts(f *checkpoint.File) (prompts, error) {
	texts, standard, err := f.Prompts()
	if err != nil {
		return prompts{}, err
	}
	return prompts{texts, standard}, nil
}

// text is the prompt of that name, or the default one.
func (p *prompts) text(name string) (string, error) {
	if name == "" {
		name = p.standard
	}
	text, ok := p.texts[name]
	if !ok && name != "" {
		return "", &UnknownPromptError{Name: name, Known: slices.Sorted(maps.Keys(p.texts))}
	}
	return text, nil
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

func (e *embedding) describe(info *Info) {
	info.Tasks = append(info.Tasks, "embed")
	info.Head = e.chain.String()
	info.Dimensions, info.Pooling, info.Unit = e.chain.Kept, e.chain.Pooling.String(), e.chain.Unit
	info.Prompts, info.DefaultPrompt = e.prompts.texts, e.prompts.standard
}

func (e *embedding) export(x *checkpoint.Export) error {
	x.Chain(e.chain, nil)
	x.Texts(e.prompts.texts, e.prompts.standard)
	return nil
}

func (e *embedding) encodeTexts(ctx context.Context, texts []string, o TextOptions, limit int) (Encoded, error) {
	if err := e.room(limit); err != nil {
		return Encoded{}, err
	}
	prompt, err := e.prompts.text(o.Prompt)
	if err != nil {
		return Encoded{}, err
	}
	read := EncodeOptions{Plain: o.Plain, Side: o.Side}
	encoded := newEncoded(len(texts), limit)
	err = e.encodePieces(ctx, len(texts), func(from, to int) error {
		var s textEncoder
		for n := from; n < to; n++ {
			var err error
			if encoded.Sequences[n], encoded.Full[n], err = s.encode(e, prompt+texts[n], read, 0, limit); err != nil {
				return err
			}
		}
		return nil
	})
	return encoded, err
}

// room is the error that a limit leaves none for a text.
func (e *embedding) room(limit int) error {
	if added := e.tokenizer.Added(false); limit < added && !e.network.Bag {
		return noRoom("at most %d tokens: no room for a text beside %d special tokens", limit, added)
	}
	return nil
}

// A textEncoder is the memory that encoding one text after another takes.
type textEncoder struct {
	tokens []int32
	out    tokenizer.Encoding
}

// encode makes the sequence of a text, of which most tokens count (0: all), within limit
// tokens; full is how many they would be uncut.
func (s *textEncoder) encode(e *embedding, text string, o EncodeOptions, most, limit int) (_ Sequence, full int, err error) {
	t := e.tokenizer
	if s.tokens, err = o.tokens(t, s.tokens[:0], text); err != nil {
		return Sequence{}, 0, err
	}
	if e.bag != nil {
		out, err := e.bag.encode(s, e, text, o, most, limit)
		return out, len(s.tokens), err
	}
	full = len(s.tokens) + t.Added(false)
	t.SingleSide(&s.out, o.truncate(s.tokens, most), limit, o.Side.cut())
	return e.sequence(&s.out), full, nil
}

func (e *embedding) embed(ctx context.Context, sequences []Sequence) ([][]float32, error) {
	vectors := make([][]float32, len(sequences))
	if err := e.forward(ctx, e, sequences, nil, vectors); err != nil {
		return nil, err
	}
	return vectors, nil
}

// finish makes the vectors of a batch.
func (e *embedding) finish(c *compute.Context, r *call) {
	x, ok := e.vectors(c)
	if !ok {
		return
	}
	for i, n := range c.Batch.Numbers {
		r.vectors[n] = append([]float32(nil), x.Row(i)...)
		if !finite(x.Row(i)) {
			r.bad.Store(int64(n))
		}
	}
}

// vectors are those of a batch, a row a text; ok is false if the caller has gone away.
func (e *embedding) vectors(c *compute.Context) (x compute.Matrix, ok bool) {
	x = e.network.Trunk.Hidden(c, e.chain.Pooling.Want())
	if c.Cancelled() {
		return x, false
	}
	if !e.network.Bag {
		x = c.Pool(x, e.chain.Pooling)
	}
	return e.chain.Vectors(c, x), true
}

func (e *embedding) states(ctx context.Context, sequences []Sequence) ([][]float32, error) {
	vectors := make([][]float32, len(sequences))
	if err := e.forward(ctx, tokenStates{e}, sequences, nil, vectors); err != nil {
		return nil, err
	}
	return vectors, nil
}

// tokenStates are the states of every token, as they come from the trunk.
type tokenStates struct{ *embedding }

// finish keeps the states of a batch.
func (t tokenStates) finish(c *compute.Context, r *call) {
	x := t.network.Trunk.Hidden(c, compute.EveryToken)
	if c.Cancelled() {
		return
	}
	for i, n := range c.Batch.Numbers {
		own := x.Slice(c.Batch.Range(i))
		r.vectors[n] = clone(own).Data
		if !finite(r.vectors[n]) {
			r.bad.Store(int64(n))
		}
	}
}

// Normalize makes a vector one of length 1; one of length 0 stays.
func Normalize(v []float32) { checkpoint.Normalize(v) }

// finite says whether all numbers are.
func finite(v []float32) bool {
	for _, x := range v {
		if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
			return false
		}
	}
	return true
}
