package postgres

import (
	"context"
	"slices"
	"unicode/utf8"

	"github.com/bursarhq/bursar/store"
)

const (
	putParts = `INSERT INTO parts (stream, sort, key, body, bytes, sum)
		SELECT $1, * FROM unnest($2::text[], $3::text[], $4::text[], $5::bytea[], $6::bigint[])
		ON CONFLICT (stream, sort, key) DO UPDATE SET body = excluded.body, bytes = excluded.bytes, sum = excluded.sum`
	deleteParts = `DELETE FROM parts WHERE ctid = ANY(ARRAY(
		SELECT p.ctid FROM unnest($2::text[], $3::text[]) q (sort, key)
		CROSS JOIN LATERAL (SELECT ctid FROM parts WHERE stream = $1 AND sort = q.sort AND key = q.key OFFSET 0) p))`
)

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

// isText tells what people can read, and PostgreSQL can store as it is.
func isText(b []byte) bool { return utf8.Valid(b) && !slices.Contains(b, 0) && !slices.Contains(b, 1) }
