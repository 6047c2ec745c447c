package ledger

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// TestRequestsAreForgotten: of those that are not open the latest are kept, and one that is open
// is never forgotten, however old it is among them.
func TestRequestsAreForgotten(t *testing.T) {
	f := newFirm(t, 1)
	f.do(&PutAssignments{In: []bursar.AssignmentInput{{EntityID: "u0", Capability: calls, UsageLimit: bursar.Some(bursar.AmountFromInt(1)), Cadence: monthly}}})
	one := bursar.BoostRequestInput{EntityID: "u0", Capability: calls, Amount: bursar.AmountFromInt(1)}
	by := catalogue.Caller{ActorType: "API_KEY", ActorID: "a"}
	const made = bursar.MaxOpenBoostRequests + bursar.KeptBoostRequests + 2
	ids := make([]string, 0, made)
	for i := range made {
		f.do(&AskBoost{Caller: by, In: one})
		ids = append(ids, store.FormatID(f.state.requests[f.state.lastRequest].ID))
		if i > 0 && i < made-1 {
			f.do(&AnswerBoost{Caller: by, ID: ids[i], Answer: record.Declined})
		}
	}
	v := NewView(f.state, f.state.Head.Now)
	if got, want := len(f.state.requests), bursar.KeptBoostRequests+3; got != want { // one was decided since
		t.Errorf("%d are kept, not %d", got, want)
	}
	for i, want := range map[int]bool{0: true, 1: false, made - 3 - bursar.KeptBoostRequests: false, made - 2 - bursar.KeptBoostRequests: true, made - 1: true} {
		if _, err := v.BoostRequest(ids[i], &by); (err == nil) != want {
			t.Errorf("number %d: %v", i, err)
		}
	}
	page := v.BoostRequests(&BoostRequestQuery{Status: bursar.BoostRequestOpen, ListPage: ListPage{Limit: 10}})
	if len(page.Items) != 2 || page.Items[0].ID != ids[made-1] || page.Items[1].ID != ids[0] {
		t.Errorf("open are %+v", page.Items)
	}
}

// TestWithdrawnRequestsAreForgottenFirst: who asks and takes back without end has nothing that was
// decided forgotten.
func TestWithdrawnRequestsAreForgottenFirst(t *testing.T) {
	f := newFirm(t, 1)
	f.do(&PutAssignments{In: []bursar.AssignmentInput{{EntityID: "u0", Capability: calls, UsageLimit: bursar.Some(bursar.AmountFromInt(1)), Cadence: monthly}}})
	by := catalogue.Caller{ActorType: "API_KEY", ActorID: "a"}
	ask := func(answer record.Answer) string {
		f.do(&AskBoost{Caller: by, In: bursar.BoostRequestInput{EntityID: "u0", Capability: calls, Amount: bursar.AmountFromInt(1)}})
		id := store.FormatID(f.state.requests[f.state.lastRequest].ID)
		f.do(&AnswerBoost{Caller: by, ID: id, Answer: answer})
		return id
	}
	declined := ask(record.Declined)
	for range bursar.MaxOpenBoostRequests + bursar.KeptBoostRequests + 2 {
		ask(record.Withdrawn)
	}
	v := NewView(f.state, f.state.Head.Now)
	if r, err := v.BoostRequest(declined, &by); err != nil || r.Status != bursar.BoostRequestDeclined {
		t.Errorf("what was decided: %+v %v", r, err)
	}
}

// TestRequestsAreBounded: of a customer so many requests are open at most.
func TestRequestsAreBounded(t *testing.T) {
	const ents = bursar.MaxOpenBoostRequests/bursar.MaxEntityBoostRequests + 1
	f := newFirm(t, ents)
	by := catalogue.Caller{ActorType: "API_KEY", ActorID: "a"}
	var in []bursar.AssignmentInput
	for i := range ents {
		in = append(in, bursar.AssignmentInput{EntityID: fmt.Sprint("u", i), Capability: calls, UsageLimit: bursar.Some(bursar.AmountFromInt(1)), Cadence: monthly})
	}
	f.do(&PutAssignments{In: in})
	ask := func(i int) *AskBoost {
		return &AskBoost{Caller: by, In: bursar.BoostRequestInput{EntityID: fmt.Sprint("u", i), Capability: calls, Amount: bursar.AmountFromInt(1)}}
	}
	refused := func(i int, words string) {
		t.Helper()
		if _, err := f.decider().Attempt(ask(i)); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("one more of u%d: %v, not %s", i, err, words)
		}
	}
	for i := range bursar.MaxOpenBoostRequests {
		f.do(ask(i / bursar.MaxEntityBoostRequests))
	}
	refused(0, `10 boost requests for limits of "u0" are open, at most 10`)
	refused(ents-1, "1000 boost requests of the customer are open, at most 1000")
	f.do(&AnswerBoost{Caller: by, ID: store.FormatID(f.state.requests[1].ID), Answer: record.Withdrawn})
	f.do(ask(ents - 1))
	refused(ents-1, "1000 boost requests of the customer are open, at most 1000")
}

