package quant

import (
	"errors"
	"strings"
	"testing"

	"github.com/winnow-rerank/winnow/internal/fault"
)

// The sizes of GGML's blocks, from its own headers.
var sizes = []struct {
	t           Type
	name        string
	size, bytes int
}{
	{F64, "F64", 1, 8}, {F32, "F32", 1, 4}, {F16, "F16", 1, 2}, {BF16, "BF16", 1, 2},
	{Q8_0, "Q8_0", 32, 34}, {Q4_0, "Q4_0", 32, 18}, {Q4_1, "Q4_1", 32, 20},
	{Q5_0, "Q5_0", 32, 22}, {Q5_1, "Q5_1", 32, 24},
	{Q2_K, "Q2_K", 256, 84}, {Q3_K, "Q3_K", 256, 110}, {Q4_K, "Q4_K", 256, 144},
	{Q5_K, "Q5_K", 256, 176}, {Q6_K, "Q6_K", 256, 210},
	{IQ4_NL, "IQ4_NL", 32, 18}, {IQ4_XS, "IQ4_XS", 256, 136},
	{I8, "I8", 1, 1}, {I64, "I64", 1, 8}, {Bool, "BOOL", 1, 1}, {F4, "F4", 2, 1}, {F6_E2M3, "F6_E2M3", 4, 3},
}

func TestTypes(t *testing.T) {
	for _, c := range sizes {
		if c.t.String() != c.name || c.t.BlockSize() != c.size || c.t.BlockBytes() != c.bytes {
			t.Errorf("%v: %d numbers in %d bytes, want %s: %d in %d", c.t, c.t.BlockSize(), c.t.BlockBytes(), c.name, c.size, c.bytes)
		}
		if got := c.t.Bytes(12 * c.size); got != 12*c.bytes {
			t.Errorf("%v.Bytes(%d) = %d, want %d", c.t, 12*c.size, got, 12*c.bytes)
		}
		for _, name := range []string{c.name, strings.ToLower(c.name)} {
			if got, err := ParseType(name); err != nil || got != c.t {
				t.Errorf("ParseType(%q) = %v, %v", name, got, err)
			}
		}
	}
	for typ := Invalid; typ < types; typ++ {
		if table[typ].name == "" {
			t.Errorf("type %d has no name", typ)
		}
		if got := dequantizers[typ] != nil; got != typ.CanDequantize() {
			t.Errorf("%v: CanDequantize is %v, but a function for it exists: %v", typ, typ.CanDequantize(), got)
		}
	}
	for _, name := range []string{"", "invalid", "Q9_9", "q4", "Q4_K_M"} {
		if got, err := ParseType(name); err == nil {
			t.Errorf("ParseType(%q) = %v, want an error", name, got)
		}
	}
	if got := Type(200).String(); got != "Type(200)" {
		t.Errorf("Type(200) is called %q", got)
	}
	if n := (Tensor{Shape: []int{3, 4, 5}}).Len(); n != 60 {
		t.Errorf("a tensor of 3×4×5 has %d numbers", n)
	}
	if n := (Tensor{}).Len(); n != 1 {
		t.Errorf("a tensor without dimensions has %d numbers, want 1", n)
	}
}

func TestBadArguments(t *testing.T) {
	for _, c := range []struct {
		t              Type
		numbers, bytes int
		want           string
	}{
		{Q8_0, 31, 34, "found 31 numbers of type Q8_0, expected a multiple of 32"},
		{Q8_0, 32, 33, "found 33 bytes for 32 numbers of type Q8_0, expected 34"},
		{F16, 3, 7, "found 7 bytes for 3 numbers of type F16, expected 6"},
		{Q4_K, 128, 72, "found 128 numbers of type Q4_K, expected a multiple of 256"},
	} {
		if err := Dequantize(make([]float32, c.numbers), c.t, make([]byte, c.bytes)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Dequantize: %v, want %s", err, c.want)
		}
		if err := Quantize(make([]byte, c.bytes), c.t, make([]float32, c.numbers)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Quantize: %v, want %s", err, c.want)
		}
	}
	for _, typ := range []Type{Invalid, I64, Bool, F8_E4M3, types, 255} {
		err := Dequantize(nil, typ, nil)
		if !errors.Is(err, fault.ErrUnsupported) || !strings.Contains(err.Error(), typ.String()) {
			t.Errorf("Dequantize of %v: %v, want an unsupported type", typ, err)
		}
	}
	for _, typ := range []Type{Invalid, F64, Q2_K, IQ4_NL, I8, 255} {
		if err := Quantize(nil, typ, nil); err == nil {
			t.Errorf("Quantize to %v gave no error", typ)
		}
	}
}
