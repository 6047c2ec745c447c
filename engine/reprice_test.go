package engine_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store"
	"github.com/bursarhq/bursar/store/mem"
)

// correct adds a version to a card that corrects the one before it.
func (r *rig) correct(card, other, big string) {
	r.t.Helper()
	r.advance(time.Second)
	versions := r.Catalogue().RateCard(card).Versions
	_, err := r.AddRateVersion(r.t.(*testing.T).Context(), tester, card, catalogue.RateVersionInput{Rates: tokenRates(other, big), Corrects: len(versions)})
	r.must(err)
}

func (r *rig) goldLimit(entity, label, cadence string, anchor bursar.Time) string {
	r.t.Helper()
	in := draftOf(entity, "gold", "1000", cadence)
	if in.Label = label; anchor != 0 {
		in.Anchor = bursar.Some(anchor)
	}
	out, _, err := r.PutAssignments(context.Background(), tester, "acme", []bursar.AssignmentInput{in})
	r.must(err)
	return out[0].ID
}

// reprice is a repricing as text.
func (r *rig) reprice(in ledger.RepriceInput) string {
	r.t.Helper()
	if in.CardID == "" {
		in.CardID = "card"
	}
	out, err := r.Reprice(context.Background(), tester, in)
	if err != nil {
		pointer := ""
		var e *bursar.Error
		if errors.As(err, &e) && len(e.Fields) > 0 {
			pointer = " at " + e.Fields[0].Pointer
		}
		return string(codeOf(err)) + pointer
	}
	if out.Applied != in.Apply {
		r.t.Error("applied?")
	}
	var b strings.Builder
	fmt.Fprintf(&b, "v%d by v%d: %d, %d unmatched, %s is %s\n", out.Version, out.By, out.Records, out.Unmatched, out.Was, out.Is)
	for _, c := range out.Customers {
		fmt.Fprintf(&b, "%s: %s is %s, pool %s\n", c.CustomerID, c.Was, c.Is, c.Pool)
		for _, x := range c.Rows {
			a, _, err := r.Assignment(context.Background(), ledger.ReadOptions{}, c.CustomerID, x.AssignmentID)
			r.must(err)
			fmt.Fprintf(&b, "  %s/%s from %s: %s is %s\n", x.EntityID, a.Label, x.PeriodStart.Std().Format("02T15:04"), x.Was, x.Is)
		}
	}
	return b.String()
}

// gold is what acme has used of gold: the pool, the total, and the limits of o and u.
func (r *rig) gold() string {
	r.t.Helper()
	d, _, err := r.Check(context.Background(), ledger.ReadOptions{}, "acme", []ledger.CheckInput{{Capability: capability("gold"), Dimensions: onUser}})
	r.must(err)
	var b strings.Builder
	fmt.Fprintf(&b, "%s of %s", d[0].Gate.CurrentUsage, d[0].Gate.UsageLimit)
	for _, chain := range d[0].Chains {
		for _, n := range chain {
			fmt.Fprintf(&b, " %s/%s=%s", n.EntityID, n.Label, n.CurrentUsage)
		}
	}
	series, _, err := r.History(context.Background(), ledger.ReadOptions{}, "acme", ledger.HistoryQuery{Capability: capability("gold"), From: later(-48 * time.Hour), GroupBy: []string{"$featureId", "model"}})
	r.must(err)
	for _, s := range series.Series {
		var sum bursar.Amount
		for _, p := range s.Points {
			sum = sum.Add(p.Value)
		}
		fmt.Fprintf(&b, " %s:%s=%s", s.Tags[0].Value, s.Tags[1].Value, sum)
	}
	return b.String()
}

func (r *rig) wantReprice(in ledger.RepriceInput, want string) {
	r.t.Helper()
	if got := r.reprice(in); got != want {
		r.t.Errorf("%+v: got\n%swant\n%s", in, got, want)
	}
}

