package checkpoint

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/winnow-rerank/winnow/engine/internal/compute"
	"github.com/winnow-rerank/winnow/internal/fault"
	"github.com/winnow-rerank/winnow/kernels"
)

// A Chain is what follows the encoder in a sentence-transformers model:
//
//	Pooling    one vector of the states of all tokens
//	Dense      act(W·x + b)
//	LayerNorm
//	Normalize  to length 1
//
// Without Pooling the other modules act on each token's state, for late interaction. It
// is a struct of tensors for File.Load, numbered as the modules of most models are,
// from 2, which is where llama.cpp begins too.
type Chain struct {
	Steps []Step `hf:"dense.%d." gguf:"dense_%d" each:"steps" from:"2"`

	Pooling compute.Pooling
	Unit    bool // its vectors are normalised to length 1
	Width   int  // of its vectors
	Kept    int  // leading dimensions that are kept; Width: all

	words []string // the steps in words
}

// firstStep is the number of the first step in tensor names and keys.
const firstStep = 2

// A Step is a module after the pooling. It has one of these layers, except that a Dense
// may add its input as a residual, perhaps projected.
type Step struct {
	Dense    *compute.Linear `hf:"linear" gguf:"." shape:"outputs inputs" bias:"optional" keep:"exact" if:"dense"`
	Residual *compute.Linear `hf:"residual" gguf:"_residual" shape:"outputs inputs" bias:"none" keep:"exact" if:"residual"`
	Norm     *compute.Norm   `hf:"norm" gguf:"_norm" shape:"inputs" bias:"optional" if:"norm"`

	Activation kernels.Activation // of a Dense

	dense, norm, normalize bool
	bias, add              bool // of a Dense
	inputs, outputs        int
	folder                 string // with its weights
	path                   string // its configuration, for errors
}

// Dimensions adds the number of steps.
func (c *Chain) Dimensions(dims map[string]int) { dims["steps"] = len(c.Steps) }

// Dimensions adds this step's dimensions.
func (s *Step) Dimensions(dims map[string]int) {
	number := func(b bool) int {
		if b {
			return 1
		}
		return 0
	}
	dims["dense"], dims["norm"], dims["residual"] = number(s.dense), number(s.norm), number(s.add && s.inputs != s.outputs)
	dims["inputs"], dims["outputs"] = s.inputs, s.outputs
}

// ModuleEps is the default epsilon of PyTorch's LayerNorm, which the module always
// uses.
const ModuleEps = 1e-5

// Loaded checks what was loaded.
func (c *Chain) Loaded() error {
	for i := range c.Steps {
		s := &c.Steps[i]
		if s.Dense != nil && s.bias != (s.Dense.Bias != nil) {
			return s.BiasError()
		}
		if s.Norm != nil {
			s.Norm.Eps = ModuleEps
		}
	}
	return nil
}

// HasBias reports whether a Dense has a bias according to its configuration.
func (s *Step) HasBias() bool { return s.bias }

// BiasError is the error that a Dense and its weights disagree about a bias.
func (s *Step) BiasError() error {
	return &fault.FormatError{Path: s.path, Field: "bias", Offset: -1, Found: strconv.FormatBool(s.bias), Want: "as in the weights"}
}

