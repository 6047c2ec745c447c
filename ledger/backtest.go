package ledger

import (
	"cmp"
	"maps"
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/record"
)

// Limits of a simulation's reply.
const (
	maxSimulatedStops    = 100
	maxSimulatedEntities = 100
	// maxSimulatedWindows is how many windows are remembered, of all drafts together. With more of
	// them, those are forgotten that ended so long ago that no usage can still arrive for them.
	maxSimulatedWindows = 200_000
)

// Backtest is a backtest under way.
type Backtest struct {
	from, to  bursar.Time // [from, to)
	Since     bursar.Time // of the drafts' windows that from is in, the earliest start
	Horizon   bursar.Time
	drafts    []*draft
	defaults  []draftDefault
	set       *defaultSet         // the customer's defaults with the drafts
	limits    map[uint32][]*draft // by drafts of defaults, of each entity that was met
	byDefault int                 // how many those are
	applying  []*draft            // of the act that is replayed
	windows   int                 // that are remembered
	most      int                 // with more, old ones are forgotten
	ents      list[record.Entity] // of the tree as it is now, by number
	sees      func(ent uint32) bool
	out       Simulation
	stopped   map[uint32]*SimulatedEntity // by lowest entity
}

// draft is one limit that is tried out.
type draft struct {
	def     *record.Limit
	since   bursar.Time                   // start of its window that the interval begins in
	used    map[bursar.Time]bursar.Amount // by start of window
	stopped bool                          // it would have stopped something
	out     *SimulatedDraft               // those by one default share theirs
}

func newDraft(def *record.Limit, from bursar.Time, out *SimulatedDraft) *draft {
	return &draft{def: def, since: def.Sched.WindowAt(from).Start, used: map[bursar.Time]bursar.Amount{}, out: out}
}

// NewSimulation writes the drafts to v, which is thrown away. That checks them. What a draft leaves
// out is as the limit that it stands in for has it.
func NewSimulation(v *View, cat *catalogue.Catalogue, in *SimulateInput) (*Backtest, error) {
	s := &Backtest{from: in.From, to: in.To, ents: v.Entities.clone(), most: maxSimulatedWindows, sees: v.sightNow(), stopped: map[uint32]*SimulatedEntity{}}
	if s.out.From, s.out.To = in.From, in.To; in.To == 0 || in.To > v.Now {
		s.out.To, s.to = v.Now, v.Now+1 // now itself belongs to it
	}
	if s.from >= s.to {
		return nil, bursar.ErrorAt("/from", bursar.CodeValidationFailed, "from, %s, is not before to, %s", s.from, s.out.To)
	}
	if len(in.Drafts)+len(in.Defaults) == 0 {
		return nil, bursar.ErrorAt("/assignments", bursar.CodeValidationFailed, "there is no draft of a limit to try out")
	}
	d := &Decider{View: v, Cat: cat, Rehearsal: true}
	s.Since, s.out.Drafts = s.from, make([]SimulatedDraft, len(in.Drafts)+len(in.Defaults))
	for i := range s.out.Drafts {
		s.out.Drafts[i].Index = i
	}
	if len(in.Drafts) > 0 {
		reply, err := (&PutAssignments{In: in.Drafts, draft: true}).Decide(d)
		if err != nil {
			return nil, err
		}
		for i, a := range reply.([]bursar.Assignment) {
			t := newDraft(d.Def(d.findRowID(a.ID)), s.from, &s.out.Drafts[i])
			s.Since, s.drafts = min(s.Since, t.since), append(s.drafts, t)
		}
	}
	return s, s.draftDefaults(d, in.Defaults)
}

// Replay lets the drafts judge one act and counts it on them.
func (s *Backtest) Replay(a *Act, now bursar.Time) {
	if a.At < s.Since || a.At >= s.to {
		return
	}
	judged := a.At >= s.from
	applies, drafts := false, s.draftsOf(a)
	for _, d := range drafts {
		amount := d.amountOf(a)
		if amount.IsZero() {
			continue
		}
		applies = true
		if judged && !d.def.Soft && d.def.Limited && amount.Sign() > 0 {
			if used := d.used[d.window(a.At)]; d.def.Limit.Less(used.Add(amount)) {
				s.out.Replayed++
				s.stop(d, a, amount, used)
				return
			}
		}
	}
	if applies && judged {
		s.out.Replayed++
	}
	for _, d := range drafts {
		s.windows -= len(d.used)
		d.count(a, judged)
		s.windows += len(d.used)
	}
	if s.windows > s.most {
		s.forget(now - s.Horizon)
	}
}

