package engine

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/winnow-rerank/winnow/kernels"
)

// DeBERTa v2 and v3 (He et al. 2020, 2021), as transformers'
// DebertaV2ForSequenceClassification:
//
//	x = LN(project·(word[id] + position[i] + type[t]))
//	for each layer:
//		x = LN(x + Out·disentangled(QKV·x))
//		x = LN(x + Down·act(Up·x))
//		x = LN(x + act(convolution(embeddings)))     after the first layer
//	logits = classifier·act(pooler·x[first token])
//
// disentangled is attention whose scores also say what a token thinks of a
// distance (c2p) and a distance of a token (p2c):
//
//	score = (qᵢ·kⱼ + qᵢ·K[b(i−j)] + kⱼ·Q[b(i−j)]) / √(3·width of a head)
//
// b puts distances in buckets, wider the farther. K and Q are projections of the
// embeddings of the buckets. Positions, types, project and convolution are only
// in some models.
type deberta struct {
	Words   Table   `st:"embeddings.word_embeddings" gguf:"token_embd" shape:"vocab embedding"`
	Places  *Table  `st:"embeddings.position_embeddings" gguf:"position_embd" shape:"positions embedding" if:"placed"`
	Types   *Table  `st:"embeddings.token_type_embeddings" gguf:"token_types" shape:"types embedding" if:"typed"`
	Project *Linear `st:"embeddings.embed_proj" gguf:"token_embd_proj" shape:"hidden embedding" bias:"none" keep:"exact" if:"projected"`
	Norm    Norm    `st:"embeddings.LayerNorm" gguf:"token_embd_norm" shape:"hidden"`

	Buckets     *Table `st:"encoder.rel_embeddings" gguf:"rel_embd" shape:"buckets hidden" if:"buckets"`
	BucketsNorm *Norm  `st:"encoder.LayerNorm" gguf:"rel_embd_norm" shape:"hidden" if:"bucketsnorm"`

	Layers []debertaLayer `st:"encoder.layer.%d." gguf:"blk.%d." each:"layers"`

	Conv     *Linear `st:"encoder.conv.conv" gguf:"conv1d" shape:"hidden hidden taps" if:"taps"`
	ConvNorm *Norm   `st:"encoder.conv.LayerNorm" gguf:"conv1d_norm" shape:"hidden" if:"taps"`

	Pooler     *Linear `st:"pooler.dense" gguf:"cls" shape:"hidden hidden" keep:"exact"`
	Classifier *Linear `st:"classifier" gguf:"cls.output" shape:"labels hidden" keep:"exact"`

	heads                          int
	activation, convAct, poolerAct kernels.Activation
	taps                           int
	relative                       relative
}

type debertaLayer struct {
	QKV     Linear `st:"attention.self.query_proj attention.self.key_proj attention.self.value_proj" gguf:"attn_q attn_k attn_v" shape:"hidden hidden"`
	Out     Linear `st:"attention.output.dense" gguf:"attn_output" shape:"hidden hidden"`
	OutNorm Norm   `st:"attention.output.LayerNorm" gguf:"attn_output_norm" shape:"hidden"`

	// Projections of the buckets' embeddings, of models that do not take those of
	// the keys and queries. They are used once, while the model is loaded.
	BucketKeys    *Linear `st:"attention.self.pos_key_proj" gguf:"attn_rel_k" shape:"hidden hidden" if:"bucketkeys"`
	BucketQueries *Linear `st:"attention.self.pos_query_proj" gguf:"attn_rel_q" shape:"hidden hidden" if:"bucketqueries"`

	Up       Linear `st:"intermediate.dense" gguf:"ffn_up" shape:"intermediate hidden"`
	Down     Linear `st:"output.dense" gguf:"ffn_down" shape:"hidden intermediate"`
	DownNorm Norm   `st:"output.LayerNorm" gguf:"layer_output_norm" shape:"hidden"`

	attention []kernels.Disentangled // one a head
}

func (m *deberta) logits(c *Compute) Matrix {
	return c.Linear(m.Classifier, c.Linear(m.Pooler, m.states(c), m.poolerAct), kernels.Identity)
}

// states are those of each sequence's first token after the last layer.
func (m *deberta) states(c *Compute) Matrix {
	x := m.embed(c)
	c.Norm(x, &m.Norm)
	c.trace(-1, x)

	var near Matrix
	if m.Conv != nil {
		near = c.Linear(m.Conv, c.Neighbours(x, m.taps), m.convAct)
	}
	first := c.New(c.Batch.Sequences(), x.Cols)
	for i, l := range each(c, m.Layers) {
		if i > 0 && i == len(m.Layers)-1 && c.traced == nil {
			l.first(c, m, x, first)
			return first
		}
		qkv := c.Linear(&l.QKV, x, kernels.Identity)
		c.AddLinear(x, &l.Out, c.Disentangled(qkv, l.attention))
		c.Norm(x, &l.OutNorm)

		c.AddFeedForward(x, &l.Up, m.activation, &l.Down)
		c.Norm(x, &l.DownNorm)
		if i == 0 && m.Conv != nil {
			kernels.Add(x, x, near)
			c.Norm(x, m.ConvNorm)
		}
		c.trace(i, x)
	}
	c.First(first, x)
	return first
}

