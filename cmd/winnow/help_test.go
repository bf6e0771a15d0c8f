package main

import (
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestHelp(t *testing.T) {
	_, want, _ := runWith(t, "", "rank", "--help")
	if status, out, _ := runWith(t, "", "help", "rank"); status != 0 || out != want || !strings.Contains(out, "--text-column") {
		t.Errorf("status %d: %s", status, out)
	}
	_, want, _ = runWith(t, "", "--help")
	if status, out, _ := runWith(t, "", "help"); status != 0 || out != want {
		t.Errorf("status %d: %s", status, out)
	}
	if status, _, stderr := runWith(t, "", "help", "srve"); status != 2 || stderr != "winnow: unknown command \"srve\"; did you mean serve?\n" {
		t.Errorf("status %d: %s", status, stderr)
	}
	_, want, _ = runWith(t, "", "version")
	for _, args := range [][]string{{"--version"}, {"-V"}, {"serve", "--version"}, {"rank", "--version"}} {
		if status, out, stderr := runWith(t, "", args...); status != 0 || out != want {
			t.Errorf("%q: status %d: %s%s", args, status, out, stderr)
		}
	}
}

// shell gives a shell, without which the test is skipped.
func shell(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not here", name)
	}
	return path
}

func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v: %s", name, args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// TestCompletion: each shell takes its script, and those that can be asked complete
// by it.
func TestCompletion(t *testing.T) {
	script := func(t *testing.T, of string) string {
		t.Helper()
		status, out, stderr := runWith(t, "", "completion", of)
		if status != 0 {
			t.Fatalf("status %d: %s", status, stderr)
		}
		return writeFile(t, filepath.Join(t.TempDir(), "script"), out)
	}
	t.Run("bash", func(t *testing.T) {
		bash := shell(t, "bash")
		file := script(t, "bash")
		for line, want := range map[string]string{
			"winnow ra":                  "rank",
			"winnow rank --prec":         "--precision",
			"winnow rank --precision f3": "f32",
			"winnow eval --hel":          "--help",
			"winnow help be":             "bench",
			"winnow completion f":        "fish",
			"winnow bulk --sh":           "--shard",
		} {
			words := strings.Fields(line)
			command := "source " + file + "; COMP_WORDS=(" + line + "); COMP_CWORD=$((${#COMP_WORDS[@]}-1)); _winnow; echo \"${COMPREPLY[*]}\""
			if got := output(t, bash, "--norc", "-c", command); got != want {
				t.Errorf("%q: %q, want %q", words, got, want)
			}
		}
	})
	t.Run("zsh", func(t *testing.T) { output(t, shell(t, "zsh"), "-n", script(t, "zsh")) })
	t.Run("fish", func(t *testing.T) {
		fish := shell(t, "fish")
		file := script(t, "fish")
		for line, want := range map[string]string{
			"winnow ra":                  "rank",
			"winnow rank --precision f3": "f32",
			"winnow help be":             "bench",
			"winnow bulk --sh":           "--shard",
		} {
			got := output(t, fish, "-N", "-c", "source "+file+"; complete -C '"+line+"'")
			if word, _, _ := strings.Cut(got, "\t"); word != want {
				t.Errorf("%q: %q, want %q", line, got, want)
			}
		}
	})
	t.Run("powershell", func(t *testing.T) {
		file := script(t, "powershell")
		output(t, shell(t, "pwsh"), "-NoProfile", "-Command", "$e = $null; [System.Management.Automation.Language.Parser]::ParseFile('"+file+"', [ref]$null, [ref]$e) | Out-Null; if ($e) { throw $e }")
	})
	if status, _, stderr := runWith(t, "", "completion", "tcsh"); status != 2 || !strings.Contains(stderr, "bash") {
		t.Errorf("status %d: %s", status, stderr)
	}
}

