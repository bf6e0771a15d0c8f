package gguf

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"

	"github.com/winnow-rerank/winnow/internal/fault"
	"github.com/winnow-rerank/winnow/quant"
)

// A Source is a tensor to be written. Its data is requested when it is written, so that
// models of any size can be written without holding them in memory.
type Source struct {
	Name  string // at most 63 bytes, the limit of llama.cpp
	Type  quant.Type
	Shape []int // row-major, outermost first; 1 to 4 dimensions

	// Data writes the tensor's numbers in the format of Type, little-endian.
	Data func(w io.Writer) error
}

// maxWrittenName is llama.cpp's limit for the name of a tensor, in bytes.
const maxWrittenName = 63

// Write writes a model in version 3 of the format. Keys and tensors keep their order.
// The data is aligned to general.alignment, a uint32, or 32 bytes. Everything except
// the sources' data is checked before the first byte is written.
func Write(w io.Writer, metadata []KV, tensors []Source) error {
	alignment := uint64(defaultAlignment)
	var b []byte // the tables
	b = append(b, magic...)
	b = binary.LittleEndian.AppendUint32(b, 3)
	b = binary.LittleEndian.AppendUint64(b, uint64(len(tensors)))
	b = binary.LittleEndian.AppendUint64(b, uint64(len(metadata)))

	keys := make(map[string]bool)
	for _, kv := range metadata {
		if kv.Key == "" || len(kv.Key) > maxName || keys[kv.Key] {
			return fmt.Errorf("gguf: the key %q is empty, too long or duplicate", kv.Key)
		}
		keys[kv.Key] = true
		if kv.Key == alignmentKey {
			n, ok := kv.Value.(uint32)
			if !ok || n == 0 || n&(n-1) != 0 {
				return fmt.Errorf("gguf: %s is %v (%T), not a power of two as uint32", kv.Key, kv.Value, kv.Value)
			}
			alignment = uint64(n)
		}
		b = appendText(b, kv.Key)
		var err error
		if b, err = appendValue(b, kv.Value); err != nil {
			return fmt.Errorf("gguf: the value of %s: %w", kv.Key, err)
		}
	}

	names := make(map[string]bool)
	sizes := make([]uint64, len(tensors))
	var offset uint64
	for i, t := range tensors {
		if t.Name == "" || len(t.Name) > maxWrittenName || names[t.Name] {
			return fmt.Errorf("gguf: the tensor name %q is empty, longer than %d bytes or duplicate", t.Name, maxWrittenName)
		}
		names[t.Name] = true
		id, ok := ggmlID(t.Type)
		if !ok {
			return fmt.Errorf("gguf: tensor %s: %w", t.Name, &fault.UnsupportedError{Path: "GGUF", What: "the type " + t.Type.String()})
		}
		if err := checkShape(t); err != nil {
			return fmt.Errorf("gguf: tensor %s: %w", t.Name, err)
		}
		b = appendText(b, t.Name)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(t.Shape)))
		for _, d := range slices.Backward(t.Shape) {
			b = binary.LittleEndian.AppendUint64(b, uint64(d))
		}
		b = binary.LittleEndian.AppendUint32(b, id)
		b = binary.LittleEndian.AppendUint64(b, offset)
		sizes[i] = uint64(t.Type.Bytes(quant.Tensor{Shape: t.Shape}.Len()))
		offset += sizes[i] + padding(sizes[i], alignment)
	}
	b = append(b, make([]byte, padding(uint64(len(b)), alignment))...)
	if _, err := w.Write(b); err != nil {
		return err
	}

	zeros := make([]byte, alignment)
	for i, t := range tensors {
		c := &counter{w: w, left: sizes[i]}
		if err := t.Data(c); err != nil {
			return fmt.Errorf("gguf: tensor %s: %w", t.Name, err)
		}
		if c.left != 0 {
			return fmt.Errorf("gguf: tensor %s: its source returned %d bytes, expected %d", t.Name, sizes[i]-c.left, sizes[i])
		}
		if _, err := w.Write(zeros[:padding(sizes[i], alignment)]); err != nil {
			return err
		}
	}
	return nil
}

