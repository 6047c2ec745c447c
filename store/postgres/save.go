package postgres

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

const (
	insertSaved = `INSERT INTO checkpoints (stream, seq, hash, now, due)
		SELECT id, 0, ''::bytea, 0, 0 FROM streams WHERE name = $1 ON CONFLICT DO NOTHING`
	// The log must hold the commit that the checkpoint is true at: a node that has not seen
	// yet that the database was restored must not save what is not in its log any more.
	lockSaved = `SELECT p.stream, p.seq, EXISTS (SELECT FROM log l WHERE l.stream = s.id AND l.seq = $2 AND l.hash = $3)::int::bigint, s.saved
		FROM streams s JOIN checkpoints p ON p.stream = s.id WHERE s.name = $1 FOR NO KEY UPDATE OF p`
	updateSaved = "UPDATE checkpoints SET seq = $2, hash = $3, now = $4, due = $5, meta = $6, sum = $7 WHERE stream = $1"
	markSaved   = "UPDATE streams SET saved = $2 WHERE id = $1"
	caughtUp    = "DELETE FROM behind b USING streams s WHERE b.stream = $1 AND s.id = $1 AND s.seq <= s.saved"
)

const (
	// saveRows is how many rows go to the server in one statement, and sendRows in one
	// message.
	saveRows = 4096
	sendRows = 64 * 1024
)

// Save implements store.Store. It waits for another Save of the stream, and touches the
// row that Appends lock only at its end.
func (s *Store) Save(ctx context.Context, cp *store.Checkpoint) error {
	return s.write(ctx, bulkTimeout, func(ctx context.Context, c *conn) error {
		w := saving{c: c, name: cp.Stream}
		if err := w.begin(ctx, cp); err != nil {
			return err
		}
		if err := w.checkpoint(ctx, cp); err != nil {
			return err
		}
		return w.end(ctx, cp)
	})
}

// saving is one transaction of Save.
type saving struct {
	c      *conn
	name   string
	stream int64 // its number
	b      batch // not sent yet
	rows   int   // in it
}

func (w *saving) begin(ctx context.Context, cp *store.Checkpoint) error {
	name, seq, inLog, marked := text(cp.Stream), uint64(0), false, uint64(0)
	var b batch
	b.exec("BEGIN")
	b.exec(patient)
	if cp.Base == 0 {
		b.exec(insertStreams, []string{name})
		b.exec(insertSaved, name)
	}
	b.query(func(r row) error {
		w.stream, seq, inLog, marked = r.int(0), uint64(r.int(1)), r.int(2) == 1, uint64(r.int(3))
		return nil
	}, lockSaved, name, int64(cp.Head.Seq), cp.Head.Hash[:])
	if err := w.c.run(ctx, &b); err != nil {
		return err
	}
	if !inLog {
		return fmt.Errorf("%w: the log does not have commit %d as it was read", store.ErrSuperseded, cp.Head.Seq)
	}
	if !cp.Anew && cp.Head.Seq <= seq || cp.Base != seq {
		return fmt.Errorf("%w: %d on %d, saved is %d", store.ErrSuperseded, cp.Head.Seq, cp.Base, seq)
	}
	if cp.Anew || seq == 0 && marked > 0 { // damaged, or without the row that says where it is
		for _, table := range savedTables {
			w.b.exec("DELETE FROM "+table+" WHERE stream = $1", w.stream)
		}
	}
	return nil
}

// checkpoint puts the rows of cp.
func (w *saving) checkpoint(ctx context.Context, cp *store.Checkpoint) error {
	for _, f := range []func(context.Context, *store.Checkpoint) error{
		w.entities, w.counters, w.assignments, w.totals, w.series, w.holds, w.parts, w.keys,
	} {
		if err := f(ctx, cp); err != nil {
			return err
		}
	}
	return nil
}

func (w *saving) end(ctx context.Context, cp *store.Checkpoint) error {
	w.b.exec(updateSaved, w.stream, int64(cp.Head.Seq), cp.Head.Hash[:], int64(cp.Head.Now), int64(cp.Due), cp.Meta, checkpointSum(cp))
	w.b.exec(markSaved, w.stream, int64(cp.Head.Seq))
	w.b.exec(caughtUp, w.stream)
	return w.c.commit(ctx, &w.b)
}

