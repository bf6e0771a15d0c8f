package kernels

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"
)

func bitsOf(x []float32) []uint32 {
	b := make([]uint32, len(x))
	for i, v := range x {
		b[i] = math.Float32bits(v)
	}
	return b
}

func short(x float32) float32 { return math.Float32frombits(roundNumber(x) << 16) }

func TestRoundNumber(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 100000 {
		x := float32(math.Ldexp(r.NormFloat64(), r.IntN(200)-100))
		if got := short(x); math.Abs(float64(got)-float64(x)) > 0x1p-8*math.Abs(float64(x)) {
			t.Fatalf("%v is rounded to %v", x, got)
		}
	}
	for _, bits := range []uint32{0x7f800001, 0x7fc00000, 0x7fffffff, 0xff800001, 0xffffffff} {
		if x := short(math.Float32frombits(bits)); x == x {
			t.Errorf("NaN (%x) is rounded to %v", bits, x)
		}
	}
}

// TestPairBits compares the assembly that rounds and adds with its definitions.
func TestPairBits(t *testing.T) {
	everyFloatRung(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 4))
		odd := func(m Matrix) {
			for i, bits := range []uint32{0x7f800001, 0x7fffffff, 0xffffffff, 0x7f800000, 0x7f7fffff} {
				if i < m.Rows {
					m.Row(i)[m.Cols/2] = math.Float32frombits(bits)
				}
			}
		}
		for n := 1; n <= 3*bf16Group; n++ {
			rows, size := 1+n%5, (n+bf16Group-1)/bf16Group*bf16Group/2
			src := randomMatrix(r, rows, n, n%3)
			odd(src)
			got, want := randomMatrix(r, rows, size, 7), randomMatrix(r, rows, size, 2)
			factor := []float32{1, 0.3, -2e-3}[n%3]
			roundRows(got, src, factor)
			roundRowsPortable(want, src, factor)
			sameBits(t, "roundRows", got, want)
		}
		for n := 1; n <= bf16Group; n++ {
			for _, rows := range []int{0, 1, 7, 15, 16, 17, 30, 31, 32} {
				src := randomMatrix(r, rows, n, n%5)
				odd(src)
				got, want := aligned[float32](bf16Group*bf16Tile), make([]float32, bf16Group*bf16Tile)
				roundTiles(got, src)
				roundTilesPortable(want, src)
				if !slices.Equal(bitsOf(got), bitsOf(want)) {
					t.Errorf("pairs of %d×%d numbers: %x, want %x", rows, n, bitsOf(got), bitsOf(want))
				}
			}
		}
		for _, cols := range []int{1, 15, 16, 17, 31, 32, 64, 70} {
			states := make([]softmaxState, 5)
			for i := range states {
				states[i].factor, states[i].inverse = r.Float32(), r.Float32()
			}
			states[2].factor, states[3].inverse = 1, 1
			src := randomMatrix(r, 5, cols, 3)
			for _, inverse := range []bool{false, true} {
				for _, inPlace := range []bool{false, true} {
					from, got := copyMatrix(src), randomMatrix(r, 5, cols, 1)
					if inPlace {
						got = from
					}
					want := copyMatrix(got)
					scaleRowsPortable(want, src, states, inverse)
					scaleRows(got, from, states, inverse)
					sameBits(t, "scaleRows", got, want)
				}
			}
		}
	})
}

