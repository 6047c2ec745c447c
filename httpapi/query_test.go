package httpapi

import (
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
)

// bindFor reads a raw query as the input T.
func bindFor[T any](raw string) (T, *bursar.Error) {
	v, err := boundFor[T](&request{r: &http.Request{URL: &url.URL{RawQuery: raw}}})
	e, _ := err.(*bursar.Error)
	return v, e
}

// boundFor reads the parameters of q as the input T.
func boundFor[T any](q *request) (v T, err error) {
	var problems bursar.Problems
	if err := q.parseQuery(); err != nil {
		return v, err
	}
	q.bind(shapeOfInput[T](), reflect.ValueOf(&v).Elem(), &problems)
	return v, problems.Err()
}

func shapeOfInput[T any]() *shape { return shapeOf(reflect.TypeFor[T]()) }

func TestQueryLists(t *testing.T) {
	want := []string{"a", "b", "c"}
	for _, raw := range []string{
		"featureIds=a&featureIds=b&featureIds=c", "featureIds=a,b,c", "featureIds=a%2Cb%2Cc", "featureIds=a%2cb&featureIds=c",
		"featureIds[]=a&featureIds[]=b&featureIds[]=c", "featureIds%5B%5D=a&featureIds%5B%5D=b,c",
		"featureIds[0]=a&featureIds[1]=b&featureIds[2]=c", "featureIds%5B0%5D=a&featureIds%5B1%5D=b%2Cc", "featureIds=a,,b,c,",
		"featureIds=a&x=y&featureIds=b,c&featureIds=",
	} {
		in, err := bindFor[treeQuery](raw)
		if err != nil || !slices.Equal(in.FeatureIDs, want) {
			t.Errorf("%s: %v %v", raw, in.FeatureIDs, err)
		}
	}
	if _, err := bindFor[treeQuery]("featureIds[x]=a"); places(err) != "ValidationFailed ?featureIds" {
		t.Errorf("a list with a name: %v", err)
	}
	if _, err := bindFor[treeQuery]("featureIds=" + strings.Repeat("a,", 101)); places(err) != "ValidationFailed ?featureIds" {
		t.Errorf("a long list: %v", err)
	}
}

func TestQueryScalars(t *testing.T) {
	in, err := bindFor[treeQuery]("order=asc&depth=3&minUtilization=0.8&includeArchived=true&entityIdSearch=a+b%25&label=daily&unknown=1&rootEntityId=")
	if err != nil {
		t.Fatal(err)
	}
	if in.Order != "asc" || *in.Depth != 3 || in.MinUtilization.String() != "0.8" || !in.IncludeArchived || in.Search != "a b%" || *in.Label != "daily" {
		t.Errorf("%+v", in)
	}
	if in.Limit != 100 || in.SortBy != ledger.SortUtilization || in.Scope != ledger.ScopeAll || in.ParentID != nil {
		t.Errorf("defaults: %+v", in)
	}
	for raw, want := range map[string]string{
		"limit=0":                   "ValidationFailed ?limit",
		"limit=1001":                "ValidationFailed ?limit",
		"limit=ten":                 "ValidationFailed ?limit",
		"limit=9e99":                "ValidationFailed ?limit",
		"limit=1&limit=2":           "ValidationFailed ?limit",
		"limit[]=1":                 "ValidationFailed ?limit",
		"depth=-1":                  "ValidationFailed ?depth",
		"includeArchived=yes":       "ValidationFailed ?includeArchived",
		"minUtilization=-1":         "InvalidAmount ?minUtilization",
		"minUtilization=NaN":        "InvalidAmount ?minUtilization",
		"minUtilization=1e400":      "InvalidAmount ?minUtilization",
		"minUtilization=%225%22":    "InvalidAmount ?minUtilization",
		"sortBy=usage":              "ValidationFailed ?sortBy",
		"order=up&scope=wide":       "ValidationFailed ?scope, ValidationFailed ?order",
		"minVersion=-1":             "ValidationFailed ?minVersion",
		"maxStalenessMs=1.5":        "ValidationFailed ?maxStalenessMs",
		"limit=%zz":                 "ValidationFailed ?limit",
		"%zz=1":                     "ValidationFailed ?",
		strings.Repeat("a=1&", 1e4): "ValidationFailed ?",
	} {
		_, err := bindFor[treeQuery](raw)
		if got := places(err); got != want {
			t.Errorf("%.40s: got %q, want %q (%v)", raw, got, want, err)
		}
	}
}

