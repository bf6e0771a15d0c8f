package checkpoint

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
)

// A SentenceModel is sentence-transformers' files for a model. Models saved by it are
// chains of modules: modules.json lists them, and each has a folder with a
// configuration and perhaps weights. The first one is the transformer, in the model's
// own folder.
type SentenceModel struct {
	Modules  []Module // nil without modules.json
	Settings *Object  // config_sentence_transformers.json
	Encoder  *Object  // sentence_bert_config.json: the transformer's own settings
	Artifact *Object  // artifact.metadata, of the ColBERT authors' checkpoints

	path string // config_sentence_transformers.json, for errors
}

// A Module is an entry of modules.json.
type Module struct {
	Class  string // the last component of its type's name: "Pooling", "Dense", …
	PyLate bool   // from PyLate
	Folder string
	Config *Object // nil if there is none
	path   string  // of the configuration, for errors
}

const maxModules = 64

// staticEmbedding is the class of a module that is an embedding table instead of a
// transformer.
const staticEmbedding = "StaticEmbedding"

// static reports whether the model is such a table.
func (m *SentenceModel) static() bool {
	return m != nil && len(m.Modules) > 0 && m.Modules[0].Class == staticEmbedding
}

// encoderConfigs are the names that the transformer's settings file has had.
var encoderConfigs = []string{"sentence_bert_config.json", "sentence_roberta_config.json", "sentence_xlm-roberta_config.json",
	"sentence_distilbert_config.json", "sentence_camembert_config.json", "sentence_albert_config.json", "sentence_xlnet_config.json"}

// readSentenceModel reads the files in dir, all of which are optional.
func readSentenceModel(dir string) (*SentenceModel, error) {
	m := &SentenceModel{path: filepath.Join(dir, "config_sentence_transformers.json")}
	var err error
	if m.Settings, err = ReadObject(m.path); err != nil {
		return nil, err
	}
	if m.Artifact, err = ReadObject(filepath.Join(dir, "artifact.metadata")); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "modules.json")
	data, err := readSmall(path)
	if errors.Is(err, fs.ErrNotExist) {
		// Some models have the pooling's folder without the list.
		if pooling := filepath.Join(dir, "1_Pooling"); exists(filepath.Join(pooling, "config.json")) {
			m.Modules = []Module{{Class: "Transformer", Folder: dir}, {Class: "Pooling", Folder: pooling}}
		}
	} else if err != nil {
		return nil, err
	} else if m.Modules, err = parseModules(path, data); err != nil {
		return nil, err
	}
	for i := range m.Modules {
		e := &m.Modules[i]
		e.path = filepath.Join(e.Folder, "config.json")
		if i > 0 {
			if e.Config, err = ReadObject(e.path); err != nil {
				return nil, err
			}
		}
	}
	for _, name := range encoderConfigs {
		if m.Encoder, err = ReadObject(filepath.Join(m.encoderFolder(dir), name)); err != nil || m.Encoder != nil {
			return m, err
		}
	}
	return m, nil
}

// encoderFolder is the folder of the transformer: dir, or a subfolder in old models.
func (m *SentenceModel) encoderFolder(dir string) string {
	if len(m.Modules) > 0 {
		return m.Modules[0].Folder
	}
	return dir
}

func parseModules(path string, data []byte) ([]Module, error) {
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
	modules := make([]Module, len(list))
	for i, e := range list {
		if e.Path != "" && !filepath.IsLocal(e.Path) {
			return nil, wrong(strconv.Itoa(i)+".path", strconv.Quote(Abridge(e.Path)), "a folder in that of the model")
		}
		modules[i] = Module{Class: e.Type[strings.LastIndexByte(e.Type, '.')+1:], Folder: filepath.Join(filepath.Dir(path), e.Path),
			PyLate: strings.HasPrefix(e.Type, "pylate.")}
	}
	if first := modules[0].Class; first != "Transformer" && first != staticEmbedding {
		return nil, &fault.UnsupportedError{Path: path, What: fmt.Sprintf("a module chain beginning with %q", Abridge(list[0].Type)), Hint: "winnow supports chains beginning with Transformer or " + staticEmbedding}
	}
	return modules, nil
}

// Module returns the first module of a class, or nil.
func (m *SentenceModel) Module(class string) *Module {
	if m == nil {
		return nil
	}
	for i := range m.Modules {
		if m.Modules[i].Class == class {
			return &m.Modules[i]
		}
	}
	return nil
}

// Kind is model_type in config_sentence_transformers.json: "SentenceTransformer",
// "CrossEncoder", "ColBERT" and so on, or "".
func (m *SentenceModel) Kind() string {
	if m == nil {
		return ""
	}
	kind, _ := m.Settings.String("model_type")
	return kind
}

// Task is what sentence-transformers loads the transformer for: "feature-extraction",
// "sequence-classification", "text-generation", or "" if the files do not say.
func (m *SentenceModel) Task() string {
	if m == nil {
		return ""
	}
	task, _ := m.Encoder.String("transformer_task")
	return task
}

// Prompts returns the prefixes for texts by name, and the name of the default one, or
// "".
func (m *SentenceModel) Prompts() (prompts map[string]string, defaultName string, err error) {
	prompts = make(map[string]string)
	if m == nil {
		return prompts, "", nil
	}
	object := m.Settings.Object("prompts")
	for _, name := range object.Names() {
		text, ok := object.String(name)
		if !ok && object.Has(name) {
			return nil, "", m.wrong("prompts."+Abridge(name), object.Kind(name), "a text")
		}
		prompts[name] = text
	}
	defaultName, ok := m.Settings.String("default_prompt_name")
	if kind := m.Kind(); kind != "CrossEncoder" && (defaultName == "query" || defaultName == "document") && prompts[defaultName] == "" {
		return prompts, "", nil // embedding models have these names with or without a text
	}
	if _, known := prompts[defaultName]; m.Settings.Has("default_prompt_name") && (!ok || !known) {
		return nil, "", m.wrong("default_prompt_name", m.Settings.Kind("default_prompt_name"), `a name of "prompts"`)
	}
	return prompts, defaultName, nil
}

// prompted reports whether texts may have a prompt.
func (m *SentenceModel) prompted() bool {
	prompts, _, err := m.Prompts()
	for _, text := range prompts {
		if text != "" {
			return true
		}
	}
	return err != nil
}

func (m *SentenceModel) wrong(field, found, want string) error {
	return &fault.FormatError{Path: m.path, Field: field, Offset: -1, Found: found, Want: want}
}

// LogitScore returns the tokens for yes and no of a CrossEncoder on top of a language
// model, the latter negative if there is none. ok reports whether there is such a
// module.
func (m *SentenceModel) LogitScore() (yes, no int, ok bool, err error) {
	module := m.Module("LogitScore")
	if module == nil {
		return 0, 0, false, nil
	}
	token := func(name string, fallback int) int {
		v, good := module.Config.Int(name)
		switch {
		case !module.Config.Has(name) && fallback < 0:
			return fallback
		case !good || v < 0 || v >= MaxVocab:
			if err == nil {
				err = module.wrong(name, module.Config.Kind(name), "the number of a token")
			}
			return 0
		}
		return int(v)
	}
	yes, no = token("true_token_id", 0), token("false_token_id", -1)
	return yes, no, err == nil, err
}

// wrong is an error about a module's configuration.
func (m *Module) wrong(field, found, want string) error {
	return &fault.FormatError{Path: m.path, Field: field, Offset: -1, Found: found, Want: want}
}

func (m *Module) refuse(what, hint string) error {
	return &fault.UnsupportedError{Path: m.path, What: what, Hint: hint}
}
