package engine

import (
	"fmt"

	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
	"github.com/winnow-rerank/winnow/engine/internal/family"
)

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
		if own, ok := m.chainClassifier(chain); ok {
			s.head, p.parts, p.settings = classifierHead{own}, []any{own}, []any{&labelSettings{Count: len(labels)}}
			m.network.Classifier, m.network.Pooling = own, chain.Pooling
		}
		p.finish = s.pairs
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
		e := &embedding{backbone: m, chain: chain, prompts: prompts, reader: singleText{m}}
		if m.network.Bag {
			e.reader = m.newBag()
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

// chainClassifier is the family's own head, where it has one that can stand for a chain.
func (m *backbone) chainClassifier(c *checkpoint.Chain) (own family.Classifier, ok bool) {
	if head := m.network.ChainClassifier; head != nil {
		own = head(m.file, c, m.network.Spec.HiddenSize)
	}
	return own, own != nil
}
