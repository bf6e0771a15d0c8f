package kernels

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/winnow-rerank/winnow/internal/peak"
	"github.com/winnow-rerank/winnow/quant"
)

// randomMatrix has numbers of about a standard normal distribution, and NaN
// between its rows.
func randomMatrix(r *rand.Rand, rows, cols, gap int) Matrix {
	m := Matrix{Data: make([]float32, rows*(cols+gap)), Rows: rows, Cols: cols, Stride: cols + gap}
	for i := range m.Data {
		if i%m.Stride >= cols {
			m.Data[i] = float32(math.NaN())
		} else {
			m.Data[i] = float32(r.NormFloat64())
		}
	}
	return m
}

// linear is x·wᵀ in float64, and beside each number the sum of the magnitudes
// that it was made of.
func linear(x, w Matrix) (y, size [][]float64) {
	y, size = make([][]float64, x.Rows), make([][]float64, x.Rows)
	for i := range x.Rows {
		y[i], size[i] = make([]float64, w.Rows), make([]float64, w.Rows)
		for j := range w.Rows {
			var s, m float64
			row := w.Row(j)
			for l, a := range x.Row(i) {
				p := float64(a) * float64(row[l])
				s += p
				m += math.Abs(p)
			}
			y[i][j], size[i][j] = s, m
		}
	}
	return y, size
}

// checkLinear holds y = act(sums+bias)+residual, where sums and sizes are linear's
// for k inputs.
func checkLinear(t *testing.T, what string, y Matrix, sums, sizes [][]float64, k int, e *Epilogue, residual Matrix) {
	t.Helper()
	for i := range sums {
		for j, s := range sums[i] {
			m := sizes[i][j]
			if e.Bias != nil {
				s += float64(e.Bias[j])
				m += math.Abs(float64(e.Bias[j]))
			}
			if e.Act != Identity {
				// An activation has an error of its own, and its slope is up
				// to 1.2.
				s = activation(s, e.Act)
				m = 1.2*m + 1
			}
			if residual.Rows > 0 {
				s += float64(residual.Row(i)[j])
				m += math.Abs(float64(residual.Row(i)[j]))
			}
			// Each of k additions, as many products at most and what follows
			// round by half a unit of no more than the magnitudes' sum.
			tolerance := m * float64(2*k+4) * 0x1p-24
			if got := float64(y.Row(i)[j]); !(math.Abs(got-s) <= tolerance) {
				t.Fatalf("%s: y[%d][%d] = %v, want %v ± %.2g", what, i, j, got, s, tolerance)
			}
		}
	}
}

func activation(x float64, act Activation) float64 {
	switch act {
	case GELU:
		return 0.5 * x * (1 + math.Erf(x/math.Sqrt2))
	case GELUTanh:
		return 0.5 * x * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x)))
	case ReLU:
		return max(x, 0)
	case SiLU:
		return x / (1 + math.Exp(-x))
	case Tanh:
		return math.Tanh(x)
	}
	return x
}

// multiplyAll runs a whole linear layer.
func multiplyAll(w Weights, in *Input, y, x Matrix, e *Epilogue) {
	w.Reserve(in, x.Rows)
	w.Prepare(in, x, 0, x.Rows)
	w.Multiply(y, in, 0, w.Outputs(), e)
}

var floatFormats = []struct {
	name string
	pack func(n, k int, row func(i int, dst []float32)) Weights
	// round is what packing does to a weight.
	round func(x float32) float32
}{
	{"f32", PackF32, func(x float32) float32 { return x }},
	{"f16", PackF16, func(x float32) float32 { return quant.Half(quant.HalfBits(x)) }},
	{"bf16", PackBF16, func(x float32) float32 { return quant.BFloat16(quant.BFloat16Bits(x)) }},
}

