package modeldir

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/winnow-rerank/winnow/internal/fault"
)

const pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 471\n"

func TestResolve(t *testing.T) {
	const commit = "0123456789abcdef0123456789abcdef01234567"
	model := map[string]string{"config.json": "{}", "model.safetensors": "weights", "tokenizer.json": "{}"}
	with := func(changes map[string]string) map[string]string {
		files := map[string]string{}
		for name, data := range model {
			files[name] = data
		}
		for name, data := range changes {
			if files[name] = data; data == "" {
				delete(files, name)
			}
		}
		return files
	}
	for _, c := range []struct {
		name  string
		files map[string]string
		path  string // in the folder
		want  string // likewise
		kind  error
		says  []string
	}{
		{name: "a folder", files: model, want: "."},
		{name: "a file of a folder", files: model, path: "model.safetensors", want: "."},
		{name: "config.json", files: model, path: "config.json", want: "."},
		{name: "both forms", files: with(map[string]string{"m.gguf": "GGUF"}), want: "."},
		{name: "a GGUF file", files: map[string]string{"m.gguf": "GGUF"}, path: "m.gguf", want: "m.gguf"},
		{name: "one GGUF file", files: map[string]string{"m.gguf": "GGUF", "README.md": "#"}, want: "m.gguf"},
		{name: "one GGUF file with the settings", files: map[string]string{"m.gguf": "GGUF", "config.json": "{}", "tokenizer.json": "{}"}, want: "m.gguf"},
		{name: "one GGUF file and a projector", files: map[string]string{"m.gguf": "GGUF", "mmproj-m.gguf": "GGUF"}, want: "m.gguf"},
		{name: "a split GGUF file", files: map[string]string{"m-00002-of-00002.gguf": "GGUF", "m-00001-of-00002.gguf": "GGUF"}, want: "m-00001-of-00002.gguf"},
		{name: "several GGUF files", files: map[string]string{"m-Q8_0.gguf": "GGUF", "m-F16.gguf": "GGUF"},
			kind: fault.ErrFormat, says: []string{"2 GGUF files", "m-F16.gguf, m-Q8_0.gguf"}},
		{name: "the hub's cache", files: map[string]string{"models/refs/main": commit, "models/snapshots/" + commit + "/config.json": "{}",
			"models/snapshots/" + commit + "/model.safetensors": "w", "models/snapshots/abcdef0/config.json": "{}"}, path: "models", want: "models/snapshots/" + commit},
		{name: "the hub's cache without main", files: map[string]string{"models/snapshots/abcdef0/m.gguf": "GGUF"}, path: "models", want: "models/snapshots/abcdef0/m.gguf"},
		{name: "a commit that leads outside", files: map[string]string{"models/refs/main": "../../..", "models/snapshots/a/config.json": "{}", "models/snapshots/b/config.json": "{}"},
			path: "models", kind: fault.ErrFormat, says: []string{"no model in"}},
		{name: "pickled", files: with(map[string]string{"model.safetensors": "", "pytorch_model.bin": "PK"}), want: "."},
		{name: "old modules", files: map[string]string{"modules.json": "[]", "0_Transformer/config.json": "{}", "0_Transformer/model.safetensors": "w"}, want: "."},

		{name: "weights are a pointer", files: with(map[string]string{"model.safetensors": pointer}),
			kind: fault.ErrFormat, says: []string{"model.safetensors: found a Git LFS pointer to a file of 471 bytes", `run "git lfs pull" in `}},
		{name: "the tokenizer is a pointer", files: with(map[string]string{"tokenizer.json": pointer}), kind: fault.ErrFormat, says: []string{"tokenizer.json", "git lfs pull"}},
		{name: "the settings are a pointer", files: with(map[string]string{"config.json": pointer}), kind: fault.ErrFormat, says: []string{"config.json", "git lfs pull"}},
		{name: "a vocabulary is a pointer", files: with(map[string]string{"sentencepiece.bpe.model": pointer}), kind: fault.ErrFormat, says: []string{"sentencepiece.bpe.model", "git lfs pull"}},
		{name: "a module is a pointer", files: with(map[string]string{"1_Dense/model.safetensors": pointer}), kind: fault.ErrFormat, says: []string{filepath.Join("1_Dense", "model.safetensors"), "git lfs pull"}},
		{name: "a pointer that does not matter", files: with(map[string]string{"onnx/model.onnx": pointer, "pytorch_model.bin": pointer}), want: "."},
		{name: "a GGUF file is a pointer", files: map[string]string{"m.gguf": pointer}, path: "m.gguf", kind: fault.ErrFormat, says: []string{"m.gguf", "git lfs pull"}},
		{name: "the only GGUF file is a pointer", files: map[string]string{"m.gguf": pointer}, kind: fault.ErrFormat, says: []string{"m.gguf", "git lfs pull"}},
		{name: "a page", files: map[string]string{"m.gguf": "\n<!DOCTYPE html><html>"}, path: "m.gguf", kind: fault.ErrFormat, says: []string{"HTML", "/resolve/"}},
		{name: "a page for settings", files: with(map[string]string{"config.json": "<html>"}), kind: fault.ErrFormat, says: []string{"config.json", "HTML"}},

		{name: "ONNX alone", files: with(map[string]string{"model.safetensors": "", "onnx/model.onnx": "x"}), kind: fault.ErrUnsupported, says: []string{"model.onnx", "ONNX"}},
		{name: "an ONNX file", files: map[string]string{"m.onnx": "x"}, path: "m.onnx", kind: fault.ErrUnsupported, says: []string{"ONNX"}},
		{name: "TensorFlow alone", files: with(map[string]string{"model.safetensors": "", "tf_model.h5": "x"}), kind: fault.ErrUnsupported, says: []string{"TensorFlow"}},
		{name: "a pickle", files: map[string]string{"m.pt": "x"}, path: "m.pt", kind: fault.ErrUnsupported, says: []string{"pickle"}},
		{name: "an empty folder", kind: fault.ErrFormat, says: []string{"an empty folder", "config.json with *.safetensors, or a GGUF file"}},
		{name: "no weights", files: with(map[string]string{"model.safetensors": ""}), kind: fault.ErrFormat, says: []string{"config.json without weights"}},
		{name: "no settings", files: with(map[string]string{"config.json": ""}), kind: fault.ErrFormat, says: []string{"safetensors without config.json"}},
		{name: "models inside", files: map[string]string{"a/m.gguf": "GGUF", "b/config.json": "{}", "b/model.safetensors": "w", "c/x": "x"}, kind: fault.ErrFormat, says: []string{"models in folders", "a, b"}},
		{name: "something else", files: map[string]string{"notes.txt": "x"}, kind: fault.ErrFormat, says: []string{"no model in notes.txt"}},
		{name: "nothing", path: "none", kind: fs.ErrNotExist, says: []string{"none"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, data := range c.files {
				file := filepath.Join(dir, filepath.FromSlash(name))
				if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, []byte(data), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			got, err := Resolve(filepath.Join(dir, filepath.FromSlash(c.path)))
			if c.kind == nil {
				if want := filepath.Join(dir, filepath.FromSlash(c.want)); err != nil || got != want {
					t.Fatalf("%s, %v; want %s", got, err, want)
				}
				return
			}
			if !errors.Is(err, c.kind) {
				t.Fatalf("%q, %v: expected one of kind %v", got, err, c.kind)
			}
			for _, s := range append(c.says, dir) {
				if !strings.Contains(err.Error(), s) {
					t.Errorf("%v does not say %q", err, s)
				}
			}
		})
	}
}

// TestResolvePipe: a named pipe is refused before it is opened, which would wait
// for a writer.
func TestResolvePipe(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "m.gguf")
	if err := mkfifo(pipe); errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EPERM) {
		t.Skip("no named pipes here")
	} else if err != nil {
		t.Fatal(err)
	}
	if _, err := Resolve(pipe); !errors.Is(err, fault.ErrFormat) || !strings.Contains(err.Error(), "no regular file") {
		t.Errorf("%v", err)
	}
}

