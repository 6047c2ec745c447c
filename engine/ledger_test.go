package engine_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store"
	"github.com/bursarhq/bursar/store/mem"
)

func amount(s string) bursar.Amount {
	a, err := bursar.AmountFromString(s)
	if err != nil {
		panic(err)
	}
	return a
}

func later(d time.Duration) bursar.Time { return scriptStart + bursar.Time(d) }

// shop is a rig with customers as furnish makes them, a prepaid currency gold, and a card
// that prices tokens in it: 0.5 for the model big, else 0.1.
func shop(t *testing.T, s store.Store, customers ...string) *rig {
	r := newRig(t, s, quiet)
	r.furnish(customers...)
	_, err := r.CreateCurrency(t.Context(), tester, bursar.Currency{ID: "gold", DisplayName: "Gold", Prepaid: true})
	r.must(err)
	_, err = r.CreateRateCard(t.Context(), tester, catalogue.RateCardInput{ID: "card", CurrencyID: "gold", DisplayName: "Card",
		RateVersionInput: catalogue.RateVersionInput{Rates: tokenRates("0.1", "0.5")}})
	r.must(err)
	return r
}

func tokenRates(other, big string) []bursar.Rate {
	return []bursar.Rate{{FeatureID: "tokens", Amount: amount(other)},
		{FeatureID: "tokens", Amount: amount(big), Match: map[string][]string{"model": {"big"}}}}
}

func dims(pairs ...string) (out []bursar.Dimension) {
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, bursar.Dimension{Key: pairs[i], Value: pairs[i+1]})
	}
	return out
}

// sellSeats makes a FLUCTUATING feature seats with a price in gold.
func (r *rig) sellSeats(price string) {
	r.t.Helper()
	_, err := r.CreateFeature(context.Background(), tester, bursar.Feature{ID: "seats", DisplayName: "Seats", MeterType: "FLUCTUATING"})
	r.must(err)
	_, err = r.CreateRateCard(context.Background(), tester, catalogue.RateCardInput{ID: "seats", CurrencyID: "gold", DisplayName: "Seats",
		RateVersionInput: catalogue.RateVersionInput{Rates: []bursar.Rate{{FeatureID: "seats", Amount: amount(price)}}}})
	r.must(err)
}

// use reports usage of tokens at a time (0 = now) and gives its id.
func (r *rig) use(customer, value string, at bursar.Time, d []bursar.Dimension) string {
	r.t.Helper()
	res, _, err := r.ReportUsage(context.Background(), tester, []bursar.UsageInput{{CustomerID: customer, FeatureID: "tokens", Value: amount(value), Dimensions: d, Timestamp: at}})
	r.must(err)
	return res[0].ID
}

func (r *rig) grant(in bursar.GrantInput) bursar.Grant {
	r.t.Helper()
	in.CurrencyID, in.Type = "gold", bursar.GrantPaid
	g, _, err := r.CreateGrant(context.Background(), tester, in)
	r.must(err)
	return g
}

func (r *rig) ledger(q ledger.LedgerQuery) ledger.Page[bursar.LedgerEntry] {
	r.t.Helper()
	if q.CustomerID = "acme"; q.Limit == 0 {
		q.Limit = 100
	}
	p, version, err := r.Ledger(context.Background(), ledger.ReadOptions{}, q)
	r.must(err)
	if version == 0 {
		r.t.Error("no version")
	}
	return p
}

