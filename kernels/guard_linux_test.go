package kernels

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unsafe"
)

// guards hands out memory that lies between two pages which nobody may touch. Each
// buffer begins right behind the one or ends right before the other: a kernel that
// reads or writes as much as a byte beyond it faults, which is a panic here.
type guards struct {
	atEnd bool
	pages map[int][][]byte // by their number, what is not in use
	used  [][]byte
}

// runGuarded runs test with buffers of either kind. Kernels that fault fail it.
func runGuarded(t *testing.T, test func(t *testing.T, g *guards)) {
	for _, atEnd := range []bool{false, true} {
		t.Run(map[bool]string{false: "before", true: "after"}[atEnd], func(t *testing.T) {
			g := &guards{atEnd: atEnd, pages: make(map[int][][]byte)}
			defer g.free()
			if fault := faultOf(func() { test(t, g) }); fault != nil {
				t.Fatal(fault)
			}
		})
	}
}

// faultOf runs f and says where it touched what it may not. Other panics go on.
func faultOf(f func()) (fault error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		r := recover()
		if e, ok := r.(interface {
			runtime.Error
			Addr() uintptr
		}); ok {
			fault = fmt.Errorf("%v at %#x\n%s", e, e.Addr(), stackOf())
		} else if r != nil {
			panic(r)
		}
	}()
	f()
	return nil
}

// stackOf is the calls within this package that led here.
func stackOf() string {
	var b strings.Builder
	pcs := make([]uintptr, 50)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(0, pcs)])
	for {
		f, more := frames.Next()
		if strings.Contains(f.Function, "/kernels.") {
			fmt.Fprintf(&b, "\t%s:%d\n", f.Function, f.Line)
		}
		if !more {
			return b.String()
		}
	}
}

// bytes is n bytes between guards.
func (g *guards) bytes(n int) []byte {
	page := syscall.Getpagesize()
	pages := (n + page - 1) / page
	var room []byte
	if free := g.pages[pages]; len(free) > 0 {
		room, g.pages[pages] = free[len(free)-1], free[:len(free)-1]
	} else {
		var err error
		if room, err = syscall.Mmap(-1, 0, (pages+2)*page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE); err != nil {
			panic(err)
		}
		for _, guard := range [][]byte{room[:page], room[(pages+1)*page:]} {
			if err := syscall.Mprotect(guard, syscall.PROT_NONE); err != nil {
				panic(err)
			}
		}
	}
	g.used = append(g.used, room)
	if g.atEnd {
		return room[(pages+1)*page-n : (pages+1)*page : (pages+1)*page]
	}
	return room[page : page+n : page+n]
}

// reset takes all memory back, for the next buffers.
func (g *guards) reset() {
	for _, room := range g.used {
		pages := len(room)/syscall.Getpagesize() - 2
		g.pages[pages] = append(g.pages[pages], room)
	}
	g.used = g.used[:0]
}

func (g *guards) free() {
	g.reset()
	for _, rooms := range g.pages {
		for _, room := range rooms {
			_ = syscall.Munmap(room)
		}
	}
}

// guarded is a copy of s between guards. Nothing in it may be a pointer.
func guarded[T any](g *guards, s []T) []T {
	if len(s) == 0 {
		return s
	}
	b := g.bytes(len(s) * int(unsafe.Sizeof(s[0])))
	c := unsafe.Slice((*T)(unsafe.Pointer(&b[0])), len(s))
	copy(c, s)
	return c[:len(s):len(s)]
}

// matrix is a copy of m between guards that ends with the last number of its last
// row.
func (g *guards) matrix(m Matrix) Matrix {
	if m.Rows == 0 {
		return m
	}
	m.Data = guarded(g, m.Data[:(m.Rows-1)*m.Stride+m.Cols])
	return m
}

// fields replaces all slices that *p holds, whatever their depth, by copies between
// guards.
func (g *guards) fields(p any) { g.value(reflect.ValueOf(p).Elem(), make(map[uintptr]bool)) }