func TestQueryRange(t *testing.T) {
	in, err := bindFor[customerList]("createdAt[gt]=2026-01-01T00:00:00Z&createdAt%5Blte%5D=2026-02-01T00:00:00%2B01:00")
	if err != nil {
		t.Fatal(err)
	}
	from, to := in.CreatedAt.bounds()
	if from.String() != "2026-01-01T00:00:00.000Z" || from%1e6 != 1 || to.String() != "2026-01-31T23:00:00.000Z" || to%1e6 != 1 {
		t.Errorf("%v %v", from, to)
	}
	in, _ = bindFor[customerList]("createdAt[gte]=2026-01-01T00:00:00Z&createdAt[lt]=2026-02-01T00:00:00Z")
	if from, to := in.CreatedAt.bounds(); from%1e6 != 0 || to%1e6 != 0 || from >= to {
		t.Errorf("%v %v", from, to)
	}
	for raw, want := range map[string]string{
		"createdAt[gt]=monday":                  "ValidationFailed ?createdAt[gt]",
		"createdAt[after]=2026-01-01T00:00:00Z": "ValidationFailed ?createdAt",
		"createdAt=2026-01-01T00:00:00Z":        "ValidationFailed ?createdAt",
	} {
		if _, err := bindFor[customerList](raw); places(err) != want {
			t.Errorf("%s: %v", raw, err)
		}
	}
}

func checkFor(raw string) (checkInput, error) {
	q := &request{r: &http.Request{URL: &url.URL{RawQuery: raw}}}
	var in checkInput
	err := q.parseCheck(&in)
	return in, err
}

func TestQueryDimensions(t *testing.T) {
	want := []bursar.Dimension{{Key: "userId", Value: "u1,u2"}, {Key: "a.b", Value: "x y"}}
	for _, raw := range []string{
		"featureId=f&dimensions[userId]=u1,u2&dimensions[a.b]=x%20y", "featureId=f&dimensions%5BuserId%5D=u1%2Cu2&dimensions%5Ba.b%5D=x+y",
		"featureId=f&dimensions.userId=u1,u2&dimensions.a.b=x+y", "featureId=f&dimensions=" + url.QueryEscape(`{"userId":"u1,u2","a.b":"x y"}`),
	} {
		in, err := checkFor(raw)
		if err != nil || !reflect.DeepEqual(in.Dimensions, want) {
			t.Errorf("%s: %v %v", raw, in.Dimensions, err)
		}
	}
	in, err := checkFor(`featureId=f&dimensions={"n":1.50,"b":true}`)
	if err != nil || in.Dimensions[0] != (bursar.Dimension{Key: "n", Value: "1.5", Kind: bursar.DimNumber}) || in.Dimensions[1].Kind != bursar.DimBool {
		t.Errorf("JSON: %+v %v", in.Dimensions, err)
	}
	if in, _ := checkFor("featureId=f"); in.Dimensions != nil {
		t.Error("no dimensions were given")
	}
	if in, _ := checkFor("featureId=f&dimensions={}"); in.Dimensions == nil {
		t.Error("dimensions were given, though none")
	}
}

