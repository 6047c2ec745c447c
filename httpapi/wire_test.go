package httpapi

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// TestWire plays the scripts of testdata: requests, and the replies that they must get,
// over real connections to a real engine. A step is
//
//	# comments
//	METHOD /path              a line, perhaps with headers behind it
//	{"body": …}
//	----
//	STATUS headers that matter
//	{the reply}
//
// or a command: "advance 1h" moves the clock, "unversioned" leaves X-Bursar-Version out
// from then on (holds expire in the background), "as read" sends the key of that scope
// from then on ("as nobody" none, "as <token-1>" that token), "attempt FAILED 500 text" is what became of every
// webhook delivery that is due. Ids, keys, secrets and cursors differ between runs: they
// are replaced by <id-1>, <key-1>, <token-1>, <secret-1>, <cursor-1> in order of appearance, and
// such a name in a request stands for the text again.
//
// Every reply is checked against openapi.json too. With -update the replies are
// written into the scripts.
func TestWire(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts", err)
	}
	var done sync.Map // routes that a script got a success from
	t.Run("scripts", func(t *testing.T) {
		for _, file := range files {
			t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
				t.Parallel()
				playFile(t, file, &done)
			})
		}
	})
	for _, r := range testRouter.all() {
		if _, ok := done.Load(r); !ok && r.pattern != "/metrics" && r.pattern != "/openapi.json" && r.pattern != streamPattern {
			t.Errorf("no script has a success of %s %s", r.method, r.pattern)
		}
	}
}

func playFile(t *testing.T, file string, done *sync.Map) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	sc := newScript(t)
	sc.done = done
	switch got := sc.play(string(text)); {
	case got == string(text):
	case *update:
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("%s: first difference:\n%s", file, firstDifference(string(text), got))
	}
}

// all is every route of rt.
func (rt *router) all() (routes []*route) {
	var walk func(*node)
	walk = func(n *node) {
		routes = append(routes, n.routes...)
		for _, next := range n.static {
			walk(next)
		}
		if n.param != nil {
			walk(n.param)
		}
	}
	walk(&rt.root)
	return routes
}

func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range g {
		if i >= len(w) || w[i] != g[i] {
			from := max(0, i-12)
			return fmt.Sprintf("line %d\n--- want\n%s\n--- got\n%s", i+1, strings.Join(w[min(from, len(w)):min(i+3, len(w))], "\n"), strings.Join(g[from:min(i+3, len(g))], "\n"))
		}
	}
	return "the end is missing"
}

// script is one run of a file.
type script struct {
	t           testing.TB
	s           *testServer
	schemas     schemas
	done        *sync.Map
	unversioned bool
	keys        map[string]string
	as          string
	names       map[string]string // volatile text to its name
	texts       map[string]string // and back
	counts      map[string]int
}

func newScript(t testing.TB) *script {
	sc := &script{t: t, s: newTestServer(t), keys: map[string]string{"nobody": "", "admin": testAdminKey, "wrong": "bsk_0_0"}, as: "admin",
		names: map[string]string{}, texts: map[string]string{}, counts: map[string]int{}}
	for _, scope := range []string{"full", "runtime", "read"} {
		_, sc.keys[scope] = sc.s.newKey(scope)
		sc.s.clock.advance(time.Second) // so that they are listed in this order
	}
	var err error
	if sc.schemas, err = loadSchemas(); err != nil {
		t.Fatal(err)
	}
	return sc
}

// play runs text and returns it with the replies that came.
func (sc *script) play(text string) string {
	var out []string
	for block := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		out = append(out, sc.step(block))
	}
	return strings.Join(out, "\n\n") + "\n"
}

func (sc *script) step(block string) string {
	request, _, _ := strings.Cut(block, "\n----")
	var lines []string
	for line := range strings.SplitSeq(request, "\n") {
		word, rest, _ := strings.Cut(line, " ")
		switch {
		case strings.HasPrefix(line, "#"):
		case word == "advance":
			d, err := time.ParseDuration(rest)
			if err != nil {
				sc.t.Fatal(err)
			}
			sc.s.clock.advance(d)
		case word == "attempt":
			sc.s.attempt(rest)
		case word == "unversioned":
			sc.unversioned = true
		case word == "as":
			if text, ok := sc.texts[rest]; ok {
				sc.keys[rest] = text
			}
			if _, ok := sc.keys[rest]; !ok {
				sc.t.Fatalf("no key %q", rest)
			}
			sc.as = rest
		default:
			lines = append(lines, line)
		}
	}
	if len(lines) == 0 {
		return request
	}
	return request + "\n----\n" + sc.exchange(lines)
}

var (
	nameRE     = regexp.MustCompile(`<(id|key|token|secret|cursor|rev)-\d+>`)
	volatileRE = regexp.MustCompile(`bst_[\w-]+|tok-[0-9a-f]{32}|eyJ[\w-]+\.[\w-]+\.[\w-]+|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|bsk_[0-9a-f]+(_[0-9a-f]+)?|whsec_[A-Za-z0-9+/=]+|\br?[0-9a-f]{16}|"(next|prev)": "[A-Za-z0-9_-]+"`)
)

