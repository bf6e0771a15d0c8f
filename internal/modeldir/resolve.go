package modeldir

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/winnow-rerank/winnow/internal/fault"
)

const want = "config.json with *.safetensors, or a GGUF file"

// Resolve returns the path of the model that path refers to: path itself if it is a
// GGUF file or a folder in Hugging Face layout, the folder of a file in that layout,
// the only GGUF file of a folder without safetensors, the newest snapshot in a
// repository's folder of the hub's cache. For anything else it returns an error that
// names the cause.
func Resolve(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	switch {
	case info.IsDir():
		return resolveFolder(path)
	case !info.Mode().IsRegular():
		return "", &fault.FormatError{Path: path, Offset: -1, Found: "no regular file (" + info.Mode().Type().String() + ")", Want: want}
	}
	name := strings.ToLower(filepath.Base(path))
	if kind := foreign(name); kind != "" && name != "pytorch_model.bin" {
		return "", &fault.UnsupportedError{Path: path, What: kind, Hint: otherForm}
	}
	// Report a pointer for the file that the user named, before examining its folder.
	if err := diagnoseFile(path); err != nil {
		return "", err
	}
	if name == "config.json" || name == "pytorch_model.bin" || strings.HasSuffix(name, ".safetensors") || strings.HasSuffix(name, ".safetensors.index.json") {
		return resolveFolder(filepath.Dir(path))
	}
	return path, nil
}

const otherForm = "winnow reads safetensors and GGUF; the model's repository on the hub most often has it in one of them (winnow pull ORG/NAME)"

// foreign describes unsupported weights by the file's name, or returns "".
func foreign(name string) string {
	switch filepath.Ext(name) {
	case ".onnx":
		return "a model in ONNX form"
	case ".bin", ".pt", ".pth", ".ckpt":
		return "a checkpoint in Python's pickle format"
	case ".h5", ".keras":
		return "a model in TensorFlow's form"
	case ".msgpack":
		return "a model in Flax's form"
	case ".tflite":
		return "a model in TensorFlow Lite's form"
	case ".mlmodel", ".mlpackage":
		return "a model in Core ML's form"
	}
	return ""
}

func resolveFolder(dir string) (string, error) {
	names, folders, err := list(dir)
	if err != nil {
		return "", err
	}
	chosen, whole := Select(names)
	models := GGUF(names)
	if !whole && len(models) == 1 {
		return fileOf(filepath.Join(dir, models[0]))
	}
	if !whole && len(models) > 1 {
		return "", &fault.FormatError{Path: dir, Offset: -1, Found: fmt.Sprintf("%d GGUF files", len(models)), Want: "the path of one of them: " + enumerate(models)}
	}
	for _, name := range chosen {
		if err := diagnoseFile(filepath.Join(dir, filepath.FromSlash(name))); err != nil {
			return "", err
		}
	}
	settings := slices.Contains(names, "config.json") || slices.Contains(names, "modules.json")
	pickled := slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(n, "pytorch_model.bin") })
	if whole || settings && pickled || slices.Contains(names, "adapter_config.json") {
		return dir, nil // their readers give better errors
	}
	if snapshot := newestSnapshot(dir, folders); snapshot != "" {
		return resolveFolder(snapshot)
	}
	wrong := func(found, want string) error {
		return &fault.FormatError{Path: dir, Offset: -1, Found: found, Want: want}
	}
	for _, name := range names {
		if kind := foreign(strings.ToLower(name)); kind != "" && !strings.HasSuffix(strings.ToLower(name), ".bin") {
			return "", &fault.UnsupportedError{Path: filepath.Join(dir, filepath.FromSlash(name)), What: kind + " alone", Hint: otherForm}
		}
	}
	hasWeights := slices.ContainsFunc(chosen, isSafetensors)
	switch {
	case len(names) == 0 && len(folders) == 0:
		return "", wrong("an empty folder", want)
	case hasWeights:
		return "", wrong("safetensors without config.json", "the model's config.json next to them")
	case settings:
		return "", wrong("config.json without weights", "model.safetensors, or its parts with model.safetensors.index.json")
	}
	var inside []string
	for _, folder := range folders {
		if names, _, err := list(filepath.Join(dir, folder)); err == nil {
			if _, whole := Select(names); whole || len(GGUF(names)) > 0 {
				inside = append(inside, folder)
			}
		}
	}
	if len(inside) > 0 {
		return "", wrong("models in folders of it", "the path of one of them: "+enumerate(inside))
	}
	return "", wrong("no model in "+enumerate(slices.Concat(names, folders)), want)
}

