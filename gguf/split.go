package gguf

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"

	"github.com/winnow-rerank/winnow/internal/fault"
)

// The keys of split models.
const (
	splitNumber  = "split.no"
	splitCount   = "split.count"
	splitTensors = "split.tensors.count"
)

var splitName = regexp.MustCompile(`^(.*)-(\d{5})-of-(\d{5})\.gguf$`)

// openParts opens the named file and, if it is a part of a split model, all parts. The
// first has the model's metadata.
func openParts(path string) ([]*part, error) {
	p, err := openPart(path)
	if err != nil {
		return nil, err
	}
	n, err := p.splits()
	if err != nil {
		p.file.Close()
		return nil, err
	}
	if n == 1 {
		return []*part{p}, nil
	}
	p.file.Close() // opened again below

	dir, base := filepath.Split(path)
	m := splitName.FindStringSubmatch(base)
	if m == nil {
		return nil, &fault.FormatError{Path: path, Field: splitCount, Offset: -1, Found: fmt.Sprintf("a model of %d files in a file with this name", n), Want: "a name ending in -00001-of-00002.gguf or similar, to locate the other parts"}
	}
	if of, err := strconv.Atoi(m[3]); err != nil || of != n {
		return nil, &fault.FormatError{Path: path, Field: splitCount, Offset: -1, Found: strconv.Itoa(n), Want: fmt.Sprintf("%s, as the file's name says", m[3])}
	}
	var parts []*part
	fail := func(err error) ([]*part, error) {
		closeParts(parts)
		return nil, err
	}
	total := 0
	for i := range n {
		name := dir + fmt.Sprintf("%s-%05d-of-%05d.gguf", m[1], i+1, n)
		p, err := openPart(name)
		if errors.Is(err, fs.ErrNotExist) {
			err = &fault.FormatError{Path: name, Field: fmt.Sprintf("part %d of %d", i+1, n), Offset: -1, Found: "no such file", Want: "all parts of the model in one folder"}
		}
		if err != nil {
			return fail(err)
		}
		parts = append(parts, p)
		total += len(p.tensors)
		if of, err := p.splits(); err != nil {
			return fail(err)
		} else if of != n {
			return fail(p.expect(splitCount, n))
		}
		if err := p.expect(splitNumber, i); err != nil {
			return fail(err)
		}
	}
	for _, p := range parts {
		if _, ok := p.values[splitTensors]; !ok {
			continue
		}
		if err := p.expect(splitTensors, total); err != nil {
			return fail(err)
		}
	}
	return parts, nil
}

// splits returns the number of files of the model according to this one.
func (p *part) splits() (int, error) {
	v, ok := p.values[splitCount]
	if !ok {
		return 1, nil
	}
	n, ok := v.uint()
	if !ok || n < 1 || n > 99999 {
		found := v.describe()
		if ok {
			found = strconv.FormatUint(n, 10)
		}
		return 0, &fault.FormatError{Path: p.path, Field: splitCount, Offset: int64(v.at), Found: found, Want: "a number of files from 1 to 99999"}
	}
	return int(n), nil
}

// expect returns an error if the value of key is not want.
func (p *part) expect(key string, want int) error {
	wrong := &fault.FormatError{Path: p.path, Field: key, Offset: -1, Found: "no such key", Want: strconv.Itoa(want)}
	v, ok := p.values[key]
	if !ok {
		return wrong
	}
	wrong.Offset = int64(v.at)
	n, ok := v.uint()
	switch {
	case !ok:
		wrong.Found = v.describe()
	case n != uint64(want):
		wrong.Found = strconv.FormatUint(n, 10)
	default:
		return nil
	}
	return wrong
}
