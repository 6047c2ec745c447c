package ledger

import (
	"fmt"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/record"
)

// A request that comes again with its idempotency key is answered with what its twin, the
// first one, recorded, and with the limits as they stand now.

// costsIn is what the usage that p records cost at the time.
func (v *View) costsIn(p *record.Placed) (out []bursar.Cost) {
	for _, r := range p.Row.Recs[p.Index+1:] {
		if c, ok := r.(*record.Cost); ok && int(c.Of) == p.Index {
			out = append(out, bursar.Cost{CurrencyID: v.Capability(c.Cap).ID, Amount: c.Amount})
		}
	}
	return out
}

// ConsumedAgain answers a consumption whose twin is recorded at p.
func (v *View) ConsumedAgain(cat *catalogue.Catalogue, s *Spend, p *record.Placed) (res bursar.ConsumeResult, err error) {
	rec, ok := p.Record.(*record.Usage)
	if !ok {
		return res, fmt.Errorf("%w: not a consumption", record.ErrRecord)
	}
	res = bursar.ConsumeResult{ID: p.ID(), Capability: s.In.Capability, Amount: rec.Amount, Timestamp: rec.Timestamp, Duplicate: true, Costs: v.costsIn(p)}
	asks, unpriced, _ := v.AsksFor(cat, s.In.Capability, rec.Amount, s.In.Dimensions, rec.Timestamp) // a correction may have made it too dear
	asks = v.Charged(asks, res.Costs)
	r := v.Resolve(cat, s.In.Dimensions)
	chains, over := v.chains(&r, asks)
	res.Decision = v.After(cat, asks, chains, r.model)
	res.Decision.Warnings = v.Warnings(cat, &r, asks, unpriced, len(chains) > 0, over)
	if res.Credit = v.Credit(cat, asks); res.Credit != nil {
		res.Credit.Consumed = &bursar.Amount{}
	}
	return res, nil
}

// ReservedAgain answers a reservation whose twin is h, with the warnings that it would have
// now: its first reply may have been lost.
func (v *View) ReservedAgain(cat *catalogue.Catalogue, in *bursar.SpendInput, h *record.Hold) bursar.Reservation {
	res := v.ReservationOut(cat, h)
	res.Duplicate = true
	dims := record.SortDims(in.Dimensions)
	asks, unpriced, _ := v.AsksFor(cat, in.Capability, in.Amount, dims, v.Now) // today's price may be too dear
	r := v.Resolve(cat, dims)
	chains, over := v.chains(&r, asks)
	res.Decision.Warnings = v.Warnings(cat, &r, asks, unpriced, len(chains) > 0, over)
	return res
}

// ReportedAgain completes the reply for an item of a report whose twin is recorded at p. It adds what
// the twin cost, and the balance of the first prepaid currency that it cost.
func (v *View) ReportedAgain(cat *catalogue.Catalogue, p *record.Placed, res *bursar.UsageResult) error {
	rec, ok := p.Record.(*record.Usage)
	if !ok {
		return fmt.Errorf("%w: not a usage record", record.ErrRecord)
	}
	res.ID, res.Timestamp, res.CreatedAt, res.Costs = p.ID(), rec.Timestamp, p.Row.Head.Now, v.costsIn(p)
	for _, c := range res.Costs {
		if cat.Prepaid(c.CurrencyID) {
			b := v.Balance(bursar.Capability{Kind: bursar.KindCurrency, ID: c.CurrencyID})
			b.Consumed = &bursar.Amount{}
			res.Credit = &b
			break
		}
	}
	return nil
}
