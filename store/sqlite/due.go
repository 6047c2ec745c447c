package sqlite

import (
	"context"
	"fmt"
	"sync"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

// behind holds the streams whose log is ahead of their checkpoint, with the end of
// their log. It spares Due a comparison of both files.
type behind struct {
	mu      sync.Mutex
	streams map[string]uint64
}

func (b *behind) appended(stream string, seq uint64) {
	if stream == store.CatalogueStream {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.streams[stream] = seq
}

func (b *behind) saved(stream string, seq uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.streams[stream] <= seq {
		delete(b.streams, stream)
	}
}

// list appends names to those listed, up to limit. It takes them in no order, so that
// no stream can hide another one for long.
func (b *behind) list(listed []string, limit int) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	known := make(map[string]bool, len(listed))
	for _, name := range listed {
		known[name] = true
	}
	for name := range b.streams {
		if limit > 0 && len(listed) >= limit {
			break
		}
		if !known[name] {
			listed = append(listed, name)
		}
	}
	return listed
}

// Due implements store.Store: first the streams whose time has come, earliest first.
func (s *Store) Due(ctx context.Context, before bursar.Time, limit int) (names []string, err error) {
	err = s.read(ctx, s.stateReaders, func(c *conn) error {
		return c.query(ctx, func(r row) error {
			names = append(names, r.text(0))
			return nil
		}, "SELECT stream FROM checkpoints WHERE due <> 0 AND due <= ? AND stream <> '' ORDER BY due LIMIT ?", before, rowLimit(limit))
	})
	if err != nil {
		return nil, err
	}
	return s.behind.list(names, limit), nil
}

// reconcile compares both files when nobody uses them yet: it notes the streams whose
// log is ahead, and drops the checkpoints that are ahead of the log.
func (s *Store) reconcile(logPath, statePath string) error {
	ctx := context.Background()
	c, err := openConn(logPath, readPragmas)
	if err != nil {
		return err
	}
	defer func() { _ = c.close() }()
	if err := c.exec("ATTACH ? AS state", statePath); err != nil {
		return err
	}
	err = c.query(ctx, func(r row) error {
		s.behind.streams[r.text(0)] = uint64(r.int(1))
		return nil
	}, `SELECT s.name, s.seq FROM streams s LEFT JOIN state.checkpoints p ON p.stream = s.name
		WHERE s.name <> '' AND s.seq > coalesce(p.seq, 0)`)
	if err != nil {
		return err
	}
	var ahead []string
	err = c.query(ctx, func(r row) error {
		ahead = append(ahead, r.text(0))
		return nil
	}, `SELECT p.stream FROM state.checkpoints p LEFT JOIN streams s ON s.name = p.stream
		WHERE p.seq > coalesce(s.seq, 0) OR p.seq = s.seq AND p.hash <> s.hash`)
	if err != nil {
		return err
	}
	for _, name := range ahead {
		if err := s.drop(ctx, name); err != nil {
			return fmt.Errorf("state.db: %w", err)
		}
	}
	return nil
}

// stateTables are the tables of state.db whose rows belong to a checkpoint.
var stateTables = []string{
	"entity_blocks", "assignment_blocks", "counter_blocks", "totals", "holds", "holds_by_entity", "parts",
	"series_blocks", "key_segments", "key_generations", "key_blocks",
}

// drop deletes the stream's checkpoint if it is not on the log. What follows the log
// by a replay then is as if it had never been saved.
func (s *Store) drop(ctx context.Context, name string) error {
	var end store.Head
	return s.write(ctx, s.state, func() error {
		id, saved, err := savedHead(ctx, s.state.conn, name)
		if err != nil || id == 0 {
			return err
		}
		onLog, e, err := s.onLog(ctx, name, saved)
		if end = e; err != nil || onLog {
			return err
		}
		s.out.Warn("checkpoint is not on the log: dropped, the stream is replayed", "stream", name,
			"checkpoint", saved.Seq, "log", end.Seq)
		return s.deleteCheckpoint(id)
	}, func() {
		if end.Seq > 0 {
			s.behind.appended(name, end.Seq)
		}
	})
}

// deleteCheckpoint deletes it in the transaction that state.db is in.
func (s *Store) deleteCheckpoint(id int64) error {
	if err := deleteSaved(s.state.conn, id); err != nil {
		return err
	}
	return s.state.exec("DELETE FROM checkpoints WHERE id = ?", id)
}

// deleteSaved deletes the rows of a checkpoint.
func deleteSaved(c *conn, id int64) error {
	for _, table := range stateTables {
		if err := c.exec("DELETE FROM "+table+" WHERE stream = ?", id); err != nil {
			return err
		}
	}
	return nil
}

// onLog tells whether the log has been at h, and where it ends.
func (s *Store) onLog(ctx context.Context, name string, h store.Head) (ok bool, end store.Head, err error) {
	err = s.read(ctx, s.logReaders, func(c *conn) (err error) {
		var id int64
		id, end, err = head(ctx, c, name)
		if err != nil || h.Seq > end.Seq {
			return err
		}
		if ok, err = atBase(ctx, c, id, h); err != nil || ok {
			return err
		}
		return c.query(ctx, func(r row) error {
			ok = r.id(0) == h.Hash
			return nil
		}, "SELECT hash FROM log WHERE stream = ? AND seq = ?", id, h.Seq)
	})
	return ok, end, err
}

const selectSaved = "SELECT id, seq, hash, now FROM checkpoints WHERE stream = ?"

// savedHead is the position of the stream's checkpoint and its id, 0 for none.
func savedHead(ctx context.Context, c *conn, name string) (id int64, h store.Head, err error) {
	err = c.query(ctx, func(r row) error {
		id = r.int(0)
		h = store.Head{Seq: uint64(r.int(1)), Hash: r.id(2), Now: bursar.Time(r.int(3))}
		return nil
	}, selectSaved, name)
	return id, h, err
}
