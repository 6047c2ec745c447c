package sim

import (
	"encoding/json"
	"fmt"
	"math/big"
	"slices"

	"github.com/bursarhq/bursar"
)

// message is one webhook event as the model expects it. A percentage is compared on its
// own: how its last digit is rounded is open.
type message struct {
	typ  string
	data map[string]any
	pct  *float64
	to   string // of a message to people: the notification, its name and who
}

// untold is a fact that time alone made: reads know it at once, but it is told when a
// commit records it, and alerts look at the limits of that moment.
type untold struct {
	at     bursar.Time
	told   []message
	alerts []func(now bursar.Time)
}

// tell notes an event of the customer.
func (c *mCust) tell(typ string, data map[string]any) {
	data["customerId"] = c.info.ID
	c.send(message{typ: typ, data: data})
}

func (c *mCust) send(x message) {
	if c.timed != nil {
		c.timed.told = append(c.timed.told, x)
		return
	}
	c.m.told[c.info.ID] = append(c.m.told[c.info.ID], x)
}

// tellAll notes an event of the environment.
func (m *model) tellAll(typ string, data map[string]any) {
	m.told[""] = append(m.told[""], message{typ: typ, data: data})
}

// observe brings the model up to what the engine committed by itself: each commit
// records what time did until then.
func (m *model) observe() {
	if m.commits == nil {
		return
	}
	for _, h := range m.commits() {
		m.heard = append(m.heard, h)
		c := m.customers[h.stream]
		switch {
		case h.stream == "":
			m.cat.sure = max(m.cat.sure, h.now)
		case c != nil:
			c.settle() // entities may have moved since
			c.expire(h.now)
			c.log.sure = max(c.log.sure, h.now)
			m.heard[len(m.heard)-1].want = c.recordTimed(h.now)
		}
	}
}

// recordTimed gives the messages of what time did until now and was not told yet.
func (c *mCust) recordTimed(now bursar.Time) []message {
	before := c.m.told[c.info.ID]
	c.m.told[c.info.ID] = nil
	for len(c.untold) > 0 && c.untold[0].at <= now {
		u := c.untold[0]
		c.untold = c.untold[1:]
		for _, x := range u.told {
			c.send(x)
		}
		for _, alert := range u.alerts {
			alert(now)
		}
	}
	told := c.m.told[c.info.ID]
	c.m.told[c.info.ID] = before
	return told
}

// alert judges the thresholds of a row after a record changed its use or its limit. Where no default
// says that any more, as of one that funded a boost, nothing is told.
func (c *mCust) alert(r *mRow, now bursar.Time) {
	if r.promo != nil || r.idle() {
		return
	}
	if c.hushed != nil {
		c.hushed[r] = true
		return
	}
	used := r.usedAt(now)
	if c.timed == nil {
		c.judgeThresholds(r, used, now)
		c.tellPeople(r, used, now)
		return
	}
	changed := r.window(int64(now))
	c.timed.alerts = append(c.timed.alerts, func(at bursar.Time) {
		if r.window(int64(at)) == changed {
			c.judgeThresholds(r, used, at)
			c.tellPeople(r, used, at)
		}
	})
}

// judgeThresholds fires what is newly reached, and recovers below the lowest that fired. What
// has fired is remembered of the last window in which something did.
func (c *mCust) judgeThresholds(r *mRow, used num, now bursar.Time) {
	w := r.window(int64(now))
	fired := map[int]bool{}
	for t := range r.fired {
		if r.firedIn == w.start && slices.Contains(r.thresholds, t) {
			fired[t] = true
		}
	}
	limit := r.effective(now)
	reached := func(percent int) bool {
		return limit != nil && used.sign() > 0 && used.times(100).cmp(limit.times(int64(percent))) >= 0
	}
	if lowest := lowestOf(fired); lowest > 0 && !reached(lowest) {
		c.tellUsage(bursar.EventUsageRecovered, r, used, limit, sortedInts(fired), w)
		fired = map[int]bool{}
	}
	fresh := map[int]bool{}
	for _, t := range r.thresholds {
		if !fired[t] && reached(t) {
			fresh[t], fired[t] = true, true
		}
	}
	if len(fresh) > 0 {
		c.tellUsage(bursar.EventUsageExceeded, r, used, limit, sortedInts(fresh), w)
	}
	if r.firedIn == w.start || len(fired) > 0 {
		r.firedIn, r.fired = w.start, fired
	}
}

func (c *mCust) tellUsage(typ string, r *mRow, used num, limit *num, thresholds []int, w window) {
	c.send(c.usageMessage(typ, r, used, limit, thresholds, w))
}

func (c *mCust) usageMessage(typ string, r *mRow, used num, limit *num, thresholds []int, w window) message {
	data := map[string]any{
		"customerId": c.info.ID, "entity": map[string]any{"id": r.entity, "entityTypeId": c.entities[r.entity].EntityTypeID},
		"assignmentId": r.id, "scopeEntityIds": append([]string{}, r.scope...), "label": r.label, "thresholds": thresholds,
		"currentUsage": used.amount(), "usageLimit": nil, "enforcement": r.enforcement(),
		"usagePeriodStart": bursar.Time(w.start), "usagePeriodEnd": bursar.Time(w.end),
	}
	nameCapability(data, r.cap)
	x := message{typ: typ, data: data}
	if limit != nil {
		data["usageLimit"] = limit.amount()
		if limit.sign() > 0 {
			f, _ := new(big.Rat).SetFrac(used.times(100).big(), limit.big()).Float64()
			x.pct = &f
		}
	}
	return x
}

func nameCapability(data map[string]any, k bursar.Capability) {
	if k.Kind == bursar.KindCurrency {
		data["currencyId"] = k.ID
	} else {
		data["featureId"] = k.ID
	}
}

// text is what is compared of a message, with ids put through the function.
func (x message) text() string {
	b, err := json.Marshal(x.data)
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf("%s %s%s", x.typ, x.to, canonical(b))
}
