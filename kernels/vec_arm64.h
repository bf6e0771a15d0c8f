#include "instructions_arm64.h"

// CONST loads constant i of vecTable, whose address is in R5.
#define CONST(d, i)    WORD $(0x3DC000A0 | (i)<<10 | (d))        // LDR Qd, [R5, #16·i]

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
