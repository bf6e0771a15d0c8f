package winnow

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	testFunction = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark)\w*)\(`)
	citedTest    = regexp.MustCompile("\\b((?:Test|Fuzz|Benchmark)[A-Z0-9]\\w*)(/[^\\s`|()]+)?")
	goTest       = regexp.MustCompile("go test [^`\n]*")
	chosenTests  = regexp.MustCompile(`-(?:run|bench|fuzz) '?([A-Z]\w*)(/[\w*-]+)?`)
)

// TestCitations: the tests, fuzz tests and benchmarks that the documents name are
// there, and what they give to -run, -bench and -fuzz chooses some of the package.
func TestCitations(t *testing.T) {
	functions := make(map[string][]string) // the folders that have a function of this name
	texts := make(map[string]string)       // all of a folder's tests
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules" || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, "_test.go") {
			return nil
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		folder := path.Dir(filepath.ToSlash(name))
		texts[folder] += string(data)
		for _, m := range testFunction.FindAllStringSubmatch(string(data), -1) {
			functions[m[1]] = append(functions[m[1]], folder)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	documents, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	cited := 0
	for _, name := range append(documents, "README.md", "CONTRIBUTING.md", "SECURITY.md", "RATIONALE.md", "ARCHITECTURE.md", "bench/README.md", ".ci/run") {
		data, err := os.ReadFile(filepath.FromSlash(name))
		if err != nil {
			t.Fatal(err)
		}
		// named says whether a function whose name matches is in one of the folders,
		// with a part that begins so if there is a part.
		named := func(pattern, part string, folders []string) bool {
			r := regexp.MustCompile(pattern)
			part, _, _ = strings.Cut(strings.ReplaceAll(strings.TrimPrefix(part, "/"), "_", " "), "*")
			for function, in := range functions {
				if r.MatchString(function) && slices.ContainsFunc(in, func(folder string) bool {
					return (folders == nil || slices.Contains(folders, folder)) && strings.Contains(texts[folder], `"`+part)
				}) {
					return true
				}
			}
			return false
		}
		for _, m := range citedTest.FindAllStringSubmatch(string(data), -1) {
			cited++
			if !named("^"+m[1]+"$", m[2], nil) {
				t.Errorf("%s names %s, which is nowhere", name, m[0])
			}
		}
		for _, command := range goTest.FindAllString(string(data), -1) {
			var folders []string
			for field := range strings.FieldsSeq(command) {
				if folder, ok := strings.CutPrefix(field, "./"); ok && folder != "..." {
					folders = append(folders, folder)
				}
			}
			for _, m := range chosenTests.FindAllStringSubmatch(command, -1) {
				cited++
				if !named(m[1], m[2], folders) {
					t.Errorf("%s: %s in %v chooses nothing", name, m[0], folders)
				}
			}
		}
	}
	if cited < 15 {
		t.Errorf("%d citations were found", cited)
	}
}

// TestRuns: docs/runs.md has the hundred checkpoints that it promises and more, each with
// a verdict and a small model that is there, or a test, to show it.
func TestRuns(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("docs", "runs.md"))
	if err != nil {
		t.Fatal(err)
	}
	tests, err := filepath.Glob(filepath.Join("engine", "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	var code strings.Builder
	for _, name := range tests {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		code.Write(text)
	}
	folders := []string{"testdata", filepath.Join("testdata", "zoo"), os.Getenv("WINNOW_ZOO_DIR")}
	rows := 0
	for line := range strings.Lines(string(data)) {
		cells := strings.Split(strings.Trim(line, "| \n"), " | ")
		if len(cells) != 4 || !strings.Contains(cells[0], "/") {
			continue
		}
		rows++
		if verdict := cells[2]; !strings.HasPrefix(verdict, "runs") && !strings.HasPrefix(verdict, "refused: ") {
			t.Errorf("%s: the verdict is %q", cells[0], verdict)
		}
		for name := range strings.SplitSeq(cells[3], ", ") {
			name = strings.Trim(name, "`")
			shown := strings.Contains(code.String(), `"`+name+`"`) || strings.Contains(code.String(), "func "+name+"(")
			for _, folder := range folders {
				_, err := os.Stat(filepath.Join(folder, name))
				shown = shown || folder != "" && err == nil
			}
			if !shown && folders[2] != "" {
				t.Errorf("%s is to be shown by %s, which is nowhere", cells[0], name)
			}
		}
	}
	if rows < 100 {
		t.Errorf("%d rows, want 100 at least", rows)
	}
}
