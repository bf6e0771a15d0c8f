package quant

import (
	"encoding/binary"
	"fmt"

	"github.com/winnow-rerank/winnow/internal/fault"
)

// Dequantize converts src, numbers of type t, to float32. src is little-endian, need not be
// aligned, and must be exactly t.Bytes(len(dst)) long; len(dst) must be a multiple of
// t.BlockSize(). The error wraps fault.ErrUnsupported for types that hold no weights (see
// CanDequantize).
//
// The results have the bits of GGML's reference.
func Dequantize(dst []float32, t Type, src []byte) error {
	if !t.CanDequantize() {
		return fmt.Errorf("quant: numbers of type %v: %w", t, fault.ErrUnsupported)
	}
	if err := checkLengths(t, len(dst), len(src)); err != nil {
		return err
	}
	dequantizers[t](dst, src)
	return nil
}

// checkLengths returns an error if the numbers do not fill blocks or do not take that many
// bytes.
func checkLengths(t Type, numbers, bytes int) error {
	if numbers%t.BlockSize() != 0 {
		return fmt.Errorf("quant: found %d numbers of type %v, expected a multiple of %d", numbers, t, t.BlockSize())
	}
	if want := t.Bytes(numbers); bytes != want {
		return fmt.Errorf("quant: found %d bytes for %d numbers of type %v, expected %d", bytes, numbers, t, want)
	}
	return nil
}

// dequantizers are the definitions of the formats. They are called with valid lengths.
// Below, d and m are a block's scale and minimum. Products are rounded (float32(…))
// before additions, so that a fused multiply-add does not change bits.
var dequantizers = [types]func(dst []float32, src []byte){
	F64:    dequantizeF64,
	F32:    dequantizeF32,
	F16:    dequantizeF16,
	BF16:   dequantizeBF16,
	Q8_0:   dequantizeQ8_0,
	Q4_0:   dequantizeQ4_0,
	Q4_1:   dequantizeQ4_1,
	Q5_0:   dequantizeQ5_0,
	Q5_1:   dequantizeQ5_1,
	Q2_K:   dequantizeQ2_K,
	Q3_K:   dequantizeQ3_K,
	Q4_K:   dequantizeQ4_K,
	Q5_K:   dequantizeQ5_K,
	Q6_K:   dequantizeQ6_K,
	IQ4_NL: dequantizeIQ4_NL,
	IQ4_XS: dequantizeIQ4_XS,
}

// halfAt returns the float16 at the start of b.
func halfAt(b []byte) float32 { return half(uint32(binary.LittleEndian.Uint16(b))) }

// Q8_0: d, 32 × int8.
func dequantizeQ8_0(dst []float32, src []byte) {
	for len(dst) >= 32 && len(src) >= 34 {
		d := halfAt(src)
		y, q := dst[:32:32], src[2:34:34]
		for i := range y {
			y[i] = d * float32(int8(q[i]))
		}
		dst, src = dst[32:], src[34:]
	}
}

// Q4_0: d, 16 bytes; the low halves are numbers 0 to 15, the high ones 16 to 31.
func dequantizeQ4_0(dst []float32, src []byte) {
	for ; len(dst) >= 32; dst, src = dst[32:], src[18:] {
		d := halfAt(src)
		for i, q := range src[2:18] {
			dst[i] = d * float32(int(q&15)-8)
			dst[i+16] = d * float32(int(q>>4)-8)
		}
	}
}

// Q4_1: d, m, 16 bytes as in Q4_0.
func dequantizeQ4_1(dst []float32, src []byte) {
	for ; len(dst) >= 32; dst, src = dst[32:], src[20:] {
		d, m := halfAt(src), halfAt(src[2:])
		for i, q := range src[4:20] {
			dst[i] = float32(d*float32(q&15)) + m
			dst[i+16] = float32(d*float32(q>>4)) + m
		}
	}
}

// Q5_0: d, the 32 fifth bits, 16 bytes as in Q4_0.
func dequantizeQ5_0(dst []float32, src []byte) {
	for ; len(dst) >= 32; dst, src = dst[32:], src[22:] {
		d := halfAt(src)
		high := binary.LittleEndian.Uint32(src[2:])
		for i, q := range src[6:22] {
			dst[i] = d * float32(int(uint32(q&15)|high>>i&1<<4)-16)
			dst[i+16] = d * float32(int(uint32(q>>4)|high>>(i+16)&1<<4)-16)
		}
	}
}

// Q5_1: d, m, the 32 fifth bits, 16 bytes as in Q4_0.
func dequantizeQ5_1(dst []float32, src []byte) {
	for ; len(dst) >= 32; dst, src = dst[32:], src[24:] {
		d, m := halfAt(src), halfAt(src[2:])
		high := binary.LittleEndian.Uint32(src[4:])
		for i, q := range src[8:24] {
			dst[i] = float32(d*float32(uint32(q&15)|high>>i&1<<4)) + m
			dst[i+16] = float32(d*float32(uint32(q>>4)|high>>(i+16)&1<<4)) + m
		}
	}
}

// Q2_K: 16 bytes of scale (low half) and minimum (high half) for 16 numbers each, 64
// bytes, d, m. Each half of the block takes 32 bytes: their bits 0 and 1 are its first
// 32 numbers, bits 2 and 3 the next, and so on.
func dequantizeQ2_K(dst []float32, src []byte) {
	for ; len(dst) >= 256; dst, src = dst[256:], src[84:] {
		d, m := halfAt(src[80:]), halfAt(src[82:])
		for i := range 16 { // of 16 numbers
			scale := d * float32(src[i]&15)
			minimum := m * float32(src[i]>>4)
			q := src[16+i/8*32+i%2*16:][:16]
			shift := i / 2 % 4 * 2
			for j, y := 0, dst[16*i:][:16]; j < 16; j++ {
				y[j] = float32(scale*float32(q[j]>>shift&3)) - minimum
			}
		}
	}
}

