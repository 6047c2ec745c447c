package postgres

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/bursarhq/bursar/store"
)

const (
	// bulkTimeout bounds a Load with its visits, and a Save.
	bulkTimeout = 10 * time.Minute

	partRows   = 4096    // rows in a part
	partLength = 1 << 20 // bytes of their values, above which a part ends

	parallelRows = 32 * 1024 // rows above which two connections read
	partsAhead   = 4         // parts read before visit has taken them

	beginLoad = `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY`
	// patient lets the server wait for what a visit takes, and for the rows of a Save.
	patient = `SELECT set_config('statement_timeout', '0', true), set_config('idle_in_transaction_session_timeout', '1min', true),
		set_config('tcp_user_timeout', '0', true)`

	loadHead   = "SELECT p.seq, p.hash, p.now, p.due, p.meta, p.sum, s.saved FROM streams s LEFT JOIN checkpoints p ON p.stream = s.id WHERE s.name = $1"
	loadTotals = "SELECT level, entity_ord, kind, capability, value, held, at, sum FROM totals WHERE stream = " + ofStream
	loadHolds  = selectHold + `(SELECT stream, id FROM holds_by_entity WHERE stream = ` + ofStream + ` AND entity_ord = 0 AND status = 'OPEN') e
		CROSS JOIN LATERAL (SELECT * FROM holds WHERE stream = e.stream AND id = e.id OFFSET 0) h ORDER BY e.id`
	loadSize = `SELECT coalesce((SELECT max(ord) FROM entities WHERE stream = s.id), 0) +
		coalesce((SELECT max(ord) FROM assignments WHERE stream = s.id), 0) FROM streams s WHERE name = $1`
	loadGens     = `SELECT gen, "end", count, filter, sum FROM key_generations WHERE stream = ` + ofStream + " ORDER BY gen"
	loadSegments = "SELECT gen, part, data, sum FROM key_segments WHERE stream = " + ofStream + " ORDER BY gen, part"
)

// Load implements store.Store. It asks for everything in few messages and reads the
// answers, in a snapshot, as they come: what is not taken yet stays with the server.
// Rows of a table come in order of Ord; parts of different tables come in any order
// after the first.
func (s *Store) Load(ctx context.Context, stream string, visit func(*store.Checkpoint) error) error {
	select {
	case s.loads <- struct{}{}:
		defer func() { <-s.loads }()
	case <-ctx.Done():
		return ctx.Err()
	}
	return s.do(ctx, bulkTimeout, func(ctx context.Context, c *conn) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		l := loading{s: s, stream: stream, c: c}
		return l.load(ctx, func(cp *store.Checkpoint) error {
			err := visit(cp)
			if err != nil {
				cancel() // nobody is going to read the rest
			}
			return err
		})
	})
}

// loading is one Load. Its connection is in a transaction.
type loading struct {
	s      *Store
	stream string
	c      *conn
	head   store.Head
	rows   int64 // in the large tables, about
}

type give func(*store.Checkpoint) error

func (l *loading) load(ctx context.Context, visit give) error {
	first, err := l.first(ctx)
	if err != nil {
		return err
	}
	if l.head.Seq > 0 {
		if err := visit(first); err != nil {
			return err
		}
		if err := l.rest(ctx, visit); err != nil {
			return err
		}
	}
	return l.c.rollback(ctx)
}

// first is the part that has everything but the large tables.
func (l *loading) first(ctx context.Context) (*store.Checkpoint, error) {
	cp := &store.Checkpoint{Stream: l.stream}
	name := text(l.stream)
	var b batch
	b.exec(beginLoad)
	b.exec(patient)
	b.query(func(r row) (err error) {
		if r.null(0) {
			return savedAt(l.stream, 0, r.int(6))
		}
		cp, err = readHead(l.stream, r)
		l.head = cp.Head
		return cmp.Or(err, savedAt(l.stream, r.int(0), r.int(6)))
	}, loadHead, name)
	b.query(func(r row) error {
		l.rows = r.int(0)
		return nil
	}, loadSize, name)
	b.query(func(r row) error { return addTotal(r, cp) }, loadTotals, name)
	b.query(func(r row) error { return addHold(r, cp) }, loadHolds, name)
	b.query(func(r row) error { return addSegment(r, cp) }, loadSegments, name)
	b.query(func(r row) error {
		g, err := readGeneration(l.stream, r)
		cp.Generations = append(cp.Generations, g)
		return err
	}, loadGens, name)
	err := l.c.run(ctx, &b)
	return cp, err
}

