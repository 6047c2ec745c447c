package mem

import (
	"bytes"
	"maps"
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/engine"
)

func (st *stream) clone() *stream {
	c := &stream{head: st.head, activity: map[string]engine.Activity{}}
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
		entities:    map[uint32]engine.EntityRow{},
		assignments: map[uint32]engine.AssignmentRow{},
		counters:    map[uint32]engine.CounterRow{},
		totals:      map[totalKey]engine.TotalRow{},
		holds:       map[string]engine.HoldRow{},
		series:      map[engine.SeriesKey]bursar.Amount{},
		parts:       map[partKey]engine.PartRow{},
		segments:    map[segmentKey]engine.KeySegment{},
		generations: map[int64]engine.KeyGeneration{},
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

func cloneEntity(r engine.EntityRow) engine.EntityRow {
	r.Name = clonePtr(r.Name)
	r.Metadata = bytes.Clone(r.Metadata)
	return r
}

func cloneAssignment(r engine.AssignmentRow) engine.AssignmentRow {
	r.Scope = slices.Clone(r.Scope)
	r.Limit = clonePtr(r.Limit)
	r.Anchor = clonePtr(r.Anchor)
	r.Thresholds = slices.Clone(r.Thresholds)
	return r
}

func cloneHold(r engine.HoldRow) engine.HoldRow {
	r.Entities = slices.Clone(r.Entities)
	r.Detail = bytes.Clone(r.Detail)
	return r
}

func clonePart(r engine.PartRow) engine.PartRow {
	r.Body = bytes.Clone(r.Body)
	return r
}

func cloneSegment(r engine.KeySegment) engine.KeySegment {
	r.Data = bytes.Clone(r.Data)
	return r
}

func cloneGeneration(g engine.KeyGeneration) engine.KeyGeneration {
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

func cloneActivity(a engine.Activity) engine.Activity {
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