func (r *rig) wantGold(want string) {
	r.t.Helper()
	if got := r.gold(); got != want {
		r.t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestReprice(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		r := shop(t, s, "acme", "other", "idle")
		defer func() { r.close() }()
		r.goldLimit("o", "year", "P1Y", 0)
		r.goldLimit("u", "day", "P1D", 0)
		r.grant(bursar.GrantInput{CustomerID: "acme", Amount: amount("20"), DisplayName: "G"})
		big := dims("model", "big", "user", "u")
		r.use("acme", "10", 0, onUser) // 1
		r.use("acme", "10", 0, big)    // 5
		r.use("other", "10", 0, onUser)
		r.advance(12 * time.Hour)      // another day
		r.use("acme", "20", 0, onUser) // 2
		h, _, err := r.Reserve(t.Context(), tester, "acme", spendOf("tokens", 10, "h"), 600, "")
		r.must(err)
		r.goldLimit("o", "new", "P1Y", 0) // too late for what was used
		r.correct("card", "0.2", "0.4")
		_, _, err = r.CommitReservation(t.Context(), tester, "acme", h.ID, amount("5")) // 0.5: the price is the hold's
		r.must(err)
		r.use("acme", "10", 0, onUser) // 2: priced by the new version, and right
		r.wantGold("10.5 of 20 u/day=4.5 o/new=2 o/year=10.5 tokens:=5.5 tokens:big=5")

		const first = "v1 by v2: 5, 0 unmatched, 9.5 is 13\n" +
			"acme: 8.5 is 11, pool 2.5\n  u/day from 15T00:00: 6 is 6\n  u/day from 16T00:00: 4.5 is 7\n  o/year from 01T00:00: 10.5 is 13\n" +
			"other: 1 is 2, pool 1\n"
		want := strings.Replace(first, "  u/day from 15T00:00: 6 is 6\n", "", 1)
		rows := strings.SplitAfter(want, "\n")
		rows[2], rows[3] = rows[3], rows[2] // by id: the year's was made first
		want = strings.Join(rows, "")
		r.wantReprice(ledger.RepriceInput{}, want)
		r.wantReprice(ledger.RepriceInput{}, want) // it was but a rehearsal
		r.wantReprice(ledger.RepriceInput{Apply: true}, want)
		after := "13 of 20 u/day=7 o/new=2 o/year=13 tokens:=9 tokens:big=4"
		r.wantGold(after)
		const nothing = "v1 by v2: 5, 0 unmatched, 13 is 13\n"
		r.wantReprice(ledger.RepriceInput{Apply: true}, nothing)
		r.close() // and from a checkpoint, too, which does not tell what was corrected
		r.open()
		r.wantReprice(ledger.RepriceInput{Apply: true}, nothing)
		r.wantGold(after)

		// What comes late, of the time of the old version, is all that a later run finds.
		r.use("acme", "100", later(time.Hour), onUser) // 10
		r.wantReprice(ledger.RepriceInput{CustomerID: "acme", Apply: true}, "v1 by v2: 5, 0 unmatched, 21 is 31\nacme: 21 is 31, pool 10\n"+
			"  o/year from 01T00:00: 23 is 33\n  u/day from 15T00:00: 16 is 26\n  o/new from 01T00:00: 12 is 22\n")
		r.wantGold("33 of 20 u/day=7 o/new=22 o/year=33 tokens:=29 tokens:big=4")
		r.must(r.VerifyAll(t.Context()))

		var updated bursar.Amount
		for _, x := range r.ledger(ledger.LedgerQuery{Types: []bursar.LedgerType{bursar.LedgerUpdated}}).Items {
			if updated = updated.Add(x.Amount); x.FeatureID != "tokens" || x.EventID != "" {
				t.Errorf("entry %+v", x)
			}
		}
		if updated != amount("-12.5") {
			t.Errorf("the ledger says %s", updated)
		}
		log, _, err := r.Activity(t.Context(), ledger.ReadOptions{}, "acme", store.ActivityQuery{Action: "rateCard.repriced", Limit: 10})
		r.must(err)
		if len(log.Items) != 2 || log.Items[0].TargetID != "card" || log.Items[0].ActorID != "test" {
			t.Errorf("activity: %+v", log.Items)
		}
	})
}

