package sim

import (
	"slices"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
)

// spendable is the customer of a consume or a reservation, or why nobody may spend so.
func (m *model) spendable(customer string, k bursar.Capability) (*mCust, bursar.Time, *fail) {
	c, now := m.customer(customer)
	if c == nil {
		return nil, 0, failed(bursar.CodeCustomerNotFound)
	}
	c.log.tried(now)
	if k.Kind == bursar.KindCurrency {
		if m.currencies[k.ID] == nil {
			return nil, 0, failed(bursar.CodeCurrencyNotFound)
		}
		return c, now, nil
	}
	f := m.features[k.ID]
	if f == nil {
		return nil, 0, failed(bursar.CodeFeatureNotFound)
	}
	if f.Meter != nil && (f.Meter.Aggregation.Function == "MAX" || f.Meter.Aggregation.Function == "UNIQUE") {
		return nil, 0, failed(bursar.CodeValidationFailed)
	}
	return c, now, nil
}

// earlier is what was done under the item's key before, or why the item conflicts.
func (c *mCust) earlier(x bursar.SpendInput, text string) (*mKey, *fail) {
	old, known := c.keys[keyID{x.Capability.ID, x.IdempotencyKey}]
	if !known || x.IdempotencyKey == "" {
		return nil, nil
	}
	if old.content != text {
		return nil, failed(bursar.CodeIdempotencyKeyReused)
	}
	return &old, nil
}

func (c *mCust) remember(x bursar.SpendInput, k mKey) {
	if x.IdempotencyKey != "" {
		c.keys[keyID{x.Capability.ID, x.IdempotencyKey}] = k
	}
}

func denied(d bursar.Decision) *fail { return &fail{code: d.Reason, denial: &d} }

func badTTL(ttl int) *fail {
	if ttl < 1 || ttl > 86400 {
		return failedAt("/ttlSeconds", bursar.CodeValidationFailed)
	}
	return nil
}

// offer is a request to spend, judged and not yet recorded.
type offer struct {
	c      *mCust
	now    bursar.Time
	asks   []ask
	prices []price
	attribution
	before bursar.Decision
}

// judgeSpend judges a request, which enrols until it is done or goes.
func (m *model) judgeSpend(c *mCust, now bursar.Time, x bursar.SpendInput) (o offer, f *fail) {
	if c.info.ArchivedAt != nil {
		return o, failed(bursar.CodeCustomerIsArchived)
	}
	c.begins(false)
	defer func() {
		if f != nil {
			c.goes()
		}
	}()
	c.enrol(x.Dimensions, now)
	o = offer{c: c, now: now, attribution: c.attribute(x.Dimensions)}
	o.strict = x.Strict
	if o.asks, o.prices, f = m.asksOf(x.Capability, numOf(x.Amount), x.Dimensions, now); f != nil {
		return o, f
	}
	o.before = c.decide(o.asks, o.attribution, now)
	c.denyUngoverned(&o.before, c.governed(x.Capability, o.prices, o.attribution, now), o.attribution)
	c.enrolment.asks = !o.before.Granted
	o.before.Warnings = c.warnings(x.Capability, o.prices, o.attribution, now)
	if !o.before.Granted {
		return o, denied(o.before)
	}
	return o, nil
}

func (o *offer) charges() []charge {
	var list []charge
	for _, x := range o.asks[1:] {
		list = append(list, charge{x.cap.ID, x.amount})
	}
	return list
}

