package ledger

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// Full tells that the commit may have no room for another request, or for another record of what
// time has done.
func (d *Decider) Full() bool { return len(d.Recs) > store.MaxRecords-maxRequestRecords }

// maxRequestRecords bounds what one request may record: 1,000 events that feed a few
// features each, with their costs, draws and alerts.
const maxRequestRecords = 48_000

// Prepare makes the commit of what was decided.
func (d *Decider) Prepare(stream string) *store.Commit {
	c := &store.Commit{Stream: stream, After: d.Head, ID: d.CommitID, Now: d.Now, Payload: record.EncodePayload(nil, d.Recs), Catalogue: d.Cat.Head.Seq, Messages: d.out.Messages}
	c.Hash = record.Chain(c.After, c.ID, c.Now, c.Payload)
	d.Effects(c, d.Recs)
	return c
}

// uses are the things of the catalogue that the changes begin and end to use.
func (v *View) uses() (begin, end []store.Use) {
	types, caps := map[uint32]int{}, map[uint32]int{}
	for ord, e := range v.ents {
		if int(ord) < v.Entities.Len() && v.Entities.at(ord).Archived == 0 {
			types[v.Entities.at(ord).Typ]--
		}
		if e.Archived == 0 {
			types[e.Typ]++
		}
	}
	for row, def := range v.defs {
		if int(row) < v.Rows.Len() && v.Rows.At(row) != nil && !v.Rows.At(row).ByDefault {
			caps[v.Rows.At(row).Cap]--
		}
		if def != nil && !def.ByDefault {
			caps[def.Cap]++
		}
	}
	if v.newDefaults != nil {
		was, is := v.State.defaults.count(), v.newDefaults.count()
		for c, n := range was {
			caps[c] -= n
			if is[c] == 0 {
				end = v.noteDefault(end, c)
			}
		}
		for c, n := range is {
			caps[c] += n
			if was[c] == 0 {
				begin = v.noteDefault(begin, c)
			}
		}
	}
	for ord, g := range v.grts { // a grant that has not ended uses its currency, too
		if g.Type == bursar.GrantOverdraft {
			continue // nobody could end it
		}
		if int(ord) < len(v.Grants) && !v.Grants[ord].ended() {
			caps[g.cap]--
		}
		if !g.ended() {
			caps[g.cap]++
		}
	}
	for c, t := range v.tots {
		old := v.Totals[c]
		if cap := v.Capability(c); cap.Kind == bursar.KindFeature && t.figures() && (old == nil || !old.figures()) {
			begin = append(begin, store.Use{Kind: "feature", ID: cap.ID})
		}
	}
	note := func(u store.Use, was, change int) {
		switch {
		case was == 0 && change > 0:
			begin = append(begin, u)
		case was > 0 && was+change == 0:
			end = append(end, u)
		}
	}
	for t, n := range types {
		note(store.Use{Kind: "entityType", ID: v.typeID(t)}, v.liveTypes[t], n)
	}
	for c, n := range caps {
		if cap := v.Capability(c); cap.Kind == bursar.KindCurrency {
			note(store.Use{Kind: "currency", ID: cap.ID}, v.liveCaps[c]+v.liveGrants(c), n)
		}
	}
	was, change := v.unreadUse()
	note(UnreadUse, was, change)
	return begin, end
}

// noteDefault adds to uses that a capability has defaults, if it is a feature.
func (v *View) noteDefault(uses []store.Use, cap uint32) []store.Use {
	if c := v.Capability(cap); c.Kind == bursar.KindFeature {
		uses = append(uses, store.Use{Kind: "default", ID: c.ID})
	}
	return uses
}

// Decider decides the requests of one customer's batch, one after the other: each sees
// what those before it did. It is pure: no I/O, no clock.
type Decider struct {
	*View
	Cat       *catalogue.Catalogue
	Horizon   time.Duration
	CommitID  [16]byte // random
	Recs      []record.Record
	Facts     *Facts
	out       catalogue.Outgoing
	Trace     string                // id of the request that is being decided
	By        *catalogue.Caller     // who asks for it; nil in rehearsals
	touched   map[uint32]bool       // entities whose place or limits the request changed
	below     map[uint32]bool       // those below which it may have changed limits by default; 0 = all
	ours      *int                  // of a token's request: its first record
	Rehearsal bool                  // the decision is for reading: nobody is told of it
	reached   []bursar.AlertReached // thresholds that what is being decided has reached
	whole     *wholeCorrection      // what waits until a correction is whole; nil = nothing does
	guarded   bool                  // who asks is not trusted
	behind    bool                  // holds have ended that Expire left unrecorded
	Fault     error                 // apply refused a record that was just decided: a bug
}

// Op is a write request.
type Op interface {
	// Decide returns the reply or an error: a *bursar.Error is a refusal, *Needs asks for
	// facts of the store, *KeptAt tells that the Idempotency-Key was used before. After an
	// error nothing of the request is in the batch.
	Decide(d *Decider) (any, error)
}

// failsEarly is an op that emits nothing before it is sure to succeed. So there is nothing to take
// back but whom it enrolled.
type failsEarly interface{ failsEarly() }

