package family

import (
	"fmt"
	"math"
	"strings"

	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
	"github.com/winnow-rerank/winnow/engine/internal/compute"
	"github.com/winnow-rerank/winnow/kernels"
)

func init() {
	for _, v := range t5Versions {
		register(&Family{
			Name: v.name, ModelTypes: []string{v.modelType}, GGUF: v.gguf, Export: "t5",
			Classes: map[string]Task{v.class + "ForConditionalGeneration": Generate, v.class + "ForSequenceClassification": Classify},
			New:     func(f *checkpoint.File, task Task) *Network { return newT5(f, task, v) },
		})
	}
	for _, v := range t5Versions {
		register(&Family{
			Name: v.name, ModelTypes: []string{v.modelType}, OwnClasses: true, GGUF: v.ggufEncoder, Export: "t5encoder",
			Classes: map[string]Task{v.class + "EncoderModel": Embed},
			New:     func(f *checkpoint.File, task Task) *Network { return newT5(f, task, v) },
		})
	}
}

// A t5Version is one of the classes that share T5's code, with its defaults.
type t5Version struct {
	name, modelType, class string
	gguf, ggufEncoder      []string
	spec                   Spec
	feedForward            string
	scales                 bool // logits, by default
	biased                 bool // every layer has its own biases
}

var t5Versions = []t5Version{
	{name: "T5", modelType: "t5", class: "T5", gguf: []string{"t5"}, ggufEncoder: []string{"t5encoder"},
		spec: Spec{HiddenSize: 512, IntermediateSize: 2048, Layers: 6, Heads: 8, VocabSize: 32128}, feedForward: "relu", scales: true},
	{name: "mT5", modelType: "mt5", class: "MT5",
		spec: Spec{HiddenSize: 512, IntermediateSize: 1024, Layers: 8, Heads: 6, VocabSize: 250112}, feedForward: "gated-gelu"},
	{name: "UMT5", modelType: "umt5", class: "UMT5",
		spec: Spec{HiddenSize: 512, IntermediateSize: 1024, Layers: 8, Heads: 6, VocabSize: 250112}, feedForward: "gated-gelu", scales: true, biased: true},
}

// T5 (Raffel et al. 2019), mT5 (Xue et al. 2020) and UMT5 (Chung et al. 2023): an encoder
//
//	x = word[id]
//	for each layer:
//		x = x + O·attention(QKV·RMS(x))
//		x = x + Down·act(Up·RMS(x)), or Down·(act(Gate·RMS(x)) ⊙ Up·RMS(x))
//	x = RMS(x)
//
// and a decoder, the same with cross-attention between the two. Attention scores are
// not scaled; the relative position bias of each head is stored in the first layer
// (UMT5: in each) and applies to all.
//
// A language model predicts one token, using the decoder's first step; if its head is
// the embedding table, the logits are divided by √hidden. A classifier's decoder reads
// the text again, shifted by one token, and its head is
//
//	logits = out·tanh(dense·x[last token])
type t5 struct {
	Words       compute.Embedding `hf:"shared,encoder.embed_tokens,decoder.embed_tokens" gguf:"token_embd" shape:"vocab hidden"`
	Encoder     []t5SelfAttention `hf:"encoder.block.%d.layer.0." gguf:"enc.blk.%d." each:"layers"`
	EncoderFFN  []t5FeedForward   `hf:"encoder.block.%d.layer.1." gguf:"enc.blk.%d." each:"layers"`
	EncoderNorm compute.Norm      `hf:"encoder.final_layer_norm" gguf:"enc.output_norm" shape:"hidden" bias:"none"`
	Decoder     []t5SelfAttention `hf:"decoder.block.%d.layer.0." gguf:"dec.blk.%d." each:"decoderlayers"`
	Cross       []t5Cross         `hf:"decoder.block.%d.layer.1." gguf:"dec.blk.%d." each:"decoderlayers"`
	DecoderFFN  []t5FeedForward   `hf:"decoder.block.%d.layer.2." gguf:"dec.blk.%d." each:"decoderlayers"`
	DecoderNorm *compute.Norm     `hf:"decoder.final_layer_norm" gguf:"dec.output_norm" shape:"hidden" bias:"none" if:"decoderlayers"`

	encoder, decoder []compute.Layer
	start            int32 // the decoder's first token
	again            bool  // the decoder reads the text again
}

