package engine_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store"
	"github.com/bursarhq/bursar/store/mem"
	"github.com/bursarhq/bursar/transfer"
)

func repair(t *testing.T, s store.Store, now bursar.Time, write bool) (done transfer.Repaired, found []transfer.Ahead) {
	t.Helper()
	done, err := transfer.Repair(t.Context(), s, transfer.RepairOptions{Write: write, Now: now, Found: func(a transfer.Ahead, err error) {
		if err != nil {
			t.Errorf("%q: %v", a.Stream, err)
		}
		found = append(found, a)
	}})
	if err != nil {
		t.Fatal(err)
	}
	return done, found
}

// sound checks a store as "bursar verify" does.
func sound(t *testing.T, s store.Store) {
	t.Helper()
	_, err := engine.CheckStore(t.Context(), s, engine.CheckOptions{Found: func(stream, difference string) { t.Errorf("%q: %s", stream, difference) }})
	if err != nil {
		t.Error(err)
	}
}

// A clock that was a year ahead for a while is forgotten by a repair: what was counted then
// counts now, what was used before in this window is there again, what ended too early goes
// on, and keys are known.
func TestRepairTakesTheFutureBack(t *testing.T) {
	ctx := t.Context()
	r := newRig(t, sqliteIn(t), engine.Options{})
	r.furnish("acme", "other")
	month := bursar.Some(bursar.Cadence{N: 1, Unit: bursar.UnitMonth})
	_, _, err := r.PutAssignments(ctx, tester, "acme", []bursar.AssignmentInput{{EntityID: "u", Capability: capability("tokens"), Label: "month",
		UsageLimit: bursar.Some(bursar.AmountFromInt(50)), Cadence: month}})
	r.must(err)
	_, err = r.CreateCurrency(ctx, tester, bursar.Currency{ID: "coins", DisplayName: "Coins", Prepaid: true})
	r.must(err)
	grant := func(in bursar.GrantInput) bursar.Grant {
		in.CustomerID, in.CurrencyID = "acme", "coins"
		in.Type = bursar.GrantPaid
		g, _, err := r.CreateGrant(ctx, tester, in)
		r.must(err)
		return g
	}
	grant(bursar.GrantInput{DisplayName: "Thirty days", Amount: bursar.AmountFromInt(70), ExpireAt: scriptStart + bursar.Time(30*24*time.Hour)})
	_, err = r.consume("acme", 10, "before")
	r.must(err)
	held, _, err := r.Reserve(ctx, tester, "acme", spendOf("tokens", 2, "held before"), 3600, bursar.ExpireRelease)
	r.must(err)

	for id, a := range map[string]bursar.Aggregation{"people": {Function: "UNIQUE", Field: "who"}, "peak": {Function: "MAX", Field: "n"}} {
		_, err := r.CreateFeature(ctx, tester, bursar.Feature{ID: id, DisplayName: id, Meter: &bursar.Meter{EventName: id, Aggregation: a}})
		r.must(err)
		_, _, err = r.PutAssignments(ctx, tester, "acme", []bursar.AssignmentInput{{EntityID: "u", Capability: capability(id),
			UsageLimit: bursar.Some(bursar.AmountFromInt(50)), Cadence: month}})
		r.must(err)
	}
	met := 0
	meet := func(name, key, value string, kind bursar.DimensionKind) {
		met++
		_, _, err := r.ReportEvents(ctx, tester, []bursar.EventInput{{CustomerID: "acme", EventName: name, IdempotencyKey: fmt.Sprint("event-", met),
			Dimensions: append([]bursar.Dimension{{Key: key, Kind: kind, Value: value}}, onUser...)}})
		r.must(err)
	}
	meet("people", "who", "ada", bursar.DimString)
	meet("peak", "n", "7", bursar.DimNumber)

	right := r.now.Load()
	r.advance(365 * 24 * time.Hour)
	_, err = r.consume("acme", 5, "in the future")
	r.must(err)
	future, _, err := r.Reserve(ctx, tester, "acme", spendOf("tokens", 4, "held"), 60, bursar.ExpireRelease)
	r.must(err)
	_, _, err = r.PutAssignments(ctx, tester, "acme", []bursar.AssignmentInput{{EntityID: "o", Capability: capability("tokens"), Label: "late",
		UsageLimit: bursar.Some(bursar.AmountFromInt(1000)), Cadence: month}})
	r.must(err)
	meet("people", "who", "ada", bursar.DimString)
	meet("people", "who", "bob", bursar.DimString)
	meet("peak", "n", "5", bursar.DimNumber)
	_, err = r.CreateFeature(ctx, tester, bursar.Feature{ID: "late", DisplayName: "Late"})
	r.must(err)
	r.now.Store(right + int64(time.Minute))
	_, err = r.consume("acme", 3, "after")
	r.must(err)
	report := func(value int64, key string) error {
		_, _, err := r.ReportUsage(ctx, tester, []bursar.UsageInput{{CustomerID: "acme", FeatureID: "tokens", Value: bursar.AmountFromInt(value),
			Timestamp: bursar.Time(r.now.Load()), Dimensions: onUser, IdempotencyKey: key}})
		return err
	}
	if err := report(1, "true time"); codeOf(err) != bursar.CodeTimestampOutOfRange {
		t.Errorf("usage with a true timestamp: %v", err)
	}
	r.close()

	now := bursar.Time(r.now.Load())
	done, found := repair(t, r.store, now, false)
	if done.Streams != 2 || len(found) != 2 || found[1].Stream != "acme" || found[1].Commits != 7 || done.Commits != 8 {
		t.Errorf("found %+v: %+v", done, found)
	}
	again, _ := repair(t, r.store, now, true)
	if again != done {
		t.Errorf("it mends %+v, and found %+v", again, done)
	}
	if done, _ := repair(t, r.store, now, true); done != (transfer.Repaired{}) {
		t.Errorf("after a repair there is %+v", done)
	}
	sound(t, r.store)

	r.open()
	r.must(report(1, "true time"))
	for key, amount := range map[string]int64{"before": 10, "in the future": 5, "after": 3} {
		if got, err := r.consume("acme", amount, key); err != nil || !got.Duplicate {
			t.Errorf("%q again: %+v, %v", key, got, err)
		}
	}
	rows, _, err := r.Assignments(ctx, ledger.ReadOptions{}, "acme", ledger.AssignmentQuery{ListPage: ledger.ListPage{Limit: 10}})
	r.must(err)
	for _, a := range rows.Items {
		if a.CreatedAt > now {
			t.Errorf("the limit %q was made at %s", a.Label, a.CreatedAt)
		}
	}
	d, _, err := r.Check(ctx, ledger.ReadOptions{}, "acme", []ledger.CheckInput{{Capability: capability("tokens"), Dimensions: onUser}})
	r.must(err)
	used := map[string]string{}
	for i := range d[0].Chains[0] {
		row := &d[0].Chains[0][i]
		used[row.EntityID+" "+row.Label] = row.CurrentUsage.String() + " held " + row.Reserved.String()
		if row.ResetsAt > now+bursar.Time(366*24*time.Hour) {
			t.Errorf("%q of %s counts until %s", row.Label, row.EntityID, row.ResetsAt)
		}
	}
	// The reservation of before ended with the year that the clock ran ahead.
	want := map[string]string{"o ": "19 held 4", "u ": "19 held 4", "u month": "19 held 4", "o late": "4 held 0"}
	for row, is := range want {
		if used[row] != is {
			t.Errorf("%s used %s, want %s", row, used[row], is)
		}
	}
	for id, want := range map[string]string{"people": "2", "peak": "7"} {
		d, _, err := r.Check(ctx, ledger.ReadOptions{}, "acme", []ledger.CheckInput{{Capability: capability(id), Dimensions: onUser}})
		r.must(err)
		if got := d[0].Chains[0][0].CurrentUsage.String(); got != want || d[0].Gate.CurrentUsage.String() != want {
			t.Errorf("%s used %s, and %s in all, want %s", id, got, d[0].Gate.CurrentUsage, want)
		}
	}
	if _, _, err := r.CommitReservation(ctx, tester, "acme", held.ID, bursar.AmountFromInt(2)); err != nil {
		t.Errorf("the reservation of before: %v", err)
	}
	r.advance(2 * time.Minute)
	if got, _, err := r.Reservation(ctx, ledger.ReadOptions{}, "acme", future.ID); err != nil || got.Status != bursar.HoldExpired {
		t.Errorf("the reservation of the future: %+v, %v", got, err)
	}
	coins, _, err := r.Check(ctx, ledger.ReadOptions{}, "acme", []ledger.CheckInput{{Capability: capability("coins"), Dimensions: onUser, Requested: bursar.AmountFromInt(70)}})
	r.must(err)
	if !coins[0].Granted {
		t.Errorf("the grant that lasts for thirty days: %+v", coins[0])
	}
	r.close()
	sound(t, r.store)
}

