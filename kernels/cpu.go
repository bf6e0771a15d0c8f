package kernels

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// rungs are the instruction sets that the kernels of this architecture are
// written for, the plainest first. Each includes those before it, except that
// avxvnni and avx512 stand beside each other: see the features below.
var rungs = append([]string{"portable"}, archRungs...)

// rung is the index in rungs of the highest instruction set in use.
var rung = chooseRung(os.Getenv("WINNOW_KERNELS"))

// features are what the kernels dispatch on: a CPU bit, unless WINNOW_KERNELS
// forbids it.
var features = detect(rung)

// Rung names the highest instruction set that the kernels use on this machine.
// The environment variable WINNOW_KERNELS, read once at start, lowers it: one
// machine can so run the whole ladder (portable, avx2, avxvnni, avx512,
// avx512vnni, amx; on arm64 portable, neon, dotprod, i8mm).
func Rung() string { return rungs[rung] }

// Rungs lists the instruction sets that this machine has, the plainest first.
func Rungs() []string {
	var have []string
	for i, name := range rungs {
		if available(i) {
			have = append(have, name)
		}
	}
	return have
}

// chooseRung is the highest rung that the machine has and limit allows. A limit
// that is no rung of this architecture is said on standard error and ignored: a
// program must not fail for a tuning variable.
func chooseRung(limit string) int {
	highest := len(rungs) - 1
	if limit != "" {
		i := slices.Index(rungs, strings.ToLower(limit))
		if i < 0 {
			fmt.Fprintf(os.Stderr, "winnow: WINNOW_KERNELS=%s is none of %s; ignored\n", limit, strings.Join(rungs, ", "))
		} else {
			highest = i
		}
	}
	for highest > 0 && !available(highest) {
		highest--
	}
	return highest
}
