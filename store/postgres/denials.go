package postgres

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

const (
	insertDenials = `INSERT INTO denials (customer, at, id, tags, body, sum)
		SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::bytea[], $6::bigint[]) ON CONFLICT DO NOTHING`
	insertDenialTags = `INSERT INTO denial_tags (customer, tag, at, id)
		SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[]) ON CONFLICT DO NOTHING`
	putDenialCounts = `INSERT INTO denial_counts AS c (customer, hour, key, bound, grp, denied, kept, last)
		SELECT * FROM unnest($1::text[], $2::bigint[], $3::bytea[], $4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::bigint[])
		ON CONFLICT (customer, hour, key) DO UPDATE SET denied = excluded.denied, kept = excluded.kept, last = excluded.last
		WHERE c.denied <= excluded.denied`
	selectDenials = "SELECT d.id, d.at, d.tags, d.body, d.sum FROM "
	// The places of those that have one of the tags, up to as many as are asked for.
	taggedDenials = `(%s) t CROSS JOIN LATERAL (SELECT * FROM denials WHERE customer = t.customer AND at = t.at AND id = t.id OFFSET 0) d`
	// Figures of a sum are numerics unless they are cast.
	selectDenialCounts = `SELECT hour, bound, grp, sum(denied)::bigint, sum(kept)::bigint, max(last) FROM denial_counts
		WHERE customer = $1 AND hour >= $2 AND hour < $3 AND key <> ALL($4::bytea[]) GROUP BY hour, bound, grp ORDER BY hour, bound, grp`
	selectMostDenied = `SELECT customer, bound, sum(denied)::bigint n, sum(kept)::bigint, max(last) l FROM denial_counts WHERE hour >= $1 AND bound <> '' AND key <> ALL($3::bytea[])
		GROUP BY customer, bound ORDER BY n DESC, l DESC, customer, bound LIMIT $2`
	trimDenialTags   = "DELETE FROM denial_tags WHERE ctid = ANY(ARRAY(SELECT ctid FROM denial_tags WHERE at < $1 ORDER BY at LIMIT $2))"
	trimDenials      = "DELETE FROM denials WHERE ctid = ANY(ARRAY(SELECT ctid FROM denials WHERE at < $1 ORDER BY at LIMIT $2))"
	trimDenialCounts = "DELETE FROM denial_counts WHERE ctid = ANY(ARRAY(SELECT ctid FROM denial_counts WHERE hour < $1 ORDER BY hour LIMIT $2))"
)

// denialSum is that of a sample, with its tags as they are stored.
func denialSum(r *store.DenialRow, tags string) int64 {
	return int64(sum(0).text(r.CustomerID).int(int64(r.At)).text(r.ID).text(tags).bytes(r.Body))
}

// SaveDenials implements store.Store. Counts have no checksums: they are only ever summed.
func (s *Store) SaveDenials(ctx context.Context, rows []store.DenialRow, counts []store.DenialCount) error {
	type tag struct {
		of   *store.DenialRow
		text string
	}
	var tagged []tag
	tags, sums := make([]string, len(rows)), make([]int64, len(rows))
	for i := range rows {
		b, err := json.Marshal(rows[i].Tags)
		if err != nil {
			return err
		}
		tags[i] = text(string(b))
		sums[i] = denialSum(&rows[i], string(b))
		for _, t := range rows[i].Tags {
			tagged = append(tagged, tag{&rows[i], t})
		}
	}
	customer, at, id := func(r *store.DenialRow) string { return text(r.CustomerID) }, func(r *store.DenialRow) int64 { return int64(r.At) }, func(r *store.DenialRow) string { return text(r.ID) }
	return s.transact(ctx, func(_ context.Context, _ *conn, b *batch) error {
		if len(rows) > 0 {
			b.exec(insertDenials, column(rows, customer), column(rows, at), column(rows, id), tags, column(rows, func(r *store.DenialRow) []byte { return r.Body }), sums)
			b.exec(insertDenialTags, column(tagged, func(t *tag) string { return customer(t.of) }), column(tagged, func(t *tag) string { return text(t.text) }),
				column(tagged, func(t *tag) int64 { return at(t.of) }), column(tagged, func(t *tag) string { return id(t.of) }))
		}
		if len(counts) > 0 {
			b.exec(putDenialCounts, column(counts, func(c *store.DenialCount) string { return text(c.CustomerID) }), column(counts, func(c *store.DenialCount) int64 { return int64(c.Hour) }),
				column(counts, (*store.DenialCount).Key), column(counts, func(c *store.DenialCount) string { return text(c.Limit) }),
				column(counts, func(c *store.DenialCount) string { return text(c.Group) }), column(counts, func(c *store.DenialCount) int64 { return int64(c.Denied) }),
				column(counts, func(c *store.DenialCount) int64 { return int64(c.Kept) }), column(counts, func(c *store.DenialCount) int64 { return int64(c.Last) }))
		}
		return nil
	})
}

