package ledger

import (
	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/record"
)

func (*ConsumeEvent) failsEarly() {}

// ConsumeEvent records all that an event uses, if that may be used.
type ConsumeEvent struct {
	SpendEvent
	Within   bool // usage that does not add up, which no limit bounds, is refused
	Unpriced []Unpriced
}

func (o *ConsumeEvent) Decide(d *Decider) (any, error) {
	o.Unpriced = nil
	a, err := d.admitEvent(&o.SpendEvent, true)
	if err != nil {
		return nil, err
	}
	if o.Within {
		if err := onlyAdding(a.item.usages); err != nil {
			return nil, err
		}
	}
	d.reached = nil
	res := bursar.ConsumeResult{EventName: o.In.EventName, Timestamp: d.Now, Properties: o.In.Dimensions}
	for i := range a.item.usages {
		u := &a.item.usages[i]
		d.recordUsage(u, record.OpEvent)
		res.ID = firstOf(res.ID, u.ID)
	}
	call := &o.Call
	if res.ID != "" && !(o.In.Illegible && a.item.saysNothing()) {
		d.countCall(&o.Call, &o.In)
		call = nil
	}
	d.keepUnread(&o.In, 0, o.In.Unread, call, nil)
	for i := range a.asks {
		a.asks[i].Cap = d.CapOrd(a.asks[i].C) // it may be new
	}
	o.Unpriced = d.unpricedOf(a.item.usages)
	res.Used, res.Costs = d.usedBy(a.item.usages)
	res.Decision, res.Tightest = d.afterEvent(d.Cat, a.asks, a.chains, a.path.model)
	res.Decision.Warnings, res.Alerts = a.Warnings, d.reached
	res.Credit = d.Credit(d.Cat, a.asks)
	return res, nil
}

// EventConsumedAgain answers a consumption of an event whose twin is recorded at p.
func (d *Decider) EventConsumedAgain(in *bursar.EventInput, p *record.Placed) bursar.ConsumeResult {
	res := bursar.ConsumeResult{ID: p.ID(), EventName: in.EventName, Timestamp: p.Row.Head.Now, Properties: in.Dimensions, Duplicate: true}
	asks := d.asksByCap(func(f func(uint32, bursar.Amount)) {
		if used, ok := p.Record.(*record.EventUsed); ok { // an event that ended a reservation
			for _, part := range used.Use.Parts {
				f(part.Cap, part.Amount)
				for _, c := range part.Costs {
					f(c.Cap, c.Amount)
				}
			}
			return
		}
		its := map[int]bool{} // the usages of this request
		for i := p.Index; i < len(p.Row.Recs); i++ {
			switch r := p.Row.Recs[i].(type) {
			case *record.Usage:
				if r.Op != record.OpEvent || r.Key.Set && i > p.Index {
					return // of another request
				}
				its[i] = true
				f(r.Cap, r.Total)
			case *record.Cost:
				if its[int(r.Of)] && !r.Held && !r.Correction {
					f(r.Cap, r.Total)
				}
			}
		}
	})
	res.Used = amountsOf(asks)
	for _, a := range asks {
		if a.C.Kind == bursar.KindCurrency {
			res.Costs = append(res.Costs, bursar.Cost{CurrencyID: a.C.ID, Amount: a.Amount})
		}
	}
	r := d.Resolve(d.Cat, labelsOf(in.Dimensions))
	chains, _ := d.chains(&r, asks)
	res.Decision, res.Tightest = d.afterEvent(d.Cat, asks, chains, r.model)
	res.Decision.Warnings = d.eventNow(in, nil).warnings
	if res.Credit = d.Credit(d.Cat, asks); res.Credit != nil {
		res.Credit.Consumed = &bursar.Amount{}
	}
	return res
}
