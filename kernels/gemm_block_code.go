package kernels

import (
	"encoding/binary"
	"strings"
	"unsafe"

	"github.com/winnow-rerank/winnow/quant"
)

// Coded weights are unpacked by windows of windowInputs inputs, the size of
// GGML's largest blocks. A panel's window unpacked is at most windowBytes long.
const (
	windowInputs = 256
	windowBytes  = maxIntCols * (windowInputs + windowInputs/16*4)
)

// codeRun is how many codes are packed together. They are in the order in which
// the micro-kernels read them. The low four bits of the first half of the run are
// the low halves of 64 bytes, those of the second half the high halves; of 5-bit
// codes, the fifth bits of codes 16i to 16i+15 are bits i of the 16 bytes that
// follow; of 6-bit codes, the high bits of codes 32i to 32i+31 are bits 2i and
// 2i+1 of the 32 bytes that follow.
const codeRun = 128

// A blockCode is how coded weights are packed. The windows of a panel follow one
// another, each of
//
//   - the scales and, if the kind has them, the offsets: float16 numbers, each
//     for all columns of a block, then the next block; or
//   - if super is set, float16 factors for all columns, one of scales and one of
//     offsets, and then the scales and the offsets as integers that they multiply;
//   - the codes.
type blockCode struct {
	bits  int // of a code: 4, 5 or 6
	super bool
	// What codes are worth: of 4-bit codes by table, of others the code plus bias.
	table [16]int8
	bias  int8
}

// levels4 are the values of IQ4 codes.
var levels4 = [16]int8{-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113}

// codeOf says how weights of type t are packed; nil if they are not.
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
		c.super, kind = true, blocks32Offsets
	case quant.Q5_K:
		c.bits, c.super, kind = 5, true, blocks32Offsets
	case quant.Q6_K:
		c.bits, c.super, kind, zero = 6, true, blocks16, 32
	case quant.IQ4_NL:
	case quant.IQ4_XS:
		c.super = true
	default:
		return nil, 0
	}
	// Codes of blocks with offsets are not negative, so that nothing need be
	// added for instructions that take unsigned numbers.
	store := func(q int) int8 {
		if kind == blocks32Offsets {
			return int8(q)
		}
		return shape.store(int8(q))
	}
	c.bias = store(-zero)
	for i := range c.table {
		c.table[i] = store(i - zero)
		if t == quant.IQ4_NL || t == quant.IQ4_XS {
			c.table[i] = store(int(levels4[i]))
		}
	}
	return c, kind
}

// CanPackBlocks reports whether PackBlocks keeps weights of type t in their own
// form.
func CanPackBlocks(t quant.Type) bool {
	c, _ := codeOf(t, portableIntShape)
	return c != nil || t == quant.Q8_0
}

