package main

import (
	"fmt"
	"os"
	"path/filepath"
	"text/tabwriter"

	"github.com/winnow-rerank/winnow/hub"
	"github.com/winnow-rerank/winnow/internal/modeldir"
	"github.com/winnow-rerank/winnow/models"
)

type listCommand struct {
	Folders  []string `arg:"" optional:"" name:"folder" help:"Directories whose models to list as well (default: LLAMA_ARG_MODELS_DIR)."`
	CacheDir string   `placeholder:"DIR" help:"Hub cache directory (default: from HF_HUB_CACHE or HF_HOME)."`
	JSON     bool     `name:"json" help:"Print JSON."`
}

// A listed model is available locally.
type listed struct {
	Model  string `json:"model"`  // as accepted by --model
	Source string `json:"source"` // built-in, hub or local
	Commit string `json:"commit,omitempty"`
	Path   string `json:"path,omitempty"`
	Bytes  int64  `json:"bytes"`
}

func (c *listCommand) Run(env *environment) error {
	var list []listed
	if data := models.Default(); data != nil {
		list = append(list, listed{Model: models.Name, Source: "built-in", Bytes: int64(len(data))})
	}
	dir, err := cacheDir(c.CacheDir)
	if err != nil {
		return err
	}
	cached, err := hub.List(dir)
	if err != nil {
		return err
	}
	for _, m := range cached {
		list = append(list, listed{m.Ref.String(), "hub", m.Commit, m.Path, m.Bytes})
	}
	folders := c.Folders
	if folder := env.getenv("LLAMA_ARG_MODELS_DIR"); len(folders) == 0 && folder != "" {
		folders = []string{folder}
	}
	for _, folder := range folders {
		paths, err := modeldir.In(folder)
		if err != nil {
			return err
		}
		for _, path := range paths {
			if absolute, err := filepath.Abs(path); err == nil {
				path = absolute
			}
			list = append(list, listed{Model: path, Source: "local", Path: path, Bytes: modeldir.Size(path)})
		}
	}
	if c.JSON {
		return writeJSON(env.stdout, list)
	}
	t := tabwriter.NewWriter(env.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "model\tsize\tlocation")
	for _, m := range list {
		where := m.Path
		switch m.Source {
		case "built-in":
			where = "built in"
		case "local":
			where = "local"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\n", printable(m.Model), bytesOf(m.Bytes), printable(where))
	}
	return t.Flush()
}

// cacheDir returns the hub's cache, unless the flag names another directory.
func cacheDir(flag string) (string, error) {
	if flag != "" {
		return flag, nil
	}
	return hub.CacheDir(os.Getenv)
}
