//go:build !purego

package kernels

import "golang.org/x/sys/cpu"

// cpuFeatures says what kernels may use: see detect.
type cpuFeatures struct {
	kernelShapes
	avx2, avxvnni, avx512, avx512vnni, amx bool
	bf16                                   uint8 // instruction for bfloat16 products; 0: none
}

// hasSIMD reports whether the functions whose names end in SIMD may be used; they are AVX2
// here. Their vectors have lanes float32 numbers.
func hasSIMD() bool { return features.avx2 }

const lanes = 8

// The ways to multiply bfloat16 numbers.
const (
	bf16Vectors = 1 + iota // VDPBF16PS
	bf16Tiles              // TDPBF16PS
)

var archInstructionSets = []instructionSet{
	{
		name: "avx2",
		has:  hasAVX2,
		use: func(f *cpuFeatures) {
			f.avx2 = true
			f.floats = floatShape{rows: 6, cols: 16, block: 384, direct: 8, rung: floatAVX2}
			f.ints = intShape{rung: intAVX2, cols: 16, group: 2, depth: 16, wide: true, canWiden: true}
			f.blocks = f.ints
		},
	},
	{
		name: "avxvnni",
		has:  func() bool { return hasAVX2() && cpu.X86.HasAVXVNNI },
		use: func(f *cpuFeatures) {
			f.avxvnni = true
			f.ints = intShape{rung: intAVXVNNI, cols: 16, group: 4, depth: 16, unsigned: true}
			f.blocks = f.ints
		},
	},
	{
		name: "avx512",
		has:  hasAVX512,
		use: func(f *cpuFeatures) {
			f.avx512 = true
			f.floats = floatShape{rows: 12, cols: 32, block: 256, direct: 2, rung: floatAVX512}
		},
	},
	{
		name: "avx512vnni",
		has:  func() bool { return hasAVX512() && cpu.X86.HasAVX512VNNI },
		use: func(f *cpuFeatures) {
			// Machines that multiply bfloat16 numbers multiply bytes as well.
			f.avx512vnni = true
			if cpu.X86.HasAVX512BF16 {
				f.bf16, f.coarseKeys = bf16Vectors, 32
			}
			f.ints = intShape{rung: intAVX512VNNI, cols: 32, group: 4, depth: 16, unsigned: true}
			f.blocks = f.ints
		},
	},
	{
		name: "amx",
		has:  func() bool { return hasAVX512() && cpu.X86.HasAVX512VNNI && amxUsable() },
		use: func(f *cpuFeatures) {
			f.amx = true
			if cpu.X86.HasAMXBF16 {
				f.bf16, f.coarseKeys = bf16Tiles, 128
			}
			f.ints = intShape{rung: intAMX, cols: 32, group: 4, depth: 64, unsigned: true, tiles: true}
			// Blocks use vectors; see multiplyTiles for where tile registers are
			// faster.
			f.blocks = f.ints
			f.blocks.rung = intAVX512VNNI
		},
	},
}

func hasAVX2() bool {
	return cpu.X86.HasAVX2 && cpu.X86.HasFMA && cpu.X86.HasF16C
}

func hasAVX512() bool {
	x := &cpu.X86
	return hasAVX2() && x.HasAVX512F && x.HasAVX512VL && x.HasAVX512BW && x.HasAVX512DQ
}
