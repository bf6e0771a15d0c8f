package kernels

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/winnow-rerank/winnow/quant"
)

// identical reports where got differs from want; a NaN equals any NaN.
func identical(t *testing.T, got, want Matrix) {
	t.Helper()
	for i := range want.Rows {
		for j, w := range want.Row(i) {
			g := got.Row(i)[j]
			if math.Float32bits(g) != math.Float32bits(w) && (g == g || w == w) {
				t.Fatalf("row %d of %d, column %d of %d: got %v (%#x), want %v (%#x)",
					i, want.Rows, j, want.Cols, g, math.Float32bits(g), w, math.Float32bits(w))
			}
		}
	}
}

// intPackers are the kinds of weights that are multiplied in integers.
var intPackers = []intPacker{
	{"int8", 1, func(w Matrix) Weights { return packWide(w, someWide(w.Cols)) }},
	{"int8a16", 1, func(w Matrix) Weights {
		return PackInt8A16(w.Rows, w.Cols, func(i int, dst []float32) { copy(dst, w.Row(i)) })
	}},
	{"int8a8", 1, func(w Matrix) Weights { return packWide(w, nil) }},
	{"int8 in parts", 1, func(w Matrix) Weights { return Widen(packWide(w, nil), unitsOf(w.Cols), someWide(w.Cols)) }},
	{"int16", 1, packTwoTerms},
	{"int16a8 in parts", 1, func(w Matrix) Weights { return Widen(packTwoTerms(w), unitsOf(w.Cols), someWide(w.Cols)) }},
	{"q8_0", 32, func(w Matrix) Weights { return PackQ8_0(w.Rows, w.Cols, quantised(quant.Q8_0, w)) }},
	packerOf(quant.Q4_0), packerOf(quant.Q4_1), packerOf(quant.Q5_0), packerOf(quant.Q5_1),
	packerOf(quant.Q4_K), packerOf(quant.Q5_K), packerOf(quant.Q6_K),
	packerOf(quant.IQ4_NL), packerOf(quant.IQ4_XS), packerOf(quant.Q3_K),
}

// packTwoTerms is PackInt16 of a matrix.
func packTwoTerms(w Matrix) Weights {
	return PackInt16(w.Rows, w.Cols, func(i int, dst []float32) { copy(dst, w.Row(i)) })
}

// packWide is PackInt8 of a matrix.
func packWide(w Matrix, wide []int) Weights {
	return PackInt8(w.Rows, w.Cols, wide, func(i int, dst []float32) { copy(dst, w.Row(i)) })
}

// someWide are some of k inputs, not in order.
func someWide(k int) []int {
	var wide []int
	for l := k - 1; l >= 0; l -= 7 + l%13 {
		wide = append(wide, l)
	}
	return wide
}

type intPacker struct {
	name  string
	block int // inputs are a multiple of it
	pack  func(w Matrix) Weights
}

func packerOf(t quant.Type) intPacker {
	return intPacker{strings.ToLower(t.String()), t.BlockSize(), func(w Matrix) Weights {
		return PackBlocks(t, w.Rows, w.Cols, quantised(t, w))
	}}
}

// quantised is w in blocks of GGML's, limited to what their float16 scales hold.
// Of types that are only read it is any blocks whose scales are finite.
func quantised(t quant.Type, w Matrix) []byte {
	row := make([]float32, w.Cols)
	data := make([]byte, 0, w.Rows*t.Bytes(w.Cols))
	for i := range w.Rows {
		for j, v := range w.Row(i) {
			row[j] = min(max(v, -1000), 1000)
			if v != v {
				row[j] = 0
			}
		}
		dst := make([]byte, t.Bytes(w.Cols))
		if t.CanQuantize() {
			if err := quant.Quantize(dst, t, row); err != nil {
				panic(err)
			}
		} else {
			r := rand.New(rand.NewPCG(6, uint64(i)))
			for j := range dst {
				dst[j] = byte(r.Uint32())
			}
			scale := 0
			if t == quant.Q3_K {
				scale = 108
			}
			for j := scale; j < len(dst); j += t.BlockBytes() {
				binary.LittleEndian.PutUint16(dst[j:], quant.HalfBits(float32(r.NormFloat64())))
			}
		}
		if t == quant.Q8_0 && len(dst) > 0 {
			dst[2+i%32] = 0x80 // −128, which the writer never gives
		}
		data = append(data, dst...)
	}
	return data
}

