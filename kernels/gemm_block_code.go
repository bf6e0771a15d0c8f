package kernels

import (
	"encoding/binary"
	"strings"
	"unsafe"

	"github.com/winnow-rerank/winnow/quant"
)

// Coded weights are unpacked in windows of windowInputs inputs. A panel's unpacked
// window takes at most windowBytes: the numbers, the factors of blocks of 16, in 4
// bytes and as pairs of 2, and the scales.
const (
	windowInputs = superInputs
	windowBytes  = maxIntCols * (windowInputs + windowInputs/16*(4+2) + 4)
)

// codeRun is how many codes are packed together, in the order in which the
// micro-kernels read them. The low four bits of the first half of the run are the low
// halves of 64 bytes, those of the second half the high halves. For 5-bit codes, the
// fifth bits of codes 16i to 16i+15 are bits i of the 16 bytes that follow; for 6-bit
// codes, the high bits of codes 32i to 32i+31 are bits 2i and 2i+1 of the 32 bytes that
// follow.
const codeRun = 128

// A blockCode describes how coded weights are packed. The windows of a panel are
// consecutive, and each consists of
//
//   - the scales and, if the kind has them, the offsets: float16 numbers for all columns of a
//     block, then of the next block; or
//   - for superblocks, the float16 scales of all columns and, if the kind has them, the offsets,
//     then 8-bit factors of both, in the same order;
//   - the codes.
type blockCode struct {
	bits int // of a code: 4, 5 or 6
	// Values of codes: from the table for 4-bit codes, otherwise the code plus bias.
	table [16]int8
	bias  int8
}

// levels4 are the values of IQ4 codes.
var levels4 = [16]int8{-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113}

// codeOf returns how weights of type t are packed, or nil if they are not.
func codeOf(t quant.Type, shape intShape) (*blockCode, blockKind) {
	c, kind, zero := &blockCode{bits: 4}, blocks32, 0
	switch t {
	case quant.Q4_0:
		zero = 8
	case quant.Q4_1:
		kind = blocks32Offsets
	case quant.Q5_0:
		c.bits, zero = 5, 16
	case quant.Q5_1:
		c.bits, kind = 5, blocks32Offsets
	case quant.Q4_K:
		kind = super32Offsets
	case quant.Q5_K:
		c.bits, kind = 5, super32Offsets
	case quant.Q6_K:
		c.bits, kind, zero = 6, super16, 32
	case quant.IQ4_NL:
	case quant.IQ4_XS:
		kind = super16
	default:
		return nil, 0
	}
	c.set(t, zero, shape.corrected(kind))
	return c, kind
}

// set sets the values of codes: the code minus zero, or the level for IQ4 types, plus
// 128 if unsigned.
func (c *blockCode) set(t quant.Type, zero int, unsigned bool) {
	var flip int8
	if unsigned {
		flip = -128
	}
	c.bias = int8(-zero) ^ flip
	for i := range c.table {
		c.table[i] = int8(i-zero) ^ flip
		if t == quant.IQ4_NL || t == quant.IQ4_XS {
			c.table[i] = levels4[i] ^ flip
		}
	}
}

// CanPackBlocks reports whether PackBlocks keeps weights of type t in their own form.
func CanPackBlocks(t quant.Type) bool {
	c, _ := codeOf(t, portableIntShape)
	return c != nil || t == quant.Q8_0
}

