package quant

import (
	"encoding/binary"
	"math"
	"unsafe"
)

// Half returns the number with the given bits of an IEEE binary16.
func Half(h uint16) float32 { return half(uint32(h)) }

// half handles the common case inline: the exponent's bias changes from 15 to 127.
// Exponents of all zeros and all ones are left to halfSpecial.
func half(h uint32) float32 {
	if h&0x7c00-0x400 >= 0x7800 {
		return halfSpecial(h)
	}
	return math.Float32frombits(h&0x8000<<16 | (h&0x7fff<<13 + 112<<23))
}

//go:noinline
func halfSpecial(h uint32) float32 {
	sign, fraction := h&0x8000<<16, h&0x3ff
	if h&0x7c00 != 0 { // infinity or NaN
		return math.Float32frombits(sign | 0x7f800000 | fraction<<13)
	}
	// Zero or subnormal: fraction × 2^-24.
	return math.Float32frombits(sign | math.Float32bits(float32(fraction)*(1.0/(1<<24))))
}

// HalfBits returns the bits of x rounded to the nearest IEEE binary16, ties to even.
// Numbers from 65520 on become infinity; a NaN stays a NaN.
func HalfBits(x float32) uint16 {
	b := math.Float32bits(x)
	sign := uint16(b >> 16 & 0x8000)
	b &= 0x7fffffff
	switch {
	case b > 0x7f800000:
		return sign | 0x7e00 | uint16(b>>13&0x1ff)
	case b >= 0x477ff000: // 65520
		return sign | 0x7c00
	case b < 0x38800000: // under 2^-14: a multiple of 2^-24
		// In a sum with ½ the last bit has the value 2^-24, so the addition rounds.
		return sign | uint16(math.Float32bits(math.Float32frombits(b)+0.5)-0x3f000000)
	}
	// Add half of the last place, less one where the kept part is even.
	b += 0xfff + b>>13&1
	return sign | uint16((b-112<<23)>>13)
}

// BFloat16 returns the number with the given bits of a bfloat16.
func BFloat16(h uint16) float32 { return math.Float32frombits(uint32(h) << 16) }

// BFloat16Bits returns the bits of x rounded to the nearest bfloat16, ties to even.
// Numbers too large become infinity; a NaN stays a NaN.
func BFloat16Bits(x float32) uint16 {
	b := math.Float32bits(x)
	if b&0x7fffffff > 0x7f800000 {
		return uint16(b>>16) | 0x40
	}
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}

func dequantizeF64(dst []float32, src []byte) {
	for i := range dst {
		dst[i] = float32(math.Float64frombits(binary.LittleEndian.Uint64(src[8*i:])))
	}
}

// littleEndian is whether numbers in memory have the byte order of files.
var littleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

func dequantizeF32(dst []float32, src []byte) {
	if littleEndian {
		copy(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(dst))), 4*len(dst)), src)
		return
	}
	for i := range dst {
		dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
	}
}

func dequantizeF16(dst []float32, src []byte) {
	const each = 0x0001_0001_0001_0001 // a lane of 16 bits for each of four numbers
	for len(dst) >= 4 && len(src) >= 8 {
		x := binary.LittleEndian.Uint64(src)
		// These four bits of an exponent plus 1 are 0 if it is all zeros or all ones,
		// and only then.
		e := (x&(0x7c00*each) + 0x0400*each) & (0x7800 * each)
		if (e-each)&^e&(0x8000*each) == 0 { // no lane is zero
			const rebias = 112 << 23
			dst[0] = math.Float32frombits(uint32(x&0x8000)<<16 | (uint32(x&0x7fff)<<13 + rebias))
			dst[1] = math.Float32frombits(uint32(x)&0x8000_0000 | (uint32(x>>3)&(0x7fff<<13) + rebias))
			dst[2] = math.Float32frombits(uint32(x>>16)&0x8000_0000 | (uint32(x>>19)&(0x7fff<<13) + rebias))
			dst[3] = math.Float32frombits(uint32(x>>32)&0x8000_0000 | (uint32(x>>35)&(0x7fff<<13) + rebias))
		} else {
			dst[0] = half(uint32(x & 0xffff))
			dst[1] = half(uint32(x >> 16 & 0xffff))
			dst[2] = half(uint32(x >> 32 & 0xffff))
			dst[3] = half(uint32(x >> 48))
		}
		dst, src = dst[4:], src[8:]
	}
	for i := range dst {
		dst[i] = half(uint32(binary.LittleEndian.Uint16(src[2*i:])))
	}
}

func dequantizeBF16(dst []float32, src []byte) {
	for len(dst) >= 4 && len(src) >= 8 {
		x := binary.LittleEndian.Uint64(src)
		dst[0] = math.Float32frombits(uint32(x << 16))
		dst[1] = math.Float32frombits(uint32(x) & 0xffff0000)
		dst[2] = math.Float32frombits(uint32(x >> 16 & 0xffff0000))
		dst[3] = math.Float32frombits(uint32(x >> 32 & 0xffff0000))
		dst, src = dst[4:], src[8:]
	}
	for i := range dst {
		dst[i] = BFloat16(binary.LittleEndian.Uint16(src[2*i:]))
	}
}
