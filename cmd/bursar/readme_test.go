package main

import (
	"flag"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write testdata/readme.txt anew")

// Blocks of documents that the test does not run, by how they begin, each with its reason.
var notRun = map[string]string{
	"git clone https://":          "TestDemo runs the demo; a clone needs a network",
	"make test":                   "runs this test",
	"export OPENAI_API_KEY=sk-…":  "TestGateway runs both",
	"go build -o bursar":          "TestCluster of sim runs several nodes on PostgreSQL",
	"# 1. stop the server":        "TestMove moves a store to PostgreSQL",
	"bursar repair --data":        "TestRepair: here is nothing to repair",
	"go run ./bench":              "takes minutes, and prints other figures on each machine",
	"bursar token make acme":      "TestToken makes, narrows and ends tokens",
	"export BURSAR_API_KEY=bsk_…": "TestToken runs both",
	"text, err := client.Narrow":  "of Go: TestSpendToken of client narrows",
	"bursar mcp":                  "TestTools of mcp asks each tool, over pipes and HTTP",
	"cd envoy && BURSAR_API_KEY":  "the tests in envoy/ start both, and ask as Envoy does",
	"http_filters:":               "a configuration of Envoy, which the tests have not",
	"sqlite3 \"file:":             "needs sqlite3; TestBackupWhileRunning copies a store while it is written",
	"journalctl":                  "needs systemd",
	"agent ─► user":               "a picture",
	"request ─► decide":           "a picture",
	"./           package":        "a picture",
	"topk(5":                      "of Prometheus: TestDashboardQueries has promtool read such queries",
	"<script src=":                "of HTML: the browser tests embed the view",
	"element.refreshToken":        "of JavaScript: the browser tests embed the view",
	"_, err := bursar.Guard(":     "of Go: TestGuard of client governs calls so",
	"client = OpenAI(":            "of Python: scripts/gateway-sdks.sh calls the gateway by providers' SDKs",
	"  # People hear of search":   "needs a mail server; TestPeopleHear puts a notification",
	"{":                           "JSON that is read, not sent",
	"curl -X PUT http://127.0.0.1:8080/api/v1/usage-rules": "TestReportComesAgainAfterARule of httpapi replaces rules so",
}

// readmeKey is the key that the README starts a server with.
const readmeKey = "bsk_admin_change-me"

// block is indented lines of a document.
type block struct{ text, file string }

func blocksOf(t *testing.T, file string) (out []block) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, line := range append(strings.Split(string(b), "\n"), "end") {
		switch text, code := strings.CutPrefix(line, "    "); {
		case code:
			lines = append(lines, text)
		case line == "" && lines != nil:
			lines = append(lines, "")
		case lines != nil:
			out = append(out, block{strings.TrimRight(strings.Join(lines, "\n"), "\n"), file})
			lines = nil
		}
	}
	return out
}

// TestReadme runs what the README says to run, in one shell and in order, against a new server,
// and compares what it prints with testdata/readme.txt.
func TestReadme(t *testing.T) {
	for _, program := range []string{"bash", "curl", "jq"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("%v: scripts/test-deps.sh installs it", err)
		}
	}
	var got string
	for {
		day := time.Now().UTC().YearDay()
		if got = runReadme(t); day == time.Now().UTC().YearDay() { // limits of a day had one window
			break
		}
	}
	file := filepath.Join("testdata", "readme.txt")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	g, w := strings.Split(got, "\n"), strings.Split(string(want), "\n")
	for i := range max(len(g), len(w)) {
		if i == len(g) || i == len(w) || g[i] != w[i] {
			t.Fatalf("line %d differs (go test ./cmd/bursar -run TestReadme -update writes it anew):\ngot  %s\nwant %s",
				i+1, strings.Join(g[min(i, len(g)):min(i+3, len(g))], "\n     "), strings.Join(w[min(i, len(w)):min(i+3, len(w))], "\n     "))
		}
	}
}

