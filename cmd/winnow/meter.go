package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// A meter shows the progress of a long run: a bar on a terminal, elsewhere an occasional
// line. Short runs show nothing.
type meter struct {
	w     io.Writer
	unit  string // what is counted
	total int64  // amount of work, in any unit; 0: unknown

	bar   *progressbar.ProgressBar // nil without a terminal
	begin time.Time
	first int64 // work done by earlier runs
	next  time.Time
	every time.Duration
	now   func() time.Time
}

const (
	meterPatience = 2 * time.Second // before anything is shown
	meterLongest  = time.Minute     // between two lines
)

// newMeter starts a meter; done is the part of total that an earlier run did.
func newMeter(w io.Writer, unit string, done, total int64) *meter {
	m := &meter{w: w, unit: unit, total: total, first: done, now: time.Now}
	m.begin = m.now()
	m.next = m.begin.Add(meterPatience)
	if _, ok := terminal(w); ok {
		m.every = 100 * time.Millisecond
		size := total
		if size == 0 {
			size = -1 // a spinner
		}
		m.bar = progressbar.NewOptions64(size, progressbar.OptionSetWriter(w), progressbar.OptionSetWidth(barWidth), progressbar.OptionSetPredictTime(false),
			progressbar.OptionSetElapsedTime(false), progressbar.OptionClearOnFinish(), progressbar.OptionSetRenderBlankState(false), progressbar.OptionUseANSICodes(true))
	} else {
		m.every = 3 * time.Second
	}
	return m
}

// update reports the work done, and the number of items that this run has processed.
func (m *meter) update(done, count int64) {
	now := m.now()
	if now.Before(m.next) {
		return
	}
	m.next = now.Add(m.every)
	line := m.line(done, count, now)
	if m.bar != nil {
		m.bar.Describe(line)
		_ = m.bar.Set64(done) // failing to draw is not an error of the run
		return
	}
	m.every = min(2*m.every, meterLongest)
	fmt.Fprintf(m.w, "winnow: %s\n", line)
}

// line returns a line such as "12,000 pairs, 1,180/s, 24 %, 32s left".
func (m *meter) line(done, count int64, now time.Time) string {
	elapsed := now.Sub(m.begin)
	s := fmt.Sprintf("%s %s, %s", grouped(count), m.unit, rate(count, elapsed))
	if m.total > 0 {
		s += fmt.Sprintf(", %d %%", done*100/m.total)
		if made := done - m.first; made > 0 && done < m.total {
			left := time.Duration(float64(elapsed) * float64(m.total-done) / float64(made))
			s += fmt.Sprintf(", %v left", left.Round(time.Second))
		}
	}
	return s
}

// finish removes the bar.
func (m *meter) finish() {
	if m.bar != nil {
		_ = m.bar.Finish()
	}
}

// terminal returns the file descriptor of a stream if it is a terminal.
func terminal(stream any) (fd int, ok bool) {
	f, ok := stream.(*os.File)
	if !ok {
		return 0, false
	}
	return int(f.Fd()), term.IsTerminal(int(f.Fd()))
}

func rate(count int64, elapsed time.Duration) string {
	perSecond := float64(count) / max(elapsed.Seconds(), 1e-9)
	if perSecond < 100 {
		return fmt.Sprintf("%.1f/s", perSecond)
	}
	return grouped(int64(perSecond)) + "/s"
}

// grouped formats a number with commas between thousands.
func grouped(n int64) string {
	digits := fmt.Sprint(n)
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}
