package engine

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/bursarhq/bursar"
)

// Limits of a simulation's reply.
const (
	maxSimulatedStops    = 100
	maxSimulatedEntities = 100
	// maxSimulatedWindows is how many windows of a draft are remembered before those that
	// no usage can be late for are forgotten.
	maxSimulatedWindows = 20_000
)

// Simulate replays past usage against drafts of limits. It writes nothing, and drafts
// are checked as PutAssignments checks them: pointers of errors begin with
// /assignments/i.
//
// Usage is replayed in the order in which it was accepted; it counts in the window that
// its effective time is in, on the entities that it was attributed to at the time. What
// was used before From, in the windows that From is in, counts without being judged. A
// usage and what it cost are one act: a hard draft that has no room for either stops
// both. The drafts alone are judged, without boosts and without asking whether entities
// were archived or shares allocated. All that one event used is one act, too. Usage of MAX and UNIQUE features is compared by what it added to the
// customer's figure; what re-pricing corrected later counts as it was charged.
func (e *Engine) Simulate(ctx context.Context, o ReadOptions, customer string, in SimulateInput) (Simulation, uint64, error) {
	return e.simulate(ctx, o, customer, in, nil)
}

// simulate tells progress, unless it is nil, how many commits were replayed, and of how many.
func (e *Engine) simulate(ctx context.Context, o ReadOptions, customer string, in SimulateInput, progress func(done, total uint64)) (Simulation, uint64, error) {
	if err := e.recordTime(ctx, o, customer); err != nil {
		return Simulation{}, 0, err
	}
	var s *simulation
	version, err := e.readCustomer(ctx, o, customer, func(v *view) (err error) {
		s, err = newSimulation(v, e.cat.Load(), &in)
		return err
	})
	if err != nil {
		return Simulation{}, version, err
	}
	s.horizon = bursar.Time(e.o.LateHorizon)
	// Holds that ended since then were made at most that much earlier.
	if _, whole, err := e.logSince(ctx, customer, version, s.since); err != nil {
		return Simulation{}, 0, err
	} else if !whole {
		return Simulation{}, version, errTrimmed(customer, s.since)
	}
	after, _, err := e.logSince(ctx, customer, version, s.since-bursar.MaxHoldLife)
	if err != nil {
		return Simulation{}, 0, err
	}
	holds := openHolds{}
	err = e.scanLog(ctx, customer, after, version, progress, func(row *logRow) error {
		acts := oneByEvent(holds.actsOf(row))
		for i := range acts {
			if acts[i].ended && acts[i].hold == nil && acts[i].at >= s.since {
				return errTrimmed(customer, s.since-bursar.MaxHoldLife)
			}
			s.replay(&acts[i], row.Head.Now)
		}
		return nil
	})
	if err != nil {
		return Simulation{}, 0, err
	}
	return s.result(), version, nil
}

// simulation is a backtest under way.
type simulation struct {
	from, to bursar.Time // [from, to)
	since    bursar.Time // start of the earliest window that from is in
	horizon  bursar.Time
	drafts   []draft
	ents     []*entity // of the tree as it is now, by number
	sees     func(ent uint32) bool
	out      Simulation
	stopped  map[uint32]*SimulatedEntity // by lowest entity
}

// draft is one limit that is tried out.
type draft struct {
	def   *rowDef
	since bursar.Time                   // start of its window that the interval begins in
	used  map[bursar.Time]bursar.Amount // by start of window
	most  int                           // windows after which old ones are forgotten
	out   SimulatedDraft
}

// newSimulation puts the drafts on an overlay that is thrown away: that checks them and
// fills in what they leave to the limits that they stand in for.
func newSimulation(v *view, cat *Catalogue, in *SimulateInput) (*simulation, error) {
	s := &simulation{from: in.From, to: in.To, ents: slices.Clone(v.entities), sees: v.sightNow(), stopped: map[uint32]*SimulatedEntity{}}
	if s.out.From, s.out.To = in.From, in.To; in.To == 0 || in.To > v.now {
		s.out.To, s.to = v.now, v.now+1 // now itself belongs to it
	}
	if s.from >= s.to {
		return nil, bursar.ErrorAt("/from", bursar.CodeValidationFailed, "from, %s, is not before to, %s", s.from, s.out.To)
	}
	if len(in.Drafts) == 0 {
		return nil, bursar.ErrorAt("/assignments", bursar.CodeValidationFailed, "there is no draft of a limit to try out")
	}
	d := &decider{view: v, cat: cat, quiet: true}
	reply, err := (&putAssignments{in: in.Drafts, draft: true}).decide(d)
	if err != nil {
		return nil, err
	}
	s.since = s.from
	for i, a := range reply.([]bursar.Assignment) {
		def := d.def(d.findRowID(a.ID))
		t := draft{def: def, since: def.sched.windowAt(s.from).start, used: map[bursar.Time]bursar.Amount{}, most: maxSimulatedWindows, out: SimulatedDraft{Index: i}}
		s.since = min(s.since, t.since)
		s.drafts = append(s.drafts, t)
	}
	return s, nil
}