func TestGemmFloat(t *testing.T) {
	shapes := []struct{ rows, n, k int }{
		{0, 5, 3}, {1, 1, 1}, {1, 33, 1}, {2, 16, 0}, {30, 40, 0}, {3, 7, 5}, {4, 31, 64}, {5, 32, 31}, {7, 100, 257},
		{11, 65, 300}, {12, 48, 256}, {13, 47, 512}, {14, 64, 513}, {25, 96, 100}, {145, 40, 384}, {150, 33, 700},
	}
	epilogues := []struct {
		name               string
		bias, residual, in bool
		act                Activation
	}{
		{"plain", false, false, false, Identity},
		{"bias", true, false, false, Identity},
		{"bias+residual", true, true, false, Identity},
		{"residual in place", false, true, true, Identity},
		{"relu", true, false, false, ReLU},
		{"gelu", true, false, false, GELU},
		{"relu+residual in place", true, true, true, ReLU},
		{"silu+residual", false, true, false, SiLU},
		{"gelu by tanh", true, false, false, GELUTanh},
		{"tanh", false, false, false, Tanh},
	}
	for _, f := range floatFormats {
		for _, s := range shapes {
			r := rand.New(rand.NewPCG(1, uint64(s.rows*1000+s.n)))
			x, w := randomMatrix(r, s.rows, s.k, 3), randomMatrix(r, s.n, s.k, 0)
			for i := range w.Data {
				w.Data[i] = f.round(w.Data[i])
			}
			sums, sizes := linear(x, w)
			t.Run(fmt.Sprintf("%s/%dx%dx%d", f.name, s.rows, s.n, s.k), func(t *testing.T) {
				everyFloatRung(t, func(t *testing.T) {
					packed := f.pack(s.n, s.k, func(i int, dst []float32) { copy(dst, w.Row(i)) })
					if packed.Kind() != f.name || packed.Outputs() != s.n || packed.Inputs() != s.k {
						t.Fatalf("packed %s %d×%d, want %s %d×%d", packed.Kind(), packed.Outputs(), packed.Inputs(), f.name, s.n, s.k)
					}
					var in Input
					for _, ep := range epilogues {
						e := Epilogue{Act: ep.act}
						if ep.bias {
							e.Bias = randomMatrix(r, 1, s.n, 0).Data
						}
						y := randomMatrix(r, s.rows, s.n, 5)
						var residual Matrix
						if ep.residual {
							e.Residual = randomMatrix(r, s.rows, s.n, 1)
							if ep.in {
								e.Residual = y
							}
							residual = e.Residual
							residual.Data = slices.Clone(residual.Data)
						}
						multiplyAll(packed, &in, y, x, &e)
						checkLinear(t, ep.name, y, sums, sizes, s.k, &e, residual)
						for i, v := range y.Data {
							if i%y.Stride >= s.n && v == v {
								t.Fatalf("%s: written past row %d", ep.name, i/y.Stride)
							}
						}
					}
				})
			})
		}
	}
}

// A row's bits must not depend on the rows beside it, nor on who computes which
// columns, nor on who prepares which rows.
func TestGemmFloatSameBits(t *testing.T) {
	const n, k, most = 100, 300, 40
	r := rand.New(rand.NewPCG(3, 4))
	x, w := randomMatrix(r, most, k, 0), randomMatrix(r, n, k, 0)
	e := Epilogue{Bias: randomMatrix(r, 1, n, 0).Data, Act: ReLU, Residual: randomMatrix(r, most, n, 0)}
	var whole map[string]Matrix
	everyFloatRung(t, func(t *testing.T) {
		whole = map[string]Matrix{}
		for _, f := range floatFormats {
			packed := f.pack(n, k, func(i int, dst []float32) { copy(dst, w.Row(i)) })
			want := Matrix{Data: make([]float32, most*n), Rows: most, Cols: n, Stride: n}
			var in Input
			for i := range most {
				e := e
				e.Residual = e.Residual.Slice(i, i+1)
				multiplyAll(packed, &in, want.Slice(i, i+1), x.Slice(i, i+1), &e)
			}
			for rows := 1; rows <= most; rows++ {
				e := e
				e.Residual = e.Residual.Slice(0, rows)
				y := randomMatrix(r, rows, n, 0)
				packed.Reserve(&in, rows)
				for from := 0; from < rows; from += 16 {
					packed.Prepare(&in, x.Slice(0, rows), from, min(from+16, rows))
				}
				step := packed.Panel() * (1 + rows%3)
				for from := 0; from < n; from += step {
					packed.Multiply(y, &in, from, min(from+step, n), &e)
				}
				for i := range rows {
					for j, v := range y.Row(i) {
						if v != want.Row(i)[j] {
							t.Fatalf("%s, %d rows by %d columns: y[%d][%d] = %x, alone %x", f.name, rows, step, i, j, math.Float32bits(v), math.Float32bits(want.Row(i)[j]))
						}
					}
				}
			}
			whole[f.name] = want
		}
	})
}

