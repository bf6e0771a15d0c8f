//go:build !purego

package kernels

// floatNEON is the value of floatShape.rung for NEON.
const floatNEON = floatPortable + 1

// multiply computes one tile.
func (s floatShape) multiply(t *floatTile, format uint8) {
	if s.rung != floatNEON {
		multiplyPortable(t, s.cols, format)
		return
	}
	switch format {
	case formatF32:
		tileNEONF32(t)
	case formatF16:
		tileNEONF16(t)
	case formatBF16:
		tileNEONBF16(t)
	}
}

// multiplyWide computes a tile of 1 to wideRows rows and two panels.
func (s floatShape) multiplyWide(t *floatTile, format uint8) {
	if s.rung != floatNEON {
		multiplyWidePortable(t, s.cols, format)
		return
	}
	switch format {
	case formatF32:
		tileWideNEONF32(t)
	case formatF16:
		tileWideNEONF16(t)
	case formatBF16:
		tileWideNEONBF16(t)
	}
}

// The micro-kernels; floatTile defines what they compute.

//go:noescape
func tileNEONF32(t *floatTile)

//go:noescape
func tileNEONF16(t *floatTile)

//go:noescape
func tileNEONBF16(t *floatTile)

//go:noescape
func tileWideNEONF32(t *floatTile)

//go:noescape
func tileWideNEONF16(t *floatTile)

//go:noescape
func tileWideNEONBF16(t *floatTile)
