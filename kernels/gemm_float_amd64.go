//go:build !purego

package kernels

// The values of floatShape.rung.
const (
	floatAVX2 = floatPortable + 1 + iota
	floatAVX512
)

// multiply computes one tile.
func (s floatShape) multiply(t *floatTile, format uint8) {
	switch s.rung {
	case floatAVX512:
		switch format {
		case formatF32:
			tileAVX512F32(t)
		case formatF16:
			tileAVX512F16(t)
		case formatBF16:
			tileAVX512BF16(t)
		}
	case floatAVX2:
		switch format {
		case formatF32:
			tileAVX2F32(t)
		case formatF16:
			tileAVX2F16(t)
		case formatBF16:
			tileAVX2BF16(t)
		}
	default:
		multiplyPortable(t, s.cols, format)
	}
}

// multiplyWide computes a tile of 1 to wideRows rows and two panels.
func (s floatShape) multiplyWide(t *floatTile, format uint8) {
	switch s.rung {
	case floatAVX512:
		switch format {
		case formatF32:
			tileWideAVX512F32(t)
		case formatF16:
			tileWideAVX512F16(t)
		case formatBF16:
			tileWideAVX512BF16(t)
		}
	case floatAVX2:
		switch format {
		case formatF32:
			tileWideAVX2F32(t)
		case formatF16:
			tileWideAVX2F16(t)
		case formatBF16:
			tileWideAVX2BF16(t)
		}
	default:
		multiplyWidePortable(t, s.cols, format)
	}
}

// The micro-kernels; floatTile defines what they compute.

//go:noescape
func tileAVX512F32(t *floatTile)

//go:noescape
func tileAVX512F16(t *floatTile)

//go:noescape
func tileAVX512BF16(t *floatTile)

//go:noescape
func tileWideAVX512F32(t *floatTile)

//go:noescape
func tileWideAVX512F16(t *floatTile)

//go:noescape
func tileWideAVX512BF16(t *floatTile)

//go:noescape
func tileAVX2F32(t *floatTile)

//go:noescape
func tileAVX2F16(t *floatTile)

//go:noescape
func tileAVX2BF16(t *floatTile)

//go:noescape
func tileWideAVX2F32(t *floatTile)

//go:noescape
func tileWideAVX2F16(t *floatTile)

//go:noescape
func tileWideAVX2BF16(t *floatTile)
