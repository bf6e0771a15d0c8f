package main

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/winnow-rerank/winnow"
)

// An outcome is what came of a mutant.
type outcome struct {
	Number  int
	Base    string
	What    string // "computed", "refused when opened", "refused when used", "panic", …
	Error   string
	Changes []string
	Time    time.Duration // of the processor
	Memory  int64         // that was taken beyond the size of the files
}

// faults are what must not be.
func (o *outcome) faults() (list []string) {
	switch o.What {
	case "computed", "refused when opened", "refused when used":
	default:
		list = append(list, o.What+": "+o.Error)
	}
	if o.Time > mostTime {
		list = append(list, fmt.Sprintf("%.1f s", o.Time.Seconds()))
	}
	if o.Memory > mostMemory {
		list = append(list, fmt.Sprintf("%d MB", o.Memory>>20))
	}
	return list
}

// What mutants are asked. Some of it is what bombs in patterns and templates wait for.
var (
	documents = []string{"Deep learning is a subset of machine learning.", "", "Äpfel sind süß; 中国 日本語 😀 [MASK] </s> x",
		strings.Repeat("a", 200) + "!", strings.Repeat("\n b", 20) + "a", strings.Repeat("reset the router ", 60)}
	prompt = "What is " + strings.Repeat("a", 50)
)

// use opens the mutant and asks it everything.
func (m *mutant) use() outcome {
	o := outcome{Number: m.number, Base: m.base.name, Changes: m.changes}
	before, memory := processorTime(), taken()
	func() {
		defer func() {
			if p := recover(); p != nil {
				o.What, o.Error = "panic", abridge(fmt.Sprintf("%v %s", p, debug.Stack()), 900)
			}
		}()
		o.What = "computed"
		if err := m.ask(&o); err != nil {
			o.Error = abridge(err.Error(), 200)
			if strings.Contains(o.Error, "panicked") {
				o.What = "panic of a worker"
			}
		}
	}()
	o.Time = processorTime() - before
	o.Memory = taken() - memory - m.size
	runtime.GC()
	return o
}

func (m *mutant) ask(o *outcome) error {
	model, err := winnow.Open(m.path, winnow.WithThreads(1), winnow.WithPrecision(winnow.F32))
	if err != nil {
		o.What = "refused when opened"
		return err
	}
	defer model.Close()
	ctx := context.Background()
	results, err := model.Rerank(ctx, "what is deep learning?", documents)
	if err != nil {
		o.What = "refused when used"
	}
	for _, r := range results {
		if math.IsNaN(r.Score) || math.IsNaN(r.Logit) || math.IsInf(r.Logit, 0) {
			o.What = "a score that is no number"
		}
	}
	vectors, embedErr := model.Embed(ctx, documents)
	for _, v := range vectors {
		for _, x := range v.Vector {
			if x != x {
				o.What = "a vector of no numbers"
			}
		}
	}
	_, completeErr := model.Complete(ctx, prompt, winnow.CompleteOptions{MaxTokens: 2})
	if err != nil && (embedErr == nil || completeErr == nil) {
		o.What = "computed"
	}
	return err
}

// taken is how many bytes of memory have been taken so far, whether or not they have
// been given back since.
func taken() int64 {
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return int64(s.TotalAlloc)
}
