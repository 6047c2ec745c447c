package httpapi

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"testing"

	"github.com/bursarhq/bursar"
)

// Each code of an error says whose fault it is: 500 is Bursar's own.
func TestCodesHaveAStatus(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "../error.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	reasons := map[bursar.Code]bool{ // of a denial that is a reply, never an error
		bursar.CodeUnknown: true, bursar.CodeFeatureTypeMismatch: true,
	}
	n := 0
	ast.Inspect(file, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		n++
		if code := bursar.Code(text); statusOf(code) == 500 && code != bursar.CodeInternal && !reasons[code] {
			t.Errorf("%s is answered 500", code)
		}
		return true
	})
	if n < 50 {
		t.Errorf("only %d codes were found", n)
	}
}
