package safetensors

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-rerank/winnow/internal/fault"
	"github.com/winnow-rerank/winnow/internal/mapfile"
	"github.com/winnow-rerank/winnow/quant"
)

// file is a file with this header and so many bytes of data, which count up.
func file(header string, data int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	b = append(b, header...)
	for i := range data {
		b = append(b, byte(i))
	}
	return b
}

// save writes files, given as names and contents, into a new folder.
func save(t testing.TB, files ...any) string {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i < len(files); i += 2 {
		var data []byte
		switch x := files[i+1].(type) {
		case string:
			data = []byte(x)
		case []byte:
			data = x
		}
		if err := os.WriteFile(filepath.Join(dir, files[i].(string)), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func open(t testing.TB, path string) *File {
	t.Helper()
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

func TestOpen(t *testing.T) {
	const header = ` {"__metadata__":{"format":"pt","note":"\u00e9\n\"x\""},
		"b" : {"data_offsets":[8,14], "shape":[3], "dtype":"F16"},
		"caf\u00e9":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8],"extra":{"more":[1,2.5,null,{}]}},
		"scalar":{"dtype":"U8","shape":[],"data_offsets":[14,15]},
		"none":{"dtype":"I64","shape":[0,7],"data_offsets":[15,15]},
		"f4":{"dtype":"F4","shape":[2,3],"data_offsets":[15,18]}}   `
	dir := save(t, "model.safetensors", file(header[1:], 18))
	for _, path := range []string{dir, filepath.Join(dir, "model.safetensors")} {
		f := open(t, path)
		if f.Path() != path {
			t.Errorf("the path is %s, want %s", f.Path(), path)
		}
		if d := cmp.Diff([]string{"café", "b", "scalar", "none", "f4"}, f.Names()); d != "" {
			t.Error(d)
		}
		if d := cmp.Diff(map[string]string{"format": "pt", "note": "é\n\"x\""}, f.Metadata()); d != "" {
			t.Error(d)
		}
		for _, want := range []quant.Tensor{
			{Name: "café", Type: quant.F32, Shape: []int{1, 2}, Data: []byte{0, 1, 2, 3, 4, 5, 6, 7}},
			{Name: "b", Type: quant.F16, Shape: []int{3}, Data: []byte{8, 9, 10, 11, 12, 13}},
			{Name: "scalar", Type: quant.U8, Shape: []int{}, Data: []byte{14}},
			{Name: "none", Type: quant.I64, Shape: []int{0, 7}, Data: []byte{}},
			{Name: "f4", Type: quant.F4, Shape: []int{2, 3}, Data: []byte{15, 16, 17}},
		} {
			f.Release(want.Name)
			got, ok := f.Tensor(want.Name)
			if d := cmp.Diff(want, got); d != "" || !ok {
				t.Errorf("%s, %v (-want +got):\n%s", want.Name, ok, d)
			}
		}
		if _, ok := f.Tensor("nothing"); ok {
			t.Error("found a tensor that is not there")
		}
		f.Release("nothing")
		// Types that hold no weights are there, and refused by name when used.
		x, _ := f.Tensor("f4")
		if err := quant.Dequantize(make([]float32, 6), x.Type, x.Data); !errors.Is(err, fault.ErrUnsupported) || !strings.Contains(err.Error(), "F4") {
			t.Errorf("numbers of type F4: %v", err)
		}
	}
	for range 3 {
		f := open(t, dir)
		for range 3 {
			if err := f.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	if m := open(t, save(t, "model.safetensors", file(`{}`, 0))).Metadata(); len(m) != 0 {
		t.Errorf("metadata %v in an empty file", m)
	}
}

func TestBadFiles(t *testing.T) {
	one := func(entry string) string { return `{"w":` + entry + `}` }
	for _, c := range []struct {
		name string
		data []byte
		want string // in the error; "" where the file is right
	}{
		{"right", file(one(`{"dtype":"F32","shape":[2],"data_offsets":[0,8]}`), 8), ""},
		{"no bytes", nil, "length of header (at byte 0): found a file of 0 bytes, expected at least 8"},
		{"seven bytes", make([]byte, 7), "found a file of 7 bytes"},
		{"length 0", make([]byte, 8), `header (at byte 8): found ""`},
		{"length past the end", file("{}", 0)[:9], "found 2, expected at most the 1 bytes that follow"},
		{"length wraps", bytes.Repeat([]byte{255}, 16), "found 18446744073709551615, expected at most 100000000"},
		{"space first", file(` {}`, 0), "beginning with {"},
		{"not UTF-8", file("{\"\xff\":1}", 0), "found bytes that are not UTF-8"},
		{"not JSON", file(`{w}`, 0), `header (at byte 9): found 'w', expected a string`},
		{"not closed", file(`{"w":`, 0), `tensor w (at byte 13): found the end, expected '{'`},
		{"more after it", file(`{}{`, 0), `header (at byte 10): found '{', expected the end`},
		{"no comma", file(`{"a":{"dtype":"U8" "shape":[0]}}`, 0), `tensor a (at byte 27): found '"', expected ','`},
		{"comma last", file(`{"__metadata__":{"a":"b",}}`, 0), `header (at byte 33): found '}', expected a string`},
		{"text not closed", file(`{"abc`, 0), "found the end, expected the end of a string"},
		{"control character", file("{\"a\nb\":1}", 0), "expected a string without control characters"},
		{"bad escape", file(`{"a\x":1}`, 0), `header (at byte 11): found '\\', expected a JSON escape`},
		{"short escape", file(`{"__metadata__":{"a":"\u12"}}`, 0), "expected a JSON escape"},
		{"metadata a list", file(`{"__metadata__":["a"]}`, 0), `found '[', expected '{'`},
		{"metadata of numbers", file(`{"__metadata__":{"a":1}}`, 0), `found '1', expected a string`},
		{"metadata twice", file(`{"__metadata__":{},"__metadata__":{}}`, 0), `found __metadata__ twice`},
		{"name twice", file(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"\u0061":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}`, 2), "tensor a: found a duplicate name"},
		{"long name", file(`{"`+strings.Repeat("n", 513)+`":{}}`, 0), "found a name of 513 bytes, expected at most 512"},

		{"no dtype", file(one(`{"shape":[1],"data_offsets":[0,1]}`), 1), "tensor w (at byte 47): found no dtype, expected dtype, shape, data_offsets"},
		{"no shape", file(one(`{"dtype":"U8","data_offsets":[0,1]}`), 1), "found no shape"},
		{"no offsets", file(one(`{"dtype":"U8","shape":[1]}`), 1), "found no data_offsets"},
		{"dtype twice", file(one(`{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}`), 1), "found dtype twice"},
		{"dtype F7", file(one(`{"dtype":"F7","shape":[1],"data_offsets":[0,1]}`), 1), `found dtype "F7", expected one of BF16, BOOL,`},
		{"dtype a number", file(one(`{"dtype":7,"shape":[1],"data_offsets":[0,1]}`), 1), "found '7', expected a string"},
		{"shape a text", file(one(`{"dtype":"U8","shape":"1","data_offsets":[0,1]}`), 1), `found '"', expected '['`},
		{"shape negative", file(one(`{"dtype":"U8","shape":[-1,-1],"data_offsets":[0,1]}`), 1), "found '-', expected a non-negative whole number"},
		{"shape a fraction", file(one(`{"dtype":"U8","shape":[1.0],"data_offsets":[0,1]}`), 1), "found '.', expected a whole number"},
		{"shape with exponent", file(one(`{"dtype":"U8","shape":[1e0],"data_offsets":[0,1]}`), 1), "found 'e', expected a whole number"},
		{"leading zero", file(one(`{"dtype":"U8","shape":[01],"data_offsets":[0,1]}`), 1), "found a number with a leading 0"},
		{"shape overflows", file(one(`{"dtype":"F32","shape":[2147483647,2147483647,2147483647],"data_offsets":[0,0]}`), 0), "whose size in bytes is whole and fits in 64 bits"},
		{"bytes overflow", file(one(`{"dtype":"F64","shape":[1073741824,2147483647,2],"data_offsets":[0,0]}`), 0), "whose size in bytes is whole and fits in 64 bits"},
		{"dimension too large", file(one(`{"dtype":"U8","shape":[281474976710656],"data_offsets":[0,0]}`), 0), "found a dimension of 281474976710656, expected less than 2^" + strconv.Itoa(min(48, strconv.IntSize-1))},
		{"number too large", file(one(`{"dtype":"U8","shape":[18446744073709551616],"data_offsets":[0,0]}`), 0), "found a number of more than 64 bits"},
		{"17 dimensions", file(one(`{"dtype":"U8","shape":[1`+strings.Repeat(",1", 16)+`],"data_offsets":[0,1]}`), 1), "found more than 16 dimensions"},
		{"half a byte", file(one(`{"dtype":"F4","shape":[3],"data_offsets":[0,1]}`), 1), "whose size in bytes is whole"},
		{"one offset", file(one(`{"dtype":"U8","shape":[1],"data_offsets":[0]}`), 1), "found data_offsets of 1 numbers"},
		{"three offsets", file(one(`{"dtype":"U8","shape":[1],"data_offsets":[0,1,1]}`), 1), "found data_offsets of more than two numbers"},
		{"offsets reversed", file(one(`{"dtype":"U8","shape":[1],"data_offsets":[1,0]}`), 1), "found data_offsets [1, 0], expected the first not past the second"},
		{"size differs", file(one(`{"dtype":"F16","shape":[3],"data_offsets":[0,12]}`), 12), "found 12 bytes of data, expected 6, as the shape [3] of F16 needs"},
		{"past the end", file(one(`{"dtype":"U8","shape":[9],"data_offsets":[0,9]}`), 8), "found data_offsets [0, 9], expected at most the 8 bytes"},
		{"near 2^64", file(one(`{"dtype":"U8","shape":[1],"data_offsets":[18446744073709551614,18446744073709551615]}`), 8), "expected data from 0 on"},
		{"hole", file(one(`{"dtype":"U8","shape":[1],"data_offsets":[1,2]}`), 2), "found data_offsets [1, 2], expected data from 0 on, where the tensor before it ends"},
		{"overlap", file(`{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}`, 3), "tensor b: found data_offsets [1, 3], expected data from 2 on"},
		{"bytes after", file(one(`{"dtype":"U8","shape":[1],"data_offsets":[0,1]}`), 2), "found 2 bytes of data, expected 1, where the last tensor ends"},
		{"deep list", file(one(strings.Repeat("[", 20000)), 0), `tensor w (at byte 13): found '[', expected '{'`},
		{"deep extra", file(one(`{"x":`+strings.Repeat("[", 20000)), 0), "found JSON nested more than 64 deep"},
		{"extra not JSON", file(one(`{"x":nul}`), 0), "found 'n', expected a JSON value"},
		{"extra of nothing", file(one(`{"x":}`), 0), "found '}', expected a JSON value"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(save(t, "model.safetensors", c.data), "model.safetensors")
			f, err := Open(path)
			if err == nil {
				f.Close()
			}
			switch {
			case c.want == "" && err != nil:
				t.Fatal(err)
			case c.want == "":
			case err == nil:
				t.Fatalf("no error, want %s", c.want)
			case !errors.Is(err, fault.ErrFormat):
				t.Errorf("%v (%T) is not of the kind", err, err)
			case !strings.HasPrefix(err.Error(), path+": "):
				t.Errorf("%v does not begin with the file's name", err)
			case !strings.Contains(err.Error(), c.want):
				t.Errorf("%v\ndoes not say %s", err, c.want)
			}
		})
	}
}

// tensor is a file with one tensor of n bytes.
func tensor(name string, n int) []byte {
	return file(fmt.Sprintf(`{"%s":{"dtype":"U8","shape":[%d],"data_offsets":[0,%d]}}`, name, n, n), n)
}

func TestShards(t *testing.T) {
	dir := save(t,
		indexName, `{"metadata":{"total_size":5,"x":[{}]},"weight_map":{"a":"2.safetensors","b":"1.safetensors"}}`,
		"1.safetensors", file(`{"__metadata__":{"format":"second"},"b":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"a":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}}`, 3),
		"2.safetensors", file(`{"__metadata__":{"format":"first"},"unlisted":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}`, 2),
	)
	for _, path := range []string{dir, filepath.Join(dir, indexName)} {
		f := open(t, path)
		if d := cmp.Diff([]string{"a", "b"}, f.Names()); d != "" {
			t.Error(d)
		}
		for name, want := range map[string][]byte{"a": {1}, "b": {0, 1}} {
			f.Release(name)
			if x, ok := f.Tensor(name); !ok || !bytes.Equal(x.Data, want) {
				t.Errorf("%s is %v, %v, want %v", name, x.Data, ok, want)
			}
		}
		if got := f.Metadata()["format"]; got != "first" {
			t.Errorf("the metadata are the %s file's", got)
		}
	}
}

func TestBadIndexes(t *testing.T) {
	list := func(weights string) string { return `{"weight_map":{` + weights + `}}` }
	for _, c := range []struct{ name, index, want string }{
		{"right", list(`"a":"1.safetensors"`), ""},
		{"empty", ``, "index (at byte 0): found the end, expected '{'"},
		{"a list", `[]`, "found '[', expected '{'"},
		{"no weight_map", `{"metadata":{}}`, "index: found no tensors in weight_map"},
		{"weight_map a list", `{"weight_map":["a"]}`, "weight_map (at byte 14): found '[', expected '{'"},
		{"weight_map empty", list(``), "found no tensors in weight_map"},
		{"weight_map twice", `{"weight_map":{"a":"1.safetensors"},"weight_map":{"a":"1.safetensors"}}`, "found weight_map twice"},
		{"more after it", list(`"a":"1.safetensors"`) + "x", "found 'x', expected the end"},
		{"deep", `{"metadata":` + strings.Repeat("[", 20000), "found JSON nested more than 64 deep"},
		{"name twice", list(`"a":"1.safetensors","a":"1.safetensors"`), `found the name "a" twice`},
		{"a number", list(`"a":1`), "found '1', expected a string"},
		{"missing file", list(`"a":"1.safetensors","b":"3.safetensors"`), "weight_map: found 3.safetensors, which does not exist, expected a file next to the index"},
		{"not in it", list(`"a":"1.safetensors","z":"1.safetensors","y":"1.safetensors"`), "found no tensor y in 1.safetensors (and 1 more)"},
		{"long name", list(`"` + strings.Repeat("n", 513) + `":"1.safetensors"`), "found a name of 513 bytes"},
		{"parent", list(`"a":"../1.safetensors"`), `found the file "../1.safetensors" for a, expected the name of a .safetensors file next to the index`},
		{"folder", list(`"a":"sub/1.safetensors"`), `found the file "sub/1.safetensors"`},
		{"absolute", list(`"a":"/tmp/1.safetensors"`), `found the file "/tmp/1.safetensors"`},
		{"backslash", list(`"a":"..\\1.safetensors"`), `found the file "..\\1.safetensors"`},
		{"drive", list(`"a":"C:1.safetensors"`), `found the file "C:1.safetensors"`},
		{"itself", list(`"a":"model.safetensors.index.json"`), `found the file "model.safetensors.index.json"`},
		{"no name", list(`"a":""`), `found the file ""`},
		{"a folder", list(`"a":"d.safetensors"`), "is a directory"},
		{"damaged", list(`"a":"2.safetensors"`), "2.safetensors: length of header"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := save(t, indexName, c.index, "1.safetensors", tensor("a", 1), "2.safetensors", "short")
			if err := os.Mkdir(filepath.Join(dir, "d.safetensors"), 0o755); err != nil {
				t.Fatal(err)
			}
			f, err := Open(dir)
			if err == nil {
				f.Close()
			}
			if c.want == "" && err == nil {
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), dir) {
				t.Errorf("%v\ndoes not say %s", err, c.want)
			}
		})
	}
}

func TestFolders(t *testing.T) {
	if _, err := Open(filepath.Join(t.TempDir(), "no")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a folder that is not there: %v", err)
	}
	if _, err := Open(t.TempDir()); !errors.Is(err, fault.ErrFormat) || !strings.Contains(err.Error(), "found no weights, expected model.safetensors or model.safetensors.index.json") {
		t.Errorf("an empty folder: %v", err)
	}
	if _, err := Open(save(t, "pytorch_model.bin", "x")); !errors.Is(err, fault.ErrUnsupported) || !strings.Contains(err.Error(), "pytorch_model.bin is not supported: save the model with safetensors") {
		t.Errorf("a checkpoint of pickles: %v", err)
	}
}

// TestMemory opens files that are as full as the bounds allow, or fuller. What
// is taken from the heap, all in all, must stay under 64 MB above their size.
func TestMemory(t *testing.T) {
	var full, index strings.Builder
	full.WriteByte('{')
	index.WriteString(`{"weight_map":{`)
	for i := range maxTensors {
		if i > 0 {
			full.WriteByte(',')
			index.WriteByte(',')
		}
		fmt.Fprintf(&full, `"%0200d":{"dtype":"U8","shape":[1,1,1,1],"data_offsets":[%d,%d]}`, i, i, i+1)
		fmt.Fprintf(&index, `"%0200d":"1.safetensors"`, i)
	}
	full.WriteByte('}')
	index.WriteString("}}")
	for _, c := range []struct {
		name  string
		files []any
		bad   bool
	}{
		{"tensors", []any{"model.safetensors", file(full.String(), maxTensors)}, false},
		{"index", []any{indexName, index.String(), "1.safetensors", file(full.String(), maxTensors)}, false},
		{"names", []any{"model.safetensors", file(`{"`+strings.Repeat("n", 40<<20), 0)}, true},
		{"escapes", []any{"model.safetensors", file(`{"__metadata__":{"a":"`+strings.Repeat(`\u0000`, 5<<20)+`"}}`, 0)}, false},
		{"numbers", []any{"model.safetensors", file(`{"a":{"shape":[`+strings.Repeat(`1,`, 10<<20), 0)}, true},
		{"deep", []any{"model.safetensors", file(`{"a":{"x":`+strings.Repeat(`{"":`, 10<<20), 0)}, true},
	} {
		dir := save(t, c.files...)
		size := 0
		for i := 1; i < len(c.files); i += 2 {
			size += length(c.files[i])
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f, err := Open(dir)
		runtime.ReadMemStats(&after)
		if (err != nil) != c.bad {
			t.Errorf("%s: %v", c.name, err)
		}
		if err == nil {
			f.Close()
		}
		used := after.TotalAlloc - before.TotalAlloc
		t.Logf("%s: %d bytes of files take %d", c.name, size, used)
		if used > uint64(size)+64<<20 {
			t.Errorf("%s: %d bytes of files take %d", c.name, size, used)
		}
	}
}

func length(x any) int {
	if s, ok := x.(string); ok {
		return len(s)
	}
	return len(x.([]byte))
}

// reference reads a header with encoding/json, which knows nothing of this
// package's scanner.
func reference(header []byte) (map[string]struct {
	DType   string   `json:"dtype"`
	Shape   []uint64 `json:"shape"`
	Offsets []uint64 `json:"data_offsets"`
}, error) {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(header, &all); err != nil {
		return nil, err
	}
	delete(all, metadataKey)
	b, err := json.Marshal(all)
	if err != nil {
		return nil, err
	}
	var m map[string]struct {
		DType   string   `json:"dtype"`
		Shape   []uint64 `json:"shape"`
		Offsets []uint64 `json:"data_offsets"`
	}
	return m, json.Unmarshal(b, &m)
}

// FuzzParse reads anything as a file; what is accepted must be what the general
// parser of JSON finds there, and cover the data.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"__metadata__":{"format":"pt"},"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`), 8)
	f.Add([]byte(`{"a":{"dtype":"U8","shape":[],"data_offsets":[0,1],"x":[{"y":1e5}]},"\u0062":{"dtype":"F4","shape":[2,2],"data_offsets":[1,3]}} `), 3)
	f.Add([]byte(`{"a":{"dtype":"BF16","shape":[0],"data_offsets":[0,0]}}`), 0)
	f.Add([]byte(`{}`), 0)
	f.Add([]byte(`{"a":[[[[`), 0)
	f.Fuzz(func(t *testing.T, header []byte, n int) {
		if n < 0 || n > 1<<12 {
			return
		}
		s := &shard{path: "fuzz", file: new(mapfile.File)}
		m := &File{byName: make(map[string]int)}
		err := s.parse(file(string(header), n))
		if err == nil {
			err = m.add(s, func(string) bool { return true })
		}
		if err != nil {
			if !errors.Is(err, fault.ErrFormat) {
				t.Fatalf("%v (%T) is not of the kind", err, err)
			}
			return
		}
		want, err := reference(header)
		if err != nil || len(want) != len(s.tensors) {
			t.Fatalf("%d tensors; the general parser finds %d, %v", len(s.tensors), len(want), err)
		}
		covered := 0
		for _, x := range s.tensors {
			w := want[x.Name]
			if w.DType != x.Type.String() || len(w.Shape) != len(x.Shape) || w.Offsets[1]-w.Offsets[0] != uint64(len(x.Data)) {
				t.Fatalf("%s: %v of %v, %d bytes; want %v", x.Name, x.Type, x.Shape, len(x.Data), w)
			}
			for i, d := range x.Shape {
				if w.Shape[i] != uint64(d) {
					t.Fatalf("%s: shape %v, want %v", x.Name, x.Shape, w.Shape)
				}
			}
			covered += len(x.Data)
		}
		if covered != n {
			t.Fatalf("tensors have %d of %d bytes", covered, n)
		}
		m.Metadata()
	})
}

// FuzzIndex reads anything as an index: no file outside the folder may come of it.
func FuzzIndex(f *testing.F) {
	f.Add([]byte(`{"metadata":{"total_size":1},"weight_map":{"a":"model-00001-of-00002.safetensors","b":"x.safetensors"}}`))
	f.Add([]byte(`{"weight_map":{"a":"../x.safetensors"}}`))
	f.Add([]byte(`{"weight_map":{"a":"\u002e\u002e\u002fx.safetensors"}}`))
	f.Add([]byte(`{"weight_map":[]}`))
	path := filepath.Join(f.TempDir(), indexName)
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		shards, owner, err := readIndex(path)
		if err != nil {
			return
		}
		for _, s := range shards {
			if filepath.Base(s) != s || !strings.HasSuffix(s, suffix) || strings.ContainsAny(s, "/\\") {
				t.Fatalf("the file %q was accepted", s)
			}
		}
		for name, i := range owner {
			if i < 0 || i >= len(shards) {
				t.Fatalf("%q is in file %d of %d", name, i, len(shards))
			}
		}
	})
}

func TestScannerNumbers(t *testing.T) {
	for text, want := range map[string]uint64{"0": 0, "7 ": 7, " 42,": 42, "18446744073709551615]": math.MaxUint64} {
		s := scanner{data: []byte(text)}
		if got, err := s.integer(); err != nil || got != want {
			t.Errorf("%q is read as %d, %v", text, got, err)
		}
	}
}