// TestWeighBF16 compares weights with 2^(score − max) in float64.
func TestWeighBF16(t *testing.T) {
	everyFloatRung(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(5, 6))
		for _, weigh := range []func([]softmaxState, []float32, int, int, bool){weighBF16, weighBF16Portable} {
			for n := bf16Group; n <= 4*bf16Group; n += bf16Group {
				scores := randomMatrix(r, 6, n, bf16Tile)
				scores.Row(1)[n/3], scores.Row(2)[n-1] = infinity, 1e30
				for j := range n {
					scores.Row(3)[j] = infinity
					scores.Row(4)[j] *= 60
					scores.Row(5)[j] *= 1e6
				}
				x := copyMatrix(scores)
				states := make([]softmaxState, 6)
				for i := range states {
					states[i].reset()
				}
				weigh(states, scores.Data, scores.Stride, n, true)
				for i, s := range states {
					if m := max(slices.Max(x.Row(i)), softmaxStart); s.max != m {
						t.Fatalf("row %d: largest %v, want %v", i, s.max, m)
					}
					sum := 0.0
					for j, score := range x.Row(i) {
						want := math.Exp2(float64(score) - float64(s.max))
						group := scores.Row(i)[j/bf16Group*bf16Tile:]
						got := float64(shortNumber(unsafe.Pointer(&group[j%bf16Tile]), j%bf16Group/bf16Tile))
						if got-want > 0x1p-12*want || want-got > (0x1p-7+0x1p-12)*want+0x1p-126 {
							t.Fatalf("row %d: weight %d of %v is %v, want %v", i, j, score, got, want)
						}
						sum += got
					}
					if sum == 0 && s.inverse != 0 || sum != 0 && math.Abs(sum*float64(s.inverse)-1) > 1e-6 {
						t.Fatalf("row %d: 1/sum is %v, the sum is %v", i, s.inverse, sum)
					}
				}
			}
			// A score that is no number leaves none in its row, whichever weights are.
			scores, state := randomMatrix(r, 1, bf16Group, 0), make([]softmaxState, 1)
			scores.Row(0)[3] = float32(math.NaN())
			state[0].reset()
			weigh(state, scores.Data, scores.Stride, bf16Group, true)
			if x := state[0].inverse; x == x {
				t.Errorf("a row with NaN has 1/sum = %v", x)
			}
		}
	})
}

// TestBF16Product compares products of rounded numbers with those in float64.
func TestBF16Product(t *testing.T) {
	everyFloatRung(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(7, 8))
		products := map[string]func(*bf16Product){"": multiplyBF16, "portable": multiplyBF16Portable}
		for _, c := range []struct{ rows, groups, panels int }{{16, 1, 1}, {3, 1, 2}, {32, 1, 1}, {17, 2, 2}, {32, 2, 3}, {31, 3, 5}, {7, 16, 2}, {32, 16, 2}} {
			depth, width := c.groups*bf16Group, c.panels*bf16Group
			a, b := randomMatrix(r, bf16Rows, depth, 0), randomMatrix(r, depth, width, 0)
			rows := Matrix{Data: aligned[float32](bf16Rows * depth / 2), Rows: bf16Rows, Cols: depth / 2, Stride: depth / 2}
			roundRows(rows, a, 1)
			panels := aligned[float32](depth * width / 2)
			for p := 0; p < width; p += bf16Group {
				for g := 0; g < depth; g += bf16Group {
					roundTiles(panels[(p*depth+g*bf16Group)/2:], b.Slice(g, g+bf16Group).Columns(p, p+bf16Group))
				}
			}
			for name, multiply := range products {
				for _, add := range []bool{false, true} {
					old := randomMatrix(r, bf16Rows, width, 0)
					y := copyMatrix(old)
					multiply(&bf16Product{a: unsafe.Pointer(&rows.Data[0]), aRow: uintptr(2 * depth), b: unsafe.Pointer(&panels[0]), bPanel: uintptr(2 * bf16Group * depth),
						y: unsafe.Pointer(&y.Data[0]), yRow: uintptr(4 * y.Stride), rows: c.rows, groups: c.groups, panels: c.panels, add: add})
					for i := range c.rows {
						for j := range width {
							want, size := 0.0, 0.0
							if add {
								want = float64(old.Row(i)[j])
								size = math.Abs(want)
							}
							for l := range depth {
								p := float64(short(a.Row(i)[l])) * float64(short(b.Row(l)[j]))
								want, size = want+p, size+math.Abs(p)
							}
							if got := float64(y.Row(i)[j]); math.Abs(got-want) > 0x1p-20*size {
								t.Fatalf("%v %s: (%d, %d) is %v, want %v", c, name, i, j, got, want)
							}
						}
					}
					for i := (c.rows + bf16Tile - 1) / bf16Tile * bf16Tile; i < bf16Rows; i++ {
						if !slices.Equal(y.Row(i), old.Row(i)) {
							t.Fatalf("%v %s: row %d is written", c, name, i)
						}
					}
				}
			}
		}
	})
}