func (d *draft) window(at bursar.Time) bursar.Time { return d.def.Sched.WindowAt(at).Start }

// amountOf is the part of an act that counts on a draft: the usage, or what it cost.
func (d *draft) amountOf(a *Act) (sum bursar.Amount) {
	if !a.on(d.def.Ent) || slices.ContainsFunc(d.def.Scope, func(ent uint32) bool { return !a.on(ent) }) {
		return sum
	}
	return a.of(d.def.Cap)
}

// of is what an act used of a capability.
func (a *Act) of(cap uint32) (sum bursar.Amount) {
	if a.cap == cap {
		sum = a.amount
	}
	for _, c := range a.costs {
		if c.Cap == cap {
			sum = sum.Add(c.Amount)
		}
	}
	for i := range a.with {
		sum = sum.Add(a.with[i].of(cap))
	}
	return sum
}

func (a *Act) on(ent uint32) bool {
	return slices.ContainsFunc(a.path, func(s record.Hop) bool { return s.Ent == ent })
}

// count counts an act that was not stopped. As rows do, a window does not go below 0.
func (d *draft) count(a *Act, judged bool) {
	amount := d.amountOf(a)
	if amount.IsZero() || a.At < d.since {
		return
	}
	w := d.window(a.At)
	used := bursar.MaxAmount(d.used[w].Add(amount), bursar.Amount{})
	d.used[w] = used
	if judged && amount.Sign() > 0 {
		d.out.Peak = bursar.MaxAmount(d.out.Peak, used)
	}
}

// forget drops windows that ended before t.
func (s *Backtest) forget(t bursar.Time) {
	s.windows = 0
	for d := range s.allDrafts() {
		current := d.window(t)
		maps.DeleteFunc(d.used, func(start bursar.Time, _ bursar.Amount) bool { return start < current })
		s.windows += len(d.used)
	}
	s.most = max(maxSimulatedWindows, 2*s.windows)
}

func (s *Backtest) stop(d *draft, a *Act, amount, used bursar.Amount) {
	if !d.stopped {
		d.stopped = true
		d.out.StoppedLimits++
	}
	if d.out.Stopped == 0 || a.At < d.out.FirstStopped {
		d.out.FirstStopped = a.At
	}
	d.out.Stopped++
	d.out.StoppedUsage = d.out.StoppedUsage.Add(amount)
	ent := s.lowest(a.path)
	x := s.stopped[ent]
	if x == nil {
		x = &SimulatedEntity{Draft: d.out.Index, FirstStopped: a.At}
		s.stopped[ent] = x
	}
	if a.At < x.FirstStopped {
		x.Draft, x.FirstStopped = d.out.Index, a.At
	}
	x.Stopped++
	x.StoppedUsage = x.StoppedUsage.Add(amount)
	s.out.Stopped = append(s.out.Stopped, SimulatedStop{Timestamp: a.At, EntityID: s.entityID(ent), Draft: d.out.Index, Amount: amount, Used: used})
	if len(s.out.Stopped) >= 2*maxSimulatedStops {
		s.cutStops()
	}
}

// cutStops keeps the first stops in order of their time, which late usage does not come in.
func (s *Backtest) cutStops() {
	slices.SortStableFunc(s.out.Stopped, func(a, b SimulatedStop) int { return cmp.Compare(a.Timestamp, b.Timestamp) })
	s.out.Stopped = s.out.Stopped[:min(len(s.out.Stopped), maxSimulatedStops)]
}

// lowest is the deepest entity that usage named itself and that is seen; 0 = none.
func (s *Backtest) lowest(path []record.Hop) (lowest uint32) {
	deepest := 0
	for _, p := range path {
		if p.Child != 0 || !s.sees(p.Ent) {
			continue
		}
		depth := 0
		for e := p.Ent; e != 0; e = s.ents.at(e).Parent {
			depth++
		}
		if depth > deepest {
			lowest, deepest = p.Ent, depth
		}
	}
	return lowest
}

func (s *Backtest) entityID(ent uint32) string {
	if ent == 0 {
		return ""
	}
	return s.ents.at(ent).ID
}

func (s *Backtest) Result() Simulation {
	s.cutStops()
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
