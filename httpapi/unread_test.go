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
