package engine

import (
	"context"
	"strings"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/ledger"
)

// PutEntities creates or updates entities, all or none. Pointers of errors begin with
// /entities/i.
func (e *Engine) PutEntities(ctx context.Context, c catalogue.Caller, customer string, in []bursar.EntityInput) ([]bursar.Entity, uint64, error) {
	return govern[[]bursar.Entity](ctx, e, &c, customer, &ledger.PutEntities{Caller: c, In: in})
}

// PatchEntity updates one entity that exists and does not restore it.
func (e *Engine) PatchEntity(ctx context.Context, c catalogue.Caller, customer string, in bursar.EntityInput) (out bursar.Entity, version uint64, err error) {
	in.IfMatch = c.IfMatch
	list, version, err := govern[[]bursar.Entity](ctx, e, &c, customer, &ledger.PutEntities{Caller: c, In: []bursar.EntityInput{in}, Patch: true})
	if err == nil {
		out = list[0]
	}
	return out, version, err
}

// Entity reads one entity, archived or not.
func (e *Engine) Entity(ctx context.Context, o ledger.ReadOptions, customer, id string) (out bursar.Entity, version uint64, err error) {
	version, err = e.readCustomer(ctx, o, customer, func(v *ledger.View) error {
		ord := v.EntOrd(id)
		if ord == 0 {
			return ledger.ErrNoEntity(id)
		}
		out = v.EntityOut(ord)
		return nil
	})
	return out, version, err
}

// ArchiveEntities archives or unarchives, all or none; it is idempotent.
func (e *Engine) ArchiveEntities(ctx context.Context, c catalogue.Caller, customer string, ids []string, archive bool) (uint64, error) {
	_, version, err := govern[ledger.Archival](ctx, e, &c, customer, &ledger.ArchiveEntities{Caller: c, IDs: ids, Archive: archive})
	return version, err
}

// Archive archives entities and, with descendants, all that is below them, and tells what
// that releases.
func (e *Engine) Archive(ctx context.Context, c catalogue.Caller, customer string, ids []string, descendants bool) (ledger.Archival, uint64, error) {
	return govern[ledger.Archival](ctx, e, &c, customer, &ledger.ArchiveEntities{Caller: c, IDs: ids, Archive: true, Descendants: descendants})
}

// PreviewArchive tells what Archive would do.
func (e *Engine) PreviewArchive(ctx context.Context, o ledger.ReadOptions, customer string, ids []string, descendants bool) (out ledger.Archival, version uint64, err error) {
	version, err = e.readTurn(ctx, o, customer, func(v *ledger.View) error {
		var p bursar.Problems
		out, _ = v.Archival(ids, descendants, &p)
		return p.Err()
	})
	return out, version, err
}

// Entities lists a customer's entities.
func (e *Engine) Entities(ctx context.Context, o ledger.ReadOptions, customer string, q ledger.EntityQuery) (p ledger.Page[bursar.Entity], version uint64, err error) {
	var m *ledger.EntityMatch
	version, err = e.readTurn(ctx, o, customer, func(v *ledger.View) error {
		if m == nil {
			m = &ledger.EntityMatch{Typ: v.TypeOrd(q.TypeID), Archived: q.IncludeArchived, Search: strings.ToLower(q.Search)}
			if q.ParentID != "" {
				m.Parent = v.EntOrd(q.ParentID)
			}
		}
		p.Items = []bursar.Entity{}
		if q.TypeID != "" && m.Typ == 0 || q.ParentID != "" && m.Parent == 0 {
			return nil
		}
		if !m.Page(v, &q.ListPage) {
			return ledger.ErrGoOn
		}
		for _, ord := range m.Found {
			p.Items = append(p.Items, v.EntityOut(ord))
		}
		p.Cut(q.Limit, q.After != nil, q.Before != nil)
		return nil
	})
	return p, version, err
}
