package engine

import (
	"context"

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
func (e *Engine) Entity(ctx context.Context, o ledger.ReadOptions, customer, id string) (bursar.Entity, uint64, error) {
	return answer(ctx, e, o, customer, func(v *ledger.View) (bursar.Entity, error) { return v.EntityOf(id) })
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
	version, err = e.readTurn(ctx, o, customer, func(v *ledger.View) (err error) {
		out, err = v.PreviewArchive(ids, descendants)
		return err
	})
	return out, version, err
}

// Entities lists a customer's entities.
func (e *Engine) Entities(ctx context.Context, o ledger.ReadOptions, customer string, q ledger.EntityQuery) (ledger.Page[bursar.Entity], uint64, error) {
	l := ledger.EntityList{Q: &q}
	version, err := e.readTurn(ctx, o, customer, l.On)
	return l.Page, version, err
}
