package gguf

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-rerank/winnow/internal/fault"
	"github.com/winnow-rerank/winnow/quant"
)

// everything is metadata of every type, and small tensors of some.
func everything() ([]KV, []Source) {
	metadata := []KV{
		{"general.architecture", "bert"},
		{"u8", uint8(200)}, {"i8", int8(-100)}, {"u16", uint16(60000)}, {"i16", int16(-30000)},
		{"u32", uint32(4e9)}, {"i32", int32(-2e9)}, {"u64", uint64(math.MaxUint64)}, {"i64", int64(math.MinInt64)},
		{"f32", float32(0.1)}, {"f64", 0.1}, {"yes", true}, {"no", false},
		{"text", "¿qué?\x00"}, {"empty", ""},
		{"u8s", []uint8{0, 255}}, {"i8s", []int8{-128, 127}}, {"u16s", []uint16{1, 65535}}, {"i16s", []int16{-1}},
		{"u32s", []uint32{1, math.MaxUint32}}, {"i32s", []int32{-1, 7}}, {"u64s", []uint64{1, 2}}, {"u64s.large", []uint64{math.MaxUint64}}, {"i64s", []int64{-5}},
		{"f32s", []float32{0.5, -1}}, {"f64s", []float64{0.25, 1e10}}, {"bools", []bool{true, false, true}},
		{"texts", []string{"[PAD]", "", "▁der", "##s"}}, {"none", []string{}},
		{"nested", []any{[]int32{1, 2}, []string{"a", "b"}, []any{[]bool{true}, []float64{}}}},
	}
	tensors := []Source{
		sourceOf(quant.Tensor{Name: "token_embd.weight", Type: quant.F32, Shape: []int{3, 2}, Data: floats(1, 2, 3, 4, 5, 6)}),
		sourceOf(quant.Tensor{Name: "blk.0.attn_q.weight", Type: quant.Q8_0, Shape: []int{2, 64}, Data: bytes.Repeat([]byte{1, 0x20}, 2*2*17)}),
		sourceOf(quant.Tensor{Name: "bias", Type: quant.F16, Shape: []int{5}, Data: []byte("0123456789")}),
		sourceOf(quant.Tensor{Name: "box", Type: quant.I32, Shape: []int{2, 1, 1, 2}, Data: make([]byte, 16)}),
	}
	return metadata, tensors
}

