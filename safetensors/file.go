package safetensors

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/winnow-rerank/winnow/internal/fault"
	"github.com/winnow-rerank/winnow/internal/mapfile"
	"github.com/winnow-rerank/winnow/quant"
)

const (
	maxHeader = 100_000_000 // bytes, as in the reference implementation

	// Limits of a table. Real models have some hundred tensors; the limits keep Open's use
	// of memory small for any file.
	maxTensors = 1 << 16
	maxName    = 512 // bytes
	maxDims    = 16

	metadataKey = "__metadata__"
)

// dtypes maps the format's names to types.
var dtypes = map[string]quant.Type{
	"F64": quant.F64, "F32": quant.F32, "F16": quant.F16, "BF16": quant.BF16,
	"I64": quant.I64, "I32": quant.I32, "I16": quant.I16, "I8": quant.I8,
	"U64": quant.U64, "U32": quant.U32, "U16": quant.U16, "U8": quant.U8,
	"BOOL": quant.Bool, "C64": quant.C64, "F4": quant.F4,
	"F6_E2M3": quant.F6_E2M3, "F6_E3M2": quant.F6_E3M2, "F8_E8M0": quant.F8_E8M0,
	"F8_E4M3": quant.F8_E4M3, "F8_E4M3FNUZ": quant.F8_E4M3FNUZ,
	"F8_E5M2": quant.F8_E5M2, "F8_E5M2FNUZ": quant.F8_E5M2FNUZ,
}

// A File is an open model in the safetensors format, of one or several files. It is
// safe for concurrent use. Tensors stay valid until Close; names and metadata stay
// valid after it.
type File struct {
	path    string
	shards  []*shard
	tensors []quant.Tensor
	owner   []int // for each tensor, the index of its shard
	byName  map[string]int
}

// A shard is one file.
type shard struct {
	path     string
	file     *mapfile.File
	metadata []byte // the JSON object of __metadata__, checked; or nil
	tensors  []quant.Tensor
}

// Path returns the name that was passed to Open.
func (f *File) Path() string { return f.path }

// Names returns the names of the tensors in the order of their data.
func (f *File) Names() []string {
	names := make([]string, len(f.tensors))
	for i, t := range f.tensors {
		names[i] = t.Name
	}
	return names
}

// Tensor returns the tensor of that name. Its type may be one that quant.Dequantize
// does not support (see Type.CanDequantize): published models often contain integer
// buffers, which are an error only as weights.
func (f *File) Tensor(name string) (quant.Tensor, bool) {
	i, ok := f.byName[name]
	if !ok {
		return quant.Tensor{}, false
	}
	return f.tensors[i], true
}

// Metadata returns the texts under __metadata__, those of the first file if there are
// several. The caller may change the map.
func (f *File) Metadata() map[string]string {
	m := make(map[string]string)
	if len(f.shards) > 0 && f.shards[0].metadata != nil {
		s := scanner{data: f.shards[0].metadata}
		if err := s.object(func(key []byte) error {
			text, err := s.text(maxHeader)
			m[string(key)] = string(text)
			return err
		}); err != nil {
			panic(err) // cannot happen: Open has read it
		}
	}
	return m
}

// Release tells the operating system that a tensor's data will not be read soon, so
// that it no longer counts as the process's memory. It may still be read.
func (f *File) Release(name string) {
	if i, ok := f.byName[name]; ok {
		f.shards[f.owner[i]].file.Release(f.tensors[i].Data)
	}
}

// Close unmaps the files. Afterwards no tensor's data may be read and Metadata must not
// be called.
func (f *File) Close() error {
	var errs []error
	for _, s := range f.shards {
		errs = append(errs, s.file.Close())
	}
	return errors.Join(errs...)
}

// add adds the tensors of the shard for which keep is true.
func (f *File) add(s *shard, keep func(name string) bool) error {
	f.shards = append(f.shards, s)
	f.tensors = slices.Grow(f.tensors, len(s.tensors))
	f.owner = slices.Grow(f.owner, len(s.tensors))
	for _, t := range s.tensors {
		if !keep(t.Name) {
			continue
		}
		if _, twice := f.byName[t.Name]; twice {
			return &fault.FormatError{Path: s.path, Field: "tensor " + t.Name, Offset: -1, Found: "a duplicate name", Want: "unique names"}
		}
		f.byName[t.Name] = len(f.tensors)
		f.tensors = append(f.tensors, t)
		f.owner = append(f.owner, len(f.shards)-1)
	}
	return nil
}