func TestSelect(t *testing.T) {
	for _, c := range []struct {
		names, want string
		whole       bool
	}{
		{"README.md config.json tokenizer.json model.safetensors pytorch_model.bin onnx/model.onnx chat_template.jinja", "config.json tokenizer.json model.safetensors chat_template.jinja", true},
		{"config.json model.safetensors model.fp16.safetensors", "config.json model.safetensors", true},
		{"config.json model.safetensors.index.json model-00001-of-00002.safetensors model-00002-of-00002.safetensors consolidated.safetensors",
			"config.json model.safetensors.index.json model-00001-of-00002.safetensors model-00002-of-00002.safetensors", true},
		{"config.json model.safetensors.index.json a.safetensors b.safetensors", "config.json model.safetensors.index.json a.safetensors b.safetensors", true},
		{"config.json a.safetensors", "config.json a.safetensors", true},
		{"modules.json 0_Transformer/config.json 0_Transformer/vocab.txt 0_Transformer/model.safetensors 1_Pooling/config.json",
			"modules.json 0_Transformer/config.json 0_Transformer/vocab.txt 0_Transformer/model.safetensors 1_Pooling/config.json", true},
		{"config.json 1_Dense/model.safetensors openvino/config.json", "config.json 1_Dense/model.safetensors", false},
		{"model.safetensors", "model.safetensors", false},
		{"tokenizer.json model.safetensors", "tokenizer.json model.safetensors", false},
		{"modules.json tokenizer.json model.safetensors", "modules.json tokenizer.json model.safetensors", true},
		{"modules.json 0_StaticEmbedding/tokenizer.json 0_StaticEmbedding/model.safetensors", "modules.json 0_StaticEmbedding/tokenizer.json 0_StaticEmbedding/model.safetensors", true},
	} {
		got, whole := Select(strings.Fields(c.names))
		if !slices.Equal(got, strings.Fields(c.want)) || whole != c.whole {
			t.Errorf("%s: %q, %t; want %s, %t", c.names, got, whole, c.want, c.whole)
		}
	}
}