type t5SelfAttention struct {
	compute.Attention
	Norm compute.Norm       `hf:"layer_norm" gguf:"attn_norm" shape:"hidden" bias:"none"`
	QKV  compute.Linear     `hf:"SelfAttention.q SelfAttention.k SelfAttention.v" gguf:"attn_q attn_k attn_v" shape:"inner hidden" bias:"none"`
	O    compute.Linear     `hf:"SelfAttention.o" gguf:"attn_o" shape:"hidden inner" bias:"none"`
	Bias *compute.Embedding `hf:"SelfAttention.relative_attention_bias" gguf:"attn_rel_b" shape:"buckets heads" if:"biased"`

	biased bool
}

type t5Cross struct {
	compute.Attention
	Norm compute.Norm   `hf:"layer_norm" gguf:"cross_attn_norm" shape:"hidden" bias:"none"`
	Q    compute.Linear `hf:"EncDecAttention.q" gguf:"cross_attn_q" shape:"inner hidden" bias:"none"`
	K    compute.Linear `hf:"EncDecAttention.k" gguf:"cross_attn_k" shape:"inner hidden" bias:"none"`
	V    compute.Linear `hf:"EncDecAttention.v" gguf:"cross_attn_v" shape:"inner hidden" bias:"none"`
	O    compute.Linear `hf:"EncDecAttention.o" gguf:"cross_attn_o" shape:"hidden inner" bias:"none"`
}

type t5FeedForward struct {
	Norm   compute.Norm    `hf:"layer_norm" gguf:"ffn_norm" shape:"hidden" bias:"none"`
	GateUp *compute.Linear `hf:"DenseReluDense.wi_0 DenseReluDense.wi_1" gguf:"ffn_gate ffn_up" shape:"intermediate hidden" bias:"none" if:"gated"`
	Up     *compute.Linear `hf:"DenseReluDense.wi" gguf:"ffn_up" shape:"intermediate hidden" bias:"none" if:"plain"`
	Down   compute.Linear  `hf:"DenseReluDense.wo" gguf:"ffn_down" shape:"hidden intermediate" bias:"none"`

	activation kernels.Activation
}

// Dimensions says whether this layer has biases.
func (l *t5SelfAttention) Dimensions(dims map[string]int) {
	if dims["biased"] = 0; l.biased {
		dims["biased"] = 1
	}
}

func (m *t5) Hidden(c *compute.Context, want compute.Want) compute.Matrix {
	x := c.Embed(&m.Words, c.Batch.IDs)
	if m.decoder == nil {
		x = c.Layers(x, m.encoder, want)
		c.RMSInPlace(x, &m.EncoderNorm)
		return x
	}
	x = c.Layers(x, m.encoder, compute.EveryToken)
	c.RMSInPlace(x, &m.EncoderNorm)
	c.BeginDecoder(x)
	for s, number := range c.EncodedBatch().Numbers {
		m.begin(c, s, int(number))
	}
	y := c.Layers(c.Embed(&m.Words, c.Batch.IDs), m.decoder, want)
	c.RMSInPlace(y, m.DecoderNorm)
	return y
}

// begin adds the decoder's tokens for sequence s of the encoder's batch.
func (m *t5) begin(c *compute.Context, s, number int) {
	text := c.EncodedBatch()
	first, last := text.Range(s)
	if !m.again {
		last = first + 1
	}
	c.Batch.Add(number, compute.Sequence{IDs: text.IDs[first:last]}, compute.Prefix{})
	ids := c.Batch.IDs[len(c.Batch.IDs)-(last-first):]
	copy(ids[1:], text.IDs[first:last])
	ids[0] = m.start
}

// A t5Block is a self-attention and, in an encoder, the following feed-forward block.
type t5Block struct {
	*t5SelfAttention
	next *t5FeedForward
}

func (l t5Block) Project(c *compute.Context, x compute.Matrix, to compute.QKV) {
	c.Project(to, &l.QKV, c.RMS(x, &l.Norm))
}