// first is the layer for the first token of each sequence only: keys and values
// of all tokens, the rest of one token each.
func (l *debertaLayer) first(c *Compute, m *deberta, x, y Matrix) {
	hidden := x.Cols
	c.First(y, x)
	kv := c.LinearPart(&l.QKV, x, hidden, 3*hidden)
	q := c.LinearPart(&l.QKV, y, 0, hidden)
	c.AddLinear(y, &l.Out, c.DisentangledFirst(q, kv, l.attention))
	c.Norm(y, &l.OutNorm)

	c.AddFeedForward(y, &l.Up, m.activation, &l.Down)
	c.Norm(y, &l.DownNorm)
}

func (m *deberta) embed(c *Compute) Matrix {
	b := &c.Batch
	x := c.Embed(&m.Words, b.IDs)
	if m.Places != nil {
		b.Positions = b.Positions[:0]
		for s := range b.Sequences() {
			for i := range b.Offsets[s+1] - b.Offsets[s] {
				b.Positions = append(b.Positions, i)
			}
		}
		c.AddRows(x, m.Places, b.Positions)
	}
	if m.Types != nil {
		c.AddRows(x, m.Types, b.Types)
	}
	if m.Project != nil {
		x = c.Linear(m.Project, x, kernels.Identity)
	}
	return x
}

// The settings of DeBERTa beside BERT's.
var (
	keyRelative    = key{"relative_attention", ".attention.relative"}
	keyBuckets     = key{"position_buckets", ".attention.relative_buckets_count"}
	keyFarthest    = key{"max_relative_positions", ".attention.relative_max_distance"}
	keyTerms       = key{"pos_att_type", ".attention.relative_terms"}
	keyShared      = key{"share_att_key", ".attention.relative_shared"}
	keyBucketsNorm = key{"norm_rel_ebd", ".attention.relative_norm"}
	keyHeadSize    = key{"attention_head_size", ".attention.key_length"}
	keyPlaced      = key{"position_biased_input", ".position_embedding"}
	keyEmbedding   = key{"embedding_size", ".embedding_length_in"}
	keyTaps        = key{"conv_kernel_size", ".convolution.kernel_size"}
	keyGroups      = key{"conv_groups", ".convolution.groups"}
	keyConvAct     = key{"conv_act", ".convolution.activation"}
	keyPooled      = key{"pooler_hidden_size", ".classifier.embedding_length"}
	keyPoolerAct   = key{"pooler_hidden_act", ".classifier.hidden_activation"}
)

// maxTaps bounds the taps of a convolution, maxDistance the tokens of a sequence:
// both far above every published model.
const (
	maxTaps     = 1 << 8
	maxDistance = 1 << 16
)

func newDeBERTa(f *file) (network, error) {
	m := new(deberta)
	m.configure(f)
	f.prefix = "deberta."
	f.classifier("cls.output.weight")
	ignore := f.ignore
	f.ignore = func(name string) bool {
		return ignore != nil && ignore(name) || strings.HasPrefix(name, "lm_predictions.") || strings.HasPrefix(name, "mask_predictions.") ||
			strings.HasSuffix(name, "embeddings.position_embeddings.weight") && f.dims["placed"] == 0
	}
	if err := f.load(m, "DeBERTa"); err != nil {
		return nil, err
	}
	m.relative.gather(f, m)
	f.head = "first token → pooler → " + f.settings.text(keyPoolerAct, "gelu") + " → classifier"
	return m, nil
}

// configure reads the settings and makes them f's dimensions.
func (m *deberta) configure(f *file) {
	s := &f.settings
	hidden := s.count(keyHidden, 1, maxWidth)
	m.heads = s.count(keyHeads, 1, maxHeads)
	if hidden%m.heads != 0 {
		s.fail(keyHeads, fmt.Sprint(m.heads), fmt.Sprintf("a divisor of the width %d", hidden))
	}
	for _, same := range []struct {
		key  key
		want int
	}{{keyHeadSize, hidden / m.heads}, {keyPooled, hidden}} {
		if n := s.countOr(same.key, 1, maxWidth, same.want); n != same.want {
			s.fail(same.key, strconv.Itoa(n), strconv.Itoa(same.want))
		}
	}
	f.heads = m.heads
	f.eps = s.epsilon(keyEps)
	m.activation = s.activation(keyActivation, "gelu")
	m.poolerAct = s.activation(keyPoolerAct, "gelu")
	positions := s.count(keyPositions, 1, maxPositions)
	f.maxLength = min(positions, maxDistance)

	types := s.countOr(keyTypes, 0, maxVocab, 0)
	f.dims = map[string]int{
		"hidden":       hidden,
		"embedding":    s.countOr(keyEmbedding, 1, maxWidth, hidden),
		"intermediate": s.count(keyIntermediate, 1, maxWidth),
		"layers":       f.layers(keyLayers),
		"positions":    positions,
		"placed":       indicator(s.truth(keyPlaced, true)),
		"typed":        types,
		"vocab":        f.vocabulary(keyVocab),
	}
	// Where there are no types, the tokenizer makes BERT's two all the same.
	f.dims["types"] = max(types, 2)
	if types == 1 {
		f.dims["types"] = 1
		f.oneType = true
	}
	f.dims["projected"] = indicator(f.dims["embedding"] != hidden)

	if m.taps = s.countOr(keyTaps, 0, maxTaps, 0); m.taps > 0 {
		m.convAct = s.activation(keyConvAct, "tanh")
		if m.taps%2 == 0 {
			s.fail(keyTaps, strconv.Itoa(m.taps), "an odd number")
		}
		if groups := s.countOr(keyGroups, 1, maxWidth, 1); groups > 1 {
			f.unsupported(fmt.Sprintf("a convolution in %d groups (%s)", groups, s.name(keyGroups)), "")
		}
	}
	f.dims["taps"] = m.taps
	m.relative.configure(f)
}

