package sim

import (
	"slices"
	"strings"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/engine"
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

func (m *model) consume(customer string, x bursar.SpendInput) (bursar.ConsumeResult, *fail) {
	if x.Amount.Sign() < 0 {
		return bursar.ConsumeResult{}, failedAt("/amount", bursar.CodeInvalidAmount)
	}
	c, now, f := m.spendable(customer, x.Capability)
	if f != nil {
		return bursar.ConsumeResult{}, f
	}
	text := content("consume", x.Capability, x.Amount, "", x.Dimensions)
	a, amount := c.attribute(x.Dimensions), numOf(x.Amount)
	if old, f := c.earlier(x, text); f != nil {
		return bursar.ConsumeResult{}, f
	} else if old != nil {
		r := old.consume
		r.Decision, r.Duplicate = c.decide(x.Capability, amount, a, now), true
		return r, nil
	}
	if c.info.ArchivedAt != nil {
		return bursar.ConsumeResult{}, failed(bursar.CodeCustomerIsArchived)
	}
	before := c.decide(x.Capability, amount, a, now)
	if !before.Granted {
		return bursar.ConsumeResult{}, denied(before)
	}
	c.record(x.Capability, amount, c.applying(x.Capability, a), fact{at: int64(now), route: a.route, dims: x.Dimensions}, now)
	c.log.wrote(now)
	r := bursar.ConsumeResult{
		ID: m.newID("u"), Capability: x.Capability, Amount: x.Amount, Timestamp: now,
		Decision: verdict(before, c.decide(x.Capability, amount, a, now)),
	}
	c.remember(x, mKey{content: text, at: now, consume: r})
	return r, nil
}

// verdict shows the figures of after with the outcome of before.
func verdict(before, after bursar.Decision) bursar.Decision {
	for i := range after.Chains {
		for j := range after.Chains[i] {
			n, b := &after.Chains[i][j], before.Chains[i][j]
			n.Granted, n.Exceeded = b.Granted, b.Exceeded
		}
	}
	after.Granted, after.Reason, after.Binding = true, "", nil
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
	if c.info.ArchivedAt != nil {
		return bursar.Reservation{}, failed(bursar.CodeCustomerIsArchived)
	}
	a, amount := c.attribute(x.Dimensions), numOf(x.Amount)
	before := c.decide(x.Capability, amount, a, now)
	if !before.Granted {
		return bursar.Reservation{}, denied(before)
	}
	h := &mHold{
		Reservation: bursar.Reservation{
			ID: m.newID("r"), CustomerID: customer, Capability: x.Capability, Amount: x.Amount, Dimensions: x.Dimensions,
			Status: bursar.HoldOpen, OnExpire: onExpire, CreatedAt: now, ExpiresAt: now + bursar.Time(ttl)*1e9,
		},
		ref: holdRef{x.Capability.ID, x.IdempotencyKey}, amount: amount, route: a.route,
	}
	for _, r := range c.applying(x.Capability, a) {
		h.rows = append(h.rows, r.id)
	}
	c.hold(h, amount)
	c.holds, c.open = append(c.holds, h), append(c.open, h)
	c.log.wrote(now)
	c.remember(x, mKey{content: text, at: now, hold: h})
	shown := h.show(false)
	after := verdict(before, c.decide(x.Capability, amount, a, now))
	shown.Decision = &after
	return shown, nil
}

func (h *mHold) show(duplicate bool) bursar.Reservation {
	r := h.Reservation
	r.Duplicate = duplicate
	return r
}

// frozen lists the rows of a hold that still exist.
func (c *mCust) frozen(h *mHold) []*mRow {
	var rows []*mRow
	for _, id := range h.rows {
		if r := c.row(id); r != nil {
			rows = append(rows, r)
		}
	}
	return rows
}

// hold adds an amount to what is held wherever the reservation counts.
func (c *mCust) hold(h *mHold, amount num) {
	for _, r := range c.frozen(h) {
		r.held = r.held.add(amount)
	}
	t := c.total(h.Capability)
	t.held = t.held.add(amount)
}

// settle charges the frozen rows whose entities are live.
func (c *mCust) settle(h *mHold, amount num, now bursar.Time) {
	rows := slices.DeleteFunc(c.frozen(h), func(r *mRow) bool { return c.entities[r.entity].ArchivedAt != nil })
	c.record(h.Capability, amount, rows, fact{at: int64(now), route: h.route, dims: h.Dimensions}, now)
	h.CommittedAmount = amount.ptr()
}

// closeHold frees what is held and ends the reservation.
func (c *mCust) closeHold(h *mHold, status bursar.HoldStatus, at bursar.Time) {
	c.hold(h, h.amount.neg())
	c.open = slices.DeleteFunc(c.open, func(x *mHold) bool { return x == h })
	h.Status, h.ClosedAt = status, at
}

// expire ends every hold whose time has come by now, in order of that time.
func (c *mCust) expire(now bursar.Time) {
	var due []*mHold
	for _, h := range c.open {
		if h.ExpiresAt <= now {
			due = append(due, h)
		}
	}
	slices.SortFunc(due, func(a, b *mHold) int {
		if a.ExpiresAt != b.ExpiresAt {
			return int(min(1, max(-1, a.ExpiresAt-b.ExpiresAt)))
		}
		return strings.Compare(a.ID, b.ID)
	})
	for _, h := range due {
		c.closeHold(h, bursar.HoldExpired, h.ExpiresAt)
		if h.OnExpire == bursar.ExpireSettle {
			c.settle(h, h.amount, h.ExpiresAt)
		}
		c.log.tried(max(now, c.log.perhaps))
	}
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
	late := h.Status == bursar.HoldExpired && h.OnExpire == bursar.ExpireRelease && now <= h.CreatedAt+holdLife
	switch {
	case h.Status == bursar.HoldCommitted && *h.CommittedAmount == amount:
		return h.show(true), nil
	case h.Status != bursar.HoldOpen && !late:
		return bursar.Reservation{}, failed(bursar.CodeReservationClosed)
	case late:
		h.Status, h.ClosedAt, h.LateCommit = bursar.HoldCommitted, now, true
	default:
		c.closeHold(h, bursar.HoldCommitted, now)
	}
	c.settle(h, numOf(amount), now)
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
	case bursar.HoldReleased:
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

func (m *model) listReservations(customer string, q engine.ReservationQuery) (engine.Page[bursar.Reservation], *fail) {
	c, _ := m.customer(customer)
	if c == nil {
		return engine.Page[bursar.Reservation]{}, failed(bursar.CodeCustomerNotFound)
	}
	var list []bursar.Reservation
	for _, h := range c.holds {
		resolved := slices.ContainsFunc(h.route, func(x hop) bool { return x.entity == q.EntityID })
		if h.Status == q.Status && (q.EntityID == "" || resolved) {
			list = append(list, h.show(false))
		}
	}
	return pageOf(list, func(r bursar.Reservation) engine.ListPos { return engine.ListPos{ID: r.ID} }, byID(q.ListPage)), nil
}