func TestQueryCheck(t *testing.T) {
	in, err := checkFor("featureId=tokens&requestedUsage=2.5e1&minVersion=7&maxStalenessMs=500&currencyId=&resourceId=")
	if err != nil || in.Capability.ID != "tokens" || in.Requested.String() != "25" || in.fresh.MinVersion != 7 || in.fresh.MaxStalenessMs != 500 || in.refusal != "" {
		t.Errorf("%+v %v", in, err)
	}
	if in, err := checkFor("currencyId=credits"); err != nil || in.Capability.Kind != bursar.KindCurrency || in.Requested != bursar.AmountFromInt(1) {
		t.Errorf("%+v %v", in, err)
	}
	for raw, want := range map[string]string{
		"":                                                       "ValidationFailed ?featureId",
		"featureId=a&currencyId=b":                               "ValidationFailed ?featureId",
		"featureId=a&featureId=b":                                "ValidationFailed ?featureId",
		"featureId=a&requestedUsage=-1":                          "InvalidAmount ?requestedUsage",
		"featureId=a&requestedUsage=NaN":                         "InvalidAmount ?requestedUsage",
		"featureId=a&requestedUsage=1e400":                       "InvalidAmount ?requestedUsage",
		"featureId=a&requestedUsage=%225%22":                     "InvalidAmount ?requestedUsage",
		"featureId=a&minVersion=x":                               "ValidationFailed ?minVersion",
		"featureId=a&minVersion=1e3":                             "ValidationFailed ?minVersion",
		"featureId=a&maxStalenessMs=-5":                          "ValidationFailed ?maxStalenessMs",
		"featureId=a&dimensions=x":                               "ValidationFailed ?dimensions",
		"featureId=a&dimensions={":                               "ValidationFailed ?dimensions",
		`featureId=a&dimensions={"a":"b"}{}`:                     "ValidationFailed ?dimensions",
		`featureId=a&dimensions={"a":null}`:                      "ValidationFailed ?dimensions",
		"featureId=a&dimensions[b%20c]=d":                        "ValidationFailed ?dimensions[b c]",
		"featureId=a&dimensions[]=d":                             "ValidationFailed ?dimensions[]",
		"featureId=a&dimensions[b]=" + strings.Repeat("x", 1025): "ValidationFailed ?dimensions[b]",
		"featureId=a&dimensions[b]=c&dimensions[b]=d":            "ValidationFailed ?dimensions[b]",
	} {
		_, err := checkFor(raw)
		e, _ := err.(*bursar.Error)
		if got := places(e); got != want {
			t.Errorf("%.60s: got %q, want %q (%v)", raw, got, want, err)
		}
	}
}

// TestCheckQueryDescribed: the reflected query of a check, which the document shows,
// and its own parser agree.
func TestCheckQueryDescribed(t *testing.T) {
	raw := "featureId=f&requestedUsage=3&dimensions[a]=b&minVersion=7&maxStalenessMs=500"
	byShape, err := bindFor[checkQuery](raw)
	if err != nil {
		t.Fatal(err)
	}
	byHand, _ := checkFor(raw)
	if byShape.FeatureID != byHand.Capability.ID || byShape.RequestedUsage != byHand.Requested ||
		!reflect.DeepEqual(byShape.Dimensions, byHand.Dimensions) || byShape.freshness != byHand.fresh {
		t.Errorf("%+v\n%+v", byShape, byHand)
	}
}

// FuzzQuery: every query of every route is bound or refused at a place.
func FuzzQuery(f *testing.F) {
	f.Add("featureId=a&dimensions[userId]=u1&dimensions.team=t&dimensions=%7B%22a%22%3A1%7D")
	f.Add("featureIds=a,b&featureIds[]=c&featureIds[0]=d&limit=5&minUtilization=1e-3")
	f.Add("createdAt[gte]=2026-01-01T00:00:00Z&status=ACTIVE%2CARCHIVED&a[b[c]]=d&.=x&[=]")
	f.Add("%=%&%zz=1&a=%&=&&;x")
	routes := (&API{}).routes()
	f.Fuzz(func(t *testing.T, raw string) {
		checked := func(err error) {
			if err == nil {
				return
			}
			e, ok := err.(*bursar.Error)
			if !ok || len(e.Fields) == 0 || statusOf(e.Code) != 400 {
				t.Fatalf("%v is no answer", err)
			}
			for _, f := range e.Fields {
				if f.Pointer[0] != '?' {
					t.Fatalf("%q points at no parameter", f.Pointer)
				}
			}
		}
		in, err := checkFor(raw)
		checked(err)
		if err == nil && in.Capability.ID == "" {
			t.Fatal("a check of nothing")
		}
		for _, r := range routes {
			q := &request{r: &http.Request{URL: &url.URL{RawQuery: raw}}}
			if err := q.parseQuery(); err != nil {
				checked(err)
				continue
			}
			var problems bursar.Problems
			q.bind(r.shape, reflect.New(r.in).Elem(), &problems)
			checked(problems.Err())
		}
	})
}
