package engine_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
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
	"github.com/bursarhq/bursar/store/sqlite"
)

// crowd is an org o with a budget above n users, who have but a default of 5 each.
func (r *rig) crowd(customer string, n int, budget int64) {
	r.t.Helper()
	ctx := r.t.Context()
	r.furnish(customer)
	for i := 0; i < n; i += 500 {
		var ents []bursar.EntityInput
		for j := i; j < min(n, i+500); j++ {
			ents = append(ents, bursar.EntityInput{ID: fmt.Sprint("u", j), EntityTypeID: "user", ParentID: bursar.Some("o")})
		}
		_, _, err := r.PutEntities(ctx, tester, customer, ents)
		r.must(err)
	}
	_, _, err := r.PutAssignments(ctx, tester, customer, []bursar.AssignmentInput{{EntityID: "o", Capability: tokens, UsageLimit: bursar.Some(bursar.AmountFromInt(budget))}})
	r.must(err)
	r.putDefault(customer, 5)
}

func (r *rig) putDefault(customer string, limit int64) {
	r.t.Helper()
	month := bursar.Cadence{N: 1, Unit: bursar.UnitMonth}
	_, _, err := r.PutDefaults(r.t.Context(), tester, customer, []bursar.DefaultInput{{EntityTypeID: "user", Capability: tokens,
		UsageLimit: bursar.Some(bursar.AmountFromInt(limit)), Cadence: bursar.Some(month)}})
	r.must(err)
}

func spendBy(user, key string) bursar.SpendInput {
	return bursar.SpendInput{Capability: tokens, Amount: bursar.AmountFromInt(1), IdempotencyKey: key, Dimensions: []bursar.Dimension{{Key: "user", Value: user}}}
}

// Users who spend for the first time, all at once, get together what the budget above them
// has, to the unit, and none more than the default: with a store that was closed and opened
// again in the middle, too.
func TestManyUnderOneDefault(t *testing.T) {
	const users, each, budget = 300, 8, 1100
	dir := t.TempDir()
	open := map[string]func() store.Store{
		"mem": func() store.Store { return nil },
		"sqlite": func() store.Store {
			s, err := sqlite.Open(filepath.Join(dir, "data"), sqlite.Options{})
			if err != nil {
				t.Fatal(err)
			}
			return s
		},
	}
	for name, again := range open {
		t.Run(name, func(t *testing.T) {
			s := again()
			if s == nil {
				s = mem.New()
			}
			r := newRig(t, s, engine.Options{})
			r.crowd("acme", users, budget)
			var granted, byRoot, byDefault atomic.Int64
			round := func(from, to int) {
				var wg sync.WaitGroup
				for u := range users {
					wg.Go(func() {
						for i := from; i < to; i++ {
							in := spendBy(fmt.Sprint("u", u), fmt.Sprintf("%d-%d", u, i))
							var err error
							if i%2 == 0 {
								_, _, err = r.Consume(t.Context(), tester, "acme", in)
							} else {
								_, _, err = r.Reserve(t.Context(), tester, "acme", in, 3600, bursar.ExpireRelease)
							}
							var refused *bursar.Error
							switch {
							case err == nil:
								granted.Add(1)
							case errors.As(err, &refused) && refused.Denial != nil && refused.Denial.Binding.Node.EntityID == "o":
								byRoot.Add(1)
							case errors.As(err, &refused) && refused.Denial != nil && refused.Denial.Binding.Node.DefaultOf != nil:
								byDefault.Add(1)
							default:
								t.Errorf("%v", err)
							}
						}
					})
				}
				wg.Wait()
			}
			round(0, 3)
			if granted.Load() != 3*users {
				t.Errorf("%d granted, want %d", granted.Load(), 3*users)
			}
			r.close()
			if name == "sqlite" {
				r.must(r.store.Close())
				r.store = again()
			}
			r.open()
			round(3, each)
			if granted.Load() != budget || byRoot.Load()+byDefault.Load() != users*each-budget {
				t.Errorf("%d granted, %d denied by the budget, %d by the default; want %d granted of %d", granted.Load(), byRoot.Load(), byDefault.Load(), budget, users*each)
			}
			q := ledger.TreeQuery{Capabilities: []bursar.Capability{tokens}, TypeIDs: []string{"user"}, SortBy: ledger.SortID, Limit: 1000}
			page, err := r.Tree(t.Context(), ledger.ReadOptions{}, "acme", q)
			r.must(err)
			var sum bursar.Amount
			for _, row := range page.Rows {
				l := row.Limit
				if n := l.CurrentUsage.Add(l.Reserved); l.DefaultOf != nil && bursar.AmountFromInt(5).Less(n) {
					t.Errorf("%s has %s of a default of 5", row.EntityID, n)
				}
				sum = sum.Add(l.CurrentUsage).Add(l.Reserved)
			}
			if sum != bursar.AmountFromInt(budget) {
				t.Errorf("the users have %s together, the budget is %d", sum, budget)
			}
			r.must(r.VerifyAll(t.Context()))
			r.close()
			if name == "sqlite" {
				r.must(r.store.Close())
			}
		})
	}
}

