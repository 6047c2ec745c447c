package postgres

import (
	"context"
	"slices"

	"github.com/bursarhq/bursar/store"
)

const (
	// A hold's saved state leaves the lists before its new one is listed.
	unlistHolds = `DELETE FROM holds_by_entity WHERE ctid = ANY(ARRAY(
		SELECT e.ctid FROM unnest($2::text[]) q (id)
		CROSS JOIN LATERAL (SELECT status, entities FROM holds WHERE stream = $1 AND id = q.id OFFSET 0) h
		CROSS JOIN LATERAL unnest(0::bigint || h.entities) o (ord)
		CROSS JOIN LATERAL (SELECT ctid FROM holds_by_entity
			WHERE stream = $1 AND entity_ord = o.ord AND status = h.status AND id = q.id OFFSET 0) e))`
	putHolds = `INSERT INTO holds (stream, id, kind, capability, status, created_at, expires_at, closed_at, amount, entities, detail, sum)
		SELECT $1, id, kind, capability, status, created_at, expires_at, closed_at, amount::numeric, entities::bigint[], detail, sum
		FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::bigint[], $9::text[],
				$10::text[], $11::bytea[], $12::bigint[])
			q (id, kind, capability, status, created_at, expires_at, closed_at, amount, entities, detail, sum)
		ON CONFLICT (stream, id) DO UPDATE SET kind = excluded.kind, capability = excluded.capability,
			status = excluded.status, created_at = excluded.created_at, expires_at = excluded.expires_at,
			closed_at = excluded.closed_at, amount = excluded.amount, entities = excluded.entities, detail = excluded.detail,
			sum = excluded.sum`
	listHolds = `INSERT INTO holds_by_entity (stream, entity_ord, status, id)
		SELECT $1, o.ord, q.status, q.id FROM unnest($2::text[], $3::text[], $4::text[]) q (id, status, entities)
		CROSS JOIN LATERAL unnest(0::bigint || q.entities::bigint[]) o (ord) ON CONFLICT DO NOTHING`
)

func (w *saving) holds(ctx context.Context, cp *store.Checkpoint) error {
	for rows := range slices.Chunk(cp.Holds, saveRows) {
		ids := column(rows, func(r *store.HoldRow) string { return text(r.ID) })
		statuses := column(rows, func(r *store.HoldRow) string { return string(r.Status) })
		entities := column(rows, func(r *store.HoldRow) *string { return intsText(r.Entities) })
		if err := w.put(ctx, len(rows), unlistHolds, ids); err != nil {
			return err
		}
		err := w.put(ctx, len(rows), putHolds, ids,
			column(rows, func(r *store.HoldRow) string { return kindNames[r.Capability.Kind] }),
			column(rows, func(r *store.HoldRow) string { return text(r.Capability.ID) }),
			statuses,
			column(rows, func(r *store.HoldRow) int64 { return int64(r.CreatedAt) }),
			column(rows, func(r *store.HoldRow) int64 { return int64(r.ExpiresAt) }),
			column(rows, func(r *store.HoldRow) int64 { return int64(r.ClosedAt) }),
			column(rows, func(r *store.HoldRow) string { return r.Amount.String() }),
			entities,
			column(rows, func(r *store.HoldRow) []byte { return r.Detail }),
			sums(cp.Stream, rows, holdSum))
		if err != nil {
			return err
		}
		if err := w.put(ctx, len(rows), listHolds, ids, statuses, entities); err != nil {
			return err
		}
	}
	return nil
}
