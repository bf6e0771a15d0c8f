package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"
)

type completionCommand struct {
	Shell string `arg:"" enum:"bash,zsh,fish,powershell" help:"Shell: ${enum}."`
}

func (c *completionCommand) Run(current *kong.Context, env *environment) error {
	write := map[string]func(*strings.Builder, *kong.Application){"bash": bashCompletion, "zsh": zshCompletion, "fish": fishCompletion,
		"powershell": powershellCompletion}[c.Shell]
	var b strings.Builder
	write(&b, current.Model)
	_, err := io.WriteString(env.stdout, b.String())
	return err
}

// flagsOf returns a command's flags and the global ones.
func flagsOf(app *kong.Application, c *kong.Node) []*kong.Flag {
	return visible(append(app.Flags[:len(app.Flags):len(app.Flags)], c.Flags...))
}

// choices returns the values of an enumeration, or nil.
func choices(v *kong.Value) []string {
	if v.Enum == "" {
		return nil
	}
	return v.EnumSlice()
}

// positionalChoices returns the values of a command's first argument, or nil.
func positionalChoices(app *kong.Application, c *kong.Node) []string {
	if c.Name == "help" {
		return commandNames(app.Node)
	}
	if len(c.Positional) == 0 {
		return nil
	}
	return choices(c.Positional[0])
}

func bashCompletion(b *strings.Builder, app *kong.Application) {
	fmt.Fprintf(b, `# bash completion of winnow: source <(winnow completion bash)
_winnow() {
	local cur="${COMP_WORDS[COMP_CWORD]}" prev="${COMP_WORDS[COMP_CWORD-1]}" command="${COMP_WORDS[1]}" words=""
	COMPREPLY=()
	if [ "$COMP_CWORD" -eq 1 ]; then
		COMPREPLY=($(compgen -W "%s --help --version --config" -- "$cur"))
		return
	fi
	case "$command $prev" in
`, strings.Join(commandNames(app.Node), " "))
	for _, c := range app.Children {
		for _, f := range flagsOf(app, c) {
			switch values := choices(f.Value); {
			case values != nil:
				fmt.Fprintf(b, "\t%s)\n\t\tCOMPREPLY=($(compgen -W %s -- \"$cur\"))\n\t\treturn ;;\n", bashNames(c, f), bashWord(strings.Join(values, " ")))
			case !f.IsBool():
				fmt.Fprintf(b, "\t%s)\n\t\tCOMPREPLY=($(compgen -f -- \"$cur\"))\n\t\treturn ;;\n", bashNames(c, f))
			}
		}
	}
	b.WriteString("\tesac\n\tcase \"$command\" in\n")
	for _, c := range app.Children {
		var flags []string
		for _, f := range flagsOf(app, c) {
			flags = append(flags, "--"+f.Name)
		}
		fmt.Fprintf(b, "\t%s)\n\t\twords=%s\n\t\t[ \"${cur#-}\" = \"$cur\" ] && words=%s ;;\n", c.Name, bashWord(strings.Join(flags, " ")),
			bashWord(strings.Join(positionalChoices(app, c), " ")))
	}
	b.WriteString("\tesac\n\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n}\ncomplete -o default -F _winnow winnow\n")
}

// bashNames returns the pattern of a flag following its command.
func bashNames(c *kong.Node, f *kong.Flag) string {
	s := fmt.Sprintf(`"%s --%s"`, c.Name, f.Name)
	if f.Short != 0 {
		s += fmt.Sprintf(`|"%s -%c"`, c.Name, f.Short)
	}
	return s
}

