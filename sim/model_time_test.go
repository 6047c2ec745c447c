package sim

import (
	"cmp"
	"slices"

	"github.com/bursarhq/bursar"
)

// due is a thing that time does to a customer.
type due struct {
	at   bursar.Time
	kind int // at one instant holds come first, then grants that become active, then those that expire
	id   string
	do   func()
}

// expire lets time pass until now, one thing after the other.
func (c *mCust) expire(now bursar.Time) {
	for {
		list := slices.DeleteFunc(c.dues(), func(d due) bool { return d.at > now })
		if len(list) == 0 {
			return
		}
		next := slices.MinFunc(list, func(a, b due) int {
			return cmp.Or(cmp.Compare(a.at, b.at), a.kind-b.kind, compareText(a.id, b.id))
		})
		c.timed = &untold{at: next.at}
		next.do()
		c.untold = append(c.untold, *c.timed)
		c.timed = nil
		c.log.tried(max(now, c.log.perhaps))
	}
}

func (c *mCust) dues() []due {
	var list []due
	for _, h := range c.open {
		list = append(list, due{h.ExpiresAt, 0, h.ID, func() { c.holdEnds(h) }})
	}
	for _, g := range c.grants {
		switch {
		case g.Status == bursar.GrantScheduled:
			list = append(list, due{g.EffectiveAt, 1, g.ID, func() { c.activate(g, g.EffectiveAt) }})
		case g.Status == bursar.GrantActive && g.ExpireAt != 0:
			list = append(list, due{g.ExpireAt, 2, g.ID, func() { c.grantEnds(g) }})
		}
	}
	return list
}

func (c *mCust) holdEnds(h *mHold) {
	data := map[string]any{"reservationId": h.ID, "amount": h.Amount, "onExpire": h.OnExpire, "expiresAt": h.ExpiresAt}
	if h.call != nil {
		data["eventName"] = h.Event.Name
	} else {
		nameCapability(data, h.Capability)
	}
	c.tell(bursar.EventReservationExpired, data)
	c.closeHold(h, bursar.HoldExpired, h.ExpiresAt)
	if h.OnExpire == bursar.ExpireSettle && h.call != nil {
		c.settleCall(h)
	} else if h.OnExpire == bursar.ExpireSettle {
		c.chargeHold(h, h.amount, h.ExpiresAt)
	}
}

func (c *mCust) grantEnds(g *mGrant) {
	lost := c.lapse(g, bursar.GrantExpired, g.ExpireAt)
	c.tell(bursar.EventCreditsExpired, map[string]any{"currencyId": g.CurrencyID, "grantId": g.ID, "amount": lost.amount(), "balance": c.pool(g.CurrencyID).left().amount()})
	c.lapsed(g, lost)
}
