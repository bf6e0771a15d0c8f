package kernels

import "math"

// The functions below work on each number of a row separately: its position, and the length
// and alignment of the row, do not affect its bits.
//
// They are polynomials. Their errors over all float32 x, for the plain definitions and the
// assembly (the tests measure them against float64):
//
//	GELU         1.5e-7·max(1, |x|), exact 0 for x < −5.35 (there |GELU| < 2.4e-7)
//	GELUTanh     2e-7·max(1, |x|)
//	QuickGELU    2e-7·max(1, |x|)
//	SiLU         2e-7·max(1, |x|)
//	Sigmoid      2e-7
//	Tanh         3 ulp
//
// NaN becomes NaN.

// Gate computes dst = act(gate)·up, element by element: SwiGLU with SiLU, GeGLU with GELU.
// dst may be gate or up.
func Gate(dst, gate, up Matrix, act Activation) {
	for i := range dst.Rows {
		vector(dst.Row(i), gate.Row(i), up.Row(i), act)
	}
}

// Add computes dst = x + y. dst may be x or y.
func Add(dst, x, y Matrix) {
	for i := range dst.Rows {
		addRow(dst.Row(i), x.Row(i), y.Row(i))
	}
}

// Scale multiplies every element of x by factor.
func Scale(x Matrix, factor float32) {
	for i := range x.Rows {
		scaleRow(x.Row(i), factor)
	}
}

// applyActivation applies act to each number of row.
func applyActivation(row []float32, act Activation) {
	if act != Identity {
		vector(row, row, nil, act)
	}
}

// vectorPortable is the definition of vector:
//
//	dst[i] = act(x[i])         // no up
//	dst[i] = act(x[i]) · up[i]
//
// All have the length of dst.
func vectorPortable(dst, x, up []float32, act Activation) {
	n := len(dst)
	x = x[:n]
	one := activations[act]
	if up == nil {
		for i, v := range x {
			dst[i] = one(v)
		}
		return
	}
	for i, u := range up[:n] {
		dst[i] = one(x[i]) * u
	}
}

// addRowPortable computes dst[i] = x[i] + y[i], for the length of dst.
func addRowPortable(dst, x, y []float32) {
	x, y = x[:len(dst)], y[:len(dst)]
	for i := range dst {
		dst[i] = x[i] + y[i]
	}
}

var activations = [...]func(x float32) float32{
	Identity:    func(x float32) float32 { return x },
	GELU:        gelu,
	GELUTanh:    geluTanh,
	ReLU:        relu,
	SiLU:        silu,
	Tanh:        tanh,
	Sigmoid:     sigmoid,
	QuickGELU:   quickGELU,
	ReLUSquared: func(x float32) float32 { return relu(x) * relu(x) },
}

// Constants of the polynomials, fitted with Remez's exchange algorithm. The stated
// errors are those of the fits; rounding adds to them.
const (
	// 2^r = 1 + r·(e1 + r·(e2 + …)) for |r| ≤ ½: 9.2e-8 relative.
	exp2C1 = 0.693146977621
	exp2C2 = 0.240222420824
	exp2C3 = 0.0555073371423
	exp2C4 = 0.00967151278688
	exp2C5 = 0.00132647355427

	exp2Min = -126.0 // below, 2^x is returned as 0

	log2e     = 1.44269504088896340736
	log2eHigh = float32(log2e)
	log2eLow  = float32(log2e - 1.442695021629333496) // the rounding error of log2eHigh

	// tanh t = t + t³·(t0 + t1·t² + …) for t ≤ 0.625: 1.1e-7 of t³/3.
	tanhC0    = -0.333332839251
	tanhC1    = 0.133314912809
	tanhC2    = -0.0537434975873
	tanhC3    = 0.0206505857702
	tanhC4    = -0.0057170434488
	tanhSmall = 0.625

	// 1−Φ(t) is a polynomial of degree 15 in u = t·geluStep − 1 for
	// 0 ≤ t ≤ geluMax: 3.6e-8. Beyond geluMax it is replaced by 0.
	geluMax  = 5.35
	geluStep = 2 / geluMax

	// GELUTanh is x·σ(2y), y = √(2/π)·(x + 0.044715·x³). In powers of two, 2y is
	// x·(geluTanh1 + geluTanh3·x²).
	geluTanh1 = 2 * 0.79788456080286535588 * log2e
	geluTanh3 = geluTanh1 * 0.044715

	// QuickGELU is x·σ(1.702·x).
	quickGELU1 = 1.702 * log2e

	// From sigmoidMax on, t·σ(−t) and similar terms are negligible.
	sigmoidMax = 87.0
)

