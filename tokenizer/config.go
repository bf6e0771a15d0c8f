package tokenizer

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/winnow-rerank/winnow/internal/fault"
	"github.com/winnow-rerank/winnow/internal/mapfile"
)

// configuration is the information about a tokenizer outside tokenizer.json and the
// vocabulary: tokenizer_config.json, and if that does not list the added tokens,
// special_tokens_map.json and added_tokens.json.
type configuration struct {
	l          loader
	config     map[string]any  // arguments of the class
	class      *tokenizerClass // nil: not yet known
	modelType  string          // of config.json
	modelClass string          // tokenizer_class of config.json
	order      map[string]int  // position of each key in the files
	args       *arguments      // of the class, as soon as it is known
	pieces     []any           // control and user-defined tokens of a SentencePiece model
	rawTokens  bool            // listed tokens are not matched in normalised text
	whole      bool            // there is a tokenizer.json
	files      map[string]string

	special, added map[string]any // special_tokens_map.json, added_tokens.json
}

// The files of a configuration.
const (
	configFile  = "tokenizer_config.json"
	specialFile = "special_tokens_map.json"
	addedFile   = "added_tokens.json"
	modelFile   = "config.json"
)

// Limits of file sizes: far above those of any published model, and small enough for
// memory.
const (
	maxConfig     = 16 << 20
	maxVocabulary = 512 << 20
)

// readConfig reads the configuration of a model's directory.
func readConfig(dir string) (*configuration, error) {
	files := map[string]string{}
	for _, name := range []string{configFile, specialFile, addedFile, modelFile} {
		data, err := mapfile.ReadAll(filepath.Join(dir, name), maxConfig)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		files[name] = string(data)
	}
	return newConfiguration(dir, files)
}

// newConfiguration parses the contents of the files. dir names them in errors.
func newConfiguration(dir string, files map[string]string) (*configuration, error) {
	c := &configuration{l: loader{path: filepath.Join(dir, configFile)}, files: files, order: map[string]int{}}
	for _, file := range []struct {
		name string
		into *map[string]any
	}{{configFile, &c.config}, {specialFile, &c.special}, {addedFile, &c.added}} {
		var err error
		text, ok := files[file.name]
		if !ok {
			continue
		}
		if *file.into, err = readObject(filepath.Join(dir, file.name), text, c.order); err != nil {
			return nil, err
		}
	}
	// Errors in config.json are reported by the code that reads all of it.
	if model, err := readObject(filepath.Join(dir, modelFile), files[modelFile], nil); err == nil {
		c.modelType, _ = model["model_type"].(string)
		c.modelClass, _ = model["tokenizer_class"].(string)
	}
	return c, nil
}

// readObject parses a JSON object. order records the positions of its keys.
func readObject(path, text string, order map[string]int) (map[string]any, error) {
	r := newJSONReader(path, "", []byte(text))
	r.python, r.order = true, order
	v := r.value()
	if err := r.end(); err != nil {
		return nil, err
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, &fault.FormatError{Path: path, Offset: -1, Found: describe(v), Want: "an object"}
	}
	return m, nil
}

// text returns the configuration as one JSON object, for readConfigText.
func (c *configuration) text() (string, error) {
	files := maps.Clone(c.files)
	model, err := json.Marshal(map[string]string{"model_type": c.modelType, "tokenizer_class": c.modelClass})
	if err != nil {
		return "", err
	}
	files[modelFile] = string(model) // the rest of it does not concern the tokenizer
	text, err := json.Marshal(files)
	return string(text), err
}

// readConfigText reads the result of text. path names it in errors.
func readConfigText(path, text string) (*configuration, error) {
	m, err := readObject(path, text, nil)
	if err != nil {
		return nil, err
	}
	files := map[string]string{}
	for name, v := range m {
		files[name], _ = v.(string)
	}
	return newConfiguration(path, files)
}

// arguments are the arguments of a tokenizer class.
type arguments struct {
	values map[string]any
	extra  []any    // special tokens without a role
	own    []string // roles that only this model has, in order
}

