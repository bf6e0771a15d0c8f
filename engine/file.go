package engine

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/winnow-rerank/winnow/gguf"
	"github.com/winnow-rerank/winnow/internal/fault"
	"github.com/winnow-rerank/winnow/safetensors"
	"github.com/winnow-rerank/winnow/tokenizer"
)

// A file is a model file while its family reads it: settings and tensors of
// either format in one form.
type file struct {
	loader
	settings settings

	kind         string // "gguf" or "safetensors"
	name         string // of the model
	architecture string
	tokenizer    func() (*tokenizer.Tokenizer, error)
	metadata     *gguf.File // nil for safetensors
	config       jsonValues // nil for GGUF
	sentence     *sentenceModel
	pooling      string // in place of an embedding model's own

	// What the family finds out:
	oneType    bool // token types are 0 whatever the tokenizer says
	maxLength  int  // tokens that the positions are enough for
	labels     []string
	configured string // activation that config.json names for scores
	heads      int
	head       string // the classification head in words
}

// unsupported keeps an error about the settings, unless there is one already.
func (f *file) unsupported(what, hint string) {
	if f.settings.err == nil {
		f.settings.err = f.refuse(what, hint)
	}
}

func (f *file) refuse(what, hint string) error {
	return &fault.UnsupportedError{Path: f.settings.path, What: what, Hint: hint}
}

// load fills the family's struct, unless the settings are wrong.
func (f *file) load(dst any, family string) error {
	if f.settings.err != nil {
		return f.settings.err
	}
	return f.loader.load(dst, family)
}

// layers is the number of layers, which cannot be more than there are tensors.
func (f *file) layers(k key) int {
	n := f.settings.count(k, 1, maxLayers)
	if tensors := len(f.source.Names()); n > tensors {
		f.settings.fail(k, strconv.Itoa(n), fmt.Sprintf("no more layers than the file has tensors (%d)", tensors))
		return 1
	}
	return n
}

// vocabulary is the number of rows of the embedding table.
func (f *file) vocabulary(k key) int {
	if f.gguf && !f.settings.has(k) {
		t, _ := f.source.Tensor("token_embd.weight")
		if len(t.Shape) == 2 {
			return t.Shape[0]
		}
		return 1
	}
	return f.settings.count(k, 1, maxVocab)
}

// classifier reads the labels and makes their number the dimension "labels".
func (f *file) classifier(outputTensor string) {
	if f.gguf {
		f.labels, _ = f.metadata.Strings(f.settings.arch + ".classifier.output_labels")
		t, _ := f.source.Tensor(outputTensor)
		rows := 1
		if len(t.Shape) == 2 {
			rows = t.Shape[0]
		}
		// The converter leaves the labels out where they have no names.
		if len(f.labels) == 0 {
			f.labels = defaultLabels(min(rows, maxLabels))
		}
	} else {
		f.labels = f.configLabels()
		f.configured = f.configActivation()
	}
	f.dims["labels"] = len(f.labels)
}

func defaultLabels(n int) []string {
	labels := make([]string, n)
	for i := range labels {
		labels[i] = "LABEL_" + strconv.Itoa(i)
	}
	return labels
}

var (
	keyLabels    = key{"id2label", ""}
	keyNumLabels = key{"num_labels", ""}
)

// configLabels are the labels as transformers finds them in config.json.
func (f *file) configLabels() []string {
	s := &f.settings
	if !s.has(keyLabels) {
		return defaultLabels(s.countOr(keyNumLabels, 1, maxLabels, 2))
	}
	object := f.config.object("id2label")
	labels := make([]string, len(object))
	for i := range labels {
		name, ok := object.String(strconv.Itoa(i))
		if !ok {
			s.fail(keyLabels, s.describe(keyLabels), "an object with names for \"0\", \"1\", …")
			break
		}
		labels[i] = name
	}
	if len(labels) == 0 {
		s.fail(keyLabels, s.describe(keyLabels), "one label at least")
	}
	return labels
}

// configActivation is what sentence-transformers would apply to the logits.
func (f *file) configActivation() string {
	if v, ok := f.config.object("sentence_transformers").String("activation_fn"); ok {
		return v
	}
	if v, ok := f.config.String("sbert_ce_default_activation_function"); ok {
		return v
	}
	var v string
	if f.sentence != nil {
		v, _ = f.sentence.settings.String("activation_fn")
	}
	return v
}

