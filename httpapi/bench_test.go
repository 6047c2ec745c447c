package httpapi

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// seedTree makes a customer whose tree has five levels, each with a limit, and leaves
// below the last.
func (s *testServer) seedTree(leaves int) {
	s.t.Helper()
	levels := []string{"org", "department", "team", "user", "agent"}
	var types, entities, limits []string
	for i, level := range levels {
		types = append(types, fmt.Sprintf(`{"id":%q,"displayName":%q,"attributionKeys":["%sId"]}`, level, level, level))
		parent := "null"
		if i > 0 {
			parent = `"` + levels[i-1] + `-0"`
		}
		for n := range leaves {
			if n == 0 || i == len(levels)-1 {
				entities = append(entities, fmt.Sprintf(`{"id":"%s-%d","entityTypeId":%q,"parentId":%s}`, level, n, level, parent))
				limits = append(limits, fmt.Sprintf(`{"entityId":"%s-%d","featureId":"tokens","usageLimit":1000000,"cadence":"P1M"}`, level, n))
			}
		}
	}
	s.admin("PUT", "/api/v1/entity-types", `{"types":[`+strings.Join(types, ",")+`]}`)
	s.admin("POST", "/api/v1/features", `{"id":"tokens","displayName":"Tokens","featureType":"NUMBER"}`)
	s.admin("POST", "/api/v1/customers", `{"id":"acme"}`)
	s.admin("PUT", "/api/v1/customers/acme/entities", `{"entities":[`+strings.Join(entities, ",")+`]}`)
	s.admin("PUT", "/api/v1/customers/acme/assignments", `{"assignments":[`+strings.Join(limits, ",")+`]}`)
}

// BenchmarkCheck is a check of one agent under five limits, with a stored key, without
// the connection.
func BenchmarkCheck(b *testing.B) {
	s := newTestServer(b)
	s.seedTree(50)
	_, key := s.newKey("runtime")
	r := &http.Request{Method: "GET", Header: http.Header{"X-Api-Key": {key}}, RemoteAddr: "192.0.2.1:1"}
	r.URL, _ = url.Parse("/api/v1/customers/acme/entitlements/check?featureId=tokens&requestedUsage=5&dimensions[agentId]=agent-7")
	w := &discardWriter{header: http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		clear(w.header)
		s.api.ServeHTTP(w, r)
	}
	if w.status != 200 {
		b.Fatal(w.status)
	}
}

// BenchmarkCheckParse is the part of a check that finds out what is asked.
func BenchmarkCheckParse(b *testing.B) {
	q := &request{r: &http.Request{URL: &url.URL{RawQuery: "featureId=tokens&requestedUsage=5&dimensions%5BagentId%5D=agent-7"}}}
	b.ReportAllocs()
	for b.Loop() {
		q.query = q.query[:0]
		var in checkInput
		if err := q.parseCheck(&in); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDecodeUsage is the decoding of a report of 100 items.
func BenchmarkDecodeUsage(b *testing.B) {
	item := `{"customerId":"acme","featureId":"tokens","value":12.5,"dimensions":{"agentId":"agent-7","model":"m"},"idempotencyKey":"k0123456789","createdAt":"2026-09-14T10:22:31Z"}`
	body := `{"usages":[` + strings.Repeat(item+",", 99) + item + `]}`
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if _, err := decodeFor[usageIn](b, body); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkReport is a report of n items, recorded, without the connection.
func BenchmarkReport(b *testing.B) {
	for _, n := range []int{1, 100} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := newTestServer(b)
			s.seedTree(50)
			item := `{"customerId":"acme","featureId":"tokens","value":1,"dimensions":{"agentId":"agent-7"}}`
			body := `{"usages":[` + strings.Repeat(item+",", n-1) + item + `]}`
			r := &http.Request{Method: "POST", RemoteAddr: "192.0.2.1:1", ContentLength: int64(len(body)),
				Header: http.Header{"X-Api-Key": {testAdminKey}, "Content-Type": {"application/json"}}}
			r.URL, _ = url.Parse("/api/v1/usage")
			w := &discardWriter{header: http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				clear(w.header)
				r.Body = io.NopCloser(strings.NewReader(body))
				s.api.ServeHTTP(w, r)
			}
			if w.status != 201 {
				b.Fatal(w.status)
			}
		})
	}
}
