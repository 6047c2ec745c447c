package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bursarhq/bursar/engine"
)

const (
	// bulkTimeout bounds a Load with its visits, and a Save.
	bulkTimeout = 10 * time.Minute

	partRows   = 4096    // rows in a part
	partLength = 1 << 20 // bytes of their values, above which a part ends

	beginLoad = `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY`
	// patient lets the server wait for what a visit takes, and for the rows of a Save.
	patient = `SELECT set_config('statement_timeout', '0', true), set_config('idle_in_transaction_session_timeout', '1min', true),
		set_config('tcp_user_timeout', '0', true)`

	loadHead   = "SELECT seq, hash, now, due, meta FROM checkpoints WHERE stream = " + ofStream
	loadTotals = "SELECT level, entity_ord, kind, capability, value, held, at FROM totals WHERE stream = " + ofStream
	loadHolds  = selectHold + `(SELECT stream, id FROM holds_by_entity WHERE stream = ` + ofStream + ` AND entity_ord = 0 AND status = 'OPEN') e
		CROSS JOIN LATERAL (SELECT * FROM holds WHERE stream = e.stream AND id = e.id OFFSET 0) h ORDER BY e.id`
	loadGens  = `SELECT gen, "end", count, filter FROM key_generations WHERE stream = ` + ofStream + " ORDER BY gen"
	loadParts = "SELECT gen, part, data FROM key_segments WHERE stream = " + ofStream + " ORDER BY gen, part"
)

// Load implements engine.Store. It asks for everything in one message and reads the
// answers, in a snapshot, as they come: what is not taken yet stays with the server.
// Rows of a table come in order of Ord.
func (s *Store) Load(ctx context.Context, stream string, visit func(*engine.Checkpoint) error) error {
	select {
	case s.loads <- struct{}{}:
		defer func() { <-s.loads }()
	case <-ctx.Done():
		return ctx.Err()
	}
	return s.do(ctx, bulkTimeout, func(ctx context.Context, c *conn) error {
		ctx, cancel := context.WithCancel(ctx)
		l := loading{stream: stream, c: c, visit: visit}
		err := l.load(ctx)
		cancel() // where the answers are not all read, nobody is going to
		if err != nil {
			_ = c.Close(ctx)
		}
		return err
	})
}

// loading is one Load.
type loading struct {
	stream string
	c      *conn
	visit  func(*engine.Checkpoint) error
	head   engine.Head
}

func (l *loading) load(ctx context.Context) (err error) {
	name := text(l.stream)
	var b pgx.Batch
	b.Queue(beginLoad)
	b.Queue(patient)
	for _, sql := range []string{loadHead, loadTotals, loadHolds, loadParts, loadGens} {
		b.Queue(sql, name)
	}
	for _, t := range largeTables {
		b.Queue(t.sql, name)
	}
	b.Queue("COMMIT")
	r := l.c.SendBatch(ctx, &b)
	for range 2 {
		if _, err := r.Exec(); err != nil {
			return lost(err)
		}
	}
	first, err := l.first(r)
	if err != nil {
		return err
	}
	if first.Head.Seq > 0 {
		if err := l.visit(first); err != nil {
			return err
		}
	}
	for _, t := range largeTables {
		rows, err := r.Query()
		if err := l.parts(rows, err, t); err != nil {
			return err
		}
	}
	if _, err := r.Exec(); err != nil {
		return lost(err)
	}
	return lost(r.Close())
}

// first is the part that has everything but the large tables. Its Head is zero when
// there is no checkpoint.
func (l *loading) first(r pgx.BatchResults) (*engine.Checkpoint, error) {
	cp := &engine.Checkpoint{Stream: l.stream}
	for _, add := range []func(row) error{
		func(r row) error {
			l.head = engine.Head{Seq: uint64(r.int(0)), Hash: r.id(1), Now: r.time(2)}
			cp.Head, cp.Due, cp.Meta = l.head, r.time(3), r.blob(4)
			return nil
		},
		func(r row) error {
			value, err := r.amount(4)
			held, err2 := r.amount(5)
			cp.Totals = append(cp.Totals, engine.TotalRow{
				Level: r.bool(0), EntityOrd: uint32(r.int(1)), Capability: r.capability(2, 3), Value: value, Held: held, At: r.time(6),
			})
			return errors.Join(err, err2)
		},
		func(r row) error {
			h, err := readHold(r)
			cp.Holds = append(cp.Holds, h)
			return err
		},
		func(r row) error {
			cp.Segments = append(cp.Segments, engine.KeySegment{Gen: r.int(0), Part: uint64(r.int(1)), Data: r.blob(2)})
			return nil
		},
		func(r row) error {
			cp.Generations = append(cp.Generations, engine.KeyGeneration{Gen: r.int(0), End: r.time(1), Count: int(r.int(2)), Filter: r.blob(3)})
			return nil
		},
	} {
		rows, err := r.Query()
		if err := each(rows, err, add); err != nil {
			return nil, err
		}
	}
	return cp, nil
}