// openShard maps one file and reads its table.
func openShard(path string) (*shard, error) {
	m, err := mapfile.Open(path)
	if err != nil {
		return nil, err
	}
	s := &shard{path: path, file: m}
	if err := s.parse(m.Data()); err != nil {
		m.Close()
		return nil, err
	}
	return s, nil
}

// parse reads the table of a file with content data.
func (s *shard) parse(data []byte) error {
	const field = "length of header"
	if len(data) < 8 {
		return &fault.FormatError{Path: s.path, Field: field, Offset: 0, Found: fmt.Sprintf("a file of %d bytes", len(data)), Want: "at least 8"}
	}
	n := binary.LittleEndian.Uint64(data)
	switch left := uint64(len(data) - 8); {
	case n > maxHeader:
		return &fault.FormatError{Path: s.path, Field: field, Offset: 0, Found: fmt.Sprint(n), Want: fmt.Sprintf("at most %d", maxHeader)}
	case n > left:
		return &fault.FormatError{Path: s.path, Field: field, Offset: 0, Found: fmt.Sprint(n), Want: fmt.Sprintf("at most the %d bytes that follow", left)}
	}
	header, body := data[8:8+n], data[8+n:]
	if !utf8.Valid(header) {
		return &fault.FormatError{Path: s.path, Field: "header", Offset: 8, Found: "bytes that are not UTF-8", Want: "JSON"}
	}
	if !bytes.HasPrefix(header, []byte("{")) {
		return &fault.FormatError{Path: s.path, Field: "header", Offset: 8, Found: fmt.Sprintf("%.16q", header), Want: "a JSON object, beginning with {"}
	}
	t := table{shard: s, scanner: scanner{data: header}}
	if err := t.read(); err != nil {
		if syntax := (*syntaxError)(nil); errors.As(err, &syntax) {
			return &fault.FormatError{Path: s.path, Field: t.field(), Offset: 8 + int64(syntax.pos), Found: syntax.found, Want: syntax.want}
		}
		return err
	}
	return t.cut(body)
}

// A table is the content of a header.
type table struct {
	scanner
	shard   *shard
	name    string // of the tensor being read
	tensors []entry
}

// An entry is a tensor of the table, with data from begin to end.
type entry struct {
	quant.Tensor
	begin, end uint64
}

func (t *table) field() string {
	if t.name == "" {
		return "header"
	}
	return "tensor " + t.name
}

// fault returns an error at the current position.
func (t *table) fault(found, want string) error {
	return &fault.FormatError{Path: t.shard.path, Field: t.field(), Offset: 8 + int64(t.pos), Found: found, Want: want}
}

// read reads the header.
func (t *table) read() error {
	err := t.object(func(key []byte) error {
		if len(key) > maxName {
			return t.fault(fmt.Sprintf("a name of %d bytes", len(key)), fmt.Sprintf("at most %d", maxName))
		}
		if len(t.tensors) == maxTensors {
			return t.fault(fmt.Sprintf("more than %d tensors", maxTensors), "fewer")
		}
		name := string(key)
		if name == metadataKey {
			if t.shard.metadata != nil {
				return t.fault(name+" twice", "it once")
			}
			t.space()
			begin := t.pos
			err := t.object(func([]byte) error {
				_, _, err := t.raw()
				return err
			})
			t.shard.metadata = t.data[begin:t.pos]
			return err
		}
		t.name = name
		err := t.entry()
		if err == nil {
			t.name = ""
		}
		return err
	})
	if err != nil {
		return err
	}
	return t.end()
}

// entryKeys are the required keys of a tensor.
var entryKeys = [...]string{"dtype", "shape", "data_offsets"}

