package kernels

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/winnow-rerank/winnow/quant"
)

// Weights of 16 bits err less than a 200th of what those of 8 do, whatever the
// activations; without the rest they are those of 8 bits; and weights that are multiples
// of one number leave no rest.
func TestPackInt16(t *testing.T) {
	everyRung(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(31, 32))
		const rows, outputs, inputs = 19, 70, 256
		x, m := randomMatrix(r, rows, inputs, 0), randomMatrix(r, outputs, inputs, 0)
		fill(x, func() float32 { return float32(r.IntN(201) - 100) }) // not rounded by any form
		for i := range rows {
			for l := 0; l < inputs; l += partInputs {
				x.Row(i)[l], x.Row(i)[l+1] = 127, -127
			}
		}
		eight := PackInt8A16(outputs, inputs, func(i int, dst []float32) { copy(dst, m.Row(i)) })
		two := packTwoTerms(m)
		product := func(w Weights) Matrix {
			var in Input
			y := randomMatrix(r, rows, outputs, 0)
			multiplyAll(w, &in, y, x, &Epilogue{})
			return y
		}
		// worst is the largest error as a share of the largest output.
		worst := func(w Weights) float64 {
			y, most, size := product(w), 0.0, 0.0
			for i := range rows {
				for j := range outputs {
					want := 0.0
					for l, v := range x.Row(i) {
						want += float64(v) * float64(m.Row(j)[l])
					}
					most = max(most, math.Abs(float64(y.Row(i)[j])-want))
					size = max(size, math.Abs(want))
				}
			}
			return most / size
		}
		before := worst(eight)
		for _, w := range []Weights{two, Widen(two, 1, nil), Widen(two, 4, []int{7, 3, 200}), Widen(Widen(two, 2, nil), 1, []int{9})} {
			if after := worst(w); before < 0.002 || after > before/200 {
				t.Errorf("an error of %.3g, of %.3g with 8 bits", after, before)
			}
			if w.Kind() != "int16a8" {
				t.Errorf("kind %s", w.Kind())
			}
		}
		identical(t, product(WithoutRest(two)), product(eight))
		if WithoutRest(eight) != eight || Rest(eight) != nil || Rest(two).Outputs() != outputs || two.Bytes() != eight.Bytes()+Rest(two).Bytes() {
			t.Error("what is left is not what was added")
		}
		for i := range outputs {
			row := m.Row(i)
			for l := range row {
				row[l] = float32(r.IntN(255)-127) * float32(i+1)
			}
			row[r.IntN(inputs)] = 127 * float32(i+1)
		}
		even := packTwoTerms(m)
		if Rest(even) != nil || even.Kind() != "int8a16" {
			t.Errorf("%s has a rest", even.Kind())
		}
		// One output that does leave something.
		m.Row(5)[(slices.Index(m.Row(5), 127*6)+1)%inputs] = 6 * 33.4
		if rest := Rest(packTwoTerms(m)); rest == nil || rest.(*int8Weights).scales[4] != 0 || rest.(*int8Weights).scales[5] == 0 {
			t.Error("the rest is not that of the output that leaves one")
		}
	})
}

// Dequantize of float16 is exact, whatever the number, the length and the alignment.
func TestDequantizeF16(t *testing.T) {
	everyRung(t, func(t *testing.T) {
		src := make([]byte, 1+2<<16)
		for i := range 1 << 16 {
			binary.LittleEndian.PutUint16(src[1+2*i:], uint16(i))
		}
		for from, n := 0, 0; from+n <= 1<<16; from, n = from+n, n+1 {
			dst := make([]float32, n)
			if err := Dequantize(dst, quant.F16, src[1+2*from:][:2*n]); err != nil {
				t.Fatal(err)
			}
			for i, got := range dst {
				want := quant.Half(uint16(from + i))
				if math.Float32bits(got) != math.Float32bits(want) && (got == got || want == want) {
					t.Fatalf("%#x of %d numbers: got %v, want %v", from+i, n, got, want)
				}
			}
		}
	})
}
