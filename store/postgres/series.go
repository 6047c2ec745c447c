package postgres

import (
	"context"
	"slices"

	"github.com/bursarhq/bursar/store"
)

const (
	// bucketsPerHour relates a bucket of the series to the hour it is stored under.
	bucketsPerHour = 4

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
