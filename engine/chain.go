package engine

import (
	"fmt"

	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
	"github.com/winnow-rerank/winnow/engine/internal/family"
)

// planChain plans for a trunk without the classifier of its family. It may be followed by
// a chain of modules, whose output is a text's vector or, for a cross-encoder, logits.
func (b *backbone) planChain(o Options) (*taskPlan, error) {
	chain, err := b.file.Chain(b.network.Spec.HiddenSize, o.Pooling)
	if err != nil {
		return nil, err
	}
	p := &taskPlan{parts: []any{chain}}
	if labels, ok := b.file.ChainLabels(chain); ok {
		s := &scorer{backbone: b, head: chainHead{chain}, pooling: chain.Pooling, labels: labels, headText: chain.String()}
		if own, ok := b.chainClassifier(chain); ok {
			s.head, p.parts, p.settings = classifierHead{own}, []any{own}, []any{&labelSettings{Count: len(labels)}}
			b.network.Classifier, b.network.Pooling = own, chain.Pooling
		}
		p.finish = s.finishPairs
		return p, nil
	}
	p.finish = func(t *tasks, o Options) error {
		if err := rejectLabel(b.file, o); err != nil {
			return err
		}
		prompts, err := readPrompts(b.file)
		if err != nil {
			return err
		}
		e := &textEmbedder{backbone: b, chain: chain, prompts: prompts, reader: singleText{b}}
		if b.network.Bag {
			e.reader = b.newBag()
		}
		t.embedder = e
		switch o.Score {
		case "":
			t.ranker = unsupported{fmt.Errorf("%s: %w; to rank by the cosine of its vectors, use --score cosine or the option WithScore", b.path, ErrCannotRerank)}
		case scoreCosine:
			t.ranker = newCosineRanker(e)
		default:
			return fmt.Errorf("%s: score %q requested, but embedding models can only be scored by %s", b.file.SettingsPath(), o.Score, scoreCosine)
		}
		return b.file.Err()
	}
	return p, nil
}

// chainClassifier returns the classifier of the family, if it computes the same as the
// chain c.
func (b *backbone) chainClassifier(c *checkpoint.Chain) (own family.Classifier, ok bool) {
	if head := b.network.ChainClassifier; head != nil {
		own = head(b.file, c, b.network.Spec.HiddenSize)
	}
	return own, own != nil
}