// PackBlocks packs n×k weights in one of GGML's types of 4 to 8 bits, as they are
// in the file: in about as many bytes, with all their scales and minimums. data
// is n rows, k·t.BlockBytes()/t.BlockSize() bytes each. Weights of a type for which
// CanPackBlocks is false are packed by PackInt8.
//
// Activations are rounded, per block of 32 (of 16 for Q6_K), to multiples of a
// scale, the largest magnitude among them divided by 127. The products of a block
// are summed exactly; blocks are added up in float32, in order, beginning with
// the bias.
func PackBlocks(t quant.Type, n, k int, data []byte) Weights {
	if t == quant.Q8_0 {
		return PackQ8_0(n, k, data)
	}
	shape := chooseBlockShape()
	c, kind := codeOf(t, shape)
	rowBytes := t.Bytes(k)
	if c == nil {
		return PackInt8(n, k, func(i int, dst []float32) {
			if quant.Dequantize(dst, t, data[i*rowBytes:][:rowBytes]) != nil {
				clear(dst)
			}
		})
	}
	w := &blockWeights{name: strings.ToLower(t.String()), n: n, k: k, kind: kind, shape: shape, code: c}
	cols := shape.cols
	w.q = alignedBytes((n + cols - 1) / cols * c.bytes(shape, kind, k))
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

// bytes is how many bytes k inputs of a panel take.
func (c *blockCode) bytes(shape intShape, kind blockKind, k int) int {
	scales := 2 * k / kind.size()
	if c.super {
		scales = k/kind.size() + 2*(k/windowInputs)
	}
	if kind == blocks32Offsets {
		scales *= 2
	}
	return shape.cols*scales + shape.cols*k/8*c.bits
}

// window is the packed form of a panel's window.
func (w *blockWeights) window(panel, window int) []int8 {
	all := w.code.bytes(w.shape, w.kind, w.k)
	from := w.code.bytes(w.shape, w.kind, window*windowInputs)
	to := w.code.bytes(w.shape, w.kind, min((window+1)*windowInputs, w.k))
	return w.q[panel*all+from : panel*all+to : panel*all+to]
}

// A codePanel is a window of a panel, column by column, with everything that a
// block of some type has.
type codePanel struct {
	codes           [maxIntCols][windowInputs]uint8
	scales, offsets [maxIntCols][windowInputs / 16]uint16 // float16, or integers
	factors         [maxIntCols][2]uint16                 // float16
}

// read takes the window of column j from src, rows of GGML's blocks.
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
			low := src[size-128:]
			for i := range q {
				q[i] = low[i/64*32+i%32] >> (i / 32 % 2 * 4) & 15
				if t == quant.Q5_K {
					q[i] |= src[16+i%32] >> (i / 32) & 1 << 4
				}
			}
		case quant.Q6_K:
			p.factors[j][0] = half(src[208:])
			for i := range 16 {
				scales[i] = uint16(src[192+i])
			}
			for i := range q {
				part, run := i/128, i/32%4
				q[i] = src[part*64+run%2*32+i%32]>>(run/2*4)&15 | src[128+part*32+i%32]>>(run*2)&3<<4
			}
		case quant.IQ4_XS:
			p.factors[j][0] = half(src)
			high := half(src[2:])
			for i := range 8 {
				scale := int(src[4+i/2]>>(i%2*4)&15) + int(high>>(2*i)&3<<4) - 32
				scales[i] = uint16(uint8(scale))
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
	if kind == blocks32Offsets {
		tables = append(tables, p.offsets)
	}
	if c.super {
		for i := range tables {
			for j := range cols {
				half(p.factors[j][i])
			}
		}
	}
	for _, table := range tables {
		for l := range blocks {
			for j := range cols {
				if x := table[j][l]; c.super {
					dst[0] = int8(x)
					dst = dst[1:]
				} else {
					half(x)
				}
			}
		}
	}

	// The codes in the order of the micro-kernels.
	var ordered [maxIntCols * windowInputs]uint8
	for j := range cols {
		for i := range inputs {
			block := i / kind.size()
			ordered[block*kind.size()*cols+shape.index(j, i%kind.size())] = p.codes[j][i]
		}
	}
	for run := ordered[:cols*inputs]; len(run) > 0; run = run[codeRun:] {
		for i, q := range run[:codeRun] {
			dst[i%64] |= int8(q & 15 << (i / 64 * 4))
			switch c.bits {
			case 5:
				dst[64+i%16] |= int8(q >> 4 << (i / 16))
			case 6:
				dst[64+i%32] |= int8(q >> 4 << (i / 32 * 2))
			}
		}
		dst = dst[codeRun/8*c.bits:]
	}
}

// unpack brings a panel's window into the form that the micro-kernels read.
func (w *blockWeights) unpack(scratch []int8, panel, window, blocks int) {
	src := w.window(panel, window)
	cols, panelBytes := w.shape.cols, w.shape.panelBytes(w.kind)
	tables := 1
	if w.kind == blocks32Offsets {
		tables = 2
	}
	if w.code.super {
		var factors [2][maxIntCols]float32
		for i := range tables {
			widenScales(factors[i][:cols], src)
			src = src[2*cols:]
		}
		for i := range tables {
			for l := range blocks {
				scaleIntegers(scalesAt(scratch[l*panelBytes+4*cols*i:], cols), factors[i][:cols], src)
				src = src[cols:]
			}
		}
	} else {
		for i := range tables {
			for l := range blocks {
				widenScales(scalesAt(scratch[l*panelBytes+4*cols*i:], cols), src)
				src = src[2*cols:]
			}
		}
	}
	numbers := cols * w.kind.size()
	for l := range blocks {
		w.code.decode(scratch[l*panelBytes+4*cols*tables:][:numbers], src)
		src = src[numbers/8*w.code.bits:]
	}
}

// scalesAt is the same memory as n float32 numbers.
func scalesAt(b []int8, n int) []float32 {
	return unsafe.Slice((*float32)(unsafe.Pointer(&b[:4*n][0])), n)
}

// widenScalesPortable is the definition of widenScales: dst is the float16 numbers
// of src.
func widenScalesPortable(dst []float32, src []int8) {
	for i := range dst {
		dst[i] = quant.Half(uint16(uint8(src[2*i])) | uint16(uint8(src[2*i+1]))<<8)
	}
}

// scaleIntegersPortable is the definition of scaleIntegers: dst is the products of
// factors and src.
func scaleIntegersPortable(dst, factors []float32, src []int8) {
	for i := range dst {
		dst[i] = factors[i] * float32(src[i])
	}
}

// decodePortable is the definition of decode: dst, whole runs, is what the codes
// of src are worth.
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
