package modeldir

import (
	"path"
	"regexp"
	"slices"
	"strings"
)

// Select selects from the names of a folder's files (with slashes, relative to it)
// those of a model in Hugging Face layout: settings, vocabulary, safetensors and the
// modules of sentence-transformers. whole reports whether they form a model, with
// settings and weights.
func Select(names []string) (chosen []string, whole bool) {
	settings, weights := false, false
	for _, name := range names {
		if !wanted(name) || isSafetensors(name) && !isWeights(name, names) {
			continue
		}
		chosen = append(chosen, name)
		base := path.Base(name)
		if folder := path.Dir(name); folder == "." || strings.HasPrefix(folder, "0_") {
			// A static embedding table has no settings except its tokenizer.
			settings = settings || base == "config.json" || base == "tokenizer.json" && slices.Contains(names, "modules.json")
			weights = weights || isSafetensors(name)
		}
	}
	return chosen, settings && weights
}

// files are the names of settings and vocabularies. The two sentence-transformers files
// with a model class in their names are from old versions.
var files = []string{
	"config.json", "generation_config.json", "adapter_config.json", "artifact.metadata",
	"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
	"vocab.txt", "vocab.json", "merges.txt",
	"chat_template.jinja", "chat_template.json",
	"modules.json", "config_sentence_transformers.json",
	"sentence_bert_config.json", "sentence_roberta_config.json", "sentence_xlm-roberta_config.json",
	"model.safetensors.index.json",
}

// A module's folder has a numeric prefix: 1_Pooling.
var moduleFolder = regexp.MustCompile(`^[0-9]+_[^/]*/$`)

func wanted(name string) bool {
	folder, base := path.Split(name)
	if folder != "" && !moduleFolder.MatchString(folder) {
		return false
	}
	return slices.Contains(files, base) || isSafetensors(base) || strings.HasSuffix(base, ".model")
}

func isSafetensors(name string) bool { return strings.HasSuffix(name, ".safetensors") }

var shardName = regexp.MustCompile(`^model-\d+-of-\d+\.safetensors$`)

// isWeights reports whether a safetensors file belongs to the model, as opposed to a
// copy in another type or sharding that some repositories also contain.
func isWeights(name string, names []string) bool {
	folder, base := path.Split(name)
	switch {
	case base == "model.safetensors":
		return true
	case slices.Contains(names, folder+"model.safetensors"):
		return false
	case slices.Contains(names, folder+"model.safetensors.index.json"):
		return shardName.MatchString(base) || !slices.ContainsFunc(names, func(n string) bool {
			f, b := path.Split(n)
			return f == folder && shardName.MatchString(b)
		})
	}
	return true
}

var splitName = regexp.MustCompile(`^(.*)-(\d{5})-of-(\d{5})\.gguf$`)

// Parts returns the file, or all parts of it in names if it is split, and the expected
// number of parts.
func Parts(file string, names []string) (parts []string, count int) {
	m := splitName.FindStringSubmatch(file)
	if m == nil {
		return []string{file}, 1
	}
	for _, c := range m[3] {
		count = 10*count + int(c-'0')
	}
	for _, name := range names {
		if o := splitName.FindStringSubmatch(name); o != nil && o[1] == m[1] && o[3] == m[3] {
			parts = append(parts, name)
		}
	}
	slices.Sort(parts)
	return parts, count
}

// GGUF returns the GGUF models in names, sorted: the first part of a split one, and no
// image projectors of language models.
func GGUF(names []string) []string {
	var list []string
	for _, name := range names {
		lower := strings.ToLower(name)
		if !strings.HasSuffix(lower, ".gguf") || strings.Contains(path.Base(lower), "mmproj") {
			continue
		}
		if m := splitName.FindStringSubmatch(name); m != nil {
			if parts, _ := Parts(name, names); parts[0] != name {
				continue
			}
		}
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}