// intFills make hard numbers.
var intFills = []struct {
	name string
	fill func(r *rand.Rand, m Matrix)
}{
	{"normal", func(*rand.Rand, Matrix) {}},
	{"saturated", func(r *rand.Rand, m Matrix) { fill(m, func() float32 { return 3 }) }},
	{"saturated below", func(r *rand.Rand, m Matrix) { fill(m, func() float32 { return -3 }) }},
	{"signs", func(r *rand.Rand, m Matrix) { fill(m, func() float32 { return float32(r.IntN(2)*2 - 1) }) }},
	{"zeros", func(r *rand.Rand, m Matrix) { fill(m, func() float32 { return 0 }) }},
	{"outliers", func(r *rand.Rand, m Matrix) {
		fill(m, func() float32 { return float32(math.Exp(4 * r.NormFloat64())) })
	}},
	{"tiny", func(r *rand.Rand, m Matrix) { fill(m, func() float32 { return float32(r.NormFloat64() * 1e-42) }) }},
	{"halves", func(r *rand.Rand, m Matrix) { fill(m, func() float32 { return float32(r.IntN(255)-127) / 2 }) }},
	{"not finite", func(r *rand.Rand, m Matrix) {
		fill(m, func() float32 {
			switch r.IntN(200) {
			case 0:
				return float32(math.Inf(1))
			case 1:
				return float32(math.NaN())
			}
			return float32(r.NormFloat64())
		})
	}},
}

func fill(m Matrix, f func() float32) {
	for i := range m.Rows {
		for j := range m.Row(i) {
			m.Row(i)[j] = f()
		}
	}
}

func roundUp(n, to int) int { return (n + to - 1) / to * to }

func TestGemmIntDefinition(t *testing.T) {
	type shape struct{ rows, n, k int }
	var shapes []shape
	for rows := range 41 {
		shapes = append(shapes, shape{rows, 33 + rows, 64 + 32*(rows%3)})
	}
	for _, k := range []int{0, 1, 2, 3, 4, 7, 31, 32, 33, 63, 64, 65, 127, 384, 1000} {
		shapes = append(shapes, shape{5, 40, k}, shape{35, 7, k}, shape{1, 64, k})
	}
	shapes = append(shapes, shape{300, 20, 96}, shape{259, 100, 1536}, shape{5, 40, 5000})
	for i, p := range intPackers {
		for _, s := range shapes {
			s.k = roundUp(s.k, p.block)
			// The kernels of the types after the first seven are those of q8_0.
			coded := i >= 7
			if coded && s.rows%12 != 1 && s.n != 7 || testing.Short() && s.rows > 100 {
				continue
			}
			for _, f := range intFills {
				if f.name != "normal" && (coded || s.rows%5 != 0) {
					continue
				}
				t.Run(fmt.Sprintf("%s %d×%d×%d %s", p.name, s.rows, s.n, s.k, f.name), func(t *testing.T) {
					r := rand.New(rand.NewPCG(uint64(s.rows), uint64(s.k)))
					x, w := randomMatrix(r, s.rows, s.k, 3), randomMatrix(r, s.n, s.k, 0)
					f.fill(r, x)
					f.fill(r, w)
					bias := randomMatrix(r, 1, s.n, 0).Data
					residual := randomMatrix(r, s.rows, s.n, 2)
					epilogues := []Epilogue{
						{}, {Bias: bias}, {Bias: bias, Residual: residual},
						{Residual: residual}, {Bias: bias, Act: ReLU}, {Act: ReLU, Residual: residual},
					}
					// The definition is slow, and so is computed once for all rungs.
					want := make([]Matrix, len(epilogues))
					atPortable(func() {
						plain := p.pack(w)
						for i := range epilogues {
							var in Input
							want[i] = randomMatrix(r, s.rows, s.n, 5)
							multiplyAll(plain, &in, want[i], x, &epilogues[i])
						}
					})
					everyRung(t, func(t *testing.T) {
						packed := p.pack(w)
						for i, e := range epilogues {
							var in Input
							got := randomMatrix(r, s.rows, s.n, 5)
							t.Logf("epilogue %d", i)
							multiplyAll(packed, &in, got, x, &e)
							identical(t, got, want[i])
							for j, v := range got.Data {
								if j%got.Stride >= s.n && v == v {
									t.Fatalf("written beyond row %d", j/got.Stride)
								}
							}
							if e.Residual.Rows > 0 {
								for j := range s.rows {
									copy(got.Row(j), residual.Row(j))
								}
								e.Residual = got
								multiplyAll(packed, &in, got, x, &e)
								identical(t, got, want[i])
							}
						}
					})
				})
			}
		}
	}
}

