package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/bursarhq/bursar"
)

// cli runs a command against p and returns what it prints, on both streams.
func (p *program) cli(code int, args ...string) string {
	p.t.Helper()
	p.mu.Lock()
	env := []string{"BURSAR_API_KEY=" + rigKey, "BURSAR_URL=http://" + p.addrs["listening"]}
	p.mu.Unlock()
	cmd := command(env, args...)
	out, err := cmd.CombinedOutput()
	var exited *exec.ExitError
	if err != nil && !errors.As(err, &exited) {
		p.t.Fatal(err)
	}
	if got := cmd.ProcessState.ExitCode(); got != code {
		p.t.Fatalf("bursar %s: exit code %d, want %d\n%s", strings.Join(args, " "), got, code, out)
	}
	return string(out)
}

// says fails the test for patterns that out does not have.
func says(t *testing.T, out string, patterns ...string) {
	t.Helper()
	for _, pattern := range patterns {
		if !regexp.MustCompile(pattern).MatchString(out) {
			t.Errorf("no %s in:\n%s", pattern, out)
		}
	}
}

// furnishTokens makes a customer with two features of tokens that events feed, and a
// currency.
func (p *program) furnishTokens(prepaid string) {
	p.t.Helper()
	for _, kind := range []string{"input", "output", "cache_read"} {
		p.must("POST", "/api/v1/features", rigKey, `{"id":"`+kind+`","displayName":"`+kind+`","featureType":"NUMBER",
			"meter":{"eventName":"llm","aggregation":{"function":"SUM","field":"tokens.`+kind+`"},"filters":[]}}`)
	}
	p.must("POST", "/api/v1/credits/custom-currencies", rigKey, `{"id":"credits","displayName":"Credits","prepaid":`+prepaid+`}`)
	p.must("POST", "/api/v1/customers", rigKey, `{"id":"acme"}`)
}

// spent is what the customer has used of the currency.
func (p *program) spent() string {
	p.t.Helper()
	var used = ask[struct {
		CurrentUsage jsonNumber
	}](p, "GET", "/customers/acme/entitlements/check?currencyId=credits&requestedUsage=0", "")
	return string(used.CurrentUsage)
}

// jsonNumber is a number as it is written.
type jsonNumber string

func (n *jsonNumber) UnmarshalJSON(b []byte) error {
	*n = jsonNumber(b)
	return nil
}