func (m *model) consume(customer string, x bursar.SpendInput) (bursar.ConsumeResult, *fail) {
	if x.Amount.Sign() < 0 {
		return bursar.ConsumeResult{}, failedAt("/amount", bursar.CodeInvalidAmount)
	}
	c, now, f := m.spendable(customer, x.Capability)
	if f != nil {
		return bursar.ConsumeResult{}, f
	}
	text := content("consume", x.Capability, x.Amount, "", x.Dimensions)
	if old, f := c.earlier(x, text); f != nil {
		return bursar.ConsumeResult{}, f
	} else if old != nil {
		return c.consumedBefore(old, x, now), nil
	}
	o, f := m.judgeSpend(c, now, x)
	if f != nil {
		return bursar.ConsumeResult{}, f
	}
	c.done()
	c.spend(x.Capability, numOf(x.Amount), o.charges(), c.counting(o.attribution), fact{at: int64(now), route: o.route, dims: c.plain(x.Dimensions)}, now)
	c.moveLevels(x.Capability, o.route, numOf(x.Amount))
	c.log.wrote(now)
	r := bursar.ConsumeResult{
		ID: m.newID("u"), Capability: x.Capability, Amount: x.Amount, Timestamp: now, Costs: costsShown(o.charges()),
		Decision: verdict(o.before, c.decide(o.asks, o.attribution, now)), Credit: c.creditOf(o.asks, false),
	}
	c.remember(x, mKey{content: text, at: now, consume: r, asks: o.asks})
	return r, nil
}

// creditOf is the balance that a reply shows: of the first currency spent that has a pool.
func (c *mCust) creditOf(asks []ask, duplicate bool) *bursar.Balance {
	for _, x := range asks {
		if x.cap.Kind == bursar.KindCurrency && c.m.currencies[x.cap.ID].Prepaid {
			if duplicate {
				x.amount = num{}
			}
			return c.credit(x.cap.ID, &x.amount)
		}
	}
	return nil
}

func (c *mCust) consumedBefore(old *mKey, x bursar.SpendInput, now bursar.Time) bursar.ConsumeResult {
	r := old.consume
	r.Decision, r.Duplicate, r.Credit = c.decide(old.asks, c.attribute(x.Dimensions), now), true, c.creditOf(old.asks, true)
	return r
}

// verdict shows the figures of after with the outcome of before.
func verdict(before, after bursar.Decision) bursar.Decision {
	for i := range after.Chains {
		for j := range after.Chains[i] {
			n, b := &after.Chains[i][j], before.Chains[i][j]
			n.Granted, n.Exceeded = b.Granted, b.Exceeded
		}
	}
	after.Granted, after.Reason, after.Binding, after.Frozen, after.Warnings = true, "", nil, nil, before.Warnings
	return after
}

func (m *model) reserve(customer string, x bursar.SpendInput, ttl int, onExpire bursar.OnExpire) (bursar.Reservation, *fail) {
	if x.Amount.Sign() <= 0 {
		return bursar.Reservation{}, failedAt("/amount", bursar.CodeInvalidAmount)
	}
	if f := badTTL(ttl); f != nil {
		return bursar.Reservation{}, f
	}
	c, now, f := m.spendable(customer, x.Capability)
	if f != nil {
		return bursar.Reservation{}, f
	}
	text := content("reserve", x.Capability, x.Amount, "", x.Dimensions)
	if old, f := c.earlier(x, text); f != nil {
		return bursar.Reservation{}, f
	} else if old != nil {
		return old.hold.show(true), nil
	}
	o, f := m.judgeSpend(c, now, x)
	if f != nil {
		return bursar.Reservation{}, f
	}
	c.done()
	h := &mHold{
		Reservation: bursar.Reservation{
			ID: m.newID("r"), CustomerID: customer, Capability: x.Capability, Amount: x.Amount, Dimensions: x.Dimensions,
			Status: bursar.HoldOpen, OnExpire: onExpire, CreatedAt: now, ExpiresAt: now + bursar.Time(ttl)*1e9, Costs: costsShown(o.charges()),
		},
		ref: holdRef{x.Capability.ID, x.IdempotencyKey}, amount: numOf(x.Amount), route: o.route, plain: c.plain(x.Dimensions),
	}
	h.freeze(c, &o)
	c.hold(h, 1)
	c.holds, c.open = append(c.holds, h), append(c.open, h)
	c.log.wrote(now)
	c.remember(x, mKey{content: text, at: now, hold: h})
	shown := h.show(false)
	after := verdict(o.before, c.decide(o.asks, o.attribution, now))
	shown.Decision = &after
	return shown, nil
}