// gather merges tokenizer_config.json, and special_tokens_map.json if the former does
// not list the added tokens, into the arguments of the class, as the library does.
func (c *configuration) gather() {
	a := &arguments{values: map[string]any{}}
	c.args = a
	own := map[bool][]string{} // plain strings in tokenizer_config.json come last
	keep := func(key string, v any, last bool) {
		a.values[key] = v
		if isOwnRole(key) && !slices.Contains(own[false], key) && !slices.Contains(own[true], key) {
			switch v.(type) {
			case string:
				own[last] = append(own[last], key)
			case map[string]any:
				own[false] = append(own[false], key)
			}
		}
	}
	ownObject := func(v any) {
		m, _ := v.(map[string]any)
		for _, key := range c.inOrder(m) {
			a.values[key] = m[key]
			own[true] = append(slices.DeleteFunc(own[true], func(s string) bool { return s == key }), key)
		}
	}
	for _, key := range c.inOrder(c.config) {
		keep(key, c.config[key], true)
	}
	extra, said := c.config["extra_special_tokens"]
	if list, ok := extra.([]any); !said || extra == nil || ok && len(list) == 0 {
		if more, ok := c.config["additional_special_tokens"]; ok {
			extra, said = more, true
		}
	}
	if _, object := extra.(map[string]any); object {
		ownObject(extra)
		extra, said = nil, false
	}
	additional, given := any(nil), false
	if _, lists := c.config["added_tokens_decoder"]; !lists {
		for _, key := range c.inOrder(c.special) {
			v := c.special[key]
			switch m, object := v.(map[string]any); {
			case key == "additional_special_tokens":
				additional, given = v, v != nil
			case key == "extra_special_tokens" && object:
				ownObject(v)
			case key == "extra_special_tokens":
				list, _ := v.([]any)
				before, _ := extra.([]any)
				extra, said = append(slices.Clone(before), list...), true
			case object:
				token := maps.Clone(m)
				token["special"] = true
				keep(key, token, false)
			default:
				keep(key, v, false)
			}
		}
	}
	if c.pieces != nil {
		additional, given = c.pieces, true
	}
	if c.class != nil && c.class.extra != nil {
		additional, given = c.class.extra(c, additional), true
	}
	if given && !said {
		extra = additional
	}
	if extra != nil {
		list, ok := extra.([]any)
		if !ok {
			c.l.fail("extra_special_tokens", describe(extra), "a list")
		}
		a.extra = list
	}
	a.own = slices.Concat(own[false], own[true])
}

// inOrder returns the keys of m in the order of their file.
func (c *configuration) inOrder(m map[string]any) []string {
	return slices.SortedFunc(maps.Keys(m), func(a, b string) int { return cmp.Compare(c.order[a], c.order[b]) })
}

// isOwnRole reports whether a key is the role of a model-specific token.
func isOwnRole(key string) bool {
	return strings.HasSuffix(key, "_token") && !slices.Contains(roles, key)
}

// flag reads an argument that Python only tests for truth.
func (c *configuration) flag(key string, absent bool) bool {
	v, ok := c.args.values[key]
	if !ok {
		return absent
	}
	switch v := v.(type) {
	case bool:
		return v
	case float64:
		return v != 0
	case string:
		return v != ""
	}
	return v != nil
}

// strict reads an optional argument that must be a boolean.
func (c *configuration) strict(key string, absent bool) bool {
	return c.l.bool(c.args.values, "", key, absent)
}

// contradicts reports whether an argument is set and differs from tokenizer.json.
func (c *configuration) contradicts(key string, have bool) bool {
	return c.args.values[key] != nil && c.flag(key, have) != have
}

// integer reads an argument that is an integer from 0 to limit.
func (c *configuration) integer(key string, absent, limit int) int {
	if _, ok := c.args.values[key]; !ok {
		return absent
	}
	v, ok := c.args.values[key].(float64)
	if !ok || v < 0 || v > float64(limit) || v != float64(int(v)) {
		c.l.fail(key, describe(c.args.values[key]), fmt.Sprintf("an integer from 0 to %d", limit))
		return absent
	}
	return int(v)
}

// inputs reports whether the model receives token types.
func (c *configuration) inputs() bool {
	list, ok := c.config["model_input_names"].([]any)
	if !ok {
		return !c.class.noTypes
	}
	return slices.Contains(list, any("token_type_ids"))
}

// apply applies the configuration to a tokenizer that is otherwise complete.
func (c *configuration) apply(t *Tokenizer) {
	if c.whole {
		t.config = c
	}
	// "No limit" is written as a 30-digit number.
	for _, key := range []string{"model_max_length", "max_len"} {
		if n, ok := c.config[key].(float64); ok {
			if n >= 1 && n <= 1<<24 {
				t.maxLength = int(n)
			}
			break
		}
	}
	t.roles = map[string]int32{}
	for _, role := range roles {
		if v, ok := c.named(role); ok {
			if id, ok := t.ID(v.token.content); ok {
				t.roles[role[:len(role)-len("_token")]] = id
			}
		}
	}
	if id, ok := t.roles["pad"]; ok {
		t.pad = id
	}
	for _, name := range []string{"[PAD]", "<pad>"} {
		if id, ok := t.ID(name); ok && t.pad < 0 {
			t.pad = id
		}
	}
	switch side := c.config["truncation_side"]; side {
	case nil:
	case "left":
		t.side = Left
	case "right":
		t.side = Right
	default:
		c.l.fail("truncation_side", describe(side), `"left" or "right"`)
	}
	t.added.splitSpecial = c.flag("split_special_tokens", false)
	if !c.inputs() {
		t.single.oneType()
		t.pair.oneType()
	}
}
