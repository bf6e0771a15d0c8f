package engine

import (
	"fmt"
	"math"
	"math/bits"

	"github.com/winnow-rerank/winnow/kernels"
)

// JinaBERT (Günther et al. 2023), as JinaBertForSequenceClassification, the class
// that jinaai/jina-bert-implementation publishes for jina-reranker-v1: BERT
// without positions, whose attention is weaker the farther (ALiBi), and with a
// gated feed-forward block:
//
//	x = LN(word[id] + type[0])
//	for each layer:
//		x = LN(x + Out·attention(QKV·x))
//		u, g = GateUp·x
//		x = LN(x + Down·(act(u) ⊙ g))
//	logits = classifier·tanh(pooler·x[first token])
type jinaBERT struct {
	Words  Table       `st:"embeddings.word_embeddings" gguf:"token_embd" shape:"vocab hidden"`
	Types  Table       `st:"embeddings.token_type_embeddings" gguf:"token_types" shape:"types hidden"`
	Norm   Norm        `st:"embeddings.LayerNorm" gguf:"token_embd_norm" shape:"hidden"`
	Layers []jinaLayer `st:"encoder.layer.%d." gguf:"blk.%d." each:"layers"`

	Pooler     *Linear `st:"pooler.dense" gguf:"cls" shape:"hidden hidden" keep:"exact"`
	Classifier *Linear `st:"classifier" gguf:"cls.output" shape:"labels hidden" keep:"exact"`

	activation kernels.Activation
	sight      sight
}

type jinaLayer struct {
	QKV     Linear `st:"attention.self.query attention.self.key attention.self.value" gguf:"attn_q attn_k attn_v,attn_qkv" shape:"hidden hidden"`
	Out     Linear `st:"attention.output.dense" gguf:"attn_output" shape:"hidden hidden"`
	OutNorm Norm   `st:"attention.output.LayerNorm" gguf:"attn_output_norm" shape:"hidden"`

	// The two halves are one tensor, except in older GGUF files.
	GateUp   Linear `st:"mlp.gated_layers" gguf:"ffn_gate ffn_up,ffn_up" shape:"gated hidden" bias:"none"`
	Down     Linear `st:"mlp.wo" gguf:"ffn_down" shape:"hidden intermediate"`
	DownNorm Norm   `st:"mlp.layernorm" gguf:"layer_output_norm" shape:"hidden"`
}

// states are those of each sequence's first token after the last layer.
func (m *jinaBERT) states(c *Compute) Matrix {
	b := &c.Batch
	x := c.Embed(&m.Words, b.IDs)
	c.AddRows(x, &m.Types, b.Types)
	c.Norm(x, &m.Norm)
	c.trace(-1, x)

	first := c.New(b.Sequences(), x.Cols)
	for i, l := range each(c, m.Layers) {
		if i == len(m.Layers)-1 && c.traced == nil {
			l.first(c, m, x, first)
			return first
		}
		qkv := c.Linear(&l.QKV, x, kernels.Identity)
		c.AddLinear(x, &l.Out, c.Attention(qkv, m.sight))
		c.Norm(x, &l.OutNorm)

		c.AddGated(x, x, &l.GateUp, m.activation, &l.Down)
		c.Norm(x, &l.DownNorm)
		c.trace(i, x)
	}
	c.First(first, x)
	return first
}

// first is the layer for the first token of each sequence only: keys and values
// of all tokens, the rest of one token each.
func (l *jinaLayer) first(c *Compute, m *jinaBERT, x, y Matrix) {
	hidden := x.Cols
	c.First(y, x)
	kv := c.LinearPart(&l.QKV, x, hidden, 3*hidden)
	q := c.LinearPart(&l.QKV, y, 0, hidden)
	c.AddLinear(y, &l.Out, c.AttentionFirst(q, kv, m.sight))
	c.Norm(y, &l.OutNorm)

	c.AddGated(y, y, &l.GateUp, m.activation, &l.Down)
	c.Norm(y, &l.DownNorm)
}

func (m *jinaBERT) logits(c *Compute) Matrix {
	return c.Linear(m.Classifier, c.Linear(m.Pooler, m.states(c), kernels.Tanh), kernels.Identity)
}

// alibi are the slopes of n heads: 2^(−8/n), its square, its cube and so on for n
// a power of two. Otherwise those of the power m below, and then every second
// one of 2m heads.
func alibi(n int) []float32 {
	m := 1 << (bits.Len(uint(n)) - 1)
	slopes := make([]float32, 0, n)
	for h := range m {
		slopes = append(slopes, float32(math.Exp2(-8*float64(h+1)/float64(m))))
	}
	for h := range n - m {
		slopes = append(slopes, float32(math.Exp2(-8*float64(2*h+1)/float64(2*m))))
	}
	return slopes
}

var keyFeedForward = key{"feed_forward_type", ""}

func newJinaBERT(f *file) (network, error) {
	m := new(jinaBERT)
	s := &f.settings
	if kind := s.text(keyPositionKind, "alibi"); kind != "alibi" {
		f.unsupported(fmt.Sprintf("JinaBERT with position_embedding_type %q", abridge(kind)), "winnow knows alibi")
	}
	switch kind := s.text(keyFeedForward, "geglu"); kind {
	case "geglu":
		m.activation = kernels.GELU
	case "reglu":
		m.activation = kernels.ReLU
	default:
		f.unsupported(fmt.Sprintf("JinaBERT with feed_forward_type %q", abridge(kind)), "winnow knows geglu and reglu")
	}
	heads := s.count(keyHeads, 1, maxHeads)
	intermediate := s.count(keyIntermediate, 1, maxWidth)
	f.heads = heads
	f.eps = s.epsilon(keyEps)
	f.maxLength = s.count(keyPositions, 1, maxPositions)
	f.dims = map[string]int{
		"hidden":       s.count(keyHidden, 1, maxWidth),
		"intermediate": intermediate,
		"gated":        2 * intermediate,
		"layers":       f.layers(keyLayers),
		"types":        s.countOr(keyTypes, 1, maxVocab, 2),
		"vocab":        f.vocabulary(keyVocab),
	}
	if f.gguf {
		f.dims["gated"] = intermediate // of each half
		if err := poolerLost(f); err != nil {
			return nil, err
		}
	}
	if hidden := f.dims["hidden"]; hidden%heads != 0 {
		s.fail(keyHeads, fmt.Sprint(heads), fmt.Sprintf("a divisor of the width %d", hidden))
	}
	m.sight = sight{heads: heads, slopes: alibi(heads)}
	f.oneType = true
	f.prefix = "bert."
	f.classifier("cls.output.weight")
	if err := f.load(m, "JinaBERT"); err != nil {
		return nil, err
	}
	f.head = "first token → pooler → tanh → classifier"
	return m, nil
}
