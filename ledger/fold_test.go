package ledger_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"testing"
)

// TestEveryKindIsFolded finds kinds of records that can be read and that nothing folds: such as
// one of before, whose type has another name now: no test has a log as old as that.
func TestEveryKindIsFolded(t *testing.T) {
	var read, folded []string
	each(t, "../record/payload.go", func(n ast.Node) {
		if call, ok := n.(*ast.CallExpr); ok && len(call.Args) == 1 && named(call.Fun) == "new" {
			read = append(read, named(call.Args[0]))
		}
	})
	each(t, "fold.go", func(n ast.Node) {
		if c, ok := n.(*ast.CaseClause); ok {
			for _, x := range c.List {
				if p, ok := x.(*ast.StarExpr); ok {
					folded = append(folded, named(p.X))
				}
			}
		}
	})
	if len(read) < 30 {
		t.Fatalf("only %d kinds were found in record/payload.go", len(read))
	}
	for _, kind := range read {
		if kind != "Catalogue" && !slices.Contains(folded, kind) { // its log is folded by catalogue
			t.Errorf("a log may have a %s, and nothing says what it changes: no case in fold.go", kind)
		}
	}
}

func each(t *testing.T, file string, visit func(ast.Node)) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(f, func(n ast.Node) bool {
		visit(n)
		return true
	})
}

// named is a name without its package.
func named(x ast.Expr) string {
	switch x := x.(type) {
	case *ast.Ident:
		return x.Name
	case *ast.SelectorExpr:
		return x.Sel.Name
	}
	return ""
}