// TestGemmInt8Exact checks all rungs against sums in float64 of what PackInt8 says
// that numbers are rounded to.
func TestGemmInt8Exact(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	everyRung(t, func(t *testing.T) {
		for _, k := range []int{1, 5, 64, 200, 1000, 1536, 3000} {
			some := someWide(k)
			all := make([]int, k)
			for l := range all {
				all[l] = l
			}
			for _, wide := range [][]int{nil, some, all} {
				x, w := randomMatrix(r, 9, k, 0), randomMatrix(r, 21, k, 0)
				for i := range x.Rows {
					for _, l := range some {
						x.Row(i)[l] *= 40
					}
				}
				bias := randomMatrix(r, 1, 21, 0).Data
				y := randomMatrix(r, 9, 21, 0)
				parts := unitsOf(k)
				if len(wide) == k {
					parts = 1
				}
				var in Input
				multiplyAll(Widen(packWide(w, nil), parts, wide), &in, y, x, &Epilogue{Bias: bias})
				for i := range y.Rows {
					scales := make([]float64, parts)
					for p := range scales {
						scales[p] = scaleOfRow(x.Row(i), wide, p*k/parts, k/parts)
					}
					for j := range y.Cols {
						sw := float64(math.Float32frombits(largestPortable(w.Row(j)))) / limitOf(w.Row(j))
						want := float64(bias[j])
						magnitude, either := math.Abs(want), 0.0
						for l, v := range x.Row(i) {
							sx := scales[l/(k/parts)]
							a, b := float64(v)/sx, float64(w.Row(j)[l])/sw
							want += math.RoundToEven(a) * math.RoundToEven(b) * sx * sw
							magnitude += math.Abs(a*b) * sx * sw
							// A number in the middle may be rounded either way.
							if off := math.Abs(a - math.Floor(a) - 0.5); off < 1e-6*math.Abs(a) {
								either += (math.Abs(b) + 1) * sx * sw
							}
							if off := math.Abs(b - math.Floor(b) - 0.5); off < 1e-6*math.Abs(b) {
								either += (math.Abs(a) + 1) * sx * sw
							}
						}
						if d := math.Abs(float64(y.Row(i)[j]) - want); d > either+1e-6*(magnitude+1) {
							t.Fatalf("%d inputs, %d wide, %d parts; row %d, column %d: got %v, want %v", k, len(wide), parts, i, j, y.Row(i)[j], want)
						}
					}
				}
			}
		}
	})
}

