package sim

import (
	"fmt"
	"slices"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
)

// covered is a coverage as it is compared: by type, and by capability and type. Where there are
// more examples than a reply has, any of them will do.
type covered struct {
	From   bursar.Time
	Types  map[string]coveredType
	Usage  map[bursar.Capability][2]string // used, and of it what nothing limits
	Shares map[string][2]string            // the same of those that were named, by capability and type
}

type coveredType struct {
	Ungoverned bursar.Ungoverned
	Entities   int
	Unlimited  []string
}

// coverage: what of a customer is under no limit, by the limits as they are now.
func (m *model) coverage(customer string, from bursar.Time) (out covered, _ *fail) {
	c, now := m.customer(customer)
	if c == nil {
		return out, failed(bursar.CodeCustomerNotFound)
	}
	if from == 0 {
		from = bursar.Time(calendar{cadence: bursar.Cadence{N: 1, Unit: bursar.UnitMonth}, zone: zoneOf(c.zone())}.window(int64(now)).start)
	}
	if from > now {
		return out, failedAt("?startDate", bursar.CodeValidationFailed)
	}
	out = covered{From: from, Types: map[string]coveredType{}, Usage: map[bursar.Capability][2]string{}, Shares: map[string][2]string{}}
	for id, e := range c.entities {
		if e.ArchivedAt != nil {
			continue
		}
		t := out.Types[e.EntityTypeID]
		t.Entities++
		t.Ungoverned = c.m.types[e.EntityTypeID].Ungoverned
		if t.Ungoverned == "" {
			t.Ungoverned = c.saysOf(attribution{})
		}
		way := append(ancestors(c.entities, id), id)
		if !slices.ContainsFunc(c.limits(), func(r *mRow) bool {
			return len(r.scope) == 0 && slices.Contains(way, r.entity) && c.entities[r.entity].ArchivedAt == nil
		}) {
			t.Unlimited = append(t.Unlimited, id)
		}
		out.Types[e.EntityTypeID] = t
	}
	used, free := map[bursar.Capability]num{}, map[bursar.Capability]num{}
	usedBy, freeBy := map[string]num{}, map[string]num{}
	for _, f := range c.facts {
		if at := floorTo(f.at, quarter); at < floorTo(int64(from), quarter) {
			continue
		}
		a := attribution{set: map[string]bool{}}
		named := []string{}
		for _, h := range f.route {
			if a.set[h.entity] = true; h.child == "" && h.entity != "" {
				named = append(named, h.entity)
			}
		}
		delete(a.set, "")
		prices := m.pricesOf(f.cap.ID, nil, now)
		if f.cap.Kind == bursar.KindCurrency {
			prices = nil
		}
		for i := range prices {
			prices[i].rate = &bursar.Rate{} // whatever the rate
		}
		limited := c.governed(f.cap, prices, a, now)
		used[f.cap] = used[f.cap].add(f.amount)
		types := map[string]bool{}
		for _, id := range named {
			above := slices.ContainsFunc(named, func(other string) bool { return slices.Contains(ancestors(c.entities, other), id) })
			types[c.entities[id].EntityTypeID] = types[c.entities[id].EntityTypeID] || !above
		}
		if len(named) == 0 {
			types[""] = true
		}
		if !limited {
			free[f.cap] = free[f.cap].add(f.amount)
		}
		for typ, counts := range types {
			if k := fmt.Sprint(f.cap, " ", typ); counts {
				if usedBy[k] = usedBy[k].add(f.amount); !limited {
					freeBy[k] = freeBy[k].add(f.amount)
				}
			}
		}
	}
	for k, n := range used {
		noteCovered(out.Usage, k, n, free[k])
	}
	for k, n := range usedBy {
		noteCovered(out.Shares, k, n, freeBy[k])
	}
	return out, nil
}

func noteCovered[K bursar.Capability | string](to map[K][2]string, k K, used, free num) {
	if used.sign() != 0 || free.sign() != 0 {
		to[k] = [2]string{used.amount().String(), free.amount().String()}
	}
}

// coveredOf is the engine's coverage.
func coveredOf(got ledger.Coverage) covered {
	out := covered{From: got.From, Types: map[string]coveredType{}, Usage: map[bursar.Capability][2]string{}, Shares: map[string][2]string{}}
	for _, t := range got.Types {
		out.Types[t.TypeID] = coveredType{t.Ungoverned, t.Entities, t.Examples}
	}
	for _, u := range got.Usage {
		noteCovered(out.Usage, u.Capability, numOf(u.Used), numOf(u.Ungoverned))
		for _, s := range u.Types {
			noteCovered(out.Shares, fmt.Sprint(u.Capability, " ", s.TypeID), numOf(s.Used), numOf(s.Ungoverned))
		}
	}
	return out
}

// readCoverage compares what of a customer is under no limit.
type readCoverage struct {
	Customer string
	From     bursar.Time
}

func (a readCoverage) run(w *world) string {
	got, v, err := w.engine.Coverage(w.ctx, w.fresh(a.Customer), a.Customer, a.From)
	want, f := w.model.coverage(a.Customer, a.From)
	if d := diffErr(err, f); d != "" || f != nil {
		return d
	}
	have := coveredOf(got)
	for id, t := range want.Types {
		if g := have.Types[id]; len(t.Unlimited) > 10 && len(g.Unlimited) == 10 && !slices.ContainsFunc(g.Unlimited, func(e string) bool { return !slices.Contains(t.Unlimited, e) }) {
			g.Unlimited = t.Unlimited
			have.Types[id] = g
		}
	}
	for _, c := range []covered{want, have} {
		for id, t := range c.Types {
			t.Unlimited = slices.Sorted(slices.Values(t.Unlimited))
			c.Types[id] = t
		}
	}
	return first(diff(have, want), w.sawVersion(a.Customer, v))
}

func genCoverage(g *gen) action {
	a := readCoverage{Customer: g.customer()}
	if !chance(g.r, 3) {
		a.From = g.now - bursar.Time(g.r.Int64N(int64(20*24*time.Hour)))
	}
	return a
}
