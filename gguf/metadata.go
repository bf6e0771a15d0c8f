package gguf

import (
	"encoding/binary"
	"fmt"
	"math"
)

// A KV is a metadata key and its value, for Metadata and Write. Value is a uint8, int8,
// uint16, int16, uint32, int32, uint64, int64, float32, float64, bool or string, a
// slice of one of these, or, for nested arrays, an []any of slices.
type KV struct {
	Key   string
	Value any
}

// A value is a metadata value that has been checked but not decoded.
type value struct {
	kind  valueType
	elem  valueType // of an array: the type of its elements
	count int       // of an array: the number of its elements
	at    int       // offset of data in the file
	data  []byte    // without the length of a string or an array
}

func (f *File) value(key string) (value, bool) {
	v, ok := f.parts[0].values[key]
	return v, ok
}

// Keys returns the metadata keys in the order of the file.
func (f *File) Keys() []string { return append([]string(nil), f.parts[0].keys...) }

// Has reports whether the metadata has the key.
func (f *File) Has(key string) bool {
	_, ok := f.value(key)
	return ok
}

// Kind describes the key's value for error messages: "uint32", "array of 30522 string";
// "" if there is no such key.
func (f *File) Kind(key string) string {
	v, ok := f.value(key)
	if !ok {
		return ""
	}
	return v.describe()
}

// Architecture returns general.architecture: bert, qwen3, …; "" if it is absent.
func (f *File) Architecture() string {
	s, _ := f.String("general.architecture")
	return s
}

// String returns the text of a key. Like all methods of this kind, it returns false if
// the key is absent or its value has another type; Has and Kind tell which.
func (f *File) String(key string) (string, bool) {
	v, ok := f.value(key)
	if !ok || v.kind != typeString {
		return "", false
	}
	return string(v.data), true
}

// Strings returns an array of texts. They share one copy of the array's bytes.
func (f *File) Strings(key string) ([]string, bool) {
	v, ok := f.value(key)
	if !ok || v.kind != typeArray || v.elem != typeString {
		return nil, false
	}
	return v.strings(), true
}

// Uint returns an integer of any type that is not negative.
func (f *File) Uint(key string) (uint64, bool) {
	v, ok := f.value(key)
	if !ok {
		return 0, false
	}
	return v.uint()
}

// Int returns an integer of any type that fits in an int64.
func (f *File) Int(key string) (int64, bool) {
	v, ok := f.value(key)
	if !ok {
		return 0, false
	}
	return integer(v.kind, v.data)
}

// Float returns a float32 or a float64.
func (f *File) Float(key string) (float64, bool) {
	v, ok := f.value(key)
	if !ok || (v.kind != typeFloat32 && v.kind != typeFloat64) {
		return 0, false
	}
	return number(v.kind, v.data)
}

// Bool returns a bool.
func (f *File) Bool(key string) (value, ok bool) {
	v, ok := f.value(key)
	if !ok || v.kind != typeBool {
		return false, false
	}
	return v.data[0] != 0, true
}

// Floats returns an array of numbers of any type, rounded to float32. (Scores of
// vocabularies are float32 or int32.)
func (f *File) Floats(key string) ([]float32, bool) {
	v, ok := f.value(key)
	if !ok || v.kind != typeArray || !v.elem.isInteger() && v.elem != typeFloat32 && v.elem != typeFloat64 {
		return nil, false
	}
	xs := make([]float32, v.count)
	size := v.elem.size()
	if v.elem == typeFloat32 {
		for i := range xs {
			xs[i] = math.Float32frombits(binary.LittleEndian.Uint32(v.data[4*i:]))
		}
		return xs, true
	}
	for i := range xs {
		x, _ := number(v.elem, v.data[i*size:])
		xs[i] = float32(x)
	}
	return xs, true
}

// Ints returns an array of integers of any type, or of bools as 0 and 1. It returns
// false if one of them does not fit in an int64.
func (f *File) Ints(key string) ([]int64, bool) {
	v, ok := f.value(key)
	if !ok || v.kind != typeArray || !v.elem.isInteger() && v.elem != typeBool {
		return nil, false
	}
	xs := make([]int64, v.count)
	size := v.elem.size()
	for i := range xs {
		if v.elem == typeBool {
			xs[i] = int64(v.data[i])
			continue
		}
		if xs[i], ok = integer(v.elem, v.data[i*size:]); !ok {
			return nil, false
		}
	}
	return xs, true
}

// Bytes returns an array of uint8 or int8 as bytes. The caller may change them.
func (f *File) Bytes(key string) ([]byte, bool) {
	v, ok := f.value(key)
	if !ok || v.kind != typeArray || v.elem != typeUint8 && v.elem != typeInt8 {
		return nil, false
	}
	return append([]byte(nil), v.data...), true
}

// Value returns the value of any key in the Go type described at KV.
func (f *File) Value(key string) (any, bool) {
	v, ok := f.value(key)
	if !ok {
		return nil, false
	}
	return v.decode(), true
}

// Metadata returns all metadata in the order of the file.
func (f *File) Metadata() []KV {
	kvs := make([]KV, 0, len(f.parts[0].keys))
	for _, key := range f.parts[0].keys {
		v := f.parts[0].values[key]
		kvs = append(kvs, KV{key, v.decode()})
	}
	return kvs
}

