package hub

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/winnow-rerank/winnow/internal/modeldir"
)

// ErrNotCached reports that the cache does not have the model.
var ErrNotCached = errors.New("not in the hub's cache")

// Find returns the path of a model in the cache at dir: a GGUF file or a directory. Its
// error wraps ErrNotCached if the model is missing or incomplete.
func Find(dir string, ref Ref) (string, error) {
	root := filepath.Join(dir, ref.folder())
	commit, err := commitOf(root, ref)
	if err != nil {
		return "", err
	}
	snapshot := filepath.Join(root, "snapshots", commit)
	files, err := filesIn(snapshot)
	if err != nil {
		return "", fmt.Errorf("%s: %w", ref, ErrNotCached)
	}
	chosen, gguf, err := ref.choose(files)
	if err != nil {
		return "", fmt.Errorf("%w: %w", err, ErrNotCached)
	}
	if missing := missingIn(snapshot, chosen); !gguf && missing != "" {
		return "", fmt.Errorf("%s: %s is %w", ref, missing, ErrNotCached)
	}
	return modelPath(snapshot, chosen, gguf), nil
}

func modelPath(snapshot string, chosen []string, gguf bool) string {
	if !gguf {
		return snapshot
	}
	return filepath.Join(snapshot, filepath.FromSlash(chosen[0]))
}

var commitName = regexp.MustCompile(`^[0-9A-Fa-f]{7,64}$`)

// commitOf returns the cached commit of the ref's revision.
func commitOf(root string, ref Ref) (string, error) {
	revision := ref.revision()
	if !safe(revision) {
		return "", fmt.Errorf("%s: revision %q: expected a branch, a tag or a commit", ref.Repo, revision)
	}
	data, err := os.ReadFile(filepath.Join(root, "refs", filepath.FromSlash(revision)))
	if err != nil {
		if commitName.MatchString(revision) {
			return revision, nil
		}
		return "", fmt.Errorf("%s: %w", ref, ErrNotCached)
	}
	commit := strings.TrimSpace(string(data))
	if !safe(commit) || strings.Contains(commit, "/") {
		return "", fmt.Errorf("%s: refs/%s in the cache is %q: expected a commit", ref.Repo, revision, commit)
	}
	return commit, nil
}

// filesIn lists the files under a snapshot by their names in the repository, except
// those whose contents are missing.
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

// missingIn returns the name of a file that a model with the chosen files requires and
// that the snapshot lacks, or "". The hub's own client marks a revision as cached
// before all its files are present, and can download single files.
func missingIn(snapshot string, chosen []string) string {
	vocabulary := false
	for _, f := range chosen {
		switch base := path.Base(f); base {
		case "tokenizer.json", "vocab.txt", "vocab.json":
			vocabulary = true
		case "model.safetensors.index.json":
			if slices.Contains(chosen, path.Join(path.Dir(f), "model.safetensors")) {
				continue
			}
			for _, shard := range shardsOf(filepath.Join(snapshot, filepath.FromSlash(f))) {
				if !slices.Contains(chosen, path.Join(path.Dir(f), shard)) {
					return shard
				}
			}
		default:
			vocabulary = vocabulary || strings.HasSuffix(base, ".model")
		}
	}
	if !vocabulary {
		return "tokenizer.json"
	}
	return ""
}

// shardsOf returns the files named by an index of weights. Errors in the index are left
// to its reader.
func shardsOf(index string) []string {
	f, err := os.Open(index)
	if err != nil {
		return nil
	}
	defer f.Close()
	var content struct {
		Map map[string]string `json:"weight_map"`
	}
	if json.NewDecoder(io.LimitReader(f, maxReply)).Decode(&content) != nil {
		return nil
	}
	var shards []string
	for _, shard := range content.Map {
		if !slices.Contains(shards, shard) {
			shards = append(shards, shard)
		}
	}
	slices.Sort(shards)
	return shards
}

// A Cached is a model in the cache.
type Cached struct {
	Ref    Ref
	Commit string
	Path   string
	Bytes  int64
}

// List returns the models in the cache at dir whose form winnow can read: directories
// with config.json and safetensors, and each GGUF file, in every cached version.
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
		if !ok {
			continue
		}
		ref, ok := ParseRef(strings.Replace(name, "--", "/", 1))
		if !ok {
			continue
		}
		root := filepath.Join(dir, e.Name())
		revisions := revisionsOf(root)
		snapshots, err := os.ReadDir(filepath.Join(root, "snapshots"))
		if err != nil {
			continue
		}
		for _, s := range snapshots {
			if !safe(s.Name()) {
				continue
			}
			ref.Revision = s.Name()
			if names := revisions[s.Name()]; slices.Contains(names, "main") {
				ref.Revision = ""
			} else if len(names) > 0 {
				ref.Revision = names[0]
			}
			list = append(list, modelsIn(filepath.Join(root, "snapshots", s.Name()), ref, s.Name())...)
		}
	}
	return list, nil
}

