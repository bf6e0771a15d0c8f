package compute

import (
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/winnow-rerank/winnow/kernels"
)

// A RoPE is rotary position embedding (Su et al. 2021): pair i of a head, numbers i and
// i + Dim/2, is rotated by position·frequencies[i]. A head's numbers from Dim on are
// unchanged.
type RoPE struct {
	settings    RoPESettings
	frequencies []float64
	factor      float64 // of all sines and cosines

	mu    sync.Mutex
	table atomic.Pointer[ropeTable]
}

type ropeTable struct{ cos, sin Matrix }

// RoPESettings are the parameters of RoPE and of its extensions to longer texts.
type RoPESettings struct {
	Theta float64
	// Kind is how frequencies are scaled: "linear", "yarn" or "llama3". Anything
	// else leaves them unchanged: "dynamic" scaling begins beyond the window, which no
	// text exceeds.
	Kind     string
	Factor   float64 // by which the window grows
	Original float64 // window of the original training

	AttentionFactor      float64 // YaRN: of cosines and sines; 0: derived from Factor
	MScale, MScaleAllDim float64 // YaRN: if neither is 0, they determine AttentionFactor
	BetaFast             float64 // YaRN: rotations within the original window above which a frequency is unchanged
	BetaSlow             float64 // YaRN: rotations below which it is divided by Factor
	Truncate             bool    // YaRN: round bounds to whole pairs

	LowFreq, HighFreq float64 // Llama 3: the same bounds

	Divisors []float32 // one per frequency; or nil
}

// DefaultRoPESettings returns plain RoPE with base theta, and transformers' defaults
// for the rest.
func DefaultRoPESettings(theta float64) RoPESettings {
	return RoPESettings{Theta: theta, Factor: 1, BetaFast: 32, BetaSlow: 1, Truncate: true, LowFreq: 1, HighFreq: 4}
}

// NewRoPE rotates the first dim numbers of a head.
func NewRoPE(dim int, s RoPESettings) *RoPE {
	r := &RoPE{settings: s, frequencies: make([]float64, dim/2), factor: 1}
	for i := range r.frequencies {
		r.frequencies[i] = math.Pow(s.Theta, -2*float64(i)/float64(dim))
	}
	switch s.Kind {
	case "linear":
		// Equivalent to dividing positions.
		for i := range r.frequencies {
			r.frequencies[i] /= s.Factor
		}
	case "yarn":
		r.yarn(float64(dim))
	case "llama3":
		r.llama3()
	}
	for i, d := range s.Divisors {
		r.frequencies[i] /= float64(d)
	}
	return r
}

// Settings returns the settings it was made from.
func (r *RoPE) Settings() RoPESettings { return r.settings }

// Dim is how many numbers of a head it rotates.
func (r *RoPE) Dim() int { return 2 * len(r.frequencies) }

// Frequencies are the angles, in radians, by which pairs rotate per position.
func (r *RoPE) Frequencies() []float64 { return slices.Clone(r.frequencies) }

// AttentionFactor multiplies all cosines and sines.
func (r *RoPE) AttentionFactor() float64 { return r.factor }

// yarn (Peng et al. 2023) leaves fast pairs alone, stretches slow ones, and
// interpolates linearly in between.
func (r *RoPE) yarn(dim float64) {
	s := &r.settings
	pair := func(turns float64) float64 {
		return dim * math.Log(s.Original/(turns*2*math.Pi)) / (2 * math.Log(s.Theta))
	}
	low, high := pair(s.BetaFast), pair(s.BetaSlow)
	if s.Truncate {
		low, high = math.Floor(low), math.Ceil(high)
	}
	low, high = max(low, 0), min(high, dim-1)
	if low == high {
		high += 0.001
	}
	for i, f := range r.frequencies {
		stretched := min(max((float64(i)-low)/(high-low), 0), 1)
		r.frequencies[i] = f/s.Factor*stretched + f*(1-stretched)
	}
	scale := func(m float64) float64 {
		if s.Factor <= 1 {
			return 1
		}
		return 0.1*m*math.Log(s.Factor) + 1
	}
	switch {
	case s.AttentionFactor != 0:
		r.factor = s.AttentionFactor
	case s.MScale != 0 && s.MScaleAllDim != 0:
		r.factor = scale(s.MScale) / scale(s.MScaleAllDim)
	default:
		r.factor = scale(1)
	}
}

// llama3 does likewise, interpolating by the inverse wavelength.
func (r *RoPE) llama3() {
	s := &r.settings
	for i, f := range r.frequencies {
		turns := s.Original * f / (2 * math.Pi)
		switch {
		case turns > s.HighFreq:
		case turns < s.LowFreq:
			r.frequencies[i] = f / s.Factor
		default:
			smooth := (turns - s.LowFreq) / (s.HighFreq - s.LowFreq)
			r.frequencies[i] = (1-smooth)*f/s.Factor + smooth*f
		}
	}
}

// tableFor returns a table of at least n positions. Tables grow as needed: one for a
// long window would take more memory than a small model.
func (r *RoPE) tableFor(n int) *ropeTable {
	if t := r.table.Load(); t != nil && t.cos.Rows >= n {
		return t
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.table.Load()
	if t == nil || t.cos.Rows < n {
		const minRows = 512
		rows := minRows
		for rows < n {
			rows *= 2
		}
		cos, sin := kernels.RopeTable(r.frequencies, rows, r.factor)
		t = &ropeTable{cos, sin}
		r.table.Store(t)
	}
	return t
}
