//go:build purego || (!amd64 && !arm64)

package kernels

// cpuFeatures says what kernels may use: see detect.
type cpuFeatures struct{ kernelShapes }

var archInstructionSets []instructionSet
