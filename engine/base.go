package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"math/big"
	"reflect"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/bursarhq/bursar"
)

// BasePart is a part of what a stream begins with when its first commits are not in its
// log any more: its checkpoint, and all else that these commits left. The first part has
// the checkpoint's Head, Due and Meta.
type BasePart struct {
	Checkpoint *Checkpoint // nil = none of it
	Log        []LogRow    // what the log still has up to the Head, in order and to its end
	Activity   []Activity
	// The last part has what the listings show, and all uses.
	Listing *bursar.Customer
	Uses    []Use
}

// Rows are kept as JSON, in exports and where a store has a base as a whole: instants are
// nanoseconds and bytes in base64.
var (
	rowsOut = json.JoinOptions(json.FormatNilSliceAsNull(true),
		json.WithMarshalers(json.MarshalToFunc(func(e *jsontext.Encoder, t bursar.Time) error { return e.WriteToken(jsontext.Int(int64(t))) })))
	rowsIn = json.JoinOptions(json.RejectUnknownMembers(true),
		json.WithUnmarshalers(json.UnmarshalFunc(func(b []byte, t *bursar.Time) error { return json.Unmarshal(b, (*int64)(t)) })))
)

// EncodeRows writes a Checkpoint, or other rows, as DecodeRows reads it.
func EncodeRows(rows any) ([]byte, error) { return json.Marshal(rows, rowsOut) }

// DecodeRows reads what EncodeRows wrote. What rows do not have is an error.
func DecodeRows(b []byte, rows any) error { return json.Unmarshal(b, rows, rowsIn) }

// rowSum is a sum of a checkpoint's rows, in whatever order and parts they come.
type rowSum struct{ n big.Int }

func (s *rowSum) add(cp *Checkpoint) error {
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

func (s *rowSum) one(table string, row any) error {
	if reflect.ValueOf(row).IsZero() {
		return nil
	}
	b, err := EncodeRows(row)
	sum := sha256.Sum256(append(append(b, ' '), table...))
	s.n.Add(&s.n, new(big.Int).SetBytes(sum[:]))
	return err
}

func (s *rowSum) text() string {
	sum := sha256.Sum256(s.n.Bytes())
	return hex.EncodeToString(sum[:])
}

// base takes one part of what the log goes on from in. Reservations that have ended are
// the store's.
func (s *state) base(cp *Checkpoint) error {
	some := *cp
	some.Holds = nil
	for i := range cp.Holds {
		if cp.Holds[i].Status == bursar.HoldOpen {
			some.Holds = append(some.Holds, cp.Holds[i])
		}
	}
	some.Segments, some.Generations = nil, nil
	return s.restore(&some)
}

// allUses are the uses of a state, as commits would have begun and not ended them.
func (s *state) allUses() (uses []Use) {
	for i, id := range s.types.list {
		if s.liveTypes[uint32(i+1)] > 0 {
			uses = append(uses, Use{"entityType", id})
		}
	}
	for i, cap := range s.caps.list {
		if c := uint32(i + 1); cap.Kind == bursar.KindCurrency && s.liveCaps[c]+s.liveGrants(c) > 0 {
			uses = append(uses, Use{"currency", cap.ID})
		}
	}
	for i, cap := range s.caps.list {
		if t := s.totals[uint32(i+1)]; cap.Kind == bursar.KindFeature && t != nil && t.figures() {
			uses = append(uses, Use{"feature", cap.ID})
		}
	}
	for _, g := range s.grants[1:] {
		uses = append(uses, Use{"grant", g.ID})
	}
	return uses
}
