package httpapi

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/bursarhq/bursar"
)

// TestNginxFits: what deploy/nginx says of streams, of how long requests take and of what it
// answers itself is what servers do.
func TestNginxFits(t *testing.T) {
	text, err := os.ReadFile("../deploy/nginx/nginx.conf")
	if err != nil {
		t.Fatal(err)
	}
	conf := string(text)
	location := func(head string) string {
		at := strings.Index(conf, "location "+head+" {")
		if at < 0 {
			t.Fatalf("there is no location %s", head)
		}
		return conf[at : at+strings.Index(conf[at:], "\n        }\n")]
	}
	timeout := func(block string) time.Duration {
		found := regexp.MustCompile(`\bproxy_read_timeout (\w+);`).FindStringSubmatch(block)
		if found == nil {
			t.Fatalf("no proxy_read_timeout in %s", block)
		}
		d, err := time.ParseDuration(found[1])
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	pattern := regexp.MustCompile(`location ~ (\S*stream\S*) \{`).FindStringSubmatch(conf)
	if pattern == nil || !regexp.MustCompile(pattern[1]).MatchString("/api/v1/customers/acme/governance/stream") {
		t.Fatalf("%q is not where streams are", pattern)
	}
	stream := location("~ " + pattern[1])
	if d := timeout(stream); d < 2*streamBeat {
		t.Errorf("a stream ends after %v of silence; it may be silent for %v", d, streamBeat)
	}
	if !strings.Contains(stream, "proxy_buffering off;") {
		t.Error("streams are held back")
	}
	if d := timeout(location("/")); d <= requestTimeout {
		t.Errorf("requests end after %v, before the %v that a server takes", d, requestTimeout)
	}
	away := regexp.MustCompile(`return (\d+) '(.*)';`).FindStringSubmatch(location("@away"))
	if away == nil {
		t.Fatal("nothing is answered where no server answers")
	}
	own := (&request{id: "$request_id"}).appendProblem(nil, bursar.Errorf(bursar.CodeGovernanceUnavailable, "no server answers: try again"), 503, true)
	if away[1] != "503" || away[2] != string(own) {
		t.Errorf("where no server answers it is\n%s %s\na server's own answer would be\n503 %s", away[1], away[2], own)
	}
}