func (sc *script) exchange(lines []string) string {
	for i := range lines {
		lines[i] = nameRE.ReplaceAllStringFunc(lines[i], func(name string) string { return sc.texts[name] })
	}
	method, target, _ := strings.Cut(lines[0], " ")
	headers := []string{"X-Request-Id: test"}
	if key := sc.keys[sc.as]; key != "" {
		headers = append(headers, "X-API-KEY: "+key)
	}
	body := lines[1:]
	for len(body) > 0 && regexp.MustCompile(`^[A-Za-z-]+: `).MatchString(body[0]) {
		headers, body = append(headers, body[0]), body[1:]
	}
	resp, reply := sc.s.do(method, target, strings.Join(body, "\n"), headers...)
	sc.conforms(method, target, resp, reply)

	head := fmt.Sprint(resp.StatusCode)
	for _, name := range []string{"X-Bursar-Version", "Idempotency-Replayed", "X-Should-Retry", "Retry-After", "Allow"} {
		if v := resp.Header.Get(name); v != "" && !(sc.unversioned && name == "X-Bursar-Version") {
			head += " " + name + ": " + v
		}
	}
	if len(reply) == 0 {
		return head
	}
	text := jsontext.Value(reply)
	if err := text.Format(jsontext.SpaceAfterColon(true), jsontext.SpaceAfterComma(true)); err != nil {
		sc.t.Fatalf("%s %s: %v: %s", method, target, err, reply)
	}
	return head + "\n" + folded(volatileRE.ReplaceAllStringFunc(string(text), sc.name), "")
}

// folded breaks JSON into lines where it is long.
func folded(text, indent string) string {
	const width = 150
	if len(indent)+len(text) <= width || text[0] != '{' && text[0] != '[' {
		return text
	}
	open, end := text[:1], text[len(text)-1:]
	var parts []string
	depth, from, quoted := 0, 1, false
	for i := 1; i < len(text)-1; i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			depth--
		case c == ',' && depth == 0:
			parts, from = append(parts, text[from:i]), i+2
		}
	}
	parts = append(parts, text[from:len(text)-1])
	return open + filled(parts, open == "{", indent+"  ", width) + "\n" + indent + end
}

// filled puts as many parts on a line as fit; one that is broken itself gets its own.
func filled(parts []string, members bool, indent string, width int) string {
	var out strings.Builder
	column := width
	for i, part := range parts {
		if members {
			name, value, _ := strings.Cut(part, `": `)
			part = name + `": ` + folded(value, indent)
		} else {
			part = folded(part, indent)
		}
		if i < len(parts)-1 {
			part += ","
		}
		if broken := strings.Contains(part, "\n"); broken || column+1+len(part) > width {
			out.WriteString("\n" + indent + part)
			if column = len(indent) + len(part); broken {
				column = width
			}
			continue
		}
		out.WriteString(" " + part)
		column += 1 + len(part)
	}
	return out.String()
}

func (sc *script) name(text string) string {
	if member, cursor, ok := strings.Cut(text, `": "`); ok {
		if volatileRE.MatchString(cursor[:len(cursor)-1]) { // the id of a row
			return member + `": "` + sc.name(cursor[:len(cursor)-1]) + `"`
		}
		return member + `": "` + sc.named("cursor", cursor[:len(cursor)-1]) + `"`
	}
	if strings.HasPrefix(text, "eyJ") || strings.HasPrefix(text, "bst_") {
		return sc.named("token", text)
	}
	if strings.HasPrefix(text, "whsec_") {
		return sc.named("secret", text)
	}
	if strings.HasPrefix(text, "bsk_") {
		return sc.named("key", text)
	}
	if text[0] == 'r' {
		return sc.named("rev", text)
	}
	return sc.named("id", text)
}

func (sc *script) named(kind, text string) string {
	name, ok := sc.names[kind+text]
	if !ok {
		sc.counts[kind]++
		name = fmt.Sprintf("<%s-%d>", kind, sc.counts[kind])
		sc.names[kind+text], sc.texts[name] = name, text
	}
	return name
}

// conforms checks a reply against the document and the rules of all replies.
func (sc *script) conforms(method, target string, resp *http.Response, reply []byte) {
	sc.t.Helper()
	fail := func(format string, args ...any) {
		sc.t.Errorf("%s %s: %s\n%s", method, target, fmt.Sprintf(format, args...), reply)
	}
	contentType := resp.Header.Get("Content-Type")
	if want := "application/problem+json"; resp.StatusCode >= 300 && contentType != want {
		fail("Content-Type %q", contentType)
	}
	if tag := resp.Header.Get("ETag"); tag != "" && resp.StatusCode < 300 && !strings.Contains(string(reply), `"revision":`+tag) {
		fail("ETag %s", tag)
	}
	if resp.Header.Get("X-Request-Id") != "test" {
		fail("X-Request-Id is not echoed")
	}
	retried := []int{408, 409, 429, 500, 503}
	if slices.Contains(retried, resp.StatusCode) != (resp.Header.Get("X-Should-Retry") != "") {
		fail("X-Should-Retry %q", resp.Header.Get("X-Should-Retry"))
	}
	path, _, _ := strings.Cut(target, "?")
	found, _, err := routeFor(method, path)
	if err != nil {
		if resp.StatusCode != 404 && resp.StatusCode != 405 && resp.StatusCode != 400 {
			fail("no route, and no 404 or 405")
		}
		return
	}
	if resp.StatusCode < 300 {
		sc.done.Store(found, true)
	}
	base := "/api/v1"
	if strings.HasPrefix(path, "/api/v1-beta/") {
		base = "/api/v1-beta"
	} else if !strings.HasPrefix(path, "/api/") {
		base = ""
	}
	if found.customer && resp.StatusCode < 300 && resp.Header.Get("X-Bursar-Version") == "" && !found.denies {
		fail("no X-Bursar-Version")
	}
	if contentType == "text/plain" || method == "HEAD" {
		return
	}
	if err := sc.schemas.reply(method, base+found.pattern, resp.StatusCode, contentType, reply); err != nil {
		fail("not as documented: %v", err)
	}
}

func mustUnmarshal(t testing.TB, text []byte, v any) {
	t.Helper()
	if err := json.Unmarshal(text, v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
}
