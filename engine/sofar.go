package engine

import (
	"math"

	"github.com/bursarhq/bursar"
)

// A new limit may count the period so far: it begins with what its entity has used in
// the window that is running, by the usage series, in place of 0. Windows that do not
// begin on a quarter of an hour count from the quarter before.

// rowStartRec follows the rowRec of a new limit: what it has used in its window already.
type rowStartRec struct {
	ord    uint32
	used   bursar.Amount
	window window
}

func (*rowStartRec) kind() recordKind { return kindRowStart }
func (r *rowStartRec) encode(e *encoder) {
	e.ord(r.ord)
	e.amount(r.used)
	r.window.encode(e)
}
func (r *rowStartRec) decode(d *decoder) {
	r.ord, r.used = d.ord(), d.amount()
	r.window.decode(d)
}

func (v *view) applyRowStart(r *rowStartRec) error {
	if int(r.ord) >= v.nextRowOrd() || v.def(r.ord) == nil {
		return errRecord
	}
	put(v, &v.ctrs, r.ord, &counter{window: r.window, used: r.used})
	return nil
}

// seriesKey names the series of an entity from a bucket on.
type seriesKey struct{ ent, cap, from uint32 }

// seriesFact is what the store has of a series, by a checkpoint at seq.
type seriesFact struct {
	sum bursar.Amount
	seq uint64
}

func (k seriesKey) query(v *view) SeriesQuery {
	return SeriesQuery{EntityOrd: k.ent, Capability: v.capability(k.cap), From: k.from, To: math.MaxUint32}
}

// usedSince is what an entity has used of a capability since a bucket began, at least 0.
// What checkpoints have of it is a fact of the store; where it is missing, or a later
// checkpoint has overtaken it, it is added to what is asked for.
func (d *decider) usedSince(k seriesKey, asks *needs) bursar.Amount {
	q := k.query(d.view)
	if d.facts != nil {
		if f, ok := d.facts.series[k]; ok {
			pending := d.pendingSeries(&q)
			if more, ok := pending.since(f.seq); ok {
				sum := f.sum
				for i := range more {
					sum = sum.Add(more[i].Amount)
				}
				return bursar.MaxAmount(bursar.Amount{}, sum)
			}
		}
	}
	if asks.series == nil {
		asks.series = map[seriesKey]SeriesQuery{}
	}
	asks.series[k] = q
	return bursar.Amount{}
}

// CountFrom is from when on a new limit counts.
const (
	countNow    = "now"
	countPeriod = "periodStart"
)

// startRow lets a new row begin where in says, and tells where that is.
func (d *decider) startRow(ord uint32, in *bursar.AssignmentInput, asks *needs) *bursar.Start {
	def := d.def(ord)
	c := d.counter(ord, def)
	if in.CountFrom != countPeriod {
		return &bursar.Start{From: def.created}
	}
	used := d.usedSince(seriesKey{def.ent, def.cap, bucketOf(c.start)}, asks)
	if !used.IsZero() {
		d.emit(&rowStartRec{ord, used, c.window})
		d.alertOn(ord)
	}
	return &bursar.Start{From: c.start.Milli(), Usage: used}
}

// checkCountFrom adds to p why a limit cannot count its period so far.
func (d *decider) checkCountFrom(def *rowDef, in *bursar.AssignmentInput, at string, p *bursar.Problems) bool {
	n := len(p.Fields())
	bad := func(why string) { p.Add(at+"/countFrom", bursar.CodeValidationFailed, "%s", why) }
	switch f := d.cat.features[in.Capability.ID]; {
	case in.CountFrom == "" || in.CountFrom == countNow:
	case in.CountFrom != countPeriod:
		bad("countFrom is now or periodStart")
	case len(in.ScopeEntityIDs) > 0:
		bad("a limit with scope entities counts from now on: what was used by all of them together is not kept")
	case in.Capability.Kind == bursar.KindFeature && f != nil && f.Meter != nil && !summing(f.Meter):
		bad("a limit of a MAX or a UNIQUE counts from now on: their usage does not add up")
	case def.sched != nil && def.sched.windowAt(d.now).end-def.sched.windowAt(d.now).start < bucketWidth:
		bad("a limit with periods shorter than a quarter of an hour counts from now on")
	}
	return len(p.Fields()) == n
}
