package kernels

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// An instructionSet is one that has kernels on this architecture. The tables in
// cpu_*.go are the only description of a set: the names that WINNOW_KERNELS takes, the
// features that kernels dispatch on and the tiles that weights are packed for all
// follow from them.
type instructionSet struct {
	name string
	// has reports whether this machine has the set and all that use relies on.
	has func() bool
	// use enables the set. It is called after the sets before it, and replaces the
	// shapes for which it has better ones.
	use func(f *cpuFeatures)
}

// instructionSets lists the sets of this architecture, the most basic first. Each includes
// those before it, except that a machine may have avxvnni without avx512 or the reverse.
var instructionSets = append([]instructionSet{{
	name: "portable",
	has:  func() bool { return true },
	use: func(f *cpuFeatures) {
		f.floats, f.ints, f.blocks = portableShape, portableIntShape, portableIntShape
	},
}}, archInstructionSets...)

// kernelShapes holds the tiles of the micro-kernels.
type kernelShapes struct {
	floats floatShape // for float32 and 16-bit weights, and attention
	ints   intShape   // for 8-bit weights with a scale per output
	blocks intShape   // for GGML's blocks
	// coarseKeys is the number of keys from which coarse attention is faster with
	// bfloat16 numbers; 0: never.
	coarseKeys int
}

// rung is the index in instructionSets of the highest set in use.
var rung = chooseRung(os.Getenv("WINNOW_KERNELS"))

// features is what the kernels dispatch on.
var features = detect(rung)

// Rung returns the name of the highest instruction set that the kernels use on this
// machine. The environment variable WINNOW_KERNELS, read at start, lowers it, so that
// one machine can run every set: portable, avx2, avxvnni, avx512, avx512vnni, amx; on
// arm64 portable, neon, dotprod, i8mm.
func Rung() string { return instructionSets[rung].name }

// Rungs returns the instruction sets that this machine has, the most basic first.
func Rungs() []string {
	var have []string
	for _, set := range instructionSets {
		if set.has() {
			have = append(have, set.name)
		}
	}
	return have
}

// chooseRung returns the highest rung that the machine has and limit allows. An unknown
// limit is reported on standard error and ignored: a program must not fail because of a
// tuning variable.
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

// detect returns the features of the instruction sets up to limit that this machine has.
func detect(limit int) cpuFeatures {
	var f cpuFeatures
	for _, set := range instructionSets[:limit+1] {
		if set.has() {
			set.use(&f)
		}
	}
	return f
}
