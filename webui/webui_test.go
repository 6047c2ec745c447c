package webui

import (
	"compress/gzip"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
)

var built = fstest.MapFS{
	"console.html":          {Data: []byte("<title>console</title>")},
	"embed.html":            {Data: []byte("<title>embed</title>")},
	"embed.js":              {Data: []byte("customElements.define(1)")},
	"favicon.svg":           {Data: []byte("<svg/>")},
	"assets/index-abc1.js":  {Data: []byte(strings.Repeat("export default 1;", 100))},
	"assets/index-abc1.css": {Data: []byte("a{}")},
}

func ask(h http.Handler, method, target string, headers ...string) *http.Response {
	r := httptest.NewRequest(method, "/", nil)
	r.URL.Path = target
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func textOf(t *testing.T, resp *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

var api = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("api")) })

// TestPaths: what is served where, and that all else is the API's.
func TestPaths(t *testing.T) {
	h := newHandler(Options{}, built, api)
	for target, want := range map[string]string{
		"/": "<title>console</title>", "/console": "<title>console</title>", "/console/": "<title>console</title>", "/console/customers/acme": "<title>console</title>",
		"/embed": "<title>embed</title>", "/embed/tree": "<title>embed</title>", "/embed.js": "customElements.define(1)", "/favicon.svg": "<svg/>",
		"/assets/index-abc1.css": "a{}",
		"/assets/":               "api", "/assets": "api", "/assets/missing.js": "api", "/assets/../console.html": "api", "/console.html": "api", "/embed.html": "api",
		"/api/v1/customers": "api", "/healthz": "api", "/consoles": "api", "/embedded": "api", "/..": "api", "//": "api", "": "api", "/dist/embed.js": "api",
		"/assets/..%2fconsole.html": "api", "/\x00": "api",
	} {
		if got := textOf(t, ask(h, "GET", target)); got != want {
			t.Errorf("%q: %s", target, got)
		}
	}
	if got := ask(h, "POST", "/"); got.StatusCode != 405 || got.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("POST /: %d", got.StatusCode)
	}
	if got := ask(h, "HEAD", "/"); got.StatusCode != 200 || textOf(t, got) != "" || got.Header.Get("Content-Length") == "" {
		t.Errorf("HEAD /: %d %v", got.StatusCode, got.Header)
	}
	without := newHandler(Options{NoConsole: true}, built, api)
	for target, want := range map[string]string{"/": "api", "/console": "api", "/console/x": "api", "/embed": "<title>embed</title>"} {
		if got := textOf(t, ask(without, "GET", target)); got != want {
			t.Errorf("without the console, %s: %s", target, got)
		}
	}
}

// TestHeaders: what pages may load, who may frame them, what may be kept.
func TestHeaders(t *testing.T) {
	closed := newHandler(Options{}, built, api)
	open := newHandler(Options{EmbedOrigins: []string{"https://app.example.com", "https://*.example.org"}}, built, api)
	for _, c := range []struct {
		h                  *handler
		path, frames, deny string
	}{
		{closed, "/", "'none'", "DENY"}, {closed, "/embed", "'none'", "DENY"},
		{open, "/console/x", "'none'", "DENY"}, {open, "/embed", "https://app.example.com https://*.example.org", ""},
	} {
		got := ask(c.h, "GET", c.path).Header
		csp := got.Get("Content-Security-Policy")
		if !strings.HasPrefix(csp, "default-src 'none'; script-src 'self';") || !strings.HasSuffix(csp, "; frame-ancestors "+c.frames) || strings.Contains(csp, "unsafe") {
			t.Errorf("%s: %s", c.path, csp)
		}
		if got.Get("X-Frame-Options") != c.deny || got.Get("Cache-Control") != "no-cache" {
			t.Errorf("%s: %v", c.path, got)
		}
	}
	for path, cache := range map[string]string{
		"/": "no-cache", "/embed.js": "public, max-age=300", "/assets/index-abc1.js": "public, max-age=31536000, immutable", "/favicon.svg": "no-cache",
	} {
		got := ask(open, "GET", path).Header
		if got.Get("Cache-Control") != cache || got.Get("X-Content-Type-Options") != "nosniff" || got.Get("Referrer-Policy") != "no-referrer" || got.Get("Content-Type") == "" {
			t.Errorf("%s: %v", path, got)
		}
	}
	if got := ask(open, "GET", "/embed.js").Header; got.Get("Access-Control-Allow-Origin") != "*" || !strings.HasPrefix(got.Get("Content-Type"), "text/javascript") {
		t.Errorf("%v", got)
	}
}

func TestConditionalAndCompressed(t *testing.T) {
	h := newHandler(Options{}, built, api)
	first := ask(h, "GET", "/assets/index-abc1.js")
	again := ask(h, "GET", "/assets/index-abc1.js", "If-None-Match", first.Header.Get("ETag"))
	if again.StatusCode != 304 || textOf(t, again) != "" {
		t.Errorf("%d", again.StatusCode)
	}
	for accept, want := range map[string]string{"gzip": "gzip", "br, gzip;q=0.5": "gzip", "br": "", "": "", "gzip;q=0": "", "gzip; q=0.0": ""} {
		got := ask(h, "GET", "/assets/index-abc1.js", "Accept-Encoding", accept)
		if got.Header.Get("Content-Encoding") != want {
			t.Errorf("%q: %v", accept, got.Header)
			continue
		}
		if want == "" {
			continue
		}
		z, err := gzip.NewReader(got.Body)
		if err != nil {
			t.Fatal(err)
		}
		if text, _ := io.ReadAll(z); string(text) != string(built["assets/index-abc1.js"].Data) {
			t.Errorf("%q: %s", accept, text)
		}
	}
}

// TestBuilt: what is in the binary has the pages that are served.
func TestBuilt(t *testing.T) {
	h := Handler(Options{}, api)
	for _, path := range []string{"/", "/embed", "/embed.js"} {
		if got := ask(h, "GET", path); got.StatusCode != 200 || textOf(t, got) == "api" {
			t.Errorf("%s is not in dist", path)
		}
	}
	err := fs.WalkDir(dist, "dist", func(name string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(name, ".html") {
			text, _ := fs.ReadFile(dist, name)
			for _, inline := range []string{"<script>", "<style>", " style=", " onclick="} {
				if strings.Contains(string(text), inline) {
					t.Errorf("%s has %q, which its policy forbids", name, inline)
				}
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