// WriteFile writes a model to a temporary file in the same folder and renames it to
// path, so that an existing file is replaced only by a complete one.
func WriteFile(path string, metadata []KV, tensors []Source) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	w := bufio.NewWriterSize(f, 1<<20)
	if err := Write(w, metadata, tensors); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if err := f.Chmod(0o644); err != nil { // CreateTemp's files are private
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// padding returns the distance from n to the next multiple of alignment.
func padding(n, alignment uint64) uint64 { return -n & (alignment - 1) }

// checkShape returns an error if the format or t's type does not allow the shape.
func checkShape(t Source) error {
	if len(t.Shape) < 1 || len(t.Shape) > maxDims {
		return fmt.Errorf("found %d dimensions, expected 1 to %d", len(t.Shape), maxDims)
	}
	n := 1
	for _, d := range t.Shape {
		if d < 1 || n > math.MaxInt/16/d {
			return fmt.Errorf("found shape %v, expected dimensions of at least 1 and a tensor that fits in memory", t.Shape)
		}
		n *= d
	}
	if row := t.Shape[len(t.Shape)-1]; row%t.Type.BlockSize() != 0 {
		return fmt.Errorf("found rows of %d numbers of type %v, expected a multiple of %d", row, t.Type, t.Type.BlockSize())
	}
	return nil
}

// A counter forwards at most left bytes and counts them down.
type counter struct {
	w    io.Writer
	left uint64
}

func (c *counter) Write(b []byte) (int, error) {
	if uint64(len(b)) > c.left {
		return 0, fmt.Errorf("its source returned %d bytes more than the tensor has", uint64(len(b))-c.left)
	}
	n, err := c.w.Write(b)
	c.left -= uint64(n)
	return n, err
}

func appendText(b []byte, s string) []byte {
	b = binary.LittleEndian.AppendUint64(b, uint64(len(s)))
	return append(b, s...)
}

// appendValue appends the type and the value of x.
func appendValue(b []byte, x any) ([]byte, error) {
	if elem, n, ok := listOf(x); ok {
		b = binary.LittleEndian.AppendUint32(b, uint32(typeArray))
		return appendArray(b, elem, n, x, 0)
	}
	switch x := x.(type) {
	case string:
		return appendText(binary.LittleEndian.AppendUint32(b, uint32(typeString)), x), nil
	default:
		t, ok := scalarType(x)
		if !ok {
			return nil, fmt.Errorf("GGUF has no type for %T", x)
		}
		return binary.Append(binary.LittleEndian.AppendUint32(b, uint32(t)), binary.LittleEndian, x)
	}
}

// appendArray appends an array without its own type: the type of the elements, their
// number and the elements.
func appendArray(b []byte, elem valueType, n int, list any, depth int) ([]byte, error) {
	b = binary.LittleEndian.AppendUint32(b, uint32(elem))
	b = binary.LittleEndian.AppendUint64(b, uint64(n))
	switch list := list.(type) {
	case []string:
		for _, s := range list {
			b = appendText(b, s)
		}
		return b, nil
	case []any:
		if depth+1 >= maxDepth {
			return nil, fmt.Errorf("arrays nest more than %d deep", maxDepth)
		}
		for _, inner := range list {
			elem, n, ok := listOf(inner)
			if !ok {
				return nil, fmt.Errorf("an array of arrays holds a %T", inner)
			}
			var err error
			if b, err = appendArray(b, elem, n, inner, depth+1); err != nil {
				return nil, err
			}
		}
		return b, nil
	default:
		return binary.Append(b, binary.LittleEndian, list)
	}
}

// scalarType returns the type for a Go number or bool.
func scalarType(x any) (valueType, bool) {
	switch x.(type) {
	case uint8:
		return typeUint8, true
	case int8:
		return typeInt8, true
	case uint16:
		return typeUint16, true
	case int16:
		return typeInt16, true
	case uint32:
		return typeUint32, true
	case int32:
		return typeInt32, true
	case uint64:
		return typeUint64, true
	case int64:
		return typeInt64, true
	case float32:
		return typeFloat32, true
	case float64:
		return typeFloat64, true
	case bool:
		return typeBool, true
	}
	return 0, false
}

// listOf returns the type and the number of x's elements if x is a list.
func listOf(x any) (elem valueType, n int, ok bool) {
	switch x := x.(type) {
	case []uint8:
		return typeUint8, len(x), true
	case []int8:
		return typeInt8, len(x), true
	case []uint16:
		return typeUint16, len(x), true
	case []int16:
		return typeInt16, len(x), true
	case []uint32:
		return typeUint32, len(x), true
	case []int32:
		return typeInt32, len(x), true
	case []uint64:
		return typeUint64, len(x), true
	case []int64:
		return typeInt64, len(x), true
	case []float32:
		return typeFloat32, len(x), true
	case []float64:
		return typeFloat64, len(x), true
	case []bool:
		return typeBool, len(x), true
	case []string:
		return typeString, len(x), true
	case []any:
		return typeArray, len(x), true
	}
	return 0, 0, false
}
