package webui

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
)

// Options say who may use what. The zero value serves the console, and an embedded view
// that nobody may frame.
type Options struct {
	// EmbedOrigins may show /embed in a frame: "https://app.example.com".
	EmbedOrigins []string
	// NoConsole leaves the console out.
	NoConsole bool
}

// Pages of dist, which have paths of their own.
const (
	consolePage = "console.html"
	embedPage   = "embed.html"
	embedScript = "embed.js"
)

// policy is what a page may load: its own origin's scripts, styles, images, fonts and
// API, nothing inline and nothing from elsewhere.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors "

// Handler serves the interface, and sends every other request to next.
func Handler(o Options, next http.Handler) http.Handler {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		panic(err) // the pattern of the embedding has it
	}
	return newHandler(o, files, next)
}

type handler struct {
	files map[string]*file // by path
	pages map[string]*file // by name
	next  http.Handler
	bare  Options
}

// file is one file of dist, ready to be sent.
type file struct {
	tag          string
	plain, small []byte // small is compressed; nil when that saves nothing
	header       http.Header
}

func newHandler(o Options, files fs.FS, next http.Handler) *handler {
	h := &handler{files: map[string]*file{}, pages: map[string]*file{}, next: next, bare: o}
	frames := "'none'"
	if len(o.EmbedOrigins) > 0 {
		frames = strings.Join(o.EmbedOrigins, " ")
	}
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		f := newFile(name, text)
		switch name {
		case consolePage:
			f.guard(policy+"'none'", true)
			f.header.Set("Cross-Origin-Opener-Policy", "same-origin")
			h.pages[name] = f
		case embedPage:
			f.guard(policy+frames, len(o.EmbedOrigins) == 0)
			h.pages[name] = f
		default:
			h.files["/"+name] = f
		}
		return nil
	})
	if err != nil {
		panic(err) // reading what is in the binary does not fail
	}
	return h
}

// kinds are of the files that builds have, whatever the machine thinks of them.
var kinds = map[string]string{
	".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
	".json": "application/json; charset=utf-8", ".svg": "image/svg+xml; charset=utf-8", ".png": "image/png", ".ico": "image/x-icon",
	".woff2": "font/woff2", ".txt": "text/plain; charset=utf-8",
}

// newFile prepares a file. Names under assets/ change with their content, so they may be
// kept for ever; the rest is asked for again.
func newFile(name string, text []byte) *file {
	sum := sha256.Sum256(text)
	f := &file{plain: text, tag: `"` + hex.EncodeToString(sum[:12]) + `"`, header: http.Header{}}
	kind := kinds[path.Ext(name)]
	if kind == "" {
		kind = "application/octet-stream"
	}
	if strings.Contains(kind, "charset") {
		var b bytes.Buffer
		w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression)
		w.Write(text) // to memory: no error
		w.Close()
		if b.Len() < len(text) {
			f.small = b.Bytes()
		}
	}
	f.header.Set("Content-Type", kind)
	f.header.Set("Vary", "Accept-Encoding")
	f.header.Set("X-Content-Type-Options", "nosniff")
	f.header.Set("Referrer-Policy", "no-referrer")
	f.header.Set("ETag", f.tag)
	switch {
	case strings.HasPrefix(name, "assets/"):
		f.header.Set("Cache-Control", "public, max-age=31536000, immutable")
		f.header.Set("Cross-Origin-Resource-Policy", "same-origin")
	case name == embedScript: // the vendor's pages load it from here, also as a module
		f.header.Set("Cache-Control", "public, max-age=300")
		f.header.Set("Cross-Origin-Resource-Policy", "cross-origin")
		f.header.Set("Access-Control-Allow-Origin", "*")
	default:
		f.header.Set("Cache-Control", "no-cache")
	}
	return f
}

// guard sets what a page may do and who may frame it.
func (f *file) guard(csp string, nobody bool) {
	f.header.Set("Content-Security-Policy", csp)
	f.header.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=()")
	if nobody {
		f.header.Set("X-Frame-Options", "DENY")
	}
}

// find is the file at a path; nil when it is not ours. Paths within a page are the page's
// own to tell apart.
func (h *handler) find(p string) *file {
	name := ""
	switch {
	case p == "/", p == "/console", strings.HasPrefix(p, "/console/"):
		if h.bare.NoConsole {
			return nil
		}
		name = consolePage
	case p == "/embed", strings.HasPrefix(p, "/embed/"):
		name = embedPage
	default:
		return h.files[p]
	}
	return h.pages[name]
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f := h.find(r.URL.Path)
	if f == nil {
		h.next.ServeHTTP(w, r)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "this path takes GET", http.StatusMethodNotAllowed)
		return
	}
	f.serve(w, r)
}

func (f *file) serve(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	for name, values := range f.header {
		header[name] = values
	}
	if strings.Contains(r.Header.Get("If-None-Match"), f.tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	text := f.plain
	if f.small != nil && acceptsGzip(r.Header.Get("Accept-Encoding")) {
		text = f.small
		header.Set("Content-Encoding", "gzip")
	}
	header.Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		w.Write(text) // an error means that the client is gone
	}
}

// acceptsGzip reads a list such as "br, gzip;q=0.5".
func acceptsGzip(accept string) bool {
	for one := range strings.SplitSeq(accept, ",") {
		coding, quality, _ := strings.Cut(strings.TrimSpace(one), ";")
		if strings.TrimSpace(coding) == "gzip" {
			return !strings.HasPrefix(strings.ReplaceAll(quality, " ", ""), "q=0") || strings.Trim(strings.ReplaceAll(quality, " ", ""), "q=0.") != ""
		}
	}
	return false
}
