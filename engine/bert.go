package engine

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/winnow-rerank/winnow/kernels"
)

// BERT (Devlin et al. 2018), as transformers' BertForSequenceClassification:
//
//	x = LN(word[id] + position[i] + type[t])
//	for each layer:
//		x = LN(x + Out·attention(QKV·x))
//		x = LN(x + Down·act(Up·x))
//	logits = classifier·tanh(pooler·x[first token])

// bertTrunk is the part without the head, which XLM-RoBERTa shares. The second
// names in safetensors files are those of checkpoints for flash attention
// (jina-reranker-v2), the third ones DistilBERT's.
type bertTrunk struct {
	Words   Table       `st:"embeddings.word_embeddings" gguf:"token_embd" shape:"vocab embedding"`
	Places  Table       `st:"embeddings.position_embeddings" gguf:"position_embd" shape:"positions embedding"`
	Types   *Table      `st:"embeddings.token_type_embeddings" gguf:"token_types" shape:"types embedding" if:"types"`
	Norm    Norm        `st:"embeddings.LayerNorm,emb_ln" gguf:"token_embd_norm" shape:"embedding"`
	Project *Linear     `st:"embeddings_project" gguf:"token_embd_proj" shape:"hidden embedding" keep:"exact" if:"projected"` // ELECTRA's
	Layers  []bertLayer `st:"encoder.layer.%d.,encoder.layers.%d.,transformer.layer.%d." gguf:"blk.%d." each:"layers"`

	heads      int
	activation kernels.Activation
	positions  positions
}

type bertLayer struct {
	QKV     Linear `st:"attention.self.query attention.self.key attention.self.value,mixer.Wqkv,attention.q_lin attention.k_lin attention.v_lin" gguf:"attn_q attn_k attn_v,attn_qkv" shape:"hidden hidden"`
	Out     Linear `st:"attention.output.dense,mixer.out_proj,attention.out_lin" gguf:"attn_output" shape:"hidden hidden"`
	OutNorm Norm   `st:"attention.output.LayerNorm,norm1,sa_layer_norm" gguf:"attn_output_norm" shape:"hidden"`

	Up       Linear `st:"intermediate.dense,mlp.fc1,ffn.lin1" gguf:"ffn_up" shape:"intermediate hidden"`
	Down     Linear `st:"output.dense,mlp.fc2,ffn.lin2" gguf:"ffn_down" shape:"hidden intermediate"`
	DownNorm Norm   `st:"output.LayerNorm,norm2,output_layer_norm" gguf:"layer_output_norm" shape:"hidden"`
}

func (m *bertTrunk) states(c *Compute, want rows) Matrix {
	x := m.embed(c)
	c.Norm(x, &m.Norm)
	if m.Project != nil {
		x = c.Linear(m.Project, x, kernels.Identity)
	}
	c.trace(-1, x)

	first := c.New(c.Batch.Sequences(), x.Cols)
	for i, l := range each(c, m.Layers) {
		if want == firstRows && i == len(m.Layers)-1 && c.traced == nil {
			l.first(c, m, x, first)
			return first
		}
		qkv := c.Linear(&l.QKV, x, kernels.Identity)
		a := c.Attention(qkv, sight{heads: m.heads})
		for from, to := range c.blocks(x.Rows) {
			x, a := x.Slice(from, to), a.Slice(from, to)
			c.AddLinear(x, &l.Out, a)
			c.Norm(x, &l.OutNorm)

			c.AddFeedForward(x, &l.Up, m.activation, &l.Down)
			c.Norm(x, &l.DownNorm)
		}
		c.trace(i, x)
	}
	if want == firstRows {
		c.First(first, x)
		return first
	}
	return x
}

// first is the layer for the first token of each sequence only, which is all
// that the head reads of the last layer: keys and values of all tokens, the rest
// of one token each.
func (l *bertLayer) first(c *Compute, m *bertTrunk, x, y Matrix) {
	hidden := x.Cols
	c.First(y, x)
	kv := c.LinearPart(&l.QKV, x, hidden, 3*hidden)
	q := c.LinearPart(&l.QKV, y, 0, hidden)
	c.AddLinear(y, &l.Out, c.AttentionFirst(q, kv, sight{heads: m.heads}))
	c.Norm(y, &l.OutNorm)

	c.AddFeedForward(y, &l.Up, m.activation, &l.Down)
	c.Norm(y, &l.DownNorm)
}

func (m *bertTrunk) embed(c *Compute) Matrix {
	b := &c.Batch
	b.Positions = b.Positions[:0]
	for s := range b.Sequences() {
		b.Positions = m.positions.of(b.Positions, b.IDs[b.Offsets[s]:b.Offsets[s+1]])
	}
	x := c.Embed(&m.Words, b.IDs)
	c.AddRows(x, &m.Places, b.Positions)
	if m.Types != nil {
		c.AddRows(x, m.Types, b.Types)
	}
	return x
}