// freeze notes the rows and the prices that the reservation is on.
func (h *mHold) freeze(c *mCust, o *offer) {
	for i, x := range o.asks {
		for _, r := range c.applying(x.cap, o.attribution) {
			h.rows = append(h.rows, r)
		}
		if i > 0 {
			h.costs = append(h.costs, heldCost{x.cap.ID, o.prices[i-1], x.amount})
		}
	}
}

func (h *mHold) show(duplicate bool) bursar.Reservation {
	r := h.Reservation
	r.Duplicate = duplicate
	return r
}

// frozen lists the rows of a hold that still exist and are about k.
func (c *mCust) frozen(h *mHold, k bursar.Capability) []*mRow {
	var rows []*mRow
	for _, r := range h.rows {
		if r.cap == k && (slices.Contains(c.rows, r) || c.given[r.key()] == r) {
			rows = append(rows, r)
		}
	}
	return rows
}

// hold adds what is reserved, once, wherever the reservation counts; -1 takes it away.
func (c *mCust) hold(h *mHold, times int64) {
	asks := []ask{}
	if h.call == nil {
		asks = append(asks, ask{h.Capability, h.amount})
	} else {
		for _, p := range h.call.parts {
			asks = append(asks, ask{p.feature, p.amount})
			for _, x := range p.costs {
				asks = append(asks, ask{currencyOf(x.currency), x.held})
			}
		}
	}
	for _, x := range h.costs {
		asks = append(asks, ask{currencyOf(x.currency), x.held})
	}
	for _, x := range asks {
		for _, r := range c.frozen(h, x.cap) {
			r.begin()
			r.held = r.held.add(x.amount.times(times))
		}
		t := c.total(x.cap)
		t.held = t.held.add(x.amount.times(times))
	}
}

// dearest tells that an amount would cost too much at the reservation's prices.
func (h *mHold) tooDear(amount num) bool {
	return slices.ContainsFunc(h.costs, func(x heldCost) bool {
		_, ok := x.price.cost(amount)
		return !ok
	})
}

// chargeHold charges the frozen rows whose entities are live, and the customer's own limit,
// at the frozen prices.
func (c *mCust) chargeHold(h *mHold, amount num, now bursar.Time) {
	live := func(k bursar.Capability) []*mRow {
		rows := slices.DeleteFunc(c.frozen(h, k), func(r *mRow) bool { return c.entities[r.entity].ArchivedAt != nil })
		return append(rows, c.own(k)...)
	}
	var costs []charge
	for _, x := range h.costs {
		cost, _ := x.price.cost(amount)
		costs = append(costs, charge{x.currency, cost})
	}
	c.spend(h.Capability, amount, costs, live, fact{at: int64(now), route: h.route, dims: h.plain}, now)
	c.moveLevels(h.Capability, h.route, amount)
	h.CommittedAmount, h.Costs = amount.ptr(), costsShown(costs)
}

// closeHold frees what is held and ends the reservation.
func (c *mCust) closeHold(h *mHold, status bursar.HoldStatus, at bursar.Time) {
	c.hold(h, -1)
	c.open = slices.DeleteFunc(c.open, func(x *mHold) bool { return x == h })
	h.Status, h.ClosedAt, h.Costs = status, at, nil
}

func (m *model) findHold(customer, id string) (*mCust, bursar.Time, *mHold, *fail) {
	c, now := m.customer(customer)
	if c == nil {
		return nil, 0, nil, failed(bursar.CodeCustomerNotFound)
	}
	for _, h := range c.holds {
		if h.ID == id {
			return c, now, h, nil
		}
	}
	return nil, 0, nil, failed(bursar.CodeReservationNotFound)
}

