package httpapi

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/ledger"
)

// overviewOut is what an operator sees first. Decisions and minutes are what this node saw since it
// started; limits, holds and spend are of the customers that it has in memory; what denied is of all
// nodes.
type overviewOut struct {
	AsOf      bursar.Time     `json:"asOf"`
	Since     bursar.Time     `json:"since" doc:"When this node started."`
	Checks    decisionCounts  `json:"checks" doc:"Decisions of checks, consumptions and reservations since then."`
	Minutes   []minuteOut     `json:"minutes" doc:"The last 60, the current one last."`
	Customers int             `json:"customers" doc:"Not archived; counted once a minute, up to 100,000."`
	HoldsOpen int64           `json:"holdsOpen"`
	Closest   []closestRow    `json:"closest" doc:"The 20 limits, hard or soft, that have used most, from 80 % on."`
	Binding   []boundOut      `json:"binding" doc:"The 20 limits that denied most in the last 24 hours, to the hour, on all nodes; looked for once in 2 s."`
	Names     []displayName   `json:"names" doc:"Of the customers and entities that closest, binding and pools mention, where they have one."`
	Spend     []currencySpend `json:"spend"`
	Pools     []poolEndOut    `json:"pools" doc:"The 20 prepaid pools that end first, of those that last for less than 7 days if these are like the 7 before; looked for once a minute."`
}

type decisionCounts struct {
	Granted int64 `json:"granted"`
	Denied  int64 `json:"denied"`
}

type minuteOut struct {
	Timestamp   bursar.Time `json:"timestamp"`
	Granted     int64       `json:"granted"`
	Denied      int64       `json:"denied"`
	UsageEvents int64       `json:"usageEvents" doc:"Items of usage, consumption and events that were recorded."`
}

type closestRow struct {
	CustomerID string `json:"customerId"`
	treeRow
}

type boundOut struct {
	CustomerID     string               `json:"customerId"`
	AssignmentID   *string              `json:"assignmentId"`
	Source         bursar.BindingSource `json:"source" is:"enum=ENTITY|CUSTOMER|CREDITS"`
	EntityID       *string              `json:"entityId"`
	ScopeEntityIDs []string             `json:"scopeEntityIds"`
	FeatureID      *string              `json:"featureId,omitempty"`
	CurrencyID     *string              `json:"currencyId,omitempty"`
	Label          string               `json:"label"`
	Denials        int64                `json:"denials"`
	LastAt         bursar.Time          `json:"lastAt"`
}

type displayName struct {
	CustomerID  string  `json:"customerId"`
	EntityID    *string `json:"entityId" doc:"null: the customer's own."`
	DisplayName string  `json:"displayName"`
}

type currencySpend struct {
	CurrencyID  string        `json:"currencyId"`
	DisplayName string        `json:"displayName"`
	Symbol      *string       `json:"symbol"`
	Last24Hours bursar.Amount `json:"last24Hours"`
}

type poolEndOut struct {
	CustomerID string        `json:"customerId"`
	CurrencyID string        `json:"currencyId"`
	Left       bursar.Amount `json:"left" doc:"What is not used; below 0: an overdraft."`
	PerDay     bursar.Amount `json:"perDay" doc:"What was used in a day, on average."`
}

// Limits of an overview, and for how long what it takes a search to find is shown again.
const (
	overviewRows  = 20
	closeFrom     = 0.8
	overviewFor   = 2 * bursar.Time(time.Second)
	customersFor  = bursar.Time(time.Minute)
	overviewSpend = bursar.Time(24 * time.Hour)
	poolDays      = 7
	deniedMostFor = bursar.Time(24 * time.Hour)
)

// overviewCache keeps what an overview searches for, so that many who look at once cost
// one search.
type overviewCache struct {
	mu                sync.Mutex
	searched, counted bursar.Time
	closest           []ledger.Closest
	spend             map[string]bursar.Amount
	customers         int
	pools             []engine.PoolEnd
	holdsOpen         int64
	binding           []engine.MostDenied
}