func (g *guards) value(v reflect.Value, seen map[uintptr]bool) {
	// Fields are not exported, which reflect would refuse to change.
	v = reflect.NewAt(v.Type(), v.Addr().UnsafePointer()).Elem()
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() && !seen[v.Pointer()] {
			seen[v.Pointer()] = true
			g.value(v.Elem(), seen)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).Name != "_" {
				g.value(v.Field(i), seen)
			}
		}
	case reflect.Slice:
		n := v.Len()
		if n == 0 {
			return
		}
		if pointers(v.Type().Elem()) {
			for i := range n {
				g.value(v.Index(i), seen)
			}
			return
		}
		size := int(v.Type().Elem().Size())
		b := g.bytes(n * size)
		copy(b, unsafe.Slice((*byte)(v.UnsafePointer()), n*size))
		*(*[3]uintptr)(v.Addr().UnsafePointer()) = [3]uintptr{uintptr(unsafe.Pointer(&b[0])), uintptr(n), uintptr(n)}
	}
}

// pointers says whether values of t hold any.
func pointers(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Interface, reflect.Func, reflect.String:
		return true
	case reflect.Array:
		return pointers(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if pointers(t.Field(i).Type) {
				return true
			}
		}
	}
	return false
}

// TestGuards makes sure that the other tests would notice: a kernel that is told of
// one number more than there is must fault, before a buffer as well as after it.
func TestGuards(t *testing.T) {
	everyFloatRung(t, func(t *testing.T) {
		runGuarded(t, func(t *testing.T, g *guards) {
			for n := 1; n <= 70; n++ {
				x, y, dst := guarded(g, make([]float32, n)), guarded(g, make([]float32, n)), guarded(g, make([]float32, n))
				beyond := func(s []float32) []float32 {
					if g.atEnd {
						return unsafe.Slice(&s[0], n+1)
					}
					return unsafe.Slice((*float32)(unsafe.Add(unsafe.Pointer(&s[0]), -4)), n+1)
				}
				room := make([]float32, n+1)
				for what, f := range map[string]func(){
					"read":        func() { addRow(room, beyond(x), room) },
					"read second": func() { addRow(room, room, beyond(y)) },
					"written":     func() { addRow(beyond(dst), room, room) },
					"norm":        func() { layerNorm(room, beyond(x), nil, nil, 1) },
					"gain":        func() { layerNorm(room, room, beyond(y), nil, 1) },
					"vector":      func() { vector(beyond(dst), room, nil, GELU) },
					"scaled":      func() { scaleRow(beyond(dst), 2) },
				} {
					if faultOf(f) == nil {
						t.Errorf("%s: nothing was noticed beyond %d numbers", what, n)
					}
				}
				if fault := faultOf(func() { addRow(dst, x, y) }); fault != nil {
					t.Errorf("%d numbers: %v", n, fault)
				}
				g.reset()
			}
		})
	})
}

