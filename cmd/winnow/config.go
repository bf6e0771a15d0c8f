package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
	"github.com/alecthomas/kong"
)

// A configuration file contains flags by name, in TOML: entries before the first table
// apply to all commands that have such a flag, a table to the command of its name.
//
//	threads = 4
//
//	[serve]
//	port = 9000
//	model = ["small=a.gguf", "b.gguf"]
//
// The command line overrides it, and for serve so does the environment.

// takeConfig removes --config from a command line.
func takeConfig(args []string) (rest []string, file string, err error) {
	for i := 0; i < len(args); i++ {
		name, value, joined := strings.Cut(args[i], "=")
		switch {
		case args[i] == "--":
			return append(rest, args[i:]...), file, nil
		case name != "--config":
			rest = append(rest, args[i])
			continue
		case !joined && i+1 == len(args):
			return nil, "", usagef("flag --config: missing value")
		case !joined:
			i++
			value = args[i]
		}
		file = value
	}
	return rest, file, nil
}

// configure inserts the settings of a configuration file that args do not contain between
// the command and its arguments. The whole file is checked, whichever command runs.
func configure(parser *kong.Kong, args []string, file string) ([]string, error) {
	merged, err := fileFlags(parser, args, file)
	if err != nil {
		return nil, err
	}
	if traced, err := kong.Trace(parser, args); err == nil { // the final parse reports mistakes
		for _, p := range traced.Path {
			delete(merged, p.Flag)
		}
	}
	var added []string
	for flag, value := range merged {
		list, isList := value.([]any)
		if !isList {
			list = []any{value}
		} else if !flag.IsCumulative() {
			return nil, fmt.Errorf("%s: %s is a list: expected one value", file, flag.Name)
		}
		for _, v := range list {
			switch v.(type) {
			case string, bool, int64, float64:
			default:
				return nil, fmt.Errorf("%s: %s is %v: expected text, a number, true or false", file, flag.Name, v)
			}
			added = append(added, fmt.Sprintf("--%s=%v", flag.Name, v))
		}
	}
	if len(added) == 0 {
		return args, nil
	}
	slices.SortStableFunc(added, func(a, b string) int { // by name; a flag's values keep their order
		a, _, _ = strings.Cut(a, "=")
		b, _, _ = strings.Cut(b, "=")
		return strings.Compare(a, b)
	})
	return slices.Concat(args[:1], added, args[1:]), nil
}

// fileFlags returns the values that a configuration file gives to flags of the command in
// args.
func fileFlags(parser *kong.Kong, args []string, file string) (map[*kong.Flag]any, error) {
	var config map[string]any
	if _, err := toml.DecodeFile(file, &config); err != nil {
		return nil, fmt.Errorf("--config: %w", err)
	}
	wrong := func(key, what string, known []string) error {
		return fmt.Errorf("%s: %q is not a %s%s", file, key, what, didYouMean(key, known))
	}
	commands := parser.Model.Children
	merged := make(map[*kong.Flag]any)
	// set reports whether the command has the flag.
	set := func(c *kong.Node, name string, value any) bool {
		flag, known := flagOf(c, name)
		if flag != nil && len(args) > 0 && c.Name == args[0] {
			merged[flag] = value
		}
		return known
	}
	tables := make(map[string]map[string]any)
	for _, key := range slices.Sorted(maps.Keys(config)) {
		if table, ok := config[key].(map[string]any); ok {
			tables[key] = table
			continue
		}
		known := false
		for _, c := range commands {
			known = set(c, key, config[key]) || known
		}
		if !known {
			return nil, wrong(key, "flag of any command", flagNames(commands...))
		}
	}
	// Tables come last because they override the entries for all commands.
	for _, key := range slices.Sorted(maps.Keys(tables)) {
		i := slices.IndexFunc(commands, func(c *kong.Node) bool { return c.Name == key })
		if i < 0 {
			return nil, wrong(key, "command", commandNames(parser.Model.Node))
		}
		for _, name := range slices.Sorted(maps.Keys(tables[key])) {
			if !set(commands[i], name, tables[key][name]) {
				return nil, wrong(name, "flag of "+key, flagNames(commands[i]))
			}
		}
	}
	return merged, nil
}

// flagOf returns a command's flag by name, with _ or - between words. For serve,
// llama.cpp's names work too; for known ones without effect the flag is nil.
func flagOf(command *kong.Node, name string) (_ *kong.Flag, known bool) {
	name = strings.ReplaceAll(name, "_", "-")
	if command.Name == "serve" {
		if f, off := findFlag("--" + name); f != nil && !off {
			if f.to == "" {
				return nil, true
			}
			name = f.to
		}
	}
	for _, flag := range command.Flags {
		if flag.Name == name {
			return flag, true
		}
	}
	return nil, false
}

func flagNames(commands ...*kong.Node) []string {
	var names []string
	for _, c := range commands {
		for _, flag := range c.Flags {
			names = append(names, flag.Name)
		}
	}
	return names
}
