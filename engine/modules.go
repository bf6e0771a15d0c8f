package engine

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/winnow-rerank/winnow/internal/fault"
	"github.com/winnow-rerank/winnow/kernels"
	"github.com/winnow-rerank/winnow/quant"
	"github.com/winnow-rerank/winnow/safetensors"
)

// Models that sentence-transformers saves are chains of modules: modules.json
// lists them, and each has a folder with a configuration and perhaps weights. The
// first one is the encoder, in the folder of the model itself. Behind it come
//
//	Pooling    one vector of the states of all tokens
//	Dense      act(W·x + b)
//	LayerNorm
//	Normalize  to length 1
//
// Without Pooling the others work on each token's state, as late interaction wants
// it (see colbert.go).

// A module is an entry of modules.json.
type module struct {
	class  string // the last part of its type's name: "Pooling", "Dense", …
	pylate bool   // it is PyLate's
	dir    string
	config jsonValues // empty where there is none
	path   string     // of the configuration, for errors
}

// sentenceModel is what sentence-transformers keeps beside the encoder.
type sentenceModel struct {
	modules  []module
	settings jsonValues // config_sentence_transformers.json
	encoder  jsonValues // sentence_bert_config.json
	artifact jsonValues // artifact.metadata, of ColBERT's own checkpoints
}

const maxModules = 64

// encoderConfigs are the names that the encoder's own settings have had.
var encoderConfigs = []string{"sentence_bert_config.json", "sentence_roberta_config.json", "sentence_xlm-roberta_config.json"}

// readSentenceModel reads the files of dir, all of which may be absent.
func readSentenceModel(dir string) (*sentenceModel, error) {
	m := &sentenceModel{}
	var err error
	if m.settings, err = optionalObject(filepath.Join(dir, "config_sentence_transformers.json")); err != nil {
		return nil, err
	}
	if m.artifact, err = optionalObject(filepath.Join(dir, "artifact.metadata")); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "modules.json")
	data, err := readSmall(path)
	if errors.Is(err, fs.ErrNotExist) {
		// Some publish the pooling's folder without the list.
		if pooling := filepath.Join(dir, "1_Pooling"); exists(filepath.Join(pooling, "config.json")) {
			m.modules = []module{{class: "Transformer", dir: dir}, {class: "Pooling", dir: pooling}}
		}
	} else if err != nil {
		return nil, err
	} else if m.modules, err = parseModules(path, data); err != nil {
		return nil, err
	}
	for i := range m.modules {
		e := &m.modules[i]
		e.path = filepath.Join(e.dir, "config.json")
		if i > 0 {
			if e.config, err = optionalObject(e.path); err != nil {
				return nil, err
			}
		}
	}
	for _, name := range encoderConfigs {
		if m.encoder, err = optionalObject(filepath.Join(m.encoderDir(dir), name)); err != nil || m.encoder != nil {
			return m, err
		}
	}
	return m, nil
}

// encoderDir is the folder of the encoder: dir, or in old models one in it.
func (m *sentenceModel) encoderDir(dir string) string {
	if len(m.modules) > 0 {
		return m.modules[0].dir
	}
	return dir
}

func parseModules(path string, data []byte) ([]module, error) {
	wrong := func(field, found, want string) error {
		return &fault.FormatError{Path: path, Field: field, Offset: -1, Found: found, Want: want}
	}
	d := json.NewDecoder(bytes.NewReader(data))
	var list []struct {
		Path string `json:"path"`
		Type string `json:"type"`
	}
	if err := d.Decode(&list); err != nil {
		return nil, &fault.FormatError{Path: path, Offset: d.InputOffset(), Found: err.Error(), Want: "a list of modules with \"path\" and \"type\""}
	}
	if len(list) == 0 || len(list) > maxModules {
		return nil, wrong("", strconv.Itoa(len(list))+" modules", fmt.Sprintf("1 to %d", maxModules))
	}
	modules := make([]module, len(list))
	for i, e := range list {
		if e.Path != "" && !filepath.IsLocal(e.Path) {
			return nil, wrong(strconv.Itoa(i)+".path", strconv.Quote(abridge(e.Path)), "a folder in that of the model")
		}
		modules[i] = module{class: e.Type[strings.LastIndexByte(e.Type, '.')+1:], dir: filepath.Join(filepath.Dir(path), e.Path),
			pylate: strings.HasPrefix(e.Type, "pylate.")}
	}
	if modules[0].class != "Transformer" {
		return nil, &fault.UnsupportedError{Path: path, What: fmt.Sprintf("a chain that begins with the module %q", abridge(list[0].Type)), Hint: "winnow knows those that begin with Transformer"}
	}
	return modules, nil
}