// scaleOfRow is the scale of k activations of a row from the from-th on, as PackInt8
// says it.
func scaleOfRow(x []float32, wide []int, from, k int) float64 {
	var low, high, most float64
	n := 0
	for l, v := range x[from:][:k] {
		v := float64(v)
		if slices.Contains(wide, from+l) {
			most = max(most, math.Abs(v))
			n++
		} else {
			low, high = min(low, v), max(high, v)
		}
	}
	limit := 32512.0
	if n > 0 {
		// What is left of 32 bits where all products are as large as they can be.
		limit = min(limit, math.Floor((math.MaxInt32/127-255*float64(k-n))/float64(n)))
	}
	return max((high-low)/254, most/limit)
}

// Sums of the largest products do not overflow, however many inputs are wide.
func TestGemmInt8Sums(t *testing.T) {
	everyRung(t, func(t *testing.T) {
		for _, k := range []int{400, 4000, 65793} {
			for _, n := range []int{0, 16, k / 3, k} {
				r := rand.New(rand.NewPCG(1, 2))
				x, w := randomMatrix(r, 2, k, 0), randomMatrix(r, 9, k, 0)
				fill(w, func() float32 { return 1 })
				for l := range k {
					x.Row(0)[l], x.Row(1)[l] = 1, -1
					if l < n {
						x.Row(0)[l], x.Row(1)[l] = 300, -300
					}
				}
				wide := make([]int, n)
				for l := range wide {
					wide[l] = l
				}
				y := randomMatrix(r, 2, 9, 0)
				var in Input
				multiplyAll(packWide(w, wide), &in, y, x, &Epilogue{})
				want := float64(k-n) + 300*float64(n)
				for j := range y.Cols {
					if got := float64(y.Row(0)[j]); math.Abs(got-want) > 0.02*want || y.Row(1)[j] != -y.Row(0)[j] {
						t.Fatalf("%d inputs, %d wide: got %v and %v, want about %v", k, n, got, y.Row(1)[j], want)
					}
				}
			}
		}
	})
}

// Weights that are widened share their panels, and give what weights do that were
// packed so.
func TestWiden(t *testing.T) {
	everyRung(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(21, 22))
		x, m := randomMatrix(r, 19, 200, 0), randomMatrix(r, 70, 200, 0)
		all := PackInt8A16(m.Rows, m.Cols, func(i int, dst []float32) { copy(dst, m.Row(i)) })
		for _, wide := range [][]int{nil, {3}, someWide(200)} {
			got, want := randomMatrix(r, x.Rows, m.Rows, 0), randomMatrix(r, x.Rows, m.Rows, 0)
			var in Input
			multiplyAll(packWide(m, wide), &in, want, x, &Epilogue{})
			w := Widen(Widen(all, 1, []int{5, 6, 199}), 1, wide)
			if w.Kind() != "int8" || all.Kind() != "int8a16" {
				t.Errorf("kinds %s and %s", w.Kind(), all.Kind())
			}
			multiplyAll(w, &in, got, x, &Epilogue{})
			identical(t, got, want)
		}
		f := PackF32(m.Rows, m.Cols, func(i int, dst []float32) { copy(dst, m.Row(i)) })
		if Widen(f, 2, nil) != f {
			t.Error("float32 weights changed")
		}
	})
}

