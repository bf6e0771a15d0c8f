package gguf

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"unicode/utf8"

	"github.com/winnow-rerank/winnow/internal/fault"
	"github.com/winnow-rerank/winnow/internal/mapfile"
	"github.com/winnow-rerank/winnow/quant"
)

const (
	magic            = "GGUF"
	alignmentKey     = "general.alignment"
	defaultAlignment = 32

	// Limits of a file. Real models have under a hundred keys and some hundred tensors;
	// the limits keep Open's use of memory small for any file.
	maxKeys     = 1 << 16
	maxTensors  = 1 << 16
	maxName     = 1<<16 - 1 // bytes of a key or a tensor's name
	maxNames    = 16 << 20  // bytes of all of these
	maxDims     = 4
	maxDepth    = 8       // of nested arrays
	maxNested   = 1 << 16 // nested arrays
	maxStrings  = 1 << 21 // strings in an array
	leastKey    = 8 + 4 + 1
	leastTensor = 8 + 4 + 8 + 4 + 8
)

// A File is an open GGUF model. It is safe for concurrent use. Tensors stay valid until
// Close; strings and numbers from the metadata are copies and stay valid after it.
type File struct {
	path    string
	parts   []*part
	tensors []quant.Tensor
	owner   []int // for each tensor, the index of its part
	byName  map[string]int
}

// A part is one of a model's files; most models have only one.
type part struct {
	path    string
	file    *mapfile.File
	version uint32
	keys    []string
	values  map[string]value
	tensors []quant.Tensor
}

// Open maps the named file and reads its tables. For a model split into several files,
// path is any of them; Open looks for the others in the same folder.
func Open(path string) (*File, error) {
	parts, err := openParts(path)
	if err != nil {
		return nil, err
	}
	return join(path, parts)
}

// OpenBytes reads the tables of a model in memory, for example an embedded one. path is
// its name in errors. The model must not be a part of a split one; data must not change
// while the File is in use.
func OpenBytes(path string, data []byte) (*File, error) {
	p := &part{path: path, file: new(mapfile.File)}
	if err := p.parse(data); err != nil {
		return nil, err
	}
	if n, err := p.splits(); err != nil {
		return nil, err
	} else if n > 1 {
		return nil, &fault.UnsupportedError{Path: path, What: "part of a split model in memory", Hint: "open it by its path"}
	}
	return join(path, []*part{p})
}

// join combines the parts of a model.
func join(path string, parts []*part) (*File, error) {
	f := &File{path: path, parts: parts, byName: make(map[string]int)}
	for i, p := range parts {
		f.tensors = slices.Grow(f.tensors, len(p.tensors))
		f.owner = slices.Grow(f.owner, len(p.tensors))
		for _, t := range p.tensors {
			if _, twice := f.byName[t.Name]; twice {
				f.Close()
				return nil, &fault.FormatError{Path: p.path, Field: "tensor " + t.Name, Offset: -1, Found: "a duplicate name", Want: "unique names"}
			}
			f.byName[t.Name] = len(f.tensors)
			f.tensors = append(f.tensors, t)
			f.owner = append(f.owner, i)
		}
	}
	return f, nil
}

// Path returns the name that was passed to Open.
func (f *File) Path() string { return f.path }

// Version returns the file's version of the format: 2 or 3.
func (f *File) Version() int { return int(f.parts[0].version) }

// Names returns the names of the tensors in the order of the file.
func (f *File) Names() []string {
	names := make([]string, len(f.tensors))
	for i, t := range f.tensors {
		names[i] = t.Name
	}
	return names
}

// Tensor returns the tensor of that name. Its shape is row-major, outermost dimension
// first, so that the matrix of a linear layer is [out, in]; the file has the reverse
// order. A matrix of one row may be stored as a vector.
func (f *File) Tensor(name string) (quant.Tensor, bool) {
	i, ok := f.byName[name]
	if !ok {
		return quant.Tensor{}, false
	}
	return f.tensors[i], true
}

// Release tells the operating system that a tensor's data will not be read soon, so
// that it no longer counts as the process's memory. It may still be read.
func (f *File) Release(name string) {
	if i, ok := f.byName[name]; ok {
		f.parts[f.owner[i]].file.Release(f.tensors[i].Data)
	}
}

