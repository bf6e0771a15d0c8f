package checkpoint

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/winnow-rerank/winnow/gguf"
	"github.com/winnow-rerank/winnow/quant"
)

// folder writes a model in Hugging Face layout: files by name, and tensors of
// float32 numbers that count up.
func folder(t *testing.T, files map[string]string, shapes map[string][]int) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	writeTensors(t, filepath.Join(dir, "model.safetensors"), shapes)
	return dir
}

func writeTensors(t *testing.T, path string, shapes map[string][]int) {
	t.Helper()
	type entry struct {
		Type    string `json:"dtype"`
		Shape   []int  `json:"shape"`
		Offsets [2]int `json:"data_offsets"`
	}
	table := make(map[string]entry)
	var data []byte
	for _, name := range slices.Sorted(maps.Keys(shapes)) {
		n := quant.Tensor{Shape: shapes[name]}.Len()
		begin := len(data)
		for i := range n {
			data, _ = binary.Append(data, binary.LittleEndian, float32(i))
		}
		table[name] = entry{"F32", shapes[name], [2]int{begin, len(data)}}
	}
	header, err := json.Marshal(table)
	if err != nil {
		t.Fatal(err)
	}
	out := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	if err := os.WriteFile(path, append(append(out, header...), data...), 0o600); err != nil {
		t.Fatal(err)
	}
}

// open opens a model and closes it when the test ends.
func open(t *testing.T, path string) *File {
	t.Helper()
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// configFile is a model of nothing but a configuration.
func configFile(t *testing.T, config string) *File {
	t.Helper()
	return open(t, folder(t, map[string]string{"config.json": config}, map[string][]int{"x": {1}}))
}

// ggufFile is a GGUF file in memory of the architecture x.
func ggufFile(t *testing.T, metadata []gguf.KV, tensors []gguf.Source) *File {
	t.Helper()
	var b bytes.Buffer
	metadata = append([]gguf.KV{{Key: "general.architecture", Value: "x"}}, metadata...)
	if err := gguf.Write(&b, metadata, tensors); err != nil {
		t.Fatal(err)
	}
	f, err := OpenBytes("x.gguf", b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// throughGGUF is what an export of f writes, opened.
func throughGGUF(t *testing.T, f *File, write func(e *Export)) *File {
	t.Helper()
	e, err := NewExport(f, quant.F32, "x")
	if err != nil {
		t.Fatal(err)
	}
	write(e)
	out := filepath.Join(t.TempDir(), "out.gguf")
	if _, err := e.WriteFile(out, nil); err != nil {
		t.Fatal(err)
	}
	return open(t, out)
}

// zeros writes so many float32 zeros.
func zeros(n int) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := w.Write(make([]byte, 4*n))
		return err
	}
}
