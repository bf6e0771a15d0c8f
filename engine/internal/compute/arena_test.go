package compute

import (
	"math/rand/v2"
	"testing"
)

// TestArena: what is handed out is nobody else's until it is given back, the first
// batch does not allocate for every layer anew, and the second not at all.
func TestArena(t *testing.T) {
	var a arena
	const layers, rows = 30, 300
	batch := func(seed uint64) {
		rng := rand.New(rand.NewPCG(seed, 1))
		a.reset()
		outer := a.matrix(rows, 50)
		fill(outer, -1)
		for layer := range layers {
			mark := a.mark()
			var held []Matrix
			for i := range 6 {
				if i == 4 { // given back in between
					inner := a.mark()
					fill(a.matrix(rows, 3000), 7)
					a.release(inner)
				}
				x := a.matrix(rows, 1+rng.IntN(2000))
				fill(x, float32(layer*10+i))
				held = append(held, x)
			}
			for i, x := range held {
				for j := range x.Rows {
					for _, v := range x.Row(j) {
						if v != float32(layer*10+i) {
							t.Fatalf("layer %d, matrix %d was overwritten by %v", layer, i, v)
						}
					}
				}
			}
			a.release(mark)
		}
		for i := range outer.Rows {
			if outer.Row(i)[0] != -1 {
				t.Fatal("what the layers do not give back was overwritten")
			}
		}
	}
	batch(1)
	total := 0
	for _, b := range a.blocks {
		total += len(b.data)
	}
	// One layer asks for about 6·rows·1000 numbers, all of them for 30 times as many.
	if total > 2*a.need || a.need > 12*rows*2000 {
		t.Errorf("%d numbers in %d blocks, %d were needed at a time", total, len(a.blocks), a.need)
	}
	batch(1)
	if len(a.blocks) != 1 || len(a.blocks[0].data) != a.need {
		t.Errorf("%d blocks after the second batch", len(a.blocks))
	}
	if n := testing.AllocsPerRun(3, func() {
		a.reset()
		for range layers {
			mark := a.mark()
			a.matrix(rows, 2000)
			a.release(mark)
		}
	}); n != 0 {
		t.Errorf("%v allocations in a batch that fits", n)
	}
}

func fill(m Matrix, v float32) {
	for i := range m.Rows {
		row := m.Row(i)
		for j := range row {
			row[j] = v
		}
	}
}