// commitsOf are the sizes of a customer's commits after one, each with its number of records.
func (r *rig) commitsOf(customer string, after uint64) (sizes [][2]int) {
	r.t.Helper()
	r.must(r.store.ReadLog(r.t.Context(), customer, after, 0, func(row store.LogRow) error {
		sizes = append(sizes, [2]int{engine.RecordsOf(&row), len(row.Payload)})
		return nil
	}))
	return sizes
}

// The change of a default is one commit of the same size, whether 100 entities have it or
// 100,000, and all have the new one at once.
func TestDefaultChangesForAll(t *testing.T) {
	many := 100_000
	if testing.Short() {
		many = 5_000
	}
	var sizes [][2]int
	for _, n := range []int{100, many} {
		r := newRig(t, mem.New(), engine.Options{})
		r.crowd("acme", n, 1e6)
		for _, u := range []string{"u0", "u7", "u99"} {
			_, _, err := r.Consume(t.Context(), tester, "acme", spendBy(u, "k"+u))
			r.must(err)
		}
		before := r.version("acme")
		r.putDefault("acme", 7)
		if got := r.version("acme"); got != before+1 {
			t.Errorf("of %d users: version %d after %d", n, got, before)
		}
		sizes = append(sizes, r.commitsOf("acme", before)...)
		for _, u := range []string{"u7", "u8", fmt.Sprint("u", n-1)} {
			d, _, err := r.Check(t.Context(), ledger.ReadOptions{}, "acme", []ledger.CheckInput{{Capability: tokens, Dimensions: []bursar.Dimension{{Key: "user", Value: u}}}})
			r.must(err)
			if got := d[0].Chains[0][0]; *got.UsageLimit != bursar.AmountFromInt(7) || got.DefaultOf == nil {
				t.Errorf("of %d users: %s has %+v", n, u, got)
			}
		}
		r.close()
	}
	if len(sizes) != 2 || sizes[0] != sizes[1] || sizes[0][0] != 2 { // the default, and the activity entry
		t.Errorf("the change takes commits of these records and bytes: %v", sizes)
	}
}

// BenchmarkPutDefault changes the default of many users.
func BenchmarkPutDefault(b *testing.B) {
	for _, n := range []int{100, 100_000} {
		b.Run(fmt.Sprintf("users=%d", n), func(b *testing.B) {
			r := newRig(b, mem.New(), engine.Options{})
			r.crowd("acme", n, 1e6)
			b.ResetTimer()
			for i := 0; b.Loop(); i++ {
				r.putDefault("acme", int64(i%1000+1))
			}
			b.StopTimer()
			r.close()
		})
	}
}

// BenchmarkCheckByDefault is BenchmarkCheck of users who are limited by default.
func BenchmarkCheckByDefault(b *testing.B) {
	r := newRig(b, mem.New(), engine.Options{})
	r.crowd("acme", 10_000, 1e6)
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; b.Loop(); i++ {
		d, _, err := r.Check(b.Context(), ledger.ReadOptions{}, "acme", []ledger.CheckInput{{Capability: tokens, Requested: bursar.AmountFromInt(1),
			Dimensions: []bursar.Dimension{{Key: "user", Value: fmt.Sprint("u", i*7919%10_000)}}}})
		if err != nil || !d[0].Granted {
			b.Fatal(d, err)
		}
	}
	b.StopTimer()
	r.close()
}