// Cheaper: the pool gets back, the overdraft first, and thresholds recover.
func TestRepriceRefunds(t *testing.T) {
	r := shop(t, mem.New(), "acme")
	defer r.close()
	r.goldLimit("u", "day", "P1D", 0)
	g := r.grant(bursar.GrantInput{CustomerID: "acme", Amount: amount("4"), DisplayName: "G"})
	r.use("acme", "10", 0, dims("model", "big", "user", "u")) // 5
	r.use("acme", "10", 0, onUser)                            // 1
	r.correct("card", "0.1", "0.2")
	const want = "v1 by v2: 2, 0 unmatched, 6 is 3\nacme: 6 is 3, pool -3\n  u/day from 15T00:00: 6 is 3\n"
	r.wantReprice(ledger.RepriceInput{}, want)
	r.wantReprice(ledger.RepriceInput{Apply: true}, want)
	r.wantGold("3 of 4 u/day=3 tokens:=1 tokens:big=2")
	for _, x := range r.pool() {
		if x.ID == g.ID && x.Consumed != amount("3") || x.ID != g.ID && !x.Consumed.IsZero() {
			t.Errorf("grant %+v", x)
		}
	}
	r.must(r.VerifyAll(t.Context()))
}

// What cost nothing, for its rate was 0 or there was none, costs what it should have.
func TestRepriceFromNothing(t *testing.T) {
	r := newRig(t, mem.New(), quiet)
	defer func() { r.close() }()
	r.furnish("acme")
	_, err := r.CreateCurrency(t.Context(), tester, bursar.Currency{ID: "gold", DisplayName: "Gold", Prepaid: true})
	r.must(err)
	r.goldLimit("u", "day", "P1D", 0)
	r.use("acme", "1000", 0, onUser) // before the card
	r.advance(time.Hour)
	_, err = r.CreateRateCard(t.Context(), tester, catalogue.RateCardInput{ID: "card", CurrencyID: "gold", DisplayName: "Card",
		RateVersionInput: catalogue.RateVersionInput{Rates: []bursar.Rate{{FeatureID: "tokens", Match: map[string][]string{"model": {"big"}}}}}})
	r.must(err)
	big := dims("model", "big", "user", "u")
	r.use("acme", "10", 0, big)
	r.use("acme", "10", 0, onUser) // no rate
	in := spendOf("tokens", 10, "h")
	in.Dimensions = big
	h, _, err := r.Reserve(t.Context(), tester, "acme", in, 600, "")
	r.must(err)
	r.correct("card", "0.1", "0.5")
	_, _, err = r.CommitReservation(t.Context(), tester, "acme", h.ID, amount("2"))
	r.must(err)
	r.wantGold("0 of 0 u/day=0")
	const want = "v1 by v2: 3, 0 unmatched, 0 is 7\nacme: 0 is 7, pool 7\n  u/day from 15T00:00: 0 is 7\n"
	r.wantReprice(ledger.RepriceInput{}, want)
	r.wantReprice(ledger.RepriceInput{Apply: true}, want)
	r.wantGold("7 of 0 u/day=7 tokens:=1 tokens:big=6")
	r.use("acme", "10", 0, big) // 5: there is a combination of it now
	r.close()
	r.open()
	r.wantReprice(ledger.RepriceInput{Apply: true}, "v1 by v2: 3, 0 unmatched, 7 is 7\n")
	r.must(r.VerifyAll(t.Context()))
}

// In a chain of corrections the last version holds, whether the first was applied or not.
func TestRepriceChains(t *testing.T) {
	r := shop(t, mem.New(), "acme")
	defer r.close()
	r.use("acme", "10", 0, onUser) // 1, to be 3
	r.correct("card", "0.2", "0.5")
	r.wantReprice(ledger.RepriceInput{Apply: true}, "v1 by v2: 1, 0 unmatched, 1 is 2\nacme: 1 is 2, pool 1\n")
	r.advance(time.Hour)
	r.use("acme", "100", 0, onUser) // 20, to be 30
	r.correct("card", "0.3", "0.5")
	const want = "v2 by v3: 2, 0 unmatched, 22 is 33\nacme: 22 is 33, pool 11\n"
	r.wantReprice(ledger.RepriceInput{}, want)
	r.wantReprice(ledger.RepriceInput{Apply: true}, want)
	r.wantReprice(ledger.RepriceInput{Apply: true}, "v2 by v3: 2, 0 unmatched, 33 is 33\n")
	r.wantGold("33 of 0 tokens:=33")
	r.must(r.VerifyAll(t.Context()))
}