// positions says which row of the position table each token gets: row first for
// the first one and so on. Where skip is set, tokens with the id pad do not
// count and get the row of their own, or, if that is negative, none.
type positions struct {
	first       int32
	skip        bool
	pad, padRow int32
}

func (p *positions) of(rows, ids []int32) []int32 {
	next := p.first
	for _, id := range ids {
		if p.skip && id == p.pad {
			rows = append(rows, p.padRow)
			continue
		}
		rows = append(rows, next)
		next++
	}
	return rows
}

// The settings of BERT and its kin.
var (
	keyHidden       = key{"hidden_size", ".embedding_length"}
	keyLayers       = key{"num_hidden_layers", ".block_count"}
	keyHeads        = key{"num_attention_heads", ".attention.head_count"}
	keyIntermediate = key{"intermediate_size", ".feed_forward_length"}
	keyPositions    = key{"max_position_embeddings", ".context_length"}
	keyVocab        = key{"vocab_size", ".vocab_size"}
	keyTypes        = key{"type_vocab_size", "tokenizer.ggml.token_type_count"}
	keyEps          = key{"layer_norm_eps", ".attention.layer_norm_epsilon"}
	keyActivation   = key{"hidden_act", ".hidden_activation"}
	keyPositionKind = key{"position_embedding_type", ""}
	keyPad          = key{"pad_token_id", "tokenizer.ggml.padding_token_id"}
)

// configure reads the settings of the trunk and makes them f's dimensions.
func (m *bertTrunk) configure(f *file) {
	s := &f.settings
	if kind := s.text(keyPositionKind, "absolute"); kind != "absolute" {
		f.unsupported(fmt.Sprintf("position_embedding_type %q", kind), "")
	}
	m.heads = s.count(keyHeads, 1, maxHeads)
	f.heads = m.heads
	m.activation = s.activation(keyActivation, "gelu")
	f.eps = s.epsilon(keyEps)
	f.dims = map[string]int{
		"hidden":       s.count(keyHidden, 1, maxWidth),
		"intermediate": s.count(keyIntermediate, 1, maxWidth),
		"layers":       f.layers(keyLayers),
		"positions":    s.count(keyPositions, 1, maxPositions),
		"types":        s.countOr(keyTypes, 1, maxVocab, 2),
		"vocab":        f.vocabulary(keyVocab),
	}
	f.dims["embedding"] = f.dims["hidden"]
	if hidden := f.dims["hidden"]; hidden%m.heads != 0 {
		s.fail(keyHeads, fmt.Sprint(m.heads), fmt.Sprintf("a divisor of the width %d", hidden))
	}
}

// bert is the trunk with BERT's head.
type bert struct {
	bertTrunk
	Pooler     *Linear `st:"pooler.dense" gguf:"cls" shape:"hidden hidden" keep:"exact"`
	Classifier *Linear `st:"classifier" gguf:"cls.output" shape:"labels hidden" keep:"exact"`
}

func newBERT(f *file) (network, error) {
	if f.headless() {
		return newBERTEmbedder(f)
	}
	if f.typeless() {
		return newDistilBERT(f)
	}
	m := new(bert)
	m.configure(f)
	f.prefix = "bert."
	if f.gguf {
		if err := poolerLost(f); err != nil {
			return nil, err
		}
	}
	f.classifier("cls.output.weight")
	if err := f.load(m, "BERT"); err != nil {
		return nil, err
	}
	f.maxLength = f.dims["positions"]
	f.head = "first token → pooler → tanh → classifier"
	return m, nil
}

// poolerLost refuses GGUF files of BERT rerankers without the pooler: llama.cpp's
// converter leaves it out, and without it no score is right.
func poolerLost(f *file) error {
	shape := func(name string) []int {
		t, _ := f.source.Tensor(name)
		return t.Shape
	}
	dense, out := shape("cls.weight"), shape("cls.output.weight")
	switch {
	case dense != nil && out != nil:
		return nil
	case dense == nil && out == nil:
		return f.refuse("a BERT without a classification head", "this is an embedding model or a bare encoder, which cannot rerank")
	}
	what := "a BERT classifier without its pooler (cls.output but no cls)"
	if out == nil {
		what = fmt.Sprintf("a BERT classifier without its pooler (cls of shape %v but no cls.output)", dense)
	}
	return f.refuse(what, "the converter of llama.cpp drops bert.pooler, without which no score is right; "+
		"make the file from the original model: winnow convert MODEL_DIRECTORY "+strings.TrimSuffix(filepath.Base(f.settings.path), ".gguf")+"-winnow.gguf")
}

func (m *bert) logits(c *Compute) Matrix {
	x := m.states(c, firstRows)
	return c.Linear(m.Classifier, c.Linear(m.Pooler, x, kernels.Tanh), kernels.Identity)
}
