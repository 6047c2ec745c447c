package httpapi

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/bursarhq/bursar"
)

func routeFor(method, target string) (*route, *request, error) {
	r := httptest.NewRequest(method, "/", nil)
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return nil, nil, err
	}
	r.URL = u
	q := &request{r: r, w: httptest.NewRecorder()}
	found, err := testRouter.route(q)
	return found, q, err
}

var testRouter = newRouter((&API{}).routes())

func TestRouter(t *testing.T) {
	for _, c := range []struct{ method, target, pattern, params string }{
		{"GET", "/api/v1/customers/acme", "/customers/{customerId}", "acme"},
		{"GET", "/api/v1/customers/a|b@c.d-e_f", "/customers/{customerId}", "a|b@c.d-e_f"},
		{"GET", "/api/v1/customers/a%7Cb%40c", "/customers/{customerId}", "a|b@c"},
		{"GET", "/api/v1/customers/a%2Fb", "/customers/{customerId}", "a/b"},
		{"GET", "/api/v1/customers/a%252Fb", "/customers/{customerId}", "a%2Fb"},
		{"GET", "/api/v1/customers/%2e%2e", "/customers/{customerId}", ".."},
		{"GET", "/%61pi/v1/features", "/features", ""},
		{"HEAD", "/api/v1/features", "/features", ""},
		{"GET", "/api/v1-beta/customers/x/entities/user|1", "/customers/{customerId}/entities/{entityId}", "x,user|1"},
		{"GET", "/api/v1-beta/customers/x/entities/entitlements", "/customers/{customerId}/entities/entitlements", "x"},
		{"GET", "/api/v1/customers/x/entities/archive", "/customers/{customerId}/entities/{entityId}", "x,archive"},
		{"POST", "/api/v1/customers/x/entities/archive", "/customers/{customerId}/entities/archive", "x"},
		{"GET", "/api/v1/customers/x/entities/entitlements/y", "/customers/{customerId}/entities/entitlements/{assignmentId}", "x,y"},
		{"GET", "/api/v1/customers/x/entities/e/usage", "/customers/{customerId}/entities/{entityId}/usage", "x,e"},
		{"GET", "/api/v1/usage/x/history/f", "/usage/{customerId}/history/{featureId}", "x,f"},
		{"POST", "/api/v1/customers/x/reservations/y/commit", "/customers/{customerId}/reservations/{reservationId}/commit", "x,y"},
		{"GET", "/api/v1/rate-cards/unpriced", "/rate-cards/unpriced", ""},
		{"GET", "/api/v1/rate-cards/unpricedx", "/rate-cards/{rateCardId}", "unpricedx"},
		{"POST", "/api/v1/rate-cards/unpriced/archive", "/rate-cards/{rateCardId}/archive", "unpriced"},
		{"DELETE", "/api/v1/customers/x/assignments/y/boosts/z", "/customers/{customerId}/assignments/{assignmentId}/boosts/{boostId}", "x,y,z"},
		{"GET", "/api/v1/customers/x/entities/entitlements/y/boosts", "/customers/{customerId}/entities/entitlements/{assignmentId}/boosts", "x,y"},
		{"POST", "/api/v1/webhooks/w/deliveries/d/redeliver", "/webhooks/{webhookId}/deliveries/{deliveryId}/redeliver", "w,d"},
		{"GET", "/healthz", "/healthz", ""},
	} {
		r, q, err := routeFor(c.method, c.target)
		if err != nil {
			t.Errorf("%s %s: %v", c.method, c.target, err)
			continue
		}
		if got := strings.TrimRight(strings.Join(q.path[:], ","), ","); r.pattern != c.pattern || got != c.params {
			t.Errorf("%s %s: %s %s", c.method, c.target, r.pattern, got)
		}
	}
}

func TestRouterRefuses(t *testing.T) {
	for _, target := range []string{
		"/", "/api", "/api/v1", "/api/v1/", "/api/v1/customers/", "/api/v1/customers//entities", "//api/v1/customers", "/api/v1/customers/acme/",
		"/api/v1/../v1/customers", "/api/v1/./customers", "/api/v2/customers", "/v1/customers", "/api/v1-beta/customers", "/api/v1-beta/features",
		"/api/v1-beta/customers/x/assignments/y", "/api/v1/customers/x/events", "/api/v1/events/x", "/api/v1/healthz", "/healthz/x",
		"/api/v1/customers/x/entities/y/z/usage", "/api/v1/Customers", "/api/v1-beta/rate-cards", "/api/v1-beta/credits/grants",
		"/api/v1-beta/customers/x/promotional-entitlements", "/api/v1-beta/customers/x/assignments/y/boosts", "/api/v1-beta/webhooks",
	} {
		r, _, err := routeFor("GET", target)
		if e, ok := err.(*bursar.Error); !ok || e.Code != bursar.CodeNotFound {
			t.Errorf("%s: %v %v", target, r, err)
		}
	}
	for target, allow := range map[string]string{
		"/api/v1/features":                       "GET, POST",
		"/api/v1/customers/x/assignments/y":      "DELETE, GET",
		"/api/v1-beta/customers/x/assignments":   "GET, PUT",
		"/api/v1/customers/x/entities/unarchive": "GET, PATCH, POST",
		"/api/v1/usage":                          "POST",
	} {
		_, q, err := routeFor("OPTIONS", target)
		e, ok := err.(*bursar.Error)
		if got := q.w.Header().Get("Allow"); !ok || e.Code != bursar.CodeMethodNotAllowed || got != allow {
			t.Errorf("%s: %v, Allow: %s", target, err, got)
		}
	}
}

func FuzzRouter(f *testing.F) {
	f.Add("GET", "/api/v1/customers/acme/entities/a%2Fb")
	f.Add("POST", "/api/v1//customers/%zz/%")
	f.Fuzz(func(t *testing.T, method, path string) {
		r := &http.Request{Method: method}
		r.URL = httptest.NewRequest("GET", "/", nil).URL
		r.URL.Path, r.URL.RawPath = path, path
		q := &request{r: r, w: httptest.NewRecorder()}
		found, err := testRouter.route(q)
		if (found == nil) == (err == nil) {
			t.Fatal("neither a route nor an error")
		}
		if found == nil {
			return
		}
		for i, param := range q.path {
			if i < strings.Count(found.pattern, "{") && param == "" {
				t.Fatalf("an empty parameter in %s", path)
			}
		}
	})
}