func TestRepriceLeavesUnmatched(t *testing.T) {
	r := shop(t, mem.New(), "acme")
	defer r.close()
	r.use("acme", "10", 0, onUser)
	r.use("acme", "10", 0, dims("model", "big"))
	r.advance(time.Second)
	_, err := r.AddRateVersion(t.Context(), tester, "card", catalogue.RateVersionInput{Rates: tokenRates("0.1", "0.6")[1:], Corrects: 1})
	r.must(err)
	r.wantReprice(ledger.RepriceInput{Apply: true}, "v1 by v2: 2, 1 unmatched, 6 is 7\nacme: 6 is 7, pool 1\n")
	r.wantReprice(ledger.RepriceInput{Apply: true}, "v1 by v2: 2, 1 unmatched, 7 is 7\n")
}

// Intervals are taken to whole buckets, so that parts of one are not corrected for the
// whole; intervals may overlap in any way.
func TestRepriceIntervals(t *testing.T) {
	r := shop(t, mem.New(), "acme")
	defer r.close()
	r.goldLimit("u", "cut", "PT1H", later(7*time.Minute)) // windows from 12:07, within a bucket
	for range 8 {                                         // one each 5 minutes from 12:00: buckets of 3, 3, 2
		r.use("acme", "10", 0, onUser)
		r.advance(5 * time.Minute)
	}
	r.correct("card", "0.2", "0.5")
	in := ledger.RepriceInput{From: later(6 * time.Minute), To: later(11 * time.Minute), Apply: true}
	r.wantReprice(in, "v1 by v2: 3, 0 unmatched, 3 is 6\nacme: 3 is 6, pool 3\n  u/cut from 15T11:07: 2 is 4\n  u/cut from 15T12:07: 6 is 7\n")
	in.From, in.To = later(time.Minute), later(2*time.Minute)
	r.wantReprice(in, "v1 by v2: 3, 0 unmatched, 6 is 6\n")
	in.From, in.To = later(14*time.Minute), later(30*time.Minute)
	r.wantReprice(in, "v1 by v2: 6, 0 unmatched, 9 is 12\nacme: 9 is 12, pool 3\n  u/cut from 15T12:07: 7 is 10\n")
	r.wantReprice(ledger.RepriceInput{Apply: true}, "v1 by v2: 8, 0 unmatched, 14 is 16\nacme: 14 is 16, pool 2\n  u/cut from 15T12:07: 10 is 12\n")
	r.wantGold("16 of 0 u/cut=12 tokens:=16")
	// Another schedule, whose windows begin elsewhere, does not make it begin anew.
	a, _, err := r.Assignments(t.Context(), ledger.ReadOptions{}, "acme", ledger.AssignmentQuery{Capability: capability("gold"), ListPage: ledger.ListPage{Limit: 1}})
	r.must(err)
	_, _, err = r.PutAssignments(t.Context(), tester, "acme", []bursar.AssignmentInput{{EntityID: "u", Capability: capability("gold"), Label: a.Items[0].Label, Anchor: bursar.Some(later(4 * time.Minute))}})
	r.must(err)
	r.wantReprice(ledger.RepriceInput{Apply: true}, "v1 by v2: 8, 0 unmatched, 16 is 16\n")
	r.must(r.VerifyAll(t.Context()))
}

// Limits that are gone, or whose entity is archived, take no correction.
func TestRepriceRowsThatAreGone(t *testing.T) {
	r := shop(t, mem.New(), "acme")
	defer r.close()
	gone := r.goldLimit("u", "gone", "P1Y", 0)
	r.goldLimit("o", "archived", "P1Y", 0)
	r.use("acme", "10", 0, onUser)
	_, _, err := r.DeleteAssignment(t.Context(), tester, "acme", gone)
	r.must(err)
	_, err = r.ArchiveEntities(t.Context(), tester, "acme", []string{"o"}, true)
	r.must(err)
	_, _, err = r.ArchiveCustomer(t.Context(), tester, "acme", true)
	r.must(err)
	r.correct("card", "0.2", "0.5")
	r.wantReprice(ledger.RepriceInput{Apply: true}, "v1 by v2: 1, 0 unmatched, 1 is 2\nacme: 1 is 2, pool 1\n")
	r.must(r.VerifyAll(t.Context()))
}

