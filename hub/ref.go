package hub

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

// A Ref names a model: a repository and, for GGUF, which file of it.
type Ref struct {
	Repo string // "BAAI/bge-reranker-v2-m3"
	File string // "Q8_0" or "model-Q8_0.gguf"; "" lets Source choose
}

// String is what ParseRef reads.
func (r Ref) String() string {
	if r.File == "" {
		return r.Repo
	}
	return r.Repo + ":" + r.File
}

var repoName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}$`)

// ParseRef reads ORG/NAME, ORG/NAME:QUANT or ORG/NAME:FILE; ok says whether s is
// of that form.
func ParseRef(s string) (ref Ref, ok bool) {
	repo, file, more := strings.Cut(s, ":")
	if !repoName.MatchString(repo) || strings.Contains(repo, "..") || more && !safe(file) {
		return Ref{}, false
	}
	return Ref{repo, file}, true
}

// safe says whether a file's name in a repository stays within its folder on
// every system.
func safe(name string) bool {
	return name != "" && !strings.ContainsAny(name, "\\:\x00") && path.Clean("/"+name) == "/"+name
}

// folder is the name of the repository's folder in the cache.
func (r Ref) folder() string { return "models--" + strings.ReplaceAll(r.Repo, "/", "--") }

// choose picks the files of a repository that make the model; gguf says that
// the model is the first of them rather than their folder.
func (r Ref) choose(files []string) (chosen []string, gguf bool, err error) {
	var weights []string // *.gguf
	for _, f := range files {
		if strings.HasSuffix(strings.ToLower(f), ".gguf") && !strings.Contains(strings.ToLower(path.Base(f)), "mmproj") {
			weights = append(weights, f)
		}
	}
	slices.Sort(weights)
	if r.File != "" {
		if slices.Contains(files, r.File) {
			if !slices.Contains(weights, r.File) {
				return nil, false, fmt.Errorf("%s: %s is no GGUF file", r.Repo, r.File)
			}
			return parts(r.File, weights), true, nil
		}
		for _, f := range weights {
			if hasQuant(f, r.File) {
				return parts(f, weights), true, nil
			}
		}
		return nil, false, fmt.Errorf("%s has no GGUF file %s: it has %s", r.Repo, r.File, listed(weights))
	}
	for _, f := range files {
		if wanted(f) {
			chosen = append(chosen, f)
		}
	}
	if slices.Contains(chosen, "config.json") && slices.ContainsFunc(chosen, func(f string) bool { return strings.HasSuffix(f, ".safetensors") }) {
		return chosen, false, nil
	}
	for _, quant := range []string{"Q8_0", "F16", "BF16", "F32", "Q6_K", "Q5_K_M", "Q4_K_M"} {
		for _, f := range weights {
			if hasQuant(f, quant) {
				return parts(f, weights), true, nil
			}
		}
	}
	if len(weights) > 0 {
		return parts(weights[0], weights), true, nil
	}
	return nil, false, fmt.Errorf("%s has neither config.json with *.safetensors nor a GGUF file", r.Repo)
}

func listed(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// hasQuant says whether a file's name has the quantisation as a word of it.
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

var splitName = regexp.MustCompile(`^(.*)-\d{5}-of-(\d{5})\.gguf$`)

// parts is the file, or all parts of it if it is one of several.
func parts(file string, all []string) []string {
	m := splitName.FindStringSubmatch(file)
	if m == nil {
		return []string{file}
	}
	var list []string
	for _, f := range all {
		if o := splitName.FindStringSubmatch(f); o != nil && o[1] == m[1] && o[2] == m[2] {
			list = append(list, f)
		}
	}
	return list
}

// wanted says whether a file of a repository in Hugging Face layout is of use:
// settings, vocabulary, weights as safetensors and the modules of
// sentence-transformers.
func wanted(name string) bool {
	folder, base := path.Split(name)
	switch {
	case folder == "":
		switch base {
		case "config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.txt", "vocab.json",
			"merges.txt", "modules.json", "sentence_bert_config.json", "config_sentence_transformers.json", "model.safetensors.index.json",
			"artifact.metadata", "adapter_config.json":
			return true
		}
		return strings.HasSuffix(base, ".safetensors") || strings.HasSuffix(base, ".model")
	case strings.Count(folder, "/") == 1 && len(folder) > 2 && folder[0] >= '0' && folder[0] <= '9' && folder[1] == '_':
		return base == "config.json" || strings.HasSuffix(base, ".safetensors")
	}
	return false
}