// put queues a statement for n rows, and sends what is queued when it is much.
func (w *saving) put(ctx context.Context, n int, sql string, args ...any) error {
	w.b.exec(sql, append([]any{w.stream}, args...)...)
	if w.rows += n; w.rows < sendRows {
		return nil
	}
	err := w.c.run(ctx, &w.b)
	w.b, w.rows = batch{}, 0
	return err
}

// column collects one column of rows.
func column[T, V any](rows []T, value func(*T) V) []V {
	vals := make([]V, len(rows))
	for i := range rows {
		vals[i] = value(&rows[i])
	}
	return vals
}

// intsText is the ints as the text of an array, nil for nil.
func intsText[T int | uint32](ints []T) *string {
	if ints == nil {
		return nil
	}
	b := []byte{'{'}
	for i, v := range ints {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, int64(v), 10)
	}
	s := string(append(b, '}'))
	return &s
}

func amountText(a *bursar.Amount) *string {
	if a == nil {
		return nil
	}
	s := a.String()
	return &s
}

const putEntities = `INSERT INTO entities (stream, ord, id, type, parent_ord, name, metadata, created_at, updated_at, archived_at, sum)
	SELECT $1, * FROM unnest($2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::bigint[],
		$9::bigint[], $10::bigint[], $11::bigint[])
	ON CONFLICT (stream, ord) DO UPDATE SET id = excluded.id, type = excluded.type, parent_ord = excluded.parent_ord,
		name = excluded.name, metadata = excluded.metadata, created_at = excluded.created_at,
		updated_at = excluded.updated_at, archived_at = excluded.archived_at,
		sum = excluded.sum`

func (w *saving) entities(ctx context.Context, cp *store.Checkpoint) error {
	for rows := range slices.Chunk(cp.Entities, saveRows) {
		err := w.put(ctx, len(rows), putEntities,
			column(rows, func(r *store.EntityRow) int64 { return int64(r.Ord) }),
			column(rows, func(r *store.EntityRow) string { return text(r.ID) }),
			column(rows, func(r *store.EntityRow) string { return text(r.TypeID) }),
			column(rows, func(r *store.EntityRow) int64 { return int64(r.ParentOrd) }),
			column(rows, func(r *store.EntityRow) *string { return optText(r.Name) }),
			column(rows, func(r *store.EntityRow) *string { return jsonText(r.Metadata) }),
			column(rows, func(r *store.EntityRow) int64 { return int64(r.CreatedAt) }),
			column(rows, func(r *store.EntityRow) int64 { return int64(r.UpdatedAt) }),
			column(rows, func(r *store.EntityRow) int64 { return int64(r.ArchivedAt) }),
			sums(cp.Stream, rows, entitySum))
		if err != nil {
			return err
		}
	}
	return nil
}

const putCounters = `INSERT INTO counters (stream, ord, prev_start, window_start, window_end, previous, used, held, sum)
	SELECT $1, ord, prev_start, window_start, window_end, previous::numeric, used::numeric, held::numeric, sum
	FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[], $7::text[], $8::text[], $9::bigint[])
		q (ord, prev_start, window_start, window_end, previous, used, held, sum)
	ON CONFLICT (stream, ord) DO UPDATE SET prev_start = excluded.prev_start, window_start = excluded.window_start,
		window_end = excluded.window_end, previous = excluded.previous, used = excluded.used, held = excluded.held,
		sum = excluded.sum`

func (w *saving) counters(ctx context.Context, cp *store.Checkpoint) error {
	for rows := range slices.Chunk(cp.Counters, saveRows) {
		err := w.put(ctx, len(rows), putCounters,
			column(rows, func(r *store.CounterRow) int64 { return int64(r.Ord) }),
			column(rows, func(r *store.CounterRow) int64 { return int64(r.PrevStart) }),
			column(rows, func(r *store.CounterRow) int64 { return int64(r.WindowStart) }),
			column(rows, func(r *store.CounterRow) int64 { return int64(r.WindowEnd) }),
			column(rows, func(r *store.CounterRow) string { return r.Previous.String() }),
			column(rows, func(r *store.CounterRow) string { return r.Used.String() }),
			column(rows, func(r *store.CounterRow) string { return r.Held.String() }),
			sums(cp.Stream, rows, counterSum))
		if err != nil {
			return err
		}
	}
	return nil
}