func indicator(b bool) int {
	if b {
		return 1
	}
	return 0
}

// relative is what a model knows of distances.
type relative struct {
	scale    float32
	c2p, p2c bool
	shared   bool
	span     int     // buckets on each side of distance 0
	buckets  []int32 // of the distances −n to n
	layers   []projections
}

// configure reads the settings of the distances.
func (r *relative) configure(f *file) {
	s := &f.settings
	terms := f.terms(keyTerms)
	for _, term := range terms {
		switch term {
		case "c2p":
			r.c2p = true
		case "p2c":
			r.p2c = true
		case "", "none":
		default:
			// DeBERTa v1 had "p2p".
			f.unsupported(fmt.Sprintf("%s %q", s.name(keyTerms), abridge(term)), "winnow computes c2p and p2c")
		}
	}
	n := 1 + indicator(r.c2p) + indicator(r.p2c)
	r.scale = float32(1 / math.Sqrt(float64(f.dims["hidden"]/f.heads*n)))

	positions := f.dims["positions"]
	farthest := s.countOr(keyFarthest, -1, maxPositions, -1)
	if farthest < 1 {
		farthest = positions
	}
	count := s.countOr(keyBuckets, -1, maxPositions, -1)
	relative := s.truth(keyRelative, false)
	if !relative {
		r.c2p, r.p2c = false, false
	}
	r.shared = s.truth(keyShared, false)
	r.span = farthest
	if count > 0 {
		r.span = count
		if relative && farthest-1 <= count/2 {
			s.fail(keyBuckets, strconv.Itoa(count), fmt.Sprintf("less than twice the farthest distance %d", farthest-1))
		}
	}
	f.dims["buckets"] = 2 * r.span * indicator(relative)
	f.dims["bucketsnorm"] = indicator(slices.Contains(strings.FieldsFunc(strings.ToLower(s.text(keyBucketsNorm, "none")), isBar), "layer_norm"))
	f.dims["bucketkeys"] = indicator(r.c2p && !r.shared)
	f.dims["bucketqueries"] = indicator(r.p2c && !r.shared)

	if s.err == nil && (r.c2p || r.p2c) {
		r.buckets = make([]int32, 2*f.maxLength-1)
		for i := range r.buckets {
			b := i - (f.maxLength - 1)
			if count > 0 {
				b = bucket(b, count, farthest)
			}
			r.buckets[i] = int32(min(max(b+r.span, 0), 2*r.span-1))
		}
	}
}

func isBar(c rune) bool { return c == '|' || c == ' ' }

// bucket is the bucket, counted from 0 on each side, of a distance: its own up to
// half of the buckets, shared by ever more distances up to the farthest. It is
// computed in float32, as the models' authors do.
func bucket(distance, buckets, farthest int) int {
	mid := buckets / 2
	far := max(distance, -distance)
	if far <= mid {
		return distance
	}
	log := func(x float32) float32 { return float32(math.Log(float64(x))) }
	steps := log(float32(far)/float32(mid)) / log(float32(float64(farthest-1)/float64(mid)))
	b := int(math.Ceil(float64(steps*float32(mid-1)))) + mid
	if distance < 0 {
		return -b
	}
	return b
}

// terms is a setting that lists words: an array, or one string with bars.
func (f *file) terms(k key) []string {
	s := &f.settings
	var words []string
	if f.gguf {
		words, _ = f.metadata.Strings(s.name(k))
	} else if list, ok := f.config[k.hf].([]any); ok {
		for _, v := range list {
			word, ok := v.(string)
			if !ok {
				s.fail(k, s.describe(k), "a list of strings")
			}
			words = append(words, word)
		}
		return words
	}
	if words == nil {
		words = strings.FieldsFunc(strings.ToLower(s.text(k, "")), isBar)
	}
	return words
}