func runReadme(t *testing.T) string {
	t.Helper()
	provider := fakeProvider(t)
	dir := t.TempDir()
	config := gatewayFile(t, `{"upstreams":[{"name":"openai","kind":"openai","baseUrl":"`+provider.URL+`/v1","keyEnv":"PROVIDER_KEY"}]}`)
	p := start(t, []string{"BURSAR_ADMIN_KEY=" + readmeKey, "PROVIDER_KEY=sk-of-the-provider"}, "serve", "--listen", "127.0.0.1:0",
		"--data", filepath.Join(dir, "bursar-data"), "--gateway-listen", "127.0.0.1:0", "--gateway-config", config)
	places := strings.NewReplacer("127.0.0.1:8081", p.addrs["listening"], "127.0.0.1:8090", p.addrs["gateway listening"],
		"/tmp/hold.json", filepath.Join(dir, "hold.json"), "go run ./cmd/bursar ", "bursar ", "/backup/", dir+"/")
	running, stopped := blocksToRun(t)
	out := shell(t, dir, places, running)
	if code := p.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	out += shell(t, dir, places, stopped)
	return sameEachTime(strings.ReplaceAll(out, dir, "DIR"))
}

// shell runs blocks in one shell, in a directory, and returns what they print.
func shell(t *testing.T, dir string, places *strings.Replacer, blocks []block) string {
	t.Helper()
	script := "bursar() { " + runMain + "=1 '" + os.Args[0] + "' \"$@\"; }\nexport BURSAR_ADMIN_KEY=" + readmeKey + "\n"
	for _, b := range blocks {
		script += "echo '== " + filepath.Base(b.file) + "'\n"
		for line := range strings.SplitSeq(b.text, "\n") {
			if strings.Contains(line, "/ID/") || strings.Contains(line, " serve ") {
				continue // an id to be filled in; the server and the gateway that the test starts
			}
			script += places.Replace(line) + "\n"
		}
	}
	cmd := exec.Command("bash", "-o", "pipefail")
	cmd.Dir, cmd.Stdin = dir, strings.NewReader(script)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

// blocksToRun are those of the README and, once the server has stopped, of the documents beside
// it. Each block is either run, or not for a reason that stands in notRun.
func blocksToRun(t *testing.T) (running, stopped []block) {
	t.Helper()
	unused := maps.Clone(notRun)
	docs, err := filepath.Glob(filepath.Join("..", "..", "docs", "*.md"))
	if err != nil || len(docs) == 0 {
		t.Fatal(docs, err)
	}
	for _, file := range append([]string{filepath.Join("..", "..", "README.md")}, docs...) {
		for _, b := range blocksOf(t, file) {
			skip := false
			for begin := range notRun {
				if strings.HasPrefix(b.text, begin) {
					delete(unused, begin)
					skip = true
				}
			}
			switch {
			case skip:
			case filepath.Base(file) == "README.md":
				running = append(running, b)
			default:
				stopped = append(stopped, b)
			}
		}
	}
	for begin := range unused {
		t.Errorf("no document has a block that begins with %q", begin)
	}
	return running, stopped
}

var differs = []struct {
	re *regexp.Regexp
	as string
}{
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}`), "ID"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`), "TIME"},
	{regexp.MustCompile(`eyJ[\w.-]+`), "TOKEN"},
	{regexp.MustCompile(`whsec_[\w+/=-]+`), "SECRET"},
	{regexp.MustCompile(`"r[0-9a-f]{16}"`), `"REVISION"`},
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "ADDRESS"},
	{regexp.MustCompile(`(?im)^(date|x-request-id|bursar-version|etag): .*\r?\n`), ""},
	{regexp.MustCompile(`[\d.]+ MB in .* commits/s`), "SIZE in TIME"},
	{regexp.MustCompile(` in [\d.]+ s:`), " in TIME:"},
	{regexp.MustCompile(`\r`), ""},
}

// sameEachTime puts a word for what is another at each time.
func sameEachTime(text string) string {
	for _, d := range differs {
		text = d.re.ReplaceAllString(text, d.as)
	}
	return text
}
