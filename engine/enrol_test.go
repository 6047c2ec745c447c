package engine_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store"
	"github.com/bursarhq/bursar/store/mem"
)

// enrolUsers lets users be enrolled below o, with a limit by default.
func (r *rig) enrolUsers(each int64) {
	r.t.Helper()
	o := "o"
	_, err := r.PutEntityTypes(r.t.Context(), tester, []catalogue.EntityTypeInput{{ID: "user", DisplayName: "User", AttributionKeys: []string{"user"},
		Strict: bursar.Some(true), Enrolment: bursar.Some(bursar.Enrolment{ParentID: &o})}})
	r.must(err)
	_, _, err = r.PutDefaults(r.t.Context(), tester, "acme", []bursar.DefaultInput{{EntityTypeID: "user", Capability: capability("tokens"),
		UsageLimit: bursar.Some(bursar.AmountFromInt(each)), Cadence: bursar.Some(bursar.Cadence{N: 1, Unit: bursar.UnitYear})}})
	r.must(err)
}

// rootLimit sets the limit of o.
func (r *rig) rootLimit(n int64) {
	r.t.Helper()
	_, _, err := r.PutAssignments(r.t.Context(), tester, "acme", []bursar.AssignmentInput{{EntityID: "o", Capability: capability("tokens"), UsageLimit: bursar.Some(bursar.AmountFromInt(n))}})
	r.must(err)
}

// users counts the entities of the type user beside u.
func (r *rig) users() (n int) {
	r.t.Helper()
	q := ledger.EntityQuery{TypeID: "user", IncludeArchived: true}
	q.Limit = 1000
	for {
		p, _, err := r.Entities(r.t.Context(), ledger.ReadOptions{}, "acme", q)
		r.must(err)
		for _, e := range p.Items {
			if e.ID != "u" {
				if n++; e.ParentID == nil || *e.ParentID != "o" {
					r.t.Fatalf("%s is not below o: %+v", e.ID, e)
				}
			}
		}
		if !p.HasNext {
			return n
		}
		last := p.Items[len(p.Items)-1]
		q.After = &ledger.ListPos{CreatedAt: last.CreatedAt, ID: last.ID}
	}
}

func asUser(id string) []bursar.Dimension { return []bursar.Dimension{{Key: "user", Value: id}} }

// 10,000 new users at once under one default and one budget: as many are granted as the budget
// has room for, and they alone are entities, also once the log is folded again.
func TestManyEnrolAtOnce(t *testing.T) {
	const all, room = 10_000, 777
	eachStore(t, func(t *testing.T, s store.Store) {
		r := newRig(t, s, quiet)
		r.furnish("acme")
		r.enrolUsers(3)
		r.rootLimit(room)
		var granted, denied atomic.Int64
		var sent sync.WaitGroup
		for worker := range 200 {
			sent.Go(func() {
				for i := range all / 200 {
					in := spendOf("tokens", 1, "")
					in.Dimensions = asUser(fmt.Sprintf("new-%d", worker*all/200+i))
					_, _, err := r.Reserve(context.Background(), tester, "acme", in, 3600, bursar.ExpireRelease)
					switch code := codeOf(err); {
					case err == nil:
						granted.Add(1)
					case code == bursar.CodeBudgetExceeded:
						denied.Add(1)
					default:
						t.Error(err)
					}
				}
			})
		}
		sent.Wait()
		look := func(when string) {
			d, _, err := r.Check(t.Context(), ledger.ReadOptions{}, "acme", []ledger.CheckInput{{Capability: capability("tokens"), Requested: bursar.AmountFromInt(1), Dimensions: onUser}})
			r.must(err)
			root := d[0].Chains[0][1]
			if granted.Load() != room || denied.Load() != all-room || r.users() != room || root.EntityID != "o" || root.Reserved != bursar.AmountFromInt(room) || d[0].Granted {
				t.Errorf("%s: %d granted, %d denied, %d enrolled; the budget: %+v", when, granted.Load(), denied.Load(), r.users(), root)
			}
			r.must(r.VerifyAll(t.Context()))
		}
		look("at once")
		r.close()
		r.open()
		defer r.close()
		look("opened again")
	})
}

