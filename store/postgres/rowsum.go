package postgres

import (
	"errors"
	"fmt"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

// The sums of rows, of all that a row has and whose it is. savedIn begins those of the rows
// of a stream's checkpoint.

func savedIn(stream string) sum { return sum(0).text(stream) }

// sums are those of rows of a stream's checkpoint.
func sums[T any](stream string, rows []T, of func(sum, *T) int64) []int64 {
	in, vals := savedIn(stream), make([]int64, len(rows))
	for i := range rows {
		vals[i] = of(in, &rows[i])
	}
	return vals
}

// intact compares a row with its sum, which is in column i. The error names the stream, but for
// rows of no stream's checkpoint, whose stream is "", and the row, which is key of what. errs are
// those of its values.
func (r row) intact(i int, stream string, want int64, what string, key any, errs ...error) error {
	err := errors.Join(errs...)
	if err == nil && (r.null(i) || r.int(i) == want) {
		return nil
	}
	place := fmt.Sprintf("%s %v", what, key)
	if stream != "" {
		place = fmt.Sprintf("%q, %s", stream, place)
	}
	return &store.Damage{Place: place, Why: err}
}

// savedAt compares where the stream's checkpoint is with where the stream says that it is; 0 =
// none.
func savedAt(stream string, seq, saved int64) error {
	if seq == saved {
		return nil
	}
	return &store.Damage{Place: fmt.Sprintf("%q, the checkpoint", stream), Why: fmt.Errorf("it is at commit %d and should be at %d", seq, saved)}
}

func checkpointSum(cp *store.Checkpoint) int64 {
	h := &cp.Head
	return int64(savedIn(cp.Stream).int(int64(h.Seq)).bytes(h.Hash[:]).int(int64(h.Now)).int(int64(cp.Due)).bytes(cp.Meta))
}

func entitySum(s sum, r *store.EntityRow) int64 {
	return int64(s.int(int64(r.Ord)).text(r.ID).text(r.TypeID).int(int64(r.ParentOrd)).optText(r.Name).bytes(r.Metadata).
		int(int64(r.CreatedAt)).int(int64(r.UpdatedAt)).int(int64(r.ArchivedAt)))
}

func assignmentSum(s sum, r *store.AssignmentRow) int64 {
	s = addInts(s.int(int64(r.Ord)).text(r.ID).int(int64(r.EntityOrd)).capability(r.Capability).text(r.Label), r.Scope)
	if s = s.bool(r.Limit != nil); r.Limit != nil {
		s = s.amount(*r.Limit)
	}
	s = s.text(r.Cadence).text(r.Timezone).optTime(r.Anchor).bool(r.Soft).bool(r.Strict)
	return int64(addInts(s, r.Thresholds).int(int64(r.CreatedAt)).int(int64(r.UpdatedAt)))
}

func counterSum(s sum, r *store.CounterRow) int64 {
	return int64(s.int(int64(r.Ord)).int(int64(r.PrevStart)).int(int64(r.WindowStart)).int(int64(r.WindowEnd)).
		amount(r.Previous).amount(r.Used).amount(r.Held))
}

func totalSum(s sum, r *store.TotalRow) int64 {
	return int64(s.bool(r.Level).int(int64(r.EntityOrd)).capability(r.Capability).amount(r.Value).amount(r.Held).int(int64(r.At)))
}

func holdSum(s sum, r *store.HoldRow) int64 {
	s = s.text(r.ID).capability(r.Capability).text(string(r.Status)).int(int64(r.CreatedAt)).int(int64(r.ExpiresAt)).int(int64(r.ClosedAt))
	return int64(addInts(s.amount(r.Amount), r.Entities).bytes(r.Detail))
}

func partSum(s sum, r *store.PartRow) int64 { return int64(s.text(r.Sort).text(r.Key).bytes(r.Body)) }

func segmentSum(s sum, r *store.KeySegment) int64 {
	return int64(s.int(r.Gen).int(int64(r.Part)).bytes(r.Data))
}

func generationSum(s sum, r *store.KeyGeneration) int64 {
	return int64(s.int(r.Gen).int(int64(r.End)).int(int64(r.Count)).bytes(r.Filter))
}

func blockSum(s sum, gen int64, first, data []byte) int64 {
	return int64(s.int(gen).bytes(first).bytes(data))
}

func customerSum(c *bursar.Customer, metadata *string) int64 {
	return int64(sum(0).text(c.ID).optText(c.Name).optText(c.Email).optText(metadata).optText(c.Timezone).optText(c.Language).
		optText(c.BillingID).optText(c.BillingCurrency).int(int64(c.CreatedAt)).int(int64(c.UpdatedAt)).optTime(c.ArchivedAt))
}

func activitySum(stream string, r *store.Activity) int64 {
	s := sum(0).text(stream).text(r.ID).int(int64(r.Timestamp)).text(r.ActorType).text(r.ActorID).text(r.Subject).text(r.Action)
	return int64(s.text(r.TargetType).text(r.TargetID).text(r.EntityID).bytes(r.Before).bytes(r.After).text(r.RequestID))
}

func messageSum(id, sort, customer string, created bursar.Time) int64 {
	return int64(sum(0).text(id).text(sort).text(customer).int(int64(created)))
}

func bodySum(id string, body []byte) int64 { return int64(sum(0).text(id).bytes(body)) }

// deliverySums are those of what a delivery is for and of where it stands.
func deliverySums(message string, d *store.Delivery) (made, stands int64) {
	made = int64(sum(0).text(d.ID).text(d.EndpointID).text(message).int(int64(d.CreatedAt)))
	s := sum(1).text(d.ID).text(string(d.Status)).int(int64(d.Attempts)).int(int64(d.ResponseStatus))
	return made, int64(s.text(d.Error).int(int64(d.NextAttempt)))
}

// jobSums are those of what a job was asked for by, of how far it is, and of its result.
func jobSums(j *store.JobRow) (made, stands, result int64) {
	made = int64(sum(0).text(j.ID).text(j.Key))
	stands = int64(sum(1).text(j.ID).int(int64(j.Rev)).int(int64(j.Ended)).bytes(j.Body))
	return made, stands, int64(sum(2).text(j.ID).int(int64(j.Rev)).bytes(j.Result))
}
