package ledger

import (
	"errors"
	"math"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// RepriceKey names charges that are corrected together: those of one bucket, path and
// combination of dimensions. If a window of one of their limits begins within the bucket, charges
// before and after that are apart. at is the start of the bucket, or of the last such window.
type RepriceKey struct {
	at      bursar.Time
	feature uint32
	version int
	combo   string // encoded, as it may have no number yet
	path    string // an encoded path
}

type RepriceGroup struct {
	RepriceKey
	diff bursar.Amount            // by how much the charges should be more
	rows map[uint32]bursar.Amount // the same on each limit: a limit may be newer than some charges
}

func (g *RepriceGroup) hops() []record.Hop {
	return record.DecodePath(&record.Decoder{B: []byte(g.path)})
}

// Records is how many records the correction makes at most: itself, a combination, the
// overdraft, the draw, a low balance, and an alert for each limit.
func (g *RepriceGroup) Records() int { return 5 + 2*len(g.rows) }

// ErrReplan tells that the customer was repriced since the plan was made.
var ErrReplan = errors.New("repriced meanwhile")

// MaxRepriceRecords bounds what one commit of a repricing records.
const MaxRepriceRecords = 2000

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

func (o *RepriceOp) Size() int { return len(o.Groups) }

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

// RepriceEffects is what corrections did to limits and the pool.
type RepriceEffects struct {
	Any  bool
	Rows map[RowWindow]*RepricedRow
	pool bursar.Amount
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

type RowWindow struct {
	row   uint32
	start bursar.Time
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