// TestGemmBlocksExact checks what each type of blocks gives against float64: the
// sum over dequantised weights and activations that are rounded in the same way.
func TestGemmBlocksExact(t *testing.T) {
	types := []quant.Type{quant.Q8_0, quant.Q4_0, quant.Q4_1, quant.Q5_0, quant.Q5_1, quant.Q4_K, quant.Q5_K, quant.Q6_K, quant.IQ4_NL, quant.IQ4_XS}
	everyRung(t, func(t *testing.T) {
		for _, typ := range types {
			k, size := 512, 32
			if typ.BlockSize() == 32 {
				k = 352
			} else {
				size = 256
			}
			r := rand.New(rand.NewPCG(8, 9))
			x, m := randomMatrix(r, 7, k, 0), randomMatrix(r, 45, k, 0)
			data := quantised(typ, m)
			if err := quant.Dequantize(m.Data, typ, data); err != nil {
				t.Fatal(err)
			}
			w := PackBlocks(typ, m.Rows, k, data)
			if w.Kind() != strings.ToLower(typ.String()) {
				t.Errorf("kind %q of %v", w.Kind(), typ)
			}
			if full, limit := roundUp(m.Rows, w.Panel()), 1.09; float64(w.Bytes()) > limit*float64(typ.Bytes(full*k)) {
				t.Errorf("%v: %d bytes for %d of the file's", typ, w.Bytes(), typ.Bytes(full*k))
			}
			bias := randomMatrix(r, 1, m.Rows, 0).Data
			y := randomMatrix(r, x.Rows, m.Rows, 0)
			var in Input
			multiplyAll(w, &in, y, x, &Epilogue{Bias: bias})
			for i := range x.Rows {
				rounded := make([]float64, k)
				// What minimums are multiplied by beyond the sum of rounded.
				offsets := make([]float64, k/size)
				for l := 0; l < k; l += size {
					inverse, scale := scaleOf(largestPortable(x.Row(i)[l:l+size]), 127)
					q := make([]int8, size)
					sum := quantisePortable(q, x.Row(i)[l:l+size], inverse)
					if size == 256 {
						scale = 1 / inverse
					} else {
						offset := roundToHalf(float32(sum) * scale)
						scale = roundToHalf(scale)
						offsets[l/size] = float64(offset) - float64(sum)*float64(scale)
					}
					for p, v := range q {
						rounded[l+p] = float64(v) * float64(scale)
					}
				}
				for j := range m.Rows {
					want, magnitude := float64(bias[j]), math.Abs(float64(bias[j]))
					for l, v := range m.Row(j) {
						want += rounded[l] * float64(v)
						magnitude += math.Abs(rounded[l] * float64(v))
					}
					if typ == quant.Q4_1 || typ == quant.Q5_1 {
						for l, o := range offsets {
							block := data[(j*len(offsets)+l)*typ.BlockBytes():]
							want += o * float64(quant.Half(binary.LittleEndian.Uint16(block[2:])))
						}
					}
					// Blocks with minimums subtract what is larger than the sum.
					if d := math.Abs(float64(y.Row(i)[j]) - want); d > 4e-6*magnitude {
						t.Fatalf("%v, row %d, column %d: got %v, want %v", typ, i, j, y.Row(i)[j], want)
					}
				}
			}
		}
	})
}

// Whatever rows and columns a row is multiplied with, its bits are the same.
func TestGemmIntSplits(t *testing.T) {
	everyRung(t, func(t *testing.T) {
		for _, p := range intPackers {
			r := rand.New(rand.NewPCG(3, 4))
			x, m := randomMatrix(r, 70, 256, 0), randomMatrix(r, 150, 256, 0)
			w := p.pack(m)
			e := &Epilogue{Bias: randomMatrix(r, 1, 150, 0).Data, Act: GELU}
			want := randomMatrix(r, x.Rows, m.Rows, 0)
			var in Input
			multiplyAll(w, &in, want, x, e)
			got := randomMatrix(r, x.Rows, m.Rows, 0)
			for _, height := range []int{1, 3, 16, 33} {
				for i := 0; i < x.Rows; i += height {
					end := min(i+height, x.Rows)
					w.Reserve(&in, end-i)
					w.Prepare(&in, x.Slice(i, end), 0, end-i)
					for j := 0; j < m.Rows; j += w.Panel() {
						w.Multiply(got.Slice(i, end), &in, j, min(j+w.Panel(), m.Rows), e)
					}
				}
				identical(t, got, want)
			}
		}
	})
}

