package kernels

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// An instructionSet is one that the kernels of this architecture are written for.
// The tables in cpu_*.go are the only place that describes one: the rungs that
// WINNOW_KERNELS names, the features that kernels dispatch on and the tiles that
// weights are packed for all follow from them.
type instructionSet struct {
	name string
	// has says whether this machine has the set, and all that use relies on.
	has func() bool
	// use switches the set on. It is called after that of the sets before it, and
	// replaces the shapes that it has better ones for.
	use func(f *cpuFeatures)
}

// instructionSets are those of this architecture, the plainest first. Each includes
// those before it, except that avxvnni and avx512 stand side by side: a machine may
// have either without the other.
var instructionSets = append([]instructionSet{{
	name: "portable",
	has:  func() bool { return true },
	use: func(f *cpuFeatures) {
		f.floats, f.ints, f.blocks = portableShape, portableIntShape, portableIntShape
	},
}}, archInstructionSets...)

// kernelShapes are the tiles that micro-kernels compute.
type kernelShapes struct {
	floats floatShape // of float32 and 16-bit weights; attention's follow from them
	ints   intShape   // of 8-bit weights with a scale per output
	blocks intShape   // of GGML's blocks
	// coarseKeys is from how many keys on attention is faster with bfloat16 numbers,
	// where it may be coarse; 0: never.
	coarseKeys int
}

// rung is the index in instructionSets of the highest one in use.
var rung = chooseRung(os.Getenv("WINNOW_KERNELS"))

// features are what the kernels dispatch on.
var features = detect(rung)

// Rung names the highest instruction set that the kernels use on this machine.
// The environment variable WINNOW_KERNELS, read once at start, lowers it, so that one
// machine can run the whole ladder: portable, avx2, avxvnni, avx512, avx512vnni, amx;
// on arm64 portable, neon, dotprod, i8mm.
func Rung() string { return instructionSets[rung].name }

// Rungs lists the instruction sets that this machine has, the plainest first.
func Rungs() []string {
	var have []string
	for _, set := range instructionSets {
		if set.has() {
			have = append(have, set.name)
		}
	}
	return have
}

// chooseRung is the highest rung that the machine has and limit allows. A limit
// that is no rung of this architecture is reported on standard error and ignored: a
// program must not fail because of a tuning variable.
func chooseRung(limit string) int {
	highest := len(instructionSets) - 1
	if limit != "" {
		limit = strings.ToLower(limit)
		i := slices.IndexFunc(instructionSets, func(set instructionSet) bool { return set.name == limit })
		if i < 0 {
			names := make([]string, len(instructionSets))
			for i, set := range instructionSets {
				names[i] = set.name
			}
			fmt.Fprintf(os.Stderr, "winnow: WINNOW_KERNELS=%s is none of %s; ignored\n", limit, strings.Join(names, ", "))
		} else {
			highest = i
		}
	}
	for highest > 0 && !instructionSets[highest].has() {
		highest--
	}
	return highest
}

// detect is what the instruction sets up to limit add up to on this machine.
func detect(limit int) cpuFeatures {
	var f cpuFeatures
	for _, set := range instructionSets[:limit+1] {
		if set.has() {
			set.use(&f)
		}
	}
	return f
}
