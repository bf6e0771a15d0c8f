package peak

import (
	"testing"

	"github.com/winnow-rerank/winnow/kernels"
)

// Each loop must do as many multiply-adds as it claims: it adds up ones.
func TestLoopsDoWhatTheyClaim(t *testing.T) {
	const rounds = 1000
	for _, rung := range kernels.Rungs() {
		for name, l := range map[string]loop{"floats": floatLoop(rung), "bytes": byteLoop(rung)} {
			if l.perRound == 0 {
				t.Errorf("%s: no loop of %s", rung, name)
				continue
			}
			if rung == "amx" && name == "bytes" {
				l.run(rounds) // runs at least
				continue
			}
			if got, want := l.run(rounds), rounds*l.perRound; got != want {
				t.Errorf("%s: %d multiply-adds of %s, want %d", rung, got, name, want)
			}
		}
		if got, want := MultiplyAdds(rung, rounds), 2*rounds*floatLoop(rung).perRound; got != want {
			t.Errorf("%s: %d operations, want %d", rung, got, want)
		}
	}
	if F32("no such set") != 0 || Int8("no such set") != 0 {
		t.Error("an unknown instruction set has a peak")
	}
}
