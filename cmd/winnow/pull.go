package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
)

type pullCommand struct {
	Ref      string        `arg:"" name:"model" help:"ORG/NAME[@REVISION], with :QUANT or :FILE for GGUF; or a short name (see winnow models)."`
	Revision string        `placeholder:"REV" help:"Branch, tag or commit."`
	Token    string        `name:"hf-token" placeholder:"TOKEN" help:"Hugging Face access token (also HF_TOKEN)."`
	CacheDir string        `placeholder:"DIR" help:"Hub cache directory (default: from HF_HUB_CACHE or HF_HOME)."`
	Silence  time.Duration `default:"30s" help:"Retry if the hub sends nothing for this long."`
}

func (c *pullCommand) Run(env *environment) error {
	if isBuiltIn(c.Ref) {
		_, err := fmt.Fprintf(env.stderr, "winnow: %s is built in: nothing to download\n", c.Ref)
		return err
	}
	if c.Silence <= 0 {
		return usagef("--silence is %v: expected a time above 0", c.Silence)
	}
	name, err := withRevision(c.Ref, c.Revision)
	if err != nil {
		return err
	}
	ref, ok := parseModel(name)
	if !ok {
		return usagef("%q: expected a model such as BAAI/bge-reranker-v2-m3 or ORG/NAME:Q8_0%s", c.Ref, nearestName(c.Ref))
	}
	source := hubSource(env, false, c.Token)
	source.Dir, source.Silence = c.CacheDir, c.Silence
	path, err := source.Pull(env.ctx, ref)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(env.stdout, path)
	return err
}

// downloads shows the progress of a model's files, several at once: one bar on a
// terminal, elsewhere a line for each finished file and an occasional one in between.
type downloads struct {
	w     io.Writer
	bar   *progressbar.ProgressBar // nil without a terminal or an active download
	tty   bool
	order []string
	files map[string]*fileProgress
	begin time.Time
	first int64 // bytes present at the start
	next  time.Time
	every time.Duration
	now   func() time.Time
}

type fileProgress struct {
	done, total int64
	told        bool // completion was reported
}

const (
	firstLine = 5 * time.Second
	everyLine = time.Minute
)

// progress returns a function that shows downloads on w.
func progress(w io.Writer) func(file string, done, total int64) {
	_, tty := terminal(w)
	d := &downloads{w: w, tty: tty, files: map[string]*fileProgress{}, now: time.Now, every: firstLine}
	var mu sync.Mutex
	return func(file string, done, total int64) {
		mu.Lock()
		defer mu.Unlock()
		d.update(file, done, total)
	}
}

func (d *downloads) update(name string, done, total int64) {
	f := d.files[name]
	if f == nil || f.told && done < total {
		if d.finished() { // those of a previous model
			d.order, d.files, d.begin = nil, map[string]*fileProgress{}, time.Time{}
		}
		f = &fileProgress{total: total}
		d.order, d.files[name] = append(d.order, name), f
		return
	}
	if d.begin.IsZero() {
		d.begin, d.first, d.every = d.now(), done, firstLine
		d.next = d.begin.Add(d.every)
	}
	f.done = done
	if done == total && !f.told {
		f.told = true
		if !d.tty {
			fmt.Fprintf(d.w, "%s: %s\n", name, bytesOf(total))
		}
	}
	all, of := d.sums()
	if d.tty {
		d.draw(all, of)
		return
	}
	if now := d.now(); all < of && now.After(d.next) {
		d.every = min(2*d.every, everyLine)
		d.next = now.Add(d.every)
		fmt.Fprintf(d.w, "winnow: %s\n", d.line(all, of, now))
	}
}

func (d *downloads) sums() (done, total int64) {
	for _, f := range d.files {
		done += f.done
		total += f.total
	}
	return done, total
}

func (d *downloads) finished() bool {
	done, total := d.sums()
	return len(d.files) > 0 && done == total
}

// line returns a line such as "1.20 GiB of 2.27 GiB, 85.0 MiB/s, 13s left".
func (d *downloads) line(done, total int64, now time.Time) string {
	s := fmt.Sprintf("%s of %s", bytesOf(done), bytesOf(total))
	if elapsed := now.Sub(d.begin).Seconds(); elapsed > 0 && done > d.first {
		rate := float64(done-d.first) / elapsed
		s += fmt.Sprintf(", %s/s, %v left", bytesOf(int64(rate)), (time.Duration(float64(total-done)/rate) * time.Second).Round(time.Second))
	}
	return s
}

// draw updates the bar, which names the active files.
func (d *downloads) draw(done, total int64) {
	if done >= total {
		if d.bar != nil {
			_ = d.bar.Finish()
			d.bar = nil
		}
		return
	}
	if d.bar == nil {
		d.bar = progressbar.NewOptions64(total, progressbar.OptionSetWriter(d.w), progressbar.OptionSetWidth(barWidth), progressbar.OptionShowBytes(true),
			progressbar.OptionShowTotalBytes(true), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish(), progressbar.OptionUseANSICodes(true),
			progressbar.OptionSetRenderBlankState(false))
	}
	var under []string
	for _, name := range d.order {
		if f := d.files[name]; f.done > 0 && f.done < f.total {
			under = append(under, fmt.Sprintf("%s %d %%", shortName(name), f.done*100/f.total))
		}
	}
	d.bar.Describe(strings.Join(under[:min(len(under), 3)], ", "))
	_ = d.bar.Set64(done) // failing to draw is not an error of the download
}

// shortName replaces the middle of a long name by an ellipsis.
func shortName(name string) string {
	const most = 24
	r := []rune(name)
	if len(r) <= most {
		return name
	}
	return string(slices.Concat(r[:most/2], []rune("…"), r[len(r)-most/2+1:]))
}
