package checkpoint

import (
	"errors"
	"io/fs"
	"strings"

	"github.com/winnow-rerank/winnow/internal/fault"
	"github.com/winnow-rerank/winnow/quant"
	"github.com/winnow-rerank/winnow/safetensors"
)

// joined is a model's file together with its modules' files, whose tensors have a
// prefix.
type joined struct {
	source
	modules []joinedModule
	aliases map[string]string // names in the file, by alias
}

type joinedModule struct {
	prefix string
	file   *safetensors.File
}

// joined makes f's source one that others can be joined to.
func (f *File) joined() *joined {
	j, ok := f.source.(*joined)
	if !ok {
		j = &joined{source: f.source, aliases: make(map[string]string)}
		f.source = j
	}
	return j
}

// Join opens the weights in a folder and adds them with the prefix.
func (f *File) Join(dir, prefix string) error {
	file, err := safetensors.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return &fault.FormatError{Path: dir, Offset: -1, Found: "no such directory", Want: "a module's weights"}
	}
	if err != nil {
		return err
	}
	j := f.joined()
	j.modules = append(j.modules, joinedModule{prefix, file})
	return nil
}

// Alias renames a layer's weight and bias.
func (f *File) Alias(old, name string) {
	for _, end := range []string{".weight", ".bias"} {
		f.AliasTensor(old+end, name+end)
	}
}

// AliasTensor renames a tensor, if the file has it.
func (f *File) AliasTensor(old, name string) {
	if j := f.joined(); j.has(old) {
		j.aliases[name] = old
	}
}

func (j *joined) has(name string) bool {
	_, ok := j.Tensor(name)
	return ok
}

func (j *joined) Names() []string {
	hidden := make(map[string]bool)
	var names []string
	for name, old := range j.aliases {
		hidden[old] = true
		names = append(names, name)
	}
	add := func(name string) {
		if !hidden[name] {
			names = append(names, name)
		}
	}
	for _, name := range j.source.Names() {
		add(name)
	}
	for _, p := range j.modules {
		for _, name := range p.file.Names() {
			add(p.prefix + name)
		}
	}
	return names
}

// find returns a tensor's source and its name there.
func (j *joined) find(name string) (source, string) {
	if old, ok := j.aliases[name]; ok {
		name = old
	}
	for _, p := range j.modules {
		if rest, ok := strings.CutPrefix(name, p.prefix); ok {
			return p.file, rest
		}
	}
	return j.source, name
}

func (j *joined) Tensor(name string) (quant.Tensor, bool) {
	from, inner := j.find(name)
	t, ok := from.Tensor(inner)
	t.Name = name
	return t, ok
}

func (j *joined) Release(name string) {
	from, inner := j.find(name)
	from.Release(inner)
}

func (j *joined) Close() error {
	errs := []error{j.source.Close()}
	for _, p := range j.modules {
		errs = append(errs, p.file.Close())
	}
	return errors.Join(errs...)
}