// A stack gives what its parts give, each with its own columns.
func TestStack(t *testing.T) {
	everyRung(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(11, 12))
		x := randomMatrix(r, 37, 256, 0)
		var parts []Weights
		heights := []int{64, 32, 96, 41}
		total := 0
		want := randomMatrix(r, x.Rows, 64+32+96+41, 0)
		bias := randomMatrix(r, 1, want.Cols, 0).Data
		residual := randomMatrix(r, x.Rows, want.Cols, 3)
		for i, kind := range []quant.Type{quant.Q4_K, quant.Q6_K, quant.Q5_K, quant.Q4_0} {
			m := randomMatrix(r, heights[i], 256, 0)
			w := PackBlocks(kind, m.Rows, 256, quantised(kind, m))
			to := total + m.Rows
			var in Input
			multiplyAll(w, &in, want.Columns(total, to), x, &Epilogue{Bias: bias[total:to], Act: GELU, Residual: residual.Columns(total, to)})
			parts, total = append(parts, w), to
		}
		s := Stack(parts...)
		if s.Kind() != "q4_k+q6_k+q5_k+q4_0" || s.Outputs() != total || s.Inputs() != 256 {
			t.Errorf("%s of %d × %d", s.Kind(), s.Outputs(), s.Inputs())
		}
		got := randomMatrix(r, x.Rows, total, 0)
		e := &Epilogue{Bias: bias, Act: GELU, Residual: residual}
		var in Input
		multiplyAll(s, &in, got, x, e)
		identical(t, got, want)
		fill(got, func() float32 { return 0 })
		for j := 0; j < total; j += s.Panel() {
			s.Multiply(got, &in, j, min(j+s.Panel(), total), e)
		}
		identical(t, got, want)
		if n := testing.AllocsPerRun(5, func() { multiplyAll(s, &in, got, x, e) }); n != 0 {
			t.Errorf("%v allocations", n)
		}
		if Stack(parts[3], parts[0]) != nil {
			t.Error("a part that ends within a panel was stacked upon")
		}
		if Stack(parts[0], intPackers[0].pack(x)) != nil {
			t.Error("weights that are not in blocks were stacked")
		}
	})
}

func TestGemmIntAllocates(t *testing.T) {
	for _, p := range intPackers {
		r := rand.New(rand.NewPCG(3, 4))
		x, m := randomMatrix(r, 70, 256, 0), randomMatrix(r, 150, 256, 0)
		w := p.pack(m)
		y := randomMatrix(r, x.Rows, m.Rows, 0)
		var in Input
		w.Reserve(&in, x.Rows)
		e := &Epilogue{Act: GELU, Residual: y}
		if n := testing.AllocsPerRun(5, func() { multiplyAll(w, &in, y, x, e) }); n != 0 {
			t.Errorf("%s: %v allocations", p.name, n)
		}
	}
}

func TestQuantise(t *testing.T) {
	everyRung(t, func(t *testing.T) {
		for _, f := range intFills {
			for n := range 100 {
				r := rand.New(rand.NewPCG(5, uint64(n)))
				m := randomMatrix(r, 1, n, 0)
				f.fill(r, m)
				x := m.Row(0)
				bits := Largest(x)
				if want := largestPortable(x); bits != want {
					t.Fatalf("%s, %d numbers: largest %#x, want %#x", f.name, n, bits, want)
				}
				inverse, _ := scaleOf(bits, 127)
				want, wantSum := make([]int8, n+7), int32(0)
				if inverse != 0 {
					wantSum = quantisePortable(want, x, inverse)
				}
				got, wide := make([]int8, n+7), make([]int16, n+7)
				for i := range got {
					got[i], wide[i] = 77, 77
				}
				if sum := quantise(got, x, inverse); sum != wantSum {
					t.Fatalf("%s, %d numbers: sum %d, want %d", f.name, n, sum, wantSum)
				}
				if sum := quantiseWide(wide, x, inverse); sum != wantSum {
					t.Fatalf("%s, %d numbers: wide sum %d, want %d", f.name, n, sum, wantSum)
				}
				fine, _ := scaleOf(bits, maxWide)
				high := make([]int8, n+7)
				for i := range high {
					high[i] = 77
				}
				quantiseHigh(high, x, fine, 200, -128)
				for i, q := range high {
					w := int8(0)
					if i < n && fine != 0 {
						w = int8((roundToInt(float32(x[i]*fine))+200)>>8) ^ -128
					}
					if q != w {
						t.Fatalf("%s, %d of %d numbers: high byte %d, want %d", f.name, i, n, q, w)
					}
				}
				low := make([]int8, n+7)
				quantiseLow(low, x, inverse, 77)
				for i, q := range low {
					w := want[i]
					if i < n && inverse != 0 {
						w += 77
					}
					if q != w {
						t.Fatalf("%s, %d of %d numbers: low byte %d, want %d", f.name, i, n, q, w)
					}
				}
				for i, q := range want {
					if got[i] != q || wide[i] != int16(q) {
						t.Fatalf("%s, %d of %d numbers: got %d and %d, want %d", f.name, i, n, got[i], wide[i], q)
					}
				}
			}
		}
	})
}

