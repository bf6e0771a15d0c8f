package safetensors

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/winnow-rerank/winnow/internal/fault"
	"github.com/winnow-rerank/winnow/internal/mapfile"
)

// The names of a model's files in its folder.
const (
	fileName  = "model.safetensors"
	indexName = "model.safetensors.index.json"
	suffix    = ".safetensors"
)

// Limits of an index: see maxTensors.
const (
	maxIndexed = 1 << 17
	maxShards  = 1 << 12
)

// Open maps a model and reads its tables. path is a file, an index of several files
// (*.index.json), or a folder with model.safetensors or model.safetensors.index.json.
func Open(path string) (*File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	name := path
	if info.IsDir() {
		if name, err = find(path); err != nil {
			return nil, err
		}
	}
	f := &File{path: path, byName: make(map[string]int)}
	if strings.HasSuffix(name, ".json") {
		err = f.openIndex(name)
	} else {
		var s *shard
		if s, err = openShard(name); err == nil {
			err = f.add(s, func(string) bool { return true })
		}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// find returns the model's file or index in dir.
func find(dir string) (string, error) {
	for _, base := range []string{fileName, indexName} {
		name := filepath.Join(dir, base)
		_, err := os.Stat(name)
		if err == nil {
			return name, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	for _, base := range []string{"pytorch_model.bin", "pytorch_model.bin.index.json"} {
		if _, err := os.Stat(filepath.Join(dir, base)); err == nil {
			return "", &fault.UnsupportedError{Path: dir, What: base, Hint: "save the model with safetensors (save_pretrained writes " + fileName + ")"}
		}
	}
	return "", &fault.FormatError{Path: dir, Offset: -1, Found: "no weights", Want: fileName + " or " + indexName}
}

// openIndex opens the files of an index. Tensors that are not in the index are not part
// of the model.
func (f *File) openIndex(path string) error {
	shards, owner, err := readIndex(path)
	if err != nil {
		return err
	}
	for i, base := range shards {
		name := filepath.Join(filepath.Dir(path), base)
		s, err := openShard(name)
		if errors.Is(err, fs.ErrNotExist) {
			err = &fault.FormatError{Path: path, Field: "weight_map", Offset: -1, Found: base + ", which does not exist", Want: "a file next to the index"}
		}
		if err != nil {
			return err
		}
		err = f.add(s, func(tensor string) bool {
			o, ok := owner[tensor]
			return ok && o == i
		})
		if err != nil {
			return err
		}
	}
	if len(f.tensors) == len(owner) {
		return nil
	}
	var missing []string
	for tensor, i := range owner {
		if _, ok := f.byName[tensor]; !ok {
			missing = append(missing, fmt.Sprintf("%s in %s", tensor, shards[i]))
		}
	}
	what := fmt.Sprintf("no tensor %s", least(missing))
	if n := len(missing); n > 1 {
		what += fmt.Sprintf(" (and %d more)", n-1)
	}
	return &fault.FormatError{Path: path, Field: "weight_map", Offset: -1, Found: what, Want: "each tensor in the file that the index names for it"}
}

func least(list []string) string {
	m := list[0]
	for _, s := range list {
		m = min(m, s)
	}
	return m
}

// readIndex returns the files of an index, in order of appearance, and for each tensor
// the number of its file.
func readIndex(path string) (shards []string, owner map[string]int, err error) {
	m, err := mapfile.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer m.Close()

	field := "index"
	wrong := func(found, want string) error {
		return &fault.FormatError{Path: path, Field: field, Offset: -1, Found: found, Want: want}
	}
	numbers := make(map[string]int)
	s := scanner{data: m.Data()}
	err = s.object(func(key []byte) error {
		if string(key) != "weight_map" {
			return s.skip(0)
		}
		if owner != nil {
			return wrong("weight_map twice", "it once")
		}
		field = "weight_map"
		owner = make(map[string]int)
		err := s.object(func(key []byte) error {
			text, err := s.text(maxKey)
			if err != nil {
				return err
			}
			if len(key) > maxName || len(text) > maxName {
				return wrong(fmt.Sprintf("a name of %d bytes", max(len(key), len(text))), fmt.Sprintf("at most %d", maxName))
			}
			tensor := string(key)
			if _, twice := owner[tensor]; twice {
				return wrong(fmt.Sprintf("the name %q twice", tensor), "unique names")
			}
			if len(owner) == maxIndexed {
				return wrong(fmt.Sprintf("more than %d tensors", maxIndexed), "fewer")
			}
			n, known := numbers[string(text)]
			if !known {
				base := string(text)
				if !isBase(base) || !strings.HasSuffix(base, suffix) {
					return wrong(fmt.Sprintf("the file %q for %s", base, tensor), "the name of a "+suffix+" file next to the index")
				}
				n = len(shards)
				if n == maxShards {
					return wrong(fmt.Sprintf("more than %d files", maxShards), "fewer")
				}
				numbers[base] = n
				shards = append(shards, base)
			}
			owner[tensor] = n
			return nil
		})
		if err == nil {
			field = "index"
		}
		return err
	})
	if err == nil {
		err = s.end()
	}
	if syntax := (*syntaxError)(nil); errors.As(err, &syntax) {
		err = &fault.FormatError{Path: path, Field: field, Offset: int64(syntax.pos), Found: syntax.found, Want: syntax.want}
	}
	if err == nil && len(owner) == 0 {
		err = wrong("no tensors in weight_map", "some")
	}
	return shards, owner, err
}

// isBase reports whether name is a file in the same folder on every system: no path,
// drive or stream.
func isBase(name string) bool {
	return filepath.IsLocal(name) && name != "." && !strings.ContainsAny(name, `/\:`+"\x00")
}
