// Vector instructions that Go's assembler does not know. Operands are register
// numbers, the result first. Vectors have four elements of 32 bits unless the comment
// says otherwise; "upper" is the upper half of a vector.

#define FADD(d, n, m)    WORD $(0x4E20D400 | (m)<<16 | (n)<<5 | (d)) // n + m
#define FSUB(d, n, m)    WORD $(0x4EA0D400 | (m)<<16 | (n)<<5 | (d)) // n − m
#define FMUL(d, n, m)    WORD $(0x6E20DC00 | (m)<<16 | (n)<<5 | (d)) // n · m
#define FDIV(d, n, m)    WORD $(0x6E20FC00 | (m)<<16 | (n)<<5 | (d)) // n / m
#define FMLA(d, n, m)    WORD $(0x4E20CC00 | (m)<<16 | (n)<<5 | (d)) // d + n·m
#define FMLS(d, n, m)    WORD $(0x4EA0CC00 | (m)<<16 | (n)<<5 | (d)) // d − n·m
#define FMLA0(d, n, m)   WORD $(0x4F801000 | (m)<<16 | (n)<<5 | (d)) // d + n·m[0]
#define FMAX(d, n, m)    WORD $(0x4E20F400 | (m)<<16 | (n)<<5 | (d))
#define FMIN(d, n, m)    WORD $(0x4EA0F400 | (m)<<16 | (n)<<5 | (d))
#define FCMGT(d, n, m)   WORD $(0x6EA0E400 | (m)<<16 | (n)<<5 | (d)) // all bits set where n > m
#define FCMEQ(d, n, m)   WORD $(0x4E20E400 | (m)<<16 | (n)<<5 | (d)) // all bits set where n = m
#define FADDP(d, n, m)   WORD $(0x6E20D400 | (m)<<16 | (n)<<5 | (d)) // sums of neighbours
#define FABS(d, n)       WORD $(0x4EA0F800 | (n)<<5 | (d))
#define FNEG(d, n)       WORD $(0x6EA0F800 | (n)<<5 | (d))
#define FMAXV(d, n)      WORD $(0x6E30F800 | (n)<<5 | (d)) // the largest of four, in element 0

// Conversions.
#define FCVTNS(d, n)     WORD $(0x4E21A800 | (n)<<5 | (d)) // to the nearest integer
#define SCVTF(d, n)      WORD $(0x4E21D800 | (n)<<5 | (d)) // from an integer
#define FCVTN(d, n)      WORD $(0x0E216800 | (n)<<5 | (d)) // d.4H = n as float16
#define FCVTN2(d, n)     WORD $(0x4E216800 | (n)<<5 | (d)) // upper d.8H = n as float16
#define FCVTL(d, n)      WORD $(0x0E217800 | (n)<<5 | (d)) // from n.4H, float16
#define FCVTL2(d, n)     WORD $(0x4E217800 | (n)<<5 | (d)) // from upper n.8H, float16
#define SHLL(d, n)       WORD $(0x2E613800 | (n)<<5 | (d)) // n.4H << 16
#define SHLL2(d, n)      WORD $(0x6E613800 | (n)<<5 | (d)) // upper n.8H << 16
#define SXTL_H(d, n)     WORD $(0x0F08A400 | (n)<<5 | (d)) // d.8H = n.8B
#define SXTL_S(d, n)     WORD $(0x0F10A400 | (n)<<5 | (d)) // d = n.4H
#define SXTL2_S(d, n)    WORD $(0x4F10A400 | (n)<<5 | (d)) // d = upper n.8H
#define SQXTN_H(d, n)    WORD $(0x0E614800 | (n)<<5 | (d)) // d.4H = n, saturated
#define SQXTN2_H(d, n)   WORD $(0x4E614800 | (n)<<5 | (d)) // upper d.8H = n, saturated
#define SQXTN_B(d, n)    WORD $(0x0E214800 | (n)<<5 | (d)) // d.8B = n.8H, saturated
#define SQXTN2_B(d, n)   WORD $(0x4E214800 | (n)<<5 | (d)) // upper d.16B = n.8H, saturated

