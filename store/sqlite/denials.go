package sqlite

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

const (
	insertDenial    = "INSERT OR IGNORE INTO denials (customer, at, id, tags, body) VALUES (?, ?, ?, ?, ?)"
	insertDenialTag = "INSERT OR IGNORE INTO denial_tags (customer, tag, at, id) VALUES (?, ?, ?, ?)"
	putDenialCount  = `INSERT INTO denial_counts (customer, hour, key, bound, grp, denied, kept, last) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET denied = excluded.denied, kept = excluded.kept, last = excluded.last WHERE denied <= excluded.denied`
	selectDenials = "SELECT d.id, d.at, d.tags, d.body FROM "
	// The places of those that have one of the tags, up to as many as are asked for.
	taggedDenials = `(SELECT DISTINCT at, id FROM denial_tags%s ORDER BY at%s, id%[2]s LIMIT ?) t
		CROSS JOIN denials d ON d.customer = ? AND d.at = t.at AND d.id = t.id`
	selectDenialCounts = `SELECT hour, bound, grp, sum(denied), sum(kept), max(last) FROM denial_counts WHERE customer = ? AND hour >= ? AND hour < ?` + exceptKeys + `
		GROUP BY hour, bound, grp ORDER BY hour, bound, grp`
	selectMostDenied = `SELECT customer, bound, sum(denied) n, sum(kept), max(last) l FROM denial_counts WHERE hour >= ? AND bound <> ''` + exceptKeys + `
		GROUP BY customer, bound ORDER BY n DESC, l DESC, customer, bound LIMIT ?`
	exceptKeys       = " AND hex(key) NOT IN (SELECT value FROM json_each(?))"
	trimDenialTags   = "DELETE FROM denial_tags WHERE (customer, tag, at, id) IN (SELECT customer, tag, at, id FROM denial_tags WHERE at < ? ORDER BY at LIMIT ?)"
	trimDenials      = "DELETE FROM denials WHERE n IN (SELECT n FROM denials WHERE at < ? ORDER BY at LIMIT ?)"
	trimDenialCounts = "DELETE FROM denial_counts WHERE (customer, hour, key) IN (SELECT customer, hour, key FROM denial_counts WHERE hour < ? ORDER BY hour LIMIT ?)"
)

// denialTrimBatch is how many rows one transaction of TrimDenials deletes.
const denialTrimBatch = 512

// SaveDenials implements store.Store.
func (s *Store) SaveDenials(ctx context.Context, rows []store.DenialRow, counts []store.DenialCount) error {
	work := 2 * (len(rows) + len(counts)) * pageSize
	for i := range rows {
		work += len(rows[i].Body)
	}
	return s.writeOutbox(ctx, work, func(c *conn) error {
		for i := range rows {
			r := &rows[i]
			tags, err := json.Marshal(r.Tags)
			if err != nil {
				return err
			}
			if err := c.exec(insertDenial, r.CustomerID, r.At, r.ID, string(tags), r.Body); err != nil {
				return err
			}
			for _, tag := range r.Tags {
				if err := c.exec(insertDenialTag, r.CustomerID, tag, r.At, r.ID); err != nil {
					return err
				}
			}
		}
		return each(c, putDenialCount, counts, func(x *store.DenialCount) []any {
			return []any{x.CustomerID, x.Hour, x.Key(), x.Limit, x.Group, x.Denied, x.Kept, x.Last}
		})
	})
}

// Denials implements store.Store.
func (s *Store) Denials(ctx context.Context, q store.DenialQuery) (rows []store.DenialRow, err error) {
	sql, args, err := denialsSQL(&q)
	if err != nil {
		return nil, err
	}
	err = s.read(ctx, s.logReaders, func(c *conn) error {
		return c.query(ctx, func(r row) error {
			d := store.DenialRow{CustomerID: q.CustomerID, ID: r.text(0), At: bursar.Time(r.int(1)), Body: r.blob(3)}
			if err := json.Unmarshal(r.blob(2), &d.Tags); err != nil {
				return err
			}
			rows = append(rows, d)
			return nil
		}, sql, args...)
	})
	return q.Newest(rows), err
}

func denialsSQL(q *store.DenialQuery) (sql string, args []any, err error) {
	var w where
	order := q.Where(w.and)
	from := "denials d" + w.text()
	if q.Tags != nil {
		tags, err := json.Marshal(q.Tags)
		if err != nil {
			return "", nil, err
		}
		w.and("tag IN (SELECT value FROM json_each(?))", string(tags))
		from = fmt.Sprintf(taggedDenials, w.text(), order)
		w.args = append(w.args, rowLimit(q.Limit), q.CustomerID)
	}
	return selectDenials + from + " ORDER BY d.at" + order + ", d.id" + order + " LIMIT ?", append(w.args, rowLimit(q.Limit)), nil
}

// hexKeys is keys as exceptKeys takes them.
func hexKeys(keys [][]byte) string {
	var b strings.Builder
	for i, k := range keys {
		fmt.Fprintf(&b, `%.*s"%X"`, min(i, 1), ",", k)
	}
	return "[" + b.String() + "]"
}

// DenialCounts implements store.Store.
func (s *Store) DenialCounts(ctx context.Context, customer string, from, to bursar.Time, except [][]byte, visit func(store.DenialCount) error) error {
	return s.read(ctx, s.logReaders, func(c *conn) error {
		return c.query(ctx, func(r row) error {
			return visit(store.DenialCount{CustomerID: customer, Hour: bursar.Time(r.int(0)), Limit: r.text(1), Group: r.text(2),
				Denied: uint64(r.int(3)), Kept: uint64(r.int(4)), Last: bursar.Time(r.int(5))})
		}, selectDenialCounts, customer, from, to, hexKeys(except))
	})
}

// MostDenied implements store.Store.
func (s *Store) MostDenied(ctx context.Context, from bursar.Time, except [][]byte, limit int) (list []store.DenialCount, err error) {
	err = s.read(ctx, s.logReaders, func(c *conn) error {
		return c.query(ctx, func(r row) error {
			list = append(list, store.DenialCount{CustomerID: r.text(0), Limit: r.text(1), Denied: uint64(r.int(2)), Kept: uint64(r.int(3)), Last: bursar.Time(r.int(4))})
			return nil
		}, selectMostDenied, from, hexKeys(except), rowLimit(limit))
	})
	return list, err
}

// TrimDenials implements store.Store, in several transactions: an error may come when a part is
// trimmed.
func (s *Store) TrimDenials(ctx context.Context, before bursar.Time, limit int) (n int, err error) {
	for _, sql := range []string{trimDenialTags, trimDenials, trimDenialCounts} {
		for left := limit; left > 0; {
			some := min(left, denialTrimBatch)
			var gone int64
			err := s.writeOutbox(ctx, some*2*pageSize, func(c *conn) error {
				st, err := c.prepare(sql)
				if err == nil {
					gone, err = st.exec(before, some)
				}
				return err
			})
			if err != nil {
				return n, err
			}
			if n, left = n+int(gone), left-int(gone); int(gone) < some {
				break
			}
		}
	}
	return n, nil
}