func (l t5Block) Finish(c *compute.Context, x, a compute.Matrix) {
	c.AddLinear(x, &l.O, a)
	if l.next != nil {
		l.next.add(c, x)
	}
}

// A t5CrossBlock is attention to the encoder's states and the feed-forward block.
type t5CrossBlock struct {
	*t5Cross
	next *t5FeedForward
}

// Widths excludes the decoder's own keys and values.
func (l t5CrossBlock) Widths() (q, kv int) { return l.Heads * l.HeadDim, 0 }

func (l t5CrossBlock) Project(c *compute.Context, x compute.Matrix, to compute.QKV) {
	c.ProjectTo(to.Q, &l.Q, c.RMS(x, &l.Norm))
}

func (l t5CrossBlock) Attend(c *compute.Context, qkv compute.QKV, rows compute.Rows) compute.Matrix {
	x := c.Encoded()
	return l.AttendTo(c, qkv.Q, rows, c.Linear(&l.K, x, kernels.Identity), c.Linear(&l.V, x, kernels.Identity))
}

func (l t5CrossBlock) Finish(c *compute.Context, x, a compute.Matrix) {
	c.AddLinear(x, &l.O, a)
	l.next.add(c, x)
}

func (l *t5FeedForward) add(c *compute.Context, x compute.Matrix) {
	h := c.RMS(x, &l.Norm)
	if l.GateUp != nil {
		c.AddGated(x, h, l.GateUp, l.activation, &l.Down)
	} else {
		c.AddFeedForward(x, h, l.Up, l.activation, &l.Down)
	}
}

type t5Settings struct {
	Spec
	// Positions are relative: this is the training length of the published models.
	MaxPositions  int     `hf:"n_positions" gguf:".context_length" default:"512" max:"positions"`
	HeadDim       int     `hf:"d_kv" gguf:".attention.key_length" default:"64" ggufdefault:"@hidden/heads"`
	ValueDim      int     `gguf:".attention.value_length" default:"@HeadDim"`
	Eps           float32 `hf:"layer_norm_epsilon" gguf:".attention.layer_norm_rms_epsilon" default:"1e-6" min:"1e-30" max:"1"`
	Buckets       int     `hf:"relative_attention_num_buckets" gguf:".attention.relative_buckets_count" default:"32" min:"4" max:"4096" dim:"buckets"`
	MaxDistance   int     `hf:"relative_attention_max_distance" default:"128" max:"positions"`
	DecoderLayers int     `hf:"num_decoder_layers" gguf:".decoder_block_count" default:"@layers" max:"layers"`
	DecoderStart  int     `hf:"decoder_start_token_id pad_token_id" gguf:".decoder_start_token_id" default:"0" min:"0" max:"vocab"`
	FeedForward   string  `hf:"feed_forward_proj" gguf:"-" default:"preset"`

	Inner    int  `dim:"inner"`
	Gated    bool `dim:"gated"`
	Plain    bool `dim:"plain"`
	Decoders int  `dim:"decoderlayers"` // DecoderLayers, or 0 if the decoder is not used
}

// feedForward is the activation of a feed-forward block's gate or, without one, of the
// block, and whether there is a gate: as in feed_forward_proj, unless the two settings
// derived from it are present.
func (s *t5Settings) feedForward(f *checkpoint.File) kernels.Activation {
	name, gated := strings.CutPrefix(s.FeedForward, "gated-")
	act, ok := checkpoint.ActivationNamed(name)
	if gated && name == "gelu" {
		act = kernels.GELUTanh
	}
	if !ok {
		f.Unsupported(fmt.Sprintf("feed_forward_proj %q", checkpoint.Abridge(s.FeedForward)), "winnow supports the activations of hidden_act in transformers, optionally gated-")
	}
	s.Gated = f.Bool(checkpoint.Key{HF: "is_gated_act"}, gated)
	return f.Activation(checkpoint.Key{HF: "dense_act_fn"}, act)
}

