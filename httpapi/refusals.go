package httpapi

import (
	"maps"
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
)

// refusal is that a hard limit was one of those that denied a request.
type refusal struct {
	At        bursar.Time   `json:"at"`
	Requested bursar.Amount `json:"requested"`
}

// refusedOut is what a stream tells of one.
type refusedOut struct {
	AssignmentID string `json:"assignmentId"`
	refusal
}

// refusals are what each hard limit of a customer refused, newest first, by the limit's
// id: of the denials that this node remembers, those behind number from. last is the
// number of the newest.
func (o *observed) refusals(customer string, from uint64, see func(*bursar.Node) bool) (by map[string][]refusal, last uint64) {
	list := o.of(customer)
	if last = from; len(list) > 0 {
		last = list[0].number
	}
	by = map[string][]refusal{}
	for _, d := range list {
		if d.number <= from {
			break
		}
		for _, chain := range d.Decision.Chains {
			for i := range chain {
				n := &chain[i]
				told := by[n.AssignmentID]
				if n.Granted || n.Enforcement != bursar.Hard || len(told) > 0 && told[len(told)-1].At == d.At || !see(n) {
					continue // one that two chains share is told once
				}
				by[n.AssignmentID] = append(told, refusal{d.At, n.Requested})
			}
		}
	}
	return by, last
}

// refusedBy is the newest refusal of a row's limit, in its period, for which too little
// is still left.
func refusedBy(l *ledger.TreeLimit, by map[string][]refusal) *refusal {
	if l == nil || l.Remaining == nil || l.Enforcement != bursar.Hard {
		return nil
	}
	list := by[l.AssignmentID]
	i := slices.IndexFunc(list, func(r refusal) bool { return r.At >= l.PeriodStart && l.Remaining.Less(r.Requested) })
	if i < 0 {
		return nil
	}
	return &list[i]
}

func seesAll(*bursar.Node) bool { return true }

// refused tells what was refused on the limits that the stream is about since it was
// asked last.
func (s *streamer) refused() []refusedOut {
	o, customer := s.q.api.observed, s.q.customer()
	if o.last(customer) == s.denials {
		return nil
	}
	var out []refusedOut
	_, err := s.q.api.engine.See(s.q.r.Context(), s.q.call(nil).options(), customer, func(sight *ledger.Sight) {
		by, last := o.refusals(customer, s.denials, func(n *bursar.Node) bool {
			return (len(s.capabilities) == 0 || slices.Contains(s.capabilities, n.Capability)) && sight.Limit(n.EntityID, n.ScopeEntityIDs)
		})
		s.denials = last
		for _, id := range slices.Sorted(maps.Keys(by)) {
			out = append(out, refusedOut{id, by[id][0]})
		}
	})
	if err != nil {
		return nil // asked again in a moment
	}
	return out
}