// Chain reads what follows the encoder, whose hidden size is hidden. pooling ("mean",
// "cls", "last" or "max") replaces the model's own unless it is "". Without any modules
// the pooling is the mean, as in sentence-transformers.
func (f *File) Chain(hidden int, pooling string) (*Chain, error) {
	c := &Chain{Width: hidden}
	s := f.Sentence
	var err error
	switch {
	case f.err != nil:
		return nil, f.err
	case f.IsGGUF():
		c.readGGUF(f)
		err = f.err
	case f.Architecture == colBERT:
		err = c.readColBERT(f)
	case len(s.Modules) > 0 && s.Module("Pooling") == nil && !s.static() && !s.Late():
		err = f.Refuse("a chain of modules without Pooling", "")
	case len(s.Modules) > 0:
		at := tokenStates
		if s.static() {
			c.Pooling, at = compute.PoolMean, sentenceVector
		}
		err = c.read(s.Modules[1:], at, s.prompted())
	default:
		c.Pooling = compute.PoolMean
	}
	if err != nil {
		return nil, err
	}
	if f.ModelType == "model2vec" {
		c.Unit = f.Bool(Key{HF: "normalize"}, false) // regardless of modules
	}
	for i := range c.Steps {
		if s := &c.Steps[i]; s.folder != "" && (s.dense || s.norm) {
			if err := f.Join(s.folder, fmt.Sprintf("dense.%d.", firstStep+i)); err != nil {
				return nil, err
			}
		}
	}
	if pooling != "" && c.Pooling != compute.PoolNone {
		p, ok := poolings[strings.Replace(pooling, "last", "lasttoken", 1)]
		if !ok {
			return nil, fmt.Errorf("pooling %q: expected mean, cls, last or max", pooling)
		}
		if n := c.Pooling.Kinds(); n > 1 {
			return nil, fmt.Errorf("pooling %q: the model's own concatenates %d vectors (%s)", pooling, n, c.Pooling)
		}
		c.Pooling = p
	}
	return c, c.truncate(f)
}

// moduleActivations are PyTorch's classes by the last component of their names.
var moduleActivations = map[string]kernels.Activation{
	"Identity": kernels.Identity, "Tanh": kernels.Tanh, "GELU": kernels.GELU, "ReLU": kernels.ReLU, "SiLU": kernels.SiLU,
	"Sigmoid": kernels.Sigmoid,
}

// read builds the chain from the modules after the encoder, whose output is called at.
// prompted says whether texts may be preceded by a prompt.
func (c *Chain) read(modules []Module, at string, prompted bool) error {
	for i := range modules {
		m := &modules[i]
		s := Step{inputs: c.Width, outputs: c.Width, folder: m.Folder, path: m.path}
		switch m.Class {
		case "Dropout", "MultiVectorMask":
			continue
		case "Pooling":
			if at != tokenStates || len(c.Steps) > 0 {
				return m.refuse("a Pooling module after "+strings.Join(c.words, " → "), "winnow supports it only directly after the encoder")
			}
			var err error
			if c.Pooling, err = m.pooling(c.Width, prompted); err != nil {
				return err
			}
			c.Width, at = c.Width*c.Pooling.Kinds(), sentenceVector
			continue
		case "Normalize":
			s.normalize = true
		case "LayerNorm":
			s.norm = true
			if n, ok := m.Config.Int("dimension"); !ok || n != int64(c.Width) {
				return m.wrong("dimension", m.Config.Kind("dimension"), strconv.Itoa(c.Width))
			}
		case "Dense":
			if err := m.dense(&s); err != nil {
				return err
			}
		default:
			return m.refuse(fmt.Sprintf("the module %q of sentence-transformers", Abridge(m.Class)), "winnow supports Transformer, Pooling, Dense, LayerNorm, Normalize and Dropout")
		}
		var err error
		if at, err = m.outputName(at); err != nil {
			return err
		}
		c.add(s)
	}
	c.trim()
	return nil
}

// add appends a step.
func (c *Chain) add(s Step) {
	switch {
	case s.dense:
		c.words = append(c.words, fmt.Sprintf("Dense %d", s.outputs))
	case s.norm:
		c.words = append(c.words, "norm")
	default:
		c.words = append(c.words, "length 1")
	}
	c.Width = s.outputs
	c.Steps = append(c.Steps, s)
}

// trim removes a final Normalize: callers that request a vector decide on
// normalisation.
func (c *Chain) trim() {
	if last := len(c.Steps) - 1; last >= 0 && c.Steps[last].normalize {
		c.Unit = true
		c.Steps, c.words = c.Steps[:last], c.words[:len(c.words)-1]
	}
}

