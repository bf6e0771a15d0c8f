package quant

import (
	"bytes"
	"encoding/hex"
	"hash/crc32"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// normal is n numbers from the normal distribution, as weights are.
func normal(seed uint64, n int, deviation float64) []float32 {
	r := rand.New(rand.NewPCG(seed, 0))
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64() * deviation)
	}
	return x
}

func quantized(t testing.TB, typ Type, x []float32) []byte {
	t.Helper()
	b := make([]byte, typ.Bytes(len(x)))
	if err := Quantize(b, typ, x); err != nil {
		t.Fatal(err)
	}
	return b
}

// loss is the root mean square of what is lost by a round trip, relative to that
// of x.
func loss(t testing.TB, typ Type, x []float32) float64 {
	t.Helper()
	y := dequantized(t, typ, quantized(t, typ, x))
	var e, s float64
	for i := range x {
		d := float64(x[i]) - float64(y[i])
		e += d * d
		s += float64(x[i]) * float64(x[i])
	}
	return math.Sqrt(e / s)
}

// TestLoss holds the round trip of weights, normal numbers as they mostly are, to
// what was measured. The formats that GGML fixes to the byte lose what they lose
// there; Q4_K and Q5_K must lose less than Q4_1 and Q5_1, which spend as many
// bits or more, and Q6_K a quarter of Q4_K.
func TestLoss(t *testing.T) {
	x := normal(1, 64*256, 0.04)
	for _, c := range []struct {
		t    Type
		want float64
	}{
		{F32, 0},
		{F16, 0.000208},
		{BF16, 0.00165},
		{Q8_0, 0.00533},
		{Q6_K, 0.0174},
		{Q5_1, 0.0379},
		{Q5_0, 0.0428},
		{Q5_K, 0.0356},
		{Q4_1, 0.0781},
		{Q4_0, 0.0863},
		{Q4_K, 0.0705},
	} {
		got := loss(t, c.t, x)
		t.Logf("%-5v %.6f", c.t, got)
		if got > 1.02*c.want || got < 0.98*c.want {
			t.Errorf("%v loses %.6f of the numbers' root mean square, want %.6f", c.t, got, c.want)
		}
	}
}

// TestQuantizeExact gives numbers that the type can hold; they must come back.
func TestQuantizeExact(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 0))
	for _, c := range []struct {
		t      Type
		number func(i int) float32
	}{
		{Q8_0, func(i int) float32 { // -127 to 127 times a power of two, both ends there
			if i%32 == 0 {
				return -127.0 / 1024
			}
			return float32(r.IntN(255)-127) / 1024
		}},
		{Q4_0, func(i int) float32 {
			if i%32 == 5 {
				return -8.0 / 64
			}
			return float32(r.IntN(16)-8) / 64
		}},
		{Q5_0, func(i int) float32 {
			if i%32 == 31 {
				return 16.0 / 64 // the scale is then negative
			}
			return -float32(r.IntN(32)-16) / 64
		}},
		{Q4_1, func(i int) float32 {
			switch i % 32 {
			case 0:
				return 3
			case 1:
				return 3 + 15.0/8
			}
			return 3 + float32(r.IntN(16))/8
		}},
		{Q5_1, func(i int) float32 {
			switch i % 32 {
			case 0:
				return -2
			case 1:
				return -2 + 31.0/8
			}
			return -2 + float32(r.IntN(32))/8
		}},
	} {
		x := make([]float32, 8*32)
		for i := range x {
			x[i] = c.number(i)
		}
		for i, y := range dequantized(t, c.t, quantized(t, c.t, x)) {
			if y != x[i] {
				t.Errorf("%v: number %d, %g, comes back as %g", c.t, i, x[i], y)
				break
			}
		}
	}
}

// TestQuantizeBytes compares with what GGML's reference (gguf-py 0.19) writes: for
// one block in full, and by checksum for the 12288 numbers, of all magnitudes,
// that two of the test vectors hold.
func TestQuantizeBytes(t *testing.T) {
	ramp := make([]float32, 32)
	for i := range ramp {
		ramp[i] = float32(i) - 10.5
	}
	var all []float32
	for _, typ := range []Type{Q6_K, IQ4_XS} {
		all = append(all, dequantized(t, typ, read(t, "testdata", typ.String()+".blocks.bin"))...)
	}
	for i := range all {
		all[i] += 0 // no -0: of blocks of nothing else the two choose other signs
	}
	for _, c := range []struct {
		t     Type
		ramp  string
		crc32 uint32
	}{
		{F16, "40c9c0c840c880c780c680c580c400c300c100be00b80038003e0041004380448045804680474048c0484049c049404ac04a404bc04b204c604ca04ce04c204d", 0xd9b1679b},
		{BF16, "28c118c108c1f0c0d0c0b0c090c060c020c0c0bf00bf003fc03f204060409040b040d040f0400841184128413841484158416841784184418c4194419c41a441", 0x738d31be},
		{Q8_0, "2a31bfc5cbd2d8dee4eaf1f7fd03090f161c22282e353b41474d545a60666c73797f", 0xe1ab3742},
		{Q4_0, "20c16c5c5b5b4b4a4a393929282817170706", 0xe5fe585a},
		{Q4_1, "224040c980809191a2a2b3b3c4c4d5d5e6e6f7f7", 0x4a7ff279},
		{Q5_0, "20bdff0f0000c8b7a79695847463525140302f2e1d0c", 0x7d173edc},
		{Q5_1, "003c40c90000ffff00112233445566778899aabbccddeeff", 0x44529a0d},
	} {
		if got := hex.EncodeToString(quantized(t, c.t, ramp)); got != c.ramp {
			t.Errorf("%v: %s, want %s", c.t, got, c.ramp)
		}
		if sum := crc32.ChecksumIEEE(quantized(t, c.t, all)); sum != c.crc32 {
			t.Errorf("%v: checksum %#08x, want %#08x", c.t, sum, c.crc32)
		}
	}
}

