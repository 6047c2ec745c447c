package postgres

import (
	"context"
	"fmt"
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

func amountText(a *bursar.Amount) *string {
	if a == nil {
		return nil
	}
	s := a.String()
	return &s
}

const (
	putTotals = `INSERT INTO totals (stream, level, entity_ord, kind, capability, value, held, at, sum)
		SELECT $1, level, entity_ord, kind, capability, value::numeric, held::numeric, at, sum
		FROM unnest($2::boolean[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bigint[], $9::bigint[])
			q (level, entity_ord, kind, capability, value, held, at, sum)
		ON CONFLICT (stream, level, entity_ord, kind, capability)
			DO UPDATE SET value = excluded.value, held = excluded.held, at = excluded.at, sum = excluded.sum`
	// Amounts of one key are added up before they are added to what is stored, and so are
	// their checksums, modulo seriesMod; see seriesSum.
	addSeries = `INSERT INTO usage_series AS u (stream, hour, entity_ord, kind, capability, bucket, child_ord, combo, amount, sum)
		SELECT $1, bucket / $9, entity_ord, kind, capability, bucket, child_ord, combo, sum(amount::numeric), (sum(q.sum) % 2305843009213693951)::bigint
		FROM unnest($2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::text[], $10::bigint[])
			q (entity_ord, kind, capability, bucket, child_ord, combo, amount, sum)
		GROUP BY entity_ord, kind, capability, bucket, child_ord, combo
		ON CONFLICT (stream, hour, entity_ord, kind, capability, bucket, child_ord, combo)
			DO UPDATE SET amount = u.amount + excluded.amount, sum = (u.sum + excluded.sum) % 2305843009213693951`
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
	putParts = `INSERT INTO parts (stream, sort, key, body, bytes, sum)
		SELECT $1, * FROM unnest($2::text[], $3::text[], $4::text[], $5::bytea[], $6::bigint[])
		ON CONFLICT (stream, sort, key) DO UPDATE SET body = excluded.body, bytes = excluded.bytes, sum = excluded.sum`
	deleteParts = `DELETE FROM parts WHERE ctid = ANY(ARRAY(
		SELECT p.ctid FROM unnest($2::text[], $3::text[]) q (sort, key)
		CROSS JOIN LATERAL (SELECT ctid FROM parts WHERE stream = $1 AND sort = q.sort AND key = q.key OFFSET 0) p))`
	putSegments = `INSERT INTO key_segments (stream, gen, part, data, sum)
		SELECT $1, * FROM unnest($2::bigint[], $3::bigint[], $4::bytea[], $5::bigint[])
		ON CONFLICT (stream, gen, part) DO UPDATE SET data = excluded.data, sum = excluded.sum`
	putGenerations = `INSERT INTO key_generations (stream, gen, "end", count, filter, sum)
		SELECT $1, * FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bytea[], $6::bigint[])
		ON CONFLICT (stream, gen) DO UPDATE SET "end" = excluded."end", count = excluded.count, filter = excluded.filter,
			sum = excluded.sum`
	putBlocks = `INSERT INTO key_blocks (stream, gen, first, data, sum)
		SELECT $1, $2, * FROM unnest($3::bytea[], $4::bytea[], $5::bigint[])
		ON CONFLICT (stream, gen, first) DO UPDATE SET data = excluded.data, sum = excluded.sum`
)

func (w *saving) totals(ctx context.Context, cp *store.Checkpoint) error {
	for rows := range slices.Chunk(cp.Totals, saveRows) {
		err := w.put(ctx, len(rows), putTotals,
			column(rows, func(r *store.TotalRow) bool { return r.Level }),
			column(rows, func(r *store.TotalRow) int64 { return int64(r.EntityOrd) }),
			column(rows, func(r *store.TotalRow) string { return kindNames[r.Capability.Kind] }),
			column(rows, func(r *store.TotalRow) string { return text(r.Capability.ID) }),
			column(rows, func(r *store.TotalRow) string { return r.Value.String() }),
			column(rows, func(r *store.TotalRow) string { return r.Held.String() }),
			column(rows, func(r *store.TotalRow) int64 { return int64(r.At) }),
			sums(cp.Stream, rows, totalSum))
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *saving) series(ctx context.Context, cp *store.Checkpoint) error {
	for rows := range slices.Chunk(cp.Series, saveRows) {
		err := w.put(ctx, len(rows), addSeries,
			column(rows, func(r *store.SeriesRow) int64 { return int64(r.EntityOrd) }),
			column(rows, func(r *store.SeriesRow) string { return kindNames[r.Capability.Kind] }),
			column(rows, func(r *store.SeriesRow) string { return text(r.Capability.ID) }),
			column(rows, func(r *store.SeriesRow) int64 { return int64(r.Bucket) }),
			column(rows, func(r *store.SeriesRow) int64 { return int64(r.ChildOrd) }),
			column(rows, func(r *store.SeriesRow) int64 { return int64(r.Combo) }),
			column(rows, func(r *store.SeriesRow) string { return r.Amount.String() }),
			int64(bucketsPerHour),
			sums(cp.Stream, rows, func(s sum, r *store.SeriesRow) int64 { return seriesSum(s, &r.SeriesKey, r.Amount) }))
		if err != nil {
			return err
		}
	}
	return nil
}

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

func (w *saving) parts(ctx context.Context, cp *store.Checkpoint) error {
	for rows := range slices.Chunk(cp.Parts, saveRows) {
		var sorts, keys, goneSorts, goneKeys []string
		var bodies []*string
		var blobs [][]byte
		var checks []int64
		in := savedIn(cp.Stream)
		for i := range rows {
			r := &rows[i]
			if r.Body == nil {
				goneSorts, goneKeys = append(goneSorts, text(r.Sort)), append(goneKeys, text(r.Key))
				continue
			}
			sorts, keys, checks = append(sorts, text(r.Sort)), append(keys, text(r.Key)), append(checks, partSum(in, r))
			if r.Sort != "unique" && isText(r.Body) {
				body := string(r.Body)
				bodies, blobs = append(bodies, &body), append(blobs, nil)
			} else {
				bodies, blobs = append(bodies, nil), append(blobs, r.Body)
			}
		}
		if len(goneKeys) > 0 {
			if err := w.put(ctx, len(goneKeys), deleteParts, goneSorts, goneKeys); err != nil {
				return err
			}
		}
		if len(keys) > 0 {
			if err := w.put(ctx, len(keys), putParts, sorts, keys, bodies, blobs, checks); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *saving) keys(ctx context.Context, cp *store.Checkpoint) error {
	if rows := cp.Segments; len(rows) > 0 {
		err := w.put(ctx, len(rows), putSegments,
			column(rows, func(r *store.KeySegment) int64 { return r.Gen }),
			column(rows, func(r *store.KeySegment) int64 { return int64(r.Part) }),
			column(rows, func(r *store.KeySegment) []byte { return r.Data }),
			sums(cp.Stream, rows, segmentSum))
		if err != nil {
			return err
		}
	}
	if err := w.generations(ctx, cp.Stream, cp.Generations); err != nil || cp.DropGenerations == 0 {
		return err
	}
	for _, table := range []string{"key_segments", "key_generations", "key_blocks"} {
		if err := w.put(ctx, 1, fmt.Sprintf(dropGens, table), cp.DropGenerations); err != nil {
			return err
		}
	}
	return nil
}

func (w *saving) generations(ctx context.Context, stream string, rows []store.KeyGeneration) error {
	if len(rows) == 0 {
		return nil
	}
	gens := column(rows, func(r *store.KeyGeneration) int64 { return r.Gen })
	for _, table := range []string{"key_segments", "key_blocks"} {
		if err := w.put(ctx, len(rows), fmt.Sprintf(deleteOfGens, table), gens); err != nil {
			return err
		}
	}
	err := w.put(ctx, len(rows), putGenerations, gens,
		column(rows, func(r *store.KeyGeneration) int64 { return int64(r.End) }),
		column(rows, func(r *store.KeyGeneration) int64 { return int64(r.Count) }),
		column(rows, func(r *store.KeyGeneration) []byte { return r.Filter }),
		sums(stream, rows, generationSum))
	if err != nil {
		return err
	}
	for i := range rows {
		for blocks := range slices.Chunk(rows[i].Blocks, saveRows/64) {
			err := w.put(ctx, len(blocks)*64, putBlocks, rows[i].Gen,
				column(blocks, func(b *store.KeyBlock) []byte { return b.First[:] }),
				column(blocks, func(b *store.KeyBlock) []byte { return b.Data }),
				sums(stream, blocks, func(s sum, b *store.KeyBlock) int64 { return blockSum(s, rows[i].Gen, b.First[:], b.Data) }))
			if err != nil {
				return err
			}
		}
	}
	return nil
}