// Whatever is in a log, a repair leaves it standing as it stood where the windows are the
// same, and everything is chained, listed and counted as its log says where they are not.
func TestRepairOfEveryScript(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.txt")
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			w := &world{t: t}
			w.store, w.holds = mem.New(), map[string]string{}
			w.now.Store(int64(scriptStart) + 30e9)
			w.open()
			w.furnish()
			still := 0
			for _, part := range splitScript(string(text)) {
				if part.block == nil {
					continue
				}
				s := w.store.CrashClone()
				w.runBlock(part.block)
				if w.now.Load() != int64(scriptStart)+30e9 {
					mendsScript(t, s, still > 0)
					break
				}
				still++
			}
			w.close()
			mendsScript(t, w.store.CrashClone(), w.now.Load() == int64(scriptStart)+30e9)
		})
	}
}

func mendsScript(t *testing.T, s *mem.Store, same bool) {
	t.Helper()
	before, err := engine.Standing(t.Context(), s, "acme")
	if err != nil {
		t.Fatal(err)
	}
	repair(t, s, scriptStart+20e9, true)
	sound(t, s)
	after, err := engine.Standing(t.Context(), s, "acme")
	if err != nil {
		t.Fatal(err)
	}
	if same && before != after {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
}

// A store in which a customer has a promotional entitlement is sound once its checkpoint is saved.
func TestPromotionsAreSound(t *testing.T) {
	s := sqliteIn(t)
	r := newRig(t, s, engine.Options{})
	r.furnish("acme", "other")
	_, _, err := r.PutPromotions(t.Context(), tester, "acme", []bursar.PromotionInput{{FeatureID: "tokens", Unlimited: true, Period: "lifetime", ResetPeriod: "HOUR"}})
	r.must(err)
	r.close()
	sound(t, s)
}