// The 16-bit formats are package quant's; vectors must round and widen as it does.
func TestGemmFloatHalves(t *testing.T) {
	everyFloatRung(t, func(t *testing.T) {
		all := make([]uint16, 1<<16+5)
		for i := range all {
			all[i] = uint16(i)
		}
		r := rand.New(rand.NewPCG(9, 10))
		floats := make([]float32, 1<<16+3)
		for i := range floats {
			switch i % 4 {
			case 0: // any bits
				floats[i] = math.Float32frombits(r.Uint32())
			case 1: // an exponent of binary16
				floats[i] = math.Float32frombits(r.Uint32()&^(0xff<<23) | uint32(100+r.IntN(45))<<23)
			case 2: // a tie of binary16, its neighbours
				floats[i] = quant.Half(uint16(i)) * (1 + 0x1p-11)
			case 3: // a tie of bfloat16, its neighbours
				floats[i] = math.Float32frombits((r.Uint32()&^0xffff | 0x8000) + uint32(r.IntN(3)-1))
			}
		}
		for _, f := range []struct {
			name   string
			format uint8
			widen  func(uint16) float32
			round  func(float32) uint16
			vector func(dst []uint16, src []float32)
		}{
			{"f16", formatF16, quant.Half, quant.HalfBits, f16Of},
			{"bf16", formatBF16, quant.BFloat16, quant.BFloat16Bits, bf16Of},
		} {
			wide := make([]float32, len(all))
			floatsOf(wide, all, f.format)
			for i, got := range wide {
				want := f.widen(all[i])
				if math.Float32bits(got) != math.Float32bits(want) && (got == got || want == want) {
					t.Fatalf("%s %04x widens to %v, want %v", f.name, all[i], got, want)
				}
			}
			narrow := make([]uint16, len(floats))
			f.vector(narrow, floats)
			for i, got := range narrow {
				want := f.round(floats[i])
				if got != want && (floats[i] == floats[i] || f.widen(got) == f.widen(got)) {
					t.Fatalf("%v (%08x) rounds to %s %04x, want %04x", floats[i], math.Float32bits(floats[i]), f.name, got, want)
				}
			}
		}
	})
}

func TestGemmFloatTranspose(t *testing.T) {
	everyFloatRung(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(11, 12))
		for rows := range 35 {
			for _, cols := range []int{0, 1, 3, 4, 7, 64, 131, 260} {
				for _, gap := range []int{0, 3} {
					src := randomMatrix(r, rows, cols, 2)
					stride := rows + gap
					dst := make([]float32, cols*stride)
					transpose(dst, stride, src)
					for i, got := range dst {
						want := float32(0)
						if i%stride < rows {
							want = src.Row(i % stride)[i/stride]
						}
						if got != want {
							t.Fatalf("%d×%d, stride %d: [%d] = %v, want %v", rows, cols, stride, i, got, want)
						}
					}
				}
			}
		}
	})
}

// All assembly adds the same products in the same order, each with one rounding.
func TestGemmFloatSameBitsOnEveryRung(t *testing.T) {
	const rows, n, k = 31, 77, 5000
	r := rand.New(rand.NewPCG(13, 14))
	x, w := randomMatrix(r, rows, k, 0), randomMatrix(r, n, k, 0)
	e := Epilogue{Bias: randomMatrix(r, 1, n, 0).Data, Residual: randomMatrix(r, rows, n, 0)}
	for _, f := range floatFormats {
		var first Matrix
		everyFloatRung(t, func(t *testing.T) {
			if features.floats.rung == floatPortable {
				return // rounds its products
			}
			y := randomMatrix(r, rows, n, 0)
			var in Input
			multiplyAll(f.pack(n, k, func(i int, dst []float32) { copy(dst, w.Row(i)) }), &in, y, x, &e)
			if first.Rows == 0 {
				first = y
			}
			for i, v := range y.Data {
				if v != first.Data[i] {
					t.Fatalf("%s: y[%d][%d] = %v, on the first rung %v", f.name, i/n, i%n, v, first.Data[i])
				}
			}
		})
	}
}

func TestGemmFloatAllocates(t *testing.T) {
	const rows, n, k = 50, 100, 700
	r := rand.New(rand.NewPCG(15, 16))
	x, y := randomMatrix(r, rows, k, 0), randomMatrix(r, rows, n, 0)
	e := Epilogue{Bias: make([]float32, n), Act: GELU}
	everyFloatRung(t, func(t *testing.T) {
		for _, f := range floatFormats {
			w := f.pack(n, k, func(i int, dst []float32) { clear(dst) })
			var in Input
			multiplyAll(w, &in, y, x, &e)
			for _, few := range []int{1, rows} {
				if got := testing.AllocsPerRun(3, func() { multiplyAll(w, &in, y.Slice(0, few), x.Slice(0, few), &e) }); got != 0 {
					t.Errorf("%s, %d rows: %v allocations", f.name, few, got)
				}
			}
		}
	})
}