// What was counted under a default while the clock was a year ahead counts now, once a repair
// took the future back: also where a limit of its own took the default's place meanwhile, or
// gave it back.
func TestRepairOfLimitsByDefault(t *testing.T) {
	r := newRig(t, sqliteIn(t), engine.Options{})
	r.crowd("acme", 5, 1000)
	r.putDefault("acme", 100)
	spend := func(user string, n int64) {
		t.Helper()
		in := spendBy(user, fmt.Sprint(user, n))
		in.Amount = bursar.AmountFromInt(n)
		_, _, err := r.Consume(t.Context(), tester, "acme", in)
		r.must(err)
	}
	own := func(user string, limit int64) string {
		t.Helper()
		list, _, err := r.PutAssignments(t.Context(), tester, "acme", []bursar.AssignmentInput{{EntityID: user, Capability: tokens, UsageLimit: bursar.Some(bursar.AmountFromInt(limit))}})
		r.must(err)
		return list[0].ID
	}
	spend("u0", 1)
	spend("u1", 1)
	spend("u4", 1)
	second := own("u2", 70)
	right := r.now.Load()
	r.advance(365 * 24 * time.Hour)
	spend("u0", 2)
	spend("u1", 2)
	own("u1", 60)
	spend("u2", 2)
	_, _, err := r.DeleteAssignment(t.Context(), tester, "acme", second)
	r.must(err)
	spend("u3", 2)
	list, _, err := r.PutAssignments(t.Context(), tester, "acme", []bursar.AssignmentInput{{EntityID: "u4", Capability: tokens, Cadence: bursar.Some(bursar.Cadence{N: 1, Unit: bursar.UnitDay})}})
	r.must(err)
	spend("u4", 2)
	_, _, err = r.DeleteAssignment(t.Context(), tester, "acme", list[0].ID)
	r.must(err)
	r.putDefault("acme", 90)
	r.now.Store(right + int64(time.Minute))
	r.close()

	repair(t, r.store, bursar.Time(r.now.Load()), true)
	sound(t, r.store)
	r.open()
	for user, want := range map[string]string{"u0": "3 of 90 by default", "u1": "3 of 60", "u2": "2 of 90 by default", "u3": "2 of 90 by default", "u4": "3 of 90 by default"} {
		d, _, err := r.Check(t.Context(), ledger.ReadOptions{}, "acme", []ledger.CheckInput{{Capability: tokens, Dimensions: []bursar.Dimension{{Key: "user", Value: user}}}})
		r.must(err)
		n := d[0].Chains[0][0]
		if got := fmt.Sprint(n.CurrentUsage, " of ", n.UsageLimit, mark(n.DefaultOf != nil, " by default")); got != want || n.ResetsAt > bursar.Time(r.now.Load())+bursar.Time(31*24*time.Hour) {
			t.Errorf("%s has %s until %s, want %s", user, got, n.ResetsAt, want)
		}
	}
	r.must(r.VerifyAll(t.Context()))
	r.close()
}