// text is the entries, oldest first.
func ledgerText(entries []bursar.LedgerEntry, names map[string]string) string {
	var b strings.Builder
	for _, x := range slices.Backward(entries) {
		fmt.Fprintf(&b, "%s %s %s %s", strings.TrimPrefix(string(x.Type), "CREDITS_"), names[x.GrantID], x.Amount, time.Duration(x.Timestamp-scriptStart))
		if x.FeatureID != "" {
			fmt.Fprint(&b, " ", x.FeatureID)
		}
		if x.EventID != "" {
			fmt.Fprint(&b, " of ", names[x.EventID])
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// everyEntry makes all kinds of entries there are without re-pricing.
func everyEntry(r *rig) map[string]string {
	names := map[string]string{}
	ctx := r.t.(*testing.T).Context()
	names[r.use("acme", "30", 0, onUser)] = "u1" // 3 gold that nobody granted
	r.advance(time.Minute)
	first := r.grant(bursar.GrantInput{CustomerID: "acme", Amount: amount("10"), DisplayName: "First", ExpireAt: later(time.Hour)})
	second := r.grant(bursar.GrantInput{CustomerID: "acme", Amount: amount("5"), DisplayName: "Second", EffectiveAt: later(10 * time.Minute)})
	third := r.grant(bursar.GrantInput{CustomerID: "acme", Amount: amount("7"), DisplayName: "Third"})
	fourth := r.grant(bursar.GrantInput{CustomerID: "acme", Amount: amount("1"), DisplayName: "Fourth", EffectiveAt: later(9 * time.Hour)})
	names[first.ID], names[second.ID], names[third.ID], names[fourth.ID] = "first", "second", "third", "fourth"
	r.advance(20 * time.Minute)
	names[r.use("acme", "20", 0, dims("model", "big", "user", "u"))] = "u2" // 10: 7 of the first, 3 of the third
	res, _, err := r.ReportConsumption(ctx, tester, "", []bursar.UsageInput{{CustomerID: "acme", CurrencyID: "gold", Value: amount("1"), IdempotencyKey: "c"}})
	r.must(err)
	names[res[0].ID] = "c1"
	h, _, err := r.Reserve(ctx, tester, "acme", spendOf("tokens", 10, "h"), 60, "")
	r.must(err)
	names[h.ID] = "h1"
	_, _, err = r.CommitReservation(ctx, tester, "acme", h.ID, amount("5"))
	r.must(err)
	_, _, err = r.VoidGrant(ctx, tester, third.ID)
	r.must(err)
	_, _, err = r.VoidGrant(ctx, tester, fourth.ID)
	r.must(err)
	r.advance(2 * time.Hour)
	for _, g := range r.pool() {
		if g.Type == bursar.GrantOverdraft {
			names[g.ID] = "overdraft"
		}
	}
	return names
}

func (r *rig) pool() []bursar.Grant {
	r.t.Helper()
	p, _, err := r.Grants(context.Background(), ledger.ReadOptions{}, ledger.GrantQuery{CustomerID: "acme", ListPage: ledger.ListPage{Limit: 100}})
	r.must(err)
	return p.Items
}

const everyEntryText = `CONSUMED overdraft -3 0s tokens of u1
GRANTED first 10 1m0s
CONSUMPTION_TRANSFER_SOURCE overdraft 3 1m0s
CONSUMPTION_TRANSFER_TARGET first -3 1m0s
GRANTED third 7 1m0s
GRANTED second 5 10m0s
CONSUMED first -7 21m0s tokens of u2
CONSUMED third -3 21m0s tokens of u2
CONSUMED third -1 21m0s of c1
CONSUMED third -0.5 21m0s tokens of h1
VOIDED third -2.5 21m0s
`

func TestLedger(t *testing.T) {
	r := shop(t, mem.New(), "acme")
	defer r.close()
	names := everyEntry(r)
	all := r.ledger(ledger.LedgerQuery{})
	if got := ledgerText(all.Items, names); got != everyEntryText {
		t.Errorf("the ledger is\n%swant\n%s", got, everyEntryText)
	}
	if all.HasNext || all.HasPrev {
		t.Error("there is nothing more")
	}
	var sum, left bursar.Amount
	for i, x := range all.Items {
		sum = sum.Add(x.Amount)
		if len(x.ID) > 64 || x.CurrencyID != "gold" || i > 0 && x.ID >= all.Items[i-1].ID {
			t.Errorf("entry %+v", x)
		}
	}
	for _, g := range r.pool() {
		if g.Status == bursar.GrantActive {
			left = left.Add(g.Amount).Sub(g.Consumed)
		}
	}
	if sum != left || left != amount("5") {
		t.Errorf("the entries add up to %s, left are %s", sum, left)
	}
	r.must(r.VerifyAll(t.Context()))
}

// A grant that expired with something left lapses, one that was used up does not.
func TestLedgerExpiry(t *testing.T) {
	r := shop(t, mem.New(), "acme")
	defer r.close()
	g := r.grant(bursar.GrantInput{CustomerID: "acme", Amount: amount("10"), DisplayName: "G", ExpireAt: later(time.Hour)})
	r.use("acme", "25", 0, nil)
	r.advance(time.Hour) // nothing is written: reading the ledger tells all the same
	names := map[string]string{g.ID: "g"}
	p := r.ledger(ledger.LedgerQuery{Types: []bursar.LedgerType{bursar.LedgerExpired, bursar.LedgerGranted}})
	if got, want := ledgerText(p.Items, names), "GRANTED g 10 0s\nEXPIRED g -7.5 1h0m0s\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if p := r.ledger(ledger.LedgerQuery{CurrencyID: "coins"}); len(p.Items) != 0 {
		t.Errorf("another currency has %+v", p.Items)
	}
	if _, _, err := r.Ledger(t.Context(), ledger.ReadOptions{}, ledger.LedgerQuery{CustomerID: "nobody", Limit: 1}); codeOf(err) != bursar.CodeCustomerNotFound {
		t.Errorf("nobody's: %v", err)
	}
	for _, q := range []ledger.LedgerQuery{{Below: "x"}, {Above: strings.Repeat("z", 27)}} {
		q.CustomerID, q.Limit = "acme", 1
		if _, _, err := r.Ledger(t.Context(), ledger.ReadOptions{}, q); codeOf(err) != bursar.CodeInvalidCursor {
			t.Errorf("%+v: %v", q, err)
		}
	}
}

// What time did has its own instant, whenever it was recorded.
func TestLedgerTime(t *testing.T) {
	r := shop(t, mem.New(), "acme")
	defer r.close()
	g := r.grant(bursar.GrantInput{CustomerID: "acme", Amount: amount("1"), DisplayName: "G"})
	h, _, err := r.Reserve(t.Context(), tester, "acme", spendOf("tokens", 10, "h"), 60, bursar.ExpireSettle)
	r.must(err)
	u := r.use("acme", "20", 0, onUser) // 1 of it is overdrawn, and so is the hold when it is settled
	later := r.grant(bursar.GrantInput{CustomerID: "acme", Amount: amount("5"), DisplayName: "Later", EffectiveAt: later(2 * time.Minute)})
	r.advance(time.Hour)
	names := map[string]string{g.ID: "g", later.ID: "later", h.ID: "h", u: "u"}
	for _, g := range r.pool() {
		if g.Type == bursar.GrantOverdraft {
			names[g.ID] = "overdraft"
		}
	}
	const want = "GRANTED g 1 0s\nCONSUMED g -1 0s tokens of u\nCONSUMED overdraft -1 0s tokens of u\nCONSUMED overdraft -1 1m0s tokens of h\n" +
		"GRANTED later 5 2m0s\nCONSUMPTION_TRANSFER_SOURCE overdraft 2 2m0s\nCONSUMPTION_TRANSFER_TARGET later -2 2m0s\n"
	if got := ledgerText(r.ledger(ledger.LedgerQuery{}).Items, names); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// A refund gives back: first what the overdraft took, then what grants did.
func TestLedgerRefund(t *testing.T) {
	r := shop(t, mem.New(), "acme")
	defer r.close()
	r.sellSeats("3")
	g := r.grant(bursar.GrantInput{CustomerID: "acme", Amount: amount("10"), DisplayName: "G"})
	names := map[string]string{g.ID: "g"}
	for i, value := range []string{"4", "-3"} {
		res, _, err := r.ReportUsage(t.Context(), tester, []bursar.UsageInput{{CustomerID: "acme", FeatureID: "seats", Value: amount(value)}})
		r.must(err)
		names[res[0].ID] = fmt.Sprint("u", i)
	}
	for _, g := range r.pool() {
		if g.Type == bursar.GrantOverdraft {
			names[g.ID] = "overdraft"
		}
	}
	const want = "GRANTED g 10 0s\nCONSUMED g -10 0s seats of u0\nCONSUMED overdraft -2 0s seats of u0\nCONSUMED overdraft 2 0s seats of u1\nCONSUMED g 7 0s seats of u1\n"
	if got := ledgerText(r.ledger(ledger.LedgerQuery{}).Items, names); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// Pages cover the ledger, whatever their size, down and up, over many chunks of the log.
func TestLedgerPages(t *testing.T) {
	r := shop(t, mem.New(), "acme")
	defer r.close()
	everyEntry(r)
	for range 600 { // more than a chunk without any entry
		_, err := r.consume("acme", 0, "")
		r.must(err)
	}
	r.use("acme", "100", 0, nil)
	all := r.ledger(ledger.LedgerQuery{}).Items
	if len(all) != 13 {
		t.Fatalf("%d entries", len(all))
	}
	for size := 1; size <= 14; size++ {
		var down, up []bursar.LedgerEntry
		q := ledger.LedgerQuery{Limit: size}
		for {
			p := r.ledger(q)
			if p.HasPrev != (q.Below != "") {
				t.Errorf("HasPrev %v below %q", p.HasPrev, q.Below)
			}
			if down = append(down, p.Items...); !p.HasNext {
				break
			}
			q.Below = p.Items[len(p.Items)-1].ID
		}
		if !slices.Equal(down, all) {
			t.Errorf("pages of %d give %d entries", size, len(down))
		}
		for q = (ledger.LedgerQuery{Limit: size, Above: all[len(all)-1].ID}); ; q.Above = up[0].ID {
			p := r.ledger(q)
			if up = append(slices.Clone(p.Items), up...); !p.HasPrev {
				break
			}
		}
		if !slices.Equal(up, all[:len(all)-1]) {
			t.Errorf("pages of %d going up give %d entries", size, len(up))
		}
	}
}

// hurried is a context of a request that is to be answered with what it has.
type hurried struct{ context.Context }

func (hurried) Deadline() (time.Time, bool) { return time.Now().Add(time.Second), true }

// A page of the ledger that ends early, since the request's time is nearly over, says where
// it goes on: who follows that gets every entry once, in either direction.
func TestLedgerGoesOnWhereAPageEndedEarly(t *testing.T) {
	r := shop(t, mem.New(), "acme")
	defer r.close()
	everyEntry(r)
	all := r.ledger(ledger.LedgerQuery{}).Items
	page := func(q ledger.LedgerQuery) ledger.Page[bursar.LedgerEntry] {
		q.CustomerID, q.Limit = "acme", len(all)
		p, _, err := r.Ledger(hurried{t.Context()}, ledger.ReadOptions{}, q)
		r.must(err)
		return p
	}
	early := 0
	var down, up []bursar.LedgerEntry
	for q := (ledger.LedgerQuery{}); ; {
		p := page(q)
		down = append(down, p.Items...)
		if p.Rest == nil {
			break
		}
		if early++; !p.HasNext || p.Rest.ID == q.Below {
			t.Fatalf("behind %q: a page that ended early goes on at %+v, more %v", q.Below, p.Rest, p.HasNext)
		}
		q.Below = p.Rest.ID
	}
	for q := (ledger.LedgerQuery{Above: ledger.EntryID(0, 0, 0)}); ; {
		p := page(q)
		up = append(slices.Clone(p.Items), up...)
		if p.Rest == nil {
			break
		}
		if early++; !p.HasPrev || p.Rest.ID == q.Above {
			t.Fatalf("ahead of %q: a page that ended early goes on at %+v, more %v", q.Above, p.Rest, p.HasPrev)
		}
		q.Above = p.Rest.ID
	}
	if !slices.Equal(down, all) || !slices.Equal(up, all) {
		t.Errorf("of %d entries, page by page, there are %d\n%+v\nand upwards %d\n%+v", len(all), len(down), down, len(up), up)
	}
	if early < 10 {
		t.Errorf("%d pages ended early", early)
	}
}