// TestMan: man finds nothing to say against the page, which has all commands.
func TestMan(t *testing.T) {
	_, page, _ := runWith(t, "", "man")
	for _, want := range []string{".SS winnow bulk", `\fB\-f\fR, \fB\-\-file\fR \fIFILE\fR`, `\fB\-\-precision\fR`, ".SH EXIT STATUS"} {
		if !strings.Contains(page, want) {
			t.Errorf("no %s in the page", want)
		}
	}
	file := writeFile(t, filepath.Join(t.TempDir(), "winnow.1"), page)
	c := exec.Command(shell(t, "man"), "--warnings", "-l", file)
	var said strings.Builder
	c.Stderr = &said
	if err := c.Run(); err != nil || said.Len() > 0 {
		t.Errorf("%v: %s", err, said.String())
	}
}

// TestConfig: a file's flags count where the command line and the environment say
// nothing, for the commands that have them; what is wrong in it is named.
func TestConfig(t *testing.T) {
	dir := t.TempDir()
	config := func(text string) string { return writeFile(t, filepath.Join(dir, "c.toml"), text) }
	a := writeFile(t, filepath.Join(dir, "a.txt"), "one\n")
	b := writeFile(t, filepath.Join(dir, "b.txt"), "two\nthree\n")
	rank := func(text string, args ...string) (int, string, string) {
		return runWith(t, "", append([]string{"rank", "--config", config(text), "q"}, args...)...)
	}
	base := "model = '" + smallModel + "'\nthreads = 1\nport = 9\n"
	both := "[rank]\nfile = ['" + a + "', '" + b + "']\ntsv = true\n[serve]\nreranking = true\nctx_size = 64\n"
	if status, out, stderr := rank(base + both); status != 0 || strings.Count(out, "\n") != 3 || strings.Count(out, "\t") != 6 {
		t.Errorf("status %d: %s%s", status, out, stderr)
	}
	if status, out, stderr := rank(base+both+"[bench]\ntime = '1s'\n", "--top-n=1", "--file", b); status != 0 || strings.Count(out, "\n") != 1 || strings.Contains(out, "one") {
		t.Errorf("status %d: %s%s", status, out, stderr)
	}
	if status, out, _ := rank("top-n = 1\n"+base+both+"[tokenize]\njson = true", "-n", "2"); status != 0 || strings.Count(out, "\n") != 2 {
		t.Errorf("status %d: %s", status, out)
	}
	if status, out, _ := rank("top-n = 1\n" + base + both + "[list]"); status != 0 || strings.Count(out, "\n") != 1 {
		t.Errorf("a table's value is overridden by none: status %d: %s", status, out)
	}
	for _, c := range []struct{ text, want string }{
		{"thread = 1", `c.toml: "thread" is not a flag of any command; did you mean threads?`},
		{"[rank]\nport = 1", `c.toml: "port" is not a flag of rank`},
		{"[srve]\nport = 1", `c.toml: "srve" is not a command; did you mean serve?`},
		{"threads = [1, 2]", "c.toml: threads is a list: expected one value"},
		{"[rank]\nfile = [{a=1}]", "c.toml: file is map[a:1]: expected text, a number, true or false"},
		{"threads = ", "--config: toml: line 1"},
		{"threads = 'many'", "--threads: expected a valid 64 bit int but got \"many\""},
	} {
		if status, _, stderr := rank(c.text, "d"); status == 0 || !strings.Contains(stderr, c.want) {
			t.Errorf("%q: status %d: %s", c.text, status, stderr)
		}
	}
	if status, _, stderr := runWith(t, "", "rank", "q", "d", "--config"); status != 2 || !strings.Contains(stderr, "--config: missing value") {
		t.Errorf("status %d: %s", status, stderr)
	}
	if status, _, stderr := runWith(t, "", "rank", "q", "d", "--config=/none.toml"); status != 1 || !strings.Contains(stderr, "/none.toml: no such file") {
		t.Errorf("status %d: %s", status, stderr)
	}
	// For serve a flag may have the name that llama.cpp gives it.
	address, _, _ := startServe(t, noEnv, "--config", config("[serve]\nmodel = 's="+smallModel+"'\nn_gpu_layers = 1\nalias = 'named'\n"))
	waitHealth(t, http.DefaultClient, "http://"+address)
	r, err := http.Get("http://" + address + "/v1/models")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if body, err := io.ReadAll(r.Body); err != nil || !strings.Contains(string(body), `"id":"named"`) {
		t.Errorf("%s, %v", body, err)
	}
}
