package httpapi

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// TestCompressed: long replies are gzip for who takes that and say so, short ones and
// those with secrets are not, and what is in them is the same.
func TestCompressed(t *testing.T) {
	s := newTestServer(t)
	for i := range 60 {
		s.admin("POST", "/api/v1/features", fmt.Sprintf(`{"id":"f%d","displayName":"F","featureType":"NUMBER"}`, i))
	}
	get := func(path, accept string) (*http.Response, string) {
		q, err := http.NewRequest("GET", s.URL+"/api/v1"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		q.Header.Set("X-API-KEY", testAdminKey)
		if accept != "" {
			q.Header.Set("Accept-Encoding", accept)
		}
		r, err := (&http.Transport{DisableCompression: true}).RoundTrip(q)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		var from io.Reader = r.Body
		if r.Header.Get("Content-Encoding") == "gzip" {
			if from, err = gzip.NewReader(r.Body); err != nil {
				t.Fatal(err)
			}
		}
		b, err := io.ReadAll(from)
		if err != nil {
			t.Fatal(err)
		}
		return r, string(b)
	}
	_, plain := get("/features?limit=100", "")
	if len(plain) < minCompressed {
		t.Fatalf("the list has only %d bytes", len(plain))
	}
	for accept, want := range map[string]string{"": "", "identity": "", "gzip": "gzip", "br, gzip;q=0.5": "gzip", "GZIP": "gzip", "gzip;q=0": "", "gzip;q=0.0, br": ""} {
		r, body := get("/features?limit=100", accept)
		if got := r.Header.Get("Content-Encoding"); got != want || body != plain || !slices.Contains(r.Header.Values("Vary"), "Accept-Encoding") {
			t.Errorf("Accept-Encoding %q: encoding %q, vary %v, same body %v", accept, got, r.Header.Values("Vary"), body == plain)
		}
	}
	if r, _ := get("/features?limit=1", "gzip"); r.Header.Get("Content-Encoding") != "" {
		t.Error("a short reply is compressed")
	}
	for i := range 40 {
		s.admin("POST", "/api/v1/api-keys", fmt.Sprintf(`{"name":"%s %d","scope":"read"}`, strings.Repeat("n", 90), i))
	}
	if r, body := get("/api-keys?limit=100", "gzip"); r.Header.Get("Content-Encoding") != "" || len(body) < minCompressed {
		t.Errorf("a list of %d bytes beside secrets has the encoding %q", len(body), r.Header.Get("Content-Encoding"))
	}
}
