package sqlite

import (
	"context"
	"fmt"
	"iter"

	"github.com/bursarhq/bursar/store"
)

const (
	selectBase     = "SELECT hash FROM bases WHERE stream = ? AND seq = ?"
	selectBasePart = `SELECT part, rows FROM base_parts WHERE stream = (SELECT id FROM streams WHERE name = ?) AND part > ?
		ORDER BY part LIMIT 1`
	beginHead      = "UPDATE streams SET seq = ?, hash = ?, now = ? WHERE id = ?"
	insertBase     = "INSERT INTO bases (stream, seq, hash) VALUES (?, ?, ?)"
	insertBasePart = "INSERT INTO base_parts (stream, part, rows) VALUES (?, ?, ?)"
)

// Base implements store.Store. The base is in log.db: what was saved since is not of it.
func (s *Store) Base(ctx context.Context, stream string, visit func(*store.Checkpoint) error) error {
	for part := int64(0); ; {
		var cp *store.Checkpoint
		err := s.read(ctx, s.logReaders, func(c *conn) error {
			return c.query(ctx, func(r row) error {
				part, cp = r.int(0), new(store.Checkpoint)
				return store.DecodeRows(r.blob(1), cp)
			}, selectBasePart, stream, part)
		})
		if err != nil || cp == nil {
			return err
		}
		if err := visit(cp); err != nil {
			return err
		}
	}
}

// Begin implements store.Store. Where the checkpoint cannot be made in state.db now, the
// next Load makes it.
func (s *Store) Begin(ctx context.Context, stream string, parts iter.Seq2[*store.BasePart, error]) error {
	if err := s.Err(); err != nil {
		return err
	}
	b := beginning{a: appending{w: s.log}}
	var refused error // for no fault of the database
	err := s.write(ctx, s.log, func() error {
		if err := b.open(stream, &refused); err != nil {
			return err
		}
		for p, err := range parts {
			if err != nil {
				refused = err
				return err
			}
			if err := b.part(p); err != nil {
				return err
			}
		}
		return nil
	}, func() {
		s.ids[stream] = b.id
		if b.a.row > 0 {
			s.logMark.rows = b.a.row
		}
		s.behind.appended(stream, b.head.Seq)
		s.keeper.written(b.work)
	})
	if err != nil && refused != nil && s.Err() == nil {
		return fmt.Errorf("%w: %w", store.ErrNotCommitted, refused)
	}
	if err != nil {
		return err
	}
	if _, err := s.rebase(ctx, stream); err != nil {
		s.out.Warn("a checkpoint was not made of its base; it will be tried again", "stream", stream, "error", err)
	}
	return nil
}

// beginning is one transaction of Begin.
type beginning struct {
	a     appending
	id    int64
	head  store.Head
	parts int
	work  int
}

// open makes the stream, which has no commit yet.
func (b *beginning) open(stream string, refused *error) (err error) {
	var h store.Head
	if b.id, h, err = head(context.Background(), b.a.w.conn, stream); err != nil {
		return err
	}
	if h.Seq > 0 {
		*refused = fmt.Errorf("the stream %q is there already", stream)
		return *refused
	}
	if b.id != 0 {
		return nil
	}
	st, err := b.a.w.prepare(insertStream)
	if err != nil {
		return err
	}
	b.id, err = st.insert(stream)
	return err
}

func (b *beginning) part(p *store.BasePart) error {
	w := b.a.w
	if cp := p.Checkpoint; cp != nil {
		if b.parts++; b.parts == 1 {
			b.head = cp.Head
			if err := w.exec(beginHead, cp.Head.Seq, cp.Head.Hash[:], cp.Head.Now, b.id); err != nil {
				return err
			}
			if err := w.exec(insertBase, b.id, cp.Head.Seq, cp.Head.Hash[:]); err != nil {
				return err
			}
		}
		rows, err := store.EncodeRows(cp)
		if err != nil {
			return err
		}
		b.work += len(rows)
		if err := w.exec(insertBasePart, b.id, b.parts, rows); err != nil {
			return err
		}
	}
	for i := range p.Log {
		r := &p.Log[i]
		payload := pack(r.Payload)
		b.work += len(payload.data) + pageSize
		if err := b.a.put(b.id, r.Head, &r.ID, payload); err != nil {
			return err
		}
	}
	return b.a.list(b.id, &store.Commit{Listing: p.Listing, Activity: p.Activity, Begin: p.Uses})
}

// rebase makes the stream's checkpoint of its base, if it has one, and tells whether it did.
func (s *Store) rebase(ctx context.Context, stream string) (done bool, err error) {
	has := false
	err = s.read(ctx, s.logReaders, func(c *conn) error {
		return c.query(ctx, func(row) error {
			has = true
			return nil
		}, selectBasePart, stream, 0)
	})
	if err != nil || !has {
		return false, err
	}
	var at store.Head
	err = s.write(ctx, s.state, func() error {
		id, _, err := savedHead(ctx, s.state.conn, stream)
		if err != nil || id != 0 { // somebody else was faster
			done = id != 0
			return err
		}
		return s.Base(ctx, stream, func(cp *store.Checkpoint) error {
			if !done {
				done, at = true, cp.Head
				if id, err = insertCheckpoint(s.state.conn, stream, cp); err != nil {
					return err
				}
			}
			return saveRows(s.state.conn, id, cp)
		})
	}, func() {
		if at.Seq > 0 {
			s.behind.saved(stream, at.Seq)
		}
	})
	return done && err == nil, err
}

// atBase tells whether h is where the base of a stream is.
func atBase(ctx context.Context, c *conn, id int64, h store.Head) (ok bool, err error) {
	err = c.query(ctx, func(r row) error {
		ok = r.id(0) == h.Hash
		return nil
	}, selectBase, id, h.Seq)
	return ok, err
}
