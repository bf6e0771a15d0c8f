package kernels

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// vecTests are the functions with their float64 definitions and bounds of error:
// absolute is times max(1, |x|).
var vecTests = []struct {
	name     string
	f        Activation
	want     func(x float64) float64
	ulps     float64 // relative, in units of 2⁻²³
	absolute float64
}{
	{"gelu", GELU, func(x float64) float64 { return x * 0.5 * math.Erfc(-x/math.Sqrt2) }, 0, 1.5e-7},
	{"gelutanh", GELUTanh, func(x float64) float64 {
		return 0.5 * x * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x)))
	}, 0, 2e-7},
	{"relu", ReLU, func(x float64) float64 { return max(x, 0) }, 0, 0},
	{"silu", SiLU, func(x float64) float64 { return x / (1 + math.Exp(-x)) }, 0, 2e-7},
	{"tanh", Tanh, math.Tanh, 3, 0},
	{"sigmoid", Sigmoid, func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }, 0, 2e-7},
	{"quickgelu", QuickGELU, func(x float64) float64 { return x / (1 + math.Exp(-1.702*x)) }, 0, 2e-7},
	{"relusquared", ReLUSquared, func(x float64) float64 {
		y := float32(max(x, 0))
		return float64(y * y)
	}, 0, 0},
	{"identity", Identity, func(x float64) float64 { return x }, 0, 0},
}

// manyFloats are float32s of all magnitudes, and densely those where something
// happens.
func manyFloats() []float32 {
	var x []float32
	step := uint32(1<<12 + 3)
	if testing.Short() {
		step <<= 4
	}
	for b := uint32(0); b < 0x7f800000-step; b += step {
		x = append(x, math.Float32frombits(b), -math.Float32frombits(b))
	}
	for i := -200000; i <= 200000; i++ {
		x = append(x, float32(i)*0.0006)
	}
	for _, at := range []float32{0.625, 5.35, 87, 87.33654, 103.97, 126, 88.72} {
		for d := -50; d <= 50; d++ {
			y := math.Float32frombits(uint32(int(math.Float32bits(at)) + d))
			x = append(x, y, -y)
		}
	}
	return append(x, 0, float32(math.Copysign(0, -1)), float32(math.Inf(1)), float32(math.Inf(-1)), math.MaxFloat32, -math.MaxFloat32)
}

// vecError is the error of y = f(x), as a part of what is allowed.
func vecError(f Activation, definition func(x float64) float64, ulps, absolute float64, x, y float32) (float64, error) {
	v, got := float64(x), float64(y)
	want := definition(v)
	if math.IsInf(v, 0) {
		// erfc(−∞)·−∞ and its like are not numbers.
		switch {
		case f == Tanh:
			want = math.Copysign(1, v)
		case f == Sigmoid && v > 0:
			want = 1
		case v > 0 || f == Identity:
			want = v
		default:
			want = 0
		}
	}
	if got == want || got != got && want != want {
		return 0, nil
	}
	limit := absolute*max(1, math.Abs(v)) + ulps*0x1p-23*math.Abs(want) + 0x1p-149
	if e := math.Abs(got-want) / limit; e <= 1 {
		return e, nil
	}
	return 0, fmt.Errorf("of %v is %v, want %v ± %v", v, got, want, limit)
}

func TestVector(t *testing.T) {
	x := manyFloats()
	everyFloatRung(t, func(t *testing.T) {
		for _, c := range vecTests {
			t.Run(c.name, func(t *testing.T) {
				y := make([]float32, len(x))
				vector(y, x, nil, c.f)
				var worst, at float64
				for i, v := range x {
					e, err := vecError(c.f, c.want, c.ulps, c.absolute, v, y[i])
					if err != nil {
						t.Fatalf("%s: %v", c.name, err)
					}
					if e > worst {
						worst, at = e, float64(v)
					}
				}
				t.Logf("largest error %.2f of what is allowed, at %v", worst, at)
				nan := []float32{float32(math.NaN())}
				if vector(nan, nan, nil, c.f); nan[0] == nan[0] {
					t.Errorf("%s(NaN) = %v", c.name, nan[0])
				}
			})
		}
	})
}