// PackBlocks packs n×k weights in one of GGML's types of 4 to 8 bits, as they are in
// the file, in about the same number of bytes, with all scales and minimums. data is n
// rows, k·t.BlockBytes()/t.BlockSize() bytes each. Weights of a type for which
// CanPackBlocks is false are packed by PackInt8A16.
//
// Activations are rounded as GGML rounds them for these types: per block of 32, or of
// 256 for the types that end in K and IQ4_XS, to multiples of their largest magnitude
// divided by 127. For blocks of 32 that scale is rounded to float16, as is the sum of a
// block for types with minimums. The products of a block are summed exactly, including
// those of blocks of 256, whose parts have integer scales; blocks are added up in
// float32, in order, starting with the bias.
func PackBlocks(t quant.Type, n, k int, data []byte) Weights {
	if t == quant.Q8_0 {
		return PackQ8_0(n, k, data)
	}
	shape := features.blocks
	c, kind := codeOf(t, shape)
	rowBytes := t.Bytes(k)
	if c == nil {
		return PackInt8A16(n, k, func(i int, dst []float32) {
			if quant.Dequantize(dst, t, data[i*rowBytes:][:rowBytes]) != nil {
				clear(dst)
			}
		})
	}
	signed, _ := codeOf(t, portableIntShape)
	w := &blockWeights{name: strings.ToLower(t.String()), n: n, k: k, kind: kind, shape: shape, code: c, signed: signed}
	cols := shape.cols
	w.q = aligned[int8]((n + cols - 1) / cols * c.bytes(shape, kind, k))
	var p codePanel
	for i := 0; i < n; i += cols {
		for l := 0; l < k; l += windowInputs {
			inputs := min(windowInputs, k-l)
			p = codePanel{}
			for j := i; j < min(i+cols, n); j++ {
				p.read(t, j-i, data[j*rowBytes+t.Bytes(l):][:t.Bytes(inputs)])
			}
			p.pack(w.window(i/cols, l/windowInputs), c, shape, kind, inputs)
		}
	}
	return w
}

// bytes returns the size of k inputs of a panel.
func (c *blockCode) bytes(shape intShape, kind blockKind, k int) int {
	scales := 2 * k / kind.size()
	if kind.super() {
		scales = k/kind.size() + 2*(k/superInputs)
	}
	if kind.offsets() {
		scales *= 2
	}
	return shape.cols*scales + shape.cols*k/8*c.bits
}

// window returns the packed form of a panel's window.
func (w *blockWeights) window(panel, window int) []int8 {
	all := w.code.bytes(w.shape, w.kind, w.k)
	from := w.code.bytes(w.shape, w.kind, window*windowInputs)
	to := w.code.bytes(w.shape, w.kind, min((window+1)*windowInputs, w.k))
	return w.q[panel*all+from : panel*all+to : panel*all+to]
}

// A codePanel is a window of a panel, column by column, with room for the fields of
// every block type.
type codePanel struct {
	codes           [maxIntCols][windowInputs]uint8
	scales, offsets [maxIntCols][windowInputs / 16]uint16 // float16, or integers
	factors         [maxIntCols][2]uint16                 // float16
}

