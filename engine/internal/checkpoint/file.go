package checkpoint

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/winnow-rerank/winnow/gguf"
	"github.com/winnow-rerank/winnow/internal/fault"
	"github.com/winnow-rerank/winnow/internal/mapfile"
	"github.com/winnow-rerank/winnow/internal/modeldir"
	"github.com/winnow-rerank/winnow/quant"
	"github.com/winnow-rerank/winnow/safetensors"
	"github.com/winnow-rerank/winnow/tokenizer"
)

// The formats of a File.
const (
	GGUF        = "gguf"
	Safetensors = "safetensors"
)

// A File is an open model: settings and tensors of a folder in Hugging Face layout or
// of a GGUF file, in one form. Its methods, except Tokenizer, must not be called
// concurrently.
type File struct {
	Path   string // of the weights, for errors
	Format string // GGUF or Safetensors
	Name   string // of the model; "" if a GGUF file has none

	// Architecture is the first class in config.json, or GGUF's general.architecture. It
	// may be missing from config.json; then there is ModelType, its model_type.
	Architecture, ModelType string

	Config   *Object        // config.json; nil for GGUF
	Metadata *gguf.File     // nil for safetensors
	Sentence *SentenceModel // nil for GGUF

	// RoundAll rounds narrow matrices too: for tests.
	RoundAll bool

	values       values
	settingsPath string // the file with the settings, for errors
	err          error  // the first about the settings
	source       source
	tokenizer    func() (*tokenizer.Tokenizer, error)
	loading      loading
	packing      packing
}

// A source is an open file of tensors.
type source interface {
	Names() []string
	Tensor(name string) (quant.Tensor, bool)
	// Release tells the system that a tensor will not be read soon.
	Release(name string)
	Close() error
}

// Open opens the model at path: a folder, a file in it, or a GGUF file. It reads no
// weights.
func Open(path string) (*File, error) {
	path, err := modeldir.Resolve(path)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	var f *File
	err = mapfile.Read(path, func() error {
		if info.IsDir() {
			f, err = openFolder(path)
			return err
		}
		g, err := gguf.Open(path)
		if err == nil {
			f = fromGGUF(g)
		}
		return err
	})
	return f, err
}

// OpenBytes opens a GGUF file in memory; name is for errors.
func OpenBytes(name string, data []byte) (*File, error) {
	g, err := gguf.OpenBytes(name, data)
	if err != nil {
		return nil, err
	}
	return fromGGUF(g), nil
}

func fromGGUF(g *gguf.File) *File {
	f := &File{Path: g.Path(), Format: GGUF, Architecture: g.Architecture(), Metadata: g, source: g, settingsPath: g.Path()}
	f.values = &metadata{File: g, read: make(map[string]bool)}
	f.Name, _ = g.String("general.name")
	f.readTokenizer(func() (*tokenizer.Tokenizer, error) { return tokenizer.FromGGUF(g.Path(), g) })
	return f
}

// multimodal are the model types of vision-language models, whose config.json has the
// language model's settings in an object.
var multimodal = map[string]bool{"qwen3_vl": true}

func openFolder(dir string) (*File, error) {
	// An adapter may accompany a whole model; transformers then applies it.
	if adapter := filepath.Join(dir, "adapter_config.json"); exists(adapter) {
		return nil, &fault.UnsupportedError{Path: adapter, What: "an adapter to another model (adapter_config.json)",
			Hint: "merge it into its base model (merge_and_unload of PEFT) and save that, without adapter_config.json"}
	}
	sentence, err := readSentenceModel(dir)
	if err != nil {
		return nil, err
	}
	name := filepath.Base(Absolute(dir))
	dir = sentence.encoderFolder(dir)
	path := filepath.Join(dir, "config.json")
	data, err := readSmall(path)
	if errors.Is(err, fs.ErrNotExist) && sentence.static() {
		data, err = []byte("{}"), nil // its weights and tokenizer say everything
	}
	if err != nil {
		return nil, err
	}
	config, err := ParseObject(path, data)
	if err != nil {
		return nil, err
	}
	if kind, _ := config.String("model_type"); multimodal[kind] {
		config = config.lift("text_config", "architectures", "model_type", "tie_word_embeddings")
	}
	if err := sentence.arguments(); err != nil {
		return nil, err
	}
	sentence.override(config)
	f := &File{Path: dir, Format: Safetensors, Name: name, Config: config, Sentence: sentence, values: config, settingsPath: path}
	f.ModelType = f.String(Key{HF: "model_type"}, "")
	if f.Architecture = f.class(); f.Architecture == "" && sentence.static() {
		f.Architecture = staticEmbedding
	}
	if f.err != nil {
		return nil, f.err
	}
	f.readTokenizer(func() (*tokenizer.Tokenizer, error) { return tokenizer.FromDir(dir) })
	weights, err := safetensors.Open(dir)
	if err != nil {
		return nil, f.withoutWeights(dir, err)
	}
	f.source = weights
	if file := filepath.Join(dir, "model.safetensors"); exists(file) {
		f.Path = file
	}
	return f, nil
}

