package main

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/winnow-rerank/winnow/hub"
	"github.com/winnow-rerank/winnow/internal/modeldir"
)

type rmCommand struct {
	Model    string `arg:"" name:"model" help:"Hub model (ORG/NAME for all revisions and files, or one with @REVISION or :FILE), or path of a local model."`
	CacheDir string `placeholder:"DIR" help:"Hub cache directory (default: from HF_HUB_CACHE or HF_HOME)."`
	Yes      bool   `short:"y" help:"Delete a local model without asking."`
}

func (c *rmCommand) Run(env *environment) error {
	if _, err := os.Stat(c.Model); err == nil {
		return c.local(env)
	}
	ref, ok := parseModel(c.Model)
	switch {
	case ok:
	case isBuiltIn(c.Model):
		return usagef("%s is built into the program: build with the tag nomodel to leave it out", c.Model)
	default:
		return fmt.Errorf("model %s: no such file or directory%s", c.Model, nearestFile(c.Model))
	}
	dir, err := cacheDir(c.CacheDir)
	if err != nil {
		return err
	}
	freed, err := hub.Remove(dir, ref)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(env.stdout, "%s: removed, %s freed\n", ref, bytesOf(freed))
	return err
}

// local deletes the files of a model outside the cache, which cannot simply be downloaded
// again.
func (c *rmCommand) local(env *environment) error {
	path, err := modeldir.Resolve(c.Model)
	if err != nil {
		return err
	}
	files, err := modeldir.Files(path)
	if err != nil {
		return err
	}
	size := modeldir.Size(path)
	if !c.Yes {
		if _, ok := terminal(env.stdin); !ok {
			return usagef("%s is a local model of %d files: use --yes to delete it", c.Model, len(files))
		}
		fmt.Fprintf(env.stderr, "Delete %s (%d files, %s)? [y/N] ", printable(path), len(files), bytesOf(size))
		answer, _ := bufio.NewReader(env.stdin).ReadString('\n')
		if answer = strings.ToLower(strings.TrimSpace(answer)); answer != "y" && answer != "yes" {
			return errors.New("nothing was deleted")
		}
	}
	for _, f := range files {
		if err := os.Remove(f); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	left := ""
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		if entries, err := os.ReadDir(path); err == nil && len(entries) > 0 {
			left = fmt.Sprintf("; entries left in it: %d", len(entries))
		} else if err := os.Remove(path); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(env.stdout, "%s: removed, %s freed%s\n", printable(path), bytesOf(size), left)
	return err
}
