package sqlite

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

const (
	selectStream = "SELECT id, seq, hash, now FROM streams WHERE name = ?"
	insertStream = "INSERT INTO streams (name, seq, hash, now) VALUES (?, 0, zeroblob(16), 0)"
	advance      = "UPDATE streams SET seq = ?, hash = ?, now = ? WHERE id = ? AND seq = ? AND hash = ? AND now = ?"
	insertLog    = "INSERT INTO log (stream, seq, now, hash, commit_id, payload, length) VALUES (?, ?, ?, ?, ?, ?, ?)"
	selectLog    = `SELECT l.seq, l.now, l.hash, l.commit_id, l.payload, l.length FROM log l
		WHERE l.stream = (SELECT id FROM streams WHERE name = ?) AND l.seq > ? ORDER BY l.seq LIMIT ?`
)

// idsMax is how many streams' names are kept in memory with their ids.
const idsMax = 1 << 17

// Append implements store.Store.
func (s *Store) Append(ctx context.Context, commits []store.Commit, _ store.Again) ([]store.Outcome, error) {
	if err := s.Err(); err != nil {
		return nil, err
	}
	a := appending{w: s.log, ids: s.ids, found: map[string]int64{}}
	outcomes := make([]store.Outcome, len(commits))
	payloads := make([]packed, len(commits))
	for i := range commits {
		payloads[i] = pack(commits[i].Payload)
	}
	work := 0
	err := s.write(ctx, s.log, func() (err error) {
		a.asides = s.asides
		for i := range commits {
			if outcomes[i], err = a.append(&commits[i], payloads[i]); err != nil {
				return err
			}
			work += len(payloads[i].data) + 4*pageSize
			for j := range commits[i].Messages {
				work += messageWork(&commits[i].Messages[j])
			}
		}
		return nil
	}, func() {
		// What the transaction found or made of streams is true from here on.
		if len(s.ids)+len(a.found) > idsMax {
			clear(s.ids)
		}
		maps.Copy(s.ids, a.found)
		if a.row > 0 {
			s.logMark.rows = a.row
		}
		for i := range commits {
			if outcomes[i] == store.Committed {
				s.behind.appended(commits[i].Stream, commits[i].After.Seq+1)
				if commits[i].Aside {
					s.asides.Add(commits[i].After.Seq + 1)
				}
			}
		}
		s.keeper.written(work)
	})
	if err != nil {
		return nil, err
	}
	return outcomes, nil
}

// appending is one transaction of Append.
type appending struct {
	w      *writer
	ids    map[string]int64 // of streams that are known to exist
	found  map[string]int64 // of streams met now, which a rollback may undo
	row    int64            // the last one that was put into the log; 0 = none
	asides store.Asides
}

func (a *appending) append(c *store.Commit, payload packed) (store.Outcome, error) {
	if used, err := a.inUse(c.Unused); err != nil {
		return 0, err
	} else if used {
		return a.refuse(c, store.InUse)
	}
	if len(c.Begin) > 0 && !c.Imported {
		_, catalogue, err := head(context.Background(), a.w.conn, store.CatalogueStream)
		if err != nil {
			return 0, err
		}
		if !a.asides.Rule(c.Catalogue, catalogue.Seq) {
			return a.refuse(c, store.OldCatalogue)
		}
	}
	id, err := a.stream(c)
	if err != nil || id == 0 {
		return store.Stale, err
	}
	st, err := a.w.prepare(advance)
	if err != nil {
		return 0, err
	}
	n, err := st.exec(c.After.Seq+1, c.Hash[:], c.Now, id, c.After.Seq, c.After.Hash[:], c.After.Now)
	if err != nil || n == 0 {
		return store.Stale, err
	}
	if err := a.put(id, c.Head(), &c.ID, payload); err != nil {
		return 0, err
	}
	for i := range c.Messages {
		if err := addMessage(a.w.conn, &c.Messages[i]); err != nil {
			return 0, err
		}
	}
	return store.Committed, a.list(id, c)
}

// put puts a row into the log.
func (a *appending) put(stream int64, at store.Head, id *[16]byte, payload packed) error {
	st, err := a.w.prepare(insertLog)
	if err != nil {
		return err
	}
	a.row, err = st.insert(stream, at.Seq, at.Now, at.Hash[:], id[:], payload.data, payload.length)
	return err
}

// refuse says why c is not appended. A stale commit is stale before anything else: the
// rest of it was chosen for another state.
func (a *appending) refuse(c *store.Commit, because store.Outcome) (store.Outcome, error) {
	_, head, err := head(context.Background(), a.w.conn, c.Stream)
	if head != c.After {
		return store.Stale, err
	}
	return because, err
}

