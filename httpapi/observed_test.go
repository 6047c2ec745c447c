package httpapi

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/engine"
)

func someDenial(customer string, i int, dims ...bursar.Dimension) *denial {
	return &denial{Denial: engine.Denial{CustomerID: customer, At: bursar.Time(i), Dimensions: dims, Decision: bursar.Decision{Binding: &bursar.Binding{
		Source: bursar.BindingEntity, Node: bursar.Node{AssignmentID: fmt.Sprint(customer, i%7), Label: "l"}}}}}
}

// TestDenialsAreBounded: in number for a customer and for all, and in memory.
func TestDenialsAreBounded(t *testing.T) {
	o := newObserved(0)
	for i := range 3 * maxCustomerDenials {
		o.deny(someDenial("a", i))
	}
	if got := o.of("a"); len(got) != maxCustomerDenials || got[0].At != 3*maxCustomerDenials-1 || got[len(got)-1].At != 2*maxCustomerDenials {
		t.Errorf("%d, from %d to %d", len(got), got[0].At, got[len(got)-1].At)
	}
	for i := range 2 * maxDenials {
		o.deny(someDenial(fmt.Sprint("c", i/3), i))
	}
	kept := 0
	for _, list := range o.denials {
		kept += len(list)
	}
	if kept != maxDenials || len(o.oldest) != maxDenials || len(o.of("a")) != 0 {
		t.Errorf("%d kept, %d in line, %d of a", kept, len(o.oldest), len(o.of("a")))
	}
	large := bursar.Dimension{Key: "k", Value: strings.Repeat("x", 1<<20)}
	for i := range 100 {
		o.deny(someDenial("large", i, large))
	}
	if o.bytes > maxDenialBytes || len(o.of("large")) < 20 {
		t.Errorf("%d bytes, %d kept", o.bytes, len(o.of("large")))
	}
	if left := o.oldest; len(left) == 0 || o.bytes != sizeOf(left) {
		t.Errorf("%d bytes are counted, there are %d", o.bytes, sizeOf(left))
	}
}

func sizeOf(list []*denial) (n int) {
	for _, d := range list {
		n += d.Size()
	}
	return n
}

// TestMinutes: decisions are counted in their minute, whoever comes first into it, and a
// slot that comes round begins at zero.
func TestMinutes(t *testing.T) {
	o := newObserved(0)
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for i := range 3 * minuteSlots {
				now := bursar.Time(i) * bursar.Time(time.Minute)
				o.decided(now, worker%2 == 0)
				o.used(now, 2)
				if worker == 0 {
					o.of("a")
				}
			}
		})
	}
	wg.Wait()
	if o.granted.Load() != 4*3*minuteSlots || o.denied.Load() != 4*3*minuteSlots {
		t.Errorf("%d granted, %d denied", o.granted.Load(), o.denied.Load())
	}
	out := overviewOut{AsOf: bursar.Time(1000 * time.Minute)}
	o.decided(out.AsOf, false)
	o.used(out.AsOf, 5)
	o.show(&out)
	last := out.Minutes[minutesShown-1]
	if len(out.Minutes) != minutesShown || last.Timestamp != out.AsOf || last.Denied != 1 || last.UsageEvents != 5 || last.Granted != 0 {
		t.Errorf("%+v", last)
	}
	if slices.ContainsFunc(out.Minutes[:minutesShown-1], func(m minuteOut) bool { return m.Denied+m.Granted+m.UsageEvents != 0 }) {
		t.Error("what is long ago is shown")
	}
}

// Denials of one team push out its own before those of another.
func TestDenialsOfOneBranchLeaveTheOthers(t *testing.T) {
	o := newObserved(0)
	deny := func(user, team string) {
		o.deny(&denial{Denial: engine.Denial{CustomerID: "acme", Decision: bursar.Decision{Chains: [][]bursar.Node{{{EntityID: user}, {EntityID: team, Label: "a"}, {EntityID: team}, {EntityID: "org"}}}}}})
	}
	for range 5 {
		deny("ann", "red")
	}
	for i := range 10 * maxCustomerDenials {
		deny(fmt.Sprint("bob", i), "blue")
	}
	of := o.of("acme")
	red := 0
	for _, d := range of {
		if d.inBranch == "red" {
			red++
		}
	}
	if len(of) != maxCustomerDenials || red != 5 {
		t.Errorf("%d denials are left, %d of the red team", len(of), red)
	}
	for range maxDenials + 10 { // the oldest go in order whatever went before
		deny("ann", "red")
		o.mu.Lock()
		o.forget()
		o.mu.Unlock()
	}
	if n := len(o.denials["acme"]); n > maxCustomerDenials {
		t.Errorf("%d", n)
	}
}

