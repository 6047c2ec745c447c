package sqlite

import (
	"context"
	"fmt"
	"slices"

	"github.com/bursarhq/bursar/store"
)

const (
	// The newest block that begins below an id, up to an id, or before an instant.
	selectBelow  = "SELECT n FROM activity_blocks WHERE stream = ? AND first < ? ORDER BY first DESC LIMIT 1"
	selectUpTo   = "SELECT n FROM activity_blocks WHERE stream = ? AND first <= ? ORDER BY first DESC LIMIT 1"
	selectBefore = "SELECT n FROM activity_blocks WHERE stream = ? AND earliest < ? ORDER BY earliest DESC, n DESC LIMIT 1"
	selectBlocks = "SELECT b.n, b.length, b.data FROM activity_blocks b WHERE b.stream = ?1 AND b.n BETWEEN ?2 AND ?3"
	// SQLite looks for the entity's blocks first, and has them in order.
	selectOf = `SELECT e.n, b.length, b.data FROM activity_entities e CROSS JOIN activity_blocks b ON b.stream = e.stream AND b.n = e.n
		WHERE e.stream = ?1 AND e.n BETWEEN ?2 AND ?3 AND e.entity_id = ?4`
	// SQLite has all blocks of all the entities before the first one is read.
	selectOfAny = `SELECT b.n, b.length, b.data FROM (SELECT DISTINCT n FROM activity_entities
		WHERE stream = ?1 AND n BETWEEN ?2 AND ?3 AND entity_id IN (SELECT value FROM json_each(?4))) b1
		JOIN activity_blocks b ON b.stream = ?1 AND b.n = b1.n WHERE true`

	// Entries of many entities are looked for in so many blocks first, then in twice as many each time.
	searchBlocks = 64
	// blockSeeks is how many ids are looked up in the time that a block is read in.
	blockSeeks = 32
)

// activitySearch is one search of the blocks.
type activitySearch struct {
	q     *store.ActivityQuery
	ids   map[string]struct{} // of q; nil = any
	found []store.Activity
	// What it took: blocks that were read, and ids that were looked up to find them.
	read, seeks int
}

func newActivitySearch(q *store.ActivityQuery) *activitySearch {
	f := &activitySearch{q: q}
	if q.EntityIDs != nil {
		f.ids = make(map[string]struct{}, len(q.EntityIDs))
		for _, id := range q.EntityIDs {
			f.ids[id] = struct{}{}
		}
		delete(f.ids, "") // entries of no entity
	}
	return f
}

// blocks finds what blocks have of what is asked for, up to its limit.
func (f *activitySearch) blocks(ctx context.Context, c *conn, stream int64) error {
	from, to, err := f.bounds(ctx, c, stream)
	switch {
	case err != nil:
		return err
	case f.q.EntityID != "":
		return f.visit(ctx, c, selectOf, stream, from, to, f.q.EntityID)
	case f.ids == nil:
		return f.visit(ctx, c, selectBlocks, stream, from, to)
	}
	ids := jsonOf(f.q.EntityIDs)
	for n := int64(searchBlocks); from <= to && !f.full(); n *= 2 {
		first, last := max(from, to-n+1), to
		if f.q.Above != "" {
			first, last = from, min(to, from+n-1)
			from = last + 1
		} else {
			to = first - 1
		}
		if int64(len(f.ids)) > (last-first+1)*blockSeeks {
			err = f.visit(ctx, c, selectBlocks, stream, first, last)
		} else {
			f.seeks += len(f.ids)
			err = f.visit(ctx, c, selectOfAny, stream, first, last, ids)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (f *activitySearch) full() bool { return f.q.Limit > 0 && len(f.found) >= f.q.Limit }

// bounds are the numbers of the first and the last block that may have what is asked for.
func (f *activitySearch) bounds(ctx context.Context, c *conn, stream int64) (from, to int64, err error) {
	q := f.q
	number := func(sql string, args ...any) (n int64) {
		if err == nil {
			err = c.query(ctx, func(r row) error {
				n = r.int(0)
				return nil
			}, sql, args...)
		}
		return n
	}
	from, to = 1, number(selectNewest, stream)
	if q.Below != "" {
		to = min(to, number(selectBelow, stream, q.Below))
	}
	if q.To != 0 {
		to = min(to, number(selectBefore, stream, q.To))
	}
	if q.Above != "" {
		from = max(from, number(selectUpTo, stream, q.Above))
	}
	if q.From != 0 {
		from = max(from, number(selectBefore, stream, q.From))
	}
	return from, to, err
}

// visit reads the blocks that sql selects, from the end that the limit is counted from.
func (f *activitySearch) visit(ctx context.Context, c *conn, sql string, args ...any) error {
	q := f.q
	for _, text := range []string{q.Action, q.ActorID} {
		if text != "" {
			args = append(args, jsonOf(text))
			sql += fmt.Sprintf(" AND (b.told IS NULL OR instr(b.told, ?%d) > 0)", len(args))
		}
	}
	sql += " ORDER BY 1"
	if q.Above == "" {
		sql += " DESC"
	}
	return c.query(ctx, func(r row) error {
		entries, err := readActivityBlock(r)
		if err != nil {
			return err
		}
		f.read++
		if q.Above == "" {
			slices.Reverse(entries)
		}
		for i := range entries {
			if !f.selects(&entries[i]) {
				continue
			}
			if f.found = append(f.found, entries[i]); f.full() {
				return errStop
			}
		}
		return nil
	}, sql, args...)
}

// selects tells whether e is asked for.
func (f *activitySearch) selects(e *store.Activity) bool {
	if f.ids != nil {
		if _, ok := f.ids[e.EntityID]; !ok {
			return false
		}
	}
	q := f.q
	return (q.EntityID == "" || e.EntityID == q.EntityID) &&
		(q.Action == "" || e.Action == q.Action) && (q.ActorID == "" || e.ActorID == q.ActorID) &&
		(q.From == 0 || e.Timestamp >= q.From) && (q.To == 0 || e.Timestamp < q.To) &&
		(q.Below == "" || e.ID < q.Below) && (q.Above == "" || e.ID > q.Above)
}
