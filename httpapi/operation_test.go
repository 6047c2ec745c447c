package httpapi

import (
	"slices"
	"strings"
	"testing"

	"github.com/bursarhq/bursar"
)

// TestRoutesAgreeWithTheirOperations: a row whose operation cannot keep what its access
// promises, or reads another path, is refused when the table is made: no route can write
// without a caller and a key, and none that only reads may be used to write.
func TestRoutesAgreeWithTheirOperations(t *testing.T) {
	a := &API{}
	feature, change := read(a.getFeature, viewFeature), write(a.archiveFeature, viewFeature)
	for _, c := range []struct {
		why string
		row row
	}{
		{"a read that may write", row{"POST", "/features/{featureId}", v1, writes, 200, feature, ""}},
		{"a write that a key of scope read may use", row{"POST", "/features/{featureId}", v1, shows, 200, change, ""}},
		{"a write by GET", row{"GET", "/features/{featureId}", v1, writes, 200, change, ""}},
		{"by hand", row{"POST", "/features", v1, writes, 201, raw[nothing, nothing](a.serveOpenAPI), ""}},
		{"no parameter", row{"GET", "/features", v1, shows, 200, feature, ""}},
		{"another parameter", row{"GET", "/features/{currencyId}", v1, shows, 200, feature, ""}},
		{"one more", row{"GET", "/x/{customerId}/y/{featureId}", v1, shows, 200, feature, ""}},
		{"another order", row{"GET", "/usage/{featureId}/history/{customerId}", v1, reads, 200, read(a.usageHistory, viewHistory), ""}},
	} {
		if !panics(func() { newRoute(c.row) }) {
			t.Errorf("%s: taken", c.why)
		}
	}
	newRoute(row{"GET", "/features/{featureId}", v1, shows, 200, feature, ""})
	newRoute(row{"POST", "/features/{featureId}", v1, writes, 200, change, ""})
}

func panics(f func()) (yes bool) {
	defer func() { yes = recover() != nil }()
	f()
	return false
}

// byHand are the routes that no kind of operation serves.
var byHand = []string{entitlements + "/check", streamPattern, "/readyz", "/metrics", "/openapi.json"}

// TestFewRoutesAreByHand: a handler that reads and writes by itself is the exception; a new
// one is noted here, and says why where it is.
func TestFewRoutesAreByHand(t *testing.T) {
	for _, r := range (&API{}).routes() {
		if r.byHand != slices.Contains(byHand, r.pattern) {
			t.Errorf("%s %s: by hand is %v", r.method, r.pattern, r.byHand)
		}
	}
}

// TestPathIsBound: parameters of the path arrive in their fields, decoded, in the order of
// the pattern, however deep they are embedded.
func TestPathIsBound(t *testing.T) {
	_, q, err := routeFor("DELETE", "/api/v1/customers/a%2Fb/assignments/x%7Cy/boosts/z?customerId=other")
	if err != nil {
		t.Fatal(err)
	}
	in, err := boundFor[boostEnd](q)
	if err != nil || in.CustomerID != "a/b" || in.AssignmentID != "x|y" || in.BoostID != "z" {
		t.Errorf("%+v %v", in, err)
	}
	// A parameter of the query may have the name of one of the path.
	_, q, _ = routeFor("GET", "/api/v1/usage/acme/history/tokens?featureId=credits&startDate=2026-09-01T00:00:00Z")
	history, err := boundFor[historyQuery](q)
	if err != nil || history.CustomerID != "acme" || history.FeatureID != "tokens" {
		t.Errorf("%+v %v", history, err)
	}
	if s := shapeOfInput[historyQuery](); s.parameter("featureId") != nil || s.requires() || s.hasAny {
		t.Error("a parameter of the path counts as one of the query, or as a member of the body")
	}
}

// TestItemKeys: an item has its own key, else that of the header with its number.
func TestItemKeys(t *testing.T) {
	own := "mine"
	header := func(key string) *itemKeys {
		_, q, err := routeFor("POST", "/api/v1/usage")
		if err != nil {
			t.Fatal(err)
		}
		if key != "" {
			q.r.Header.Set("Idempotency-Key", key)
		}
		return &itemKeys{q: q}
	}
	keys := header("k")
	for _, c := range []struct {
		own  *string
		i    int
		want string
	}{{&own, 3, "mine"}, {nil, 3, "k#3"}, {nil, -1, "k"}} {
		if got := keys.required(c.own, c.i, ""); got != c.want || keys.wrong() != nil {
			t.Errorf("item %d: %q %v", c.i, got, keys.wrong())
		}
	}
	keys = header("")
	if got := keys.of(nil, 0); got != "" || keys.wrong() != nil {
		t.Errorf("without: %q %v", got, keys.wrong())
	}
	if keys.required(nil, 1, "/events/1"); places(keys.wrong().(*bursar.Error)) != "ValidationFailed /events/1/idempotencyKey" {
		t.Errorf("required: %v", keys.wrong())
	}
	keys = header(strings.Repeat("k", bursar.MaxKeyLen))
	keys.problems.Add("/x", bursar.CodeValidationFailed, "of an item")
	if keys.of(nil, 0); keys.wrong() == nil || !strings.Contains(keys.wrong().Error(), "too long") {
		t.Errorf("too long: %v", keys.wrong())
	}
}