func newT5(f *checkpoint.File, task Task, v t5Version) *Network {
	m, s := new(t5), &t5Settings{FeedForward: v.feedForward}
	s.Spec = v.spec
	f.Read(&s.Spec)
	f.Read(s)
	f.Account(checkpoint.Key{GGUF: ".attention.layer_norm_epsilon"}, checkpoint.Key{HF: "is_encoder_decoder"})
	if f.IsGGUF() {
		s.readGGUF(f, &v)
	}
	act := s.feedForward(f)
	switch {
	case s.Heads*s.HeadDim > checkpoint.MaxWidth || s.ValueDim != s.HeadDim:
		f.Fail(checkpoint.Key{HF: "d_kv", GGUF: ".attention.key_length"}, fmt.Sprint(s.HeadDim), fmt.Sprintf("at most %d with %d heads, and as many numbers of values", checkpoint.MaxWidth/s.Heads, s.Heads))
		s.HeadDim = 1
	case s.MaxDistance <= s.Buckets/2:
		f.Fail(checkpoint.Key{HF: "relative_attention_max_distance"}, fmt.Sprint(s.MaxDistance), fmt.Sprintf("more than half of the %d buckets", s.Buckets))
	case s.DecoderStart >= s.VocabSize:
		f.Fail(checkpoint.Key{HF: "decoder_start_token_id", GGUF: ".decoder_start_token_id"}, fmt.Sprint(s.DecoderStart), fmt.Sprintf("less than %d, the size of the vocabulary", s.VocabSize))
	}
	s.Inner, s.Plain = s.Heads*s.HeadDim, !s.Gated

	n := &Network{Trunk: m, Spec: &s.Spec, Settings: s, MaxLength: s.MaxPositions, TokenTypes: 1, OneType: true, Pooling: compute.PoolLast,
		Load: checkpoint.LoadOptions{Prefixes: []string{"transformer."}, Eps: s.Eps, Ignore: t5Leftover}}
	words := s.scale(f, v)
	s.Decoders = s.DecoderLayers
	// sentence-transformers uses only the encoder, whatever class wrote the files.
	if task == Embed || f.HasChain() {
		s.Decoders, n.GGUF = 0, "t5encoder"
	}
	switch {
	case task == Classify:
		n.Classifier, m.again = new(t5Classifier), true
	case s.Decoders > 0:
		words.Words = &m.Words
		n.Decoder = words
	}
	m.build(s, v.biased, act)
	n.Prepare = func(*compute.Runner) (int64, error) { return 0, m.addBiases(f, s) }
	n.Export = func(e *checkpoint.Export) error { return m.export(e, s, words, act) }
	return n
}

// readGGUF determines what GGUF files express only by their tensors.
func (s *t5Settings) readGGUF(f *checkpoint.File, v *t5Version) {
	if s.FeedForward = "relu"; f.Rows("enc.blk.0.ffn_gate.weight") > 0 {
		s.FeedForward = "gated-gelu"
	}
	v.biased = f.Rows("enc.blk.1.attn_rel_b.weight") > 0 || f.Rows("dec.blk.1.attn_rel_b.weight") > 0
}

// scale is how the logits are computed, and whether their head is the embedding table
// even if the file has another. T5 1.0, which ties the two, divides its logits by
// √hidden; T5 1.1 does neither. Configurations say so by one name or the other.
func (s *t5Settings) scale(f *checkpoint.File, v t5Version) Decoder {
	scaled := float32(1 / math.Sqrt(float64(s.HiddenSize)))
	d := Decoder{OneStep: true, LogitScale: 1}
	if f.IsGGUF() {
		if f.Rows("output.weight") == 0 {
			d.LogitScale = scaled
		}
		d.LogitScale = float32(f.Float(checkpoint.Key{GGUF: ".logit_scale"}, 1e-6, 1e6, float64(d.LogitScale)))
		return d
	}
	d.TiesWords = f.Bool(checkpoint.Key{HF: "scale_decoder_outputs"}, f.Bool(checkpoint.Key{HF: "tie_word_embeddings"}, v.scales))
	if v.modelType == "mt5" {
		d.TiesWords = false
	}
	if d.TiesWords {
		d.LogitScale = scaled
	}
	return d
}