// TestRootedTokensAskSoOften: a token with a root makes so many requests an hour at most for one subject, whatever becomes of
// them; other subjects and keys are not in that count.
func TestRootedTokensAskSoOften(t *testing.T) {
	f := newFirm(t, 1)
	f.do(&PutAssignments{In: []bursar.AssignmentInput{{EntityID: "u0", Capability: calls, UsageLimit: bursar.Some(bursar.AmountFromInt(1)), Cadence: monthly}}})
	ask := func(kind, id, subject, root string) error {
		by := catalogue.Caller{ActorType: kind, ActorID: id, Subject: subject}
		var op Op = &AskBoost{Caller: by, In: bursar.BoostRequestInput{EntityID: "u0", Capability: calls, Amount: bursar.AmountFromInt(1)}}
		if kind == "ACCESS_TOKEN" {
			op = &ConfinedOp{Op: op, Token: &bursar.AccessToken{CustomerID: f.state.Customer.ID, RootEntityID: root}}
		}
		d := f.decider()
		if _, err := d.Attempt(op); err != nil {
			return err
		}
		d.Merge(store.Head{Seq: f.state.Head.Seq + 1, Now: d.Now})
		f.do(&AnswerBoost{Caller: by, ID: store.FormatID(f.state.requests[f.state.lastRequest].ID), Answer: record.Withdrawn})
		return nil
	}
	allowed := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range bursar.MaxRootedBoostRequests {
		allowed(ask("ACCESS_TOKEN", fmt.Sprint("t", i), "ann", "u0"))
	}
	var e *bursar.Error
	if err := ask("ACCESS_TOKEN", "another", "ann", "u0"); !errors.As(err, &e) || e.Code != bursar.CodeRateLimited {
		t.Errorf("one more: %v", err)
	}
	allowed(ask("ACCESS_TOKEN", "bobs", "bob", "u0"))
	allowed(ask("ACCESS_TOKEN", "whole", "ann", ""))
	allowed(ask("API_KEY", "a", "", ""))
	f.state.Head.Now += bursar.TokenBoostRequestSpan
	allowed(ask("ACCESS_TOKEN", "another", "ann", "u0"))
}

// TestUnknownAnswersAreRefused: an answer of which this version does not know what it means is no
// part of a log or checkpoint that it takes in.
func TestUnknownAnswersAreRefused(t *testing.T) {
	f := newFirm(t, 1)
	f.do(&PutAssignments{In: []bursar.AssignmentInput{{EntityID: "u0", Capability: calls, UsageLimit: bursar.Some(bursar.AmountFromInt(1)), Cadence: monthly}}})
	f.do(&AskBoost{Caller: catalogue.Caller{ActorType: "API_KEY", ActorID: "a"}, In: bursar.BoostRequestInput{EntityID: "u0", Capability: calls, Amount: bursar.AmountFromInt(1)}})
	for _, answer := range []record.Answer{0, record.Withdrawn + 1, 255} {
		r := &record.BoostAnswered{Ord: 1, Answer: record.BoostAnswer{Answer: answer}}
		d := f.decider()
		if d.Emit(r); !errors.Is(d.Fault, record.ErrRecord) {
			t.Errorf("a record with answer %d: %v", answer, d.Fault)
		}
		q := *f.state.requests[1]
		q.Answer = &r.Answer
		if err := NewState().restorePart(&store.PartRow{Sort: partRequest, Key: "1", Body: partBody(&q, nil)}); !errors.Is(err, record.ErrRecord) {
			t.Errorf("a checkpoint with answer %d: %v", answer, err)
		}
	}
}