// Reports of many new users at once record all, and each user is one entity.
func TestManyEnrolByReports(t *testing.T) {
	const users, batch = 2000, 50
	r := newRig(t, mem.New(), quiet)
	defer r.close()
	r.furnish("acme")
	r.enrolUsers(3)
	var sent sync.WaitGroup
	for from := 0; from < users; from += batch {
		for range 2 { // two at once name the same
			sent.Go(func() {
				var in []bursar.UsageInput
				for i := range batch {
					for range 2 {
						in = append(in, bursar.UsageInput{CustomerID: "acme", FeatureID: "tokens", Value: bursar.AmountFromInt(1), Dimensions: asUser(fmt.Sprintf("new-%d", from+i))})
					}
				}
				if _, _, err := r.ReportUsage(context.Background(), tester, in); err != nil {
					t.Error(err)
				}
			})
		}
	}
	sent.Wait()
	d, _, err := r.Check(t.Context(), ledger.ReadOptions{}, "acme", []ledger.CheckInput{{Capability: capability("tokens"), Dimensions: asUser("new-7")}})
	r.must(err)
	if own, root := d[0].Chains[0][0], d[0].Chains[0][1]; own.CurrentUsage != bursar.AmountFromInt(4) || root.CurrentUsage != bursar.AmountFromInt(4*users) || r.users() != users {
		t.Errorf("%d enrolled; %s used by one, %s by all", r.users(), own.CurrentUsage, root.CurrentUsage)
	}
	r.must(r.VerifyAll(t.Context()))
}

// A batch decides many requests: what one of them is refused leaves its number to the next.
func TestRefusedNewcomerLeavesNothing(t *testing.T) {
	r := newRig(t, mem.New(), quiet)
	defer r.close()
	r.furnish("acme")
	r.enrolUsers(3)
	consume := func(id string, n int64) (bursar.ConsumeResult, uint64, error) {
		in := spendOf("tokens", n, "")
		in.Dimensions = asUser(id)
		return r.Consume(t.Context(), tester, "acme", in)
	}
	_, before, err := consume("kept", 1)
	r.must(err)
	_, _, err = consume("refused", 4)
	var refused *bursar.Error
	if !errors.As(err, &refused) || refused.Denial == nil {
		t.Fatalf("4 of 3: %v", err)
	}
	got, after, err := consume("next", 1)
	r.must(err)
	id := got.Decision.Chains[0][0].AssignmentID
	a, _, err := r.Assignment(t.Context(), ledger.ReadOptions{}, "acme", id)
	r.must(err)
	if a.EntityID != "next" || after != before+1 {
		t.Errorf("%s is the limit of %s; version %d after %d", id, a.EntityID, after, before)
	}
	if w := fmt.Sprint(refused.Denial.Warnings); w != "[WOULD_ENROL:user]" {
		t.Errorf("the denial warns of %s", w)
	}
	n := refused.Denial.Binding.Node
	if a, _, err := r.Assignment(t.Context(), ledger.ReadOptions{}, "acme", n.AssignmentID); n.EntityID != "refused" || codeOf(err) != bursar.CodeAssignmentNotFound {
		t.Errorf("the denial names the limit %+v, which is now %+v, %v", n, a, err)
	}
	if _, _, err := r.Entity(t.Context(), ledger.ReadOptions{}, "acme", "refused"); codeOf(err) != bursar.CodeEntityNotFound {
		t.Errorf("who was refused: %v", err)
	}
}

