package sim

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
)

var zones sync.Map // names to *time.Location

// zoneOf is the IANA zone of a name; nil when there is none.
func zoneOf(name string) *time.Location {
	if zone, known := zones.Load(name); known {
		return zone.(*time.Location)
	}
	var zone *time.Location
	if name != "" && name != "Local" {
		zone, _ = time.LoadLocation(name)
	}
	zones.Store(name, zone)
	return zone
}

// putEntities judges each item against the tree as the items before it leave it. Once
// an item was bad, what later items say about parents may depend on it.
func (m *model) putEntities(customer string, in []bursar.EntityInput) ([]bursar.Entity, *fail) {
	c, now, f := m.writable(customer)
	if f != nil {
		return nil, f
	}
	tree := maps.Clone(c.entities)
	var p problems
	for i, x := range in {
		p.item = fmt.Sprintf("/entities/%d", i)
		if slices.ContainsFunc(in[:i], func(y bursar.EntityInput) bool { return y.ID == x.ID }) {
			p.at("/id", bursar.CodeValidationFailed)
		}
		if bursar.CheckEntityID(x.ID) != nil {
			p.at("/id", bursar.CodeValidationFailed)
		}
		e, known := tree[x.ID]
		m.judgeType(&p, e, known, x.EntityTypeID)
		if x.EntityTypeID != "" {
			e.EntityTypeID = x.EntityTypeID
		}
		if !known {
			e.ID, e.CreatedAt = x.ID, now.Milli()
		}
		e.ArchivedAt = nil
		tree[x.ID] = update(e, x, now)
		reparent(&p, tree, x.ID, x.ParentID)
	}
	if f := p.err(); f != nil {
		return nil, f
	}
	var touched []string
	for _, x := range in {
		touched = append(touched, x.ID)
	}
	if f := c.allocations(tree, touched, nil); f != nil {
		return nil, f
	}
	before := c.entities
	c.entities = tree
	c.log.wrote(now)
	var out []bursar.Entity
	for _, x := range in {
		out = append(out, tree[x.ID])
		typ := bursar.EventEntityUpdated
		if _, known := before[x.ID]; !known {
			typ = bursar.EventEntityCreated
		}
		c.tell(typ, map[string]any{"entity": tree[x.ID]})
	}
	return out, nil
}

// judgeType: a new entity needs a type, and a live entity's type is live.
func (m *model) judgeType(p *problems, e bursar.Entity, known bool, typeID string) {
	if typeID == "" {
		typeID = e.EntityTypeID
	}
	switch t := m.types[typeID]; {
	case typeID == "":
		p.at("/entityTypeId", bursar.CodeEntityTypeRequired)
	case t == nil:
		p.at("/entityTypeId", bursar.CodeEntityTypeNotFound)
	case t.ArchivedAt != nil:
		p.at("/entityTypeId", bursar.CodeEntityTypeArchived)
	}
}

func update(e bursar.Entity, x bursar.EntityInput, now bursar.Time) bursar.Entity {
	setName(&e.DisplayName, x.DisplayName)
	e.Metadata = mergeMetadata(e.Metadata, x.Metadata)
	e.UpdatedAt = now.Milli()
	return e
}

// reparent moves an entity of the tree, with all below it, or says why not.
func reparent(p *problems, tree map[string]bursar.Entity, id string, to bursar.Opt[string]) {
	afterBad := len(p.list) > 0
	e := tree[id]
	if !to.Set || e.ParentID != nil && !to.Null && *e.ParentID == to.Value {
		return
	}
	if to.Null {
		e.ParentID = nil
		tree[id] = e
		return
	}
	code := bursar.Code("")
	parent, known := tree[to.Value]
	switch {
	case to.Value == id || known && slices.Contains(ancestors(tree, to.Value), id):
		code = bursar.CodeHierarchyCycle
	case !known || parent.ArchivedAt != nil:
		code = bursar.CodeParentNotFound
	case len(ancestors(tree, to.Value))+1+height(tree, id) > bursar.MaxDepth:
		code = bursar.CodeHierarchyTooDeep
	}
	if afterBad {
		for _, any := range []bursar.Code{bursar.CodeHierarchyCycle, bursar.CodeParentNotFound, bursar.CodeHierarchyTooDeep} {
			p.maybe("/parentId", any)
		}
	}
	if code != "" {
		if !afterBad {
			p.at("/parentId", code)
		}
		if to.Value == id || parent.ArchivedAt != nil { // new, or archived: both can be said
			p.maybe("/parentId", bursar.CodeParentNotFound)
		}
		return
	}
	v := to.Value
	e.ParentID = &v
	tree[id] = e
}