// Close unmaps the files. No tensor's data may be read afterwards.
func (f *File) Close() error { return closeParts(f.parts) }

func closeParts(parts []*part) error {
	var errs []error
	for _, p := range parts {
		errs = append(errs, p.file.Close())
	}
	return errors.Join(errs...)
}

// openPart maps one file and reads its tables.
func openPart(path string) (*part, error) {
	m, err := mapfile.Open(path)
	if err != nil {
		return nil, err
	}
	p := &part{path: path, file: m}
	if err := p.parse(m.Data()); err != nil {
		m.Close()
		return nil, err
	}
	return p, nil
}

// parse reads the tables of a file with content data.
func (p *part) parse(data []byte) error {
	r := &reader{path: p.path, data: data}
	tensors, keys, err := p.header(r)
	if err != nil {
		return err
	}
	if err := p.metadata(r, keys); err != nil {
		return err
	}
	return p.tensorTable(r, tensors)
}

// header reads the magic, the version and the two counts.
func (p *part) header(r *reader) (tensors, keys int, err error) {
	r.field = "header"
	if len(r.data) < len(magic) || !bytes.HasPrefix(r.data, []byte(magic)) {
		found := r.data[:min(len(r.data), len(magic))]
		return 0, 0, &fault.FormatError{Path: p.path, Field: "magic", Offset: 0, Found: fmt.Sprintf("%q", found), Want: fmt.Sprintf("%q", magic)}
	}
	r.pos = len(magic)
	if p.version, err = r.uint32(); err != nil {
		return 0, 0, err
	}
	switch v := p.version; {
	case v == 2 || v == 3:
	case v == 1:
		return 0, 0, &fault.UnsupportedError{Path: p.path, What: "GGUF version 1", Hint: "convert the model again with a current converter"}
	case v&0xffff == 0 && v != 0:
		return 0, 0, &fault.UnsupportedError{Path: p.path, What: fmt.Sprintf("big-endian GGUF (version %d)", bits.ReverseBytes32(v)), Hint: "convert the model in little-endian byte order"}
	default:
		return 0, 0, r.fault(len(magic), fmt.Sprintf("version %d", v), "version 2 or 3")
	}
	if tensors, err = r.count("number of tensors", leastTensor, maxTensors); err != nil {
		return 0, 0, err
	}
	if keys, err = r.count("number of metadata keys", leastKey, maxKeys); err != nil {
		return 0, 0, err
	}
	return tensors, keys, nil
}

// metadata reads the table of keys and values. Values are checked here and decoded on
// request.
func (p *part) metadata(r *reader, n int) error {
	p.values = make(map[string]value, min(n, 64))
	for i := range n {
		r.field = fmt.Sprintf("metadata key %d", i)
		start := r.pos
		name, err := r.name()
		if err != nil {
			return err
		}
		if len(name) == 0 || !utf8.Valid(name) {
			return r.fault(start, fmt.Sprintf("the key %q", name), "text in UTF-8")
		}
		key := string(name)
		if _, twice := p.values[key]; twice {
			return r.fault(start, fmt.Sprintf("the key %q twice", key), "keys that differ")
		}
		r.field = key
		t, err := r.uint32()
		if err != nil {
			return err
		}
		v, err := r.value(valueType(t), 0)
		if err != nil {
			return err
		}
		p.keys = append(p.keys, key)
		p.values[key] = v
	}
	return nil
}

