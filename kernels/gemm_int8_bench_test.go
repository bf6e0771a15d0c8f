package kernels

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// BenchmarkGemmInt multiplies in integers, on one core, and reports billions of
// operations a second and the share of the peak that the rung's instructions
// reach (see PeakInt8).
func BenchmarkGemmInt(b *testing.B) {
	defer func(old cpuFeatures) { features = old }(features)
	for i, name := range rungs {
		if i == 0 || !available(i) {
			continue
		}
		peak := PeakInt8(name)
		features = detect(i)
		for _, p := range intPackers {
			for _, s := range []struct{ rows, n, k int }{
				{256, 384, 384}, {256, 1536, 384}, {256, 384, 1536}, {512, 768, 768}, {512, 3072, 768}, {512, 768, 3072},
				{512, 1024, 1024}, {512, 4096, 1024}, {512, 1024, 4096}, {1, 4096, 1024}, {4, 1024, 1024}, {16, 1024, 1024},
			} {
				r := rand.New(rand.NewPCG(1, 2))
				x, m := randomMatrix(r, s.rows, s.k, 0), randomMatrix(r, s.n, s.k, 0)
				w := p.pack(m)
				y := randomMatrix(r, s.rows, s.n, 0)
				bias := randomMatrix(r, 1, s.n, 0).Data
				var in Input
				w.Reserve(&in, s.rows)
				w.Prepare(&in, x, 0, s.rows)
				b.Run(fmt.Sprintf("%s/%s/%dx%dx%d", name, p.name, s.rows, s.n, s.k), func(b *testing.B) {
					// The best of the runs: the machine may be busy with others' work.
					best := time.Duration(1 << 62)
					for b.Loop() {
						start := time.Now()
						w.Multiply(y, &in, 0, s.n, &Epilogue{Bias: bias})
						best = min(best, time.Since(start))
					}
					rate := 2 * float64(s.rows) * float64(s.n) * float64(s.k) / float64(best.Nanoseconds())
					b.ReportMetric(rate, "GOP/s")
					b.ReportMetric(100*rate/peak, "%peak")
					b.ReportMetric(float64(w.Bytes())/float64(best.Nanoseconds()), "weightsGB/s")
					b.ReportMetric(0, "ns/op")
				})
			}
		}
	}
}
