//go:build !purego

package kernels

import (
	"runtime"

	"golang.org/x/sys/cpu"
)

// cpuFeatures says what kernels may use: see detect.
type cpuFeatures struct {
	kernelShapes
	neon, dotprod, i8mm bool
}

// hasSIMD reports whether the functions whose names end in SIMD may be used; they are NEON
// here. Their vectors have lanes float32 numbers.
func hasSIMD() bool { return features.neon }

const lanes = 4

var archInstructionSets = []instructionSet{
	{
		name: "neon",
		has:  func() bool { return true }, // part of the architecture
		use: func(f *cpuFeatures) {
			f.neon = true
			f.floats = floatShape{rows: 6, cols: 16, block: 384, direct: 1, rung: floatNEON}
			f.ints = intShape{rung: intNEON, cols: 8, group: 4, depth: 16}
			f.blocks = f.ints
		},
	},
	{
		name: "dotprod",
		// x/sys/cpu may not detect optional features on macOS, but every arm64 Mac has
		// SDOT.
		has: func() bool { return cpu.ARM64.HasASIMDDP || runtime.GOOS == "darwin" },
		use: func(f *cpuFeatures) {
			f.dotprod = true
			f.ints = intShape{rung: intDotProd, cols: 8, group: 4, depth: 16}
			f.blocks = f.ints
		},
	},
	{
		name: "i8mm",
		has:  func() bool { return cpu.ARM64.HasI8MM },
		use: func(f *cpuFeatures) {
			f.i8mm = true
			// Blocks gain nothing from products of 2 × 8 bytes.
			f.ints = intShape{rung: intI8MM, cols: 8, group: 8, depth: 16, pairs: true}
		},
	},
}
