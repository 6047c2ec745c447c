package main

import (
	"strings"
	"testing"

	"github.com/bursarhq/bursar/client"
)

// TestReprice: what a wrong price charged is shown, then put right on limits, customer
// and pool, once.
func TestReprice(t *testing.T) {
	p := start(t, rigEnv(t.TempDir()))
	defer p.stop()
	p.furnishTokens("true")
	p.must("PUT", "/api/v1/entity-types", rigKey, `{"types":[{"id":"team","displayName":"Team","attributionKeys":["team"]}]}`)
	p.must("PUT", "/api/v1/customers/acme/entities", rigKey, `{"entities":[{"id":"search","entityTypeId":"team"},{"id":"idle","entityTypeId":"team"}]}`)
	p.must("PUT", "/api/v1/customers/acme/assignments", rigKey, `{"assignments":[
		{"entityId":"search","currencyId":"credits","usageLimit":1000,"cadence":"P100Y"},
		{"entityId":"idle","currencyId":"credits","usageLimit":1000,"cadence":"P100Y"}]}`)
	p.must("POST", "/api/v1/credits/grants", rigKey, `{"customerId":"acme","currencyId":"credits","amount":5000,"displayName":"Order","grantType":"PAID"}`)
	from := p.addVersion("", `{"id":"models","currencyId":"credits","displayName":"Models","rates":[{"featureId":"input","amount":20,"per":1000}]}`)
	reprice := func(code int, more ...string) string {
		return p.cli(code, append([]string{"reprice", "--card", "models", "--from", from}, more...)...)
	}
	p.must("POST", "/api/v1/events", rigKey, `{"events":[
		{"customerId":"acme","eventName":"llm","dimensions":{"team":"search","tokens.input":30000,"tokens.output":0,"tokens.cache_read":0},"idempotencyKey":"1"},
		{"customerId":"acme","eventName":"llm","dimensions":{"tokens.input":10000,"tokens.output":0,"tokens.cache_read":0},"idempotencyKey":"2"}]}`)
	says(t, reprice(1, "--dry-run"), `no version of the rate card .* corrects another`)

	p.addVersion("/models/versions", `{"corrects":1,"rates":[{"featureId":"input","amount":2,"per":1000}]}`)
	changes := []string{`version 1, corrected by version 2\. 2 charges`, `acme +search +\S+ +600 +60 +-540 +\S+`,
		`acme +all charges +800 +80 +-720`, `acme +pool +\+720`, `TOTAL +all charges +800 +80 +-720`}
	if out := reprice(0, "--dry-run"); strings.Contains(out, "Warning") {
		t.Errorf("nothing is left out:\n%s", out)
	}
	says(t, reprice(0, "--dry-run"), append(changes, `nothing was written`)...)
	if got := p.spent(); got != "800" {
		t.Errorf("after a dry run %s credits are spent", got)
	}
	says(t, reprice(0, "--dry-run", "--customer", "acme"), changes...)

	says(t, reprice(0, "--apply"), append(changes, `(?m)^Applied\.$`)...)
	if got := p.spent(); got != "80" {
		t.Errorf("after re-pricing %s credits are spent", got)
	}
	grants := ask[[]struct{ ConsumedAmount jsonNumber }](p, "GET", "/credits/grants?customerId=acme", "")
	if len(grants) != 1 || grants[0].ConsumedAmount != "80" {
		t.Errorf("the grants are %v", grants)
	}
	for _, mode := range []string{"--apply", "--dry-run"} {
		says(t, reprice(0, mode), `2 charges were looked at`, `Nothing changes`)
	}
	if got := p.spent(); got != "80" {
		t.Errorf("after re-pricing twice %s credits are spent", got)
	}

	says(t, reprice(2), `--dry-run or --apply`)
	if help := p.cli(0, "reprice", "--help"); !strings.Contains(help, "Usage: bursar reprice --from=TIME [flags]") {
		t.Errorf("the help demands more than it should:\n%s", help)
	}
	says(t, reprice(2, "--dry-run", "--apply"), `--dry-run and --apply`)
	says(t, reprice(1, "--dry-run", "--customer", "nobody"), `nobody`)
	says(t, reprice(2, "--dry-run", "--api-key", ""), `there is no API key; set BURSAR_API_KEY \(or BURSAR_ADMIN_KEY\)`)
}

