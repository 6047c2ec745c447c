package ledger

import (
	"math"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

func (v *View) applyRowStart(r *record.LimitStarted) error {
	if int(r.Row) >= v.NextRowOrd() || v.Def(r.Row) == nil {
		return record.ErrRecord
	}
	held := v.Counter(r.Row, v.Def(r.Row)).Held // a row that was idle may hold something
	put(v, &v.ctrs, r.Row, &Counter{Window: r.Window, Used: r.Used, Held: held})
	return nil
}

// SeriesKey names the series of an entity from a bucket on.
type SeriesKey struct{ ent, cap, from uint32 }

// SeriesFact is what the store has of a series, by a checkpoint at seq.
type SeriesFact struct {
	Sum bursar.Amount
	Seq uint64
}

func (k SeriesKey) query(v *View) store.SeriesQuery {
	return store.SeriesQuery{EntityOrd: k.ent, Capability: v.Capability(k.cap), From: k.from, To: math.MaxUint32}
}

// usedSince is what an entity has used of a capability since a bucket began, at least 0.
// It adds the store's sum (Facts) and what no checkpoint has. Where that sum is missing or
// too old, it asks for it in asks and returns 0.
func (d *Decider) usedSince(k SeriesKey, asks *Needs) bursar.Amount {
	q := k.query(d.View)
	if d.Facts != nil {
		if f, ok := d.Facts.Series[k]; ok {
			pending := d.PendingSeries(&q)
			if more, ok := pending.Since(f.Seq); ok {
				sum := f.Sum
				for i := range more {
					sum = sum.Add(more[i].Amount)
				}
				return bursar.MaxAmount(bursar.Amount{}, sum)
			}
		}
	}
	if asks.Series == nil {
		asks.Series = map[SeriesKey]store.SeriesQuery{}
	}
	asks.Series[k] = q
	return bursar.Amount{}
}

// CountFrom is from when on a new limit counts.
const (
	countNow    = "now"
	countPeriod = "periodStart"
)

// startRow lets a new row begin where in says, and tells where that is. Unless in says periodStart,
// a row that takes the place of a default (took) goes on as that stood, and startRow gives nil.
func (d *Decider) startRow(row uint32, took bool, in *bursar.AssignmentInput, asks *Needs) *bursar.Start {
	def := d.Def(row)
	c := d.Current(row, def)
	switch {
	case in.CountFrom == countPeriod:
	case took:
		return nil
	default:
		return &bursar.Start{From: def.Created}
	}
	used := d.usedSince(SeriesKey{def.Ent, def.Cap, BucketOf(c.Start)}, asks)
	if !used.IsZero() || !c.Used.IsZero() {
		d.Emit(&record.LimitStarted{Row: row, Used: used, Window: c.Window})
	}
	d.alertOn(row)
	return &bursar.Start{From: c.Start.Milli(), Usage: used}
}

// checkCountFrom adds to p why a limit cannot count its period so far.
func (d *Decider) checkCountFrom(def *record.Limit, in *bursar.AssignmentInput, at string, p *bursar.Problems) bool {
	n := len(p.Fields())
	bad := func(why string) { p.Add(at+"/countFrom", bursar.CodeValidationFailed, "%s", why) }
	switch f := d.Cat.FeatureOf[in.Capability.ID]; {
	case in.CountFrom == "" || in.CountFrom == countNow:
	case in.CountFrom != countPeriod:
		bad("countFrom is now or periodStart")
	case len(in.ScopeEntityIDs) > 0:
		bad("a limit with scope entities counts from now on: what was used by all of them together is not kept")
	case in.Capability.Kind == bursar.KindFeature && f != nil && f.Meter != nil && !catalogue.Summing(f.Meter):
		bad("a limit of a MAX or a UNIQUE counts from now on: their usage does not add up")
	case def.Sched != nil && def.Sched.WindowAt(d.Now).End-def.Sched.WindowAt(d.Now).Start < bucketWidth:
		bad("a limit with periods shorter than a quarter of an hour counts from now on")
	}
	return len(p.Fields()) == n
}