// rest gives the large tables, the first of which may be read on a connection of its own.
func (l *loading) rest(ctx context.Context, visit give) error {
	if l.rows < parallelRows {
		return l.tables(ctx, l.c, &batch{}, largeTables[:], visit)
	}
	select {
	case l.s.loads <- struct{}{}:
		defer func() { <-l.s.loads }()
	default:
		return l.tables(ctx, l.c, &batch{}, largeTables[:], visit)
	}
	moved, err := l.parallel(ctx, visit)
	if err == nil && moved {
		err = l.tables(ctx, l.c, &batch{}, largeTables[:1], visit)
	}
	return err
}

// parallel reads the first table beside the others. When the checkpoint has moved on
// meanwhile, it gives nothing of the first.
func (l *loading) parallel(ctx context.Context, visit give) (moved bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	parts := make(chan *store.Checkpoint, partsAhead)
	hand := func(cp *store.Checkpoint) error {
		select {
		case parts <- cp:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	var lanes sync.WaitGroup
	var errs [2]error
	lanes.Go(func() { errs[0] = l.tables(ctx, l.c, &batch{}, largeTables[1:], hand) })
	lanes.Go(func() {
		errs[1] = l.s.do(ctx, bulkTimeout, func(ctx context.Context, c *conn) error { return l.beside(ctx, c, largeTables[:1], hand) })
	})
	go func() {
		lanes.Wait()
		close(parts)
	}()
	for cp := range parts {
		if err == nil {
			if err = visit(cp); err != nil {
				cancel()
			}
		}
	}
	if errors.Is(errs[1], errMoved) {
		moved, errs[1] = true, nil
	}
	return moved, cmp.Or(err, errs[0], errs[1])
}

var errMoved = errors.New("the checkpoint has moved on")

// beside reads tables on another connection. It needs no lock to see the same: what
// belongs to a checkpoint changes with its seq only.
func (l *loading) beside(ctx context.Context, c *conn, which []table, hand give) error {
	var b batch
	b.exec(beginLoad)
	b.exec(patient)
	b.query(func(r row) error {
		if r.null(0) || uint64(r.int(0)) != l.head.Seq {
			return errMoved
		}
		return nil
	}, loadHead, text(l.stream))
	if err := l.tables(ctx, c, &b, which, hand); err != nil {
		return err
	}
	return c.rollback(ctx)
}

// tables gives the rows of tables in parts, with what b begins with.
func (l *loading) tables(ctx context.Context, c *conn, b *batch, which []table, hand give) error {
	all := make([]*parts, len(which))
	for i, t := range which {
		all[i] = &parts{l: l, add: t.add, give: hand}
		b.query(all[i].row, t.sql, text(l.stream))
	}
	if err := c.run(ctx, b); err != nil {
		return err
	}
	for _, p := range all {
		if err := p.end(); err != nil {
			return err
		}
	}
	return nil
}

// parts makes parts of the rows of a table.
type parts struct {
	l         *loading
	add       func(row, *store.Checkpoint) error
	give      give
	cp        *store.Checkpoint
	n, length int // rows in cp, and bytes
}

func (p *parts) row(r row) error {
	if p.cp == nil {
		p.cp, p.n, p.length = &store.Checkpoint{Stream: p.l.stream, Head: p.l.head}, 0, 0
	}
	if err := p.add(r, p.cp); err != nil {
		return err
	}
	for _, v := range r {
		p.length += len(v)
	}
	if p.n++; p.n < partRows && p.length < partLength {
		return nil
	}
	return p.end()
}

func (p *parts) end() error {
	cp := p.cp
	if p.cp = nil; cp == nil {
		return nil
	}
	return p.give(cp)
}
