package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/winnow-rerank/winnow/internal/nearest"
)

// The flags of llama.cpp's server, and winnow's additions to them. kong has neither short
// names of several letters nor flags without effect, so the command line is first
// translated to kong's terms.

// translate converts a command line of llama.cpp's server and its environment into flags
// of serveCommand. idle lists the given flags that have no effect.
func translate(args []string, getenv func(string) string) (out, idle []string, err error) {
	t := translation{given: make(map[*flag]bool)}
	if err := t.arguments(args); err != nil {
		return nil, nil, err
	}
	if err := t.environment(getenv); err != nil {
		return nil, nil, err
	}
	return t.out, t.idle, nil
}

// A translation is the state of translate.
type translation struct {
	out, idle []string
	given     map[*flag]bool
}

func (t *translation) mark(f *flag) {
	if f.to == "" && !t.given[f] {
		t.idle = append(t.idle, f.shown())
	}
	t.given[f] = true
}

// set adds a flag with a value.
func (t *translation) set(f *flag, value string) {
	if f.to != "" {
		t.out = append(t.out, "--"+f.to+"="+value)
	}
}

// toggle adds a flag that switches something on or off.
func (t *translation) toggle(f *flag, on bool) {
	name := f.to
	if !on {
		name = f.toOff
	}
	if name != "" {
		t.out = append(t.out, "--"+name)
	}
}

func (t *translation) arguments(args []string) error {
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "--" && i == len(args)-1 {
			break
		}
		if !strings.HasPrefix(arg, "-") || arg == "-" {
			return fmt.Errorf("unexpected argument %q: serve accepts only flags", arg)
		}
		name, value, joined := strings.Cut(arg, "=")
		if strings.HasPrefix(name, "--") {
			name = strings.ReplaceAll(name, "_", "-")
		}
		f, off := findFlag(name)
		if f == nil {
			return errors.New("unknown flag " + name + nearestFlag(name))
		}
		t.mark(f)
		switch {
		case off && joined:
			return fmt.Errorf("flag %s takes no value", name)
		case off:
			t.toggle(f, false)
		case f.value:
			if !joined {
				if i++; i == len(args) {
					return fmt.Errorf("flag %s: missing value", name)
				}
				value = args[i]
			}
			t.set(f, value)
		case f.perhaps != nil:
			if !joined && i+1 < len(args) && slices.Contains(f.perhaps, args[i+1]) {
				i++
			}
		case joined:
			on, err := strconv.ParseBool(value)
			if err != nil {
				return fmt.Errorf("flag %s takes no value", name)
			}
			t.toggle(f, on)
		default:
			t.toggle(f, true)
		}
	}
	return nil
}

// environment reads the variables of flags that are not among the arguments.
func (t *translation) environment(getenv func(string) string) error {
	for i := range serveFlags {
		f := &serveFlags[i]
		if f.env == "" || t.given[f] {
			continue
		}
		value := getenv(f.env)
		if value == "" {
			continue
		}
		t.mark(f)
		switch {
		case f.to == "":
		case f.value:
			t.set(f, value)
		default:
			on, ok := parseSwitch(value)
			if !ok {
				return fmt.Errorf("%s is %q: expected on or off", f.env, value)
			}
			t.toggle(f, on)
		}
	}
	return nil
}

func parseSwitch(value string) (on, ok bool) {
	switch strings.ToLower(value) {
	case "1", "on", "true", "enabled", "yes":
		return true, true
	case "0", "off", "false", "disabled", "no":
		return false, true
	}
	return false, false
}

// nearestFlag suggests the flag that was probably meant.
func nearestFlag(name string) string {
	var known []string
	for _, f := range serveFlags {
		known = slices.Concat(known, f.names, f.off)
	}
	return didYouMean(name, known)
}

// didYouMean suggests the known name that was probably meant, ignoring leading dashes.
func didYouMean(name string, known []string) string {
	var bare []string
	written := make(map[string]string)
	for _, k := range known {
		b := strings.TrimLeft(k, "-")
		if _, ok := written[b]; !ok {
			bare, written[b] = append(bare, b), k
		}
	}
	best := nearest.Of(strings.TrimLeft(name, "-"), bare, len(name)/2)
	if best == "" {
		return ""
	}
	return "; did you mean " + written[best] + "?"
}
