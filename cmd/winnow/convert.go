package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/winnow-rerank/winnow"
)

type convertCommand struct {
	In      string `arg:"" name:"model" help:"Hugging Face model directory, GGUF file, or hub id."`
	Out     string `arg:"" name:"out.gguf" help:"File to write."`
	Type    string `default:"q8_0" placeholder:"TYPE" help:"Number format of the matrices: f32, f16, bf16, q8_0, q4_0, q4_1, q5_0, q5_1, q4_k, q5_k or q6_k."`
	Force   bool   `help:"Overwrite an existing file."`
	Offline bool   `help:"Do not download anything."`
}

func (c *convertCommand) Run(env *environment) error {
	// llama.cpp's names of mixes stand for the type of most matrices.
	name := strings.ToLower(c.Type)
	name = strings.TrimSuffix(strings.TrimSuffix(name, "_m"), "_s")
	if !slices.Contains(winnow.ConvertTypes(), name) {
		return usagef("--type is %q: expected %s", c.Type, strings.Join(winnow.ConvertTypes(), ", "))
	}
	if !c.Force {
		if _, err := os.Lstat(c.Out); err == nil {
			return fmt.Errorf("%s already exists: use --force to overwrite it", c.Out)
		} else if !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	in, err := locate(env.ctx, c.In, hubSource(env, c.Offline, ""))
	if err != nil {
		return err
	}
	if in == "" {
		return usagef("%s is built in and already a GGUF model", c.In)
	}
	show := func(int, int) {}
	if _, ok := terminal(env.stderr); ok {
		show = func(n, of int) {
			fmt.Fprintf(env.stderr, "\r\x1b[K%s  %d of %d tensors", bar(float64(n)/float64(of)), n, of)
			if n == of {
				fmt.Fprint(env.stderr, "\r\x1b[K")
			}
		}
	}
	done, err := winnow.Convert(in, c.Out, name, show)
	if err != nil {
		return err
	}
	var types []string
	for name, n := range done.Types {
		types = append(types, fmt.Sprintf("%d %s", n, name))
	}
	slices.Sort(types)
	fmt.Fprintf(env.stdout, "%s: %s, %d tensors (%s)\n", c.Out, bytesOf(done.Bytes), done.Tensors, strings.Join(types, ", "))
	if done.Fallback > 0 {
		fmt.Fprintf(env.stderr, "%d tensors have another type, because their rows do not divide into %s blocks\n", done.Fallback, name)
	}
	return nil
}