// TestPricesImport: a list becomes a card that prices what agents report; the same list
// again changes nothing, another one makes a version.
func TestPricesImport(t *testing.T) {
	p := start(t, rigEnv(t.TempDir()))
	defer p.stop()
	p.furnishTokens("false")
	list := func(more ...string) []string {
		return append([]string{"prices", "import", "--file", "testdata/prices.json", "--card", "models", "--currency", "credits",
			"--feature", "input=input,output=output,cacheRead=cache_read", "--providers", "acme"}, more...)
	}

	out := p.cli(0, list("--dry-run")...)
	says(t, out, `Took 3 models as 6 rates, at 100 credits per US dollar`, `input +input +3 +2 +0`, `cacheRead +cache_read +3 +2`,
		`(?s)Skipped \(1\):.*no price of these kinds, but of images: acme-image`, `0 models with a price left out, 1 skipped`, `nothing was sent`)
	if strings.Contains(out, "other-large") || strings.Contains(out, "acme-mini") {
		t.Errorf("a provider that was not asked for is in:\n%s", out)
	}
	if status, reply, _ := p.do("GET", "/api/v1/rate-cards/models", rigKey, ""); status != 404 {
		t.Errorf("after a dry run: %d %s", status, reply)
	}

	says(t, p.cli(0, list()...), `Made rate card models of currency credits`)
	says(t, p.cli(0, "prices", "show", "acme-large"), `acme-large by rate card models, version 1 from .* in credits:`, `(?m)^  input +300 +1,000,000 *$`, `(?m)^  cache_read +30 +1,000,000 *$`)
	says(t, p.cli(1, "prices", "show", "other-large"), `no rate card has a price of the model other-large`)
	says(t, p.cli(0, "prices", "show", "other-large", "--file", "testdata/prices.json", "--credits-per-usd", "1"), `(?m)^  output +20 +1,000,000 *$`)
	p.must("POST", "/api/v1/events", rigKey, `{"events":[{"customerId":"acme","eventName":"llm","idempotencyKey":"1","dimensions":{"model":"acme-large"},
		"usage":{"prompt_tokens":30000,"completion_tokens":2000,"prompt_tokens_details":{"cached_tokens":20000}}}]}`)
	if got := p.spent(); got != "6.6" { // 10,000 × 300 + 2,000 × 1,500 + 20,000 × 30, per million
		t.Errorf("it cost %s credits", got)
	}

	says(t, p.cli(0, list()...), `has these rates already \(version 1\)`)
	says(t, p.cli(0, list("--credits-per-usd", "1000", "--models", "acme-l*")...), `Took 2 models`, `Kept 3 rates of version 1`, `Added version 2 to rate card models`)
	p.must("POST", "/api/v1/events", rigKey, `{"events":[{"customerId":"acme","eventName":"llm","idempotencyKey":"2","dimensions":{"model":"acme-mini"},
		"usage":{"prompt_tokens":0,"completion_tokens":100000}}]}`)
	if got := p.spent(); got != "10.6" { // and 100,000 × 40 per million, which the second list did not have
		t.Errorf("after a list of other models, in all it cost %s credits", got)
	}
	says(t, p.cli(0, list("--credits-per-usd", "1000", "--models", "acme-l*")...), `has these rates already \(version 2\)`)
	says(t, p.cli(0, list("--corrects", "1", "--credits-per-usd", "200")...), `Added version 3`)
}

// TestPricesRefused: what cannot be imported says why and changes nothing.
func TestPricesRefused(t *testing.T) {
	p := start(t, rigEnv(t.TempDir()))
	defer p.stop()
	p.furnishTokens("true")
	p.must("POST", "/api/v1/credits/custom-currencies", rigKey, `{"id":"euros","displayName":"Euros"}`)
	const good = "testdata/prices.json"
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("no list"), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(code int, file, currency, feature string, more ...string) string {
		return p.cli(code, append([]string{"prices", "import", "--file", file, "--card", "models", "--currency", currency, "--feature", feature}, more...)...)
	}
	says(t, run(1, text, "credits", "input=input"), `not a JSON object`)
	says(t, run(1, "nosuch", "credits", "input=input"), `nosuch`)
	says(t, p.cli(2, "prices", "import", "--currency", "credits"), `name one list`)
	says(t, p.cli(2, "prices", "import", good, "--file", good, "--currency", "credits"), `name one list`)
	says(t, p.cli(2, "prices", "import", good), `--currency: the card needs one`)
	says(t, run(1, good, "credits", "inputs=input"), `"inputs" is not a kind of token`)
	says(t, run(0, good, "credits", "input=input,cache_read=cache_read", "--dry-run"), `cache_read `)
	says(t, run(2, good, "credits", "cacheRead=input,cache_read=cache_read", "--dry-run"), `--feature: cacheRead is there twice`)
	says(t, run(1, good, "credits", "input=nosuch"), `creating the rate card models: .*`, `/rates/0/featureId: .*nosuch`)
	says(t, run(1, good, "nosuch", "input=input"), `nosuch`)
	says(t, run(1, good, "credits", "input=input", "--models", "gpt-*"), `Took 0 models`, `no prices of what was asked for`)
	says(t, run(1, good, "credits", "input=input", "--corrects", "1"), `there is no rate card models`)
	says(t, run(2, good, "credits", "input=input", "--credits-per-usd", "many"), `"many" is no amount`)
	says(t, run(2, good, "credits", "input=input", "--url", "nowhere"), `no URL of a server`)
	says(t, run(1, good, "credits", "input=input", "--api-key", "bsk_wrong"), `Unauthenticated|nauthorized`)
	says(t, run(0, good, "credits", "input=input"), `Made rate card`)
	says(t, run(1, good, "euros", "input=input"), `is of the currency credits, not euros`)
}

