package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

type helpCommand struct {
	Command []string `arg:"" optional:"" help:"Command to show (default: list all commands)."`
}

func (c *helpCommand) Run(current *kong.Context) error {
	ctx, err := kong.Trace(current.Kong, c.Command)
	if err != nil {
		return usageError{err}
	}
	// Missing arguments are not an error here; an unknown command is.
	if len(c.Command) > 0 && ctx.Command() == "" {
		return usagef("unknown command %q%s", c.Command[0], didYouMean(c.Command[0], commandNames(current.Model.Node)))
	}
	return ctx.PrintUsage(false)
}

func commandNames(app *kong.Node) []string {
	var names []string
	for _, c := range app.Children {
		names = append(names, c.Name)
	}
	return names
}

// A versionFlag shows the version instead of running a command.
type versionFlag bool

// BeforeReset is called by kong as soon as it sees the flag.
func (versionFlag) BeforeReset(app *kong.Kong) error {
	if err := new(versionCommand).Run(&environment{stdout: app.Stdout}); err != nil {
		return err
	}
	app.Exit(statusDone)
	return nil
}

type manCommand struct{}

func (c *manCommand) Run(current *kong.Context, env *environment) error {
	return writeMan(env.stdout, current.Model)
}

// writeMan writes the manual page for man(7).
func writeMan(w io.Writer, app *kong.Application) error {
	version, _ := build()
	var b strings.Builder
	fmt.Fprintf(&b, ".TH WINNOW 1 \"\" \"winnow %s\" \"User Commands\"\n.SH NAME\nwinnow \\- rank documents by how well they answer a query\n", roff(version))
	b.WriteString(".SH SYNOPSIS\n")
	for _, c := range app.Children {
		fmt.Fprintf(&b, ".B winnow %s\n%s\n.br\n", roff(c.Name), roff(synopsis(c)))
	}
	fmt.Fprintf(&b, ".SH DESCRIPTION\n%s\nTo rank the lines of a file:\n.PP\n.EX\nwinnow rank \"What is deep learning?\" \\-\\-file documents.txt\n.EE\n", roff(app.Help))
	b.WriteString(".SH COMMANDS\n")
	for _, c := range app.Children {
		fmt.Fprintf(&b, ".SS winnow %s %s\n%s\n", roff(c.Name), roff(synopsis(c)), roff(c.Help))
		for _, p := range c.Positional {
			fmt.Fprintf(&b, ".TP\n.I %s\n%s\n", roff(p.Name), roff(p.Help))
		}
		writeManFlags(&b, c.Flags)
	}
	b.WriteString(".SH GLOBAL FLAGS\n")
	writeManFlags(&b, app.Flags)
	b.WriteString(`.SH EXIT STATUS
0 on success, 1 on failure, 2 on a usage error.
.SH ENVIRONMENT
.TP
.B HF_HOME, HF_HUB_CACHE, HF_TOKEN, HF_ENDPOINT, HF_HUB_OFFLINE
as in Hugging Face's own tools
.TP
.B LLAMA_ARG_*
flags of serve, as in llama.cpp's server
.TP
.B WINNOW_KERNELS
instruction set of the compute kernels, one of those listed by
.B winnow version
.TP
.B NO_COLOR
disables colours in tables
`)
	_, err := io.WriteString(w, b.String())
	return err
}

func writeManFlags(b *strings.Builder, flags []*kong.Flag) {
	for _, f := range visible(flags) {
		b.WriteString(".TP\n")
		if f.Short != 0 {
			fmt.Fprintf(b, "\\fB\\-%c\\fR, ", f.Short)
		}
		fmt.Fprintf(b, "\\fB\\-\\-%s\\fR", roff(f.Name))
		if !f.IsBool() {
			fmt.Fprintf(b, " \\fI%s\\fR", roff(f.FormatPlaceHolder()))
		}
		fmt.Fprintf(b, "\n%s\n", roff(f.Help))
	}
}

// synopsis returns what follows a command's name.
func synopsis(c *kong.Node) string {
	s := "[flags]"
	for _, p := range c.Positional {
		s += " " + p.Summary()
	}
	return s
}

// visible returns the flags that are not hidden, sorted by name.
func visible(flags []*kong.Flag) []*kong.Flag {
	flags = slices.DeleteFunc(slices.Clone(flags), func(f *kong.Flag) bool { return f.Hidden })
	slices.SortStableFunc(flags, func(a, b *kong.Flag) int { return cmp.Compare(a.Name, b.Name) })
	return flags
}

var roffText = strings.NewReplacer(`\`, `\e`, "-", `\-`, "\n.", "\n\\&.", "\n'", "\n\\&'")

// roff escapes text for troff.
func roff(s string) string {
	s = roffText.Replace(s)
	if strings.HasPrefix(s, ".") || strings.HasPrefix(s, "'") {
		s = `\&` + s
	}
	return s
}
