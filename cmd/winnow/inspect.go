package main

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/winnow-rerank/winnow"
)

type inspectCommand struct {
	modelFlags `embed:""`

	Name    string `arg:"" optional:"" name:"model" help:"Model, as for --model."`
	Tensors bool   `help:"List every tensor."`
	JSON    bool   `name:"json" help:"Print JSON."`
}

func (c *inspectCommand) Run(env *environment) error {
	if c.Name != "" {
		if c.Model != "" {
			return usagef("two models given: %s and %s", c.Model, c.Name)
		}
		c.Model = c.Name
	}
	model, err := c.open(env)
	if err != nil {
		return err
	}
	defer model.Close()
	info := model.Info()
	out := bufio.NewWriter(env.stdout)
	if c.JSON {
		err = writeJSON(out, info)
	} else {
		err = writeInfo(out, info, c.Tensors)
	}
	if err != nil {
		return err
	}
	return out.Flush()
}

func writeInfo(w io.Writer, info winnow.Info, all bool) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name string, value any) { fmt.Fprintf(t, "%s\t%s\n", name, printable(fmt.Sprint(value))) }
	row("name", info.Name)
	row("path", info.Path)
	row("format", info.Format)
	row("architecture", info.Architecture+", family "+info.Family)
	row("tasks", strings.Join(info.Tasks, ", "))
	row("head", info.Head)
	if len(info.Labels) > 0 {
		labels := strings.Join(info.Labels, ", ")
		if len(info.Labels) > 1 {
			labels += " (relevant: " + info.Relevant + ")"
		}
		row("labels", labels)
	}
	if info.Dimensions > 0 {
		row("vectors", fmt.Sprintf("%d dimensions: %s", info.Dimensions, info.Pooling))
		for _, name := range slices.Sorted(maps.Keys(info.Prompts)) {
			text := fmt.Sprintf("%s: %q", name, info.Prompts[name])
			if name == info.DefaultPrompt {
				text += " (the default)"
			}
			row("prompt", text)
		}
	}
	activation := info.Activation
	if info.Configured != "" {
		activation += " (its configuration names " + info.Configured + ")"
	}
	if activation != "" {
		row("activation", activation)
	}
	if info.Prompt != "" {
		row("prompt", printable(info.Prompt)+": "+info.PromptReason)
	}
	if len(info.UnreadSettings) > 0 {
		row("ignored", printable(strings.Join(info.UnreadSettings, ", ")))
	}
	row("layers", fmt.Sprintf("%d, hidden size %d, %d heads, intermediate size %d", info.Layers, info.Hidden, info.Heads, info.Intermediate))
	row("tokenizer", fmt.Sprintf("%s, %d tokens", info.Tokenizer, info.Vocabulary))
	row("max length", fmt.Sprintf("%d tokens", info.MaxLength))
	row("parameters", info.Parameters)
	row("precision", string(info.Precision)+": "+info.PrecisionReason)
	row("kernels", fmt.Sprintf("%s, %d threads", info.Kernels, info.Threads))
	row("file", fmt.Sprintf("%s in %d tensors: %s", bytesOf(info.FileBytes), len(info.Tensors), byType(info.Tensors)))
	row("memory", fmt.Sprintf("%s weights, up to %s activations, %s embedding tables mapped from the file",
		bytesOf(info.WeightBytes), bytesOf(info.ActivationBytes), bytesOf(info.EmbeddingBytes)))
	if all {
		fmt.Fprintln(t)
		fmt.Fprintln(t, "tensor\ttype\tshape\tbytes")
		for _, x := range info.Tensors {
			fmt.Fprintf(t, "%s\t%s\t%v\t%d\n", printable(x.Name), x.Type, x.Shape, x.Bytes)
		}
	}
	return t.Flush()
}

// byType counts tensors by type.
func byType(tensors []winnow.TensorInfo) string {
	count := make(map[string]int)
	for _, t := range tensors {
		count[t.Type]++
	}
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(count)) {
		parts = append(parts, fmt.Sprintf("%d %s", count[name], name))
	}
	return strings.Join(parts, ", ")
}

func bytesOf(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.2f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
}
