package main

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	dashboardFile = "../../deploy/grafana/bursar.json"
	rulesFile     = "../../deploy/prometheus/rules.yml"
	operatingFile = "../../docs/operating.md"
)

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// scrape is what a real server that has done a little shows Prometheus.
func scrape(t *testing.T) string {
	p := start(t, rigEnv(t.TempDir(), "BURSAR_METRICS_LISTEN=127.0.0.1:0"))
	defer p.stop()
	p.furnishAlerts(1)
	p.alarm(0, 1)
	p.mu.Lock()
	addr := p.addrs["metrics listening"]
	p.mu.Unlock()
	resp, err := http.Get("http://" + addr + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var (
	metricRE = regexp.MustCompile(`\b(?:bursar|process|go)_[a-z0-9_]+`)
	valueRE  = regexp.MustCompile(`(\b(?:bursar|process|go)_[a-z0-9_]+)\{([^}]*)\}`)
	labelRE  = regexp.MustCompile(`([a-z]+)="([^"$]+)"`)
)

// TestDeployedMetricsExist: what the dashboard and the alert rules ask for is what a
// server exports, to the value of each label.
func TestDeployedMetricsExist(t *testing.T) {
	exported := scrape(t)
	has := func(metric string, labels ...string) bool {
		for line := range strings.Lines(exported) {
			name, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
			name, set, _ := strings.Cut(name, "{")
			if name == metric && rest != "" && !slices.ContainsFunc(labels, func(l string) bool { return !strings.Contains(set, l) }) {
				return true
			}
		}
		return false
	}
	asked := map[string]string{"the rules": read(t, rulesFile)}
	for _, expr := range dashboardExprs(t) {
		asked["the dashboard: "+expr] = expr
	}
	for where, text := range asked {
		for _, m := range metricRE.FindAllString(text, -1) {
			if !has(m) {
				t.Errorf("%s asks for %s, which is not exported", where, m)
			}
		}
		for _, m := range valueRE.FindAllStringSubmatch(text, -1) {
			for _, l := range labelRE.FindAllStringSubmatch(m[2], -1) {
				if l[1] != "job" && !has(m[1], l[0]) {
					t.Errorf("%s asks for %s with %s, which is not exported", where, m[1], l[0])
				}
			}
		}
	}
	help := regexp.MustCompile(`# HELP (bursar_\S+)`)
	for _, m := range help.FindAllStringSubmatch(exported, -1) {
		for _, file := range []string{dashboardFile, operatingFile} {
			if !strings.Contains(read(t, file), m[1]) {
				t.Errorf("%s does not have %s", file, m[1])
			}
		}
	}
}

// dashboardExprs are the queries of the dashboard, which is whole: panels have ids of
// their own, places on the screen that are free, and the data source that is chosen.
func dashboardExprs(t *testing.T) (exprs []string) {
	t.Helper()
	type place struct{ X, Y, W, H int }
	var d struct {
		UID, Title    string
		SchemaVersion int
		Templating    struct{ List []struct{ Name string } }
		Panels        []struct {
			ID         int
			Type       string
			Title      string
			GridPos    place
			Datasource struct{ UID string }
			Targets    []struct{ Expr, RefID string }
		}
	}
	if err := json.Unmarshal([]byte(read(t, dashboardFile)), &d); err != nil {
		t.Fatal(err)
	}
	if d.UID == "" || d.Title == "" || d.SchemaVersion < 36 || len(d.Templating.List) != 3 {
		t.Errorf("%s lacks its head", dashboardFile)
	}
	ids := map[int]bool{}
	var taken []place
	for _, p := range d.Panels {
		g := p.GridPos
		if ids[p.ID] || p.Title == "" || g.W < 1 || g.H < 1 || g.X < 0 || g.X+g.W > 24 {
			t.Errorf("panel %d %q at %+v", p.ID, p.Title, g)
		}
		for _, o := range taken {
			if g.X < o.X+o.W && o.X < g.X+g.W && g.Y < o.Y+o.H && o.Y < g.Y+g.H {
				t.Errorf("panel %d %q is over another", p.ID, p.Title)
			}
		}
		ids[p.ID], taken = true, append(taken, g)
		if p.Type != "row" && (len(p.Targets) == 0 || p.Datasource.UID != "${datasource}") {
			t.Errorf("panel %d %q shows nothing", p.ID, p.Title)
		}
		for _, target := range p.Targets {
			exprs = append(exprs, target.Expr)
		}
	}
	return exprs
}

// TestDashboardQueries has Prometheus's own tool parse what the dashboard asks.
func TestDashboardQueries(t *testing.T) {
	if _, err := exec.LookPath("promtool"); err != nil {
		t.Skip("there is no promtool")
	}
	var rules strings.Builder
	rules.WriteString("groups:\n- name: dashboard\n  rules:\n")
	for _, expr := range dashboardExprs(t) {
		quoted, _ := json.Marshal(strings.NewReplacer("$__rate_interval", "1m", "$job", "bursar", "$instance", ".*").Replace(expr))
		rules.WriteString("  - record: panel\n    expr: " + string(quoted) + "\n")
	}
	file := filepath.Join(t.TempDir(), "dashboard.yml")
	if err := os.WriteFile(file, []byte(rules.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("promtool", "check", "rules", "--lint=none", file).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestOperatingIsWhole: the operator's page has every setting and every alert.
func TestOperatingIsWhole(t *testing.T) {
	page := read(t, operatingFile)
	alerts := regexp.MustCompile(`alert: (\w+)`).FindAllStringSubmatch(read(t, rulesFile), -1)
	if len(alerts) < 10 {
		t.Errorf("only %d alerts", len(alerts))
	}
	for _, a := range alerts {
		if !strings.Contains(page, "### "+a[1]+"\n") {
			t.Errorf("%s says nothing about the alert %s", operatingFile, a[1])
		}
	}
	out, err := command(nil, "serve", "--help").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range regexp.MustCompile(`(?m)^ +(--[a-z-]+)`).FindAllStringSubmatch(string(out), -1) {
		if !strings.Contains(page, "`"+f[1]) {
			t.Errorf("%s does not have the setting %s", operatingFile, f[1])
		}
	}
}

// TestReady: the health check of the image.
func TestReady(t *testing.T) {
	p := start(t, rigEnv(t.TempDir()))
	p.mu.Lock()
	url := "http://" + p.addrs["listening"]
	p.mu.Unlock()
	bursarRun(t, 0, nil, "ready", "--url", url)
	p.stop()
	_, out, _ := bursarRun(t, exitFailed, nil, "ready", "--url", url)
	says(t, out, "not ready")
}