// bashWord quotes text for bash and zsh.
func bashWord(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

func zshCompletion(b *strings.Builder, app *kong.Application) {
	b.WriteString("#compdef winnow\n# zsh completion of winnow: winnow completion zsh >\"${fpath[1]}/_winnow\"\n_winnow() {\n\tlocal -a commands\n\tcommands=(\n")
	for _, c := range app.Children {
		fmt.Fprintf(b, "\t\t%s\n", bashWord(c.Name+":"+c.Help))
	}
	b.WriteString("\t)\n\tif (( CURRENT == 2 )); then\n\t\t_describe command commands\n\t\t_arguments '--help[Show help]' '--version[Show the version]'\n\t\treturn\n\tfi\n\tcase \"$words[2]\" in\n")
	text := strings.NewReplacer("[", `\[`, "]", `\]`, ":", `\:`)
	for _, c := range app.Children {
		fmt.Fprintf(b, "\t%s)\n\t\tshift words; (( CURRENT-- ))\n\t\t_arguments", c.Name)
		for _, f := range flagsOf(app, c) {
			value := ""
			switch values := choices(f.Value); {
			case values != nil:
				value = ":" + text.Replace(f.FormatPlaceHolder()) + ":(" + strings.Join(values, " ") + ")"
			case !f.IsBool():
				value = ":" + text.Replace(f.FormatPlaceHolder()) + ":_files"
			}
			star := ""
			if f.IsCumulative() {
				star = "*"
			}
			fmt.Fprintf(b, " \\\n\t\t\t%s", bashWord(star+"--"+f.Name+"["+text.Replace(f.Help)+"]"+value))
			if f.Short != 0 {
				fmt.Fprintf(b, " \\\n\t\t\t%s", bashWord(fmt.Sprintf("%s-%c[%s]%s", star, f.Short, text.Replace(f.Help), value)))
			}
		}
		if words := positionalChoices(app, c); words != nil {
			fmt.Fprintf(b, " \\\n\t\t\t%s", bashWord("1: :("+strings.Join(words, " ")+")"))
		} else if len(c.Positional) > 0 {
			fmt.Fprintf(b, " \\\n\t\t\t%s", bashWord("*: :_files"))
		}
		b.WriteString(" ;;\n")
	}
	b.WriteString("\tesac\n}\ncompdef _winnow winnow\n")
}

func fishCompletion(b *strings.Builder, app *kong.Application) {
	quote := func(s string) string {
		return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(s) + "'"
	}
	b.WriteString("# fish completion of winnow: winnow completion fish | source\n")
	for _, c := range app.Children {
		fmt.Fprintf(b, "complete -c winnow -f -n __fish_use_subcommand -a %s -d %s\n", c.Name, quote(c.Help))
	}
	for _, c := range app.Children {
		when := quote("__fish_seen_subcommand_from " + c.Name)
		for _, f := range flagsOf(app, c) {
			fmt.Fprintf(b, "complete -c winnow -n %s -l %s", when, f.Name)
			if f.Short != 0 {
				fmt.Fprintf(b, " -s %c", f.Short)
			}
			switch values := choices(f.Value); {
			case values != nil:
				fmt.Fprintf(b, " -x -a %s", quote(strings.Join(values, " ")))
			case !f.IsBool():
				b.WriteString(" -r -F")
			}
			fmt.Fprintf(b, " -d %s\n", quote(f.Help))
		}
		if words := positionalChoices(app, c); words != nil {
			fmt.Fprintf(b, "complete -c winnow -f -n %s -a %s\n", when, quote(strings.Join(words, " ")))
		}
	}
}

func powershellCompletion(b *strings.Builder, app *kong.Application) {
	quote := func(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
	list := func(words []string) string {
		quoted := make([]string, len(words))
		for i, w := range words {
			quoted[i] = quote(w)
		}
		return "@(" + strings.Join(quoted, ", ") + ")"
	}
	b.WriteString("# PowerShell completion of winnow: winnow completion powershell | Out-String | Invoke-Expression\n$winnowFlags = @{\n")
	for _, c := range app.Children {
		var flags []string
		for _, f := range flagsOf(app, c) {
			flags = append(flags, "--"+f.Name)
		}
		fmt.Fprintf(b, "  %s = %s\n", quote(c.Name), list(append(flags, positionalChoices(app, c)...)))
	}
	b.WriteString("}\n$winnowValues = @{\n")
	for _, c := range app.Children {
		for _, f := range flagsOf(app, c) {
			if values := choices(f.Value); values != nil {
				fmt.Fprintf(b, "  %s = %s\n", quote(c.Name+" --"+f.Name), list(values))
			}
		}
	}
	b.WriteString(`}
Register-ArgumentCompleter -Native -CommandName winnow -ScriptBlock {
  param($word, $ast, $position)
  $words = @($ast.CommandElements | ForEach-Object { $_.ToString() })
  $before = if ($word) { $words[0..($words.Count - 2)] } else { $words }
  if ($before.Count -lt 2) { $known = $winnowFlags.Keys | Sort-Object }
  elseif ($winnowValues.ContainsKey("$($before[1]) $($before[-1])")) { $known = $winnowValues["$($before[1]) $($before[-1])"] }
  else { $known = $winnowFlags[$before[1]] }
  $known | Where-Object { $_ -like "$word*" } | ForEach-Object { [System.Management.Automation.CompletionResult]::new($_) }
}
`)
}