func (a *API) overview(c call, _ *nothing) (overviewOut, uint64, error) {
	out := overviewOut{AsOf: c.now, Since: a.observed.since, Closest: []closestRow{}, Binding: []boundOut{}, Spend: []currencySpend{}, Pools: []poolEndOut{}}
	cache := &a.overviews
	cache.mu.Lock()
	defer cache.mu.Unlock()
	if err := cache.search(c); err != nil {
		return out, 0, err
	}
	out.Customers, out.HoldsOpen = cache.customers, cache.holdsOpen
	for i := range cache.closest {
		out.Closest = append(out.Closest, closestRow{cache.closest[i].CustomerID, viewTreeRow(&cache.closest[i].Row)})
	}
	for _, cur := range a.engine.Catalogue().Currencies() {
		if sum := cache.spend[cur.ID]; cur.ArchivedAt == nil || !sum.IsZero() {
			out.Spend = append(out.Spend, currencySpend{cur.ID, cur.DisplayName, cur.Symbol, sum})
		}
	}
	for _, p := range cache.pools {
		out.Pools = append(out.Pools, poolEndOut(p))
	}
	for i := range cache.binding {
		out.Binding = append(out.Binding, viewBound(&cache.binding[i]))
	}
	a.observed.show(&out)
	out.Names = a.namesIn(&out)
	return out, 0, nil
}

// namesIn looks up the names of what o mentions, in order of customers and entities.
func (a *API) namesIn(o *overviewOut) []displayName {
	mentioned := map[string][]string{}
	for _, r := range o.Closest {
		mentioned[r.CustomerID] = append(append(mentioned[r.CustomerID], r.EntityID), r.ScopeEntityIDs...)
	}
	for _, b := range o.Binding {
		mentioned[b.CustomerID] = append(append(mentioned[b.CustomerID], orZero(b.EntityID)), b.ScopeEntityIDs...)
	}
	for _, p := range o.Pools {
		mentioned[p.CustomerID] = append(mentioned[p.CustomerID], "")
	}
	out := []displayName{}
	names := a.engine.DisplayNames(mentioned)
	for _, customer := range slices.Sorted(maps.Keys(names)) {
		for _, id := range slices.Sorted(maps.Keys(names[customer])) {
			out = append(out, displayName{customer, orNil(&id), names[customer][id]})
		}
	}
	return out
}

// search looks anew when what there is has become old. The caller holds o's lock.
func (o *overviewCache) search(c call) (err error) {
	e, now := c.api.engine, c.now
	if o.searched == 0 || now-o.searched >= overviewFor {
		if o.closest, err = e.Closest(c.ctx, overviewRows, closeFrom); err != nil {
			return err
		}
		if o.spend, err = e.Spend(c.ctx, now-overviewSpend); err != nil {
			return err
		}
		if o.binding, err = e.MostDenied(c.ctx, now-deniedMostFor, overviewRows); err != nil {
			return err
		}
		o.holdsOpen, o.searched = e.Stats().OpenHolds, now
	}
	if o.counted == 0 || now-o.counted >= customersFor {
		if o.customers, err = e.CountCustomers(c.ctx); err != nil {
			return err
		}
		if o.pools, err = e.EndingPools(c.ctx, poolDays, overviewRows); err != nil {
			return err
		}
		o.counted = now
	}
	return nil
}

// show fills in what o counted.
func (o *observed) show(out *overviewOut) {
	out.Checks = decisionCounts{int64(o.granted.Load()), int64(o.denied.Load())}
	last := minuteOf(out.AsOf)
	for n := last - minutesShown + 1; n <= last; n++ {
		m := minuteOut{Timestamp: bursar.Time(n * int64(time.Minute))}
		if slot := &o.minutes[n%minuteSlots]; slot.number.Load() == n {
			m.Granted, m.Denied, m.UsageEvents = int64(slot.granted.Load()), int64(slot.denied.Load()), int64(slot.usage.Load())
		}
		out.Minutes = append(out.Minutes, m)
	}
}

func viewBound(x *engine.MostDenied) boundOut {
	l := &x.Limit
	out := boundOut{CustomerID: x.CustomerID, AssignmentID: orNil(&l.AssignmentID), Source: l.Source, EntityID: orNil(&l.EntityID), ScopeEntityIDs: append([]string{}, l.ScopeEntityIDs...),
		Label: l.Label, Denials: int64(x.Denied), LastAt: x.Last}
	out.FeatureID, out.CurrencyID = capabilityIDs(l.Capability)
	return out
}
