package engine_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store"
	"github.com/bursarhq/bursar/store/mem"
)

// wronglyPriced are customers whose usage of 10 cost 1 in place of 2.
func wronglyPriced(t *testing.T, s *mem.Store, customers ...string) *rig {
	r := newRig(t, s, quiet)
	r.furnish(customers...)
	_, err := r.CreateRateCard(t.Context(), tester, catalogue.RateCardInput{ID: "card", CurrencyID: "credits", DisplayName: "Card",
		RateVersionInput: catalogue.RateVersionInput{Rates: []bursar.Rate{{FeatureID: "tokens", Amount: amount("0.1")}}}})
	r.must(err)
	for _, c := range customers {
		r.use(c, "10", 0, onUser)
	}
	r.advance(time.Second)
	_, err = r.AddRateVersion(t.Context(), tester, "card", catalogue.RateVersionInput{Rates: []bursar.Rate{{FeatureID: "tokens", Amount: amount("0.2")}}, Corrects: 1})
	r.must(err)
	return r
}

func (r *rig) job(id string) engine.Job {
	r.t.Helper()
	j, err := r.Job(context.Background(), id)
	r.must(err)
	return j
}

func (r *rig) startReprice(c catalogue.Caller) engine.Job {
	r.t.Helper()
	j, err := r.StartReprice(context.Background(), c, ledger.RepriceInput{CardID: "card", From: scriptStart, Apply: true})
	r.must(err)
	return j
}

// correctedOnce holds each customer to one correction, of all that was wrong.
func (r *rig) correctedOnce(customers []string, want int) {
	r.t.Helper()
	corrected := 0
	for _, c := range customers {
		p, _, err := r.Activity(context.Background(), ledger.ReadOptions{}, c, store.ActivityQuery{Action: "rateCard.repriced", Limit: 10})
		r.must(err)
		if len(p.Items) > 1 {
			r.t.Errorf("%s was corrected %d times", c, len(p.Items))
		}
		corrected += len(p.Items)
	}
	if corrected != want {
		r.t.Errorf("%d customers are corrected, want %d", corrected, want)
	}
}

// TestJobGoesOn: a repricing of all customers that is stopped in the middle goes on with
// the rest after a restart, and reports all of it.
func TestJobGoesOn(t *testing.T) {
	s := mem.New()
	reached, resume := make(chan struct{}), make(chan struct{})
	var appends atomic.Int64
	var stopped sync.Once
	var counting atomic.Bool
	s.Fail = func(op string) error {
		if counting.Load() && op == "append" && appends.Add(1) == 5 {
			stopped.Do(func() { close(reached); <-resume })
		}
		return nil
	}
	customers := names(9)
	r := wronglyPriced(t, s, customers...)
	counting.Store(true)
	j := r.startReprice(tester)
	<-reached
	closed := make(chan error)
	go func() { closed <- r.Close(context.Background()) }()
	eventually(t, "the engine closes", func() bool { return r.Ready() != nil })
	close(resume)
	r.must(<-closed)
	r.open()
	defer r.close()
	if at := r.job(j.ID); at.Ended() && at.Status != engine.JobSucceeded {
		t.Fatalf("a job that was stopped ended: %+v", at)
	}
	got, err := r.AwaitJob(t.Context(), j.ID, time.Minute)
	r.must(err)
	if got.Status != engine.JobSucceeded || got.Done != 9 || got.Total != 9 || got.Result.Repricing.Changed != 9 || len(got.Result.Repricing.Customers) != 9 {
		t.Errorf("the job ended as %+v with %+v", got, got.Result)
	}
	if is := got.Result.Repricing.Is; is != amount("18") {
		t.Errorf("all cost %s now, want 18", is)
	}
	r.correctedOnce(customers, 9)
}

// TestJobIsCancelled: one that runs ends, and what it did stays; one that waits never runs.
func TestJobIsCancelled(t *testing.T) {
	s := mem.New()
	reached, resume := make(chan struct{}), make(chan struct{})
	var counting atomic.Bool
	var appends atomic.Int64
	s.Fail = func(op string) error {
		if counting.Load() && op == "append" && appends.Add(1) == 3 {
			close(reached)
			<-resume
		}
		return nil
	}
	customers := names(9)
	r := wronglyPriced(t, s, customers...)
	defer r.close()
	counting.Store(true)
	j := r.startReprice(tester)
	<-reached
	if got, err := r.CancelJob(t.Context(), j.ID); err != nil || !got.Cancelling || got.Ended() {
		t.Fatalf("while it runs: %+v, %v", got, err)
	}
	close(resume)
	got, err := r.AwaitJob(t.Context(), j.ID, time.Minute)
	r.must(err)
	if got.Status != engine.JobCancelled || got.Done >= 9 {
		t.Errorf("it ended as %+v", got)
	}
	again, err := r.CancelJob(t.Context(), j.ID)
	if err != nil || again.Status != engine.JobCancelled || again.FinishedAt != got.FinishedAt {
		t.Errorf("cancelled twice: %+v, %v", again, err)
	}
	j, err = r.AwaitJob(t.Context(), r.startReprice(tester).ID, time.Minute)
	r.must(err)
	if j.Status != engine.JobSucceeded {
		t.Errorf("the rest: %+v", j)
	}
	r.correctedOnce(customers, 9)
}

