package transfer_test

import (
	"testing"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store"
	"github.com/bursarhq/bursar/store/mem"
)

// TestUnreadMoves: unread usage comes along with an export, is listed where it comes to, and can be
// read again there.
func TestUnreadMoves(t *testing.T) {
	source := mem.New()
	r := newRig(t, source, quiet)
	r.furnish("acme")
	_, err := r.CreateFeature(t.Context(), tester, bursar.Feature{ID: "out", DisplayName: "Output", Meter: &bursar.Meter{EventName: "llm", Aggregation: bursar.Aggregation{Function: "SUM", Field: bursar.TokensOutput}}})
	r.must(err)
	reading, err := bursar.ReadUsage([]byte(`{"input_tokens":1,"output_tokens":2,"smell_tokens":3}`))
	r.must(err)
	derived, err := bursar.Derive(nil, reading)
	r.must(err)
	_, _, err = r.ReportEvents(t.Context(), tester, []bursar.EventInput{{CustomerID: "acme", EventName: "llm", IdempotencyKey: "a", Dimensions: derived, Unread: reading.Keep(derived)}})
	r.must(err)
	r.close()
	file := exported(t, source, "")
	for _, s := range []store.Store{sqliteIn(t), mem.New()} {
		if _, err := imported(s, file); err != nil {
			t.Fatal(err)
		}
		r := newRig(t, s, quiet)
		list, _, err := r.Unread(t.Context(), ledger.ReadOptions{}, "")
		r.must(err)
		if x := list.Items; len(x) != 1 || x[0].Count != 1 || x[0].Names[0] != "smell_tokens" {
			t.Errorf("unread are %+v", list)
		}
		_, err = r.UpdateSettings(t.Context(), tester, catalogue.SettingsPatch{UsageRules: bursar.Some([]bursar.UsageRule{{Member: "smell_tokens", Kind: bursar.TokensOutput}})})
		r.must(err)
		got, err := r.Reread(t.Context(), tester, ledger.RepriceInput{From: start - 1, Apply: true})
		r.must(err)
		if c := got.Total.Changes; got.Total.Read != 1 || len(c) != 1 || c[0].Amount != bursar.AmountFromInt(3) {
			t.Errorf("another reading found %+v", got)
		}
		r.close()
	}
}
