package sqlite

import (
	"cmp"
	"context"
	"fmt"
	"sync"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

const (
	partRows     = 4096      // rows in a part
	partLength   = 1 << 20   // bytes of their blobs, above which a part ends
	parallelRows = 16 * 1024 // rows above which the large tables are read side by side
	partsAhead   = 4         // parts read before visit has taken them
)

// Load implements store.Store. A checkpoint that is not on the log, because that was
// restored from an older copy, is dropped. Where there is none it is made of the stream's
// base, if that has one. Rows of a table come in order of Ord; parts of different tables
// come in any order after the first.
func (s *Store) Load(ctx context.Context, stream string, visit func(*store.Checkpoint) error) error {
	found, err := s.load(ctx, stream, visit)
	if err != nil || found {
		return err
	}
	if based, err := s.rebase(ctx, stream); err != nil || !based {
		return err
	}
	_, err = s.load(ctx, stream, visit)
	return err
}

// load loads the checkpoint that state.db has, if there is one on the log.
func (s *Store) load(ctx context.Context, stream string, visit func(*store.Checkpoint) error) (found bool, err error) {
	if err := s.Err(); err != nil {
		return false, err
	}
	l, err := s.loaders.take(ctx)
	if err != nil {
		return false, err
	}
	defer s.loaders.give(l)
	offLog := false
	err = s.read(ctx, s.stateReaders, func(c *conn) (err error) {
		v, err := l.open(ctx, c, stream)
		if found = v != nil && v.id != 0; err != nil || !found {
			return cmp.Or(err, v.end())
		}
		defer func() { err = cmp.Or(err, v.end()) }()
		onLog, _, err := s.onLog(ctx, stream, v.head)
		if offLog = !onLog; err != nil || offLog {
			return err
		}
		return v.load(ctx, visit)
	})
	if err == nil && offLog {
		return false, s.drop(ctx, stream)
	}
	return found, err
}

// view is a checkpoint as of one moment, seen through several connections.
type view struct {
	stream string
	id     int64 // 0 if there is none
	head   store.Head
	rows   [len(largeTables)]int // in each of them, about
	c      *conn
	lanes  []*bulk // one, or one for each of largeTables
}

// open begins a transaction on each connection. They need no lock to see the same:
// what belongs to a checkpoint changes with its seq only.
func (l *loader) open(ctx context.Context, c *conn, stream string) (*view, error) {
	for {
		v := &view{stream: stream, c: c}
		same, err := l.tryOpen(ctx, v)
		if err != nil || same {
			return v, err
		}
		if err := v.end(); err != nil {
			return v, err
		}
	}
}

func (l *loader) tryOpen(ctx context.Context, v *view) (same bool, err error) {
	if err := cmp.Or(ctx.Err(), v.c.exec("BEGIN")); err != nil {
		return false, err
	}
	if v.id, v.head, err = savedHead(ctx, v.c, v.stream); err != nil || v.id == 0 {
		return true, err
	}
	lanes, sum := 1, 0
	for i, t := range largeTables {
		err := v.c.query(ctx, func(r row) error {
			v.rows[i] = int(r.int(0))
			return nil
		}, t.size, v.id)
		if err != nil {
			return false, err
		}
		sum += v.rows[i]
	}
	if sum > parallelRows {
		lanes = len(largeTables)
	}
	for i := range lanes {
		b, err := l.lane(i)
		if err != nil {
			return false, err
		}
		if err := b.exec("BEGIN"); err != nil {
			return false, err
		}
		v.lanes = append(v.lanes, b)
		seq, err := b.int("SELECT seq FROM checkpoints WHERE id = ?", v.id)
		if err != nil || uint64(seq) != v.head.Seq {
			return false, err
		}
	}
	return true, nil
}

// end ends the transactions.
func (v *view) end() error {
	err := v.c.exec("ROLLBACK")
	for _, b := range v.lanes {
		err = cmp.Or(err, b.exec("ROLLBACK"))
	}
	return err
}

func (v *view) load(ctx context.Context, visit func(*store.Checkpoint) error) error {
	first, err := v.first(ctx)
	if err != nil {
		return err
	}
	if err := visit(first); err != nil {
		return err
	}
	if len(v.lanes) > 1 {
		return v.parallel(ctx, visit)
	}
	for i, t := range largeTables {
		err := v.read(ctx, v.lanes[0], t, v.rows[i], func(cp *store.Checkpoint) (*store.Checkpoint, error) { return cp, visit(cp) })
		if err != nil {
			return err
		}
	}
	return nil
}

// parallel reads each table on its own connection while visit works on earlier parts.
func (v *view) parallel(ctx context.Context, visit func(*store.Checkpoint) error) error {
	var readers sync.WaitGroup
	defer readers.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type part struct {
		cp   *store.Checkpoint
		back chan<- *store.Checkpoint // to be used again
	}
	parts := make(chan part, partsAhead)
	errs := make([]error, len(largeTables))
	for i, t := range largeTables {
		readers.Go(func() {
			back := make(chan *store.Checkpoint, partsAhead+1)
			errs[i] = v.read(ctx, v.lanes[i], t, v.rows[i], func(cp *store.Checkpoint) (*store.Checkpoint, error) {
				select {
				case parts <- part{cp, back}:
				case <-ctx.Done():
					return nil, ctx.Err()
				}
				select {
				case cp = <-back:
				default:
					cp = new(store.Checkpoint)
				}
				return cp, nil
			})
		})
	}
	go func() {
		readers.Wait()
		close(parts)
	}()
	for p := range parts {
		if err := visit(p.cp); err != nil {
			return err
		}
		select {
		case p.back <- p.cp:
		default:
		}
	}
	return cmp.Or(errs...)
}

// read gives the rows of t, about rows, in parts. give tells which part may be used for the next.
func (v *view) read(ctx context.Context, b *bulk, t table, rows int, give func(*store.Checkpoint) (*store.Checkpoint, error)) error {
	c, err := b.query(t.sql, v.id)
	if err != nil {
		return err
	}
	defer c.close()
	cp := new(store.Checkpoint)
	for more := rows > 0; more; {
		*cp = store.Checkpoint{Stream: v.stream, Head: v.head, Entities: cp.Entities[:0], Assignments: cp.Assignments[:0], Counters: cp.Counters[:0], Parts: cp.Parts[:0]}
		n := 0
		for c.taken = 0; more && n < partRows && c.taken < partLength; {
			if more, err = c.next(); err == nil && more {
				err = t.add(c, cp, min(rows, partRows))
				n += t.each
			}
			if err != nil {
				return fmt.Errorf("the checkpoint of stream %q: %w", v.stream, err)
			}
		}
		if n == 0 {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if cp, err = give(cp); err != nil {
			return err
		}
	}
	return nil
}

// first is the part that has everything but the large tables.
func (v *view) first(ctx context.Context) (*store.Checkpoint, error) {
	cp := &store.Checkpoint{Stream: v.stream, Head: v.head}
	var d decoder
	for _, q := range []struct {
		sql string
		add func(row) error
	}{
		{"SELECT due, meta FROM checkpoints WHERE id = ?", func(r row) error {
			cp.Due, cp.Meta = bursar.Time(r.int(0)), r.blob(1)
			return nil
		}},
		{"SELECT level, entity_ord, kind, capability, value, held, at FROM totals WHERE stream = ?", func(r row) error {
			cp.Totals = append(cp.Totals, store.TotalRow{
				Level: r.int(0) != 0, EntityOrd: uint32(r.int(1)), Capability: capability(r.text(2), r.text(3)),
				Value: d.amount(r.text(4)), Held: d.amount(r.text(5)), At: bursar.Time(r.int(6)),
			})
			return d.err
		}},
		{selectListedOf + "? AND e.entity_ord = 0 AND e.status = 'OPEN' ORDER BY e.id", func(r row) error {
			h, err := readHold(r)
			cp.Holds = append(cp.Holds, h)
			return err
		}},
		{"SELECT gen, part, data FROM key_segments WHERE stream = ? ORDER BY gen, part", func(r row) error {
			cp.Segments = append(cp.Segments, store.KeySegment{Gen: r.int(0), Part: uint64(r.int(1)), Data: r.blob(2)})
			return nil
		}},
		{`SELECT gen, "end", count, filter FROM key_generations WHERE stream = ? ORDER BY gen`, func(r row) error {
			cp.Generations = append(cp.Generations, store.KeyGeneration{
				Gen: r.int(0), End: bursar.Time(r.int(1)), Count: int(r.int(2)), Filter: r.blob(3),
			})
			return nil
		}},
	} {
		if err := v.c.query(ctx, q.add, q.sql, v.id); err != nil {
			return nil, err
		}
	}
	return cp, nil
}