const (
	putAssignments = `INSERT INTO assignments (stream, ord, id, entity_ord, kind, capability, label, scope, usage_limit,
			cadence, timezone, anchor, soft, strict, thresholds, created_at, updated_at, sum)
		SELECT $1, ord, id, entity_ord, kind, capability, label, scope::bigint[], usage_limit::numeric, cadence, timezone,
			anchor, soft, strict, thresholds::bigint[], created_at, updated_at, sum
		FROM unnest($2::bigint[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
				$10::text[], $11::text[], $12::bigint[], $13::boolean[], $14::boolean[], $15::text[], $16::bigint[], $17::bigint[],
				$18::bigint[])
			q (ord, id, entity_ord, kind, capability, label, scope, usage_limit, cadence, timezone, anchor, soft, strict,
				thresholds, created_at, updated_at, sum)
		ON CONFLICT (stream, ord) DO UPDATE SET id = excluded.id, entity_ord = excluded.entity_ord, kind = excluded.kind,
			capability = excluded.capability, label = excluded.label, scope = excluded.scope,
			usage_limit = excluded.usage_limit, cadence = excluded.cadence, timezone = excluded.timezone,
			anchor = excluded.anchor, soft = excluded.soft, strict = excluded.strict, thresholds = excluded.thresholds,
			created_at = excluded.created_at, updated_at = excluded.updated_at, sum = excluded.sum`
	deleteAssignments = "DELETE FROM assignments WHERE stream = $1 AND ord = ANY($2::bigint[])"
	deleteCounters    = "DELETE FROM counters WHERE stream = $1 AND ord = ANY($2::bigint[])"
)

// assignments comes after counters: deleting an assignment deletes its counter.
func (w *saving) assignments(ctx context.Context, cp *store.Checkpoint) error {
	for chunk := range slices.Chunk(cp.Assignments, saveRows) {
		var deleted []int64
		rows := make([]*store.AssignmentRow, 0, len(chunk))
		for i := range chunk {
			if chunk[i].Deleted {
				deleted = append(deleted, int64(chunk[i].Ord))
			} else {
				rows = append(rows, &chunk[i])
			}
		}
		if len(deleted) > 0 {
			for _, sql := range []string{deleteAssignments, deleteCounters} {
				if err := w.put(ctx, len(deleted), sql, deleted); err != nil {
					return err
				}
			}
		}
		if err := w.putAssignments(ctx, cp.Stream, rows); err != nil {
			return err
		}
	}
	return nil
}

func (w *saving) putAssignments(ctx context.Context, stream string, rows []*store.AssignmentRow) error {
	type r = *store.AssignmentRow
	if len(rows) == 0 {
		return nil
	}
	return w.put(ctx, len(rows), putAssignments,
		column(rows, func(a *r) int64 { return int64((*a).Ord) }),
		column(rows, func(a *r) string { return text((*a).ID) }),
		column(rows, func(a *r) int64 { return int64((*a).EntityOrd) }),
		column(rows, func(a *r) string { return kindNames[(*a).Capability.Kind] }),
		column(rows, func(a *r) string { return text((*a).Capability.ID) }),
		column(rows, func(a *r) string { return text((*a).Label) }),
		column(rows, func(a *r) *string { return intsText((*a).Scope) }),
		column(rows, func(a *r) *string { return amountText((*a).Limit) }),
		column(rows, func(a *r) string { return text((*a).Cadence) }),
		column(rows, func(a *r) string { return text((*a).Timezone) }),
		column(rows, func(a *r) *int64 { return (*int64)((*a).Anchor) }),
		column(rows, func(a *r) bool { return (*a).Soft }),
		column(rows, func(a *r) bool { return (*a).Strict }),
		column(rows, func(a *r) *string { return intsText((*a).Thresholds) }),
		column(rows, func(a *r) int64 { return int64((*a).CreatedAt) }),
		column(rows, func(a *r) int64 { return int64((*a).UpdatedAt) }),
		sums(stream, rows, func(s sum, a *r) int64 { return assignmentSum(s, *a) }))
}