// entry reads one tensor of the table.
func (t *table) entry() error {
	e := entry{Tensor: quant.Tensor{Name: t.name}}
	var dtype string
	var offsets []uint64
	var seen [len(entryKeys)]bool
	err := t.object(func(key []byte) error {
		for i, k := range entryKeys {
			if string(key) == k {
				if seen[i] {
					return t.fault(k+" twice", "it once")
				}
				seen[i] = true
			}
		}
		switch string(key) {
		case "dtype":
			b, err := t.text(maxName)
			dtype = string(b)
			return err
		case "shape":
			var shape [maxDims]int
			n := 0
			err := t.array(func() error {
				d, err := t.integer()
				if err != nil {
					return err
				}
				if n == maxDims {
					return t.fault(fmt.Sprintf("more than %d dimensions", maxDims), "fewer")
				}
				if most := min(48, strconv.IntSize-1); d>>most != 0 {
					return t.fault(fmt.Sprintf("a dimension of %d", d), fmt.Sprintf("less than 2^%d", most))
				}
				shape[n] = int(d)
				n++
				return nil
			})
			e.Shape = append(make([]int, 0, n), shape[:n]...)
			return err
		case "data_offsets":
			err := t.array(func() error {
				o, err := t.integer()
				if err == nil && len(offsets) == 2 {
					err = t.fault("data_offsets of more than two numbers", "[begin, end]")
				}
				offsets = append(offsets, o)
				return err
			})
			if err == nil && len(offsets) != 2 {
				err = t.fault(fmt.Sprintf("data_offsets of %d numbers", len(offsets)), "[begin, end]")
			}
			return err
		}
		return t.skip(0)
	})
	if err != nil {
		return err
	}
	for i, k := range entryKeys {
		if !seen[i] {
			return t.fault("no "+k, strings.Join(entryKeys[:], ", "))
		}
	}
	var ok bool
	if e.Type, ok = dtypes[dtype]; !ok {
		return t.fault(fmt.Sprintf("dtype %.32q", dtype), "one of "+strings.Join(slices.Sorted(maps.Keys(dtypes)), ", "))
	}
	e.begin, e.end = offsets[0], offsets[1]
	if e.begin > e.end {
		return t.fault(fmt.Sprintf("data_offsets [%d, %d]", e.begin, e.end), "the first not past the second")
	}
	size, ok := sizeOf(e.Type, e.Shape)
	if !ok {
		return t.fault(fmt.Sprintf("shape %v of %v", e.Shape, e.Type), "one whose size in bytes is whole and fits in 64 bits")
	}
	if size != e.end-e.begin {
		return t.fault(fmt.Sprintf("%d bytes of data", e.end-e.begin), fmt.Sprintf("%d, as the shape %v of %v needs", size, e.Shape, e.Type))
	}
	t.tensors = append(t.tensors, e)
	return nil
}

// sizeOf returns the size of a tensor in bytes; ok is false if it is not whole or
// overflows.
func sizeOf(dtype quant.Type, shape []int) (size uint64, ok bool) {
	n := uint64(1)
	for _, d := range shape {
		var over uint64
		if over, n = bits.Mul64(n, uint64(d)); over != 0 {
			return 0, false
		}
	}
	block := uint64(dtype.BlockSize())
	over, size := bits.Mul64(n/block, uint64(dtype.BlockBytes()))
	return size, over == 0 && n%block == 0
}

// cut sets the data of each tensor. The tensors must cover body without gaps or overlaps.
func (t *table) cut(body []byte) error {
	slices.SortStableFunc(t.tensors, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.begin, b.begin), cmp.Compare(a.end, b.end))
	})
	t.shard.tensors = make([]quant.Tensor, len(t.tensors))
	fault := func(found, want string) error {
		return &fault.FormatError{Path: t.shard.path, Field: t.field(), Offset: -1, Found: found, Want: want}
	}
	var used uint64
	for i, e := range t.tensors {
		t.name = e.Name
		if e.begin != used {
			return fault(fmt.Sprintf("data_offsets [%d, %d]", e.begin, e.end), fmt.Sprintf("data from %d on, where the tensor before it ends", used))
		}
		if e.end > uint64(len(body)) {
			return fault(fmt.Sprintf("data_offsets [%d, %d]", e.begin, e.end), fmt.Sprintf("at most the %d bytes of data that the file has", len(body)))
		}
		used = e.end
		e.Data = body[e.begin:e.end:e.end]
		t.shard.tensors[i] = e.Tensor
	}
	if used != uint64(len(body)) {
		t.name = ""
		return fault(fmt.Sprintf("%d bytes of data", len(body)), fmt.Sprintf("%d, where the last tensor ends", used))
	}
	return nil
}
