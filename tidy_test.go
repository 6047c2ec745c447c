package bursar_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/bursarhq/bursar"

// mayImport says which of our packages each package may import; arrows only go down.
var mayImport = map[string][]string{
	".":                     {},
	"store":                 {"."},
	"store/mem":             {".", "store"},
	"store/sqlite":          {".", "store", "store/sqlite/vfs"},
	"store/sqlite/vfs":      {},
	"store/postgres":        {".", "store"},
	"store/postgres/pgtest": {},
	"store/storetest":       {".", "store"},
	"record":                {".", "store"},
	"catalogue":             {".", "store", "record"},
	"ledger":                {".", "store", "record", "catalogue"},
	"engine":                {".", "store", "record", "catalogue", "ledger"},
	"transfer":              {".", "store", "record", "catalogue", "ledger"},
	"spendtoken":            {"."},
	"httpapi":               {".", "store", "catalogue", "ledger", "engine", "spendtoken"},
	"webhook":               {".", "store", "catalogue", "engine"},
	"client":                {".", "spendtoken"},
	"gateway":               {".", "client", "spendtoken"},
	"mcp":                   {".", "client", "spendtoken"},
	"otlp":                  {".", "client", "gateway"},
	"webui":                 {},
	"sim":                   {},
}

// pure lists the packages that decide and remember, and do nothing else: the same input
// gives them the same output, on every machine and whenever a log is read again.
var pure = []string{".", "record", "catalogue", "ledger"}

// roles are the interfaces by which a store is called, and what is made of one.
var roles = []string{
	"Store", "Log", "Checkpoints", "Listings", "Outbox", "Jobs", "Denials", "Moving", "Upkeep",
	"Reader", "LogReader", "CheckpointReader", "OutboxReader", "BaseReader", "Indexed", "UsesReader",
	"Writers", "NewWriters", "NewClaimedStore", "TakeStore", // claims are of who writes
}

// notPure says what pure packages may not import, and what they may not use of a package.
var notPure = map[string][]string{
	"context": nil, "sync": nil, "crypto/rand": nil, "math/rand": nil, "math/rand/v2": nil, "os": nil, "net": nil,
	"time": {"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick"},
}

// TestLayout holds the code to what docs/architecture.md says: imports go down, the root
// has the standard library alone, functions fit a screen, packages say what they are
// and none is a place for leftovers.
func TestLayout(t *testing.T) {
	documented := map[string]bool{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && (strings.HasPrefix(d.Name(), ".") && path != "." || d.Name() == "testdata" || d.Name() == "node_modules") {
			if err == nil {
				err = filepath.SkipDir
			}
			return err
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		dir := filepath.ToSlash(filepath.Dir(path))
		documented[dir] = documented[dir] || f.Doc != nil
		if _, limited := mayImport[dir]; !limited && f.Name.Name != "main" {
			t.Errorf("%s: mayImport does not say what package %s may import", path, dir)
		}
		checkImports(t, path, dir, f)
		checkLengths(t, path, fset, f)
		if slices.Contains(pure, dir) {
			checkPure(t, path, fset, f)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for dir, ok := range documented {
		if !ok {
			t.Errorf("%s: no package comment says what it is for", dir)
		}
		if slices.Contains([]string{"util", "utils", "common", "helpers", "misc", "models", "manager", "types", "pkg"}, filepath.Base(dir)) {
			t.Errorf("%s: name the package for what it provides", dir)
		}
	}
}

func checkImports(t *testing.T, path, dir string, f *ast.File) {
	allowed, limited := mayImport[dir]
	for _, imp := range f.Imports {
		p := strings.Trim(imp.Path.Value, `"`)
		ours, is := strings.CutPrefix(p, module)
		ours = strings.TrimPrefix(ours, "/")
		if ours == "" {
			ours = "."
		}
		switch {
		case is && limited && !slices.Contains(allowed, ours):
			t.Errorf("%s imports %s: arrows only go down", path, p)
		case !is && (dir == "." || dir == "client") && strings.Contains(strings.SplitN(p, "/", 2)[0], "."):
			t.Errorf("%s imports %s: this package has the standard library alone", path, p)
		}
	}
}

const maxFunctionLines = 70

func checkLengths(t *testing.T, path string, fset *token.FileSet, f *ast.File) {
	if n := fset.Position(f.End()).Line; n > 500 {
		t.Errorf("%s has %d lines: split it by noun", path, n)
	}
	for _, d := range f.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || fn.Body == nil {
			continue
		}
		if n := fset.Position(fn.End()).Line - fset.Position(fn.Pos()).Line + 1; n > maxFunctionLines {
			t.Errorf("%s: %s has %d lines, more than %d", path, fn.Name.Name, n, maxFunctionLines)
		}
	}
}

// checkPure refuses what a pure package may not do: wait, lock, read a clock, use random
// numbers or call a store.
func checkPure(t *testing.T, path string, fset *token.FileSet, f *ast.File) {
	for _, imp := range f.Imports {
		p := strings.Trim(imp.Path.Value, `"`)
		if some, known := notPure[p]; known && some == nil {
			t.Errorf("%s imports %s: what is decided here depends on its input alone", path, p)
		}
		if imp.Name != nil && (p == "time" || strings.HasSuffix(p, "/store")) {
			t.Errorf("%s imports %s as %s: by its own name alone what is used of it is looked at", path, p, imp.Name)
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			t.Errorf("%s: a goroutine; only the engine has them", fset.Position(n.Pos()))
		case *ast.SelectorExpr:
			x, ok := n.X.(*ast.Ident)
			if ok && x.Obj == nil && slices.Contains(notPure[x.Name], n.Sel.Name) {
				t.Errorf("%s: %s.%s; the instant is an input", fset.Position(n.Pos()), x.Name, n.Sel.Name)
			}
			if ok && x.Name == "store" && slices.Contains(roles, n.Sel.Name) {
				t.Errorf("%s: store.%s; a pure package says what it lacks (ledger.Needs), and the engine fetches it", fset.Position(n.Pos()), n.Sel.Name)
			}
		}
		return true
	})
}
