package engine

import "github.com/bursarhq/bursar"

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
func Steps(row LogRow) ([]Step, error) {
	recs, err := decodePayload(row.Payload)
	if err != nil {
		return nil, err
	}
	var steps []Step
	for i, r := range recs {
		s := Step{Index: i}
		switch r := r.(type) {
		case *usageRec:
			s.Kind, s.ID, s.Amount = StepUsage, formatID(idAt(row.Head.Now, row.Head.Seq, i, row.ID)), r.amount
		case *holdOpenRec:
			s.Kind, s.ID, s.Amount, s.Until = StepHold, formatID(r.id), r.amount, r.expires
		case *holdCommitRec:
			s.Kind, s.ID, s.Amount = StepCommit, formatID(r.id), r.amount
		case *holdFreeRec:
			s.Kind, s.ID = StepRelease, formatID(r.id)
		case *holdExtendRec:
			s.Kind, s.ID, s.Until = StepExtend, formatID(r.id), r.expires
		case *holdExpireRec:
			s.Kind, s.ID, s.Amount = StepExpire, formatID(r.id), r.amount
		case *activityRec:
			s.Kind, s.ID = StepGovern, r.entry.RequestID
		default:
			continue
		}
		steps = append(steps, s)
	}
	return steps, nil
}