// Who is not trusted enrols nobody, and a key that is bound to types only those. Whoever may not is
// denied, as nothing limits an id that is nobody's.
func TestWhoMayEnrol(t *testing.T) {
	r := newRig(t, mem.New(), engine.Options{})
	defer r.close()
	r.furnish("acme")
	r.enrolUsers(3)
	_, err := r.PutEntityTypes(t.Context(), tester, []catalogue.EntityTypeInput{{ID: "user", DisplayName: "User", AttributionKeys: []string{"user"}, Strict: bursar.Some(false)}})
	r.must(err)
	for i, x := range []struct {
		who string
		by  func(*catalogue.Caller)
		may bool
	}{
		{"a key", func(*catalogue.Caller) {}, true},
		{"a key of users", func(c *catalogue.Caller) { c.Types = []string{"team", "user"} }, true},
		{"a key of orgs", func(c *catalogue.Caller) { c.Types = []string{"org"} }, false},
		{"a spend token", func(c *catalogue.Caller) { c.Spends = &catalogue.SpendPath{} }, false},
		{"an access token", func(c *catalogue.Caller) { c.Token = &bursar.AccessToken{CustomerID: "acme"} }, false},
		{"an access token of a subtree", func(c *catalogue.Caller) {
			c.Token = &bursar.AccessToken{CustomerID: "acme", RootEntityID: "o"}
		}, false},
	} {
		by := tester
		x.by(&by)
		id := fmt.Sprint(strings.Repeat(fmt.Sprint(i), 8))
		d, _, err := r.Check(t.Context(), ledger.ReadOptions{Token: by.Token, Enrols: by.Enroller()}, "acme", []ledger.CheckInput{{Capability: capability("tokens"), Dimensions: asUser(id)}})
		r.must(err)
		if d[0].Granted != x.may || !x.may && (d[0].Reason != bursar.CodeEntityNotFound || !strings.Contains(d[0].Because, "is not enrolled: ")) {
			t.Errorf("%s: a check: %+v", x.who, d[0])
		}
		in := spendOf("tokens", 1, "")
		in.Dimensions = asUser(id)
		if _, _, err := r.Consume(t.Context(), by, "acme", in); err == nil != x.may || !x.may && codeOf(err) != bursar.CodeEntityNotFound {
			t.Errorf("%s: %v", x.who, err)
		}
		if _, _, err := r.Entity(t.Context(), ledger.ReadOptions{}, "acme", id); err == nil != x.may {
			t.Errorf("%s: the entity: %v", x.who, err)
		}
	}
}

// The key that ends the hold of a spend token enrols nobody by what the token's holder called itself.
func TestEndOfATokensHoldEnrolsNobody(t *testing.T) {
	r := newRig(t, mem.New(), engine.Options{})
	defer r.close()
	r.furnish("acme")
	_, err := r.CreateFeature(t.Context(), tester, bursar.Feature{ID: "asks", DisplayName: "Asks", Meter: &bursar.Meter{EventName: "llm", Aggregation: bursar.Aggregation{Function: "COUNT"}}})
	r.must(err)
	hold := func(by catalogue.Caller, dims []bursar.Dimension) string {
		h, _, err := r.Reserve(t.Context(), by, "acme", bursar.SpendInput{EventName: "llm", Dimensions: dims}, 3600, bursar.ExpireRelease)
		r.must(err)
		return h.ID
	}
	token := tester
	token.Spends = &catalogue.SpendPath{}
	labels := []bursar.Dimension{{Key: bursar.SpendTokenKey, Value: "t"}, {Key: "user", Value: "named"}}
	held, plain := hold(token, labels), hold(tester, labels[1:])
	r.enrolUsers(3)
	for id, enrols := range map[string]bool{held: false, plain: true} {
		said := "said-" + id
		report := []bursar.EventInput{{CustomerID: "acme", EventName: "llm", ReservationID: id, IdempotencyKey: said, Dimensions: asUser(said)}}
		_, _, err := r.ReportEvents(t.Context(), tester, report)
		r.must(err)
		if _, _, err := r.Entity(t.Context(), ledger.ReadOptions{}, "acme", said); err == nil != enrols {
			t.Errorf("%s: %v", said, err)
		}
	}
	if _, _, err := r.Entity(t.Context(), ledger.ReadOptions{}, "acme", "named"); err == nil {
		t.Error("who was named by the hold is an entity")
	}
}