// geluC are the coefficients of 1−Φ, the lowest first.
var geluC = [16]float32{
	0.00373645675823, -0.0298138729389, 0.106667141142, -0.218837022753,
	0.264297748374, -0.14376064132, -0.0809782794016, 0.207687499333,
	-0.122562853693, -0.0548873976772, 0.114697172332, -0.0281561979169,
	-0.0422348510467, 0.0225418528122, 0.00637752339212, -0.00477419755117,
}

// roundMagic, added and subtracted again, rounds a small float32 to the nearest
// integer; after the addition, the integer is in the lowest bits.
const roundMagic = 3 << 22

// exp2Parts returns 2^(n+r), for an integer n of at least −126 and |r| ≤ ½.
func exp2Parts(n, r float32) float32 {
	p := float32(exp2C5*r) + exp2C4
	p = float32(p*r) + exp2C3
	p = float32(p*r) + exp2C2
	p = float32(p*r) + exp2C1
	p = float32(p*r) + 1
	return math.Float32frombits(math.Float32bits(p) + uint32(int32(n))<<23)
}

// exp2 returns 2^x for x ≤ 0.
func exp2(x float32) float32 {
	if x < exp2Min {
		return 0
	}
	n := x + roundMagic
	n -= roundMagic
	return exp2Parts(n, x-n)
}

// exp returns e^x for x ≤ 0, with an error of at most 2 ulp; 0 below 2⁻¹²⁶.
func exp(x float32) float32 {
	t := float32(x * log2eHigh)
	if t < exp2Min {
		return 0
	}
	n := t + roundMagic
	n -= roundMagic
	// Rounded once, as in the assembly.
	r := float32(float64(x)*float64(log2eHigh)-float64(n)) + float32(x*log2eLow)
	return exp2Parts(n, r)
}

func abs(x float32) float32 { return math.Float32frombits(math.Float32bits(x) &^ (1 << 31)) }

func relu(x float32) float32 { return max(x, 0) }

func sigmoid(x float32) float32 {
	e := exp(-abs(x))
	s := e / (1 + e) // σ(−|x|)
	if x < 0 {
		return s
	}
	return 1 - s
}

// silu returns x·σ(x) = max(x, 0) − |x|·σ(−|x|).
func silu(x float32) float32 {
	t := min(abs(x), sigmoidMax)
	e := exp(-t)
	return max(x, 0) - float32(t*float32(e/(1+e)))
}

// gelu returns x·Φ(x) = max(x, 0) − |x|·(1−Φ(|x|)).
func gelu(x float32) float32 {
	t := abs(x)
	if t >= geluMax {
		return max(x, 0)
	}
	u := float32(t*geluStep) - 1
	p := geluC[15]
	for i := 14; i >= 0; i-- {
		p = float32(p*u) + geluC[i]
	}
	return max(x, 0) - float32(t*p)
}

func geluTanh(x float32) float32 {
	t := min(abs(x), sigmoidMax)
	y := float32(float32(t*t)*geluTanh3) + geluTanh1
	e := exp2(-float32(t * y))
	return max(x, 0) - float32(t*float32(e/(1+e)))
}

func quickGELU(x float32) float32 {
	t := min(abs(x), sigmoidMax)
	e := exp2(-float32(t * quickGELU1))
	return max(x, 0) - float32(t*float32(e/(1+e)))
}

func tanh(x float32) float32 {
	t := abs(x)
	if t > tanhSmall {
		e := exp(-2 * t)
		t = 1 - 2*float32(e/(1+e))
	} else {
		z := float32(t * t)
		p := float32(tanhC4*z) + tanhC3
		p = float32(p*z) + tanhC2
		p = float32(p*z) + tanhC1
		p = float32(p*z) + tanhC0
		t = float32(float32(p*z)*t) + t
	}
	return math.Float32frombits(math.Float32bits(t) | math.Float32bits(x)&(1<<31))
}

// scaleRowPortable computes row[i] *= factor.
func scaleRowPortable(row []float32, factor float32) {
	for i := range row {
		row[i] *= factor
	}
}
