package ledger

import (
	"cmp"
	"errors"
	"math"
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// Resume lets rp go on from out, which an earlier run had found.
func (rp *Repricer) Resume(out *Repricing) {
	rp.Out = *out
	for i := range out.Customers {
		rp.rows += len(out.Customers[i].Rows)
	}
}

func (o *RepriceOp) Size() int { return len(o.Groups) }

// Repricer is one run of Reprice.
type Repricer struct {
	Caller   catalogue.Caller
	Cat      *catalogue.Catalogue
	Card     *bursar.RateCard
	Features map[string]*catalogue.PricedBy // what the card prices
	instead  map[int]int                    // by version that is corrected: the version that counts in its place
	From, To bursar.Time                    // [from, to), whole buckets
	Apply    bool
	Progress func(done, total uint64) // told how much of the current customer's log is read; nil = nobody asks
	Out      Repricing
	rows     int // of the customers in out
}

func NewRepricer(cat *catalogue.Catalogue, c catalogue.Caller, in *RepriceInput, now bursar.Time) (*Repricer, error) {
	rp := &Repricer{Caller: c, Cat: cat, Card: cat.CardOf[in.CardID], Apply: in.Apply, From: in.From, To: in.To,
		Features: map[string]*catalogue.PricedBy{}, instead: map[int]int{}}
	if rp.Card == nil {
		return nil, cat.ErrNoCard(in.CardID)
	}
	if rp.To == 0 || rp.To > now {
		rp.To = now + 1 // now itself belongs to it
	}
	if rp.From >= rp.To {
		return nil, bursar.ErrorAt("/from", bursar.CodeValidationFailed, "from, %s, is not before to, %s", rp.From, rp.To)
	}
	rp.Out = Repricing{CardID: in.CardID, Customers: []RepricedCustomer{}, Applied: in.Apply}
	earliest := rp.To
	for i := range slices.Backward(rp.Card.Versions) { // a version that corrects this one comes later: it was seen before
		v := &rp.Card.Versions[i]
		if v.Corrects == 0 {
			continue
		}
		by := v.Version
		if last := rp.instead[by]; last != 0 {
			by = last
		}
		rp.instead[v.Corrects] = by
		if v.Corrects > rp.Out.Version {
			rp.Out.Version, rp.Out.By = v.Corrects, by
		}
		earliest = min(earliest, rp.Card.Versions[v.Corrects-1].EffectiveFrom)
	}
	if len(rp.instead) == 0 {
		return nil, bursar.Errorf(bursar.CodeValidationFailed, "no version of the rate card %q corrects another one; add a version with corrects first", in.CardID)
	}
	rp.From = bucketStart(max(rp.From, earliest)) // no version that is corrected was in force before that
	rp.To = bucketStart(rp.To + bucketWidth - 1)
	for feature, list := range cat.Prices {
		for i := range list {
			if list[i].Card == rp.Card {
				rp.Features[feature] = &list[i]
			}
		}
	}
	return rp, nil
}

// Bounds of what a repricing shows: customers, and rows of all of them. Its sums are of all.
const (
	maxRepricedCustomers = 1_000
	maxRepricedRows      = 10_000
)

func bucketStart(t bursar.Time) bursar.Time { return bursar.Time(BucketOf(t)) * bucketWidth }

// ErrReplan tells that the customer was repriced since the plan was made.
var ErrReplan = errors.New("repriced meanwhile")

// MaxRepriceRecords bounds what one commit of a repricing records.
const MaxRepriceRecords = 2000

func (rp *Repricer) Report(id string, p *RepricePlan, effects *RepriceEffects) {
	rp.Out.Records += p.records
	rp.Out.Unmatched += p.unmatched
	rp.Out.Was, rp.Out.Is = rp.Out.Was.Add(p.was), rp.Out.Is.Add(p.is)
	if len(p.Groups) == 0 {
		return
	}
	rp.Out.Changed++
	rp.Out.Pool = rp.Out.Pool.Add(effects.pool)
	if len(rp.Out.Customers) == maxRepricedCustomers {
		return
	}
	c := RepricedCustomer{CustomerID: id, Was: p.was, Is: p.is, Pool: effects.pool}
	for _, r := range effects.Rows {
		if r.Was != r.Is {
			c.Rows = append(c.Rows, *r)
		}
	}
	slices.SortFunc(c.Rows, func(a, b RepricedRow) int {
		return cmp.Or(cmp.Compare(a.AssignmentID, b.AssignmentID), cmp.Compare(a.PeriodStart, b.PeriodStart))
	})
	if rp.rows += len(c.Rows); rp.rows <= maxRepricedRows {
		rp.Out.Customers = append(rp.Out.Customers, c)
	}
}

// RepriceEffects is what corrections did to limits and the pool.
type RepriceEffects struct {
	Any  bool
	Rows map[RowWindow]*RepricedRow
	pool bursar.Amount
}

type RowWindow struct {
	row   uint32
	start bursar.Time
}

func (x *RepriceEffects) Add(y *RepriceEffects) {
	x.Any = true
	x.pool = x.pool.Add(y.pool)
	for k, r := range y.Rows {
		if old := x.Rows[k]; old != nil {
			old.Is = r.Is
		} else {
			x.Rows[k] = r
		}
	}
}

// RepriceOp records corrections.
//
// It is decided only if no other repricing came after the plan was made. The state says
// which commit was the last to correct anything, but only of those applied since it was
// loaded: a checkpoint does not keep that. So the plan says which state in memory it was
// made from. What was in that state when it was loaded is no later than the head up to which
// the plan has read the log.
type RepriceOp struct {
	Rp     *Repricer
	State  *State
	UpTo   uint64 // corrections up to this commit are known
	Groups []RepriceGroup
}

func (o *RepriceOp) Decide(d *Decider) (any, error) {
	if d.State != o.State || d.corrected > o.UpTo || d.correct {
		return nil, ErrReplan
	}
	return o.Record(d), nil
}

func (o *RepriceOp) Record(d *Decider) *RepriceEffects {
	x := &RepriceEffects{Rows: map[RowWindow]*RepricedRow{}}
	cur := bursar.Capability{Kind: bursar.KindCurrency, ID: o.Rp.Card.CurrencyID}
	cap := d.CapFor(cur)
	left := d.pool(cap).left()
	var change bursar.Amount
	for i := range o.Groups {
		g := &o.Groups[i]
		combo := uint32(0)
		if g.combo != "" {
			combo = d.comboOf(record.DecodeCombo(g.combo), math.MaxInt)
		}
		rec := &record.Cost{Cap: cap, Feature: g.feature, Card: o.Rp.Card.ID, Version: g.version, Amount: g.diff, At: g.at,
			Combo: combo, Path: g.hops(), Correction: true, By: o.Rp.instead[g.version]}
		for _, ord := range record.SortedOrds(g.rows) {
			for _, ch := range d.Charges([]uint32{ord}, g.at, g.rows[ord], false) { // none if it is gone
				if ch.Slot != record.SlotNone && !ch.Delta.IsZero() {
					rec.Charges = append(rec.Charges, ch)
				}
			}
		}
		rec.Total = d.clampTotal(cap, g.diff)
		for j := range rec.Charges {
			x.charge(d, &rec.Charges[j])
		}
		d.Emit(rec)
		d.alertCharges(rec.Charges)
		if d.Cat.Prepaid(cur.ID) {
			d.draw(cap, rec.Total, g.feature, 0, record.DrawCorrection, d.Now)
		}
		change = change.Add(g.diff)
	}
	x.pool = left.Sub(d.pool(cap).left())
	d.audit(&o.Rp.Caller, "rateCard.repriced", "rateCard", o.Rp.Card.ID, "", nil,
		map[string]any{"version": o.Rp.Out.Version, "by": o.Rp.Out.By, "from": o.Rp.From, "to": o.Rp.To, "corrections": len(o.Groups), "change": change})
	return x
}

// charge notes what a charge is about to do.
func (x *RepriceEffects) charge(d *Decider, ch *record.Charge) {
	def := d.Def(ch.Row)
	c := d.Current(ch.Row, def)
	k, used := RowWindow{ch.Row, c.Start}, c.Used
	if ch.Slot == record.SlotPrevious {
		k.start, used = c.PrevStart, c.Prev
	}
	r := x.Rows[k]
	if r == nil {
		r = &RepricedRow{AssignmentID: store.FormatID(d.RowID(ch.Row)), EntityID: d.Ent(def.Ent).ID, PeriodStart: k.start, Was: used}
		x.Rows[k] = r
	}
	r.Is = used.Add(ch.Delta)
}
