package sim

import (
	"fmt"
	"slices"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
)

func genCheck(g *gen) action {
	id := g.customer()
	c := g.known(id)
	n := 1
	if chance(g.r, 8) {
		n = 2 + g.r.IntN(5)
	}
	var in []ledger.CheckInput
	for range n {
		x := ledger.CheckInput{Capability: g.capability(), Dimensions: g.dims(c), Strict: chance(g.r, 15)}
		x.Requested = g.fitting(c, x.Capability, x.Dimensions)
		if x.Requested.Cmp(parse("1000000")) > 0 {
			x.Requested = parse("1000000") // what a check of a cost beyond all bounds says is open
		}
		in = append(in, x)
	}
	return check{id, in}
}

// again sends a recent item of the customer once more, perhaps changed; nil when none
// fits. What a key means between 24 hours and the late horizon is open for items
// without a timestamp of their own, so such a key is not sent then.
func (g *gen) again(customer string) *recentItem {
	for range 6 {
		if len(g.recent) == 0 {
			return nil
		}
		item := pick(g.r, g.recent)
		if item.customer != customer {
			continue
		}
		c := g.m.customers[customer]
		if c == nil {
			return nil
		}
		old, stored := c.keys[item.id()]
		if !stored || g.time(c) < old.at+bursar.Time(23*time.Hour) || item.usage != nil && g.sureOfKey(c, *item.usage) {
			return &item
		}
	}
	return nil
}

func (i *recentItem) id() keyID {
	switch {
	case i.usage != nil:
		return keyID{i.usage.Capability().ID, i.usage.IdempotencyKey}
	case i.consume != nil:
		return keyID{i.consume.Capability.ID, i.consume.IdempotencyKey}
	}
	return keyID{i.reserve.In.Capability.ID, i.reserve.In.IdempotencyKey}
}

func (g *gen) remember(i recentItem) {
	if len(g.recent) == 400 {
		g.recent = slices.Delete(g.recent, 0, 100)
	}
	g.recent = append(g.recent, i)
}

func (g *gen) key() string {
	g.keys++
	return fmt.Sprintf("k%d", g.keys)
}

// timestamp is what a usage item claims: often nothing, else recent, late, at the edge
// of what is taken, or beyond.
func (g *gen) timestamp(now bursar.Time) bursar.Time {
	r, late := g.r, bursar.Time(horizon)
	switch n := r.IntN(100); {
	case n < 50:
		return 0
	case n < 72:
		return now - bursar.Time(r.Int64N(int64(time.Hour)))
	case n < 85:
		return now - bursar.Time(r.Int64N(int64(3*24*time.Hour)))
	case n < 90:
		return now - bursar.Time(r.Int64N(int64(late)))
	case n < 92:
		return now - late + bursar.Time(r.IntN(3)-1)
	case n < 93:
		return now - late - bursar.Time(r.Int64N(int64(2*24*time.Hour)))
	case n < 97:
		return now + bursar.Time(r.Int64N(int64(ahead)))
	case n < 99:
		return now + ahead + bursar.Time(r.IntN(3)-1)
	}
	return now + ahead + bursar.Time(r.Int64N(int64(time.Hour)))
}

func genUsage(g *gen) action {
	var in []bursar.UsageInput
	first := g.customer()
	for range 1 + max(0, g.r.IntN(10)-5) {
		id := first
		if chance(g.r, 3) {
			id = g.customer()
		}
		in = append(in, g.usageItem(id, in))
	}
	for i := range in { // what these cost depends on the items before them: nothing absurd
		if x := in[i].Value; in[i].Behavior == bursar.Set && x.Cmp(parse("1000000")) > 0 || x.Cmp(parse("-1000000")) < 0 {
			in[i].Value, in[i].IdempotencyKey = parse("1"), ""
		}
	}
	return reportUsage{in}
}

func (g *gen) usageItem(id string, before []bursar.UsageInput) bursar.UsageInput {
	c := g.known(id)
	if len(before) > 0 && chance(g.r, 15) {
		return pick(g.r, before)
	}
	if chance(g.r, 8) {
		if item := g.again(id); item != nil && item.usage != nil && item.usage.FeatureID != "" {
			if x := g.changed(*item.usage, c); g.sureOfKey(c, x) {
				return x
			}
			return *item.usage
		} else if item != nil && item.consume != nil && chance(g.r, 10) {
			x := item.consume
			return bursar.UsageInput{CustomerID: id, FeatureID: x.Capability.ID, Value: x.Amount, Behavior: bursar.Delta,
				Dimensions: x.Dimensions, IdempotencyKey: x.IdempotencyKey}
		}
	}
	x := bursar.UsageInput{
		CustomerID: id, FeatureID: g.feature(), Value: g.amount(), Behavior: bursar.Delta, Dimensions: g.dims(c),
		Timestamp: g.timestamp(g.time(c)),
	}
	if f := g.m.features[x.FeatureID]; f != nil {
		if f.Meter != nil && !chance(g.r, 10) {
			x.FeatureID = featureNames[0]
		}
		if f.Fluctuating() && chance(g.r, 3) || chance(g.r, 100) {
			x.Value = x.Value.Neg()
		}
	}
	if chance(g.r, 6) {
		x.Behavior = bursar.Set
		if chance(g.r, 3) && len(x.Dimensions) > 1 {
			x.Dimensions = x.Dimensions[:1]
		}
	}
	if !chance(g.r, 3) {
		x.IdempotencyKey = g.key()
		v := x
		g.remember(recentItem{customer: id, usage: &v})
	}
	return x
}

