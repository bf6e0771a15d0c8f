package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"text/tabwriter"
	"time"

	"golang.org/x/term"

	"github.com/winnow-rerank/winnow/hub"
	"github.com/winnow-rerank/winnow/models"
)

type pullCommand struct {
	Ref      string `arg:"" name:"model" help:"ORG/NAME, ORG/NAME:QUANT or ORG/NAME:FILE."`
	Token    string `name:"hf-token" placeholder:"TOKEN" help:"Access token of the hub (also HF_TOKEN)."`
	CacheDir string `placeholder:"DIR" help:"The hub's cache (HF_HUB_CACHE and HF_HOME are heeded)."`
}

func (c *pullCommand) Run(env *environment) error {
	ref, ok := hub.ParseRef(c.Ref)
	if !ok {
		return usagef("%q: expected such as BAAI/bge-reranker-v2-m3 or ORG/NAME:Q8_0", c.Ref)
	}
	source := hub.Source{Dir: c.CacheDir, Token: c.Token, Progress: progress(env.stderr)}
	if source.Token == "" {
		source.Token = hub.TokenFromEnv(env.getenv)
	}
	path, err := source.Pull(env.ctx, ref)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(env.stdout, path)
	return err
}

type listCommand struct {
	CacheDir string `placeholder:"DIR" help:"The hub's cache (HF_HUB_CACHE and HF_HOME are heeded)."`
}

func (c *listCommand) Run(env *environment) error {
	dir := c.CacheDir
	if dir == "" {
		var err error
		if dir, err = hub.CacheDir(env.getenv); err != nil {
			return err
		}
	}
	cached, err := hub.List(dir)
	if err != nil {
		return err
	}
	t := tabwriter.NewWriter(env.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "model\tsize\twhere")
	if data := models.Default(); data != nil {
		fmt.Fprintf(t, "%s\t%s\tbuilt in\n", models.Name, bytesOf(int64(len(data))))
	}
	for _, m := range cached {
		fmt.Fprintf(t, "%s\t%s\t%s\n", m.Ref, bytesOf(m.Bytes), m.Path)
	}
	return t.Flush()
}

// progress shows a download: as a bar on a terminal, otherwise a line for each
// file that is done.
func progress(w io.Writer) func(file string, done, total int64) {
	f, ok := w.(*os.File)
	terminal := ok && term.IsTerminal(int(f.Fd()))
	var mu sync.Mutex
	var last time.Time
	return func(file string, done, total int64) {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case !terminal:
			if done == total {
				fmt.Fprintf(w, "%s: %s\n", file, bytesOf(total))
			}
		case done == total:
			fmt.Fprintf(w, "\r\x1b[K%s  %s  %s\n", bar(1), bytesOf(total), file)
		case time.Since(last) > 100*time.Millisecond:
			last = time.Now()
			fmt.Fprintf(w, "\r\x1b[K%s  %s of %s  %s", bar(float64(done)/float64(max(total, 1))), bytesOf(done), bytesOf(total), file)
		}
	}
}
