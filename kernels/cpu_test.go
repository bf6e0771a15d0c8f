package kernels

import (
	"slices"
	"testing"
)

// eachRung yields the name of each instruction set of this machine while the kernels
// use it and those before it.
func eachRung(yield func(name string) bool) {
	defer func(old cpuFeatures) { features = old }(features)
	for i, set := range instructionSets {
		if !set.has() {
			continue
		}
		if features = detect(i); !yield(set.name) {
			return
		}
	}
}

// everyRung runs f once for each instruction set of this machine.
func everyRung(t *testing.T, f func(t *testing.T)) {
	for name := range eachRung {
		t.Run(name, f)
	}
}

// eachFloatRung is eachRung for the instruction sets that have kernels of their own
// for floats.
func eachFloatRung(yield func(name string) bool) {
	var before floatShape
	coarseBefore := 0
	for name := range eachRung {
		if features.floats == before && features.coarseKeys == coarseBefore {
			continue
		}
		if before, coarseBefore = features.floats, features.coarseKeys; !yield(name) {
			return
		}
	}
}

// everyFloatRung runs f once for each of eachFloatRung.
func everyFloatRung(t *testing.T, f func(t *testing.T)) {
	for name := range eachFloatRung {
		t.Run(name, f)
	}
}

// atPortable calls f with all instruction sets switched off.
func atPortable(f func()) {
	defer func(old cpuFeatures) { features = old }(features)
	features = detect(0)
	f()
}

// TestInstructionSets checks what the generic code takes for granted of each set.
func TestInstructionSets(t *testing.T) {
	for name := range eachRung {
		f := features.floats
		if f.rows > maxTileRows || f.cols > maxTileCols || f.cols%portableCols != 0 || f.block*f.cols > maxBlock {
			t.Errorf("%s: floats are multiplied in tiles of %d × %d over %d inputs", name, f.rows, f.cols, f.block)
		}
		if blockRows%f.rows != 0 {
			t.Errorf("%s: blocks of %d rows are no whole tiles of %d", name, blockRows, f.rows)
		}
		if a := chooseAttentionShape(); a.rows > attentionRows || a.cols%softmaxLanes != 0 || attentionBlock%a.cols != 0 {
			t.Errorf("%s: attention has tiles of %d × %d", name, a.rows, a.cols)
		}
		for _, s := range []intShape{features.ints, features.blocks} {
			if s.cols > maxIntCols || s.depth%s.group != 0 || 32%s.group != 0 {
				t.Errorf("%s: integers are multiplied as %+v", name, s)
			}
		}
	}
	if name := Rung(); !slices.Contains(Rungs(), name) {
		t.Errorf("%s is in use, but the machine has %v", name, Rungs())
	}
}

func TestChooseRung(t *testing.T) {
	highest := chooseRung("")
	for i, set := range instructionSets {
		got := chooseRung(set.name)
		if got > i || got > highest || !instructionSets[got].has() {
			t.Errorf("%s gives %s", set.name, instructionSets[got].name)
		}
		if set.has() && got != i {
			t.Errorf("%s is there, but gives %s", set.name, instructionSets[got].name)
		}
	}
	if got := chooseRung("PORTABLE"); got != 0 {
		t.Errorf("PORTABLE gives %s", instructionSets[got].name)
	}
	if got := chooseRung("no such set"); got != highest {
		t.Errorf("an unknown limit gives %s, want %s", instructionSets[got].name, instructionSets[highest].name)
	}
}
