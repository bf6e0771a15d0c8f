package engine

import (
	"cmp"
	"fmt"

	"github.com/winnow-rerank/winnow/engine/internal/family"
)

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
	switch choose := m.network.ChooseLayer; {
	case m.file.Err() != nil:
		return m.file.Err()
	case choose != nil:
		return choose(o.Layer, o.CompressRatio, o.CompressLayers)
	case o.Layer != 0 || o.CompressRatio > 1:
		return fmt.Errorf("%s: a layer to stop behind, or compression, was asked for, but the model has one head, behind all of its layers", m.file.SettingsPath())
	}
	return nil
}