// sureOfKey tells that the contract says what the item's key means now.
func (g *gen) sureOfKey(c *mCust, x bursar.UsageInput) bool {
	old, stored := c.keys[keyID{x.Capability().ID, x.IdempotencyKey}]
	return !stored || g.time(c) < old.at+bursar.Time(23*time.Hour) || x.Timestamp != 0 && x.Timestamp <= old.at+ahead
}

// changed is an item sent again: mostly as it was, at times with other content, or with
// its dimensions in another order, which is the same content.
func (g *gen) changed(x bursar.UsageInput, c *mCust) bursar.UsageInput {
	switch g.r.IntN(14) {
	case 0:
		x.Value = g.amount()
	case 1:
		x.Dimensions = g.dims(c)
	case 2:
		x.Behavior = pick(g.r, []bursar.UpdateBehavior{bursar.Delta, bursar.Set})
	case 3:
		x.FeatureID = g.feature()
	case 4, 5:
		x.Dimensions = slices.Clone(x.Dimensions)
		slices.Reverse(x.Dimensions)
	case 6:
		if x.Timestamp != 0 {
			x.Timestamp -= bursar.Time(g.r.Int64N(int64(time.Minute)))
		}
	case 7:
		x.Timestamp = g.timestamp(g.time(c)) // a client that says when it sends
	}
	return x
}

func (g *gen) spend(id string) bursar.SpendInput {
	c := g.known(id)
	x := bursar.SpendInput{Capability: g.capability(), Dimensions: g.dims(c), IdempotencyKey: g.key(), Strict: chance(g.r, 15)}
	x.Amount = g.fitting(c, x.Capability, x.Dimensions)
	return x
}

// respend is a spend sent again.
func (g *gen) respend(x bursar.SpendInput, c *mCust) bursar.SpendInput {
	switch g.r.IntN(10) {
	case 0:
		x.Amount = g.positive()
	case 1:
		x.Dimensions = g.dims(c)
	case 2, 3:
		x.Dimensions = slices.Clone(x.Dimensions)
		slices.Reverse(x.Dimensions)
	}
	return x
}

func genConsume(g *gen) action {
	id := g.customer()
	if chance(g.r, 8) {
		item := g.again(id)
		switch {
		case item != nil && item.consume != nil:
			return consume{id, g.respend(*item.consume, g.known(id))}
		case item != nil && item.reserve != nil && chance(g.r, 4):
			return consume{id, item.reserve.In}
		}
	}
	x := g.spend(id)
	if chance(g.r, 150) {
		x.Amount = g.positive().Neg()
	}
	g.remember(recentItem{customer: id, consume: &x})
	return consume{id, x}
}

var badTTLs = []int{0, -1, 86401}

var ttls = []int{1, 1, 2, 5, 10, 30, 60, 300, 300, 3600, 86400}

func genReserve(g *gen) action {
	id := g.customer()
	if chance(g.r, 8) {
		item := g.again(id)
		switch {
		case item != nil && item.reserve != nil:
			again := *item.reserve
			again.In = g.respend(again.In, g.known(id))
			return again
		case item != nil && item.consume != nil && item.consume.Amount.Sign() > 0 && chance(g.r, 4):
			return reserve{id, *item.consume, 60, bursar.ExpireRelease}
		}
	}
	a := reserve{id, g.spend(id), pick(g.r, ttls), pick(g.r, []bursar.OnExpire{bursar.ExpireRelease, bursar.ExpireSettle})}
	if a.In.Amount.Sign() <= 0 && !chance(g.r, 10) {
		a.In.Amount = g.positive()
	}
	if chance(g.r, 150) {
		a.TTL = pick(g.r, badTTLs)
	}
	g.remember(recentItem{customer: id, reserve: &a})
	return a
}

// someHold names a reservation: mostly an open one, at times one that is closed.
func (g *gen) someHold(id string) (holdRef, *mHold) {
	c := g.known(id)
	list := c.open
	if len(list) == 0 || chance(g.r, 4) {
		list = c.holds[max(0, len(c.holds)-60):]
	}
	if len(list) == 0 || chance(g.r, 100) {
		return holdRef{"tokens", "none"}, nil
	}
	h := pick(g.r, list)
	return h.ref, h
}

func genCommit(g *gen) action {
	id := g.customer()
	ref, h := g.someHold(id)
	a := commitHold{id, ref, g.amount()}
	if chance(g.r, 100) {
		a.Amount = a.Amount.Neg()
		return a
	}
	switch n := g.r.IntN(10); {
	case h == nil:
	case h.CommittedAmount != nil && n < 7:
		a.Amount = *h.CommittedAmount
	case n < 4:
		a.Amount = h.Amount
	case n < 7:
		a.Amount = num{bigHalf(h.amount)}.amount()
	}
	return a
}

