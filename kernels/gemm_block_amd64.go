//go:build !purego

package kernels

// chooseBlockShape is chooseIntShape, but that tile registers, which add up 64
// inputs at once, are of no use for blocks.
func chooseBlockShape() intShape {
	s := chooseIntShape()
	if s.rung == intAMX {
		s.rung = intAVX512VNNI
	}
	return s
}

// multiplyBlocks computes t, whatever its height.
func (s intShape) multiplyBlocks(t *blockTile, kind blockKind) {
	if s.rung == intPortable {
		multiplyBlocksPortable(t, kind, s)
		return
	}
	for i := 0; i < t.rows; {
		piece := t.below(i, pieceOf(t.rows-i, 6))
		i += piece.rows
		switch s.rung {
		case intAVX2:
			switch kind {
			case blocks32:
				blocks32AVX2(&piece)
			case blocks32Offsets:
				blocks32OffsetsAVX2(&piece)
			case blocks16:
				blocks16AVX2(&piece)
			}
		case intAVXVNNI:
			switch kind {
			case blocks32:
				blocks32AVXVNNI(&piece)
			case blocks32Offsets:
				blocks32OffsetsAVXVNNI(&piece)
			case blocks16:
				blocks16AVXVNNI(&piece)
			}
		case intAVX512VNNI:
			switch kind {
			case blocks32:
				blocks32AVX512VNNI(&piece)
			case blocks32Offsets:
				blocks32OffsetsAVX512VNNI(&piece)
			case blocks16:
				blocks16AVX512VNNI(&piece)
			}
		}
	}
}

// quantiseBlocksVector is quantiseBlocks of the first numbers of x, and how many
// those are.
func quantiseBlocksVector(dst []int8, x []float32, kind blockKind, shape intShape) int {
	blocks := len(x) / kind.size()
	if blocks == 0 || !features.avx2 {
		return 0
	}
	_ = dst[:blocks*shape.rowBytes(kind)]
	start := int32(0)
	switch {
	case kind == blocks32Offsets:
		start = sumInFloat
	case shape.unsigned:
		start = -128
	}
	switch {
	case kind == blocks16 && shape.wide:
		quantise16WideAVX2(&dst[0], &x[0], blocks, start)
	case kind == blocks16:
		quantise16AVX2(&dst[0], &x[0], blocks, start)
	case shape.wide:
		quantise32WideAVX2(&dst[0], &x[0], blocks, start)
	default:
		quantise32AVX2(&dst[0], &x[0], blocks, start)
	}
	return blocks * kind.size()
}

// sumInFloat in place of a factor asks for a block's sum of activations in
// float32.
const sumInFloat = 1

// The micro-kernels: blockTile says what they compute. They take up to 6 rows.

//go:noescape
func blocks32AVX2(t *blockTile)

//go:noescape
func blocks32OffsetsAVX2(t *blockTile)

//go:noescape
func blocks16AVX2(t *blockTile)

//go:noescape
func blocks32AVXVNNI(t *blockTile)

//go:noescape
func blocks32OffsetsAVXVNNI(t *blockTile)

//go:noescape
func blocks16AVXVNNI(t *blockTile)

//go:noescape
func blocks32AVX512VNNI(t *blockTile)

//go:noescape
func blocks32OffsetsAVX512VNNI(t *blockTile)

//go:noescape
func blocks16AVX512VNNI(t *blockTile)

// quantise32AVX2 is, for blocks of 32 numbers, at least one,
//
//	for range blocks {
//		inverse, scale := scaleOf(largestPortable(x[:32]))
//		sum := quantise(dst[8:40], x[:32], inverse)
//		if start == sumInFloat {
//			dst[0:4] is float32(sum)*scale
//		} else {
//			dst[0:4] is sum*start
//		}
//		dst[4:8] is scale
//		x, dst = x[32:], dst[40:]
//	}
//
//go:noescape
func quantise32AVX2(dst *int8, x *float32, blocks int, start int32)

// quantise32WideAVX2 is quantise32AVX2 with integers of 16 bits.
//
//go:noescape
func quantise32WideAVX2(dst *int8, x *float32, blocks int, start int32)

// quantise16AVX2 is quantise32AVX2 for blocks of 16 numbers.
//
//go:noescape
func quantise16AVX2(dst *int8, x *float32, blocks int, start int32)

// quantise16WideAVX2 is quantise16AVX2 with integers of 16 bits.
//
//go:noescape
func quantise16WideAVX2(dst *int8, x *float32, blocks int, start int32)
