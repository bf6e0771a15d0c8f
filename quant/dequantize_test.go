package quant

import (
	"encoding/binary"
	"encoding/json"
	"hash/crc32"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/winnow-rerank/winnow/internal/testenv"
	"github.com/x448/float16"
)

// vectors are blocks in testdata, with the first numbers that GGML's reference
// (gguf-py) makes of them, and the checksum of all of those numbers.
var vectors = []struct {
	t     Type
	crc32 uint32
}{
	{F16, 0x2074f0c4}, {BF16, 0x430612e9}, {Q8_0, 0x7cea2c67},
	{Q4_0, 0x737576c3}, {Q4_1, 0xb1d4e7a8}, {Q5_0, 0x875d11c8}, {Q5_1, 0xed1d67fb},
	{Q2_K, 0x6e8f2f0b}, {Q3_K, 0x05b98bed}, {Q4_K, 0x9b5385a6}, {Q5_K, 0x542757ff}, {Q6_K, 0x25e17f8a},
	{IQ4_NL, 0x2a9ae502}, {IQ4_XS, 0x397a5ee6},
}

func read(t testing.TB, parts ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(parts...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// dequantized is all of blocks' numbers.
func dequantized(t testing.TB, typ Type, blocks []byte) []float32 {
	t.Helper()
	got := make([]float32, len(blocks)/typ.BlockBytes()*typ.BlockSize())
	if err := Dequantize(got, typ, blocks); err != nil {
		t.Fatal(err)
	}
	return got
}

// same compares numbers by their bits with little-endian float32 in want, as far
// as want goes.
func same(t *testing.T, got []float32, want []byte) {
	t.Helper()
	for i := range len(want) / 4 {
		w := binary.LittleEndian.Uint32(want[4*i:])
		if g := math.Float32bits(got[i]); g != w {
			t.Fatalf("number %d is %g (%#08x), want %g (%#08x)", i, got[i], g, math.Float32frombits(w), w)
		}
	}
}

func TestDequantize(t *testing.T) {
	for _, v := range vectors {
		t.Run(v.t.String(), func(t *testing.T) {
			blocks := read(t, "testdata", v.t.String()+".blocks.bin")
			got := dequantized(t, v.t, blocks)
			same(t, got, read(t, "testdata", v.t.String()+".f32.bin"))
			b := make([]byte, 4*len(got))
			for i, x := range got {
				binary.LittleEndian.PutUint32(b[4*i:], math.Float32bits(x))
			}
			if sum := crc32.ChecksumIEEE(b); sum != v.crc32 {
				t.Errorf("checksum of all %d numbers is %#08x, want %#08x", len(got), sum, v.crc32)
			}
			// Off any alignment the bits are the same.
			shifted := append([]byte{0xff}, blocks...)[1:]
			same(t, dequantized(t, v.t, shifted), b)
			// So are they block by block.
			for i := 0; i*v.t.BlockBytes() < len(blocks); i++ {
				one := dequantized(t, v.t, blocks[i*v.t.BlockBytes():][:v.t.BlockBytes()])
				same(t, one, b[4*i*v.t.BlockSize():][:4*v.t.BlockSize()])
			}
		})
	}
}

func TestDequantizeCorpus(t *testing.T) {
	dir := filepath.Join(testenv.Parity(t), "quants")
	var index struct {
		Types []struct {
			Type   string
			Values int `json:"values_per_block"`
			Bytes  int `json:"bytes_per_block"`
			Blocks int
			CRC    uint32 `json:"crc32_blocks"`
		}
	}
	if err := json.Unmarshal(read(t, dir, "index.json"), &index); err != nil {
		t.Fatal(err)
	}
	done := 0
	for _, e := range index.Types {
		typ, err := ParseType(e.Type)
		if err != nil {
			continue // one that winnow does not read
		}
		t.Run(e.Type, func(t *testing.T) {
			blocks := read(t, dir, e.Type+".blocks.bin")
			if typ.BlockSize() != e.Values || typ.BlockBytes() != e.Bytes {
				t.Fatalf("blocks of %d in %d bytes, want %d in %d", typ.BlockSize(), typ.BlockBytes(), e.Values, e.Bytes)
			}
			if sum := crc32.ChecksumIEEE(blocks); sum != e.CRC || len(blocks) != e.Blocks*e.Bytes {
				t.Fatalf("the corpus is damaged: checksum %d of %d bytes", sum, len(blocks))
			}
			want := read(t, dir, e.Type+".f32.bin")
			got := dequantized(t, typ, blocks)
			if len(want) != 4*len(got) {
				t.Fatalf("%d numbers, want %d", len(got), len(want)/4)
			}
			same(t, got, want)
		})
		done++
	}
	if done != len(vectors) {
		t.Errorf("%d types compared, want %d", done, len(vectors))
	}
}

func TestDequantizeFloats(t *testing.T) {
	f64 := binary.LittleEndian.AppendUint64(nil, math.Float64bits(0.1))
	f64 = binary.LittleEndian.AppendUint64(f64, math.Float64bits(-1e300))
	got := dequantized(t, F64, f64)
	if got[0] != 0.1 || !math.IsInf(float64(got[1]), -1) {
		t.Errorf("F64: %v, want [0.1 -Inf]", got)
	}
	// All lengths, so that both the loop and what it leaves over are met.
	for n := range 10 {
		for _, typ := range []Type{F32, F16, BF16} {
			want := make([]float32, n)
			for i := range want {
				want[i] = float32(i) - 2.5
			}
			b := make([]byte, typ.Bytes(n))
			if err := Quantize(b, typ, want); err != nil {
				t.Fatal(err)
			}
			for i, x := range dequantized(t, typ, b) {
				if x != want[i] {
					t.Errorf("%v: number %d of %d is %v, want %v", typ, i, n, x, want[i])
				}
			}
		}
	}
}

// TestHalf compares every float16 with another implementation.
func TestHalf(t *testing.T) {
	for h := range 1 << 16 {
		got, want := Half(uint16(h)), float16.Frombits(uint16(h)).Float32()
		if got != want && !(got != got && want != want) {
			t.Fatalf("%#04x is %g, want %g", h, got, want)
		}
		if got == got && math.Float32bits(got) != math.Float32bits(want) {
			t.Fatalf("%#04x has the bits %#08x, want %#08x", h, math.Float32bits(got), math.Float32bits(want))
		}
		if back := HalfBits(got); back != uint16(h) && !(got != got && back&0x7c00 == 0x7c00 && back&0x3ff != 0) {
			t.Fatalf("%#04x comes back as %#04x", h, back)
		}
	}
}

// TestHalfRows compares the fast path of rows with the single numbers: every
// float16 in each of the places of a group, beside common numbers and rare ones.
func TestHalfRows(t *testing.T) {
	row := make([]byte, 8)
	got := make([]float32, 4)
	for _, beside := range []uint16{0x3c00, 0x8001, 0x7bff, 0x0400} {
		for place := range 4 {
			for h := range 1 << 16 {
				for i := range 4 {
					binary.LittleEndian.PutUint16(row[2*i:], beside)
				}
				binary.LittleEndian.PutUint16(row[2*place:], uint16(h))
				dequantizeF16(got, row)
				for i, x := range got {
					want := Half(binary.LittleEndian.Uint16(row[2*i:]))
					if math.Float32bits(x) != math.Float32bits(want) {
						t.Fatalf("number %d of % x is %g, want %g", i, row, x, want)
					}
				}
			}
		}
	}
}

// TestHalfBits compares roundings with another implementation: about each
// float16, at the middle between it and the next, and a bit to either side.
func TestHalfBits(t *testing.T) {
	check := func(x float32) {
		if got, want := HalfBits(x), float16.Fromfloat32(x).Bits(); got != want {
			t.Fatalf("%g (%#08x) becomes %#04x, want %#04x", x, math.Float32bits(x), got, want)
		}
	}
	for h := range 0x7c00 {
		x := Half(uint16(h))
		next := Half(uint16(h + 1))
		if h == 0x7bff {
			next = 65536
		}
		middle := (x + next) / 2
		for _, y := range []float32{x, middle, math.Nextafter32(middle, 0), math.Nextafter32(middle, 1e9)} {
			check(y)
			check(-y)
		}
	}
	for _, y := range []float32{0, 1e-45, 1e-10, 1e38, float32(math.Inf(1))} {
		check(y)
		check(-y)
	}
	if h := HalfBits(float32(math.NaN())); Half(h) == Half(h) {
		t.Errorf("NaN becomes %#04x", h)
	}
}

func TestBFloat16Bits(t *testing.T) {
	for _, c := range []struct {
		x    float32
		want uint16
	}{
		{0, 0}, {1, 0x3f80}, {-2, 0xc000}, {math.MaxFloat32, 0x7f80}, {float32(math.Inf(-1)), 0xff80},
		{math.Float32frombits(0x3f808000), 0x3f80}, // a tie goes to the even one, down
		{math.Float32frombits(0x3f818000), 0x3f82}, // and up
		{math.Float32frombits(0x3f808001), 0x3f81},
		{math.Float32frombits(0x7f800001), 0x7fc0}, // a NaN stays one
		{math.Float32frombits(0x00000001), 0},
	} {
		if got := BFloat16Bits(c.x); got != c.want {
			t.Errorf("%g (%#08x) becomes %#04x, want %#04x", c.x, math.Float32bits(c.x), got, c.want)
		}
	}
	for h := range 1 << 16 {
		if x := BFloat16(uint16(h)); x == x && BFloat16Bits(x) != uint16(h) {
			t.Fatalf("%#04x comes back as %#04x", h, BFloat16Bits(x))
		}
	}
}

// FuzzDequantize makes sure that no bytes make a type panic or depend on where
// they lie.
func FuzzDequantize(f *testing.F) {
	for _, v := range vectors {
		f.Add(uint8(v.t), read(f, "testdata", v.t.String()+".blocks.bin")[:2*v.t.BlockBytes()])
	}
	f.Add(uint8(F64), make([]byte, 16))
	f.Fuzz(func(t *testing.T, typ uint8, blocks []byte) {
		x := Type(typ)
		if !x.CanDequantize() {
			if Dequantize(nil, x, nil) == nil {
				t.Fatalf("%v gave no error", x)
			}
			return
		}
		n := len(blocks) / x.BlockBytes()
		got := make([]float32, n*x.BlockSize())
		err := Dequantize(got, x, blocks)
		if (err == nil) != (len(blocks) == x.Bytes(len(got))) {
			t.Fatalf("%v of %d bytes: %v", x, len(blocks), err)
		}
		if err != nil {
			return
		}
		for i := range n {
			one := make([]float32, x.BlockSize())
			if err := Dequantize(one, x, append([]byte{1}, blocks[i*x.BlockBytes():][:x.BlockBytes()]...)[1:]); err != nil {
				t.Fatal(err)
			}
			for j, y := range one {
				if z := got[i*x.BlockSize()+j]; math.Float32bits(y) != math.Float32bits(z) && (y == y || z == z) {
					t.Fatalf("%v: number %d of block %d is %g alone, %g in its row", x, j, i, y, z)
				}
			}
		}
	})
}

func BenchmarkDequantize(b *testing.B) {
	for _, typ := range []Type{F32, F16, BF16, Q8_0, Q4_0, Q4_K, Q6_K} {
		b.Run(typ.String(), func(b *testing.B) {
			x := make([]float32, 4096)
			for i := range x {
				x[i] = float32(math.Sin(float64(i))) * 0.05
			}
			row := make([]byte, typ.Bytes(len(x)))
			if err := Quantize(row, typ, x); err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(row)))
			b.ReportAllocs()
			for b.Loop() {
				if err := Dequantize(x, typ, row); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
