package family

import (
	"slices"

	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
	"github.com/winnow-rerank/winnow/engine/internal/compute"
)

func init() {
	register(&Family{
		Name: "ERNIE", ModelTypes: []string{"ernie"}, GGUF: []string{"ernie"},
		Classes: map[string]Task{"ErnieForSequenceClassification": Classify, "ErnieModel": Embed, "ErnieForMaskedLM": Embed},
		New:     newERNIE,
	})
}

// ERNIE 2 and 3 (Sun et al. 2019, 2021), as transformers'
// ErnieForSequenceClassification: BERT, optionally with a task embedding added to every
// token. Ranking specifies no task, so it is the first one.
type ernie struct {
	bert
	Tasks *compute.Embedding `hf:"embeddings.task_type_embeddings" gguf:"task_types" shape:"tasks hidden" if:"taskid"`
}

func (m *ernie) Hidden(c *compute.Context, want compute.Want) compute.Matrix {
	x := m.embed(c)
	if m.Tasks != nil {
		b := &c.Batch
		b.PositionRows = slices.Grow(b.PositionRows[:0], x.Rows)[:x.Rows]
		clear(b.PositionRows)
		c.AddEmbedding(x, m.Tasks, b.PositionRows)
	}
	return m.encode(c, x, want)
}

type ernieSettings struct {
	bertSettings
	TaskTypes int  `hf:"task_type_vocab_size" gguf:".task_type_count" default:"3" max:"vocab" dim:"tasks"`
	UseTaskID bool `hf:"use_task_id" gguf:".use_task_id" default:"false" dim:"taskid"`
}

func newERNIE(f *checkpoint.File, task Task) *Network {
	m, s := new(ernie), &ernieSettings{bertSettings: bertSettings{Spec: bertSpec(30522)}}
	n := m.configure(f, &s.bertSettings)
	s.read(f, s)
	s.EmbeddingSize = s.HiddenSize
	n.Trunk, n.Settings = m, s
	n.Load.Prefixes = []string{"ernie."}
	if task == Classify {
		n.Classifier = new(bertClassifier)
	}
	return n
}
