package postgres

import (
	"context"
	"fmt"
	"slices"

	"github.com/bursarhq/bursar/store"
)

const (
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

	// Deletions of generations go with their segments and blocks.
	deleteOfGens = "DELETE FROM %s WHERE stream = $1 AND gen = ANY($2::bigint[])"
	dropGens     = "DELETE FROM %s WHERE stream = $1 AND gen < $2"
)

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
