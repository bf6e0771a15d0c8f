//go:build !purego

package kernels

// multiplyBlocks computes t, of any height.
func (s intShape) multiplyBlocks(t *blockTile, kind blockKind) {
	if s.rung == intPortable || kind.super() && t.blocks == 0 {
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
			case super16:
				super16AVX2(&piece)
			case super32Offsets:
				super32OffsetsAVX2(&piece)
			}
		case intAVXVNNI:
			switch kind {
			case blocks32:
				blocks32AVXVNNI(&piece)
			case blocks32Offsets:
				blocks32OffsetsAVXVNNI(&piece)
			case super16:
				super16AVXVNNI(&piece)
			case super32Offsets:
				super32OffsetsAVXVNNI(&piece)
			}
		case intAVX512VNNI:
			switch kind {
			case blocks32:
				blocks32AVX512VNNI(&piece)
			case blocks32Offsets:
				blocks32OffsetsAVX512VNNI(&piece)
			case super16:
				super16AVX512VNNI(&piece)
			case super32Offsets:
				super32OffsetsAVX512VNNI(&piece)
			}
		}
	}
}

// quantiseBlocksVector is quantiseBlocks for the first numbers of x. It returns how
// many those are.
func quantiseBlocksVector(dst []int8, x []float32, kind blockKind, shape intShape) int {
	blocks := len(x) / kind.size()
	if blocks == 0 || !features.avx2 {
		return 0
	}
	_ = dst[:shape.rowBytes(kind, blocks)]
	start := int32(0)
	switch {
	case kind == blocks32Offsets:
		start = sumInFloat
	case shape.unsigned:
		start = -128
	}
	if shape.wide {
		quantise32WideAVX2(&dst[0], &x[0], blocks, start)
	} else {
		quantise32AVX2(&dst[0], &x[0], blocks, start)
	}
	return blocks * kind.size()
}

// sumInFloat, as a factor, requests a block's sum of activations in float32.
const sumInFloat = 1

// The micro-kernels; blockTile defines what they compute. They take up to 6 rows.

//go:noescape
func blocks32AVX2(t *blockTile)

//go:noescape
func blocks32OffsetsAVX2(t *blockTile)

//go:noescape
func super16AVX2(t *blockTile)

//go:noescape
func super32OffsetsAVX2(t *blockTile)

//go:noescape
func blocks32AVXVNNI(t *blockTile)

//go:noescape
func blocks32OffsetsAVXVNNI(t *blockTile)

//go:noescape
func super16AVXVNNI(t *blockTile)

//go:noescape
func super32OffsetsAVXVNNI(t *blockTile)

//go:noescape
func blocks32AVX512VNNI(t *blockTile)

//go:noescape
func blocks32OffsetsAVX512VNNI(t *blockTile)

//go:noescape
func super16AVX512VNNI(t *blockTile)

//go:noescape
func super32OffsetsAVX512VNNI(t *blockTile)

// quantise32AVX2 computes, for blocks of 32 numbers, at least one,
//
//	for range blocks {
//		inverse, scale := scaleOf(largestPortable(x[:32]))
//		sum := quantise(dst[8:40], x[:32], inverse)
//		if start == sumInFloat {
//			dst[0:4] is roundToHalf(float32(sum)*scale)
//		} else {
//			dst[0:4] is sum*start
//		}
//		dst[4:8] is roundToHalf(scale)
//		x, dst = x[32:], dst[40:]
//	}
//
//go:noescape
func quantise32AVX2(dst *int8, x *float32, blocks int, start int32)

// quantise32WideAVX2 is quantise32AVX2 with 16-bit integers.
//
//go:noescape
func quantise32WideAVX2(dst *int8, x *float32, blocks int, start int32)

// quantiseSuperVector quantises the numbers of a superblock and sums up its blocks. It
// returns false if there is no kernel for it.
func quantiseSuperVector(dst []int8, x []float32, inverse float32, sums []int16, shape intShape) bool {
	if !features.avx2 || inverse == 0 {
		return false
	}
	_, _, _ = x[superInputs-1], dst[superInputs*shape.size()-1], sums[7]
	var each [superInputs / 16]int16
	if shape.wide {
		quantiseSuperWideAVX2(&dst[0], &x[0], inverse, &each)
	} else {
		quantiseSuperAVX2(&dst[0], &x[0], inverse, &each)
	}
	if copy(sums, each[:]) < len(each) {
		for i := range sums {
			sums[i] = each[2*i] + each[2*i+1]
		}
	}
	return true
}

// quantiseSuperAVX2 computes, for the 256 numbers of a superblock,
//
//	for i := range sums {
//		sums[i] = int16(quantise(dst[16*i:][:16], x[16*i:][:16], inverse))
//	}
//
//go:noescape
func quantiseSuperAVX2(dst *int8, x *float32, inverse float32, sums *[superInputs / 16]int16)

// quantiseSuperWideAVX2 is quantiseSuperAVX2 with 16-bit integers.
//
//go:noescape
func quantiseSuperWideAVX2(dst *int8, x *float32, inverse float32, sums *[superInputs / 16]int16)