// Facts is what decide may need from the store beside the state, fetched beforehand.
//
// A closed generation of keys never changes. A hold does. A hold leaves memory only with a
// checkpoint that has it. So what the store has of a hold that is not in memory is true for as long
// as memory goes by the checkpoint at Base.
type Facts struct {
	Keys   map[[16]byte]map[int64]*KeyEntry // by hash and generation; nil = not in it
	Base   uint64                           // the checkpoint that holds are true with
	Holds  map[[16]byte]*record.Hold        // nil = there is none
	Series map[SeriesKey]SeriesFact
	Held   map[record.Place][16]byte // the holds of events that were made there
}

// Needs is returned when a decision takes facts that are not in memory: the caller
// fetches them and asks again.
type Needs struct {
	Keys   []keyProbe
	Base   uint64 // the checkpoint that memory goes by
	Holds  [][16]byte
	Series map[SeriesKey]store.SeriesQuery
	Held   []record.Place
}

func (*Needs) Error() string { return "facts of the store are needed" }

func (d *Decider) Emit(r record.Record) {
	d.Recs = append(d.Recs, r)
	if err := d.apply(r); err != nil && d.Fault == nil {
		d.Fault = fmt.Errorf("deciding: %w", err)
	}
}

// NextID is the id of the thing that the next emitted record makes.
func (d *Decider) NextID() [16]byte { return store.IDAt(d.Now, d.Head.Seq+1, len(d.Recs), d.CommitID) }

// ErrTooLarge refuses a request that would record more than one may.
var ErrTooLarge = bursar.Errorf(bursar.CodeValidationFailed,
	"the request would make more than %d records, which is the most for one: with their costs, limits and alerts its items are too many; send fewer at once", maxRequestRecords)

// Attempt runs one request. If that fails, the batch is as it was before. Only after ErrTooLarge it
// may not be: then the batch must be decided again without that request.
func (d *Decider) Attempt(o Op) (reply any, err error) {
	from, recs, out := len(d.Recs), d.Records, d.out
	d.nears, d.looked, d.likes, d.enrolled = nil, 0, 0, nil
	_, early := o.(failsEarly)
	d.undoing = !early
	if reply, err = o.Decide(d); len(d.Recs)-from > maxRequestRecords {
		if early {
			return nil, ErrTooLarge
		}
		err = ErrTooLarge
	}
	if err != nil {
		d.rollback()
		d.Recs, d.Records, d.out, d.touched, d.below = d.Recs[:from], recs, out, nil, nil
		return nil, err
	}
	d.View.keep()
	return reply, nil
}

// plain are the dimensions that are no attribution keys.
func (d *Decider) plain(dims []bursar.Dimension) (out []bursar.Dimension) {
	for _, x := range dims {
		if _, ok := d.Cat.Attribution[x.Key]; !ok {
			out = append(out, x)
		}
	}
	return out
}

// featureKey is a dimension that usage series of a currency have beside those of the usage: the
// feature whose use was paid for.
const featureKey = "$featureId"

// maxAhead is how far ahead of now a timestamp may be.
const maxAhead = bursar.Time(5 * time.Minute)

// Charges is what usage of delta at an instant does to rows. It has one charge for each of rows
// that still exists, is not idle and is of a live entity. now charges the current window whatever
// the instant is.
func (d *Decider) Charges(rows []uint32, at bursar.Time, delta bursar.Amount, now bool) []record.Charge {
	cs := make([]record.Charge, 0, len(rows))
	for _, row := range d.makeRows(rows) {
		def := d.Def(row)
		if def == nil || def.Ent != 0 && d.Ent(def.Ent).Archived != 0 || def.Idle() {
			continue
		}
		c, rolled := d.at(d.Counter(row, def), def)
		ch := record.Charge{Row: row, Rolled: rolled || d.untouched(row), Window: c.Window}
		has := c.Used
		switch {
		case now || at >= c.Start:
			ch.Slot = record.SlotCurrent
		case at >= c.PrevStart:
			ch.Slot, has = record.SlotPrevious, c.Prev
		}
		if ch.Slot != record.SlotNone {
			if ch.Delta = delta; delta.Sign() < 0 {
				ch.Delta = bursar.MaxAmount(delta, has.Neg())
			}
		}
		cs = append(cs, ch)
	}
	return cs
}

// untouched tells whether a row has no counter yet: then its first charge must say its window.
func (v *View) untouched(ord uint32) bool {
	if _, ok := v.ctrs[ord]; ok {
		return false
	}
	return !v.counters.has(ord)
}

// audit notes a governance write.
func (d *Decider) audit(c *catalogue.Caller, action, targetType, targetID, entityID string, before, after any) {
	d.Emit(&record.Activity{Entry: store.Activity{Timestamp: d.Now.Milli(), ActorType: c.ActorType, ActorID: c.ActorID, Subject: c.Subject,
		Action: action, TargetType: targetType, TargetID: targetID, EntityID: entityID, RequestID: c.RequestID,
		Before: asJSON(before), After: asJSON(after)}})
}

func asJSON(v any) []byte {
	if v == nil {
		return nil
	}
	b, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	return b
}

// TickOp records what time has done, and tells people what they are owed. Its reply is whether there is more.
type TickOp struct {
	TimeAlone bool // people wait for another
}

func (o TickOp) Decide(d *Decider) (any, error) { return !o.TimeAlone && d.tellOwed() || d.behind, nil }

// notify queues a message about the customer. Nothing is queued by reads.
func (d *Decider) notify(typ string, data any) {
	if d.Rehearsal || len(d.Cat.WebhookOf) == 0 {
		return
	}
	d.out.Add(d.Cat, d.Now, d.Head.Seq, d.CommitID, d.Trace, typ, d.Cust().ID, data)
}