func floats(x ...float32) []byte {
	var b []byte
	for _, v := range x {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return b
}

func written(t testing.TB, metadata []KV, tensors []Source) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, metadata, tensors); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func save(t testing.TB, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
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

func TestRoundTrip(t *testing.T) {
	metadata, tensors := everything()
	path := filepath.Join(t.TempDir(), "model.gguf")
	if err := WriteFile(path, metadata, tensors); err != nil {
		t.Fatal(err)
	}
	f := open(t, path)
	if f.Path() != path || f.Version() != 3 || f.Architecture() != "bert" {
		t.Errorf("found %s, version %d, %s", f.Path(), f.Version(), f.Architecture())
	}
	if d := cmp.Diff(metadata, f.Metadata()); d != "" {
		t.Errorf("metadata differ (-written +read):\n%s", d)
	}
	var keys []string
	for _, kv := range metadata {
		keys = append(keys, kv.Key)
		if got, ok := f.Value(kv.Key); !ok || !cmp.Equal(got, kv.Value) || !f.Has(kv.Key) {
			t.Errorf("%s is %v, %v, want %v", kv.Key, got, ok, kv.Value)
		}
	}
	if d := cmp.Diff(keys, f.Keys()); d != "" {
		t.Error(d)
	}
	var names []string
	for _, s := range tensors {
		names = append(names, s.Name)
		got, ok := f.Tensor(s.Name)
		var data bytes.Buffer
		if err := s.Data(&data); err != nil {
			t.Fatal(err)
		}
		want := quant.Tensor{Name: s.Name, Type: s.Type, Shape: s.Shape, Data: data.Bytes()}
		if d := cmp.Diff(want, got); d != "" || !ok {
			t.Errorf("%s, %v (-written +read):\n%s", s.Name, ok, d)
		}
		f.Release(s.Name)
		if !bytes.Equal(got.Data, want.Data) {
			t.Errorf("%s reads otherwise after Release", s.Name)
		}
	}
	if d := cmp.Diff(names, f.Names()); d != "" {
		t.Error(d)
	}
	if _, ok := f.Tensor("nothing"); ok {
		t.Error("found a tensor that was not written")
	}
	f.Release("nothing")

	// What was read and is written again is the same file.
	var again []Source
	for _, name := range f.Names() {
		x, _ := f.Tensor(name)
		again = append(again, sourceOf(x))
	}
	if !bytes.Equal(written(t, f.Metadata(), again), written(t, metadata, tensors)) {
		t.Error("written again, the file differs")
	}
}

func TestTypedAccess(t *testing.T) {
	metadata, tensors := everything()
	f, err := OpenBytes("memory", written(t, metadata, tensors))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	// Each method, by the keys for which it is true and what it gives.
	for _, c := range []struct {
		method string
		get    func(string) (any, bool)
		want   map[string]any
	}{
		{"String", func(k string) (any, bool) { return f.String(k) }, map[string]any{"general.architecture": "bert", "text": "¿qué?\x00", "empty": ""}},
		{"Strings", func(k string) (any, bool) { return f.Strings(k) }, map[string]any{"texts": []string{"[PAD]", "", "▁der", "##s"}, "none": []string{}}},
		{"Uint", func(k string) (any, bool) { return f.Uint(k) }, map[string]any{"u8": uint64(200), "u16": uint64(60000), "u32": uint64(4e9), "u64": uint64(math.MaxUint64)}},
		{"Int", func(k string) (any, bool) { return f.Int(k) }, map[string]any{"u8": int64(200), "i8": int64(-100), "u16": int64(60000), "i16": int64(-30000), "u32": int64(4e9), "i32": int64(-2e9), "i64": int64(math.MinInt64)}},
		{"Float", func(k string) (any, bool) { return f.Float(k) }, map[string]any{"f32": float64(float32(0.1)), "f64": 0.1}},
		{"Bool", func(k string) (any, bool) { return f.Bool(k) }, map[string]any{"yes": true, "no": false}},
		{"Floats", func(k string) (any, bool) { return f.Floats(k) }, map[string]any{
			"f32s": []float32{0.5, -1}, "f64s": []float32{0.25, 1e10}, "i32s": []float32{-1, 7}, "u8s": []float32{0, 255}, "i8s": []float32{-128, 127},
			"u16s": []float32{1, 65535}, "i16s": []float32{-1}, "u32s": []float32{1, math.MaxUint32}, "u64s": []float32{1, 2}, "u64s.large": []float32{math.MaxUint64}, "i64s": []float32{-5}}},
		{"Ints", func(k string) (any, bool) { return f.Ints(k) }, map[string]any{
			"u8s": []int64{0, 255}, "i8s": []int64{-128, 127}, "u16s": []int64{1, 65535}, "i16s": []int64{-1}, "u32s": []int64{1, math.MaxUint32},
			"i32s": []int64{-1, 7}, "u64s": []int64{1, 2}, "i64s": []int64{-5}, "bools": []int64{1, 0, 1}}},
		{"Bytes", func(k string) (any, bool) { return f.Bytes(k) }, map[string]any{"u8s": []byte{0, 255}, "i8s": []byte{128, 127}}},
	} {
		for _, key := range append(f.Keys(), "absent") {
			got, ok := c.get(key)
			want, wanted := c.want[key]
			if ok != wanted || ok && !cmp.Equal(got, want) {
				t.Errorf("%s(%q) = %v, %v, want %v, %v", c.method, key, got, ok, want, wanted)
			}
		}
	}
	for key, want := range map[string]string{"u32": "uint32", "texts": "array of 4 string", "nested": "array of 3 array", "yes": "bool", "absent": ""} {
		if got := f.Kind(key); got != want {
			t.Errorf("Kind(%q) = %q, want %q", key, got, want)
		}
	}
}

// raw builds files that Write would refuse to.
type raw struct{ b []byte }

func (r *raw) u32(x uint32) *raw { r.b = binary.LittleEndian.AppendUint32(r.b, x); return r }
func (r *raw) u64(x uint64) *raw { r.b = binary.LittleEndian.AppendUint64(r.b, x); return r }
func (r *raw) text(s string) *raw {
	r.u64(uint64(len(s)))
	r.b = append(r.b, s...)
	return r
}

// key writes a key and its type, without the value.
func (r *raw) key(k string, t valueType) *raw { return r.text(k).u32(uint32(t)) }

// tensor writes an entry of the table; dims are as in the file, innermost first.
func (r *raw) tensor(name string, typ uint32, offset uint64, dims ...uint64) *raw {
	r.text(name).u32(uint32(len(dims)))
	for _, d := range dims {
		r.u64(d)
	}
	return r.u32(typ).u64(offset)
}

// data fills up to the alignment and n bytes more.
func (r *raw) data(n int) *raw {
	r.b = append(r.b, make([]byte, padding(uint64(len(r.b)), 32)+uint64(n))...)
	return r
}

func header(version uint32, tensors, keys uint64) *raw {
	r := &raw{[]byte("GGUF")}
	return r.u32(version).u64(tensors).u64(keys)
}

func nest(depth int) *raw {
	r := header(3, 0, 1).key("deep", typeArray)
	for range depth - 1 {
		r.u32(uint32(typeArray)).u64(1)
	}
	return r.u32(uint32(typeUint8)).u64(0)
}

func TestBadFiles(t *testing.T) {
	const f32, f16, q4k = 0, 1, 12
	for _, c := range []struct {
		name string
		r    *raw
		want string // in the error; "" where the file is right
	}{
		{"nothing in it", header(3, 0, 0), ""},
		{"version 2", header(2, 1, 0).tensor("a", f32, 0, 2).data(8), ""},
		{"no bytes", &raw{}, `magic (at byte 0): found "", expected "GGUF"`},
		{"short magic", &raw{[]byte("GG")}, `found "GG"`},
		{"GGML", &raw{[]byte("GGML\x03\x00\x00\x00")}, `found "GGML", expected "GGUF"`},
		{"version 1", header(1, 0, 0), "GGUF version 1 is not supported"},
		{"version 0", header(0, 0, 0), "found version 0, expected version 2 or 3"},
		{"version 4", header(4, 0, 0), "found version 4"},
		{"big-endian", header(3<<24, 0, 0), "big-endian GGUF (version 3) is not supported"},
		{"no counts", &raw{[]byte("GGUF\x03\x00\x00\x00\x01")}, "found the end of the file after 1 bytes, expected 8 bytes"},
		{"many tensors", header(3, 1<<63, 0), "number of tensors 9223372036854775808, expected at most 0"},
		{"many keys", header(3, 0, 1<<32), "number of metadata keys 4294967296"},
		{"too many keys", header(3, 0, maxKeys+1).data(leastKey * (maxKeys + 1)), "number of metadata keys 65537, expected at most 65536"},

		{"empty key", header(3, 0, 1).key("", typeUint8).data(1), `metadata key 0 (at byte 24): found the key ""`},
		{"key not UTF-8", header(3, 0, 1).key("\xff", typeUint8).data(1), `found the key "\xff", expected text in UTF-8`},
		{"key twice", header(3, 0, 2).key("a", typeUint32).u32(1).key("a", typeUint32).u32(1), `found the key "a" twice`},
		{"key too long", header(3, 0, 1).key(strings.Repeat("k", maxName+1), typeUint8).data(1), "length of name 65536, expected at most 65535"},
		{"key past the end", header(3, 0, 1).u64(1 << 40).data(20), "length of name 1099511627776, expected at most"},
		{"type 13", header(3, 0, 1).key("a", 13).data(8), "found value type 13, expected one under 13"},
		{"bool of 2", header(3, 0, 1).key("a", typeBool).data(1).with(24+8+1+4, 2), "found a bool of value 2"},
		{"value cut", header(3, 0, 1).key("abcdefghi", typeUint64).u32(1), "abcdefghi (at byte 45): found the end of the file after 4 bytes, expected 8 bytes"},
		{"text past the end", header(3, 0, 1).key("a", typeString).u64(math.MaxUint64), "length of text 18446744073709551615, expected at most 0"},
		{"array past the end", header(3, 0, 1).key("a", typeArray).u32(uint32(typeUint64)).u64(3).u64(1).u64(2), "length of array 3, expected at most 2, since 16 bytes are left"},
		{"array that wraps", header(3, 0, 1).key("a", typeArray).u32(uint32(typeUint32)).u64(1 << 62), "length of array 4611686018427387904"},
		{"array of type 99", header(3, 0, 1).key("a", typeArray).u32(99).u64(0), "found array of type 99"},
		{"array of texts cut", header(3, 0, 1).key("a", typeArray).u32(uint32(typeString)).u64(2).text("x").u64(5).u32(0), "length of text 5, expected at most 4"},
		{"array of bools", header(3, 0, 1).key("a", typeArray).u32(uint32(typeBool)).u64(4).u32(0x01000201), "found a bool of value 2"},
		{"nested 8", nest(8), ""},
		{"nested 9", nest(9), "arrays nested more than 8 deep"},
		{"wide nesting", header(3, 0, 1).key("a", typeArray).u32(uint32(typeArray)).u64(maxNested + 1).data(12 * (maxNested + 1)), "length of array 65537, expected at most 65536"},

		{"alignment 0", header(3, 0, 1).key(alignmentKey, typeUint32).u32(0), "general.alignment (at byte 53): found 0, expected a power of two"},
		{"alignment 24", header(3, 0, 1).key(alignmentKey, typeUint32).u32(24), "found 24"},
		{"alignment a text", header(3, 0, 1).key(alignmentKey, typeString).text("32"), "found string, expected a power of two"},
		{"alignment 64", header(3, 1, 1).key(alignmentKey, typeUint32).u32(64).tensor("a", f32, 32, 1).data(200), "found data offset 32, expected a multiple of the alignment, 64"},

		{"no dimensions", header(3, 1, 0).tensor("a", f32, 0).data(32), "found 0 dimensions, expected 1 to 4"},
		{"five dimensions", header(3, 1, 0).tensor("a", f32, 0, 1, 1, 1, 1, 1).data(32), "found 5 dimensions"},
		{"dimension 0", header(3, 1, 0).tensor("a", f32, 0, 4, 0).data(32), "tensor a (at byte 45): found dimension 1 of 0"},
		{"product wraps", header(3, 1, 0).tensor("a", f32, 0, 1<<32, 1<<32).data(32), "found dimension 1 of 4294967296"},
		{"negative dimension", header(3, 1, 0).tensor("a", f32, 0, math.MaxUint64).data(32), "found dimension 0 of 18446744073709551615"},
		{"IQ2_XXS", header(3, 1, 0).tensor("a", 16, 0, 256).data(66), "the type of tensor a, IQ2_XXS, is not supported: convert"},
		{"Q4_2", header(3, 1, 0).tensor("a", 4, 0, 32).data(66), "the type of tensor a, Q4_2 (removed from GGML), is not supported"},
		{"type 1000", header(3, 1, 0).tensor("a", 1000, 0, 32).data(66), "the type of tensor a, 1000 (unknown), is not supported"},
		{"row of 128", header(3, 1, 0).tensor("a", q4k, 0, 128, 2).data(144), "found rows of 128 numbers of type Q4_K, expected a multiple of 256"},
		{"offset 4", header(3, 1, 0).tensor("a", f32, 4, 1).data(32), "found data offset 4, expected a multiple of the alignment, 32"},
		{"past the end", header(3, 1, 0).tensor("a", f32, 32, 9).data(64), "tensor a (at byte 49): found 36 bytes of F32 data at offset 32, expected them inside the 64 bytes of data"},
		{"offset past the end", header(3, 1, 0).tensor("a", f32, 1<<63, 1).data(64), "found 4 bytes of F32 data at offset 9223372036854775808"},
		{"no data", header(3, 1, 0).tensor("a", f32, 0, 1), "expected them inside the 0 bytes of data"},
		{"overlap", header(3, 2, 0).tensor("a", f32, 0, 9).tensor("b", f16, 32, 1).data(64), "tensor b (at byte 82): found data offset 32, expected one not before 36, where the data of a ends"},
		{"a hole", header(3, 2, 0).tensor("a", f32, 64, 1).tensor("b", f16, 0, 1).data(68), ""},
		{"tensor twice", header(3, 2, 0).tensor("a", f32, 0, 1).tensor("a", f32, 32, 1).data(64), "tensor a: found a duplicate name"},
		{"tensor without a name", header(3, 1, 0).tensor("", f32, 0, 1).data(64), `tensor 0 (at byte 24): found the name ""`},
		{"table cut", header(3, 1, 0).u64(1).u64(0).u64(0).u64(0).u64(0), "found"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, inMemory := OpenBytes("memory", c.r.b)
			path := save(t, "model.gguf", c.r.b)
			f, err := Open(path)
			if (inMemory == nil) != (err == nil) {
				t.Errorf("in memory: %v, from the file: %v", inMemory, err)
			}
			if err == nil {
				f.Close()
			}
			switch {
			case c.want == "" && err != nil:
				t.Fatal(err)
			case c.want == "":
			case err == nil:
				t.Fatalf("no error, want %s", c.want)
			case !errors.Is(err, fault.ErrFormat) && !errors.Is(err, fault.ErrUnsupported):
				t.Errorf("%v (%T) is of neither kind", err, err)
			case !strings.HasPrefix(err.Error(), path+": ") && !strings.HasPrefix(err.Error(), path+" "):
				t.Errorf("%v does not begin with the file's name", err)
			case !strings.Contains(err.Error(), c.want):
				t.Errorf("%v\ndoes not say %s", err, c.want)
			}
		})
	}
}