// dense reads the configuration of a Dense module.
func (m *Module) dense(s *Step) error {
	in, ok := m.Config.Int("in_features")
	if !ok || in != int64(s.inputs) {
		return m.wrong("in_features", m.Config.Kind("in_features"), strconv.Itoa(s.inputs))
	}
	out, ok := m.Config.Int("out_features")
	if !ok || out < 1 || out > MaxWidth {
		return m.wrong("out_features", m.Config.Kind("out_features"), fmt.Sprintf("a whole number from 1 to %d", MaxWidth))
	}
	s.dense, s.outputs, s.bias = true, int(out), true
	if m.Config.Has("bias") {
		if s.bias, ok = m.Config.Bool("bias"); !ok {
			return m.wrong("bias", m.Config.Kind("bias"), "true or false")
		}
	}
	s.add, _ = m.Config.Bool("use_residual")
	s.Activation = kernels.Tanh
	if m.Config.Has("activation_function") {
		name, _ := m.Config.String("activation_function")
		act, known := moduleActivations[name[strings.LastIndexByte(name, '.')+1:]]
		if !known || !strings.HasPrefix(name, "torch.nn.") {
			return m.refuse("activation_function "+m.Config.Kind("activation_function"), "winnow supports PyTorch's Identity, Tanh, GELU, ReLU, SiLU and Sigmoid")
		}
		s.Activation = act
	}
	return nil
}

// String describes the chain in words.
func (c *Chain) String() string {
	words := append([]string{c.Pooling.String()}, c.words...)
	if c.Unit && c.Pooling != compute.PoolNone {
		words = append(words, "length 1")
	}
	return strings.Join(words, " → ")
}

// Vectors is Logits, truncated to the dimensions that are kept.
func (c *Chain) Vectors(m *compute.Context, x compute.Matrix) compute.Matrix {
	return c.Logits(m, x).Columns(0, c.Kept)
}

// Logits applies the steps to vectors, one per row. The results are logits or vectors.
func (c *Chain) Logits(m *compute.Context, x compute.Matrix) compute.Matrix {
	for i := range c.Steps {
		s := &c.Steps[i]
		switch {
		case s.Dense != nil:
			y := m.Linear(s.Dense, x, s.Activation)
			if s.Residual != nil {
				m.AddLinear(y, s.Residual, x)
			} else if s.add {
				kernels.Add(y, y, x)
			}
			x = y
		case s.Norm != nil:
			m.Norm(x, s.Norm)
		case s.normalize:
			for r := range x.Rows {
				Normalize(x.Row(r))
			}
		}
	}
	return x
}

// Normalize scales a vector to length 1; a zero vector is unchanged.
func Normalize(v []float32) {
	sum := 0.0
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	if sum == 0 {
		return
	}
	scale := 1 / math.Sqrt(sum)
	for i, x := range v {
		v[i] = float32(float64(x) * scale)
	}
}

// IsClassifier reports whether the chain is ModernBERT's classification head: Dense,
// norm and Dense on the first token or the mean.
func (c *Chain) IsClassifier(hidden int) bool {
	if len(c.Steps) != 3 || c.Pooling != compute.PoolFirst && c.Pooling != compute.PoolMean {
		return false
	}
	dense, norm, out := &c.Steps[0], &c.Steps[1], &c.Steps[2]
	return dense.dense && !dense.add && dense.outputs == hidden && norm.norm && out.dense && !out.add && out.Activation == kernels.Identity
}

// AliasClassifier renames such a chain's tensors to those of ModernBERT's classifier.
func (f *File) AliasClassifier() {
	f.Alias("dense.2.linear", "head.dense")
	f.Alias("dense.3.norm", "head.norm")
	f.Alias("dense.4.linear", "classifier")
}
