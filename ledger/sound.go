package ledger

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

// Sound tells whether all that a state's rows name is there.
func (s *State) Sound() error {
	for ord := uint32(1); int(ord) < s.Entities.Len(); ord++ {
		e, depth := ord, 0
		for ; e != 0 && int(e) < s.Entities.Len() && depth <= bursar.MaxDepth; depth++ {
			e = s.Entities.at(e).Parent
		}
		if e != 0 || s.Entities.at(ord).Typ == 0 {
			return fmt.Errorf("entity %q has a type or parents that it cannot have", s.Entities.at(ord).ID)
		}
	}
	isEntity := func(ord uint32) bool { return int(ord) < s.Entities.Len() }
	isCap := func(ord uint32) bool { return ord > 0 && int(ord) <= len(s.Caps.List) }
	isRow := func(row uint32) bool { return int(row) < s.Rows.Len() }
	isGrant := func(ord uint32) bool { return int(ord) < len(s.Grants) }
	for row := range uint32(s.Rows.Len()) {
		def := s.Rows.At(row)
		if def == nil {
			continue
		}
		ok := isEntity(def.Ent) && isCap(def.Cap)
		if def.Ent == 0 { // a promotional entitlement's
			p := s.Promos[def.Cap]
			ok = ok && p != nil && p.row == row
		}
		for _, e := range def.Scope {
			ok = ok && isEntity(e)
		}
		if !ok {
			return fmt.Errorf("assignment %s names what is not there", store.FormatID(s.RowIDs.At(row)))
		}
	}
	for _, x := range s.defaults.list {
		if !isEntity(x.Ent) || !isCap(x.Terms.Cap) || x.Typ == 0 || int(x.Typ) > len(s.Types.List) {
			return fmt.Errorf("the default %s names what is not there", store.FormatID(x.ID))
		}
	}
	for ent := range s.freezes {
		if !isEntity(ent) {
			return errors.New("a freeze is of an entity that is not there")
		}
	}
	if err := cmp.Or(s.soundRequests(isEntity, isCap), s.soundDegrades(isEntity, isCap), s.soundNotifications(isEntity)); err != nil {
		return err
	}
	for ent := range s.learned {
		if !isEntity(ent) {
			return errors.New("what calls used is known of an entity that is not there")
		}
	}
	for id, h := range s.Holds {
		ok := isCap(h.Cap)
		for _, p := range h.Path {
			ok = ok && isEntity(p.Ent) && isEntity(p.Child)
		}
		for _, chain := range h.Chains {
			for _, ord := range chain {
				ok = ok && isRow(ord)
			}
		}
		h.EachHeld(func(cap uint32, _ bursar.Amount) { ok = ok && isCap(cap) })
		if !ok {
			return fmt.Errorf("reservation %s names what is not there", store.FormatID(id))
		}
	}
	if !s.soundPaths() {
		return errors.New("a path goes through entities that are not there")
	}
	return cmp.Or(s.soundCredits(isCap, isGrant), s.soundUse(isEntity, isCap), s.soundRowParts(isEntity, isCap, isRow))
}

// soundCredits tells whether grants and pools name what is there.
func (s *State) soundCredits(isCap, isGrant func(uint32) bool) error {
	for i, g := range s.Grants[1:] {
		if g == nil || !isCap(g.cap) {
			return fmt.Errorf("grant number %d is not there, or its currency is not", i+1)
		}
	}
	for cap, p := range s.Pools {
		ok := isCap(cap) && isGrant(p.overdraft)
		for _, ord := range p.Live {
			ok = ok && ord > 0 && isGrant(ord)
		}
		if !ok {
			return fmt.Errorf("the pool number %d names what is not there", cap)
		}
	}
	return nil
}

// soundUse tells whether totals and levels name what is there.
func (s *State) soundUse(isEntity, isCap func(uint32) bool) error {
	for cap := range s.Totals {
		if !isCap(cap) {
			return errors.New("a total is of a capability that is not there")
		}
	}
	for key := range s.Levels {
		if !isCap(key.Cap) || !isEntity(key.Leaf) {
			return errors.New("a level is of a capability or an entity that is not there")
		}
	}
	return nil
}

// soundRowParts tells whether what limits have besides their counters names what is there.
func (s *State) soundRowParts(isEntity, isCap, isRow func(uint32) bool) error {
	for cap, p := range s.Promos {
		if !isCap(cap) || !isRow(p.row) {
			return errors.New("a promotional entitlement is of a feature or a row that is not there")
		}
	}
	for row := range s.boosts {
		if !isRow(row) {
			return errors.New("a boost is of an assignment that is not there")
		}
	}
	if !s.soundLoans(isEntity, isRow) {
		return errors.New("a boost that is funded by nothing")
	}
	for row := range s.Fired {
		if !isRow(row) {
			return errors.New("an alert is of an assignment that is not there")
		}
	}
	for row := range s.told {
		if !isRow(row) {
			return errors.New("people were told of an assignment that is not there")
		}
	}
	for key := range s.Uniques {
		if !isRow(key.Row) || key.Row == 0 && !isCap(key.Cap) {
			return errors.New("a set of distinct values is of an assignment or a feature that is not there")
		}
	}
	return nil
}
