package httpapi

import (
	"fmt"
	"strings"
	"testing"
)

// newUnreadWorld is a world with a feature that sums up the output of the event ask.
func newUnreadWorld(t *testing.T) *spendWorld {
	w := newSpendWorld(t)
	w.admin("POST", "/api/v1/features", `{"id":"asked","displayName":"Asked","featureType":"NUMBER","meter":{"eventName":"ask","aggregation":{"function":"SUM","field":"tokens.output"},"filters":[]}}`)
	return w
}

// TestReportComesAgainAfterARule: what was recorded before there was a rule for its usage is known again by the
// same bytes, on each way, and a report that says something else is not.
func TestReportComesAgainAfterARule(t *testing.T) {
	w := newUnreadWorld(t)
	rules := func(list string) { w.admin("PUT", "/api/v1/usage-rules", `{"rules":[`+list+`]}`) }
	const rule = `{"member":"odd_tokens","kind":"tokens.output"}`
	usage := func(out, odd int) string {
		return fmt.Sprintf(`"usage":{"prompt_tokens":90,"completion_tokens":%d,"odd_tokens":%d}`, out, odd)
	}
	post := func(path, body string) string {
		resp, reply := w.do("POST", "/api/v1"+path, body, "X-API-KEY: "+testAdminKey)
		return fmt.Sprint(resp.StatusCode, " ", string(reply))
	}
	reserve := func(key string) (id string) {
		var out struct {
			Data struct {
				ID string `json:"id"`
			} `json:"data"`
		}
		mustUnmarshal(t, w.admin("POST", "/api/v1/customers/acme/reservations", `{"eventName":"ask","maxTokens":20,"idempotencyKey":"`+key+`","callId":"call `+key+`"}`), &out)
		return out.Data.ID
	}
	held, keyed := reserve("r1"), reserve("r2")
	event := func(out int, more string) string {
		return `{"customerId":"acme","eventName":"ask",` + more + `,` + usage(out, 5) + `}`
	}
	ways := []struct {
		path string
		body func(out int) string
	}{
		{"/customers/acme/reservations/" + held + "/commit", func(out int) string { return `{` + usage(out, 5) + `}` }},
		{"/events", func(out int) string { return `{"events":[` + event(out, `"idempotencyKey":"e1"`) + `]}` }},
		{"/events", func(out int) string {
			return `{"events":[` + event(out, `"idempotencyKey":"e2","reservationId":"`+keyed+`"`) + `]}`
		}},
		{"/events", func(out int) string { return `{"events":[` + event(out, `"idempotencyKey":"e3","callId":"c3"`) + `]}` }},
		{"/customers/acme/consume", func(out int) string { return `{"eventName":"ask","idempotencyKey":"s1",` + usage(out, 5) + `}` }},
		{"/customers/acme/reservations", func(out int) string { return `{"eventName":"ask","idempotencyKey":"s2",` + usage(out, 5) + `}` }},
	}
	for i, x := range ways {
		if got := post(x.path, x.body(9)); got[0] != '2' || strings.Contains(got, `"duplicate":true`) {
			t.Fatalf("way %d at first: %s", i, got)
		}
	}
	for _, now := range []string{"", rule} {
		rules(now)
		for i, x := range ways {
			if got := post(x.path, x.body(9)); got[0] != '2' || !strings.Contains(got, `"duplicate":true`) || strings.Contains(got, "CALL_DIFFERS") {
				t.Errorf("way %d again, with the rules [%s]: %s", i, now, got)
			}
			if got := post(x.path, x.body(8)); !strings.HasPrefix(got, "409") {
				t.Errorf("way %d with other usage, with the rules [%s]: %s", i, now, got)
			}
		}
	}
	other := strings.Replace(event(9, `"idempotencyKey":"e9"`), `"odd_tokens":5`, `"odd_tokens":6`, 1)
	got := post("/events", `{"events":[`+event(9, `"idempotencyKey":"e1"`)+`,`+event(9, `"idempotencyKey":"e9"`)+`,`+event(9, `"idempotencyKey":"e1"`)+`]}`)
	if !strings.HasPrefix(got, "201") || strings.Count(got, `"duplicate":true`) != 2 {
		t.Errorf("beside a new event: %s", got)
	}
	if got := post("/events", `{"events":[`+other+`]}`); !strings.HasPrefix(got, "409") {
		t.Errorf("what was counted by the rule, with another count: %s", got)
	}
	got = post("/events", `{"events":[`+event(9, `"idempotencyKey":"e8","callId":"c3"`)+`]}`)
	if !strings.Contains(got, `"duplicate":true`) || strings.Contains(got, "CALL_DIFFERS") {
		t.Errorf("the call once more: %s", got)
	}
}

// TestSpendTokensLeaveRoomInTheListOfUnread: what holders of spend tokens report is told apart, and takes no room from
// what others do.
func TestSpendTokensLeaveRoomInTheListOfUnread(t *testing.T) {
	w := newUnreadWorld(t)
	for name, body := range map[string]string{
		"capped": `{"entities":{"agentId":"a1"},"events":["ask"],"caps":[{"featureId":"asked","amount":1000}],"expiresInSeconds":3600}`,
		"free":   `{"entities":{"agentId":"a1"},"events":["ask"],"expiresInSeconds":3600}`,
	} {
		token := w.make(body)
		for i := range 30 {
			if status, reply := w.as(token, "POST", acme+"/consume", fmt.Sprintf(`{"eventName":"ask","idempotencyKey":"%s%d","usage":{"completion_tokens":1,"junk%s%d_tokens":1}}`, name, i, name, i)); status != 200 {
				t.Fatalf("%d %s", status, reply)
			}
		}
	}
	event := func(key, member string) {
		w.admin("POST", "/api/v1/events", fmt.Sprintf(`{"events":[{"customerId":"acme","eventName":"ask","idempotencyKey":%q,"usage":{"completion_tokens":1,%q:1}}]}`, key, member))
	}
	for i := range 40 {
		event(fmt.Sprint("e", i), fmt.Sprintf("vital%d_tokens", i))
	}
	event("more", "more_tokens")
	var list struct {
		Data []unreadOut `json:"data"`
	}
	mustUnmarshal(t, w.admin("GET", "/api/v1/events/unread?customerId=acme", ""), &list)
	junk, vital, others := 0, 0, int64(0)
	for _, u := range list.Data {
		switch text := strings.Join(u.Members, ","); {
		case strings.HasPrefix(text, "junk"):
			junk++
		case strings.HasPrefix(text, "vital"):
			vital++
		default:
			others += u.Count
		}
	}
	if junk != 10 || vital != 40 || others != 51 {
		t.Errorf("%d sorts are of spend tokens, %d are others; %d events have no sort of their own", junk, vital, others)
	}
}