// replay lets the drafts judge one act and counts it on them.
func (s *simulation) replay(a *act, now bursar.Time) {
	if a.at < s.since || a.at >= s.to {
		return
	}
	judged := a.at >= s.from
	applies := false
	for i := range s.drafts {
		d := &s.drafts[i]
		amount := d.amountOf(a)
		if amount.IsZero() {
			continue
		}
		applies = true
		if judged && !d.def.soft && d.def.limited && amount.Sign() > 0 {
			if used := d.used[d.window(a.at)]; d.def.limit.Less(used.Add(amount)) {
				s.out.Replayed++
				s.stop(d, a, amount, used)
				return
			}
		}
	}
	if applies && judged {
		s.out.Replayed++
	}
	for i := range s.drafts {
		s.drafts[i].count(a, judged)
		s.drafts[i].forget(now - s.horizon)
	}
}

func (d *draft) window(at bursar.Time) bursar.Time { return d.def.sched.windowAt(at).start }

// amountOf is what of an act a draft is about: the usage, or what it cost.
func (d *draft) amountOf(a *act) (sum bursar.Amount) {
	if !a.on(d.def.ent) || slices.ContainsFunc(d.def.scope, func(ent uint32) bool { return !a.on(ent) }) {
		return sum
	}
	return a.of(d.def.cap)
}

// of is what an act used of a capability.
func (a *act) of(cap uint32) (sum bursar.Amount) {
	if a.cap == cap {
		sum = a.amount
	}
	for _, c := range a.costs {
		if c.cap == cap {
			sum = sum.Add(c.amount)
		}
	}
	for i := range a.with {
		sum = sum.Add(a.with[i].of(cap))
	}
	return sum
}

func (a *act) on(ent uint32) bool {
	return slices.ContainsFunc(a.path, func(s step) bool { return s.ent == ent })
}

// count counts an act that was not stopped. As rows do, a window does not go below 0.
func (d *draft) count(a *act, judged bool) {
	amount := d.amountOf(a)
	if amount.IsZero() || a.at < d.since {
		return
	}
	w := d.window(a.at)
	used := bursar.MaxAmount(d.used[w].Add(amount), bursar.Amount{})
	d.used[w] = used
	if judged && amount.Sign() > 0 {
		d.out.Peak = bursar.MaxAmount(d.out.Peak, used)
	}
}

// forget drops windows that ended before t once there are many.
func (d *draft) forget(t bursar.Time) {
	if len(d.used) > d.most {
		current := d.window(t)
		maps.DeleteFunc(d.used, func(start bursar.Time, _ bursar.Amount) bool { return start < current })
		d.most = max(maxSimulatedWindows, 2*len(d.used))
	}
}

func (s *simulation) stop(d *draft, a *act, amount, used bursar.Amount) {
	if d.out.Stopped == 0 || a.at < d.out.FirstStopped {
		d.out.FirstStopped = a.at
	}
	d.out.Stopped++
	d.out.StoppedUsage = d.out.StoppedUsage.Add(amount)
	ent := s.lowest(a.path)
	x := s.stopped[ent]
	if x == nil {
		x = &SimulatedEntity{Draft: d.out.Index, FirstStopped: a.at}
		s.stopped[ent] = x
	}
	if a.at < x.FirstStopped {
		x.Draft, x.FirstStopped = d.out.Index, a.at
	}
	x.Stopped++
	x.StoppedUsage = x.StoppedUsage.Add(amount)
	s.out.Stopped = append(s.out.Stopped, SimulatedStop{Timestamp: a.at, EntityID: s.entityID(ent), Draft: d.out.Index, Amount: amount, Used: used})
	if len(s.out.Stopped) >= 2*maxSimulatedStops {
		s.cutStops()
	}
}

// cutStops keeps the first ones. Late usage comes later than its time.
func (s *simulation) cutStops() {
	slices.SortStableFunc(s.out.Stopped, func(a, b SimulatedStop) int { return cmp.Compare(a.Timestamp, b.Timestamp) })
	s.out.Stopped = s.out.Stopped[:min(len(s.out.Stopped), maxSimulatedStops)]
}

// lowest is the deepest of the entities that usage was attributed to directly; 0 = it
// was attributed to none that is shown.
func (s *simulation) lowest(path []step) (lowest uint32) {
	deepest := 0
	for _, p := range path {
		if p.child != 0 || !s.sees(p.ent) {
			continue
		}
		depth := 0
		for e := p.ent; e != 0; e = s.ents[e].parent {
			depth++
		}
		if depth > deepest {
			lowest, deepest = p.ent, depth
		}
	}
	return lowest
}

func (s *simulation) entityID(ent uint32) string {
	if ent == 0 {
		return ""
	}
	return s.ents[ent].id
}

func (s *simulation) result() Simulation {
	s.cutStops()
	for i := range s.drafts {
		s.out.Drafts = append(s.out.Drafts, s.drafts[i].out)
	}
	for ent, x := range s.stopped {
		x.EntityID = s.entityID(ent)
		s.out.Entities = append(s.out.Entities, *x)
	}
	slices.SortFunc(s.out.Entities, func(a, b SimulatedEntity) int {
		return cmp.Or(cmp.Compare(b.Stopped, a.Stopped), cmp.Compare(a.EntityID, b.EntityID))
	})
	s.out.Entities = slices.Clip(s.out.Entities[:min(len(s.out.Entities), maxSimulatedEntities)])
	return s.out
}
