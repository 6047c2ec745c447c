package engine_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store/mem"
)

// A request that would record more than a commit can tell apart is refused, with the
// limit, and records nothing; the requests beside it are served, and half of it is.
func TestTooManyRecordsAreRefused(t *testing.T) {
	ctx := context.Background()
	s := &heldStore{Store: mem.New()}
	r := newRig(t, s, quiet)
	defer r.close()
	r.furnish("acme")
	var rates []string
	for i := range 8 {
		id := fmt.Sprint("f", i)
		rates = append(rates, id)
		_, err := r.CreateFeature(ctx, tester, bursar.Feature{ID: id, DisplayName: id, Meter: &bursar.Meter{EventName: "call", Aggregation: bursar.Aggregation{Function: "COUNT"}}})
		r.must(err)
	}
	for i := range 5 {
		id := fmt.Sprint("coin", i)
		_, err := r.CreateCurrency(ctx, tester, bursar.Currency{ID: id, DisplayName: id, Prepaid: true})
		r.must(err)
		in := catalogue.RateCardInput{ID: id, CurrencyID: id, DisplayName: id}
		for _, f := range rates {
			in.Rates = append(in.Rates, bursar.Rate{FeatureID: f, Amount: bursar.AmountFromInt(1), Per: 1})
		}
		_, err = r.CreateRateCard(ctx, tester, in)
		r.must(err)
	}
	events := func(n int, run string) (list []bursar.EventInput) {
		for i := range n {
			list = append(list, bursar.EventInput{CustomerID: "acme", EventName: "call", IdempotencyKey: fmt.Sprint(run, i), Dimensions: onUser})
		}
		return list
	}
	// All wait behind a commit that is under way, and so are decided together.
	s.gate.Lock()
	replies := map[string]chan error{}
	ask := func(name string, f func() error) {
		there := engine.Waiting(r.Engine)
		reply := make(chan error, 1)
		replies[name] = reply
		go func() { reply <- f() }()
		if name == "first" {
			eventually(t, "the first commit is under way", func() bool { return engine.Asking(r.Engine) })
		} else {
			eventually(t, name+" waits", func() bool { return engine.Waiting(r.Engine) == there+1 })
		}
	}
	consume := func(name string) {
		ask(name, func() error { _, err := r.consume("acme", 1, name); return err })
	}
	consume("first")
	consume("before")
	ask("all", func() error {
		_, _, err := r.ReportEvents(ctx, tester, events(1000, "all"))
		return err
	})
	consume("behind")
	s.gate.Unlock()
	for _, name := range []string{"first", "before", "behind"} {
		if err := <-replies[name]; err != nil {
			t.Errorf("the request %q beside it: %v", name, err)
		}
	}
	err := <-replies["all"]
	if codeOf(err) != bursar.CodeValidationFailed || !strings.Contains(err.Error(), "48000 records") {
		t.Fatalf("%v", err)
	}
	if used, _ := r.usedBy("acme"); used != amount("3") {
		t.Errorf("3 were used beside it, %s are recorded", used)
	}
	if page := r.ledger(ledger.LedgerQuery{}); len(page.Items) > 0 {
		t.Errorf("what was refused made %d entries", len(page.Items))
	}
	_, _, err = r.ReportEvents(ctx, tester, events(500, "half"))
	r.must(err)
	ids := map[string]bool{}
	_, _, err = r.ReportEvents(ctx, tester, events(1000, "all")[500:])
	r.must(err)
	page, _, err := r.Ledger(ctx, ledger.ReadOptions{}, ledger.LedgerQuery{CustomerID: "acme", Limit: 1e6})
	r.must(err)
	entries := map[string]bool{}
	for _, x := range page.Items {
		ids[x.EventID], entries[x.ID] = true, true
	}
	if len(ids) != 1000*8 || len(entries) != len(page.Items) {
		t.Errorf("1,000 events of 8 features have %d ids; %d of %d entries have one of their own", len(ids), len(entries), len(page.Items))
	}
	r.must(r.VerifyAll(ctx))
}

func (r *rig) version(customer string) uint64 {
	r.t.Helper()
	_, v, err := r.Customer(context.Background(), ledger.ReadOptions{}, customer)
	r.must(err)
	return v
}
