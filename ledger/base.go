package ledger

import (
	"crypto/sha256"
	"encoding/hex"
	"math/big"
	"reflect"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

// RowSum is a sum of a checkpoint's rows. It does not depend on the order and the parts in which
// they come.
type RowSum struct{ n big.Int }

func (s *RowSum) Add(cp *store.Checkpoint) error {
	v := reflect.ValueOf(cp).Elem()
	for i := range v.NumField() {
		table := v.Type().Field(i).Name
		switch f := v.Field(i); {
		case table == "Meta" || table == "Due":
			if err := s.one(table, f.Interface()); err != nil {
				return err
			}
		case f.Kind() == reflect.Slice:
			for n := range f.Len() {
				if err := s.one(table, f.Index(n).Interface()); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (s *RowSum) one(table string, row any) error {
	if reflect.ValueOf(row).IsZero() {
		return nil
	}
	b, err := store.EncodeRows(row)
	sum := sha256.Sum256(append(append(b, ' '), table...))
	s.n.Add(&s.n, new(big.Int).SetBytes(sum[:]))
	return err
}

func (s *RowSum) Text() string {
	sum := sha256.Sum256(s.n.Bytes())
	return hex.EncodeToString(sum[:])
}

// Base takes in one part of the checkpoint that a trimmed log goes on from. It leaves out
// reservations that have ended: they are in the store alone.
func (s *State) Base(cp *store.Checkpoint) error {
	part := *cp
	part.Holds = nil
	for i := range cp.Holds {
		if cp.Holds[i].Status == bursar.HoldOpen {
			part.Holds = append(part.Holds, cp.Holds[i])
		}
	}
	part.Segments, part.Generations = nil, nil
	return s.Restore(&part)
}

// AllUses are the things that the customer uses: those whose use commits have begun and not ended.
func (s *State) AllUses() (uses []store.Use) {
	for i, id := range s.Types.List {
		if s.liveTypes[uint32(i+1)] > 0 {
			uses = append(uses, store.Use{Kind: "entityType", ID: id})
		}
	}
	for i, cap := range s.Caps.List {
		if c := uint32(i + 1); cap.Kind == bursar.KindCurrency && s.liveCaps[c]+s.liveGrants(c) > 0 {
			uses = append(uses, store.Use{Kind: "currency", ID: cap.ID})
		}
	}
	for i, cap := range s.Caps.List {
		if t := s.Totals[uint32(i+1)]; cap.Kind == bursar.KindFeature && t != nil && t.figures() {
			uses = append(uses, store.Use{Kind: "feature", ID: cap.ID})
		}
	}
	defaults := s.defaults.count()
	for i, cap := range s.Caps.List {
		if cap.Kind == bursar.KindFeature && defaults[uint32(i+1)] > 0 {
			uses = append(uses, store.Use{Kind: "default", ID: cap.ID})
		}
	}
	if len(s.unread) > 0 {
		uses = append(uses, UnreadUse)
	}
	for _, g := range s.Grants[1:] {
		uses = append(uses, store.Use{Kind: "grant", ID: g.ID})
	}
	return uses
}