const holdLife = bursar.Time(7 * 24 * time.Hour)

func (m *model) commitReservation(customer, id string, amount bursar.Amount) (bursar.Reservation, *fail) {
	if amount.Sign() < 0 {
		return bursar.Reservation{}, failedAt("/amount", bursar.CodeInvalidAmount)
	}
	c, now, h, f := m.findHold(customer, id)
	if f != nil {
		return bursar.Reservation{}, f
	}
	c.log.tried(now)
	if h.call != nil {
		return bursar.Reservation{}, failedAt("/amount", bursar.CodeValidationFailed)
	}
	late := h.Status == bursar.HoldExpired && h.OnExpire == bursar.ExpireRelease && now <= h.CreatedAt+holdLife
	switch {
	case h.Status == bursar.HoldCommitted && *h.CommittedAmount == amount:
		return h.show(true), nil
	case h.Status != bursar.HoldOpen && !late:
		return bursar.Reservation{}, failed(bursar.CodeReservationClosed) // whatever the amount
	case h.tooDear(numOf(amount)):
		return bursar.Reservation{}, failedAt("/amount", bursar.CodeInvalidAmount)
	case late:
		h.Status, h.ClosedAt, h.LateCommit = bursar.HoldCommitted, now, true
	default:
		c.closeHold(h, bursar.HoldCommitted, now)
	}
	c.chargeHold(h, numOf(amount), now)
	c.log.wrote(now)
	return h.show(false), nil
}

func (m *model) releaseReservation(customer, id string) (bursar.Reservation, *fail) {
	c, now, h, f := m.findHold(customer, id)
	if f != nil {
		return bursar.Reservation{}, f
	}
	c.log.tried(now)
	switch h.Status {
	case bursar.HoldReleased, bursar.HoldExpired:
		return h.show(true), nil
	case bursar.HoldOpen:
		c.closeHold(h, bursar.HoldReleased, now)
		c.log.wrote(now)
		return h.show(false), nil
	}
	return bursar.Reservation{}, failed(bursar.CodeReservationClosed)
}

func (m *model) extendReservation(customer, id string, ttl int) (bursar.Reservation, *fail) {
	if f := badTTL(ttl); f != nil {
		return bursar.Reservation{}, f
	}
	c, now, h, f := m.findHold(customer, id)
	if f != nil {
		return bursar.Reservation{}, f
	}
	c.log.tried(now)
	until := now + bursar.Time(ttl)*1e9
	switch {
	case h.Status != bursar.HoldOpen:
		return bursar.Reservation{}, failed(bursar.CodeReservationClosed)
	case until > h.CreatedAt+holdLife:
		return bursar.Reservation{}, failedAt("/ttlSeconds", bursar.CodeValidationFailed)
	}
	h.ExpiresAt = until
	c.log.wrote(now)
	return h.show(false), nil
}

func (m *model) reservation(customer, id string) (bursar.Reservation, *fail) {
	_, _, h, f := m.findHold(customer, id)
	if f != nil {
		return bursar.Reservation{}, f
	}
	return h.show(false), nil
}

func (m *model) listReservations(customer string, q ledger.ReservationQuery) (ledger.Page[bursar.Reservation], *fail) {
	c, _ := m.customer(customer)
	if c == nil {
		return ledger.Page[bursar.Reservation]{}, failed(bursar.CodeCustomerNotFound)
	}
	var list []bursar.Reservation
	for _, h := range c.holds {
		resolved := slices.ContainsFunc(h.route, func(x hop) bool { return x.entity == q.EntityID })
		if h.Status == q.Status && (q.EntityID == "" || resolved) {
			list = append(list, h.show(false))
		}
	}
	return pageOf(list, func(r bursar.Reservation) ledger.ListPos { return ledger.ListPos{ID: r.ID} }, byID(q.ListPage)), nil
}