// modelsIn returns the models of a snapshot.
func modelsIn(snapshot string, ref Ref, commit string) []Cached {
	files, err := filesIn(snapshot)
	if err != nil {
		return nil
	}
	files = slices.DeleteFunc(files, func(f string) bool { return !safe(f) })
	var list []Cached
	if chosen, whole := modeldir.Select(files); whole && missingIn(snapshot, chosen) == "" {
		list = append(list, Cached{ref, commit, snapshot, sizeOf(snapshot, chosen)})
	}
	for _, f := range modeldir.GGUF(files) {
		if parts, count := modeldir.Parts(f, files); len(parts) == count {
			list = append(list, Cached{Ref{ref.Repo, ref.Revision, f}, commit, modelPath(snapshot, parts, true), sizeOf(snapshot, parts)})
		}
	}
	return list
}

// revisionsOf maps commits to their revision names in the cache.
func revisionsOf(root string) map[string][]string {
	names := make(map[string][]string)
	refs := filepath.Join(root, "refs")
	files, err := filesIn(refs)
	if err != nil {
		return names
	}
	for _, f := range files {
		if data, err := os.ReadFile(filepath.Join(refs, filepath.FromSlash(f))); err == nil && safe(f) {
			commit := strings.TrimSpace(string(data))
			names[commit] = append(names[commit], f)
		}
	}
	return names
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

// Remove deletes a model from the cache at dir and returns the number of bytes freed.
// Without a revision it deletes all versions, and without a file everything cached for
// the repository, including incomplete downloads. Contents shared with another version
// or file are kept. Its error wraps ErrNotCached if there is nothing to delete.
func Remove(dir string, ref Ref) (int64, error) {
	root := filepath.Join(dir, ref.folder())
	if _, err := os.Stat(root); errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("%s: %w", ref, ErrNotCached)
	} else if err != nil {
		return 0, err
	}
	before, err := bytesUnder(root)
	if err != nil {
		return 0, err
	}
	if ref.Revision == "" && ref.File == "" {
		// Without refs, a partially deleted version is not mistaken for a model.
		if err := os.RemoveAll(filepath.Join(root, "refs")); err != nil {
			return 0, err
		}
		return before, os.RemoveAll(root)
	}
	if err := removeSome(root, ref); err != nil {
		return 0, err
	}
	after, err := bytesUnder(root)
	return before - after, err
}

func removeSome(root string, ref Ref) error {
	var commits []string
	if ref.Revision != "" {
		commit, err := commitOf(root, ref)
		if err != nil {
			return err
		}
		commits = []string{commit}
	} else {
		entries, err := os.ReadDir(filepath.Join(root, "snapshots"))
		if err != nil {
			return err
		}
		for _, e := range entries {
			commits = append(commits, e.Name())
		}
	}
	var freed []string // blobs that lost a link
	found := false
	for _, commit := range commits {
		snapshot := filepath.Join(root, "snapshots", commit)
		files, err := filesIn(snapshot)
		if err != nil {
			continue
		}
		remove := files
		if ref.File != "" {
			chosen, _, err := ref.choose(files)
			if err != nil {
				continue
			}
			remove = chosen
		}
		found = true
		for _, f := range remove {
			link := filepath.Join(snapshot, filepath.FromSlash(f))
			if target, err := os.Readlink(link); err == nil {
				freed = append(freed, filepath.Join(filepath.Dir(link), target))
			}
			if err := os.Remove(link); err != nil {
				return err
			}
		}
		if left, err := filesIn(snapshot); err != nil || len(left) > 0 {
			continue
		}
		if err := os.RemoveAll(snapshot); err != nil {
			return err
		}
		for _, name := range revisionsOf(root)[commit] {
			if err := os.Remove(filepath.Join(root, "refs", filepath.FromSlash(name))); err != nil {
				return err
			}
		}
	}
	if !found {
		return fmt.Errorf("%s: %w", ref, ErrNotCached)
	}
	used, err := linked(filepath.Join(root, "snapshots"))
	if err != nil {
		return err
	}
	for _, blob := range freed {
		if filepath.Dir(blob) == filepath.Join(root, "blobs") && !used[blob] {
			if err := os.Remove(blob); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	if len(used) == 0 {
		if left, err := filesIn(filepath.Join(root, "snapshots")); err == nil && len(left) == 0 {
			return os.RemoveAll(root)
		}
	}
	return nil
}

// linked returns the blobs that the snapshots link to.
func linked(snapshots string) (map[string]bool, error) {
	used := make(map[string]bool)
	err := filepath.WalkDir(snapshots, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.Type()&fs.ModeSymlink != 0 {
			target, err := os.Readlink(p)
			if err != nil {
				return err
			}
			used[filepath.Join(filepath.Dir(p), target)] = true
		}
		return nil
	})
	return used, err
}

// bytesUnder returns the total size of the files under a folder, without following
// links.
func bytesUnder(folder string) (int64, error) {
	var n int64
	err := filepath.WalkDir(folder, func(_ string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if info, err := d.Info(); err == nil && info.Mode().IsRegular() {
			n += info.Size()
		}
		return nil
	})
	return n, err
}
