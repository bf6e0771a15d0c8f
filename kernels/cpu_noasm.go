//go:build purego || (!amd64 && !arm64)

package kernels

// cpuFeatures are what kernels may use: see detect.
type cpuFeatures struct{ kernelShapes }

var archInstructionSets []instructionSet