// TestPricesOfThousandsOfModels: a list of every model there is, with a price of its own for
// each kind, becomes one card of more than 20,000 rates, that prices and can be looked into.
func TestPricesOfThousandsOfModels(t *testing.T) {
	p := start(t, rigEnv(t.TempDir()))
	defer p.stop()
	p.must("POST", "/api/v1/credits/custom-currencies", rigKey, `{"id":"credits","displayName":"Credits","prepaid":false}`)
	p.must("POST", "/api/v1/customers", rigKey, `{"id":"acme"}`)
	for _, kind := range []string{"input", "output", "cache_read", "input_audio"} {
		p.must("POST", "/api/v1/features", rigKey, `{"id":"`+kind+`","displayName":"`+kind+`","featureType":"NUMBER",
			"meter":{"eventName":"llm","aggregation":{"function":"SUM","field":"tokens.`+kind+`"},"filters":[]}}`)
	}
	file := os.Getenv("BURSAR_PRICE_LIST") // LiteLLM's, which is too large for the repository
	model := "gpt-5"
	if file == "" {
		var list []string
		for i := 1; i <= 3500; i++ {
			list = append(list, fmt.Sprintf(`"m%d":{"input_cost_per_token":%de-9,"input_cost_per_token_flex":%de-10,"output_cost_per_token":%de-8,"output_cost_per_token_flex":%de-9,
				"cache_read_input_token_cost":%de-10,"input_cost_per_audio_token":%de-8,"output_cost_per_image":0.04,"input_cost_per_pixel":1e-9}`, i, i, i, i, i, i, i))
		}
		file, model = filepath.Join(t.TempDir(), "list.json"), "m1250"
		if err := os.WriteFile(file, []byte("{"+strings.Join(list, ",")+"}"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out := p.cli(0, "prices", "import", file, "--currency", "credits", "--credits-per-usd", "1")
	t.Log(out[max(0, len(out)-2000):])
	says(t, out, `Made rate card models of currency credits`, `Prices that no rate can have, by model:`)
	if os.Getenv("BURSAR_PRICE_LIST") == "" {
		says(t, out, `Took 3,500 models as 21,000 rates`, `m17 +input_cost_per_pixel`)
	}
	says(t, p.cli(0, "prices", "import", file, "--currency", "credits", "--credits-per-usd", "1"), `has these rates already \(version 1\)`)
	says(t, p.cli(0, "prices", "show", model), `(?m)^  input +1\.25 +1,000,000 *$`, `(?m)^  input +0\.\d+ +1,000,000 +service_tier flex`)
	p.must("POST", "/api/v1/events", rigKey, `{"events":[{"customerId":"acme","eventName":"llm","idempotencyKey":"1","usage":{"model":"`+model+`","service_tier":"flex","usage":{"prompt_tokens":1000000}}}]}`)
	if got := p.spent(); got != "0.125" && got != "0.625" {
		t.Errorf("it cost %s", got)
	}
}

// What no rate can have is listed by model, however many there are.
func TestPricesNameAllThatIsSkipped(t *testing.T) {
	var out strings.Builder
	report := &bursar.PriceListReport{}
	for i := range 3 * shownModels {
		report.Skipped = append(report.Skipped, bursar.PriceListNote{Model: fmt.Sprintf("m%02d", i), Note: "it has no price but input_cost_per_pixel"})
	}
	if err := printImport(&out, nil, report, nil, &importCommand{}); err != nil {
		t.Fatal(err)
	}
	for _, n := range report.Skipped {
		if !strings.Contains(out.String(), n.Model) {
			t.Errorf("%s is not in:\n%s", n.Model, out.String())
		}
	}
}
