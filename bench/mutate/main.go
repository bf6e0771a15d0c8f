// Command mutate opens and uses damaged models, and counts what comes of it.
//
//	go run ./bench/mutate [-n 100000] [-seed 1] [-j 2] [-only NUMBER]
//
// Its bases are the models of testdata, as folders and as the GGUF files that are made
// of them. Mutant i is one of them with one to three changes drawn at random: flipped
// bits, cut ends, bytes moved, counts swapped or huge in headers; in JSON values of
// other kinds, deep nests, long lists, members that are missing, moved or there twice;
// regular expressions and templates that are made to take for ever. It is opened; query
// and documents are ranked, texts embedded, a prompt is continued.
//
// An error is right, and so are numbers. A panic is not, nor is more than 2 seconds of
// the processor, more than 128 MB of memory beyond the size of the files, or an end of
// the process: each is printed with the mutant's number, by which -only makes it again,
// and the exit status is 1. Mutants run one after the other in a process of their own
// for each batch, which is ended if it says nothing for two minutes. An interrupt (Ctrl-C)
// begins no more batches, and gives the counts so far.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/winnow-rerank/winnow/engine"
	"github.com/winnow-rerank/winnow/quant"
)

// The bounds of a mutant.
const (
	mostTime   = 2 * time.Second // of the processor
	mostMemory = 128 << 20       // beyond the size of the files
	silence    = 2 * time.Minute // after which a batch is ended
	batchSize  = 250
)

var (
	number = flag.Int("n", 100000, "number of mutants")
	seed   = flag.Uint64("seed", 1, "of what is drawn")
	jobs   = flag.Int("j", runtime.NumCPU(), "batches run in parallel")
	only   = flag.Int("only", -1, "run only this mutant and keep it")
	data   = flag.String("testdata", "testdata", "directory of the base files")

	// Of the process of a batch.
	from  = flag.Int("from", -1, "first mutant of a batch")
	bases = flag.String("bases", "", "directory of the generated base files")
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("mutate: ")
	flag.Parse()
	if *from >= 0 {
		runBatch()
		return
	}
	made, err := os.MkdirTemp("", "winnow-mutate-")
	check(err)
	defer os.RemoveAll(made)
	convertBases(made)
	if *only >= 0 {
		b := findBases(made)
		dir, err := os.MkdirTemp("", "winnow-mutant-")
		check(err)
		m := makeMutant(b, *seed, *only, dir)
		fmt.Println(m.path)
		fmt.Println(strings.Join(m.changes, "\n"))
		fmt.Printf("%+v\n", m.use())
		return
	}
	t := tally{counts: make(map[string]int)}
	next := make(chan int)
	var workers sync.WaitGroup
	for range max(1, *jobs) {
		workers.Go(func() {
			for first := range next {
				t.batch(made, first, min(batchSize, *number-first))
			}
		})
	}
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt)
	asked := *number
	for first := 0; first < asked; first += batchSize {
		select {
		case next <- first:
		case <-interrupted:
			asked = first
		}
	}
	close(next)
	workers.Wait()
	for _, name := range slices.Sorted(maps.Keys(t.counts)) {
		fmt.Printf("%8d %s\n", t.counts[name], name)
	}
	fmt.Printf("%8d mutants of %d bases, %d faults; slowest %.2f s, largest %d MB beyond the files\n",
		t.mutants, len(findBases(made)), t.faults, t.slowest.Seconds(), t.largest>>20)
	if t.faults > 0 || t.mutants != asked {
		os.Exit(1)
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// A tally is what has come of the mutants.
type tally struct {
	mu              sync.Mutex
	counts          map[string]int
	mutants, faults int
	slowest         time.Duration
	largest         int64
}

func (t *tally) add(o outcome) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mutants++
	t.counts[o.What]++
	t.slowest, t.largest = max(t.slowest, o.Time), max(t.largest, o.Memory)
	for _, f := range o.faults() {
		t.faults++
		fmt.Printf("mutant %d of %s: %s (%s)\n", o.Number, o.Base, f, strings.Join(o.Changes, "; "))
	}
}

