package ledger

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/record"
)

// What earlier calls used: how much output the last reserved calls of an entity had, by event and
// model. It follows from how reservations of events ended, so it is the same wherever a log is
// read, and it is bounded.
const (
	learnedCalls    = 64   // that are remembered, of an entity, event and model
	learnedSorts    = 16   // events and models of one entity
	learnedEntities = 1000 // of a customer
	enoughCalls     = 10   // fewer are no history
)

// learned is what calls of one entity and of all below it used. It is immutable.
type learned struct {
	Last  uint64        `json:"last"`  // commit that changed it
	Sorts []learnedSort `json:"sorts"` // by when each had its last call, the oldest first
}

// learnedSort is what calls of one event and model used.
type learnedSort struct {
	Event  string   `json:"event"`
	Model  string   `json:"model,omitempty"`
	Output []uint32 `json:"output"` // tokens of each, the last call last
}

// outputOf is how many tokens of output an event had; ok tells that it says so.
func outputOf(props []bursar.Dimension) (n uint32, ok bool) {
	sum := uint64(0)
	for i := range props {
		if p := &props[i]; p.Kind == bursar.DimNumber && slices.Contains(bursar.OutputKinds, p.Key) {
			if a, err := bursar.AmountFromString(p.Value); err == nil && a.Sign() >= 0 {
				whole, part, _ := strings.Cut(a.String(), ".")
				n, _ := strconv.ParseUint(whole, 10, 50)
				if sum, ok = sum+n, true; part != "" {
					sum++
				}
			}
		}
	}
	return uint32(min(sum, 1<<32-1)), ok
}

// learn takes in how a hold of an event ended, for all entities that it is on and for the
// customer.
func (v *View) learn(h *record.Hold, use *record.EventUse) {
	n, ok := outputOf(use.Props)
	if !ok {
		return
	}
	model := valueOf(h.Event.Props, bursar.ModelKey)
	done := map[uint32]bool{}
	for _, ent := range append([]uint32{0}, entitiesOf(h.Path)...) {
		if run := ent != 0 && v.typeID(v.Ent(ent).Typ) == bursar.SpendTokenType; !done[ent] && !run { // a spend token ends before its history is of use
			done[ent] = true
			put(v, &v.lrn, ent, v.learnedOf(ent).with(h.Event.Name, model, n, v.Head.Seq+1))
		}
	}
}

func entitiesOf(path []record.Hop) (list []uint32) {
	for _, x := range path {
		list = append(list, x.Ent)
	}
	return list
}

func valueOf(dims []bursar.Dimension, key string) string {
	for i := range dims {
		if dims[i].Key == key {
			return dims[i].Value
		}
	}
	return ""
}

// learnedOf is what is known of an entity, or of the customer; nil = nothing.
func (v *View) learnedOf(ent uint32) *learned {
	if l, ok := v.lrn[ent]; ok {
		return l
	}
	return v.State.learned[ent]
}

// with is l with another call, from commit seq. If there are too many sorts, the one whose last call
// is oldest goes.
func (l *learned) with(event, model string, output uint32, seq uint64) *learned {
	n := &learned{Last: seq}
	s := learnedSort{Event: event, Model: model}
	if l != nil {
		n.Sorts = make([]learnedSort, 0, len(l.Sorts)+1)
		for _, x := range l.Sorts {
			if x.Event == event && x.Model == model {
				s = x
			} else {
				n.Sorts = append(n.Sorts, x)
			}
		}
	}
	s.Output = append(slices.Clone(s.Output[max(0, len(s.Output)-learnedCalls+1):]), output)
	n.Sorts = append(n.Sorts, s)
	n.Sorts = n.Sorts[max(0, len(n.Sorts)-learnedSorts):]
	return n
}

// sort is what is known of an event and model; nil = nothing.
func (l *learned) sort(event, model string) *learnedSort {
	if l == nil {
		return nil
	}
	for i := range l.Sorts {
		if s := &l.Sorts[i]; s.Event == event && s.Model == model {
			return s
		}
	}
	return nil
}

// quantile is the output that so many of a hundred calls did not exceed.
func (s *learnedSort) quantile(percent int) int64 {
	sorted := slices.Sorted(slices.Values(s.Output))
	return int64(sorted[(len(sorted)*percent+99)/100-1])
}