func TestRepriceRefusals(t *testing.T) {
	r := shop(t, mem.New(), "acme")
	defer r.close()
	r.wantReprice(ledger.RepriceInput{CardID: "none"}, "RateCardNotFound")
	r.wantReprice(ledger.RepriceInput{}, "ValidationFailed") // nothing corrects
	r.correct("card", "0.2", "0.5")
	r.wantReprice(ledger.RepriceInput{From: later(time.Hour)}, "ValidationFailed at /from")
	r.wantReprice(ledger.RepriceInput{CustomerID: "nobody"}, "CustomerNotFound at /customerId")
	r.wantReprice(ledger.RepriceInput{CustomerID: "acme"}, "v1 by v2: 0, 0 unmatched, 0 is 0\n")
	r.use("acme", "10", 0, onUser) // priced by what is right
	r.wantReprice(ledger.RepriceInput{}, "v1 by v2: 0, 0 unmatched, 0 is 0\n")
	r.use("acme", "10", later(0), onUser)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if out, err := r.Reprice(ctx, tester, ledger.RepriceInput{CardID: "card", Apply: true}); err == nil {
		t.Errorf("cancelled, but %+v", out)
	}
	r.wantReprice(ledger.RepriceInput{}, "v1 by v2: 1, 0 unmatched, 1 is 2\nacme: 1 is 2, pool 1\n")
}

// busy is a rig with usage in many buckets, which takes several commits to correct. Each
// was 1 and is to be 2.
func busy(t *testing.T, s store.Store, n int) *rig {
	r := shop(t, s, "acme")
	r.goldLimit("o", "year", "P1Y", 0)
	for range n {
		r.use("acme", "10", 0, onUser)
		r.advance(15 * time.Minute)
	}
	r.correct("card", "0.2", "0.5")
	return r
}

// A crash between the commits of a repricing leaves something to do and nothing twice.
func TestRepriceCrash(t *testing.T) {
	const n = 1000
	for _, op := range []string{"append", "append.after"} {
		f := newFaults()
		r := busy(t, f, n)
		var appends atomic.Int32
		f.set(func(o string) error {
			if o == op && appends.Add(1) == 3 {
				return errors.New("the machine stops")
			}
			if o == "outcomes" {
				return errors.New("and does not answer")
			}
			return nil
		})
		if _, err := r.Reprice(t.Context(), tester, ledger.RepriceInput{CardID: "card", Apply: true}); codeOf(err) != bursar.CodeGovernanceUnavailable {
			t.Fatalf("%s: it went on: %v", op, err)
		}
		f.set(nil)
		crashed := newRig(t, f.CrashClone(), quiet)
		crashed.now.Store(r.now.Load())
		out, err := crashed.Reprice(t.Context(), tester, ledger.RepriceInput{CardID: "card"})
		crashed.must(err)
		if left := out.Is.Sub(out.Was); left.Sign() <= 0 || !left.Less(amount("1000")) || out.Is != amount("2000") {
			t.Errorf("%s: after the crash %s is to be %s", op, out.Was, out.Is)
		}
		_, err = crashed.Reprice(t.Context(), tester, ledger.RepriceInput{CardID: "card", Apply: true})
		crashed.must(err)
		crashed.wantGold("2000 of 0 o/year=2000 tokens:=2000")
		crashed.wantReprice(ledger.RepriceInput{}, fmt.Sprintf("v1 by v2: %d, 0 unmatched, 2000 is 2000\n", n))
		crashed.must(crashed.VerifyAll(t.Context()))
		crashed.close()
		// The process that lived on does the same.
		_, err = r.Reprice(t.Context(), tester, ledger.RepriceInput{CardID: "card", Apply: true})
		r.must(err)
		r.wantGold("2000 of 0 o/year=2000 tokens:=2000")
		r.must(r.VerifyAll(t.Context()))
		r.close()
	}
}

// Several at once, among usage, checkpoints and evictions, correct everything once.
func TestRepriceAtOnce(t *testing.T) {
	const n = 800
	r := busy(t, mem.New(), n)
	defer func() { r.close() }()
	r.close()
	r.options.MemoryBudget, r.options.CheckpointRecords = 1, 1
	r.open()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			_, err := r.Reprice(t.Context(), tester, ledger.RepriceInput{CardID: "card", Apply: true})
			if err != nil {
				t.Error(err)
			}
		})
	}
	for range 50 {
		r.use("acme", "10", 0, onUser) // 2 each
	}
	wg.Wait()
	r.wantGold("1700 of 0 o/year=1700 tokens:=1700")
	r.must(r.VerifyAll(t.Context()))
}

