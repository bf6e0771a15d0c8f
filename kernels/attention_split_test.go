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

func TestSplitNumber(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 100000 {
		x := float32(math.Ldexp(r.NormFloat64(), r.IntN(200)-100))
		hi, lo := splitNumber(x)
		got := float64(math.Float32frombits(uint32(hi)<<16)) + float64(math.Float32frombits(uint32(lo)<<16))
		if math.Abs(got-float64(x)) > 0x1p-16*math.Abs(float64(x)) {
			t.Fatalf("%v is split to %v", x, got)
		}
	}
	for _, bits := range []uint32{0x7f800001, 0x7fc00000, 0x7fffffff, 0xff800001, 0xffffffff} {
		hi, lo := splitNumber(math.Float32frombits(bits))
		if x := math.Float32frombits(uint32(hi)<<16) + math.Float32frombits(uint32(lo)<<16); x == x {
			t.Errorf("NaN (%x) is split to %v", bits, x)
		}
	}
}

// TestSplitBits compares the assembly with its definitions.
func TestSplitBits(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	random := func(n int) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(r.NormFloat64())
		}
		return x
	}
	for n := 1; n <= 3*splitGroup; n++ {
		src := random(n)
		size := (n + splitGroup - 1) / splitGroup * splitGroup
		got, want := alignedFloats(size), make([]float32, size)
		splitRow(got, src)
		splitRowPortable(want, src)
		if !slices.Equal(bitsOf(got), bitsOf(want)) {
			t.Errorf("a row of %d numbers: %x, want %x", n, bitsOf(got), bitsOf(want))
		}
	}
	for n := 1; n <= splitGroup; n++ {
		for _, rows := range [][2][]float32{{random(n), random(n)}, {random(n), nil}, {nil, nil}} {
			got, want := alignedFloats(4*splitTile*splitTile), make([]float32, 4*splitTile*splitTile)
			clear(got)
			i := n % splitTile
			splitPair(got, i, rows[0], rows[1])
			splitPairPortable(want, i, rows[0], rows[1])
			if !slices.Equal(bitsOf(got), bitsOf(want)) {
				t.Errorf("pairs of %d numbers: %x, want %x", n, bitsOf(got), bitsOf(want))
			}
		}
	}
	for _, cols := range []int{1, 15, 16, 17, 31, 32, 64, 70} {
		states := make([]softmaxState, 5)
		for i := range states {
			states[i].factor, states[i].inverse = r.Float32(), r.Float32()
		}
		x := randomMatrix(r, 5, (cols+31)/32*32, 0)
		for _, factors := range [][2]bool{{false, false}, {false, true}, {true, false}, {true, true}} {
			got := randomMatrix(r, 5, cols, 3)
			want := copyMatrix(got)
			addWeighed(got, x, states, factors[0], factors[1])
			addWeighedPortable(want, x, states, factors[0], factors[1])
			sameBits(t, "addWeighed", got, want)
		}
	}
}

// TestSplitProduct compares products of split numbers with those in float64.
func TestSplitProduct(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	products := map[string]func(*splitProduct){"": multiplySplit, "portable": multiplySplitPortable}
	for _, c := range []struct{ groups, panels int }{{1, 1}, {2, 2}, {3, 5}, {16, 2}} {
		depth, width := c.groups*splitGroup, c.panels*splitGroup
		a, b := randomMatrix(r, splitTile, depth, 0), randomMatrix(r, depth, width, 0)
		split, panels := alignedFloats(splitTile*depth), alignedFloats(depth*width)
		for i := range splitTile {
			splitRow(split[i*depth:][:depth], a.Row(i))
		}
		for g := 0; g < depth; g += splitGroup {
			for i := range splitTile {
				for p := 0; p < width; p += splitGroup {
					splitPair(panels[p*depth+g*splitGroup:][:splitGroup*splitGroup], i, columns(b.Row(g+i), p), columns(b.Row(g+splitTile+i), p))
				}
			}
		}
		for name, multiply := range products {
			y := alignedFloats(splitTile * width)
			multiply(&splitProduct{a: unsafe.Pointer(&split[0]), aRow: uintptr(4 * depth), b: unsafe.Pointer(&panels[0]), bPanel: uintptr(4 * splitGroup * depth),
				y: unsafe.Pointer(&y[0]), yRow: uintptr(4 * width), groups: c.groups, panels: c.panels})
			for i := range splitTile {
				for j := range width {
					want, size := 0.0, 0.0
					for l := range depth {
						p := float64(a.Row(i)[l]) * float64(b.Row(l)[j])
						want, size = want+p, size+math.Abs(p)
					}
					if got := float64(y[i*width+j]); math.Abs(got-want) > 0x1p-15*size {
						t.Fatalf("%v %s: (%d, %d) is %v, want %v", c, name, i, j, got, want)
					}
				}
			}
		}
	}
}
