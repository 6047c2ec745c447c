package engine_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store"
)

func creditText(list []ledger.CreditSeries) string {
	var b strings.Builder
	for _, s := range list {
		fmt.Fprintf(&b, "%s", s.FeatureID)
		for _, tag := range s.Tags {
			fmt.Fprintf(&b, " %s=%s", tag.Key, tag.Value)
		}
		fmt.Fprintf(&b, " %s in %d:", s.Total, s.EventCount)
		for _, p := range s.Points {
			fmt.Fprintf(&b, " %s %s/%d", p.Timestamp.Std().Format("02T15"), p.Value, p.EventCount)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func TestCreditUsage(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		r := shop(t, s, "acme")
		defer r.close()
		ctx := t.Context()
		ask := func(q ledger.CreditUsageQuery) string {
			q.CustomerID = "acme"
			got, version, err := r.CreditUsage(ctx, ledger.ReadOptions{}, q)
			r.must(err)
			if version == 0 {
				t.Error("no version")
			}
			return got.CurrencyID + "\n" + creditText(got.Series)
		}
		if got := ask(ledger.CreditUsageQuery{From: scriptStart}); got != "\n" {
			t.Errorf("nothing was used, but %s", got)
		}
		r.sellSeats("3")
		_, _, err := r.UpdateCustomer(ctx, tester, "acme", bursar.CustomerInput{Timezone: bursar.Some("Asia/Kolkata")}) // days begin at 18:30
		r.must(err)
		r.use("acme", "10", 0, dims("user", "u", "model", "big", "team", "x"))
		r.use("acme", "10", 0, dims("user", "u", "team", "x"))
		r.advance(6*time.Hour + 30*time.Minute)
		r.use("acme", "10", 0, dims("team", "y"))
		r.use("acme", "1", later(0), dims("team", "y")) // late: of the day before
		_, _, err = r.ReportUsage(ctx, tester, []bursar.UsageInput{{CustomerID: "acme", FeatureID: "seats", Value: amount("5")}})
		r.must(err)
		_, _, err = r.ReportUsage(ctx, tester, []bursar.UsageInput{{CustomerID: "acme", FeatureID: "seats", Value: amount("-1")}})
		r.must(err)
		_, _, err = r.ReportConsumption(ctx, tester, "", []bursar.UsageInput{{CustomerID: "acme", CurrencyID: "gold", Value: amount("0.5"), IdempotencyKey: "c"}})
		r.must(err)
		const plain = "gold\n 0.5 in 1: 14T18 0/0 15T18 0.5/1\nseats 12 in 2: 14T18 0/0 15T18 12/2\ntokens 7.1 in 4: 14T18 6.1/3 15T18 1/1\n"
		const byTeam = "gold\n team= 0.5 in 1: 14T18 0/0 15T18 0.5/1\nseats team= 12 in 2: 14T18 0/0 15T18 12/2\n" +
			"tokens team=x 6 in 2: 14T18 6/2 15T18 0/0\ntokens team=y 1.1 in 2: 14T18 0.1/1 15T18 1/1\n"
		for range 2 {
			if got := ask(ledger.CreditUsageQuery{From: scriptStart}); got != plain {
				t.Errorf("got\n%swant\n%s", got, plain)
			}
			if got := ask(ledger.CreditUsageQuery{CurrencyID: "gold", From: scriptStart, GroupBy: []string{"team"}}); got != byTeam {
				t.Errorf("got\n%swant\n%s", got, byTeam)
			}
			r.close() // with a checkpoint: the same from the store
			r.open()
		}
		if got := ask(ledger.CreditUsageQuery{CurrencyID: "credits", From: scriptStart}); got != "credits\n" {
			t.Errorf("credits: %s", got)
		}
		// The lines of the usage history can be told apart by feature, too.
		history, _, err := r.History(ctx, ledger.ReadOptions{}, "acme", ledger.HistoryQuery{Capability: capability("gold"), From: scriptStart, GroupBy: []string{"$featureId"}})
		r.must(err)
		series := history.Series
		if len(series) != 3 || series[2].Tags[0].Value != "tokens" {
			t.Errorf("history by feature: %+v", series)
		}
		for q, want := range map[string]bursar.Code{"tin": bursar.CodeCurrencyNotFound, "gold": bursar.CodeValidationFailed} {
			_, _, err := r.CreditUsage(ctx, ledger.ReadOptions{}, ledger.CreditUsageQuery{CustomerID: "acme", CurrencyID: q, From: scriptStart, GroupBy: []string{"a", "b", "c", "d"}[:map[string]int{"tin": 1, "gold": 4}[q]]})
			if codeOf(err) != want {
				t.Errorf("%s: %v", q, err)
			}
		}
		_, _, err = r.CreditUsage(ctx, ledger.ReadOptions{}, ledger.CreditUsageQuery{CustomerID: "nobody", CurrencyID: "gold"})
		if codeOf(err) != bursar.CodeCustomerNotFound {
			t.Errorf("nobody: %v", err)
		}
	})
}
