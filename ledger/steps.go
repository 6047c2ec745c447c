package ledger

import (
	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// Step is what one record of a commit did, for those who audit a log from outside: in the
// order of a row's steps its requests were decided.
type Step struct {
	Index int // of the record in its commit
	Kind  StepKind
	// ID is that of what was made, or of the reservation that the step is about; of a
	// governance request it is the request's.
	ID string
	// Amount is what was recorded or held; Until, of a reservation, when it expires.
	Amount bursar.Amount
	Until  bursar.Time
}

// StepKind says what a step did.
type StepKind string

const (
	StepUsage   StepKind = "usage" // reported or consumed
	StepHold    StepKind = "hold"
	StepCommit  StepKind = "commit"
	StepRelease StepKind = "release"
	StepExtend  StepKind = "extend"
	StepExpire  StepKind = "expire"
	StepGovern  StepKind = "govern" // an entry of the activity listing
)

// Steps lists what the records of a row did that an operator or a caller would know of.
func Steps(row store.LogRow) ([]Step, error) {
	recs, err := record.DecodePayload(row.Payload)
	if err != nil {
		return nil, err
	}
	var steps []Step
	for i, r := range recs {
		s := Step{Index: i}
		switch r := r.(type) {
		case *record.Usage:
			s.Kind, s.ID, s.Amount = StepUsage, store.FormatID(store.IDAt(row.Head.Now, row.Head.Seq, i, row.ID)), r.Amount
		case *record.HoldOpened:
			s.Kind, s.ID, s.Amount, s.Until = StepHold, store.FormatID(r.ID), r.Amount, r.Expires
		case *record.HoldCommitted:
			s.Kind, s.ID, s.Amount = StepCommit, store.FormatID(r.ID), r.Amount
		case *record.HoldFreed:
			s.Kind, s.ID = StepRelease, store.FormatID(r.ID)
		case *record.HoldExtended:
			s.Kind, s.ID, s.Until = StepExtend, store.FormatID(r.ID), r.Expires
		case *record.HoldExpired:
			s.Kind, s.ID, s.Amount = StepExpire, store.FormatID(r.ID), r.Amount
		case *record.Activity:
			s.Kind, s.ID = StepGovern, r.Entry.RequestID
		default:
			continue
		}
		steps = append(steps, s)
	}
	return steps, nil
}
