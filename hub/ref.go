package hub

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/winnow-rerank/winnow/internal/modeldir"
)

// A Ref names a model: a repository, a version of it and, for GGUF, a file.
type Ref struct {
	Repo     string // "BAAI/bge-reranker-v2-m3"
	Revision string // branch, tag or commit; "" is the branch main
	File     string // "Q8_0" or "model-Q8_0.gguf"; "" lets Source choose
}

// String returns the form that ParseRef reads.
func (r Ref) String() string {
	s := r.Repo
	if r.Revision != "" {
		s += "@" + r.Revision
	}
	if r.File != "" {
		s += ":" + r.File
	}
	return s
}

var repoName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}$`)

// ParseRef parses ORG/NAME, optionally followed by @REVISION and :QUANT or :FILE, or
// the address of a repository's page; ok reports whether s has that form.
func ParseRef(s string) (ref Ref, ok bool) {
	for _, prefix := range []string{"https://huggingface.co/", "https://hf.co/", "huggingface.co/", "hf.co/"} {
		if rest, is := strings.CutPrefix(s, prefix); is && strings.Contains(rest, "/") {
			s = strings.TrimSuffix(rest, "/")
			break
		}
	}
	name, file, hasFile := strings.Cut(s, ":")
	repo, revision, hasRevision := strings.Cut(name, "@")
	if !repoName.MatchString(repo) || strings.Contains(repo, "..") || hasFile && !safe(file) || hasRevision && !safe(revision) {
		return Ref{}, false
	}
	return Ref{repo, revision, file}, true
}

// safe reports whether a file name in a repository stays within its folder on every
// system and is harmless when printed on a terminal.
func safe(name string) bool {
	return name != "" && utf8.ValidString(name) && !strings.ContainsAny(name, `\:`) && path.Clean("/"+name) == "/"+name &&
		!strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) })
}

// folder returns the name of the repository's folder in the cache.
func (r Ref) folder() string { return "models--" + strings.ReplaceAll(r.Repo, "/", "--") }

// revision returns the version's name in the cache.
func (r Ref) revision() string {
	if r.Revision == "" {
		return "main"
	}
	return r.Revision
}

// choose selects the files of a repository that form the model; gguf reports that the
// model is the first of them rather than their folder.
func (r Ref) choose(files []string) (chosen []string, gguf bool, err error) {
	models := modeldir.GGUF(files)
	take := func(file string) ([]string, bool, error) {
		parts, count := modeldir.Parts(file, files)
		if len(parts) != count {
			return nil, false, fmt.Errorf("%s has %d of the %d parts of %s", r.Repo, len(parts), count, file)
		}
		return parts, true, nil
	}
	if r.File != "" {
		if slices.Contains(files, r.File) {
			if !strings.HasSuffix(strings.ToLower(r.File), ".gguf") {
				return nil, false, fmt.Errorf("%s: %s is not a GGUF file", r.Repo, r.File)
			}
			return take(r.File)
		}
		for _, f := range models {
			if hasQuant(f, r.File) {
				return take(f)
			}
		}
		return nil, false, fmt.Errorf("%s has no GGUF file %s: it has %s", r.Repo, r.File, listed(models))
	}
	if chosen, whole := modeldir.Select(files); whole {
		return chosen, false, nil
	}
	for _, quant := range []string{"Q8_0", "F16", "BF16", "F32", "Q6_K", "Q5_K_M", "Q4_K_M"} {
		for _, f := range models {
			if hasQuant(f, quant) {
				return take(f)
			}
		}
	}
	if len(models) > 0 {
		return take(models[0])
	}
	return nil, false, fmt.Errorf("%s has neither config.json with *.safetensors nor a GGUF file%s", r.Repo, otherForms(files))
}

// otherForms describes the unsupported weights of a repository.
func otherForms(files []string) string {
	for _, form := range []struct{ end, name string }{{".onnx", "ONNX"}, {".bin", "Python's pickle format"}, {".h5", "TensorFlow's form"}} {
		if slices.ContainsFunc(files, func(f string) bool { return strings.HasSuffix(strings.ToLower(f), form.end) }) {
			return "; it has weights in " + form.name + ", which winnow does not read"
		}
	}
	return ""
}

func listed(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// hasQuant reports whether a file's name contains the quantisation as a word.
func hasQuant(file, quant string) bool {
	name, quant := strings.ToLower(path.Base(file)), strings.ToLower(quant)
	for at := 0; ; {
		i := strings.Index(name[at:], quant)
		if i < 0 {
			return false
		}
		from, to := at+i, at+i+len(quant)
		if (from == 0 || !wordByte(name[from-1])) && (to == len(name) || !wordByte(name[to])) {
			return true
		}
		at = from + 1
	}
}

func wordByte(b byte) bool { return b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b == '_' }