// Denials implements store.Store.
func (s *Store) Denials(ctx context.Context, q store.DenialQuery) (rows []store.DenialRow, err error) {
	var w where
	order := q.Where(w.and)
	sql, args := w.query(selectDenials+"denials d", " ORDER BY at"+order+", id"+order, q.Limit)
	if q.Tags != nil {
		w.and("tag = ANY(?::text[])", texts(q.Tags))
		sql, args = w.query("SELECT DISTINCT customer, at, id FROM denial_tags", " ORDER BY at"+order+", id"+order, q.Limit)
		sql = selectDenials + fmt.Sprintf(taggedDenials, sql) + " ORDER BY d.at" + order + ", d.id" + order
	}
	err = s.read(ctx, func(r row) error {
		d := store.DenialRow{CustomerID: q.CustomerID, ID: r.text(0), At: r.time(1), Body: r.blob(3)}
		tags := r.text(2)
		err := r.intact(4, "", denialSum(&d, tags), fmt.Sprintf("of the denials of %q,", q.CustomerID), d.ID, json.Unmarshal([]byte(tags), &d.Tags))
		rows = append(rows, d)
		return err
	}, sql, args...)
	return q.Newest(rows), err
}

// DenialCounts implements store.Store.
func (s *Store) DenialCounts(ctx context.Context, customer string, from, to bursar.Time, except [][]byte, visit func(store.DenialCount) error) error {
	return s.read(ctx, func(r row) error {
		return visit(store.DenialCount{CustomerID: customer, Hour: r.time(0), Limit: r.text(1), Group: r.text(2), Denied: uint64(r.int(3)), Kept: uint64(r.int(4)), Last: r.time(5)})
	}, selectDenialCounts, text(customer), int64(from), int64(to), append([][]byte{}, except...))
}

// MostDenied implements store.Store.
func (s *Store) MostDenied(ctx context.Context, from bursar.Time, except [][]byte, limit int) (list []store.DenialCount, err error) {
	err = s.read(ctx, func(r row) error {
		list = append(list, store.DenialCount{CustomerID: r.text(0), Limit: r.text(1), Denied: uint64(r.int(2)), Kept: uint64(r.int(3)), Last: r.time(4)})
		return nil
	}, selectMostDenied, int64(from), rowLimit(limit), append([][]byte{}, except...))
	return list, err
}

// TrimDenials implements store.Store, in several transactions: an error may come when a part is
// trimmed.
func (s *Store) TrimDenials(ctx context.Context, before bursar.Time, limit int) (n int, err error) {
	for _, sql := range []string{trimDenialTags, trimDenials, trimDenialCounts} {
		err = s.write(ctx, s.opts.Slow, func(ctx context.Context, c *conn) error {
			tag, err := c.Exec(ctx, sql, int64(before), int64(limit))
			n += int(tag.RowsAffected())
			return lost(err)
		})
		if err != nil {
			return n, fmt.Errorf("trimming the denials: %w", err)
		}
	}
	return n, nil
}