func genRelease(g *gen) action {
	id := g.customer()
	ref, _ := g.someHold(id)
	return releaseHold{id, ref}
}

func genExtend(g *gen) action {
	id := g.customer()
	ref, h := g.someHold(id)
	a := extendHold{id, ref, pick(g.r, ttls)}
	if h != nil && g.now > h.CreatedAt+holdLife-bursar.Time(24*time.Hour) {
		a.TTL = 86400
	}
	if chance(g.r, 60) {
		a.TTL = pick(g.r, badTTLs)
	}
	return a
}

func genGetHold(g *gen) action {
	id := g.customer()
	ref, _ := g.someHold(id)
	return getHold{id, ref}
}

func genListHolds(g *gen) action {
	id := g.customer()
	q := ledger.ReservationQuery{ListPage: g.page(), Status: pick(g.r, []bursar.HoldStatus{
		bursar.HoldOpen, bursar.HoldOpen, bursar.HoldCommitted, bursar.HoldReleased, bursar.HoldExpired,
	})}
	if chance(g.r, 2) {
		q.EntityID = g.live(g.known(id))
	}
	return listHolds{id, q}
}

func genTree(g *gen) action {
	id := g.customer()
	c := g.known(id)
	q := ledger.TreeQuery{
		SortBy: pick(g.r, []ledger.TreeSort{ledger.SortUtilization, ledger.SortUtilization, ledger.SortCurrentUsage,
			ledger.SortUsageLimit, ledger.SortScopeSize, ledger.SortID, ledger.SortCreatedAt}),
		Desc: chance(g.r, 2), Scope: pick(g.r, []ledger.TreeScope{ledger.ScopeAll, ledger.ScopeAll, ledger.ScopeNodeWide, ledger.ScopeScoped}),
		IncludeArchived: chance(g.r, 3), Limit: pick(g.r, []int{1, 3, 10, 100}),
	}
	for range g.r.IntN(3) {
		if k := g.capability(); !slices.Contains(q.Capabilities, k) && !unknownCapability(g.m, k) {
			q.Capabilities = append(q.Capabilities, k)
		}
	}
	if chance(g.r, 5) {
		q.TypeIDs = []string{pick(g.r, typeNames), "user"}
	}
	if chance(g.r, 5) {
		least := parse(pick(g.r, []string{"0", "0.5", "0.8", "1"}))
		q.MinUtilization = &least
	}
	if chance(g.r, 6) {
		q.Search = pick(g.r, []string{"e1", "AN", "%", "_"})
	}
	switch g.r.IntN(8) {
	case 0, 1:
		q.RootEntityID = pick(g.r, []string{g.live(c), g.live(c), g.live(c), g.entity()}) // it may be archived
	case 2:
		p := pick(g.r, []string{"", g.live(c)})
		if c.entities[p].ArchivedAt != nil { // what is below an archived one is open
			p = ""
		}
		q.ParentID = &p
	}
	if q.ParentID == nil && chance(g.r, 4) {
		d := g.r.IntN(4)
		q.Depth = &d
	}
	if chance(g.r, 6) {
		l := pick(g.r, labels)
		q.Label = &l
	}
	if chance(g.r, 60) {
		q.After = []byte("no cursor of this query")
	}
	return readTree{id, q}
}

func genHistory(g *gen) action {
	id := g.customer()
	q := ledger.HistoryQuery{
		Capability: featureOf(featureNames[g.r.IntN(4)]), Granularity: pick(g.r, []ledger.Granularity{ledger.Hour, ledger.Day, ledger.Day, ledger.Week, ledger.Month}),
		Timezone: pick(g.r, []string{"", "UTC", "Asia/Kolkata", "America/New_York"}), Running: chance(g.r, 4),
	}
	if !chance(g.r, 4) {
		q.EntityID = g.live(g.known(id))
	}
	span := int64(pick(g.r, []time.Duration{6 * time.Hour, 3 * 24 * time.Hour, 40 * 24 * time.Hour}))
	q.From = bursar.Time(floorTo(int64(g.now)-g.r.Int64N(span), quarter))
	if chance(g.r, 3) {
		q.To = q.From + bursar.Time(floorTo(g.r.Int64N(span)+quarter, quarter))
	}
	for _, key := range []string{"$child", "model", "tier"} {
		if chance(g.r, 4) && (key != "$child" || q.EntityID != "") {
			q.GroupBy = append(q.GroupBy, key)
		}
	}
	for len(q.GroupBy) < 3 && chance(g.r, 2) {
		if key := pick(g.r, keyNames); !slices.Contains(q.GroupBy, key) {
			q.GroupBy = append(q.GroupBy, key)
		}
	}
	g.r.Shuffle(len(q.GroupBy), func(i, j int) { q.GroupBy[i], q.GroupBy[j] = q.GroupBy[j], q.GroupBy[i] })
	return readHistory{id, q}
}
