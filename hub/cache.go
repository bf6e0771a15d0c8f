package hub

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// CacheDir is where the hub's client keeps its files: HF_HUB_CACHE, HF_HOME/hub,
// XDG_CACHE_HOME/huggingface/hub or ~/.cache/huggingface/hub.
func CacheDir(getenv func(string) string) (string, error) {
	if dir := getenv("HF_HUB_CACHE"); dir != "" {
		return dir, nil
	}
	if dir := getenv("HUGGINGFACE_HUB_CACHE"); dir != "" {
		return dir, nil
	}
	if dir := getenv("HF_HOME"); dir != "" {
		return filepath.Join(dir, "hub"), nil
	}
	if dir := getenv("XDG_CACHE_HOME"); dir != "" {
		return filepath.Join(dir, "huggingface", "hub"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("no place for the hub's cache: %w", err)
	}
	return filepath.Join(home, ".cache", "huggingface", "hub"), nil
}

// TokenFromEnv is the user's token for the hub, or "".
func TokenFromEnv(getenv func(string) string) string {
	for _, name := range []string{"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"} {
		if token := getenv(name); token != "" {
			return token
		}
	}
	return ""
}

// ErrNotCached: the cache does not have the model.
var ErrNotCached = errors.New("not in the hub's cache")

// Find is the path of a model in the cache at dir: a GGUF file or a directory.
// It wraps ErrNotCached if it is not there as a whole.
func Find(dir string, ref Ref) (string, error) {
	root := filepath.Join(dir, ref.folder())
	commit, err := os.ReadFile(filepath.Join(root, "refs", "main"))
	if err != nil {
		return "", fmt.Errorf("%s: %w", ref.Repo, ErrNotCached)
	}
	name := strings.TrimSpace(string(commit))
	if !safe(name) || strings.Contains(name, "/") {
		return "", fmt.Errorf("%s: refs/main of the cache is %q: expected a commit", ref.Repo, name)
	}
	snapshot := filepath.Join(root, "snapshots", name)
	return findIn(snapshot, ref)
}

func findIn(snapshot string, ref Ref) (string, error) {
	files, err := filesIn(snapshot)
	if err != nil {
		return "", fmt.Errorf("%s: %w", ref.Repo, ErrNotCached)
	}
	chosen, gguf, err := ref.choose(files)
	if err != nil {
		return "", fmt.Errorf("%w: %w", err, ErrNotCached)
	}
	if !gguf {
		return snapshot, nil
	}
	return filepath.Join(snapshot, filepath.FromSlash(chosen[0])), nil
}

// filesIn lists the files under a snapshot by their names in the repository,
// those left out whose contents are missing.
func filesIn(snapshot string) ([]string, error) {
	var files []string
	err := filepath.WalkDir(snapshot, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return nil
		}
		if info, err := os.Stat(p); err != nil || info.IsDir() {
			return nil
		}
		name, err := filepath.Rel(snapshot, p)
		if err == nil {
			files = append(files, filepath.ToSlash(name))
		}
		return err
	})
	return files, err
}

// A Cached is a model that the cache has.
type Cached struct {
	Ref   Ref
	Path  string
	Bytes int64
}

// List is the models of the cache at dir that winnow could read by their form:
// directories with config.json and safetensors, and each GGUF file.
func List(dir string) ([]Cached, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var list []Cached
	for _, e := range entries {
		name, ok := strings.CutPrefix(e.Name(), "models--")
		if !ok || !e.IsDir() {
			continue
		}
		ref, ok := ParseRef(strings.Replace(name, "--", "/", 1))
		if !ok {
			continue
		}
		commit, err := os.ReadFile(filepath.Join(dir, e.Name(), "refs", "main"))
		if err != nil {
			continue
		}
		snapshot := filepath.Join(dir, e.Name(), "snapshots", strings.TrimSpace(string(commit)))
		files, err := filesIn(snapshot)
		if err != nil {
			continue
		}
		if chosen, gguf, err := ref.choose(files); err == nil && !gguf {
			list = append(list, Cached{ref, snapshot, sizeOf(snapshot, chosen)})
		}
		for _, f := range files {
			if !strings.HasSuffix(strings.ToLower(f), ".gguf") {
				continue
			}
			all := parts(f, files)
			if len(all) > 1 && slices.Min(all) != f {
				continue
			}
			list = append(list, Cached{Ref{ref.Repo, f}, filepath.Join(snapshot, filepath.FromSlash(f)), sizeOf(snapshot, all)})
		}
	}
	return list, nil
}

func sizeOf(snapshot string, files []string) int64 {
	var n int64
	for _, f := range files {
		if info, err := os.Stat(filepath.Join(snapshot, filepath.FromSlash(f))); err == nil {
			n += info.Size()
		}
	}
	return n
}