// TestJobOfOneNode: of two nodes one works on a job; either shows it, and either may end it.
func TestJobOfOneNode(t *testing.T) {
	s := shared()
	var counts atomic.Int64
	s.Fail = func(op string) error {
		if op == "customers" {
			counts.Add(1)
		}
		return nil
	}
	customers := names(5)
	a := wronglyPriced(t, s, customers...)
	defer func() { _ = a.Close(context.Background()) }()
	b := newRig(t, s, quiet)
	defer func() { _ = b.Close(context.Background()) }()
	counts.Store(0)
	j := a.startReprice(tester)
	got, err := b.AwaitJob(t.Context(), j.ID, time.Minute)
	b.must(err)
	if got.Status != engine.JobSucceeded || got.Result.Repricing.Changed != 5 {
		t.Errorf("the other node sees %+v with %+v", got, got.Result)
	}
	if n := counts.Load(); n != 2 { // one to count them, one to reprice them
		t.Errorf("the customers were listed %d times", n)
	}
	a.correctedOnce(customers, 5)
}

// TestJobsAreBounded: no more than 32 jobs wait or run; the one that is refused leaves
// nothing behind, and a request with a key that was accepted is still found.
func TestJobsAreBounded(t *testing.T) {
	s := mem.New()
	resume := make(chan struct{})
	var hold atomic.Bool
	s.Fail = func(op string) error {
		if hold.Load() && op == "customers" {
			<-resume
		}
		return nil
	}
	r := wronglyPriced(t, s, "acme")
	defer r.close()
	hold.Store(true)
	keyed := tester
	keyed.Key = &catalogue.RequestKey{Key: "once", Content: [32]byte{1}}
	first := r.startReprice(keyed)
	for range 31 {
		r.startReprice(tester)
	}
	if _, err := r.StartReprice(t.Context(), tester, ledger.RepriceInput{CardID: "card", From: scriptStart}); codeOf(err) != bursar.CodeRateLimited {
		t.Errorf("the 33rd: %v", err)
	}
	if again := r.startReprice(keyed); again.ID != first.ID || !again.Repeated {
		t.Errorf("the same request made %s, then %s", first.ID, again.ID)
	}
	keyed.Key = &catalogue.RequestKey{Key: "once", Content: [32]byte{2}}
	if _, err := r.StartReprice(t.Context(), keyed, ledger.RepriceInput{CardID: "card", From: scriptStart}); codeOf(err) != bursar.CodeIdempotencyKeyReused {
		t.Errorf("the key with other content: %v", err)
	}
	open, err := r.Jobs(t.Context(), store.JobQuery{Open: true, Limit: 100})
	r.must(err)
	if len(open.Items) != 32 {
		t.Errorf("%d jobs are open", len(open.Items))
	}
	for _, j := range open.Items {
		if _, err := r.CancelJob(t.Context(), j.ID); err != nil {
			t.Error(err)
		}
	}
	close(resume)
}

// A job that says that it is another one is refused, and is not worked on.
func TestStrangeJobIsRefused(t *testing.T) {
	s := shared()
	saved, err := s.SaveJob(t.Context(), store.JobRow{ID: "c", Body: []byte(`{}`)})
	if err != nil || !saved {
		t.Fatal(saved, err)
	}
	r := newRig(t, s, quiet)
	defer r.close()
	r.furnish("acme")
	if j, err := r.Job(t.Context(), "c"); err == nil {
		t.Errorf("it is %+v", j)
	}
	j, err := r.StartSimulate(t.Context(), tester, "acme", ledger.SimulateInput{From: scriptStart})
	r.must(err)
	if j, err = r.AwaitJob(t.Context(), j.ID, time.Minute); err != nil || !j.Ended() {
		t.Errorf("another job: %+v, %v", j, err)
	}
}
