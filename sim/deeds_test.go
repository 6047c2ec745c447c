package sim

import (
	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// deed is what one record of a commit did, for those who audit a log from outside: in the
// order of a row's deeds its requests were decided.
type deed struct {
	Index int // of the record in its commit
	Kind  deedKind
	// ID is that of what was made, or of the reservation that the deed is about; of a
	// governance request it is the request's.
	ID string
	// Amount is what was recorded or held; Until, of a reservation, when it expires.
	Amount bursar.Amount
	Until  bursar.Time
}

// deedKind says what a deed did.
type deedKind string

const (
	deedUsage   deedKind = "usage" // reported or consumed
	deedHold    deedKind = "hold"
	deedCommit  deedKind = "commit"
	deedRelease deedKind = "release"
	deedExtend  deedKind = "extend"
	deedExpire  deedKind = "expire"
	deedGovern  deedKind = "govern" // an entry of the activity listing
)

// deeds lists what the records of a row did that an operator or a caller would know of.
func deeds(row store.LogRow) ([]deed, error) {
	recs, err := record.DecodePayload(row.Payload)
	if err != nil {
		return nil, err
	}
	var list []deed
	for i, r := range recs {
		s := deed{Index: i}
		switch r := r.(type) {
		case *record.Usage:
			s.Kind, s.ID, s.Amount = deedUsage, store.FormatID(store.IDAt(row.Head.Now, row.Head.Seq, i, row.ID)), r.Amount
		case *record.HoldOpened:
			s.Kind, s.ID, s.Amount, s.Until = deedHold, store.FormatID(r.ID), r.Amount, r.Expires
		case *record.HoldCommitted:
			s.Kind, s.ID, s.Amount = deedCommit, store.FormatID(r.ID), r.Amount
		case *record.HoldFreed:
			s.Kind, s.ID = deedRelease, store.FormatID(r.ID)
		case *record.HoldExtended:
			s.Kind, s.ID, s.Until = deedExtend, store.FormatID(r.ID), r.Expires
		case *record.HoldExpired:
			s.Kind, s.ID, s.Amount = deedExpire, store.FormatID(r.ID), r.Amount
		case *record.Activity:
			s.Kind, s.ID = deedGovern, r.Entry.RequestID
		default:
			continue
		}
		list = append(list, s)
	}
	return list, nil
}
