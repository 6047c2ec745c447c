package mem

import (
	"bytes"
	"maps"
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

func (st *stream) clone() *stream {
	c := &stream{head: st.head, activity: map[string]store.Activity{}}
	for _, r := range st.log {
		r.Payload = bytes.Clone(r.Payload)
		c.log = append(c.log, r)
	}
	for id, a := range st.activity {
		c.activity[id] = cloneActivity(a)
	}
	if st.saved != nil {
		c.saved = st.saved.clone()
	}
	return c
}

func newCheckpoint() *checkpoint {
	return &checkpoint{
		entities:    map[uint32]store.EntityRow{},
		assignments: map[uint32]store.AssignmentRow{},
		counters:    map[uint32]store.CounterRow{},
		totals:      map[totalKey]store.TotalRow{},
		holds:       map[string]store.HoldRow{},
		series:      map[store.SeriesKey]bursar.Amount{},
		parts:       map[partKey]store.PartRow{},
		segments:    map[segmentKey]store.KeySegment{},
		generations: map[int64]store.KeyGeneration{},
	}
}

func (cp *checkpoint) clone() *checkpoint {
	c := newCheckpoint()
	c.head, c.due, c.meta = cp.head, cp.due, bytes.Clone(cp.meta)
	for k, r := range cp.entities {
		c.entities[k] = cloneEntity(r)
	}
	for k, r := range cp.assignments {
		c.assignments[k] = cloneAssignment(r)
	}
	maps.Copy(c.counters, cp.counters)
	maps.Copy(c.totals, cp.totals)
	for k, r := range cp.holds {
		c.holds[k] = cloneHold(r)
	}
	maps.Copy(c.series, cp.series)
	for k, r := range cp.parts {
		c.parts[k] = clonePart(r)
	}
	for k, r := range cp.segments {
		c.segments[k] = cloneSegment(r)
	}
	for k, g := range cp.generations {
		c.generations[k] = cloneGeneration(g)
	}
	return c
}

func cloneEntity(r store.EntityRow) store.EntityRow {
	r.Name = clonePtr(r.Name)
	r.Metadata = bytes.Clone(r.Metadata)
	return r
}

func cloneAssignment(r store.AssignmentRow) store.AssignmentRow {
	r.Scope = slices.Clone(r.Scope)
	r.Limit = clonePtr(r.Limit)
	r.Anchor = clonePtr(r.Anchor)
	r.Thresholds = slices.Clone(r.Thresholds)
	return r
}

func cloneHold(r store.HoldRow) store.HoldRow {
	r.Entities = slices.Clone(r.Entities)
	r.Detail = bytes.Clone(r.Detail)
	return r
}

func clonePart(r store.PartRow) store.PartRow {
	r.Body = bytes.Clone(r.Body)
	return r
}

func cloneSegment(r store.KeySegment) store.KeySegment {
	r.Data = bytes.Clone(r.Data)
	return r
}

func cloneGeneration(g store.KeyGeneration) store.KeyGeneration {
	g.Filter = bytes.Clone(g.Filter)
	g.Blocks = slices.Clone(g.Blocks)
	for i := range g.Blocks {
		g.Blocks[i].Data = bytes.Clone(g.Blocks[i].Data)
	}
	return g
}

func cloneCustomer(c bursar.Customer) bursar.Customer {
	for _, p := range []**string{&c.Name, &c.Email, &c.Timezone, &c.Language, &c.BillingID, &c.BillingCurrency} {
		*p = clonePtr(*p)
	}
	c.Metadata = maps.Clone(c.Metadata)
	c.ArchivedAt = clonePtr(c.ArchivedAt)
	return c
}

func cloneActivity(a store.Activity) store.Activity {
	a.Before = bytes.Clone(a.Before)
	a.After = bytes.Clone(a.After)
	return a
}

func clonePtr[T any](p *T) *T {
	if p == nil {
		return nil
	}
	v := *p
	return &v
}