// ancestors lists what is above an entity, nearest first.
func ancestors(tree map[string]bursar.Entity, id string) []string {
	var list []string
	for p := tree[id].ParentID; p != nil; p = tree[*p].ParentID {
		list = append(list, *p)
	}
	return list
}

// height is the number of levels of the subtree of id.
func height(tree map[string]bursar.Entity, id string) int {
	h := 1
	for child := range tree {
		above := ancestors(tree, child)
		if i := slices.Index(above, id); i >= 0 {
			h = max(h, i+2)
		}
	}
	return h
}

func (m *model) patchEntity(customer string, x bursar.EntityInput) (bursar.Entity, *fail) {
	c, now, f := m.writable(customer)
	if f != nil {
		return bursar.Entity{}, f
	}
	e, known := c.entities[x.ID]
	if !known {
		return bursar.Entity{}, failed(bursar.CodeEntityNotFound)
	}
	tree := maps.Clone(c.entities)
	tree[x.ID] = update(e, x, now)
	var p problems
	reparent(&p, tree, x.ID, x.ParentID)
	if f := p.err(); f != nil {
		return bursar.Entity{}, f
	}
	if f := c.allocations(tree, []string{x.ID}, nil); f != nil {
		return bursar.Entity{}, f
	}
	c.entities = tree
	c.log.wrote(now)
	c.tell(bursar.EventEntityUpdated, map[string]any{"entity": tree[x.ID]})
	return tree[x.ID], nil
}

func (m *model) archiveEntities(customer string, ids []string, archive bool) *fail {
	c, now, f := m.writable(customer)
	if f != nil {
		return f
	}
	var p problems
	for i, id := range ids {
		p.item = fmt.Sprintf("/ids/%d", i)
		e, known := c.entities[id]
		switch {
		case !known:
			p.at("", bursar.CodeEntityNotFound)
		case !archive && e.ArchivedAt != nil && m.types[e.EntityTypeID].ArchivedAt != nil:
			p.at("", bursar.CodeEntityTypeArchived)
		}
	}
	if f := p.err(); f != nil {
		return f
	}
	tree := maps.Clone(c.entities)
	for _, id := range ids {
		if e := tree[id]; (e.ArchivedAt != nil) != archive {
			e.ArchivedAt = archivedAt(archive, now)
			tree[id] = e
		}
	}
	if f := c.allocations(tree, ids, nil); f != nil {
		return f
	}
	for _, id := range ids {
		if e := c.entities[id]; (e.ArchivedAt != nil) != archive {
			e.ArchivedAt, e.UpdatedAt = archivedAt(archive, now), now.Milli()
			c.entities[id] = e
			c.log.wrote(now)
			typ := bursar.EventEntityUpdated
			if archive {
				typ = bursar.EventEntityArchived
			}
			c.tell(typ, map[string]any{"entity": e})
		}
	}
	return nil
}

func (m *model) entity(customer, id string) (bursar.Entity, *fail) {
	c, _ := m.customer(customer)
	if c == nil {
		return bursar.Entity{}, failed(bursar.CodeCustomerNotFound)
	}
	e, known := c.entities[id]
	if !known {
		return bursar.Entity{}, failed(bursar.CodeEntityNotFound)
	}
	return e, nil
}

func (m *model) listEntities(customer string, q ledger.EntityQuery) (ledger.Page[bursar.Entity], *fail) {
	c, _ := m.customer(customer)
	if c == nil {
		return ledger.Page[bursar.Entity]{}, failed(bursar.CodeCustomerNotFound)
	}
	var list []bursar.Entity
	for _, e := range c.entities {
		if e.ArchivedAt != nil && !q.IncludeArchived || q.TypeID != "" && e.EntityTypeID != q.TypeID ||
			q.ParentID != "" && (e.ParentID == nil || *e.ParentID != q.ParentID) || !found(e, q.Search) {
			continue
		}
		list = append(list, e)
	}
	return pageOf(list, func(e bursar.Entity) ledger.ListPos { return ledger.ListPos{CreatedAt: e.CreatedAt, ID: e.ID} }, q.ListPage), nil
}

// found: the text is part of the id or the name, whatever the case.
func found(e bursar.Entity, text string) bool {
	text = strings.ToLower(text)
	return strings.Contains(strings.ToLower(e.ID), text) ||
		e.DisplayName != nil && strings.Contains(strings.ToLower(*e.DisplayName), text)
}