// TestGuardedRows takes the kernels for rows through all lengths up to a few vectors.
func TestGuardedRows(t *testing.T) {
	everyFloatRung(t, func(t *testing.T) {
		calls := 0
		runGuarded(t, func(t *testing.T, g *guards) {
			r := rand.New(rand.NewPCG(1, 2))
			for n := 1; n <= 140; n++ {
				row := func() Matrix { return g.matrix(randomMatrix(r, 3, n, n%4)) }
				vector := func() []float32 { return guarded(g, randomMatrix(r, 1, n, 0).Data) }
				for act := Identity; act <= ReLUSquared; act++ {
					Gate(row(), row(), row(), act)
					applyActivation(vector(), act)
				}
				Add(row(), row(), row())
				Scale(row(), 2)
				LayerNorm(row(), row(), vector(), vector(), 1e-5)
				LayerNorm(row(), row(), nil, nil, 1e-5)
				RMSNorm(row(), row(), vector(), 1e-5)
				RMSNorm(row(), row(), nil, 1e-5)
				half := (n + 1) / 2
				turned, angles := g.matrix(randomMatrix(r, 3, 2*half, 0)), g.matrix(randomMatrix(r, 4, half, 0))
				for _, interleaved := range []bool{false, true} {
					Rotate(turned, guarded(g, []int32{0, 3, 1}), angles, angles, 2*half, interleaved)
				}
				halves, numbers := guarded(g, make([]uint16, n)), vector()
				for _, format := range []uint8{formatF16, formatBF16} {
					if format == formatF16 {
						f16Of(halves, numbers)
					} else {
						bf16Of(halves, numbers)
					}
					floatsOf(numbers, halves, format)
				}
				for rows := 1; rows <= 13; rows++ {
					src := g.matrix(randomMatrix(r, rows, n, n%3))
					transpose(guarded(g, make([]float32, (n-1)*(rows+n%2)+rows)), rows+n%2, src)
				}
				calls += 2*int(ReLUSquared+1) + 12 + 13
				g.reset()
			}
		})
		t.Logf("%d calls", calls)
	})
}

// TestGuardedProducts multiplies by weights of every kind, everything between guards,
// and compares with what comes out elsewhere.
func TestGuardedProducts(t *testing.T) {
	packers := append([]intPacker(nil), intPackers...)
	for _, f := range floatFormats {
		packers = append(packers, intPacker{f.name, 1, func(w Matrix) Weights {
			return f.pack(w.Rows, w.Cols, func(i int, dst []float32) { copy(dst, w.Row(i)) })
		}})
	}
	heights := []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 16, 17, 25, 31, 33, 49, 64, 97}
	widths := []int{1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65}
	if testing.Short() {
		heights, widths = []int{1, 2, 3, 5, 6, 7, 12, 17, 49}, []int{1, 8, 17, 33}
	}
	everyRung(t, func(t *testing.T) {
		calls := 0
		runGuarded(t, func(t *testing.T, g *guards) {
			for _, p := range packers {
				for _, n := range widths {
					for _, k := range []int{1, 3, 16, 31, 64, 100, 300} {
						r := rand.New(rand.NewPCG(uint64(n), uint64(k)))
						if p.block > 1 && k%16 != 0 {
							continue
						}
						k = roundUp(k, p.block)
						weights := p.pack(randomMatrix(r, n, k, 0))
						rows := heights[(n+k+calls)%len(heights)]
						e := Epilogue{Act: []Activation{Identity, GELU}[calls%2]}
						if calls%3 > 0 {
							e.Bias = randomMatrix(r, 1, n, 0).Data
						}
						if calls%5 > 2 {
							e.Residual = randomMatrix(r, rows, n, 1)
						}
						x, y := randomMatrix(r, rows, k, calls%2), randomMatrix(r, rows, n, calls%3)
						want := copyMatrix(y)
						var in Input
						multiplyAll(weights, &in, want, x, &e)

						x, y = g.matrix(x), g.matrix(y)
						e.Bias, e.Residual = guarded(g, e.Bias), g.matrix(e.Residual)
						g.fields(weights)
						g.fields(&in)
						multiplyAll(weights, &in, y, x, &e)
						identical(t, y, want)
						calls++
						g.reset()
					}
				}
			}
		})
		t.Logf("%d products", calls)
	})
}

