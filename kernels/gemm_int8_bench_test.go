package kernels

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/winnow-rerank/winnow/internal/peak"
)

// bestTimes are the best times of the pieces of some work. The machine may be busy with
// others': where each piece is far shorter than a turn of the scheduler, their sum is what
// the work takes.
type bestTimes []time.Duration

func newBestTimes(n int) bestTimes {
	b := make(bestTimes, n)
	for i := range b {
		b[i] = math.MaxInt64
	}
	return b
}

// time does piece i once.
func (b bestTimes) time(i int, piece func()) {
	start := time.Now()
	piece()
	b[i] = min(b[i], time.Since(start))
}

func (b bestTimes) sum() (d time.Duration) {
	for _, t := range b {
		d += t
	}
	return d
}

// BenchmarkGemmInt multiplies in integers, on one core, and reports billions of
// operations a second and the share of the peak that the rung's instructions
// reach (see package peak), which is measured in alternation with it.
func BenchmarkGemmInt(b *testing.B) {
	for name := range eachRung {
		if features.ints.rung == intPortable {
			continue
		}
		for _, p := range intPackers {
			for _, s := range []struct{ rows, n, k int }{
				{256, 384, 384}, {256, 1536, 384}, {256, 384, 1536}, {512, 768, 768}, {512, 3072, 768}, {512, 768, 3072},
				{512, 1024, 1024}, {512, 4096, 1024}, {512, 1024, 4096}, {1, 4096, 1024}, {4, 1024, 1024}, {16, 1024, 1024}, {80, 384, 384}, {80, 768, 768}, {80, 3072, 768}, {80, 768, 3072},
			} {
				if s.k%p.block != 0 {
					continue
				}
				b.Run(fmt.Sprintf("%s/%s/%dx%dx%d", name, p.name, s.rows, s.n, s.k), func(b *testing.B) {
					r := rand.New(rand.NewPCG(1, 2))
					x, m := randomMatrix(r, s.rows, s.k, 0), randomMatrix(r, s.n, s.k, 0)
					w := p.pack(m)
					y := randomMatrix(r, s.rows, s.n, 0)
					bias := randomMatrix(r, 1, s.n, 0).Data
					var in Input
					w.Reserve(&in, s.rows)
					w.Prepare(&in, x, 0, s.rows)
					step := min(s.n, roundUp(max(1, 1e7/(s.rows*s.k)), w.Panel()))
					pieces := newBestTimes((s.n + step - 1) / step)
					top := 0.0
					for b.Loop() {
						for i := range pieces {
							pieces.time(i, func() { w.Multiply(y, &in, i*step, min((i+1)*step, s.n), &Epilogue{Bias: bias}) })
						}
						start := time.Now()
						operations := peak.ByteProducts(name, 5000)
						top = max(top, float64(operations)/float64(max(1, time.Since(start).Nanoseconds())))
					}
					best := pieces.sum()
					rate := 2 * float64(s.rows) * float64(s.n) * float64(s.k) / float64(best.Nanoseconds())
					b.ReportMetric(rate, "GOP/s")
					b.ReportMetric(100*rate/top, "%peak")
					b.ReportMetric(float64(w.Bytes())/float64(best.Nanoseconds()), "weightsGB/s")
					b.ReportMetric(0, "ns/op")
				})
			}
		}
	}
}

// BenchmarkGemmRow multiplies single rows, as the generation of text does, by
// weights that no cache holds, on two threads. It reports how fast the weights
// are read and what share that is of reading the same memory without multiplying.
func BenchmarkGemmRow(b *testing.B) {
	const n, k, threads, copies = 4096, 2048, 2, 48
	for _, p := range intPackers {
		b.Run(p.name, func(b *testing.B) {
			r := rand.New(rand.NewPCG(1, 2))
			first := p.pack(randomMatrix(r, n, k, 0))
			weights, memory := make([]Weights, copies), make([][]byte, copies)
			for i := range weights {
				var q []int8
				switch w := first.(type) {
				case *blockWeights:
					c := *w
					c.q = aligned[int8](len(w.q))
					copy(c.q, w.q)
					weights[i], q = &c, c.q
				case *int8Weights:
					c := *w
					c.q = aligned[int8](len(w.q))
					copy(c.q, w.q)
					weights[i], q = &c, c.q
				}
				memory[i] = unsafe.Slice((*byte)(unsafe.Pointer(&q[0])), len(q))
			}
			x, y := randomMatrix(r, 1, k, 0), randomMatrix(r, 1, n, 0)
			var in Input
			first.Reserve(&in, 1)
			first.Prepare(&in, x, 0, 1)
			rate := func(f func(i, part int)) float64 {
				start := time.Now()
				var wait sync.WaitGroup
				for part := range threads {
					wait.Go(func() {
						for i := range copies {
							f(i, part)
						}
					})
				}
				wait.Wait()
				return float64(copies*first.Bytes()) / float64(time.Since(start).Nanoseconds())
			}
			multiplied, read := 0.0, 0.0
			for b.Loop() {
				multiplied = max(multiplied, rate(func(i, part int) {
					weights[i].Multiply(y, &in, part*n/threads, (part+1)*n/threads, &Epilogue{})
				}))
				read = max(read, rate(func(i, part int) {
					m := memory[i]
					bytes.Count(m[part*len(m)/threads:(part+1)*len(m)/threads], []byte{1})
				}))
			}
			b.ReportMetric(multiplied, "GB/s")
			b.ReportMetric(100*multiplied/read, "%read")
			b.ReportMetric(0, "ns/op")
		})
	}
}