// stream is the id of c's stream, which is made if c is its first commit; 0 if c is
// stale since its stream does not exist.
func (a *appending) stream(c *store.Commit) (int64, error) {
	if id := a.ids[c.Stream]; id != 0 {
		return id, nil
	}
	id, _, err := head(context.Background(), a.w.conn, c.Stream)
	if err != nil {
		return 0, err
	}
	if id == 0 && c.After == (store.Head{}) {
		st, err := a.w.prepare(insertStream)
		if err != nil {
			return 0, err
		}
		if id, err = st.insert(c.Stream); err != nil {
			return 0, err
		}
	}
	if id != 0 {
		a.found[c.Stream] = id
	}
	return id, nil
}

// head is the stream's id and position, zero for an unknown one.
func head(ctx context.Context, c *conn, name string) (id int64, h store.Head, err error) {
	err = c.query(ctx, func(r row) error {
		id = r.int(0)
		h = store.Head{Seq: uint64(r.int(1)), Hash: r.id(2), Now: bursar.Time(r.int(3))}
		return nil
	}, selectStream, name)
	return id, h, err
}

// Heads implements store.Store.
func (s *Store) Heads(ctx context.Context, streams []string, _ []uint64) (heads []store.Head, tails [][]store.LogRow, now bursar.Time, err error) {
	heads = make([]store.Head, len(streams))
	err = s.read(ctx, s.logReaders, func(c *conn) (err error) {
		for i, name := range streams {
			if _, heads[i], err = head(ctx, c, name); err != nil {
				return err
			}
		}
		return nil
	})
	return heads, nil, 0, err
}

// Streams implements store.Store.
func (s *Store) Streams(ctx context.Context, after string, limit int) (names []string, err error) {
	err = s.read(ctx, s.logReaders, func(c *conn) error {
		return c.query(ctx, func(r row) error {
			names = append(names, r.text(0))
			return nil
		}, "SELECT name FROM streams WHERE name > ? AND seq > 0 ORDER BY name LIMIT ?", after, rowLimit(limit))
	})
	return names, err
}

// Outcomes implements store.Store.
func (s *Store) Outcomes(ctx context.Context, commits []store.Commit) ([]store.Outcome, error) {
	out := make([]store.Outcome, len(commits))
	for i := range commits {
		c := &commits[i]
		rows, _, err := s.readLog(ctx, c.Stream, c.After.Seq, 1)
		if err != nil {
			return nil, err
		}
		if out[i] = store.Stale; len(rows) > 0 && rows[0].ID == c.ID {
			out[i] = store.Committed
		}
	}
	return out, nil
}

// Claim implements store.Store: the directory's lock is the claim.
func (s *Store) Claim(_ context.Context, names []string, _ string, _ time.Duration) ([]bool, error) {
	got := make([]bool, len(names))
	for i := range got {
		got[i] = true
	}
	return got, s.Err()
}

// TrimLog implements store.Store: state.db can be rebuilt as long as the log is whole.
func (s *Store) TrimLog(context.Context, bursar.Time, int) (int, error) {
	return 0, errors.ErrUnsupported
}

// ReadLog implements store.Store. A slow visit holds neither a connection
// nor, by an open transaction, the write-ahead log.
func (s *Store) ReadLog(ctx context.Context, name string, after uint64, limit int, visit func(store.LogRow) error) error {
	page := func(after uint64, want int) ([]store.LogRow, bool, error) { return s.readLog(ctx, name, after, want) }
	return store.ReadPages(after, limit, page, visit)
}

// readLog reads the next rows, up to want; more tells that there may be more.
func (s *Store) readLog(ctx context.Context, name string, after uint64, want int) (rows []store.LogRow, more bool, err error) {
	length := 0
	err = s.read(ctx, s.logReaders, func(c *conn) error {
		return c.query(ctx, func(r row) (err error) {
			l := store.LogRow{ID: r.id(3), Payload: r.blob(4)}
			if !r.null(5) {
				if l.Payload, err = unpack(l.Payload, r.int(5)); err != nil {
					return fmt.Errorf("commit %d of stream %q: %w", r.int(0), name, err)
				}
			}
			l.Head = store.Head{Seq: uint64(r.int(0)), Now: bursar.Time(r.int(1)), Hash: r.id(2)}
			rows = append(rows, l)
			if length += len(l.Payload); length > store.LogPageLength {
				more = true
				return errStop
			}
			return nil
		}, selectLog, name, after, want)
	})
	return rows, more || len(rows) == want, err
}