// An own limit that takes a default's place in the item that moves its entity goes on as the
// default of the place before stood, also in a repaired log.
func TestRepairOfALimitThatMoves(t *testing.T) {
	r := newRig(t, sqliteIn(t), engine.Options{})
	r.furnish("acme")
	_, _, err := r.PutEntities(t.Context(), tester, "acme", []bursar.EntityInput{{ID: "o2", EntityTypeID: "org"}, {ID: "o3", EntityTypeID: "org"},
		{ID: "u1", EntityTypeID: "user", ParentID: bursar.Some("o")}, {ID: "u2", EntityTypeID: "user", ParentID: bursar.Some("o")}})
	r.must(err)
	for place, unit := range map[string]bursar.CadenceUnit{"o": bursar.UnitMonth, "o2": bursar.UnitDay} {
		_, _, err := r.PutDefaults(t.Context(), tester, "acme", []bursar.DefaultInput{{EntityID: place, EntityTypeID: "user", Capability: tokens,
			UsageLimit: bursar.Some(bursar.AmountFromInt(100)), Cadence: bursar.Some(bursar.Cadence{N: 1, Unit: unit})}})
		r.must(err)
	}
	spend := func(user, key string) {
		t.Helper()
		_, _, err := r.Consume(t.Context(), tester, "acme", spendBy(user, user+key))
		r.must(err)
	}
	spend("u1", "a")
	spend("u2", "a")
	right := r.now.Load()
	r.advance(365 * 24 * time.Hour)
	spend("u1", "b")
	spend("u2", "b")
	_, _, err = r.PutAssignments(t.Context(), tester, "acme", []bursar.AssignmentInput{{EntityID: "u1", Capability: tokens, ParentID: bursar.Some("o2")}})
	r.must(err)
	_, _, err = r.PutEntities(t.Context(), tester, "acme", []bursar.EntityInput{{ID: "u2", ParentID: bursar.Some("o3")}})
	r.must(err)
	_, _, err = r.PutAssignments(t.Context(), tester, "acme", []bursar.AssignmentInput{{EntityID: "u2", Capability: tokens, UsageLimit: bursar.Some(bursar.AmountFromInt(50)),
		Cadence: bursar.Some(bursar.Cadence{N: 1, Unit: bursar.UnitMonth}), ParentID: bursar.Some("o")}})
	r.must(err)
	stands := func(user string) string {
		t.Helper()
		d, _, err := r.Check(t.Context(), ledger.ReadOptions{}, "acme", []ledger.CheckInput{{Capability: tokens, Dimensions: []bursar.Dimension{{Key: "user", Value: user}}}})
		r.must(err)
		n := d[0].Chains[0][0]
		return fmt.Sprint(n.CurrentUsage, " of ", n.UsageLimit, mark(n.DefaultOf != nil, " by default"))
	}
	for user, want := range map[string]string{"u1": "1 of 100", "u2": "0 of 50"} {
		if got := stands(user); got != want {
			t.Errorf("%s has %s, want %s", user, got, want)
		}
	}
	r.now.Store(right + int64(time.Minute))
	r.close()

	repair(t, r.store, bursar.Time(r.now.Load()), true)
	sound(t, r.store)
	r.open()
	for user, want := range map[string]string{"u1": "2 of 100", "u2": "0 of 50"} {
		if got := stands(user); got != want {
			t.Errorf("once repaired, %s has %s, want %s", user, got, want)
		}
	}
	r.must(r.VerifyAll(t.Context()))
	r.close()
}

// A feature that has a default does not become a UNIQUE, of which there are none: else the own
// limit that takes the default's place would count values twice. Once the default is gone it
// does, and then takes none.
func TestDefaultsAndUniques(t *testing.T) {
	ctx := t.Context()
	eachStore(t, func(t *testing.T, s store.Store) {
		r := newRig(t, s, engine.Options{})
		defer func() { r.close() }()
		r.furnish("acme")
		_, err := r.CreateFeature(ctx, tester, bursar.Feature{ID: "people", DisplayName: "People"})
		r.must(err)
		put := func(id string) (string, error) {
			list, _, err := r.PutDefaults(ctx, tester, "acme", []bursar.DefaultInput{{EntityTypeID: "user", Capability: capability(id),
				UsageLimit: bursar.Some(bursar.AmountFromInt(9)), Cadence: bursar.Some(bursar.Cadence{N: 1, Unit: bursar.UnitMonth})}})
			if err != nil {
				return "", err
			}
			return list[0].ID, nil
		}
		change := func(function string) error {
			_, err := r.UpdateFeature(ctx, tester, "people", catalogue.FeaturePatch{Meter: bursar.Some(bursar.Meter{EventName: "seen", Aggregation: bursar.Aggregation{Function: function, Field: "who"}})})
			return err
		}
		id, err := put("people")
		r.must(err)
		for range 2 {
			if err := change("UNIQUE"); codeOf(err) != bursar.CodeValidationFailed || !strings.Contains(err.Error(), `of customer "acme"`) {
				t.Errorf("with a default, to UNIQUE: %v", err)
			}
			r.must(change("MAX"))
			r.must(change("COUNT"))
			r.must(r.Save(ctx, "acme"))
			r.close()
			r.open()
		}
		_, _, err = r.DeleteDefault(ctx, tester, "acme", id)
		r.must(err)
		r.must(change("UNIQUE"))
		if _, err := put("people"); codeOf(err) != bursar.CodeValidationFailed {
			t.Errorf("a default of a UNIQUE: %v", err)
		}
	})
}