// A number's function must not depend on where it stands.
func TestVectorSameBits(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	x := make([]float32, 200)
	up := make([]float32, 200)
	for i := range x {
		x[i], up[i] = float32(r.NormFloat64()*4), float32(r.NormFloat64())
	}
	everyFloatRung(t, func(t *testing.T) {
		for _, c := range vecTests {
			for _, up := range [][]float32{nil, up} {
				want := make([]float32, len(x))
				for i := range x {
					if up == nil {
						vector(want[i:i+1], x[i:i+1], nil, c.f)
					} else {
						vector(want[i:i+1], x[i:i+1], up[i:i+1], c.f)
					}
				}
				for from := range 20 {
					for n := range 70 {
						y := make([]float32, n+2)
						y[0], y[n+1] = 7, 8
						u := up
						if u != nil {
							u = u[from : from+n]
						}
						vector(y[1:n+1], x[from:from+n], u, c.f)
						if y[0] != 7 || y[n+1] != 8 {
							t.Fatalf("%s: written beside %d numbers", c.name, n)
						}
						for i, v := range y[1 : n+1] {
							if math.Float32bits(v) != math.Float32bits(want[from+i]) {
								t.Fatalf("%s: number %d of %d is %v, alone %v", c.name, i, n, v, want[from+i])
							}
						}
					}
				}
			}
		}
	})
}

// FuzzVector takes four bytes as a number.
func FuzzVector(f *testing.F) {
	for _, x := range []float32{0, 1, -1, 0.625, 5.35, -5.35, 87, -87.5, float32(math.Inf(1)), float32(math.NaN()), 1e-40} {
		f.Add(math.Float32bits(x), uint8(3))
	}
	f.Fuzz(func(t *testing.T, bits uint32, at uint8) {
		for rung := range eachRung {
			for _, c := range vecTests {
				x := math.Float32frombits(bits)
				one, row := []float32{x}, make([]float32, int(at)+1)
				row[at] = x
				vector(one, one, nil, c.f)
				vector(row, row, nil, c.f)
				if _, err := vecError(c.f, c.want, c.ulps, c.absolute, x, one[0]); err != nil {
					t.Errorf("%s %s: %v", rung, c.name, err)
				}
				if math.Float32bits(one[0]) != math.Float32bits(row[at]) {
					t.Errorf("%s %s(%v) = %v, at %d %v", rung, c.name, x, one[0], at, row[at])
				}
			}
		}
	})
}

func TestRows(t *testing.T) {
	everyFloatRung(t, func(t *testing.T) {
		x := Matrix{Data: []float32{-1, 2, 99, -3, 0.5, 99}, Rows: 2, Cols: 2, Stride: 3}
		for i := range x.Rows {
			applyActivation(x.Row(i), Identity)
			applyActivation(x.Row(i), ReLU)
		}
		sameBits(t, "relu", x, Matrix{Data: []float32{0, 2, 0, 0.5}, Rows: 2, Cols: 2, Stride: 2})
		x = Matrix{Data: []float32{-1, 2, 3, 4}, Rows: 1, Cols: 4, Stride: 4}
		y := Matrix{Data: make([]float32, 2), Rows: 1, Cols: 2, Stride: 2}
		Gate(y, x.Columns(0, 2), x.Columns(2, 4), ReLU)
		sameBits(t, "Gate", y, Matrix{Data: []float32{0, 8}, Rows: 1, Cols: 2, Stride: 2})
		Gate(y, x.Columns(2, 4), x.Columns(0, 2), Identity)
		sameBits(t, "Gate", y, Matrix{Data: []float32{-3, 8}, Rows: 1, Cols: 2, Stride: 2})
		Add(y, y, x.Columns(1, 3))
		sameBits(t, "Add", y, Matrix{Data: []float32{-1, 11}, Rows: 1, Cols: 2, Stride: 2})
		Scale(y, 2)
		sameBits(t, "Scale", y, Matrix{Data: []float32{-2, 22}, Rows: 1, Cols: 2, Stride: 2})
	})
}

func BenchmarkVector(b *testing.B) {
	x := make([]float32, 1536)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range x {
		x[i] = -float32(math.Abs(r.NormFloat64()))
	}
	y := make([]float32, len(x))
	for rung := range eachRung {
		for _, c := range vecTests {
			b.Run(fmt.Sprintf("%s/%s", rung, c.name), func(b *testing.B) {
				for b.Loop() {
					vector(y, x, nil, c.f)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(x)), "ns/number")
			})
		}
	}
}