// t5Leftover reports whether a tensor is a copy of the embedding table, or a bias from
// the first class.
func t5Leftover(name string) bool {
	switch name {
	case "encoder.embed_tokens.weight", "decoder.embed_tokens.weight", "transformer.encoder.embed_tokens.weight", "transformer.decoder.embed_tokens.weight",
		"decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight", "dec.blk.0.cross_attn_rel_b.weight":
		return true
	}
	return false
}

// build makes the layers. biased says that each has its own biases.
func (m *t5) build(s *t5Settings, biased bool, act kernels.Activation) {
	attention := compute.Attention{Heads: s.Heads, KVHeads: s.Heads, HeadDim: s.HeadDim, Scale: 1}
	ffns := func(n int) []t5FeedForward {
		list := make([]t5FeedForward, n)
		for i := range list {
			list[i].activation = act
		}
		return list
	}
	m.start = int32(s.DecoderStart)
	m.Encoder, m.EncoderFFN = make([]t5SelfAttention, s.Layers), ffns(s.Layers)
	for i := range m.Encoder {
		l := &m.Encoder[i]
		l.Attention, l.biased = attention, biased || i == 0
		l.Coarse = true
		m.encoder = append(m.encoder, t5Block{l, &m.EncoderFFN[i]})
	}
	n := s.Decoders
	m.Decoder, m.Cross, m.DecoderFFN = make([]t5SelfAttention, n), make([]t5Cross, n), ffns(n)
	for i := range n {
		l := &m.Decoder[i]
		l.Attention, l.biased = attention, biased || i == 0
		l.Mask.Causal = true
		m.Cross[i].Attention = attention
		m.decoder = append(m.decoder, t5Block{l, nil}, t5CrossBlock{&m.Cross[i], &m.DecoderFFN[i]})
	}
}

// addBiases sets the layers' relative position biases.
func (m *t5) addBiases(f *checkpoint.File, s *t5Settings) error {
	for _, layers := range [][]t5SelfAttention{m.Encoder, m.Decoder} {
		var bias *compute.RelativeBias
		for i := range layers {
			l := &layers[i]
			if l.Bias != nil {
				values, err := f.Whole(l.Bias)
				if err != nil {
					return fmt.Errorf("%s: tensor %s: %w", f.Path, l.Bias.Tensor.Name, err)
				}
				bidirectional := !l.Mask.Causal
				bias = compute.NewRelativeBias(values, func(distance int) int {
					return compute.RelativeBucket(distance, s.Buckets, s.MaxDistance, bidirectional)
				})
			}
			l.Mask.Bias = bias
		}
	}
	return nil
}

// export writes what the settings tables cannot express.
func (m *t5) export(e *checkpoint.Export, s *t5Settings, words Decoder, act kernels.Activation) error {
	if s.Gated && act != kernels.GELUTanh || !s.Gated && act != kernels.ReLU {
		return e.Refuse(fmt.Sprintf("feed_forward_proj %q with the activation %s", s.FeedForward, checkpoint.ActivationName(act)), "in GGUF files of T5 it is relu or gated-gelu")
	}
	e.Set(".attention.layer_norm_epsilon", s.Eps)
	if s.Decoders == 0 {
		e.Set(".decoder_block_count", nil)
		e.Set(".decoder_start_token_id", nil)
		return nil
	}
	if words.TiesWords {
		e.Drop("output.weight")
	}
	e.Set(".logit_scale", words.LogitScale)
	return nil
}

// t5Classifier is the head of T5ForSequenceClassification.
type t5Classifier struct {
	Dense compute.Linear `hf:"classification_head.dense" gguf:"cls" shape:"hidden hidden" keep:"exact"`
	Out   compute.Linear `hf:"classification_head.out_proj" gguf:"cls.output" shape:"labels hidden" keep:"exact"`
}

func (h *t5Classifier) Logits(c *compute.Context, x compute.Matrix) compute.Matrix {
	return c.Linear(&h.Out, c.Linear(&h.Dense, x, kernels.Tanh), kernels.Identity)
}

func (h *t5Classifier) String() string { return "dense → tanh → out" }