func TestExtremes(t *testing.T) {
	everyRung(t, func(t *testing.T) {
		for _, f := range intFills {
			for n := range 100 {
				r := rand.New(rand.NewPCG(5, uint64(n)))
				m := randomMatrix(r, 1, n, 0)
				f.fill(r, m)
				if n%3 == 0 {
					for l := range m.Data {
						m.Data[l] = float32(math.Abs(float64(m.Data[l])))
					}
				}
				mask := make([]uint32, n)
				var high, low, other float64
				for l, v := range m.Row(0) {
					if r.IntN(8) > 0 {
						mask[l] = math.MaxUint32
						high, low = max(high, float64(v)), min(low, float64(v))
					} else {
						other = max(other, math.Abs(float64(v)))
					}
				}
				top, bottom, most := extremes(m.Row(0), mask)
				if f.name == "not finite" && (math.IsNaN(high) || math.IsInf(high-low, 0)) {
					if uint32(top) < infinite && bottom < 1<<31|infinite {
						t.Fatalf("%d numbers: extremes %#x and %#x of some that are not finite", n, top, bottom)
					}
					continue
				}
				gotHigh, gotLow := math.Float32frombits(uint32(top)), math.Float32frombits(bottom)
				if float64(gotHigh) != high || float64(gotLow) != low || bottom>>31 != 1 {
					t.Fatalf("%s, %d numbers: extremes %v and %v, want %v and %v", f.name, n, gotHigh, gotLow, high, low)
				}
				if got := float64(math.Float32frombits(most)); got != other && !math.IsNaN(other) {
					t.Fatalf("%s, %d numbers: largest wide one %v, want %v", f.name, n, got, other)
				}
			}
		}
	})
}

func FuzzGemmInt(f *testing.F) {
	for kind := range intPackers {
		f.Add(uint64(kind), uint8(3), uint8(5), uint16(7), uint8(kind), uint8(0))
		f.Add(uint64(kind), uint8(33), uint8(40), uint16(65), uint8(kind), uint8(3))
	}
	f.Fuzz(func(t *testing.T, seed uint64, rows, n uint8, k uint16, kind, numbers uint8) {
		// One kind of weights at a time, and no more than shows: the definition is slow.
		p := intPackers[int(kind)%len(intPackers)]
		depth := roundUp(int(k%520), p.block)
		height, width := int(rows%70), int(n%70)
		if height*width*depth > 1<<17 {
			height = 1<<17/(width*depth) + 1
		}
		r := rand.New(rand.NewPCG(seed, 1))
		x, w := randomMatrix(r, height, depth, 1), randomMatrix(r, width, depth, 0)
		hard := intFills[int(numbers)%len(intFills)]
		hard.fill(r, x)
		hard.fill(r, w)
		want, got := randomMatrix(r, height, width, 0), randomMatrix(r, height, width, 0)
		var in, plain Input
		atPortable(func() { multiplyAll(p.pack(w), &plain, want, x, &Epilogue{}) })
		for range eachRung {
			multiplyAll(p.pack(w), &in, got, x, &Epilogue{})
			identical(t, got, want)
		}
	})
}

func limitOf(row []float32) float64 {
	levels, _ := Levels(row)
	return float64(levels)
}