// optionalObject is a JSON file, nil if there is none.
func optionalObject(path string) (jsonValues, error) {
	data, err := readSmall(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(bytes.TrimSpace(data)) == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return parseObject(path, data)
}

// A pooling makes one vector of a sequence's states.
type pooling uint8

const (
	poolNone pooling = iota // the states themselves
	poolFirst
	poolMean
	poolLast
	poolMax
)

var poolingNames = [...]string{poolNone: "every token", poolFirst: "first token", poolMean: "mean of all tokens", poolLast: "last token", poolMax: "maxima of all tokens"}

func (p pooling) String() string { return poolingNames[p] }

// poolings are sentence-transformers' names.
var poolings = map[string]pooling{"cls": poolFirst, "mean": poolMean, "lasttoken": poolLast, poolMaxName: poolMax}

const poolMaxName = "max"

// A step is a module behind the pooling. Of its parts it has one, except that a
// Dense may add what it was given, perhaps projected.
type step struct {
	Dense    *Linear `st:"linear" gguf:"." shape:"outputs inputs" bias:"optional" keep:"exact" if:"dense"`
	Residual *Linear `st:"residual" gguf:"_residual" shape:"outputs inputs" bias:"none" keep:"exact" if:"residual"`
	Norm     *Norm   `st:"norm" gguf:"_norm" shape:"inputs" bias:"optional" if:"norm"`

	dense, norm, normalize bool
	inputs, outputs        int
	activation             kernels.Activation
	bias, add              bool   // of a Dense
	dir                    string // of its weights
	path                   string // of its configuration, for errors
}

// dimensions gives the loader this step's.
func (s *step) dimensions(dims map[string]int) {
	number := func(b bool) int {
		if b {
			return 1
		}
		return 0
	}
	dims["dense"], dims["norm"], dims["residual"] = number(s.dense), number(s.norm), number(s.add && s.inputs != s.outputs)
	dims["inputs"], dims["outputs"] = s.inputs, s.outputs
}

// stepEps is the epsilon of PyTorch's LayerNorm, which the module always has.
const stepEps = 1e-5

// A chain is what follows the encoder. Its tensors are numbered as the modules of
// most models are, from 2, which is where llama.cpp begins too.
type chain struct {
	Steps []step `st:"dense.%d." gguf:"dense_%d" each:"steps"`

	pooling pooling
	unit    bool // its vectors are of length 1
	width   int  // of them
	names   []string
}

const firstStep = 2

// wrong is an error about a module's configuration.
func (m *module) wrong(field, found, want string) error {
	return &fault.FormatError{Path: m.path, Field: field, Offset: -1, Found: found, Want: want}
}

func (m *module) refuse(what, hint string) error {
	return &fault.UnsupportedError{Path: m.path, What: what, Hint: hint}
}

// moduleActivations are PyTorch's classes by the last part of their names.
var moduleActivations = map[string]kernels.Activation{
	"Identity": kernels.Identity, "Tanh": kernels.Tanh, "GELU": kernels.GELU, "ReLU": kernels.ReLU, "SiLU": kernels.SiLU,
}

// read makes the chain of the modules behind the encoder; hidden is the width of
// its states.
func (c *chain) read(modules []module, hidden int) error {
	c.width = hidden
	c.Steps = make([]step, firstStep)
	for i := range modules {
		m := &modules[i]
		s := step{inputs: c.width, outputs: c.width, dir: m.dir, path: m.path}
		switch m.class {
		case "Dropout", "MultiVectorMask":
			continue
		case "Pooling":
			if c.pooling != poolNone || len(c.Steps) > firstStep {
				return m.refuse("a Pooling module behind "+strings.Join(c.names, " → "), "winnow knows it behind the encoder only")
			}
			var err error
			if c.pooling, err = m.pooling(hidden); err != nil {
				return err
			}
			continue
		case "Normalize":
			s.normalize = true
			c.names = append(c.names, "length 1")
		case "LayerNorm":
			s.norm = true
			if n, ok := m.config.Int("dimension"); !ok || n != int64(c.width) {
				return m.wrong("dimension", m.config.Kind("dimension"), strconv.Itoa(c.width))
			}
			c.names = append(c.names, "norm")
		case "Dense":
			if err := m.dense(&s); err != nil {
				return err
			}
			c.names = append(c.names, fmt.Sprintf("Dense %d", s.outputs))
			c.width = s.outputs
		default:
			return m.refuse(fmt.Sprintf("the module %q of sentence-transformers", abridge(m.class)), "winnow knows Transformer, Pooling, Dense, LayerNorm, Normalize and Dropout")
		}
		c.Steps = append(c.Steps, s)
	}
	c.trim()
	return nil
}

// trim takes a last Normalize off: whoever asks for a vector says whether it is to
// be normalised.
func (c *chain) trim() {
	if last := len(c.Steps) - 1; last >= firstStep && c.Steps[last].normalize {
		c.unit = true
		c.Steps, c.names = c.Steps[:last], c.names[:len(c.names)-1]
	}
}

func (m *module) dense(s *step) error {
	in, ok := m.config.Int("in_features")
	if !ok || in != int64(s.inputs) {
		return m.wrong("in_features", m.config.Kind("in_features"), strconv.Itoa(s.inputs))
	}
	out, ok := m.config.Int("out_features")
	if !ok || out < 1 || out > maxWidth {
		return m.wrong("out_features", m.config.Kind("out_features"), fmt.Sprintf("a whole number from 1 to %d", maxWidth))
	}
	s.dense, s.outputs, s.bias = true, int(out), true
	if m.config.Has("bias") {
		if s.bias, ok = m.config.Bool("bias"); !ok {
			return m.wrong("bias", m.config.Kind("bias"), "true or false")
		}
	}
	s.add, _ = m.config.Bool("use_residual")
	s.activation = kernels.Tanh
	if m.config.Has("activation_function") {
		name, _ := m.config.String("activation_function")
		act, known := moduleActivations[name[strings.LastIndexByte(name, '.')+1:]]
		if !known || !strings.HasPrefix(name, "torch.nn.") {
			return m.refuse(fmt.Sprintf("activation_function %s", abridge(m.config.Kind("activation_function"))), "winnow knows PyTorch's Identity, Tanh, GELU, ReLU and SiLU")
		}
		s.activation = act
	}
	return nil
}

// pooling reads the configuration of a Pooling module, in its old form or its new
// one.
func (m *module) pooling(hidden int) (pooling, error) {
	for _, name := range []string{"word_embedding_dimension", "embedding_dimension"} {
		if n, ok := m.config.Int(name); m.config.Has(name) && (!ok || n != int64(hidden)) {
			return poolNone, m.wrong(name, m.config.Kind(name), strconv.Itoa(hidden))
		}
	}
	if include, ok := m.config.Bool("include_prompt"); ok && !include {
		return poolNone, m.refuse("pooling without the prompt (include_prompt false)", "")
	}
	var modes []string
	if m.config.Has("pooling_mode") {
		switch v := m.config["pooling_mode"].(type) {
		case string:
			modes = []string{v}
		case []any:
			for _, e := range v {
				name, _ := e.(string)
				modes = append(modes, name)
			}
		default:
			return poolNone, m.wrong("pooling_mode", m.config.Kind("pooling_mode"), "a name")
		}
	} else {
		for _, mode := range []struct{ key, name string }{{"cls_token", "cls"}, {"max_tokens", "max"}, {"mean_tokens", "mean"},
			{"mean_sqrt_len_tokens", "mean_sqrt_len_tokens"}, {"weightedmean_tokens", "weightedmean"}, {"lasttoken", "lasttoken"}} {
			if on, _ := m.config.Bool("pooling_mode_" + mode.key); on {
				modes = append(modes, mode.name)
			}
		}
		if modes == nil {
			modes = []string{"mean"}
		}
	}
	if len(modes) == 1 {
		if p, ok := poolings[modes[0]]; ok {
			return p, nil
		}
	}
	return poolNone, m.refuse("pooling by "+abridge(strings.Join(modes, " and ")), "winnow knows cls, mean, lasttoken and max")
}

// keyUnit says whether the vectors of a GGUF file are to be of length 1, as
// llama.cpp makes all.
var keyUnit = key{"", ".normalize"}

// readGGUF makes the chain of a GGUF file: dense_2, dense_3 and so on, each of
// which may be a norm, dense_2_norm, or a key that asks for length 1,
// dense_2_normalize.
func (c *chain) readGGUF(f *file) {
	c.width = f.dims["hidden"]
	c.Steps = make([]step, firstStep)
	c.unit = f.settings.truth(keyUnit, true)
	for n := firstStep; n < maxModules; n++ {
		name := fmt.Sprintf("dense_%d", n)
		s := step{inputs: c.width, outputs: c.width, path: f.settings.path}
		if t, ok := f.source.Tensor(name + ".weight"); ok {
			s.dense, s.outputs = true, f.rowsOf(t.Name)
			_, s.bias = f.source.Tensor(name + ".bias")
			s.activation = f.settings.activation(key{"", "." + name + "_activation"}, "linear")
			s.add = f.settings.truth(key{"", "." + name + "_residual"}, false)
			c.names = append(c.names, fmt.Sprintf("Dense %d", s.outputs))
		} else if _, ok := f.source.Tensor(name + "_norm.weight"); ok {
			s.norm = true
			c.names = append(c.names, "norm")
		} else if f.settings.truth(key{"", "." + name + "_normalize"}, false) {
			s.normalize = true
			c.names = append(c.names, "length 1")
		} else {
			return
		}
		c.width = s.outputs
		c.Steps = append(c.Steps, s)
	}
}

// join makes the tensors of the chain's modules tensors of f.
func (c *chain) join(f *file) error {
	for i := firstStep; i < len(c.Steps); i++ {
		if s := &c.Steps[i]; s.dir != "" && (s.dense || s.norm) {
			if err := f.join(s.dir, fmt.Sprintf("dense.%d.", i)); err != nil {
				return err
			}
		}
	}
	f.dims["steps"] = len(c.Steps)
	return nil
}

// finish checks what was loaded.
func (c *chain) finish() error {
	for i := range c.Steps {
		s := &c.Steps[i]
		if s.Dense != nil && s.bias != (s.Dense.Bias != nil) {
			return &fault.FormatError{Path: s.path, Field: "bias", Offset: -1, Found: strconv.FormatBool(s.bias), Want: "what the weights have"}
		}
		if s.Norm != nil {
			s.Norm.Eps = stepEps
		}
	}
	return nil
}

// run takes vectors, a row each, through the chain.
func (c *chain) run(m *Compute, x Matrix) Matrix {
	for i := range c.Steps {
		s := &c.Steps[i]
		switch {
		case s.Dense != nil:
			y := m.Linear(s.Dense, x, s.activation)
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

// isHead says whether the chain is the head of ModernBERT's classifier: Dense, norm
// and Dense on the first token or the mean.
func (c *chain) isHead(hidden int) bool {
	if len(c.Steps) != firstStep+3 || c.pooling != poolFirst && c.pooling != poolMean {
		return false
	}
	dense, norm, out := &c.Steps[firstStep], &c.Steps[firstStep+1], &c.Steps[firstStep+2]
	return dense.dense && !dense.add && dense.outputs == hidden && norm.norm && out.dense && !out.add && out.activation == kernels.Identity
}

// joined is a model's file with those of its modules, whose tensors have a prefix.
type joined struct {
	source
	parts   []joinedPart
	aliases map[string]string // names of tensors that are called otherwise in the file
}

type joinedPart struct {
	prefix string
	file   *safetensors.File
}

// joined is f's source as one that others can be joined to.
func (f *file) joined() *joined {
	j, ok := f.source.(*joined)
	if !ok {
		j = &joined{source: f.source, aliases: make(map[string]string)}
		f.source = j
	}
	return j
}

// join opens the weights in dir and puts the prefix before their names.
func (f *file) join(dir, prefix string) error {
	part, err := safetensors.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return &fault.FormatError{Path: dir, Offset: -1, Found: "no such folder", Want: "a module's weights"}
	}
	if err != nil {
		return err
	}
	j := f.joined()
	j.parts = append(j.parts, joinedPart{prefix, part})
	return nil
}

// alias calls the weight and the bias of a layer otherwise.
func (f *file) alias(old, name string) {
	j := f.joined()
	for _, end := range []string{".weight", ".bias"} {
		if _, ok := j.Tensor(old + end); ok {
			j.aliases[name+end] = old + end
		}
	}
}

func (j *joined) Names() []string {
	hidden := make(map[string]bool)
	var names []string
	for name, old := range j.aliases {
		hidden[old] = true
		names = append(names, name)
	}
	add := func(name string) {
		if !hidden[name] {
			names = append(names, name)
		}
	}
	for _, name := range j.source.Names() {
		add(name)
	}
	for _, p := range j.parts {
		for _, name := range p.file.Names() {
			add(p.prefix + name)
		}
	}
	return names
}

// find is where a tensor is, and its name there.
func (j *joined) find(name string) (source, string) {
	if old, ok := j.aliases[name]; ok {
		name = old
	}
	for _, p := range j.parts {
		if rest, ok := strings.CutPrefix(name, p.prefix); ok {
			return p.file, rest
		}
	}
	return j.source, name
}

func (j *joined) Tensor(name string) (quant.Tensor, bool) {
	from, inner := j.find(name)
	t, ok := from.Tensor(inner)
	t.Name = name
	return t, ok
}

func (j *joined) Release(name string) {
	from, inner := j.find(name)
	from.Release(inner)
}

func (j *joined) Close() error {
	errs := []error{j.source.Close()}
	for _, p := range j.parts {
		errs = append(errs, p.file.Close())
	}
	return errors.Join(errs...)
}