// Q3_K: the 256 third bits, 64 bytes as in Q2_K, 12 bytes of 16 scales, d. The third bit of
// numbers 32k to 32k+31 is bit k of the first 32 bytes; if it is not set, 4 is subtracted.
func dequantizeQ3_K(dst []float32, src []byte) {
	for ; len(dst) >= 256; dst, src = dst[256:], src[110:] {
		d := halfAt(src[108:])
		scales := src[96:108]
		for i := range 16 { // of 16 numbers
			// Four bits of a scale are in one of the first 8 bytes, two in one of the
			// last 4.
			low := scales[i%8] >> (i / 8 * 4) & 15
			high := scales[8+i%4] >> (i / 4 * 2) & 3
			scale := d * float32(int(low|high<<4)-32)
			q := src[32+i/8*32+i%2*16:][:16]
			top := src[i%2*16:][:16]
			shift := i / 2 % 4 * 2
			for j, y := 0, dst[16*i:][:16]; j < 16; j++ {
				y[j] = scale * float32(int(q[j]>>shift&3)+int(top[j]>>(i/2)&1)*4-4)
			}
		}
	}
}

// scaleMin returns pair i of the 8 pairs of 6-bit scale and minimum that Q4_K and Q5_K pack
// into 12 bytes: the first four are in the low bits of bytes 0–3 and 4–7, the others are
// combined from bytes 8–11 and the high bits of the former.
func scaleMin(b []byte, i int) (scale, minimum byte) {
	if i < 4 {
		return b[i] & 63, b[i+4] & 63
	}
	return b[i+4]&15 | b[i-4]>>6<<4, b[i+4]>>4 | b[i]>>6<<4
}

// Q4_K: d, m, 8 scales and minimums, 128 bytes: the low halves of each 32 are 32
// numbers, the high halves the next 32.
func dequantizeQ4_K(dst []float32, src []byte) {
	for ; len(dst) >= 256; dst, src = dst[256:], src[144:] {
		d, m := halfAt(src), halfAt(src[2:])
		for i := range 8 { // of 32 numbers
			s, b := scaleMin(src[4:16], i)
			scale, minimum := d*float32(s), m*float32(b)
			q := src[16+i/2*32:][:32]
			shift := i % 2 * 4
			for j, y := 0, dst[32*i:][:32]; j < 32; j++ {
				y[j] = float32(scale*float32(q[j]>>shift&15)) - minimum
			}
		}
	}
}

// Q5_K: Q4_K with 32 bytes of fifth bits before the 128: bit i is for numbers 32i to
// 32i+31.
func dequantizeQ5_K(dst []float32, src []byte) {
	for ; len(dst) >= 256; dst, src = dst[256:], src[176:] {
		d, m := halfAt(src), halfAt(src[2:])
		high := src[16:48]
		for i := range 8 { // of 32 numbers
			s, b := scaleMin(src[4:16], i)
			scale, minimum := d*float32(s), m*float32(b)
			q := src[48+i/2*32:][:32]
			shift := i % 2 * 4
			for j, y := 0, dst[32*i:][:32]; j < 32; j++ {
				y[j] = float32(scale*float32(q[j]>>shift&15|high[j]>>i&1<<4)) - minimum
			}
		}
	}
}

// Q6_K: 128 bytes of low halves, 64 of two high bits each, 16 × int8 scales, d. In each
// half of the block, numbers 0–31 and 64–95 are the low and high halves of the first 32
// bytes, 32–63 and 96–127 those of the next 32; the high bits of the four runs of 32
// are bits 0–1, 2–3, 4–5 and 6–7 of the same 32 bytes.
func dequantizeQ6_K(dst []float32, src []byte) {
	for ; len(dst) >= 256; dst, src = dst[256:], src[210:] {
		d := halfAt(src[208:])
		for i := range 16 { // of 16 numbers
			scale := d * float32(int8(src[192+i]))
			part, run, at := i/8, i/2%4, i%2*16
			q := src[part*64+run%2*32+at:][:16]
			high := src[128+part*32+at:][:16]
			for j, y := 0, dst[16*i:][:16]; j < 16; j++ {
				y[j] = scale * float32(int(q[j]>>(run/2*4)&15|high[j]>>(run*2)&3<<4)-32)
			}
		}
	}
}

// iq4 are the levels of the IQ4 types, denser where weights are frequent.
var iq4 = [16]float32{-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113}

// IQ4_NL: d, 16 bytes as in Q4_0.
func dequantizeIQ4_NL(dst []float32, src []byte) {
	for ; len(dst) >= 32; dst, src = dst[32:], src[18:] {
		d := halfAt(src)
		for i, q := range src[2:18] {
			dst[i] = d * iq4[q&15]
			dst[i+16] = d * iq4[q>>4]
		}
	}
}

// IQ4_XS: d, the high two bits of 8 scales, their low four, 8 × 16 bytes as in Q4_0.
func dequantizeIQ4_XS(dst []float32, src []byte) {
	for ; len(dst) >= 256; dst, src = dst[256:], src[136:] {
		d := halfAt(src)
		high := binary.LittleEndian.Uint16(src[2:])
		for i := range 8 { // of 32 numbers
			low := src[4+i/2] >> (i % 2 * 4) & 15
			scale := d * float32(int(low)+int(high>>(2*i)&3<<4)-32)
			y := dst[32*i:][:32]
			for j, q := range src[8+16*i:][:16] {
				y[j] = scale * iq4[q&15]
				y[j+16] = scale * iq4[q>>4]
			}
		}
	}
}