// FuzzGemmFloat takes shapes and a split from the fuzzer and holds every rung
// against float64.
func FuzzGemmFloat(f *testing.F) {
	f.Add(uint8(1), uint8(1), uint16(1), uint8(0), uint64(1))
	f.Add(uint8(13), uint8(33), uint16(257), uint8(1), uint64(2))
	f.Add(uint8(3), uint8(64), uint16(2049), uint8(2), uint64(3))
	f.Add(uint8(100), uint8(40), uint16(250), uint8(7), uint64(4))
	f.Fuzz(func(t *testing.T, rows, n uint8, k uint16, flags uint8, seed uint64) {
		if int(rows)*int(n)*int(k) > 1<<20 {
			t.Skip("too large to be quick")
		}
		r := rand.New(rand.NewPCG(seed, 0))
		format := floatFormats[int(flags)%len(floatFormats)]
		x, w := randomMatrix(r, int(rows), int(k), int(flags%5)), randomMatrix(r, int(n), int(k), 0)
		for i := range w.Data {
			w.Data[i] = format.round(w.Data[i])
		}
		e := Epilogue{Act: []Activation{Identity, ReLU}[flags>>3&1]}
		if flags>>4&1 == 1 {
			e.Bias = randomMatrix(r, 1, int(n), 0).Data
		}
		if flags>>5&1 == 1 {
			e.Residual = randomMatrix(r, int(rows), int(n), 1)
		}
		sums, sizes := linear(x, w)
		everyFloatRung(t, func(t *testing.T) {
			packed := format.pack(int(n), int(k), func(i int, dst []float32) { copy(dst, w.Row(i)) })
			y := randomMatrix(r, int(rows), int(n), 2)
			var in Input
			packed.Reserve(&in, int(rows))
			packed.Prepare(&in, x, 0, int(rows)/16*16)
			packed.Prepare(&in, x, int(rows)/16*16, int(rows))
			middle := min(int(n), (1+int(flags)%4)*packed.Panel())
			packed.Multiply(y, &in, 0, middle, &e)
			packed.Multiply(y, &in, middle, int(n), &e)
			checkLinear(t, format.name, y, sums, sizes, int(k), &e, e.Residual)
		})
	})
}

// BenchmarkGemmFloat reports the share of the peak of one core. The clock of a
// core, and of a shared one all the more, changes from one moment to the next: the
// peak is measured in turns with the multiplication and its preparation.
func BenchmarkGemmFloat(b *testing.B) {
	shapes := []struct {
		rows, n, k int
		act        Activation
	}{
		{1, 4096, 1024, Identity}, {1, 384, 384, Identity}, {2, 1024, 1024, Identity}, {4, 1536, 384, Identity},
		{8, 1024, 1024, Identity}, {16, 1536, 384, Identity}, {80, 1536, 384, Identity}, {80, 768, 768, Identity}, {64, 384, 384, Identity}, {512, 1536, 384, Identity},
		{512, 1536, 384, GELU}, {512, 384, 1536, Identity}, {1024, 768, 768, Identity}, {512, 3072, 768, Identity},
		{512, 3072, 768, GELU}, {256, 768, 3072, Identity}, {256, 1024, 4096, Identity}, {1024, 4096, 1024, Identity},
		{4096, 1024, 1024, Identity},
	}
	for rung := range eachFloatRung {
		for _, f := range floatFormats {
			for _, s := range shapes {
				name := fmt.Sprintf("%s/%s/%dx%dx%d", rung, f.name, s.rows, s.n, s.k)
				if s.act == GELU {
					name += "/gelu"
				}
				b.Run(name, func(b *testing.B) {
					r := rand.New(rand.NewPCG(7, 8))
					x, y := randomMatrix(r, s.rows, s.k, 0), randomMatrix(r, s.rows, s.n, 0)
					one := randomMatrix(r, 1, s.k, 0)
					w := f.pack(s.n, s.k, func(i int, dst []float32) { copy(dst, one.Data) })
					e := Epilogue{Bias: make([]float32, s.n), Act: s.act}
					var in Input
					multiplyAll(w, &in, y, x, &e)
					step := min(s.n, roundUp(max(1, 5e6/(s.rows*s.k)), 2*w.Panel()))
					pieces := newBestTimes(1 + (s.n+step-1)/step)
					top := 0.0
					b.ReportAllocs()
					for b.Loop() {
						pieces.time(0, func() { w.Prepare(&in, x, 0, s.rows) })
						for i := range pieces[1:] {
							pieces.time(i+1, func() { w.Multiply(y, &in, i*step, min((i+1)*step, s.n), &e) })
						}
						start := time.Now()
						operations := peak.MultiplyAdds(rung, 3000)
						top = max(top, float64(operations)/float64(max(1, time.Since(start).Nanoseconds())))
					}
					bound := pieces.sum()
					flops := 2 * float64(s.rows) * float64(s.n) * float64(s.k) / float64(bound.Nanoseconds())
					b.ReportMetric(0, "ns/op")
					b.ReportMetric(flops, "GFLOP/s")
					b.ReportMetric(100*flops/top, "%peak")
					b.ReportMetric(float64(w.Bytes())/float64(bound.Nanoseconds()), "GB/s")
				})
			}
		}
	}
}