// Integers.
#define ADDI(d, n, m)    WORD $(0x4EA08400 | (m)<<16 | (n)<<5 | (d)) // n + m
#define ADDP(d, n, m)    WORD $(0x4EA0BC00 | (m)<<16 | (n)<<5 | (d)) // sums of neighbours
#define UMAX(d, n, m)    WORD $(0x6EA06400 | (m)<<16 | (n)<<5 | (d))
#define SMAX(d, n, m)    WORD $(0x4EA06400 | (m)<<16 | (n)<<5 | (d))
#define UMAXV(d, n)      WORD $(0x6EB0A800 | (n)<<5 | (d)) // the largest of four, in element 0
#define SMAXV(d, n)      WORD $(0x4EB0A800 | (n)<<5 | (d)) // the largest of four, in element 0
#define MLA(d, n, m)     WORD $(0x4EA09400 | (m)<<16 | (n)<<5 | (d)) // d + n·m
#define SDOT(d, n, m, i) WORD $(0x4F80E000 | ((i)&1)<<21 | ((i)>>1)<<11 | (m)<<16 | (n)<<5 | (d)) // d + n.16B · m.4B[i], by fours
#define SMMLA(d, n, m)   WORD $(0x4E80A400 | (m)<<16 | (n)<<5 | (d)) // d (2×2) + n (2×8) · m (2×8)ᵀ
#define SMULL(d, n, m)   WORD $(0x0E20C000 | (m)<<16 | (n)<<5 | (d)) // d.8H = n.8B · m.8B
#define SMULL2(d, n, m)  WORD $(0x4E20C000 | (m)<<16 | (n)<<5 | (d)) // d.8H = upper n.16B · m.16B
#define SMLAL(d, n, m)   WORD $(0x0E208000 | (m)<<16 | (n)<<5 | (d)) // d.8H + n.8B · m.8B
#define SMLAL2(d, n, m)  WORD $(0x4E208000 | (m)<<16 | (n)<<5 | (d)) // d.8H + upper n.16B · m.16B
#define SMULLH(d, n, m)  WORD $(0x0E60C000 | (m)<<16 | (n)<<5 | (d)) // d = n.4H · m.4H
#define SMULLH2(d, n, m) WORD $(0x4E60C000 | (m)<<16 | (n)<<5 | (d)) // d = upper n.8H · m.8H
#define SADALP(d, n)     WORD $(0x4E606800 | (n)<<5 | (d)) // d + pairs of n.8H
#define SHL(d, n, s)     WORD $(0x4F205400 | (s)<<16 | (n)<<5 | (d)) // n << s
#define SSHR31(d, n)     WORD $(0x4F210400 | (n)<<5 | (d)) // all bits set where n is negative

// Bits.
#define AND(d, n, m)     WORD $(0x4E201C00 | (m)<<16 | (n)<<5 | (d))
#define BIC(d, n, m)     WORD $(0x4E601C00 | (m)<<16 | (n)<<5 | (d)) // n where m has no bit
#define ORR(d, n, m)     WORD $(0x4EA01C00 | (m)<<16 | (n)<<5 | (d))
#define EOR(d, n, m)     WORD $(0x6E201C00 | (m)<<16 | (n)<<5 | (d))
#define BIT(d, n, m)     WORD $(0x6EA01C00 | (m)<<16 | (n)<<5 | (d)) // d becomes n where m has a bit
#define BIF(d, n, m)     WORD $(0x6EE01C00 | (m)<<16 | (n)<<5 | (d)) // d becomes n where m has none
#define ZIP1(d, n, m)    WORD $(0x4EC03800 | (m)<<16 | (n)<<5 | (d)) // the low halves of n and m
#define ZIP2(d, n, m)    WORD $(0x4EC07800 | (m)<<16 | (n)<<5 | (d)) // the upper halves of n and m

// Loads from general register p, which advances past what is read.
#define LD1P(d, p)       WORD $(0x4CDF7000 | (p)<<5 | (d)) // 16 bytes
#define LD1RP(d, p)      WORD $(0x4DDFC800 | (p)<<5 | (d)) // 4 bytes, in all elements