func (v value) describe() string {
	switch v.kind {
	case typeArray:
		return fmt.Sprintf("array of %d %v", v.count, v.elem)
	default:
		return v.kind.String()
	}
}

func (v value) uint() (uint64, bool) {
	if v.kind == typeUint64 {
		return binary.LittleEndian.Uint64(v.data), true
	}
	n, ok := integer(v.kind, v.data)
	return uint64(n), ok && n >= 0
}

func (t valueType) isInteger() bool {
	switch t {
	case typeUint8, typeInt8, typeUint16, typeInt16, typeUint32, typeInt32, typeUint64, typeInt64:
		return true
	}
	return false
}

// integer decodes the integer of type t at the start of b.
func integer(t valueType, b []byte) (n int64, ok bool) {
	switch t {
	case typeUint8:
		return int64(b[0]), true
	case typeInt8:
		return int64(int8(b[0])), true
	case typeUint16:
		return int64(binary.LittleEndian.Uint16(b)), true
	case typeInt16:
		return int64(int16(binary.LittleEndian.Uint16(b))), true
	case typeUint32:
		return int64(binary.LittleEndian.Uint32(b)), true
	case typeInt32:
		return int64(int32(binary.LittleEndian.Uint32(b))), true
	case typeUint64:
		n := binary.LittleEndian.Uint64(b)
		return int64(n), n <= math.MaxInt64
	case typeInt64:
		return int64(binary.LittleEndian.Uint64(b)), true
	}
	return 0, false
}

// number decodes the integer or float of type t at the start of b.
func number(t valueType, b []byte) (float64, bool) {
	switch t {
	case typeFloat32:
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(b))), true
	case typeFloat64:
		return math.Float64frombits(binary.LittleEndian.Uint64(b)), true
	case typeUint64:
		return float64(binary.LittleEndian.Uint64(b)), true
	}
	n, ok := integer(t, b)
	return float64(n), ok
}

// strings decodes an array of strings with two allocations: one for the bytes,
// one for the headers.
func (v value) strings() []string {
	all := string(v.data)
	list := make([]string, v.count)
	pos := 0
	for i := range list {
		n := int(binary.LittleEndian.Uint64(v.data[pos:]))
		pos += 8
		list[i] = all[pos : pos+n]
		pos += n
	}
	return list
}

func (v value) decode() any {
	switch v.kind {
	case typeString:
		return string(v.data)
	case typeArray:
		x, _ := decodeArray(v.elem, v.count, v.data)
		return x
	default:
		return decodeScalar(v.kind, v.data)
	}
}

func decodeScalar(t valueType, b []byte) any {
	n, _ := integer(t, b)
	switch t {
	case typeUint8:
		return uint8(n)
	case typeInt8:
		return int8(n)
	case typeUint16:
		return uint16(n)
	case typeInt16:
		return int16(n)
	case typeUint32:
		return uint32(n)
	case typeInt32:
		return int32(n)
	case typeUint64:
		return uint64(n)
	case typeInt64:
		return n
	case typeFloat32:
		return math.Float32frombits(binary.LittleEndian.Uint32(b))
	case typeFloat64:
		return math.Float64frombits(binary.LittleEndian.Uint64(b))
	default: // typeBool
		return b[0] != 0
	}
}

// decodeArray decodes n elements of type t at the start of b. It also returns their size in
// bytes.
func decodeArray(t valueType, n int, b []byte) (any, int) {
	switch t {
	case typeUint8:
		return decodeList[uint8](t, n, b)
	case typeInt8:
		return decodeList[int8](t, n, b)
	case typeUint16:
		return decodeList[uint16](t, n, b)
	case typeInt16:
		return decodeList[int16](t, n, b)
	case typeUint32:
		return decodeList[uint32](t, n, b)
	case typeInt32:
		return decodeList[int32](t, n, b)
	case typeUint64:
		return decodeList[uint64](t, n, b)
	case typeInt64:
		return decodeList[int64](t, n, b)
	case typeFloat32:
		return decodeList[float32](t, n, b)
	case typeFloat64:
		return decodeList[float64](t, n, b)
	case typeBool:
		return decodeList[bool](t, n, b)
	case typeString:
		pos := 0
		for range n {
			pos += 8 + int(binary.LittleEndian.Uint64(b[pos:]))
		}
		return value{count: n, data: b[:pos]}.strings(), pos
	default: // typeArray
		list := make([]any, n)
		pos := 0
		for i := range list {
			elem := valueType(binary.LittleEndian.Uint32(b[pos:]))
			count := int(binary.LittleEndian.Uint64(b[pos+4:]))
			pos += 12
			x, size := decodeArray(elem, count, b[pos:])
			list[i] = x
			pos += size
		}
		return list, pos
	}
}

func decodeList[T any](t valueType, n int, b []byte) ([]T, int) {
	size := n * t.size()
	list := make([]T, n)
	if _, err := binary.Decode(b[:size], binary.LittleEndian, list); err != nil {
		panic(err) // cannot happen: b has the right size and T is a number
	}
	return list, size
}
