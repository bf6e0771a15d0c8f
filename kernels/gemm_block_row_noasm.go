//go:build !amd64 || purego

package kernels

func (w *blockWeights) rowOfCodes() bool { return false }

func (w *blockWeights) multiplyCodes(*blockTile) {}