// parts gives the rows of t in parts.
func (l *loading) parts(rows pgx.Rows, err error, t table) error {
	cp, n, length := l.part(), 0, 0
	err = each(rows, err, func(r row) error {
		if err := t.add(r, cp); err != nil {
			return err
		}
		for _, v := range r {
			length += len(v)
		}
		if n++; n < partRows && length < partLength {
			return nil
		}
		full := cp
		cp, n, length = l.part(), 0, 0
		return l.visit(full)
	})
	if err != nil || n == 0 {
		return err
	}
	return l.visit(cp)
}

func (l *loading) part() *engine.Checkpoint {
	return &engine.Checkpoint{Stream: l.stream, Head: l.head}
}

// table is one of the large tables of a checkpoint.
type table struct {
	sql string
	add func(r row, cp *engine.Checkpoint) error // the row, to the part
}

var largeTables = [...]table{
	{`SELECT ord, id, type, parent_ord, name, metadata, created_at, updated_at, archived_at
		FROM entities WHERE stream = ` + ofStream + ` ORDER BY ord`, addEntity},
	{`SELECT ord, id, entity_ord, kind, capability, label, scope, usage_limit, cadence, timezone, anchor,
		soft, strict, thresholds, created_at, updated_at FROM assignments WHERE stream = ` + ofStream + ` ORDER BY ord`, addAssignment},
	{`SELECT ord, prev_start, window_start, window_end, previous, used, held
		FROM counters WHERE stream = ` + ofStream + ` ORDER BY ord`, addCounter},
	{"SELECT sort, key, body, bytes FROM parts WHERE stream = " + ofStream + " ORDER BY sort, key", addPart},
}

func addEntity(r row, cp *engine.Checkpoint) error {
	cp.Entities = append(grown(cp.Entities), engine.EntityRow{
		Ord: uint32(r.int(0)), ID: r.text(1), TypeID: r.text(2), ParentOrd: uint32(r.int(3)),
		Name: r.optText(4), Metadata: r.json(5), CreatedAt: r.time(6), UpdatedAt: r.time(7), ArchivedAt: r.time(8),
	})
	return nil
}

func addAssignment(r row, cp *engine.Checkpoint) error {
	limit, err := r.optAmount(7)
	cp.Assignments = append(grown(cp.Assignments), engine.AssignmentRow{
		Ord: uint32(r.int(0)), ID: r.text(1), EntityOrd: uint32(r.int(2)),
		Capability: r.capability(3, 4), Label: r.text(5), Scope: ints[uint32](r[6]),
		Limit: limit, Cadence: r.text(8), Timezone: r.text(9), Anchor: r.optTime(10),
		Soft: r.bool(11), Strict: r.bool(12), Thresholds: ints[int](r[13]), CreatedAt: r.time(14), UpdatedAt: r.time(15),
	})
	return err
}

func addCounter(r row, cp *engine.Checkpoint) error {
	previous, err := r.amount(4)
	used, err2 := r.amount(5)
	held, err3 := r.amount(6)
	if err != nil || err2 != nil || err3 != nil {
		return errors.Join(err, err2, err3)
	}
	cp.Counters = append(grown(cp.Counters), engine.CounterRow{
		Ord: uint32(r.int(0)), PrevStart: r.time(1), WindowStart: r.time(2), WindowEnd: r.time(3),
		Previous: previous, Used: used, Held: held,
	})
	return nil
}

func addPart(r row, cp *engine.Checkpoint) error {
	body := r.blob(2) // as it was: what has to be escaped is in bytes
	if r.null(2) {
		body = r.blob(3)
	}
	cp.Parts = append(cp.Parts, engine.PartRow{Sort: r.text(0), Key: r.text(1), Body: body})
	return nil
}

// grown makes room for a part at once when a slice has outgrown a few rows.
func grown[T any](rows []T) []T {
	if len(rows) != 64 {
		return rows
	}
	return append(make([]T, 0, partRows), rows...)
}
