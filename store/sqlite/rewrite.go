package sqlite

import (
	"context"
	"fmt"
	"iter"

	"github.com/bursarhq/bursar/store"
)

const (
	rewindLog  = "DELETE FROM log WHERE stream = ? AND seq > ?"
	rewindUses = "DELETE FROM uses WHERE stream = ?"
)

// Rewrite implements store.Store. The checkpoint goes when all parts are there, before they are
// committed: without one the stream is read from its log, whichever of the two that then is.
func (s *Store) Rewrite(ctx context.Context, stream string, to store.Head, parts iter.Seq2[*store.BasePart, error]) error {
	if err := s.Err(); err != nil {
		return err
	}
	b := beginning{a: appending{w: s.log}, head: to}
	var refused error // for no fault of the database
	err := s.write(ctx, s.log, func() error {
		if err := b.rewind(stream, &refused); err != nil {
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
			if n := len(p.Log); n > 0 {
				b.head = p.Log[n-1].Head
			}
		}
		if err := b.a.w.exec(beginHead, b.head.Seq, b.head.Hash[:], b.head.Now, b.id); err != nil {
			return err
		}
		if err := s.forget(ctx, stream, to.Seq); err != nil {
			refused = fmt.Errorf("its checkpoint: %w", err)
			return refused
		}
		return nil
	}, func() {
		s.behind.appended(stream, b.head.Seq)
		s.keeper.written(b.work)
	})
	if err != nil && refused != nil && s.Err() == nil {
		return fmt.Errorf("%w: %w", store.ErrNotCommitted, refused)
	}
	return err
}

// rewind takes what the stream has after b.head out of the log and the listings.
func (b *beginning) rewind(stream string, refused *error) (err error) {
	ctx, to := context.Background(), b.head
	if b.id, _, err = head(ctx, b.a.w.conn, stream); err != nil {
		return err
	}
	there := to == (store.Head{})
	if !there {
		if there, err = atBase(ctx, b.a.w.conn, b.id, to); err != nil {
			return err
		}
	}
	if !there {
		err = b.a.w.conn.query(ctx, func(r row) error {
			there = r.id(0) == to.Hash
			return nil
		}, "SELECT hash FROM log WHERE stream = ? AND seq = ?", b.id, to.Seq)
		if err != nil {
			return err
		}
	}
	if b.id == 0 || !there {
		*refused = fmt.Errorf("the log of %q was never at commit %d as given", stream, to.Seq)
		return *refused
	}
	if err := b.a.w.exec(rewindLog, b.id, to.Seq); err != nil {
		return err
	}
	if to == (store.Head{}) {
		err = b.a.clearActivity(b.id)
	} else {
		err = b.a.rewindActivity(b.id, store.LastID(to))
	}
	if err != nil {
		return err
	}
	return b.a.w.exec(rewindUses, b.id)
}

// forget deletes the stream's checkpoint if it is beyond seq.
func (s *Store) forget(ctx context.Context, name string, seq uint64) error {
	return s.write(ctx, s.state, func() error {
		id, saved, err := savedHead(ctx, s.state.conn, name)
		if err != nil || id == 0 || saved.Seq <= seq {
			return err
		}
		return s.deleteCheckpoint(id)
	}, func() {})
}