// expected is how much output an event of r is expected to have. It goes by the calls of an entity
// that r names, else of the nearest above that has a history, else of the customer; nil = none has.
func (v *View) expected(r *Resolved, event, model string, percent int) *bursar.Learned {
	of := func(ent uint32) *bursar.Learned {
		s := v.learnedOf(ent).sort(event, model)
		if s == nil || len(s.Output) < enoughCalls {
			return nil
		}
		out := &bursar.Learned{Quantile: percent, Samples: len(s.Output), Tokens: max(1, s.quantile(percent))}
		if ent != 0 {
			out.EntityID = v.Ent(ent).ID
		}
		return out
	}
	for above := slices.Clone(r.Leaves); len(above) > 0; {
		var next []uint32
		for _, ent := range above {
			if l := of(ent); l != nil {
				return l
			}
			if up := v.above(ent); up != 0 {
				next = append(next, up)
			}
		}
		above = next
	}
	return of(0)
}

// mergeLearned moves what is learned into the state. Where that is of too many entities, those whose
// last call is oldest are forgotten.
func (v *View) mergeLearned() {
	s := v.State
	for ent, l := range v.lrn {
		s.learn(ent, l)
		s.Dirty.part(partLearned, ent, l)
	}
	for len(v.lrn) > 0 && len(s.learned) > learnedEntities {
		oldest, _ := s.lastCalls.first()
		s.lastCalls.remove(oldest)
		delete(s.learned, oldest.ent)
		s.Dirty.part(partLearned, oldest.ent, (*learned)(nil))
	}
}

// lastCall is when an entity of which something is learned had its last call.
type lastCall struct {
	at  uint64 // commit
	ent uint32
}

func compareCalls(a, b lastCall) int {
	return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.ent, b.ent))
}

func (s *State) learn(ent uint32, l *learned) {
	if old := s.learned[ent]; old != nil {
		s.lastCalls.remove(lastCall{old.Last, ent})
	}
	s.learned[ent] = l
	s.lastCalls.insert(lastCall{l.Last, ent})
}

// Learn is how a reservation finds out how much output its event is expected to have.
type Learn struct {
	Percent int  // how many of a hundred calls had at most that output; 0 = the event says its own
	Most    bool // the event says how much output there can be at most
}

// learnedEvent puts into an event how much output it is expected to have. Without a history
// that is the most that the event says; it is an error if it says none.
func (d *Decider) learnedEvent(in *bursar.EventInput, o Learn) (*bursar.Learned, error) {
	most, _ := outputOf(in.Dimensions)
	r := d.Resolve(d.Cat, labelsOf(in.Dimensions))
	l := d.expected(&r, in.EventName, valueOf(in.Dimensions, bursar.ModelKey), o.Percent)
	switch {
	case l == nil && !o.Most:
		return nil, bursar.ErrorAt("/maxTokens", bursar.CodeValidationFailed,
			"is required: of %d or more calls of the event %q with this model that were reserved nobody on the path has a history", enoughCalls, in.EventName)
	case l == nil:
		return &bursar.Learned{Quantile: o.Percent, Tokens: int64(most)}, nil
	case o.Most:
		l.Tokens = min(l.Tokens, int64(most))
	}
	in.Dimensions = withOutput(in.Dimensions, l.Tokens)
	return l, nil
}

// withOutput is dims with so many tokens of output.
func withOutput(dims []bursar.Dimension, tokens int64) []bursar.Dimension {
	return withTokens(dims, bursar.TokensOutput, bursar.AmountFromInt(tokens).String())
}

// admitLearned judges the event of a reservation. If its output is to be learned, it is judged with
// the output that it is expected to have. If there is no room for that much, it gets as much as
// there is room for, at least 1.
func (d *Decider) admitLearned(o *SpendEvent, learn Learn) (*admittedEvent, error) {
	if learn.Percent == 0 {
		return d.admitEvent(o, false)
	}
	asked := *o
	asked.learns = true
	if a, err := d.newEvent(&asked, false); a != nil || err != nil {
		return a, err
	}
	l, missing := d.learnedEvent(&asked.In, learn)
	a, err := d.judgedEvent(&asked, asked.In)
	if missing != nil && (err == nil || isDenial(err)) {
		return nil, missing
	}
	if err == nil {
		a.learned = l
		return a, nil
	}
	if !isDenial(err) || l == nil || l.Samples == 0 {
		return nil, err
	}
	var best *admittedEvent
	for low, high := int64(1), l.Tokens-1; low <= high; {
		in, n := asked.In, (low+high)/2
		if best == nil {
			n = 1 // where there is no room for it, there is none
		}
		in.Dimensions = withOutput(in.Dimensions, n)
		less, denied := d.judgedEvent(&asked, in)
		switch {
		case denied == nil:
			less.learned = &bursar.Learned{Quantile: l.Quantile, Samples: l.Samples, EntityID: l.EntityID, Tokens: n, Capped: true}
			best, low = less, n+1
		case best == nil:
			return nil, err
		default:
			high = n - 1
		}
	}
	if best == nil {
		return nil, err
	}
	return best, nil
}

func isDenial(err error) bool {
	b, ok := err.(*bursar.Error)
	return ok && b.Denial != nil
}
