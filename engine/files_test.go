package engine

import (
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestFilesInOrder: no file of this package needs a file that needs it, directly or
// through others, so that there is an order for doc.go to list them in.
func TestFilesInOrder(t *testing.T) {
	if testing.Short() {
		t.Skip("type-checks the package and what it imports")
	}
	files := token.NewFileSet()
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var list []*ast.File
	for _, name := range names {
		if !strings.HasSuffix(name, "_test.go") {
			list = append(list, must(parser.ParseFile(files, name, nil, 0)))
		}
	}
	info := &types.Info{Uses: make(map[*ast.Ident]types.Object)}
	config := types.Config{Importer: importer.ForCompiler(files, "source", nil)}
	p, err := config.Check("engine", files, list, info)
	if err != nil {
		t.Fatal(err)
	}
	file := func(at token.Pos) string { return filepath.Base(files.Position(at).Filename) }
	needs := make(map[string]map[string]string) // file → file → a name
	for id, o := range info.Uses {
		from, to := file(id.Pos()), file(o.Pos())
		if o.Pkg() != p || from == to {
			continue
		}
		if needs[from] == nil {
			needs[from] = make(map[string]string)
		}
		needs[from][to] = o.Name()
	}
	if len(needs) < 20 {
		t.Errorf("%d files need others, expected at least 20", len(needs))
	}
	var path []string
	done := make(map[string]bool)
	var visit func(f string)
	visit = func(f string) {
		if i := slices.Index(path, f); i >= 0 {
			for k, from := range path[i:] {
				to := append(path[i+1:], f)[k]
				t.Errorf("%s needs %s of %s", from, needs[from][to], to)
			}
			return
		}
		if done[f] {
			return
		}
		path = append(path, f)
		for to := range needs[f] {
			visit(to)
		}
		path, done[f] = path[:len(path)-1], true
	}
	for f := range needs {
		visit(f)
	}
}