// class is the first of config.json's architectures, or "".
func (f *File) class() string {
	k := Key{HF: "architectures"}
	if !f.Has(k) {
		return ""
	}
	if one, ok := f.Config.String(k.HF); ok {
		return one
	}
	list, ok := f.Config.Strings(k.HF)
	if !ok {
		f.Fail(k, f.Describe(k), `a list that begins with the model's class, such as ["BertForSequenceClassification"]`)
	}
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

// withoutWeights is the error for a folder whose weights cannot be opened. A checkpoint
// in Python's pickle format, which can run arbitrary code when read, is refused with
// the command that converts it.
func (f *File) withoutWeights(dir string, err error) error {
	if exists(filepath.Join(dir, "model.safetensors")) || exists(filepath.Join(dir, "model.safetensors.index.json")) {
		return err
	}
	for _, name := range []string{"pytorch_model.bin", "pytorch_model.bin.index.json"} {
		bin := filepath.Join(dir, name)
		if !exists(bin) {
			continue
		}
		class := "AutoModel"
		for _, end := range []string{"ForSequenceClassification", "ForCausalLM"} {
			if strings.HasSuffix(f.Architecture, end) {
				class += end
			}
		}
		if strings.HasSuffix(f.Architecture, "ForConditionalGeneration") {
			class += "ForSeq2SeqLM"
		}
		return &fault.UnsupportedError{Path: bin, What: "a checkpoint in Python's pickle format",
			Hint: fmt.Sprintf(`convert it: python -c "from transformers import %s as M; M.from_pretrained('%s').save_pretrained('%[2]s')"`, class, dir)}
	}
	return err
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// Absolute returns the absolute path, if it can be determined.
func Absolute(path string) string {
	if a, err := filepath.Abs(path); err == nil {
		return a
	}
	return path
}

// Close closes the files. No tensor may be read afterwards.
func (f *File) Close() error { return f.source.Close() }

// IsGGUF reports whether the model is a GGUF file.
func (f *File) IsGGUF() bool { return f.Format == GGUF }

// SettingsPath is the file with the settings, for errors.
func (f *File) SettingsPath() string { return f.settingsPath }

// Folder contains config.json and the tokenizer's files, or the GGUF file.
func (f *File) Folder() string { return filepath.Dir(f.settingsPath) }

// FileText returns a text file in the folder, "" if there is none.
func (f *File) FileText(name string) (string, error) {
	data, err := readSmall(filepath.Join(f.Folder(), name))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return string(data), err
}

// Tensor returns the tensor of that name, possibly with one of the prefixes of the last
// Load.
func (f *File) Tensor(name string) (quant.Tensor, bool) {
	for _, prefix := range f.loading.options.Prefixes {
		if t, ok := f.source.Tensor(prefix + name); ok {
			return t, true
		}
	}
	return f.source.Tensor(name)
}

// TensorNames returns the names of all tensors.
func (f *File) TensorNames() []string { return f.source.Names() }

// A TensorInfo describes one tensor of a model file.
type TensorInfo struct {
	Name  string `json:"name"`
	Type  string `json:"type"`
	Shape []int  `json:"shape"` // row-major
	Bytes int64  `json:"bytes"`
}

// TensorInfos lists the tensors by name, with their total weights and bytes.
func (f *File) TensorInfos() (infos []TensorInfo, parameters, bytes int64) {
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
