//go:build !purego

package kernels

// rowOfCodes reports whether multiplyCodes has a kernel for w.
func (w *blockWeights) rowOfCodes() bool {
	if w.code == nil || w.shape.rung != intAVX512VNNI {
		return false
	}
	return w.kind == super32Offsets || w.kind == super16 && w.code.bits == 6
}

// multiplyCodes computes t, a single row by a panel; t.blocks is the number of windows,
// at least one. Sums are the same as with unpacked weights.
func (w *blockWeights) multiplyCodes(t *blockTile) {
	switch w.code.bits {
	case 4:
		row4AVX512VNNI(t)
	case 5:
		row5AVX512VNNI(t)
	case 6:
		row6AVX512VNNI(t)
	}
}

// The micro-kernels for 4- and 5-bit codes with offsets and 6-bit codes, in superblocks.

//go:noescape
func row4AVX512VNNI(t *blockTile)

//go:noescape
func row5AVX512VNNI(t *blockTile)

//go:noescape
func row6AVX512VNNI(t *blockTile)
