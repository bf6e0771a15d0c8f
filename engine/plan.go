package engine

import (
	"cmp"
	"fmt"

	"github.com/winnow-rerank/winnow/engine/internal/family"
)

// A taskPlan is what a model is loaded for, decided by its files before there are
// weights.
type taskPlan struct {
	parts    []any // structs of tensors to load beside the trunk
	settings []any // structs with the dimensions that their tags name
	// finish sets up those tasks that the model can do, once weights and tokenizer are
	// there.
	finish func(t *tasks, o Options) error
}

// plan decides what the model is for.
func (m *backbone) plan(o Options) (*taskPlan, error) {
	f := m.file
	if err := cmp.Or(f.Err(), m.chooseLayer(o)); err != nil {
		return nil, err
	}
	switch {
	case m.task == family.Rank:
		return m.planListwise(), nil
	case f.LateInteraction(): // which has lengths of its own for queries and documents
		return m.planLate()
	}
	n, err := f.SequenceLimit()
	if err != nil {
		return nil, err
	}
	m.positions = m.network.MaxLength
	if n > 0 {
		m.network.MaxLength, m.sized = min(m.network.MaxLength, n), true
	}
	switch {
	case f.HasChain() || m.task == family.Embed:
		return m.planChain(o)
	case m.task == family.Generate:
		return m.planLanguageModel(), nil
	}
	return m.planClassifier(), nil
}

// chooseLayer has a layerwise reranker stop and compress where it is asked to.
func (m *backbone) chooseLayer(o Options) error {
	switch l := m.network.Layerwise; {
	case m.file.Err() != nil:
		return m.file.Err()
	case l != nil:
		return l.Choose(m.file, o.Layer, o.CompressRatio, o.CompressLayers)
	case o.Layer != 0 || o.CompressRatio > 1:
		return fmt.Errorf("%s: a layer to stop behind, or compression, was asked for, but the model has one head, behind all of its layers", m.file.SettingsPath())
	}
	return nil
}