// with sets a byte.
func (r *raw) with(at int, x byte) *raw { r.b[at] = x; return r }

// TestCutFiles cuts a file everywhere: no part of it but the whole is a model.
func TestCutFiles(t *testing.T) {
	metadata, tensors := everything()
	whole := written(t, metadata, tensors)
	last := tensors[len(tensors)-1]
	end := len(whole) - int(padding(16, 32)) // the last tensor's filling may be missing
	if last.Name != "box" {
		t.Fatal("the last tensor is not the one of 16 bytes")
	}
	for n := range len(whole) {
		if _, err := OpenBytes("cut", whole[:n]); (err == nil) != (n >= end) {
			t.Fatalf("cut to %d of %d bytes: %v", n, len(whole), err)
		}
	}
}

// split writes the parts of a model and gives their paths.
func split(t *testing.T, n int, change func(i int, kvs []KV) []KV) []string {
	t.Helper()
	dir := t.TempDir()
	var paths []string
	for i := range n {
		kvs := []KV{{splitNumber, uint16(i)}, {splitCount, uint16(n)}, {splitTensors, int32(n)}}
		if i == 0 {
			kvs = append([]KV{{"general.architecture", "qwen3"}}, kvs...)
		}
		if change != nil {
			kvs = change(i, kvs)
		}
		path := filepath.Join(dir, fmt.Sprintf("some-model-%05d-of-%05d.gguf", i+1, n))
		err := WriteFile(path, kvs, []Source{sourceOf(quant.Tensor{Name: fmt.Sprintf("blk.%d.w", i), Type: quant.F32, Shape: []int{1}, Data: floats(float32(i))})})
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	return paths
}

func TestSplit(t *testing.T) {
	for _, path := range split(t, 3, nil) {
		f := open(t, path)
		if f.Architecture() != "qwen3" || f.Path() != path {
			t.Errorf("%s: architecture %q of %s", path, f.Architecture(), f.Path())
		}
		if d := cmp.Diff([]string{"blk.0.w", "blk.1.w", "blk.2.w"}, f.Names()); d != "" {
			t.Error(d)
		}
		for i := range 3 {
			x, ok := f.Tensor(fmt.Sprintf("blk.%d.w", i))
			if !ok || !bytes.Equal(x.Data, floats(float32(i))) {
				t.Errorf("%s: tensor %d is %v, %v", path, i, x, ok)
			}
			f.Release(x.Name)
		}
	}
}

func TestBadSplits(t *testing.T) {
	set := func(part int, key string, x any) func(int, []KV) []KV {
		return func(i int, kvs []KV) []KV {
			if i != part {
				return kvs
			}
			var out []KV
			for _, kv := range kvs {
				if kv.Key == key {
					kv.Value = x
				}
				if kv.Value != nil {
					out = append(out, kv)
				}
			}
			return out
		}
	}
	for _, c := range []struct {
		name   string
		change func(int, []KV) []KV
		after  func(t *testing.T, paths []string) string // the file to open
		want   string
	}{
		{"part missing", nil, func(t *testing.T, p []string) string { os.Remove(p[1]); return p[0] }, "part 2 of 3: found no such file, expected all parts of the model in one folder"},
		{"renamed", nil, func(t *testing.T, p []string) string {
			to := filepath.Join(filepath.Dir(p[0]), "model.gguf")
			os.Rename(p[0], to)
			return to
		}, "found a model of 3 files in a file with this name"},
		{"count differs from name", set(0, splitCount, uint16(4)), nil, "found 4, expected 00003, as the file's name says"},
		{"count differs in a part", set(1, splitCount, uint16(2)), nil, "found 2, expected 3"},
		{"count 0", set(0, splitCount, uint16(0)), nil, "found 0, expected a number of files from 1 to 99999"},
		{"count a text", set(0, splitCount, "3"), nil, "found string, expected a number of files"},
		{"number missing", set(1, splitNumber, nil), nil, "split.no: found no such key, expected 1"},
		{"number wrong", set(2, splitNumber, uint16(1)), nil, "found 1, expected 2"},
		{"number a text", set(2, splitNumber, "2"), nil, "found string, expected 2"},
		{"tensors wrong", set(1, splitTensors, int32(4)), nil, "found 4, expected 3"},
		{"tensors a text", set(1, splitTensors, "4"), nil, "found string, expected 3"},
		{"tensors negative", set(0, splitTensors, int32(-1)), nil, "found int32, expected 3"},
		{"tensors not told", set(1, splitTensors, nil), nil, ""},
		{"part damaged", nil, func(t *testing.T, p []string) string {
			if err := os.WriteFile(p[2], []byte("GGUF"), 0o644); err != nil {
				t.Fatal(err)
			}
			return p[1]
		}, "-00003-of-00003.gguf: header (at byte 4): found the end of the file"},
		{"one tensor in two parts", nil, func(t *testing.T, p []string) string {
			kvs := []KV{{splitNumber, uint16(1)}, {splitCount, uint16(3)}}
			if err := WriteFile(p[1], kvs, []Source{sourceOf(quant.Tensor{Name: "blk.2.w", Type: quant.F32, Shape: []int{1}, Data: floats(9)})}); err != nil {
				t.Fatal(err)
			}
			return p[0]
		}, "tensor blk.2.w: found a duplicate name"},
	} {
		t.Run(c.name, func(t *testing.T) {
			paths := split(t, 3, c.change)
			path := paths[0]
			if c.after != nil {
				path = c.after(t, paths)
			}
			f, err := Open(path)
			if err == nil {
				f.Close()
			}
			if c.want == "" && err == nil {
				return
			}
			if !errors.Is(err, fault.ErrFormat) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v\ndoes not say %s", err, c.want)
			}
		})
	}
	b, err := os.ReadFile(split(t, 2, nil)[0])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenBytes("memory", b); !errors.Is(err, fault.ErrUnsupported) {
		t.Errorf("a part in memory: %v", err)
	}
}