// tensorTable reads the names, shapes, types and offsets, and sets the tensors' data.
func (p *part) tensorTable(r *reader, n int) error {
	alignment, err := p.alignment()
	if err != nil {
		return err
	}
	type place struct {
		field       int // position of the offset in the table
		begin, size uint64
	}
	places := make([]place, n)
	p.tensors = make([]quant.Tensor, n)
	for i := range n {
		r.field = fmt.Sprintf("tensor %d", i)
		start := r.pos
		name, err := r.name()
		if err != nil {
			return err
		}
		if len(name) == 0 || !utf8.Valid(name) {
			return r.fault(start, fmt.Sprintf("the name %q", name), "text in UTF-8")
		}
		t := &p.tensors[i]
		t.Name = string(name)
		r.field = "tensor " + t.Name
		size, err := r.shape(t)
		if err != nil {
			return err
		}
		at := r.pos
		offset, err := r.uint64()
		if err != nil {
			return err
		}
		if offset%uint64(alignment) != 0 {
			return r.fault(at, fmt.Sprintf("data offset %d", offset), fmt.Sprintf("a multiple of the alignment, %d", alignment))
		}
		places[i] = place{at, offset, size}
	}

	// The data begins at the next multiple of the alignment; a file without tensors may end
	// before that.
	var area []byte
	if begin := (uint64(r.pos) + alignment - 1) / alignment * alignment; begin <= uint64(len(r.data)) {
		area = r.data[begin:]
	}
	for i, at := range places {
		t := &p.tensors[i]
		if at.begin > uint64(len(area)) || at.size > uint64(len(area))-at.begin {
			r.field = "tensor " + t.Name
			return r.fault(at.field, fmt.Sprintf("%d bytes of %v data at offset %d", at.size, t.Type, at.begin), fmt.Sprintf("them inside the %d bytes of data", len(area)))
		}
		t.Data = area[at.begin : at.begin+at.size : at.begin+at.size]
	}

	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(places[a].begin, places[b].begin) })
	for k := 1; k < n; k++ {
		a, b := order[k-1], order[k]
		if end := places[a].begin + places[a].size; places[b].begin < end {
			r.field = "tensor " + p.tensors[b].Name
			return r.fault(places[b].field, fmt.Sprintf("data offset %d", places[b].begin),
				fmt.Sprintf("one not before %d, where the data of %s ends", end, p.tensors[a].Name))
		}
	}
	return nil
}

// alignment returns the alignment of the tensors' data.
func (p *part) alignment() (uint64, error) {
	v, ok := p.values[alignmentKey]
	if !ok {
		return defaultAlignment, nil
	}
	n, ok := v.uint()
	if !ok || n == 0 || n&(n-1) != 0 || n > 1<<31 {
		found := v.describe()
		if ok {
			found = fmt.Sprint(n)
		}
		return 0, &fault.FormatError{Path: p.path, Field: alignmentKey, Offset: int64(v.at), Found: found, Want: "a power of two"}
	}
	return n, nil
}

// A reader is a cursor in a file's content.
type reader struct {
	path   string
	field  string // what is being read, for errors
	data   []byte
	pos    int
	names  int // bytes of names read so far
	nested int // nested arrays read so far
}

func (r *reader) fault(at int, found, want string) error {
	return &fault.FormatError{Path: r.path, Field: r.field, Offset: int64(at), Found: found, Want: want}
}

// take returns the next n bytes.
func (r *reader) take(n int) ([]byte, error) {
	if left := len(r.data) - r.pos; n > left {
		return nil, r.fault(r.pos, fmt.Sprintf("the end of the file after %d bytes", left), fmt.Sprintf("%d bytes", n))
	}
	b := r.data[r.pos : r.pos+n : r.pos+n]
	r.pos += n
	return b, nil
}

func (r *reader) uint32() (uint32, error) {
	b, err := r.take(4)
	if err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint32(b), nil
}

func (r *reader) uint64() (uint64, error) {
	b, err := r.take(8)
	if err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint64(b), nil
}

// count reads the number of items that follow, each of at least least bytes, most items
// at most.
func (r *reader) count(what string, least, most int) (int, error) {
	at := r.pos
	n, err := r.uint64()
	if err != nil {
		return 0, err
	}
	if left := len(r.data) - r.pos; n > uint64(left/least) {
		return 0, r.fault(at, fmt.Sprintf("%s %d", what, n), fmt.Sprintf("at most %d, since %d bytes are left", left/least, left))
	}
	if n > uint64(most) {
		return 0, r.fault(at, fmt.Sprintf("%s %d", what, n), fmt.Sprintf("at most %d", most))
	}
	return int(n), nil
}

// text reads a string, as a view into the file.
func (r *reader) text() ([]byte, error) {
	n, err := r.count("length of text", 1, len(r.data))
	if err != nil {
		return nil, err
	}
	return r.take(n)
}

// name reads a key or a tensor's name.
func (r *reader) name() ([]byte, error) {
	at := r.pos
	n, err := r.count("length of name", 1, maxName)
	if err != nil {
		return nil, err
	}
	if r.names += n; r.names > maxNames {
		return nil, r.fault(at, fmt.Sprintf("%d bytes of names so far", r.names), fmt.Sprintf("at most %d", maxNames))
	}
	return r.take(n)
}