// A denial by a limit that a token does not see shows the limit that it does see, when that
// denied too.
func TestADenialShowsTheVisibleLimit(t *testing.T) {
	w := newTokenWorld(t)
	w.admin("PUT", "/api/v1/customers/acme/assignments", `{"assignments":[{"entityId":"annuser","featureId":"calls","scopeEntityIds":["bobuser"],"usageLimit":0},{"entityId":"redteam","featureId":"calls","usageLimit":0}]}`)
	w.admin("GET", "/api/v1/customers/acme/entitlements/check?featureId=calls&requestedUsage=7&dimensions="+url.QueryEscape(`{"agentId":"bobuser","userId":"annuser"}`), "")
	_, reply := w.as("scoped", "GET", "/api/v1/customers/acme/denials?limit=1", "")
	if !strings.Contains(reply, `"requested":7`) || !regexp.MustCompile(`"binding":\{"source":"ENTITY","assignmentId":"[^"]*","entityId":"(redteam|annuser)"`).MatchString(reply) || unseen.MatchString(reply) {
		t.Errorf("%s", reply)
	}
}

// A token with a root learns counts of what it sees, and nothing from filters: as if nothing else had
// been denied.
func TestDenialCountsOfAToken(t *testing.T) {
	w := newTokenWorld(t)
	w.admin("PUT", "/api/v1/customers/acme/assignments", `{"assignments":[{"entityId":"annuser","featureId":"calls","scopeEntityIds":["bobuser"],"usageLimit":0},{"entityId":"bobuser","featureId":"calls","usageLimit":0}]}`)
	const path = "/api/v1/customers/acme/denials/summary?startDate=2026-09-01T00:00:00Z&endDate=2027-09-01T00:00:00Z&granularity=DAY"
	ask := func(query string) string {
		t.Helper()
		resp, reply := w.as("scoped", "GET", path+query, "")
		if resp.StatusCode != 200 || unseen.MatchString(reply) {
			t.Errorf("%s: %d %s", query, resp.StatusCode, reply)
		}
		return reply
	}
	before := ask("")
	check := func(dims string) {
		w.admin("GET", "/api/v1/customers/acme/entitlements/check?featureId=calls&requestedUsage=7&dimensions="+url.QueryEscape(dims), "")
	}
	check(`{"userId":"bobuser"}`)
	if after := ask(""); after != before {
		t.Errorf("a denial that is not seen changes\n%s\nto\n%s", before[strings.Index(before, "groups"):], after[strings.Index(after, "groups"):])
	}
	check(`{"agentId":"bobuser","userId":"annuser"}`) // two denials by limits that it does not see
	check(`{"agentId":"bobuser","userId":"annuser"}`)
	if reply := ask("&entityId=annuser"); !regexp.MustCompile(`"groups":\[\{"entityId":"annuser","featureId":"calls","reason":"BudgetExceeded","binding":null,"denied":2,"sampled":2,`).MatchString(reply) {
		t.Errorf("%s", reply)
	}
	for _, limit := range []string{w.limits["bobuser"], w.limits["missing"]} {
		if reply := ask("&assignmentId=" + limit); !strings.Contains(reply, `"denied":0,`) {
			t.Errorf("by a limit that is not seen: %s", reply)
		}
	}
}

// The summary says of what a token sees what the list says, with each filter.
func TestDenialCountsAreThoseOfTheList(t *testing.T) {
	w := newTokenWorld(t)
	w.admin("PUT", "/api/v1/customers/acme/assignments", `{"assignments":[{"entityId":"annuser","featureId":"calls","scopeEntityIds":["bobuser"],"usageLimit":0},{"entityId":"redteam","featureId":"calls","usageLimit":3}]}`)
	w.admin("GET", "/api/v1/customers/acme/entitlements/check?featureId=calls&requestedUsage=7&dimensions="+url.QueryEscape(`{"agentId":"bobuser","userId":"annuser"}`), "")
	const times = "startDate=2026-09-01T00:00:00Z&endDate=2027-09-01T00:00:00Z"
	type shown struct {
		Reason  string `json:"reason"`
		Binding *struct {
			AssignmentID string `json:"assignmentId"`
		} `json:"binding"`
		Denied int `json:"denied"`
	}
	for _, as := range []string{"scoped", "scoped read"} {
		read := func(path string, to any) {
			t.Helper()
			_, reply := w.as(as, "GET", "/api/v1/customers/acme/"+path, "")
			var envelope struct {
				Data json.RawMessage `json:"data"`
			}
			mustUnmarshal(t, []byte(reply), &envelope)
			mustUnmarshal(t, envelope.Data, to)
		}
		for _, filter := range []string{"", "&reason=BudgetExceeded", "&reason=RequestedUsageExceedingLimit", "&assignmentId=" + w.limits["redteam"]} {
			var list []shown
			var summary struct {
				Groups []shown `json:"groups"`
			}
			read("denials?limit=100&"+times+filter, &list)
			read("denials/summary?granularity=DAY&"+times+filter, &summary)
			count := func(rows []shown) map[string]int {
				by := map[string]int{}
				for _, r := range rows {
					limit := ""
					if r.Binding != nil {
						limit = r.Binding.AssignmentID
					}
					by[r.Reason+" "+limit] += max(1, r.Denied)
				}
				return by
			}
			if a, b := count(list), count(summary.Groups); !maps.Equal(a, b) || filter == "" && len(a) == 0 {
				t.Errorf("%s %s: the list has %v, the summary %v", as, filter, a, b)
			}
		}
	}
}
