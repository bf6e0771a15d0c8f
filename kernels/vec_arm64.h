// What the assembler has no name for, on vectors of four float32. Operands are
// register numbers, the result first.
#define FADD(d, n, m)  WORD $(0x4E20D400 | m<<16 | n<<5 | d) // n + m
#define FSUB(d, n, m)  WORD $(0x4EA0D400 | m<<16 | n<<5 | d) // n − m
#define FMUL(d, n, m)  WORD $(0x6E20DC00 | m<<16 | n<<5 | d) // n · m
#define FDIV(d, n, m)  WORD $(0x6E20FC00 | m<<16 | n<<5 | d) // n / m
#define FMLA(d, n, m)  WORD $(0x4E20CC00 | m<<16 | n<<5 | d) // d + n·m
#define FMLS(d, n, m)  WORD $(0x4EA0CC00 | m<<16 | n<<5 | d) // d − n·m
#define FMAX(d, n, m)  WORD $(0x4E20F400 | m<<16 | n<<5 | d)
#define FMIN(d, n, m)  WORD $(0x4EA0F400 | m<<16 | n<<5 | d)
#define FCMGT(d, n, m) WORD $(0x6EA0E400 | m<<16 | n<<5 | d) // all bits set where n > m
#define FADDP(d, n, m) WORD $(0x6E20D400 | m<<16 | n<<5 | d) // sums of neighbours
#define FABS(d, n)     WORD $(0x4EA0F800 | n<<5 | d)
#define FNEG(d, n)     WORD $(0x6EA0F800 | n<<5 | d)
#define FMAXV(d, n)    WORD $(0x6E30F800 | n<<5 | d) // the largest of four, in element 0
#define AND(d, n, m)   WORD $(0x4E201C00 | m<<16 | n<<5 | d)
#define BIC(d, n, m)   WORD $(0x4E601C00 | m<<16 | n<<5 | d) // n where m has no bit
#define ORR(d, n, m)   WORD $(0x4EA01C00 | m<<16 | n<<5 | d)
#define EOR(d, n, m)   WORD $(0x6E201C00 | m<<16 | n<<5 | d)
#define BIT(d, n, m)   WORD $(0x6EA01C00 | m<<16 | n<<5 | d) // d becomes n where m has a bit
#define BIF(d, n, m)   WORD $(0x6EE01C00 | m<<16 | n<<5 | d) // d becomes n where m has none
#define ADDI(d, n, m)  WORD $(0x4EA08400 | m<<16 | n<<5 | d) // of integers
#define SHL23(d, n)    WORD $(0x4F375400 | n<<5 | d)         // n << 23
#define SSHR31(d, n)   WORD $(0x4F210400 | n<<5 | d)         // all bits set where n is negative

// CONST loads constant i of vecTable, whose address is in R5.
#define CONST(d, i)    WORD $(0x3DC000A0 | i<<10 | d)        // LDR Qd, [R5, #16·i]

// The constants of vecTable.
#define LOG2E      0
#define LOG2ELOW   1
#define MAGIC      2
#define EXP2MIN    3
#define EXP2C5     4
#define EXP2C4     5
#define EXP2C3     6
#define EXP2C2     7
#define EXP2C1     8
#define ONE        9
#define SIGNMASK   10
#define GELUSTEP   11
#define GELUMAX    12
#define SIGMOIDMAX 13
#define TANHC4     14
#define TANHC3     15
#define TANHC2     16
#define TANHC1     17
#define TANHC0     18
#define TANHSMALL  19
#define MINUSTWO   20
#define GELUTANH3  21
#define GELUTANH1  22
#define GELUC15    23
#define GELUC14    24
#define GELUC13    25
#define GELUC12    26
#define GELUC11    27
#define GELUC10    28
#define GELUC9     29
#define GELUC8     30
#define GELUC7     31
#define GELUC6     32
#define GELUC5     33
#define GELUC4     34
#define GELUC3     35
#define GELUC2     36
#define GELUC1     37
#define GELUC0     38
#define SOFTMAXSTART 39
#define QUICKGELU1 40
