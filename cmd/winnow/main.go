package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/winnow-rerank/winnow/internal/records"
)

func main() {
	args := os.Args[1:]
	if isLlamaServer(os.Args[0]) {
		args = append([]string{"serve"}, args...)
	}
	os.Exit(run(args, os.Stdin, os.Stdout, os.Stderr))
}

// isLlamaServer reports whether the program was started under the name of llama.cpp's
// server, which it then replaces.
func isLlamaServer(name string) bool {
	name = strings.ToLower(filepath.Base(name))
	return strings.TrimSuffix(name, ".exe") == "llama-server"
}

// Exit statuses.
const (
	statusDone   = 0
	statusFailed = 1
	statusUsage  = 2
)

// An environment is a command's access to the outside world.
type environment struct {
	ctx    context.Context // done when the user or the system asks to stop
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
	getenv func(string) string
}

// commands are the commands with their flags.
type commands struct {
	Rank     rankCommand     `cmd:"" help:"Rank documents by how well they answer a query."`
	Serve    serveCommand    `cmd:"" help:"Run the HTTP server; accepts the flags of llama.cpp's server."`
	Bulk     bulkCommand     `cmd:"" help:"Score any number of query-document pairs from file to file."`
	Eval     evalCommand     `cmd:"" help:"Measure how reranking changes the quality of first-stage results."`
	Pull     pullCommand     `cmd:"" help:"Download a model from the Hugging Face hub."`
	Models   modelsCommand   `cmd:"" help:"List recommended models and how to get them."`
	List     listCommand     `cmd:"" help:"List locally available models."`
	Rm       rmCommand       `cmd:"" help:"Delete a model from the hub cache, or a local one."`
	Inspect  inspectCommand  `cmd:"" help:"Show a model's architecture, tensors, precision and memory use."`
	Convert  convertCommand  `cmd:"" help:"Convert a model to GGUF, or a GGUF file to another number format."`
	Bench    benchCommand    `cmd:"" help:"Measure a model's throughput, latency and memory use on this machine."`
	Tokenize tokenizeCommand `cmd:"" help:"Tokenize a text or a pair of texts."`
	Version  versionCommand  `cmd:"" help:"Show the version, CPU features and kernels in use."`

	Completion completionCommand `cmd:"" help:"Print a shell completion script."`
	Man        manCommand        `cmd:"" help:"Print the manual page."`
	Help       helpCommand       `cmd:"" help:"Show help for a command."`

	ShowVersion versionFlag `name:"version" short:"V" help:"Show the version and exit."`
	Config      string      `placeholder:"FILE" help:"TOML file of flags (name = value); a table [command] applies to that command only."`
}

// A usageError is a mistake in the command line.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// run runs the program and returns its exit status.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	return runIn(&environment{ctx, stdin, stdout, stderr, os.Getenv}, args)
}

func runIn(env *environment, args []string) (status int) {
	var cli commands
	exited := -1
	parser, err := kong.New(&cli,
		kong.Name("winnow"),
		kong.Description("Ranks documents by their relevance to a query, on the CPU."),
		kong.Writers(env.stdout, env.stderr),
		kong.Exit(func(code int) { exited = code; panic(exit{}) }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Vars{"threads": "Compute threads (0: one per core).", "formats": strings.Join(records.Formats, ",")},
	)
	if err != nil {
		panic(err) // a mistake in the struct above
	}
	// kong exits after --help; here only this function returns.
	defer func() {
		if p := recover(); p != nil {
			if _, ok := p.(exit); !ok {
				panic(p)
			}
			status = exited
		}
	}()
	if args, err = cli.arguments(env, parser, args); err != nil {
		return env.fail(err)
	}
	ctx, err := parser.Parse(args)
	if err != nil {
		return env.fail(usageError{err})
	}
	return env.fail(ctx.Run(env))
}

type exit struct{}

// arguments translates a command line to kong's terms, including the configuration file
// and, for serve, the environment.
func (c *commands) arguments(env *environment, parser *kong.Kong, args []string) ([]string, error) {
	args, config, err := takeConfig(args)
	if err != nil {
		return nil, err
	}
	if len(args) > 0 && args[0] == "serve" {
		translated, idle, err := translate(args[1:], env.getenv)
		if err != nil {
			return nil, usageError{err}
		}
		args = append([]string{"serve"}, translated...)
		c.Serve.idle = idle
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	if config == "" {
		return args, nil
	}
	return configure(parser, args, config)
}

// note prints a message that is not part of the result.
func (e *environment) note(format string, args ...any) {
	fmt.Fprintf(e.stderr, "winnow: "+format+"\n", args...)
}

// fail prints err, if not nil, and returns the exit status.
func (e *environment) fail(err error) int {
	if err == nil {
		return statusDone
	}
	e.note("%s", printable(strings.TrimPrefix(err.Error(), "winnow: ")))
	var usage usageError
	if errors.As(err, &usage) {
		return statusUsage
	}
	return statusFailed
}
