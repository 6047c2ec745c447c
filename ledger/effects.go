package ledger

import (
	"fmt"

	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// Effects sets what c writes besides the log. It follows from c's records and from what
// they changed, and so is the same when a log is imported as when it was decided.
func (v *View) Effects(c *store.Commit, recs []record.Record) {
	c.Listing = v.newCustomer
	for i, r := range recs {
		if a, ok := r.(*record.Activity); ok {
			entry := a.Entry
			entry.ID = store.FormatID(store.IDAt(c.Now, c.After.Seq+1, i, c.ID))
			c.Activity = append(c.Activity, entry)
		}
	}
	c.Begin, c.End = v.uses()
	for _, ord := range record.SortedOrds(v.grts) {
		if int(ord) >= len(v.Grants) {
			c.Begin = append(c.Begin, store.Use{Kind: "grant", ID: v.grts[ord].ID})
		}
	}
}

// ApplyCommit applies one row of the log to a view of s, which the caller merges.
func (s *State) ApplyCommit(stream string, row *store.LogRow) (*View, []record.Record, error) {
	recs, err := record.CheckRow(s.Head, stream, row)
	if err != nil {
		return nil, nil, err
	}
	v := NewView(s, row.Head.Now)
	for _, r := range recs {
		if err := v.apply(r); err != nil {
			return nil, nil, fmt.Errorf("customer %q, commit %d: %w", stream, row.Head.Seq, err)
		}
	}
	return v, recs, nil
}
