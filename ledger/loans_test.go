package ledger

import (
	"errors"
	"fmt"
	"testing"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// newLenders is a firm of which each and all n users below it have a limit of 1000.
func newLenders(t *testing.T, n int) *firm {
	f := newFirm(t, n)
	limit := func(id string) bursar.AssignmentInput {
		return bursar.AssignmentInput{EntityID: id, Capability: calls, UsageLimit: bursar.Some(bursar.AmountFromInt(1000)), Cadence: monthly}
	}
	in := []bursar.AssignmentInput{limit("each")}
	for i := range n {
		in = append(in, limit(fmt.Sprint("u", i)))
	}
	f.do(&PutAssignments{In: in})
	return f
}

// limit is the id of an entity's limit.
func (f *firm) limit(ent string) string {
	d := f.decider()
	return store.FormatID(d.RowID(d.FindRow(Target{Ent: d.EntOrd(ent)}, d.CapOrd(calls), "")))
}

func (f *firm) lend(to string) *CreateBoost {
	return &CreateBoost{Caller: catalogue.Caller{ActorType: "API_KEY", ActorID: "a"}, Row: f.limit(to), In: bursar.BoostInput{Amount: bursar.AmountFromInt(1), FundedBy: "each"}}
}

// sound sees that no loan is of a limit that is not there, and each is in the lists of both.
func (f *firm) sound() {
	f.t.Helper()
	if err := f.state.Sound(); err != nil {
		f.t.Error(err)
	}
	for row, list := range f.state.loans {
		for _, l := range list {
			for _, of := range []uint32{l.Row, l.Lender} {
				if len(f.state.loans[of]) == 0 || f.state.Rows.At(of) == nil {
					f.t.Errorf("row %d has a loan that row %d does not have", row, of)
				}
			}
		}
	}
}

// TestLoansGoWithTheirLimits: one that is made and whose limit is deleted in the same commit is
// gone, whichever of the two limits it is.
func TestLoansGoWithTheirLimits(t *testing.T) {
	for _, deleted := range []string{"u0", "each"} {
		f := newLenders(t, 1)
		d := f.decider()
		for _, o := range []Op{f.lend("u0"), &DeleteAssignment{ID: f.limit(deleted)}} {
			if _, err := d.Attempt(o); err != nil || d.Fault != nil {
				t.Fatal(err, d.Fault)
			}
		}
		d.Merge(store.Head{Seq: f.state.Head.Seq + 1, Now: d.Now})
		if f.sound(); len(f.state.loans) > 0 {
			t.Errorf("%s deleted: %v are left", deleted, f.state.loans)
		}
	}
}

// TestLoansAreBounded: a limit funds so many boosts at a time. Of those that ended the latest are
// kept, by both limits the same.
func TestLoansAreBounded(t *testing.T) {
	const n = keptLoans + 20
	f := newLenders(t, n)
	for i := range maxLoans {
		f.do(f.lend(fmt.Sprint("u", i)))
	}
	if _, err := f.decider().Attempt(f.lend(fmt.Sprint("u", maxLoans))); err == nil {
		t.Error("one more is funded")
	}
	end := func(of string) {
		row := f.limit(of)
		boosts, err := NewView(f.state, f.state.Head.Now).BoostsOn(row)
		if err != nil || len(boosts) != 1 {
			t.Fatal(boosts, err)
		}
		f.do(&EndBoost{Row: row, ID: boosts[0].ID})
	}
	for i := range n {
		if i >= maxLoans {
			f.do(f.lend(fmt.Sprint("u", i)))
		}
		end(fmt.Sprint("u", i))
	}
	f.sound()
	boosts, _ := NewView(f.state, f.state.Head.Now).BoostsOn(f.limit("each"))
	if len(boosts) != keptLoans {
		t.Errorf("%d are listed of the limit that pays", len(boosts))
	}
	if boosts, _ := NewView(f.state, f.state.Head.Now).BoostsOn(f.limit("u0")); len(boosts) != 0 {
		t.Errorf("the first is still listed: %v", boosts)
	}
	f.do(&DeleteAssignment{ID: f.limit("u0")})
	f.do(&DeleteAssignment{ID: f.limit("each")})
	if f.sound(); len(f.state.loans) > 0 {
		t.Errorf("%d limits have loans of a limit that is gone", len(f.state.loans))
	}
}

// TestLoansOfNothingAreRefused: a log that names rows and entities that are not there is not taken in.
func TestLoansOfNothingAreRefused(t *testing.T) {
	f := newLenders(t, 1)
	for _, l := range []record.Loan{{Row: 1, Lender: 9, LenderEnt: 1}, {Row: 9, Lender: 1, LenderEnt: 1}, {Row: 1, Lender: 2, LenderEnt: 99}, {Row: 1, Lender: 2}, {Row: 1, Lender: 1, LenderEnt: 1}} {
		d := f.decider()
		if d.Emit(&record.BoostLent{Loan: l}); !errors.Is(d.Fault, record.ErrRecord) {
			t.Errorf("%+v: %v", l, d.Fault)
		}
	}
	f.do(&AskBoost{Caller: catalogue.Caller{ActorType: "API_KEY", ActorID: "a"}, In: bursar.BoostRequestInput{EntityID: "u0", Capability: calls, Amount: bursar.AmountFromInt(1)}})
	d := f.decider()
	if d.Emit(&record.BoostAnswered{Ord: 1, Answer: record.BoostAnswer{Answer: record.Approved, Lender: 99}}); !errors.Is(d.Fault, record.ErrRecord) {
		t.Errorf("an approval of nobody: %v", d.Fault)
	}
	f.state.requests[1].Answer = &record.BoostAnswer{Answer: record.Approved, Lender: 99}
	if f.state.Sound() == nil {
		t.Error("an approval of nobody is sound")
	}
}

// TestMendedRequestsLastAsLong: a request that was made while the clock was ahead is open for as
// long as it would have been.
func TestMendedRequestsLastAsLong(t *testing.T) {
	const now, ahead, life = bursar.Time(1e18), bursar.Time(2e18), bursar.Time(3600e9)
	m := &Mender{At: now, was: ahead + 1}
	r := m.record(nil, &record.BoostAsked{Request: record.BoostRequest{Created: ahead, Expires: ahead + life}}).(*record.BoostAsked)
	if r.Request.Created != now || r.Request.Expires != now+life {
		t.Errorf("%+v", r.Request)
	}
}