func TestQuantizeLimits(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	for _, c := range []struct {
		t  Type
		x  float32
		ok bool
	}{
		{F32, nan, true}, {BF16, inf, true}, {F16, nan, true}, {F16, inf, true}, {F16, -inf, true},
		{F16, 65519, true}, {F16, 65520, false}, {F16, -1e9, false},
		{Q8_0, nan, false}, {Q8_0, inf, false}, {Q8_0, 8e6, true}, {Q8_0, 9e6, false},
		{Q4_0, 5e5, true}, {Q4_0, -6e5, false}, {Q4_1, 65504, true}, {Q4_1, -65536, false},
		{Q5_0, 1e6, true}, {Q5_0, 2e6, false}, {Q5_1, -inf, false},
		{Q4_K, 65504, true}, {Q4_K, nan, false}, {Q5_K, inf, false}, {Q6_K, -65536, false},
	} {
		x := make([]float32, c.t.BlockSize())
		x[len(x)-1] = c.x
		err := Quantize(make([]byte, c.t.BlockBytes()), c.t, x)
		if (err == nil) != c.ok {
			t.Errorf("%v of %g: %v", c.t, c.x, err)
		}
		if err != nil && !strings.Contains(err.Error(), "exceeds the range of type "+c.t.String()) {
			t.Errorf("%v of %g: the error is %v", c.t, c.x, err)
		}
	}
}

// TestQuantizeAny states for any numbers that a round trip stays within a step
// of the type's coarsest levels, and gives the same bytes wherever it writes.
func TestQuantizeAny(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		typ := rapid.SampledFrom([]Type{Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K, Q6_K}).Draw(t, "type")
		scale := rapid.SampledFrom([]float32{0, 1e-44, 1e-30, 1e-6, 1e-3, 1, 1000, 65000}).Draw(t, "scale")
		shift := rapid.Float32Range(-1, 1).Draw(t, "shift")
		x := make([]float32, typ.BlockSize())
		var span float64
		for i := range x {
			x[i] = scale * (rapid.Float32Range(-1, 1).Draw(t, "x") + shift) / 2
			span = max(span, math.Abs(float64(x[i])))
		}
		b := bytes.Repeat([]byte{0xa5}, typ.BlockBytes())
		if err := Quantize(b, typ, x); err != nil {
			t.Fatal(err)
		}
		c := make([]byte, typ.BlockBytes())
		if err := Quantize(c, typ, x); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(b, c) {
			t.Fatalf("%v depends on what was in the block: %x, %x", typ, b, c)
		}
		y := make([]float32, len(x))
		if err := Dequantize(y, typ, b); err != nil {
			t.Fatal(err)
		}
		// Half a step at best; the K types' scales are rounded too, and what a
		// float16 can't hold is lost: 2^-24 for each of the levels and minimums.
		steps := map[Type]float64{Q8_0: 127, Q4_0: 8, Q4_1: 15, Q5_0: 16, Q5_1: 31, Q4_K: 15, Q5_K: 31, Q6_K: 32}[typ]
		limit := 2*span/steps*1.1 + 128*math.Pow(2, -24)
		if typ == Q4_K || typ == Q5_K {
			limit += 2 * span / 63 // a minimum's rounding
			limit += 63 * 31 * math.Pow(2, -24)
		}
		if typ == Q6_K {
			limit += 128 * 32 * math.Pow(2, -24)
		}
		for i := range x {
			if d := math.Abs(float64(y[i]) - float64(x[i])); !(d <= limit) {
				t.Fatalf("%v: number %d of %g comes back as %g, %g away (largest %g)", typ, i, x[i], y[i], d, span)
			}
		}
	})
}

func BenchmarkQuantize(b *testing.B) {
	x := normal(3, 4096, 0.04)
	for _, typ := range []Type{F16, Q8_0, Q4_0, Q4_K, Q5_K, Q6_K} {
		b.Run(typ.String(), func(b *testing.B) {
			row := make([]byte, typ.Bytes(len(x)))
			b.SetBytes(int64(4 * len(x)))
			b.ReportAllocs()
			for b.Loop() {
				if err := Quantize(row, typ, x); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