func TestParts(t *testing.T) {
	names := []string{"a-00002-of-00002.gguf", "a-00001-of-00002.gguf", "b-00001-of-00003.gguf", "c.gguf", "mmproj-c.gguf"}
	if parts, n := Parts("a-00001-of-00002.gguf", names); n != 2 || !slices.Equal(parts, []string{"a-00001-of-00002.gguf", "a-00002-of-00002.gguf"}) {
		t.Errorf("%q, %d", parts, n)
	}
	if parts, n := Parts("b-00001-of-00003.gguf", names); n != 3 || len(parts) != 1 {
		t.Errorf("%q, %d", parts, n)
	}
	if list := GGUF(names); !slices.Equal(list, []string{"a-00001-of-00002.gguf", "b-00001-of-00003.gguf", "c.gguf"}) {
		t.Errorf("%q", list)
	}
}

func TestLocal(t *testing.T) {
	dir := t.TempDir()
	for name, data := range map[string]string{
		"a.gguf": "GGUF", "b-00001-of-00002.gguf": "GGUF1", "b-00002-of-00002.gguf": "GGUF22", "notes.txt": "x", "mmproj-a.gguf": "x",
		"hf/config.json": "{}", "hf/model.safetensors": "weights", "hf/README.md": "not of the model", "hf/1_Pooling/config.json": "[]",
		"many/c.gguf": "GGUF", "many/d.gguf": "GGUF", "empty/x": "x",
	} {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, []byte(data), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	models, err := In(dir)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int64{}
	for _, m := range models {
		name, err := filepath.Rel(dir, m)
		if err != nil {
			t.Fatal(err)
		}
		got[filepath.ToSlash(name)] = Size(m)
	}
	want := map[string]int64{"a.gguf": 4, "b-00001-of-00002.gguf": 11, "hf": 11, "many/c.gguf": 4, "many/d.gguf": 4}
	if !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if models, err := In(filepath.Join(dir, "hf")); err != nil || len(models) != 1 || models[0] != filepath.Join(dir, "hf") {
		t.Errorf("%q, %v", models, err)
	}
	if _, err := In(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
}