// value reads and checks a value that is nested in depth arrays.
func (r *reader) value(t valueType, depth int) (value, error) {
	at := r.pos
	if t >= valueTypes {
		return value{}, r.fault(at, fmt.Sprintf("value type %d", uint32(t)), fmt.Sprintf("one under %d", valueTypes))
	}
	switch t {
	case typeString:
		b, err := r.text()
		return value{kind: t, at: at, data: b}, err
	case typeArray:
		return r.array(depth)
	}
	b, err := r.take(t.size())
	if err == nil && t == typeBool {
		err = r.bools(at, b)
	}
	return value{kind: t, at: at, data: b}, err
}

func (r *reader) bools(at int, b []byte) error {
	for i, x := range b {
		if x > 1 {
			return r.fault(at+i, fmt.Sprintf("a bool of value %d", x), "0 or 1")
		}
	}
	return nil
}

func (r *reader) array(depth int) (value, error) {
	if depth >= maxDepth {
		return value{}, r.fault(r.pos, fmt.Sprintf("arrays nested more than %d deep", depth), fmt.Sprintf("at most %d", maxDepth))
	}
	id, err := r.uint32()
	if err != nil {
		return value{}, err
	}
	elem := valueType(id)
	if elem >= valueTypes {
		return value{}, r.fault(r.pos-4, fmt.Sprintf("array of type %d", id), fmt.Sprintf("one under %d", valueTypes))
	}
	least, most := elem.size(), len(r.data)
	switch elem {
	case typeString:
		least, most = 8, maxStrings
	case typeArray:
		least, most = 4+8, maxNested
	}
	n, err := r.count("length of array", least, most)
	if err != nil {
		return value{}, err
	}
	v := value{kind: typeArray, elem: elem, count: n, at: r.pos}
	switch elem {
	case typeString:
		for range n {
			if _, err := r.text(); err != nil {
				return value{}, err
			}
		}
	case typeArray:
		if r.nested += n; r.nested > maxNested {
			return value{}, r.fault(v.at, fmt.Sprintf("%d arrays in arrays", r.nested), fmt.Sprintf("at most %d", maxNested))
		}
		for range n {
			if _, err := r.array(depth + 1); err != nil {
				return value{}, err
			}
		}
	default:
		b, err := r.take(n * elem.size())
		if err == nil && elem == typeBool {
			err = r.bools(v.at, b)
		}
		if err != nil {
			return value{}, err
		}
	}
	v.data = r.data[v.at:r.pos:r.pos]
	return v, nil
}

// shape reads a tensor's dimensions and type into t. It returns the size of its data in
// bytes.
func (r *reader) shape(t *quant.Tensor) (size uint64, err error) {
	at := r.pos
	n, err := r.uint32()
	if err != nil {
		return 0, err
	}
	if n < 1 || n > maxDims {
		return 0, r.fault(at, fmt.Sprintf("%d dimensions", n), fmt.Sprintf("1 to %d", maxDims))
	}
	t.Shape = make([]int, n)
	length, row := uint64(1), uint64(0)
	for i := range n {
		at = r.pos
		d, err := r.uint64()
		if err != nil {
			return 0, err
		}
		var over uint64
		over, length = bits.Mul64(length, d)
		if d == 0 || over != 0 || length>>48 != 0 {
			return 0, r.fault(at, fmt.Sprintf("dimension %d of %d", i, d), "at least 1, and a tensor of fewer than 2^48 numbers")
		}
		if i == 0 {
			row = d
		}
		t.Shape[n-1-i] = int(d)
	}
	at = r.pos
	id, err := r.uint32()
	if err != nil {
		return 0, err
	}
	var name string
	var ok bool
	if t.Type, name, ok = ggmlTypeOf(id); !ok {
		return 0, &fault.UnsupportedError{Path: r.path, What: fmt.Sprintf("the type of tensor %s, %s,", t.Name, name), Hint: "convert the model to F16, Q8_0, Q4_K or another type that winnow reads"}
	}
	if block := uint64(t.Type.BlockSize()); row%block != 0 {
		return 0, r.fault(at, fmt.Sprintf("rows of %d numbers of type %v", row, t.Type), fmt.Sprintf("a multiple of %d", block))
	}
	return length / uint64(t.Type.BlockSize()) * uint64(t.Type.BlockBytes()), nil
}
