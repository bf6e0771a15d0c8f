package modeldir

import (
	"os"
	"path/filepath"
	"strings"
)

// Files returns the paths of the files of the model at path, which is from Resolve: all
// parts of a GGUF file, or the files in Hugging Face layout of a folder.
func Files(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	dir, chosen := path, []string(nil)
	if !info.IsDir() {
		dir = filepath.Dir(path)
	}
	names, _, err := list(dir)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		chosen, _ = Select(names)
	} else {
		chosen, _ = Parts(filepath.Base(path), names)
	}
	for i, name := range chosen {
		chosen[i] = filepath.Join(dir, filepath.FromSlash(name))
	}
	return chosen, nil
}

// Size returns the total size of the files of the model at path in bytes.
func Size(path string) int64 {
	files, err := Files(path)
	if err != nil {
		return 0
	}
	var n int64
	for _, f := range files {
		if info, err := os.Stat(f); err == nil {
			n += info.Size()
		}
	}
	return n
}

// In lists the models directly in dir, or dir itself if it is one: the paths of GGUF
// files and of folders in Hugging Face layout.
func In(dir string) ([]string, error) {
	names, folders, err := list(dir)
	if err != nil {
		return nil, err
	}
	if _, whole := Select(names); whole {
		return []string{dir}, nil
	}
	var models []string
	for _, name := range GGUF(names) {
		if !strings.Contains(name, "/") {
			models = append(models, filepath.Join(dir, name))
		}
	}
	for _, folder := range folders {
		inner, _, err := list(filepath.Join(dir, folder))
		if err != nil {
			continue
		}
		if _, whole := Select(inner); whole {
			models = append(models, filepath.Join(dir, folder))
			continue
		}
		for _, name := range GGUF(inner) {
			models = append(models, filepath.Join(dir, folder, filepath.FromSlash(name)))
		}
	}
	return models, nil
}