// batch has a process run mutants; where it ends early, another goes on behind the one
// that ended it.
func (t *tally) batch(made string, first, n int) {
	for end := first + n; first < end; {
		c := exec.Command(os.Args[0], "-from", fmt.Sprint(first), "-n", fmt.Sprint(end), "-seed", fmt.Sprint(*seed), "-bases", made, "-testdata", *data)
		c.Env = append(os.Environ(), "GOTRACEBACK=single")
		var stderr strings.Builder
		c.Stderr = &stderr
		out, err := c.StdoutPipe()
		check(err)
		check(c.Start())
		quiet := time.AfterFunc(silence, func() { _ = c.Process.Kill() })
		lines := json.NewDecoder(bufio.NewReader(out))
		for {
			var o outcome
			if err := lines.Decode(&o); err != nil {
				if err != io.EOF {
					log.Print(err)
				}
				break
			}
			quiet.Reset(silence)
			t.add(o)
			first++
		}
		if hung := !quiet.Stop(); c.Wait() != nil && first < end {
			o := outcome{Number: first, What: "the process ended", Error: abridge(stderr.String(), 300)}
			if hung {
				o.What = "nothing was heard"
			}
			t.add(o)
			first++
		}
	}
}

// runBatch is a batch in its own process.
func runBatch() {
	signal.Ignore(os.Interrupt) // a batch that has begun is ended
	b := findBases(*bases)
	out := json.NewEncoder(os.Stdout)
	for i := *from; i < *number; i++ {
		dir, err := os.MkdirTemp(*bases, "mutant-")
		check(err)
		m := makeMutant(b, *seed, i, dir)
		o := m.use()
		check(os.RemoveAll(dir))
		check(out.Encode(o))
	}
}

// A base is a model's folder, or a GGUF file.
type base struct {
	name, path string
	files      []string // of a folder, by their paths in it
}

// convertBases makes GGUF files of the folders.
func convertBases(made string) {
	for _, b := range findBases(made) {
		if b.files == nil {
			continue
		}
		for kind, t := range map[string]quant.Type{"F32": quant.F32, "Q8_0": quant.Q8_0} {
			path := filepath.Join(made, strings.ReplaceAll(b.name, "/", "-")+"-"+kind+".gguf")
			if _, err := engine.Convert(b.path, path, t, nil); err != nil {
				_ = os.Remove(path) // not every model has a form there
			}
		}
	}
}

// findBases are the models of testdata and those that were made of them, in the order of
// their names.
func findBases(made string) []base {
	var list []base
	for _, pattern := range []string{"*/config.json", "zoo/*/model/config.json"} {
		paths, err := filepath.Glob(filepath.Join(*data, pattern))
		check(err)
		for _, path := range paths {
			dir := filepath.Dir(path)
			b := base{path: dir, files: []string{}}
			b.name, err = filepath.Rel(*data, dir)
			check(err)
			check(filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
				if err == nil && d.Type().IsRegular() && d.Name() != "reference.json" && d.Name() != "converted.gguf" {
					rel, _ := filepath.Rel(dir, path)
					b.files = append(b.files, rel)
				}
				return err
			}))
			list = append(list, b)
		}
	}
	for _, pattern := range []string{filepath.Join(*data, "*.gguf"), filepath.Join(made, "*.gguf")} {
		paths, err := filepath.Glob(pattern)
		check(err)
		for _, path := range paths {
			list = append(list, base{name: filepath.Base(path), path: path})
		}
	}
	if len(list) == 0 {
		log.Fatalf("no models in %s", *data)
	}
	slices.SortStableFunc(list, func(a, b base) int { return strings.Compare(a.name, b.name) })
	return list
}

func abridge(s string, most int) string {
	if s = strings.Join(strings.Fields(s), " "); len(s) > most {
		return s[:most] + "…"
	}
	return s
}