// read decodes the window of column j from src, rows of GGML's blocks.
func (p *codePanel) read(t quant.Type, j int, src []byte) {
	const minus = 1 << 15 // the sign of a float16
	q, scales, offsets := p.codes[j][:], p.scales[j][:], p.offsets[j][:]
	half := binary.LittleEndian.Uint16
	// halves splits 16 bytes into 32 codes.
	halves := func(q, src []byte) {
		for i, b := range src[:16] {
			q[i], q[i+16] = b&15, b>>4
		}
	}
	// fifth adds the fifth bits of 32 codes.
	fifth := func(q []byte, bits uint32) {
		for i := range 32 {
			q[i] |= uint8(bits>>i&1) << 4
		}
	}
	size := t.BlockBytes()
	for b := 0; len(src) >= size; b, src = b+1, src[size:] {
		switch t {
		case quant.Q4_0, quant.IQ4_NL:
			scales[b] = half(src)
			halves(q[32*b:], src[2:])
		case quant.Q4_1:
			scales[b], offsets[b] = half(src), half(src[2:])
			halves(q[32*b:], src[4:])
		case quant.Q5_0:
			scales[b] = half(src)
			halves(q[32*b:], src[6:])
			fifth(q[32*b:], binary.LittleEndian.Uint32(src[2:]))
		case quant.Q5_1:
			scales[b], offsets[b] = half(src), half(src[2:])
			halves(q[32*b:], src[8:])
			fifth(q[32*b:], binary.LittleEndian.Uint32(src[4:]))
		case quant.Q4_K, quant.Q5_K:
			// The minimums are subtracted.
			p.factors[j] = [2]uint16{half(src), half(src[2:]) ^ minus}
			packed := src[4:16]
			for i := range 8 {
				if i < 4 {
					scales[i], offsets[i] = uint16(packed[i]&63), uint16(packed[i+4]&63)
				} else {
					scales[i] = uint16(packed[i+4]&15 | packed[i-4]>>6<<4)
					offsets[i] = uint16(packed[i+4]>>4 | packed[i]>>6<<4)
				}
			}
			for part := range 4 {
				low, q := src[size-128+32*part:][:32], q[64*part:][:64]
				for i, b := range low {
					q[i], q[i+32] = b&15, b>>4
				}
				if t == quant.Q5_K {
					for i, b := range src[16:48] {
						q[i] |= b >> (2 * part) & 1 << 4
						q[i+32] |= b >> (2*part + 1) & 1 << 4
					}
				}
			}
		case quant.Q6_K:
			p.factors[j][0] = half(src[208:])
			for i := range 16 {
				scales[i] = uint16(src[192+i])
			}
			for part := range 2 {
				low, q := src[64*part:][:64], q[128*part:][:128]
				for i, h := range src[128+32*part:][:32] {
					q[i] = low[i]&15 | h&3<<4
					q[i+32] = low[i+32]&15 | h>>2&3<<4
					q[i+64] = low[i]>>4 | h>>4&3<<4
					q[i+96] = low[i+32]>>4 | h>>6<<4
				}
			}
		case quant.IQ4_XS:
			p.factors[j][0] = half(src)
			high := half(src[2:])
			for i := range 8 {
				// A scale of 32 numbers is the scale of two blocks of 16.
				scale := int(src[4+i/2]>>(i%2*4)&15) + int(high>>(2*i)&3<<4) - 32
				scales[2*i], scales[2*i+1] = uint16(uint8(scale)), uint16(uint8(scale))
				halves(q[32*i:], src[8+16*i:])
			}
		}
	}
}

// pack writes inputs inputs of the window to dst.
func (p *codePanel) pack(dst []int8, c *blockCode, shape intShape, kind blockKind, inputs int) {
	cols, blocks := shape.cols, inputs/kind.size()
	half := func(x uint16) {
		dst[0], dst[1] = int8(x), int8(x>>8)
		dst = dst[2:]
	}
	tables := [][maxIntCols][windowInputs / 16]uint16{p.scales}
	if kind.offsets() {
		tables = append(tables, p.offsets)
	}
	if kind.super() {
		for i := range tables {
			for j := range cols {
				half(p.factors[j][i])
			}
		}
	}
	for _, table := range tables {
		for l := range blocks {
			for j := range cols {
				if x := table[j][l]; kind.super() {
					dst[0] = int8(x)
					dst = dst[1:]
				} else {
					half(x)
				}
			}
		}
	}

	// The codes in the order of the micro-kernels: the inputs of a group stay adjacent.
	var ordered [maxIntCols * windowInputs]uint8
	group := shape.group
	for j := range cols {
		codes := p.codes[j][:inputs]
		for i := 0; i+group <= inputs; i += group {
			to := ordered[i*cols+j*group:]
			if group == 4 {
				binary.NativeEndian.PutUint32(to, binary.NativeEndian.Uint32(codes[i:]))
			} else {
				copy(to, codes[i:i+group])
			}
		}
	}
	for run := ordered[:cols*inputs]; len(run) > 0; run = run[codeRun:] {
		// Eight codes at a time.
		const low, fifth, high = 0x0f0f0f0f0f0f0f0f, 0x0101010101010101, 0x0303030303030303
		out := dst[:codeRun/8*c.bits]
		for i := 0; i < codeRun; i += 8 {
			q := binary.LittleEndian.Uint64(run[i:])
			merge := func(at int, bits uint64) {
				word := (*[8]byte)(unsafe.Pointer(&out[at : at+8][0]))
				binary.LittleEndian.PutUint64(word[:], binary.LittleEndian.Uint64(word[:])|bits)
			}
			merge(i%64, q&low<<(i/64*4))
			switch c.bits {
			case 5:
				merge(64+i%16, q>>4&fifth<<(i/16))
			case 6:
				merge(64+i%32, q>>4&high<<(i/32*2))
			}
		}
		dst = dst[len(out):]
	}
}

