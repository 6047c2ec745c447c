package ledger

import (
	"cmp"
	"iter"
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// maxDefaultDrafts is how many limits by drafts of defaults a backtest has at most, as each has its own figures.
const maxDefaultDrafts = 100_000

// draftDefault is a default limit that is tried out. Each entity that it would limit now has a draft
// of its own. Which those are is asked when an act names an entity for the first time, because a
// customer may have many that no act names.
type draftDefault struct {
	x   *record.Default
	out *SimulatedDraft
}

// draftDefaults writes drafts of defaults to d.
func (s *Backtest) draftDefaults(d *Decider, in []bursar.DefaultInput) error {
	if len(in) == 0 {
		return nil
	}
	reply, err := (&PutDefaults{In: in}).Decide(d)
	if err != nil {
		return err
	}
	s.set, s.limits = d.defaultSet(), map[uint32][]*draft{}
	for i, put := range reply.([]bursar.Default) {
		at := slices.IndexFunc(s.set.list, func(x *record.Default) bool { return store.FormatID(x.ID) == put.ID })
		t := draftDefault{x: s.set.list[at], out: &s.out.Drafts[len(s.drafts)+i]}
		s.Since = min(s.Since, t.x.Terms.Sched.WindowAt(s.from).Start)
		s.defaults = append(s.defaults, t)
	}
	return nil
}

// Strangers are the entities that an act used something on and of which nobody has asked yet whether
// the drafts of defaults limit them.
func (s *Backtest) Strangers(a *Act) (ents []uint32) {
	if len(s.defaults) == 0 || a.At < s.Since || a.At >= s.to {
		return nil
	}
	for _, hop := range a.path {
		if _, met := s.limits[hop.Ent]; !met {
			ents = append(ents, hop.Ent)
		}
	}
	return ents
}

// Meet finds which of ents the drafts of defaults limit, in the tree as v has it: those that have
// no limit of their own, nor a draft of one, and no other default that is nearer.
func (s *Backtest) Meet(v *View, ents []uint32) error {
	v.setDefaults(s.set)
	for _, ent := range ents {
		s.limits[ent] = nil
		for i := range s.defaults {
			t := &s.defaults[i]
			cap, label := t.x.Terms.Cap, t.x.Terms.Label
			if int(ent) >= v.entCount || v.Ent(ent).Typ != t.x.Typ || v.defaultOf(ent, cap, label) != t.x || v.ownRow(ent, cap, label) != 0 || s.drafted(ent, cap, label) {
				continue
			}
			if s.byDefault++; s.byDefault > maxDefaultDrafts {
				return bursar.ErrorAt("/defaults", bursar.CodeTooMuchToRead, "these defaults have more than %d limits on entities that used something since then: try fewer, or defaults of one part of the tree", maxDefaultDrafts)
			}
			s.limits[ent] = append(s.limits[ent], newDraft(limitBy(t.x, ent, cap, label), s.from, t.out))
		}
	}
	return nil
}

// drafted tells whether an entity has a draft of a limit of its own.
func (s *Backtest) drafted(ent, cap uint32, label string) bool {
	return slices.ContainsFunc(s.drafts, func(d *draft) bool {
		return d.def.Ent == ent && d.def.Cap == cap && d.def.Label == label && len(d.def.Scope) == 0
	})
}

// draftsOf are the drafts that may apply to an act. They stand until the next call.
func (s *Backtest) draftsOf(a *Act) []*draft {
	if len(s.defaults) == 0 {
		return s.drafts
	}
	s.applying = append(s.applying[:0], s.drafts...)
	for i, hop := range a.path {
		if !slices.ContainsFunc(a.path[:i], func(before record.Hop) bool { return before.Ent == hop.Ent }) {
			s.applying = append(s.applying, s.limits[hop.Ent]...)
		}
	}
	slices.SortStableFunc(s.applying[len(s.drafts):], func(a, b *draft) int { return cmp.Compare(a.out.Index, b.out.Index) })
	return s.applying
}

func (s *Backtest) allDrafts() iter.Seq[*draft] {
	return func(yield func(*draft) bool) {
		for _, d := range s.drafts {
			if !yield(d) {
				return
			}
		}
		for _, limits := range s.limits {
			for _, d := range limits {
				if !yield(d) {
					return
				}
			}
		}
	}
}
