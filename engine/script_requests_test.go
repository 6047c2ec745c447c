package engine_test

import (
	"slices"
	"strings"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/ledger"
)

func init() {
	for name, run := range map[string]func(*world, *op) error{
		"ask": (*world).opAsk, "approve": (*world).opApprove, "decline": (*world).opDecline, "withdraw": (*world).opWithdraw, "requests": (*world).opRequests,
	} {
		operations[name] = run
	}
}

// opAsk is "entity capability amount [until=] [name=] [of=CADENCE label= scope=]"; by names a
// caller, and limit asks for what the limit's id is, which leaves no choice.
func (w *world) opAsk(o *op) error {
	it := o.item()
	until, _ := it.take("until")
	name, _ := it.take("name")
	in := bursar.BoostRequestInput{Amount: it.amount(2), ExpiresAt: w.instant(it, until)}
	if name != "" {
		in.Reason = &name
	}
	if it.flag("limit") {
		in.AssignmentID = w.assignmentOf(it)
	} else {
		in.EntityID, in.Capability = it.word(0), capability(it.word(1))
		if of, has := it.take("of"); has {
			c, err := bursar.ParseCadence(of)
			w.must(err)
			in.Cadence = c
		}
		if label, has := it.take("label"); has {
			in.Label = &label
		}
		if scope, has := it.take("scope"); has {
			in.ScopeEntityIDs = slices.DeleteFunc(strings.Split(scope, ","), func(s string) bool { return s == "" })
		}
	}
	by := tester
	if actor, has := it.take("by"); has {
		by.ActorID = actor
	}
	r, _, err := w.engine.AskBoost(w.t.Context(), by, "acme", engine.BoostAsk{In: in})
	if err == nil {
		w.printRequest(&r)
	}
	return err
}

// requestOf is the newest request with a reason.
func (w *world) requestOf(name string) string {
	page, _, err := w.engine.BoostRequests(w.t.Context(), ledger.ReadOptions{}, "acme", ledger.BoostRequestQuery{ListPage: ledger.ListPage{Limit: 1000}})
	w.must(err)
	for _, r := range page.Items {
		if r.Reason != nil && *r.Reason == name {
			return r.ID
		}
	}
	return "01940000-0000-7000-8000-000000000000"
}

func (w *world) printRequest(r *bursar.BoostRequest) {
	w.printf("%s: %s of %s %s until %s, asked by %s", r.Status, r.Amount, r.EntityID, r.Capability.ID, instantText(r.ExpiresAt), r.RequestedBy)
	if r.Reason != nil {
		w.printf(" for %s", *r.Reason)
	}
	if r.DecidedAt != nil {
		w.printf(", decided by %s at %s", *r.DecidedBy, instantText(*r.DecidedAt))
	}
	if r.Note != nil {
		w.printf(" (%s)", *r.Note)
	}
	if r.ApprovedAmount != nil {
		w.printf(", is %s until %s", r.ApprovedAmount, instantText(*r.ApprovedExpiresAt))
		if r.FundedBy != "" {
			w.printf(", funded by %s", r.FundedBy)
		}
	}
	w.printf("\n")
}

// opApprove is "name [amount= until= note= by=]".
func (w *world) opApprove(o *op) error {
	it := o.item()
	in := bursar.BoostRequestDecision{}
	if s, has := it.take("amount"); has {
		a, err := bursar.AmountFromString(s)
		w.must(err)
		in.Amount = &a
	}
	until, _ := it.take("until")
	in.ExpiresAt = w.instant(it, until)
	if note, has := it.take("note"); has {
		in.Note = &note
	}
	in.FundedBy, _ = it.take("from")
	r, _, err := w.engine.ApproveBoost(w.t.Context(), tester, "acme", w.requestOf(it.word(0)), in)
	if err == nil {
		w.printRequest(&r)
	}
	return err
}

func (w *world) opDecline(o *op) error {
	it := o.item()
	var said *string
	if note, has := it.take("note"); has {
		said = &note
	}
	r, _, err := w.engine.DeclineBoost(w.t.Context(), tester, "acme", w.requestOf(it.word(0)), said)
	if err == nil {
		w.printRequest(&r)
	}
	return err
}

func (w *world) opWithdraw(o *op) error {
	it := o.item()
	by := tester
	if actor, has := it.take("by"); has {
		by.ActorID = actor
	}
	r, _, err := w.engine.WithdrawBoost(w.t.Context(), by, "acme", w.requestOf(it.word(0)))
	if err == nil {
		w.printRequest(&r)
	}
	return err
}

// opRequests is "[status] [entity=]", the newest first.
func (w *world) opRequests(o *op) error {
	it := o.item()
	q := ledger.BoostRequestQuery{Status: bursar.BoostRequestStatus(it.word(0)), ListPage: ledger.ListPage{Limit: 1000}}
	q.EntityID, _ = it.take("entity")
	page, _, err := w.engine.BoostRequests(w.t.Context(), ledger.ReadOptions{}, "acme", q)
	for i := range page.Items {
		w.printRequest(&page.Items[i])
	}
	return err
}