// unpack converts a panel's window to the form that the micro-kernels read, with the
// values of code.
func (w *blockWeights) unpack(code *blockCode, scratch []int8, panel, window, blocks int) {
	src := w.window(panel, window)
	cols, panelBytes := w.shape.cols, w.shape.panelBytes(w.kind)
	numbers := cols * w.kind.size()
	header := panelBytes - numbers
	if w.kind.super() {
		tail := scratch[blocks*panelBytes:]
		scales := src
		src = src[2*cols:]
		if w.kind.offsets() {
			src = src[2*cols:]
		}
		factors := src
		for l := range blocks {
			widenIntegers(integersAt(scratch[l*panelBytes:], cols), src)
			src = src[cols:]
		}
		if w.kind.offsets() {
			factors = src
			src = src[blocks*cols:]
		}
		if w.shape.hasPairs(w.kind) {
			for l := 0; l < blocks; l += 2 {
				pairIntegers(tail[:4*cols], factors[:cols], factors[cols:2*cols])
				tail, factors = tail[4*cols:], factors[2*cols:]
			}
		}
		widenScales(scalesAt(tail, cols), scales)
		if w.kind.offsets() {
			widenScales(scalesAt(tail[4*cols:], cols), scales[2*cols:])
		}
	} else {
		for i := range header / (4 * cols) {
			for l := range blocks {
				widenScales(scalesAt(scratch[l*panelBytes+4*cols*i:], cols), src)
				src = src[2*cols:]
			}
		}
	}
	for l := range blocks {
		code.decode(scratch[l*panelBytes+header:][:numbers], src)
		src = src[numbers/8*w.code.bits:]
	}
}

// scalesAt returns b as n float32 numbers.
func scalesAt(b []int8, n int) []float32 {
	return unsafe.Slice((*float32)(unsafe.Pointer(&b[:4*n][0])), n)
}

// integersAt returns b as n int32 numbers.
func integersAt(b []int8, n int) []int32 {
	return unsafe.Slice((*int32)(unsafe.Pointer(&b[:4*n][0])), n)
}

// widenScalesPortable is the definition of widenScales: it converts the float16 numbers
// of src.
func widenScalesPortable(dst []float32, src []int8) {
	for i := range dst {
		dst[i] = quant.Half(uint16(uint8(src[2*i])) | uint16(uint8(src[2*i+1]))<<8)
	}
}

// widenIntegersPortable is the definition of widenIntegers: it widens the integers of src.
func widenIntegersPortable(dst []int32, src []int8) {
	for i := range dst {
		dst[i] = int32(src[i])
	}
}

// pairIntegersPortable is the definition of pairIntegers: dst becomes 16-bit integers,
// alternating between a and b.
func pairIntegersPortable(dst, a, b []int8) {
	wide := wideOf(dst)
	for i, x := range a {
		wide[2*i], wide[2*i+1] = int16(x), int16(b[i])
	}
}

// decodePortable is the definition of decode: dst, whole runs, becomes the values of
// the codes in src.
func (c *blockCode) decodePortable(dst, src []int8) {
	for ; len(dst) >= codeRun; dst, src = dst[codeRun:], src[codeRun/8*c.bits:] {
		for i := range codeRun {
			q := uint8(src[i%64]) >> (i / 64 * 4) & 15
			switch c.bits {
			case 4:
				dst[i] = c.table[q]
			case 5:
				dst[i] = int8(q|uint8(src[64+i%16])>>(i/16)&1<<4) + c.bias
			case 6:
				dst[i] = int8(q|uint8(src[64+i%32])>>(i/32*2)&3<<4) + c.bias
			}
		}
	}
}