func TestOpenErrors(t *testing.T) {
	if _, err := Open(filepath.Join(t.TempDir(), "no.gguf")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
	if _, err := Open(t.TempDir()); err == nil || !strings.Contains(err.Error(), "is a directory") {
		t.Errorf("a folder: %v", err)
	}
	f := open(t, save(t, "m.gguf", header(3, 0, 0).b))
	for range 3 {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestWriteErrors(t *testing.T) {
	good := func() Source {
		return sourceOf(quant.Tensor{Name: "w", Type: quant.F32, Shape: []int{2}, Data: make([]byte, 8)})
	}
	bad := func(change func(*Source)) []Source {
		s := good()
		change(&s)
		return []Source{s}
	}
	broken := errors.New("broken")
	for _, c := range []struct {
		name     string
		metadata []KV
		tensors  []Source
		want     string
	}{
		{"key twice", []KV{{"a", true}, {"a", true}}, nil, `the key "a"`},
		{"no key", []KV{{"", true}}, nil, `the key ""`},
		{"an int", []KV{{"a", 1}}, nil, "the value of a: GGUF has no type for int"},
		{"nil", []KV{{"a", nil}}, nil, "GGUF has no type for <nil>"},
		{"array of numbers in any", []KV{{"a", []any{1}}}, nil, "an array of arrays holds a int"},
		{"alignment", []KV{{alignmentKey, uint32(33)}}, nil, "not a power of two"},
		{"alignment of another type", []KV{{alignmentKey, int64(32)}}, nil, "32 (int64)"},
		{"name twice", nil, []Source{good(), good()}, `the tensor name "w"`},
		{"name too long", nil, bad(func(s *Source) { s.Name = strings.Repeat("x", 64) }), "longer than 63 bytes"},
		{"type", nil, bad(func(s *Source) { s.Type = quant.F8_E4M3 }), "the type F8_E4M3 is not supported"},
		{"no shape", nil, bad(func(s *Source) { s.Shape = nil }), "found 0 dimensions"},
		{"dimension 0", nil, bad(func(s *Source) { s.Shape = []int{2, 0} }), "found shape [2 0]"},
		{"too large", nil, bad(func(s *Source) { s.Shape = []int{math.MaxInt / 2, math.MaxInt / 2} }), "a tensor that fits in memory"},
		{"row", nil, bad(func(s *Source) { s.Type, s.Shape = quant.Q8_0, []int{32, 2} }), "found rows of 2 numbers of type Q8_0, expected a multiple of 32"},
		{"data short", nil, bad(func(s *Source) { s.Shape = []int{3} }), "its source returned 8 bytes, expected 12"},
		{"data long", nil, bad(func(s *Source) { s.Shape = []int{1} }), "4 bytes more than the tensor has"},
		{"source fails", nil, bad(func(s *Source) { s.Data = func(io.Writer) error { return broken } }), "tensor w: broken"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := save(t, "model.gguf", []byte("before"))
			err := WriteFile(path, c.metadata, c.tensors)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v does not say %s", err, c.want)
			}
			list, _ := os.ReadDir(filepath.Dir(path))
			if b, err := os.ReadFile(path); err != nil || string(b) != "before" || len(list) != 1 {
				t.Errorf("%d files are left, and the old one says %q, %v", len(list), b, err)
			}
		})
	}
	if err := WriteFile(filepath.Join(t.TempDir(), "no", "m.gguf"), nil, nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a folder that is not there: %v", err)
	}
}

// allocated is how many bytes f takes from the heap, given back or not.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestMemory opens files that are as full as the bounds allow. What is taken
// from the heap, all in all, must stay under 64 MB above the file's own size.
func TestMemory(t *testing.T) {
	tensors := header(3, maxTensors, 0)
	for i := range maxTensors {
		tensors.tensor(fmt.Sprintf("%0*d", 200, i), 0, uint64(32*i), 1, 1, 1, 1)
	}
	tensors.data(32 * maxTensors)
	keys := header(3, 0, maxKeys)
	for i := range maxKeys {
		keys.key(fmt.Sprintf("%0*d", 200, i), typeBool)
		keys.b = append(keys.b, 1)
	}
	empty := header(3, 0, 1).key("a", typeArray).u32(uint32(typeString)).u64(maxStrings)
	empty.data(8 * maxStrings)
	for _, c := range []struct {
		name string
		r    *raw
	}{{"tensors", tensors}, {"keys", keys}, {"empty texts", empty}} {
		path := save(t, "model.gguf", c.r.b)
		used := allocated(func() {
			f, err := Open(path)
			if err != nil {
				t.Fatal(err)
			}
			f.Strings("a")
			f.Close()
		})
		t.Logf("%s: a file of %d bytes takes %d", c.name, len(c.r.b), used)
		if limit := uint64(len(c.r.b)) + 64<<20; used > limit {
			t.Errorf("%s: a file of %d bytes takes %d", c.name, len(c.r.b), used)
		}
	}
}

// vocabulary is a file as a large multilingual model has it: 250000 tokens with
// scores and types.
func vocabulary(t testing.TB) string {
	tokens := make([]string, 250_000)
	scores := make([]float32, len(tokens))
	types := make([]int32, len(tokens))
	for i := range tokens {
		tokens[i] = fmt.Sprintf("▁%x", uint32(i)*2654435761)
		scores[i] = -float32(i)
	}
	return save(t, "model.gguf", written(t, []KV{
		{"tokenizer.ggml.tokens", tokens}, {"tokenizer.ggml.scores", scores}, {"tokenizer.ggml.token_type", types},
	}, nil))
}

// TestLargeVocabulary makes sure that opening takes no memory for a vocabulary
// that nobody has asked for yet, and that its texts outlive the map.
func TestLargeVocabulary(t *testing.T) {
	path := vocabulary(t)
	start := time.Now()
	var f *File
	used := allocated(func() { f = open(t, path) })
	t.Logf("opened in %v, %d bytes taken", time.Since(start), used)
	if used > 64<<10 {
		t.Errorf("opening takes %d bytes, want under 64 KB", used)
	}
	tokens, ok := f.Strings("tokenizer.ggml.tokens")
	scores, _ := f.Floats("tokenizer.ggml.scores")
	types, _ := f.Ints("tokenizer.ggml.token_type")
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if !ok || len(tokens) != 250_000 || len(scores) != 250_000 || len(types) != 250_000 {
		t.Fatalf("%d tokens, %d scores, %d types", len(tokens), len(scores), len(types))
	}
	if tokens[1] != "▁9e3779b1" || scores[1] != -1 || types[1] != 0 {
		t.Errorf("token 1 is %q, %v, %v", tokens[1], scores[1], types[1])
	}
}

func BenchmarkOpen(b *testing.B) {
	path := vocabulary(b)
	b.ReportAllocs()
	for b.Loop() {
		f, err := Open(path)
		if err != nil {
			b.Fatal(err)
		}
		f.Close()
	}
}

func BenchmarkStrings(b *testing.B) {
	f := open(b, vocabulary(b))
	b.ReportAllocs()
	for b.Loop() {
		f.Strings("tokenizer.ggml.tokens")
	}
}

// FuzzOpen opens anything; what opens must be readable throughout, and come back
// the same after having been written.
func FuzzOpen(f *testing.F) {
	metadata, tensors := everything()
	whole := written(f, metadata, tensors)
	f.Add(whole)
	f.Add(whole[:100])
	f.Add(header(2, 1, 0).tensor("a", 12, 0, 256).data(144).b)
	f.Add(header(3, 1, 1).key(alignmentKey, typeUint32).u32(8).tensor("a", 0, 8, 1, 1).data(200).b)
	f.Add(nest(8).b)
	f.Add(nest(100).b)
	f.Add(header(3<<24, 0, 0).b)
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := OpenBytes("fuzz", data)
		if err != nil {
			if !errors.Is(err, fault.ErrFormat) && !errors.Is(err, fault.ErrUnsupported) {
				t.Fatalf("%v (%T) is of neither kind", err, err)
			}
			return
		}
		var sources []Source
		for _, name := range m.Names() {
			x, ok := m.Tensor(name)
			if !ok || x.Type.Bytes(x.Len()) != len(x.Data) {
				t.Fatalf("tensor %s: %v, %v of %d bytes", name, x.Type, x.Shape, len(x.Data))
			}
			if len(name) > maxWrittenName {
				return
			}
			sources = append(sources, sourceOf(x))
		}
		kvs := m.Metadata()
		for _, kv := range kvs {
			m.String(kv.Key)
			m.Strings(kv.Key)
			m.Uint(kv.Key)
			m.Int(kv.Key)
			m.Float(kv.Key)
			m.Floats(kv.Key)
			m.Ints(kv.Key)
			m.Bool(kv.Key)
			m.Bytes(kv.Key)
			if m.Kind(kv.Key) == "" {
				t.Fatalf("%s has no kind", kv.Key)
			}
			if kv.Key == alignmentKey {
				return // Write wants it as uint32, and small
			}
		}
		var b bytes.Buffer
		if err := Write(&b, kvs, sources); err != nil {
			t.Fatal(err)
		}
		again, err := OpenBytes("again", b.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range m.Names() {
			x, _ := m.Tensor(name)
			if y, ok := again.Tensor(name); !ok || !cmp.Equal(x, y) {
				t.Fatalf("%s: %v comes back as %v", name, x, y)
			}
		}
		equal := cmp.Comparer(func(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) || a != a && b != b })
		equal32 := cmp.Comparer(func(a, b float32) bool { return a == b || a != a && b != b })
		if d := cmp.Diff(kvs, again.Metadata(), equal, equal32); d != "" {
			t.Fatal(d)
		}
	})
}

// sourceOf is the source whose data is t's.
func sourceOf(t quant.Tensor) Source {
	return Source{t.Name, t.Type, t.Shape, func(w io.Writer) error {
		_, err := w.Write(t.Data)
		return err
	}}
}
