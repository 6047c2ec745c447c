package main

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// TestToken: a token is made, narrowed and looked into without the server, spends what it may,
// and is ended by its id or by its text.
func TestToken(t *testing.T) {
	p := start(t, rigEnv(t.TempDir()))
	defer p.stop()
	p.must("PUT", "/api/v1/entity-types", rigKey, `{"types":[{"id":"agent","displayName":"Agent","attributionKeys":["agentId"]}]}`)
	p.must("POST", "/api/v1/features", rigKey, `{"id":"calls","displayName":"Calls","featureType":"NUMBER"}`)
	p.must("POST", "/api/v1/customers", rigKey, `{"id":"acme"}`)
	p.must("PUT", "/api/v1/customers/acme/entities", rigKey, `{"entities":[{"id":"agent-7","entityTypeId":"agent"}]}`)
	with := func(token string, code int, args ...string) string {
		t.Helper()
		p.mu.Lock()
		cmd := command([]string{"BURSAR_API_KEY=" + rigKey, "BURSAR_URL=http://" + p.addrs["listening"]}, args...)
		p.mu.Unlock()
		cmd.Stdin = strings.NewReader(token + "\n")
		out, err := cmd.CombinedOutput()
		if got := cmd.ProcessState.ExitCode(); got != code {
			if _, exited := err.(*exec.ExitError); err != nil && !exited {
				t.Fatal(err)
			}
			t.Fatalf("bursar %v: exit code %d, want %d\n%s", args, got, code, out)
		}
		return string(out)
	}
	text := regexp.MustCompile(`(?m)^bst_\S+$`)
	made := with("", 0, "token", "make", "acme", "--entity", "agentId=agent-7", "--cap", "calls=10", "--label", "agent 7", "--expires", "1h")
	token := text.FindString(made)
	id := regexp.MustCompile(`tok-[0-9a-f]{32}`).FindString(made)
	run := text.FindString(with(token, 0, "token", "narrow", "--cap", "calls=3", "--model", "small", "--expires", "15m"))
	if token == "" || id == "" || run == "" {
		t.Fatalf("made %s", made)
	}
	says(t, with(run, 0, "token", "inspect"), `customer acme, until`, `made by the server`, `label: agent 7`, `as agentId=agent-7`, `at most 10 of calls`, `narrowed by a holder`, `for the model small`, `at most 3 of calls`)
	body := `{"featureId":"calls","amount":3,"dimensions":{"model":"small"},"idempotencyKey":"1"}`
	p.must("POST", "/api/v1/customers/acme/consume", run, body)
	if status, reply, _ := p.do("POST", "/api/v1/customers/acme/consume", run, strings.Replace(body, `"1"`, `"2"`, 1)); status != 402 {
		t.Errorf("above its cap: %d %s", status, reply)
	}
	says(t, with("", 0, "token", "list", "acme"), id+` +until .* agent 7`)
	says(t, with(run, 0, "token", "revoke", "acme"), `revoked tok-`)
	if status, _, _ := p.do("GET", "/api/v1/spend-token", run, ""); status != 401 {
		t.Errorf("the revoked run: %d", status)
	}
	p.must("GET", "/api/v1/spend-token", token, "")
	says(t, with("", 0, "token", "revoke", "acme", id), `revoked `+id)
	if status, _, _ := p.do("GET", "/api/v1/spend-token", token, ""); status != 401 {
		t.Errorf("the revoked token: %d", status)
	}
	says(t, with("bst_none", 2, "token", "inspect"), `no spend token`)
	says(t, with(token, 2, "token", "narrow", "--entity", "agentId=agent-8"), `another value`)
	says(t, with("", 1, "token", "revoke", "acme", "tok-none"), `SpendTokenNotFound`)
}
