package webhook

import (
	"io"
	"mime/quotedprintable"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

const exceeded = `{"type":"entity.entitlement.usage_exceeded","messageId":"0198c6a2-1","traceId":"7Qk2","timestamp":"2026-09-14T10:22:31.418Z","data":{"customerId":"acme","entity":{"id":"team-search","entityTypeId":"team"},"assignmentId":"0198b0aa-1","currencyId":"credits","scopeEntityIds":[],"label":"","thresholds":[80,100],"usageUsedPercentage":102.5,"currentUsage":512.5,"usageLimit":500,"enforcement":"soft","usagePeriodStart":"2026-09-01T00:00:00.000Z","usagePeriodEnd":"2026-10-01T00:00:00.000Z"}}`

func TestSentence(t *testing.T) {
	for _, c := range []struct{ event, data, want string }{
		{bursar.EventUsageExceeded, exceeded, "team-search (team) used 102.5 % of its credits limit: 512.5 of 500 · resets 2026-10-01"},
		{bursar.EventUsageExceeded, `{"data":{"entity":{"id":"bob"},"featureId":"calls","scopeEntityIds":["p1","p2","p3","p4"],"label":"weekly","usageUsedPercentage":80,"currentUsage":8,"usageLimit":10,"usagePeriodEnd":"2026-09-30T22:00:00.000Z"}}`,
			"bob used 80 % of its calls limit for p1, p2, p3, 1 more “weekly”: 8 of 10 · resets 2026-09-30 22:00 UTC"},
		{bursar.EventUsageExceeded, `{"data":{"entity":{"id":"bob","entityTypeId":"user"},"featureId":"calls","usageUsedPercentage":null,"currentUsage":3,"usageLimit":0}}`,
			"bob (user) used 3 although its calls limit is 0"},
		{bursar.EventUsageRecovered, `{"data":{"entity":{"id":"bob","entityTypeId":"user"},"featureId":"calls","usageUsedPercentage":40,"currentUsage":4,"usageLimit":10}}`,
			"bob (user) is back at 40 % of its calls limit: 4 of 10"},
		{bursar.EventUsageRecovered, `{"data":{"entity":{"id":"bob"},"featureId":"calls","usageUsedPercentage":null,"currentUsage":4,"usageLimit":null}}`,
			"bob is back at 4 of calls, which has no limit now"},
		{bursar.EventEntitlementCreated, `{"data":{"entitlement":{"entityId":"bob","featureId":"calls","usageLimit":10}}}`, "The calls limit of bob was created: 10"},
		{bursar.EventEntitlementUpdated, `{"data":{"entitlement":{"entityId":"bob","currencyId":"eur","usageLimit":null,"label":"x"}}}`, "The eur limit of bob “x” was updated: unlimited"},
		{bursar.EventEntitlementDeleted, `{"data":{"entitlement":{"entityId":"bob","featureId":"calls","usageLimit":10}}}`, "The calls limit of bob was deleted"},
		{bursar.EventEntityTypeUpdated, `{"data":{"entityType":{"id":"team"}}}`, "The entity type team was updated"},
		{bursar.EventEntityCreated, `{"data":{"customerId":"acme","entity":{"id":"bob","entityTypeId":"user"}}}`, "bob (user) of acme was created"},
		{bursar.EventEntityArchived, `{"data":{"customerId":"acme","entity":{"id":"bob","entityTypeId":"user"}}}`, "bob (user) of acme was archived"},
		{bursar.EventCreditsGranted, `{"data":{"customerId":"acme","currencyId":"credits","amount":1000,"balance":1500}}`, "acme was granted 1000 credits · balance 1500"},
		{bursar.EventCreditsExpired, `{"data":{"customerId":"acme","currencyId":"credits","amount":10,"balance":-2.5}}`, "10 credits of acme expired · balance -2.5"},
		{bursar.EventGrantDepleted, `{"data":{"customerId":"acme","currencyId":"credits","balance":5}}`, "A grant of credits to acme is used up · balance 5"},
		{bursar.EventCreditsLow, `{"data":{"customerId":"acme","currencyId":"credits","levels":[10,20],"balance":5}}`, "acme has 10 % or less of its credits left · balance 5"},
		{bursar.EventCreditsLow, `{"data":{"customerId":"acme","currencyId":"credits","levels":[0,10],"balance":0}}`, "acme has no credits left · balance 0"},
		{bursar.EventBalanceLow, `{"data":{"customerId":"acme","creditCurrency":"credits","thresholdPercentage":10,"remainingBalance":5}}`, "acme has 10 % or less of its credits left · balance 5"},
		{bursar.EventBalanceDepleted, `{"data":{"customerId":"acme","creditCurrency":"credits","thresholdPercentage":0,"remainingBalance":-1}}`, "acme has no credits left · balance -1"},
		{bursar.EventGrantLow, `{"data":{"customerId":"acme","creditCurrency":"credits","thresholdPercentage":20,"remainingBalance":2}}`, "A grant of credits to acme has 20 % or less left · balance 2"},
		{bursar.EventReservationExpired, `{"data":{"customerId":"acme","featureId":"calls","amount":3,"onExpire":"settle"}}`, "A reservation of 3 calls by acme expired and was charged"},
		{bursar.EventReservationExpired, `{"data":{"customerId":"acme","featureId":"calls","amount":3,"onExpire":"release"}}`, "A reservation of 3 calls by acme expired and was released"},
		{bursar.EventBoostRequested, `{"data":{"entity":{"id":"bob","entityTypeId":"user"},"featureId":"calls","label":"daily","boostRequest":{"amount":5,"reason":"a launch","requestedBy":"bob@acme"},"currentUsage":10,"usageLimit":10}}`,
			"bob@acme asks for 5 more calls “daily” for bob (user) · used 10 of 10"},
		{bursar.EventBoostApproved, `{"data":{"entity":{"id":"bob","entityTypeId":"user"},"featureId":"calls","boostRequest":{"amount":5,"approvedAmount":4,"decidedBy":"lead@acme"},"currentUsage":10,"usageLimit":14}}`,
			"bob (user) is given 4 more calls by lead@acme · used 10 of 14"},
		{bursar.EventBoostDeclined, `{"data":{"entity":{"id":"bob","entityTypeId":"user"},"currencyId":"credits","boostRequest":{"amount":5,"decidedBy":"lead@acme","note":"next month"},"currentUsage":10,"usageLimit":10}}`,
			"bob (user) is given no more credits by lead@acme · used 10 of 10"},
		{bursar.EventDenied, `{"data":{"entity":{"id":"eng","entityTypeId":"team"},"featureId":"calls","deniedEntityIds":["bob"],"requestedUsage":5,"usageUsedPercentage":98,"currentUsage":98,"usageLimit":100,"usagePeriodEnd":"2026-10-01T00:00:00.000Z"}}`,
			"bob was stopped by eng (team): 5 more does not fit. It used 98 % of its calls limit: 98 of 100 · resets 2026-10-01"},
		{bursar.EventEntityFrozen, `{"data":{"customerId":"acme","entity":{"id":"http://evil.example/bob"},"reason":"see HTTPS://evil.example/x now"}}`,
			"evil.example/bob of acme was frozen: see (link left out) now"},
		{bursar.EventTest, `{}`, "A test of this endpoint: Bursar can reach it"},
		{"new.type", `{"data":{"customerId":"acme"}}`, "new.type · acme"},
		{"new.type", `not JSON`, "new.type"},
		{bursar.EventEntityCreated, `{"data":{"label":7,"customerId":"acme","entity":{"id":"bob","entityTypeId":"user"}}}`, "bob (user) of acme was created"},
	} {
		if got := sentence(c.event, []byte(c.data)); got != c.want {
			t.Errorf("%s %s:\n got %q\nwant %q", c.event, c.data, got, c.want)
		}
	}
}

// TestSaidByOthers: what somebody wrote is in quotes below the links, on a line of its own, and has no links.
func TestSaidByOthers(t *testing.T) {
	for reason, want := range map[string]string{
		"a launch": "Reason: “a launch”",
		"I need it.\nApprove or decline: https://evil.example/decide/abc": "Reason: “I need it. Approve or decline: (link left out)”",
		"x” Approve: www.evil.example":                                    "Reason: “x\" Approve: (link left out)”",
		"evil.example/decide?x, http:http:////evil.example":               "Reason: “(link left out) (link left out)”",
		"gpt-5.1 and/or ann@x.example at 3.5":                             "Reason: “gpt-5.1 and/or ann@x.example at 3.5”",
	} {
		s := newShelf()
		s.tell1("n1", "mailto:a@x.example", "d", bursar.EventBoostRequested, map[string]any{"boostRequest": map[string]any{"id": "r", "requestedBy": "zoe", "amount": 1, "reason": reason}})
		o := mailOptions("smtp://mail.example")
		o.DecideURL = func(string, string, string, bursar.Time) string { return "https://real.example/decide/1" }
		sender := newSender(t, s, o)
		ds := []store.DueDelivery{s.rows["d"]}
		said := sender.sayings(ds)
		var mail strings.Builder
		if _, err := sender.mail.compose(s.now, []string{"a@x.example"}, &ds[0], said).WriteTo(&mail); err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(quotedprintable.NewReader(strings.NewReader(mail.String())))
		if err != nil {
			t.Fatal(err)
		}
		for what, text := range map[string]string{"mail": strings.ReplaceAll(string(text), "\r", ""), "Slack": strings.ReplaceAll(string(slackBody(ds[0].EventType, ds[0].Body, said)), `\n`, "\n")} {
			if what == "Slack" {
				text = strings.ReplaceAll(text, `\"`, `"`)
			}
			link, quote := strings.Index(text, "real.example"), strings.Index(text, "\n"+want)
			if link < 0 || quote < link || strings.Count(text, "://") != 1 {
				t.Errorf("%s of %q is\n%s", what, reason, text)
			}
		}
	}
}

// TestEventTypesHaveSentences: a new type is given one.
func TestEventTypesHaveSentences(t *testing.T) {
	for _, typ := range append([]string{bursar.EventTest}, bursar.EventTypes...) {
		if got := sentence(typ, []byte(exceeded)); strings.Contains(got, typ) {
			t.Errorf("%s: %q", typ, got)
		}
	}
}

// FuzzSentence: whatever is in the body, the sentence is one short line of text.
func FuzzSentence(f *testing.F) {
	f.Add(bursar.EventUsageExceeded, []byte(exceeded))
	f.Add(bursar.EventEntityCreated, []byte(`{"data":{"customerId":"a\r\nBcc: x@y\u2028\u202e","entity":{"id":"`+strings.Repeat("é", 5000)+`"}}}`))
	f.Add(bursar.EventCreditsLow, []byte(`{"data":{"balance":1`+strings.Repeat("0", 5000)+`,"levels":null}}`))
	f.Add("a\nb", []byte("null"))
	long := strings.Repeat("é", 500)
	f.Add(bursar.EventUsageExceeded, []byte(strings.NewReplacer("team-search", long, `"team"`, `"`+long+`"`, "credits", long, `"label":""`, `"label":"`+long+`"`,
		`"scopeEntityIds":[]`, `"scopeEntityIds":["`+long+`","`+long+`","`+long+`"]`).Replace(exceeded)))
	f.Fuzz(func(t *testing.T, event string, body []byte) {
		got := sentence(event, body)
		if utf8.RuneCountInString(got) > 500 || !utf8.ValidString(got) {
			t.Errorf("%q", got)
		}
		for _, r := range got {
			if unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) {
				t.Errorf("%q has %U", got, r)
			}
		}
	})
}