// maxConfig is the largest config.json that is read.
const maxConfig = 16 << 20

// openFile opens the model at path, whichever format it has.
func openFile(path string) (*file, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return openDirectory(path)
	}
	if strings.HasSuffix(strings.ToLower(path), ".safetensors") || strings.HasSuffix(path, "config.json") {
		return openDirectory(filepath.Dir(path))
	}
	g, err := gguf.Open(path)
	if err != nil {
		return nil, err
	}
	return ggufFile(g), nil
}

func ggufFile(g *gguf.File) *file {
	f := &file{kind: "gguf", metadata: g}
	f.loader.source, f.loader.gguf, f.loader.path = g, true, g.Path()
	f.architecture = g.Architecture()
	f.name, _ = g.String("general.name")
	f.settings = settings{path: g.Path(), values: g, arch: f.architecture}
	f.tokenizer = func() (*tokenizer.Tokenizer, error) { return tokenizer.FromGGUF(g.Path(), g) }
	return f
}

func openDirectory(dir string) (*file, error) {
	// An adapter may lie beside a whole model, which transformers then changes by it.
	if adapter := filepath.Join(dir, "adapter_config.json"); exists(adapter) {
		return nil, &fault.UnsupportedError{Path: adapter, What: "an adapter to another model (adapter_config.json)",
			Hint: "merge it into its base model (merge_and_unload of PEFT) and save that, without adapter_config.json"}
	}
	sentence, err := readSentenceModel(dir)
	if err != nil {
		return nil, err
	}
	name := filepath.Base(absolute(dir))
	dir = sentence.encoderDir(dir)
	path := filepath.Join(dir, "config.json")
	data, err := readSmall(path)
	if err != nil {
		return nil, err
	}
	config, err := parseObject(path, data)
	if err != nil {
		return nil, err
	}
	f := &file{kind: "safetensors", config: config, sentence: sentence, name: name}
	f.settings = settings{path: path, values: config}
	if list, ok := config["architectures"].([]any); ok && len(list) > 0 {
		f.architecture, _ = list[0].(string)
	}
	f.tokenizer = func() (*tokenizer.Tokenizer, error) { return tokenizer.FromDir(dir) }
	source, err := safetensors.Open(dir)
	if err != nil {
		for _, name := range []string{"pytorch_model.bin", "pytorch_model.bin.index.json"} {
			if bin := filepath.Join(dir, name); exists(bin) && !exists(filepath.Join(dir, "model.safetensors")) && !exists(filepath.Join(dir, "model.safetensors.index.json")) {
				return nil, f.pickled(bin, dir)
			}
		}
		return nil, err
	}
	f.loader.source, f.loader.path = source, dir
	if file := filepath.Join(dir, "model.safetensors"); exists(file) {
		f.loader.path = file
	}
	return f, nil
}

// pickled refuses a checkpoint in Python's format, which can run any program when
// it is read, with the command that converts it.
func (f *file) pickled(bin, dir string) error {
	class := "AutoModel"
	for _, end := range []string{"ForSequenceClassification", "ForCausalLM"} {
		if strings.HasSuffix(f.architecture, end) {
			class += end
		}
	}
	return &fault.UnsupportedError{Path: bin, What: "a checkpoint in Python's pickle format",
		Hint: fmt.Sprintf(`convert it: python -c "from transformers import %s as M; M.from_pretrained('%s').save_pretrained('%[2]s')"`, class, dir)}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func absolute(path string) string {
	if a, err := filepath.Abs(path); err == nil {
		return a
	}
	return path
}

// readSmall is a file of at most maxConfig bytes.
func readSmall(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxConfig {
		return nil, &fault.FormatError{Path: path, Offset: -1, Found: fmt.Sprintf("%d bytes", info.Size()), Want: fmt.Sprintf("at most %d", maxConfig)}
	}
	return os.ReadFile(path)
}

// tensorInfos lists the tensors of the file by name.
func (f *file) tensorInfos() (infos []TensorInfo, parameters, bytes int64) {
	names := slices.Clone(f.source.Names())
	slices.Sort(names)
	for _, name := range names {
		t, _ := f.source.Tensor(name)
		infos = append(infos, TensorInfo{Name: name, Type: t.Type.String(), Shape: t.Shape, Bytes: int64(len(t.Data))})
		bytes += int64(len(t.Data))
		if t.Type.CanDequantize() {
			parameters += int64(t.Len())
		}
	}
	return infos, parameters, bytes
}