// Whatever came before, after a repricing everything is as if the price had been right
// from the beginning.
func TestRepriceIsAsIfItHadBeenRight(t *testing.T) {
	for seed := range uint64(60) {
		wrong := []string{"0.3", "0"}[seed%2]
		a := wander(t, seed, wrong, "0.7")
		a.correct("card", "0.1", "0.5")
		b := wander(t, seed, "0.1", "0.5")
		b.advance(time.Second)
		for i, d := range []bursar.Time{later(-time.Hour), later(5 * time.Hour)} { // in two parts
			in := ledger.RepriceInput{CardID: "card", Apply: true, From: []bursar.Time{0, d}[i]}
			if i == 0 {
				in.To = later(5 * time.Hour)
			}
			_, err := a.Reprice(t.Context(), tester, in)
			a.must(err)
			if i == 0 && seed%3 == 0 {
				a.close()
				a.open()
			}
		}
		if got, want := a.gold(), b.gold(); got != want {
			t.Errorf("seed %d:\n got %s\nwant %s", seed, got, want)
		}
		out, err := a.Reprice(t.Context(), tester, ledger.RepriceInput{CardID: "card"})
		a.must(err)
		if len(out.Customers) != 0 || out.Was != out.Is || out.Records == 0 {
			t.Errorf("seed %d: something is left: %+v", seed, out)
		}
		a.must(a.VerifyAll(t.Context()))
		a.close()
		b.close()
	}
}

// wander lets a customer use tokens in all ways, at random but the same for a seed.
func wander(t *testing.T, seed uint64, other, big string) *rig {
	r := newRig(t, mem.New(), quiet)
	r.furnish("acme")
	_, err := r.CreateCurrency(t.Context(), tester, bursar.Currency{ID: "gold", DisplayName: "Gold", Prepaid: true})
	r.must(err)
	_, err = r.CreateRateCard(t.Context(), tester, catalogue.RateCardInput{ID: "card", CurrencyID: "gold", DisplayName: "Card",
		RateVersionInput: catalogue.RateVersionInput{Rates: tokenRates(other, big)}})
	r.must(err)
	r.grant(bursar.GrantInput{CustomerID: "acme", Amount: amount("100000"), DisplayName: "G"})
	r.goldLimit("o", "year", "P1Y", 0)
	r.goldLimit("u", "hour", "PT1H", later(7*time.Minute))
	rnd := rand.New(rand.NewPCG(seed, 1))
	key := func() string { return fmt.Sprint(rnd.Uint64()) }
	var holds []string
	for i := range 80 {
		d := [][]bursar.Dimension{onUser, dims("model", "big", "user", "u"), dims("user", "u", "model", "small"), dims("org", "o"), nil}[rnd.IntN(5)]
		n := bursar.AmountFromInt(1 + rnd.Int64N(9))
		switch rnd.IntN(7) {
		case 0:
			in := bursar.SpendInput{Capability: capability("tokens"), Amount: n, Dimensions: d, IdempotencyKey: key()}
			h, _, err := r.Reserve(t.Context(), tester, "acme", in, 600+rnd.IntN(6000), []bursar.OnExpire{bursar.ExpireSettle, bursar.ExpireRelease}[rnd.IntN(2)])
			r.must(err)
			holds = append(holds, h.ID)
		case 1:
			if len(holds) > 0 {
				_, _, err := r.CommitReservation(t.Context(), tester, "acme", holds[0], n)
				if err != nil && codeOf(err) != bursar.CodeReservationClosed {
					t.Fatal(err)
				}
				holds = holds[1:]
			}
		case 2:
			_, _, err := r.Consume(t.Context(), tester, "acme", bursar.SpendInput{Capability: capability("tokens"), Amount: n, Dimensions: d, IdempotencyKey: key()})
			r.must(err)
		case 3:
			r.use("acme", n.String(), max(later(0), bursar.Time(r.now.Load())-bursar.Time(rnd.Int64N(int64(3*time.Hour)))), d)
		default:
			r.use("acme", n.String(), 0, d)
		}
		if i == 40 {
			r.goldLimit("o", "new", "P1D", 0)
		}
		r.advance(time.Duration(rnd.Int64N(int64(20 * time.Minute))))
	}
	return r
}
