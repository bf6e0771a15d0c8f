package engine

import (
	"cmp"
	"fmt"

	"github.com/winnow-rerank/winnow/engine/internal/family"
)

// plan decides which tasks the model supports.
func (b *backbone) plan(o Options) (*taskPlan, error) {
	f := b.file
	if err := cmp.Or(f.Err(), b.chooseLayer(o)); err != nil {
		return nil, err
	}
	switch {
	case b.task == family.Rank:
		return b.planListwise(), nil
	case f.LateInteraction(): // has separate maximum lengths for queries and documents
		return b.planLate()
	}
	n, err := f.SequenceLimit()
	if err != nil {
		return nil, err
	}
	b.positions = b.network.MaxLength
	if n > 0 {
		b.network.MaxLength, b.hasSequenceLimit = min(b.network.MaxLength, n), true
	}
	switch {
	case f.HasChain() || b.task == family.Embed:
		return b.planChain(o)
	case b.task == family.Generate:
		return b.planLanguageModel(), nil
	}
	return b.planClassifier(), nil
}

// chooseLayer applies the options of layerwise rerankers, and rejects them for other
// models.
func (b *backbone) chooseLayer(o Options) error {
	switch choose := b.network.ChooseLayer; {
	case b.file.Err() != nil:
		return b.file.Err()
	case choose != nil:
		return choose(o.Layer, o.CompressRatio, o.CompressLayers)
	case o.Layer != 0 || o.CompressRatio > 1:
		return fmt.Errorf("%s: a last layer or compression requested, but the model has a single head, after all its layers", b.file.SettingsPath())
	}
	return nil
}