// TestGuardedWidened does so with panels that are brought to 16 bits, of just the
// size that they need.
func TestGuardedWidened(t *testing.T) {
	everyRung(t, func(t *testing.T) {
		shape := features.ints
		if !shape.canWiden {
			t.Skip("no such panels")
		}
		calls := 0
		runGuarded(t, func(t *testing.T, g *guards) {
			for k := 1; k <= 200; k += 1 + k/8 {
				for rows := widePanelRows; rows < widePanelRows+6; rows++ {
					n := 1 + (3*k+rows)%40
					r := rand.New(rand.NewPCG(uint64(rows), uint64(k)))
					w := packWide(randomMatrix(r, n, k, 0), nil).(*int8Weights)
					x, y := randomMatrix(r, rows, k, 1), randomMatrix(r, rows, n, 2)
					want := copyMatrix(y)
					e := Epilogue{Bias: randomMatrix(r, 1, n, 0).Data}
					var in Input
					var sums slab
					w.Reserve(&in, rows)
					w.Prepare(&in, x, 0, rows)
					w.multiply(want, &in, 0, n, &e, &sums, nil)

					y, e.Bias = g.matrix(y), guarded(g, e.Bias)
					g.fields(w)
					g.fields(&in)
					wide := guarded(g, make([]int16, w.depth*shape.cols))
					w.multiply(y, &in, 0, n, &e, &sums, wide)
					identical(t, y, want)
					if !slices.ContainsFunc(wide, func(q int16) bool { return q != 0 }) {
						t.Fatalf("%d inputs: the panel was not widened", k)
					}
					calls++
					g.reset()
				}
			}
		})
		t.Logf("%d products", calls)
	})
}

// TestGuardedAttention does so with attention of both kinds.
func TestGuardedAttention(t *testing.T) {
	everyFloatRung(t, func(t *testing.T) {
		coarseAlways()
		calls := 0
		runGuarded(t, func(t *testing.T, g *guards) {
			for queries := 1; queries <= 40; queries++ {
				for _, keys := range []int{1, 2, 15, 16, 17, 31, 32, 33, 100, 513} {
					r := rand.New(rand.NewPCG(uint64(queries), uint64(keys)))
					dim := []int{1, 6, 8, 15, 16, 17, 32, 33, 64, 80}[(queries+keys)%10]
					a := Attention{HeadDim: dim, Scale: 0.3, Coarse: calls%2 == 1}
					switch calls % 5 {
					case 1:
						a.Causal, a.Offset = true, max(0, keys-queries)
					case 2:
						a.Window = 3
					case 3:
						a.Slope, a.SoftCap = 0.1, 4
					case 4:
						a.BiasOffset = queries - 1
						a.Bias = randomMatrix(r, 1, queries+keys-1, 0).Data
					}
					q, k, v := randomMatrix(r, queries, dim, 1), randomMatrix(r, keys, dim, 2), randomMatrix(r, keys, dim, 0)
					want, got := randomMatrix(r, queries, dim, 0), g.matrix(randomMatrix(r, queries, dim, 0))
					var s AttentionScratch
					a.Run(want, q, k, v, &s)
					p := keys / 3
					a.KPrefix, a.VPrefix = g.matrix(copyMatrix(k.Slice(0, p))), g.matrix(copyMatrix(v.Slice(0, p)))
					a.Bias = guarded(g, a.Bias)
					g.fields(&s)
					a.Run(got, g.matrix(q), g.matrix(k.Slice(p, keys)), g.matrix(v.Slice(p, keys)), &s)
					identical(t, got, want)
					g.reset()

					if queries <= keys {
						c := disentangledCase{dim: dim, buckets: 9, reach: keys, noKeys: calls%3 == 1, noQueries: calls%3 == 2}
						d := c.make(r)
						var s DisentangledScratch
						d.Run(want, q, k, v, &s)
						d.Keys, d.Queries, d.Buckets = g.matrix(d.Keys), g.matrix(d.Queries), guarded(g, d.Buckets)
						s.packed = nil // so that it packs again
						g.fields(&s)
						got := g.matrix(randomMatrix(r, queries, dim, 0))
						d.Run(got, g.matrix(q), g.matrix(k), g.matrix(v), &s)
						identical(t, got, want)
						g.reset()
					}
					calls++
				}
			}
		})
		t.Logf("%d calls", calls)
	})
}
