package engine

import "fmt"

// effects sets what c writes besides the log. It follows from c's records and from what
// they changed, and so is the same when a log is imported as when it was decided.
func (v *view) effects(c *Commit, recs []record) {
	c.Listing = v.newCustomer
	for i, r := range recs {
		if a, ok := r.(*activityRec); ok {
			entry := a.entry
			entry.ID = formatID(idAt(c.Now, c.After.Seq+1, i, c.ID))
			c.Activity = append(c.Activity, entry)
		}
	}
	c.Begin, c.End = v.uses()
	for _, ord := range sortedOrds(v.grts) {
		if int(ord) >= len(v.grants) {
			c.Begin = append(c.Begin, Use{"grant", v.grts[ord].ID})
		}
	}
}

// step applies one row of the log to a view of s, which the caller merges.
func (s *state) step(stream string, row *LogRow) (*view, []record, error) {
	recs, err := checkRow(s.head, stream, row)
	if err != nil {
		return nil, nil, err
	}
	v := newView(s, row.Head.Now)
	for _, r := range recs {
		if err := v.apply(r); err != nil {
			return nil, nil, fmt.Errorf("customer %q, commit %d: %w", stream, row.Head.Seq, err)
		}
	}
	return v, recs, nil
}