// fileOf returns the path of a GGUF file after checking it.
func fileOf(path string) (string, error) { return path, diagnoseFile(path) }

// list returns the names of the files in dir, including those in module and ONNX
// folders, and the names of its folders. It skips names that begin with a dot.
func list(dir string) (names, folders []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, nil, err
	}
	for _, e := range entries {
		name := e.Name()
		if strings.HasPrefix(name, ".") {
			continue
		}
		info, err := os.Stat(filepath.Join(dir, name)) // follows links, which the cache uses
		if err != nil {
			continue
		}
		if !info.IsDir() {
			names = append(names, name)
			continue
		}
		folders = append(folders, name)
		if !moduleFolder.MatchString(name+"/") && name != "onnx" {
			continue
		}
		inner, err := os.ReadDir(filepath.Join(dir, name))
		if err != nil {
			continue
		}
		for _, e := range inner {
			if !e.IsDir() {
				names = append(names, name+"/"+e.Name())
			}
		}
	}
	return names, folders, nil
}

var commitName = regexp.MustCompile(`^[0-9a-f]{7,64}$`)

// newestSnapshot returns the snapshot of the main branch in a repository's folder of
// the hub's cache, or the only snapshot; "" if dir is not such a folder.
func newestSnapshot(dir string, folders []string) string {
	if !slices.Contains(folders, "snapshots") {
		return ""
	}
	commit, err := os.ReadFile(filepath.Join(dir, "refs", "main"))
	name := strings.TrimSpace(string(commit))
	if err != nil || !commitName.MatchString(name) {
		entries, err := os.ReadDir(filepath.Join(dir, "snapshots"))
		if err != nil || len(entries) != 1 {
			return ""
		}
		name = entries[0].Name()
	}
	snapshot := filepath.Join(dir, "snapshots", name)
	if info, err := os.Stat(snapshot); err != nil || !info.IsDir() {
		return ""
	}
	return snapshot
}

var pointerSize = regexp.MustCompile(`(?m)^size (\d{1,18})$`)

// diagnoseFile detects files that are often found instead of a model's.
func diagnoseFile(path string) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // a broken link; the reader reports what is missing
	}
	if err != nil {
		return err
	}
	defer f.Close()
	head := make([]byte, 512)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return fmt.Errorf("%s: %w", path, err)
	}
	head = head[:n]
	if bytes.HasPrefix(head, []byte("version https://git-lfs.github.com/spec/")) {
		found := "a Git LFS pointer"
		if m := pointerSize.FindSubmatch(head); m != nil {
			found += fmt.Sprintf(" to a file of %s bytes", m[1])
		}
		return &fault.FormatError{Path: path, Offset: -1, Found: found,
			Want: fmt.Sprintf("the file itself: run \"git lfs pull\" in %s", filepath.Dir(path))}
	}
	lower := bytes.ToLower(bytes.TrimLeft(head, " \t\r\n\ufeff"))
	if bytes.HasPrefix(lower, []byte("<!doctype html")) || bytes.HasPrefix(lower, []byte("<html")) {
		return &fault.FormatError{Path: path, Offset: -1, Found: "a page in HTML",
			Want: "the file itself: on the hub its address has /resolve/ in it, not /blob/"}
	}
	return nil
}

// enumerate joins a few of the names.
func enumerate(names []string) string {
	const most = 6
	slices.Sort(names)
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}