// TestRepriceUnmatched: what the corrected version does not price is told and keeps its
// cost.
func TestRepriceUnmatched(t *testing.T) {
	p := start(t, rigEnv(t.TempDir()))
	defer p.stop()
	p.furnishTokens("false")
	from := p.addVersion("", `{"id":"models","currencyId":"credits","displayName":"Models","rates":[{"featureId":"input","amount":20,"per":1000}]}`)
	p.must("POST", "/api/v1/events", rigKey, `{"events":[
		{"customerId":"acme","eventName":"llm","dimensions":{"model":"a","tokens.input":30000,"tokens.output":0,"tokens.cache_read":0},"idempotencyKey":"1"},
		{"customerId":"acme","eventName":"llm","dimensions":{"model":"b","tokens.input":10000,"tokens.output":0,"tokens.cache_read":0},"idempotencyKey":"2"}]}`)
	p.addVersion("/models/versions", `{"corrects":1,"rates":[{"featureId":"input","amount":2,"per":1000,"match":{"model":"a"}}]}`)
	out := p.cli(0, "reprice", "--card", "models", "--from", from, "--apply")
	says(t, out, `2 charges`, `1 of them keep what they cost: version 2 has no rate`, `TOTAL +all charges .* -540 `, `Warning: version 2 leaves out rates that version 1 has.*\n  input\n`)
	if got := p.spent(); got != "260" {
		t.Errorf("%s credits are spent, want 200 + 60", got)
	}
	if strings.Contains(out, "pool") {
		t.Errorf("a currency that is not prepaid has no pool:\n%s", out)
	}
}

// addVersion makes a rate card, or a version of one, and tells when it comes into force.
func (p *program) addVersion(path, body string) (from string) {
	p.t.Helper()
	return ask[struct{ EffectiveFrom string }](p, "POST", "/rate-cards"+path, body).EffectiveFrom
}

// TestRepriceUnread: what was not understood of usage is counted once a rule says what it is.
func TestRepriceUnread(t *testing.T) {
	p := start(t, rigEnv(t.TempDir()))
	defer p.stop()
	p.furnishTokens("true")
	from := p.addVersion("", `{"id":"models","currencyId":"credits","displayName":"Models","rates":[{"featureId":"input","amount":20,"per":1000}]}`)
	reprice := func(code int, more ...string) string {
		return p.cli(code, append([]string{"reprice", "--unread", "--from", from}, more...)...)
	}
	p.must("POST", "/api/v1/events", rigKey, `{"events":[{"customerId":"acme","eventName":"llm","usage":{"input_tokens":1000,"output_tokens":5,"smell_tokens":2000},"idempotencyKey":"1"}]}`)
	says(t, reprice(0, "--dry-run"), `1 events with unread usage were read again: 0 count something else`, `Nothing changes: no rule`)
	p.must("PUT", "/api/v1/usage-rules", rigKey, `{"rules":[{"member":"smell_tokens","kind":"tokens.input"}]}`)
	changes := []string{`1 events .*: 1 count something else, of 1 nothing is unread any more`, `acme +1 +1 +input +\+2,000`, `TOTAL +1 +1 +credits +\+40`}
	says(t, reprice(0, "--dry-run"), append(changes, `nothing was written`)...)
	if got := p.spent(); got != "20" {
		t.Errorf("after a dry run %s credits are spent", got)
	}
	says(t, reprice(0, "--apply"), append(changes, `(?m)^Applied\.$`)...)
	says(t, reprice(0, "--apply"), `0 events with unread usage`)
	if got := p.spent(); got != "60" {
		t.Errorf("after two re-pricings %s credits are spent", got)
	}
	says(t, reprice(2, "--card", "models", "--dry-run"), `--card and --unread`)
	says(t, p.cli(2, "reprice", "--from", from, "--dry-run"), `--card or --unread`)
}

// TestPrintUncounted: what cannot be counted is told, and not that a rule is missing.
func TestPrintUncounted(t *testing.T) {
	var out strings.Builder
	if err := printRereading(&out, &client.Rereading{Reread: client.Reread{Events: 3, Uncounted: 2}}); err != nil {
		t.Fatal(err)
	}
	says(t, out.String(), `2 of them cannot be counted as they are read now`, `TOTAL +3 +0`)
	if strings.Contains(out.String(), "no rule") {
		t.Error(out.String())
	}
}
