package postgres

import (
	"context"
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

const (
	lockCatalogue = "SELECT seq, CASE WHEN aside_at = seq THEN asides ELSE 0 END FROM streams WHERE name = '' "
	shared        = "FOR SHARE"
	sharedAtOnce  = "FOR SHARE SKIP LOCKED"
	exclusive     = "FOR NO KEY UPDATE"
	insertStreams = `INSERT INTO streams (name, seq, hash, now) SELECT name, 0, decode(repeat('00', 16), 'hex'), 0
		FROM unnest($1::text[]) WITH ORDINALITY q (name, n) ORDER BY n ON CONFLICT DO NOTHING`
	lockStreams = "SELECT id, name, seq, hash, now, saved FROM streams WHERE name = ANY($1::text[]) ORDER BY id " + exclusive
	selectClock = "SELECT clock_timestamp()"
	selectTails = `SELECT q.n, l.seq, l.now, l.hash, l.commit_id, l.payload, l.sum
		FROM unnest($1::text[], $2::bigint[]) WITH ORDINALITY q (name, after, n)
		JOIN streams s ON s.name = q.name
		CROSS JOIN LATERAL (SELECT * FROM log WHERE stream = s.id AND seq > q.after ORDER BY seq) l`
	selectUsers = `SELECT s.name FROM uses u JOIN streams s ON s.id = u.stream WHERE u.kind = $1 AND u.id = $2 LIMIT $3`
)

// Append implements store.Store. Of the commits that again gives, one that begins the
// use of something when none of the others did may find the catalogue locked; it is
// refused then, as stale: to wait here would be out of the order of locks.
func (s *Store) Append(ctx context.Context, commits []store.Commit, again store.Again) ([]store.Outcome, error) {
	a := &appending{commits: slices.Clone(commits), again: again, out: make([]store.Outcome, len(commits))}
	err := s.write(ctx, s.opts.Timeout, func(ctx context.Context, c *conn) error {
		if len(commits) == 0 {
			return nil
		}
		if err := a.lock(ctx, c); err != nil {
			return err
		}
		written, err := a.judge(ctx, c)
		if err != nil {
			return err
		}
		if !written {
			return c.rollback(ctx)
		}
		return a.commit(ctx, c)
	})
	if err != nil {
		return nil, err
	}
	return a.out, nil
}

// appending is one transaction of Append.
type appending struct {
	commits []store.Commit
	again   store.Again
	out     []store.Outcome

	streams   map[string]locked
	now       bursar.Time
	tails     [][]store.LogRow
	catalogue *catalogue                    // where it ends, while a lock keeps it from moving
	newest    catalogue                     // where it ends, behind the locks of the streams
	uses      map[store.Use]map[string]bool // what the commits change: whether a stream uses it
}

// locked is a stream whose row is locked.
type locked struct {
	id    int64
	head  store.Head
	saved uint64
}

// lock begins the transaction and locks what the commits are for, each sort in its own
// order: the catalogue; streams that are made now, by name; all streams, by id.
func (a *appending) lock(ctx context.Context, c *conn) error {
	var b batch
	b.exec("BEGIN")
	if mode := a.catalogueLock(); mode != "" {
		b.query(a.addCatalogue, lockCatalogue+mode)
	}
	a.streams = make(map[string]locked, len(a.commits))
	lockRows(&b, a.commits, a.streams)
	b.query(func(r row) error {
		a.now = r.instant(0)
		return nil
	}, selectClock)
	b.query(func(r row) error {
		a.newest = readCatalogue(r)
		return nil
	}, lockCatalogue)
	if a.again != nil {
		a.tails = make([][]store.LogRow, len(a.commits))
		names, after := make([]string, len(a.commits)), make([]int64, len(a.commits))
		for i := range a.commits {
			names[i], after[i] = text(a.commits[i].Stream), int64(a.commits[i].After.Seq)
		}
		b.query(func(r row) error {
			i := r.int(0) - 1
			if l, err := readLogRow(r[1:]); err == nil { // who reads the log finds what is damaged
				a.tails[i] = append(a.tails[i], l)
			}
			return nil
		}, selectTails, names, after)
	}
	return c.run(ctx, &b)
}

// lockRows locks the streams of commits. A stream with no commit yet is made, which
// waits for a transaction that is making it.
func lockRows(b *batch, commits []store.Commit, found map[string]locked) {
	var fresh []string
	names := make([]string, len(commits))
	for i := range commits {
		names[i] = text(commits[i].Stream)
		if commits[i].After == (store.Head{}) && names[i] != store.CatalogueStream {
			fresh = append(fresh, names[i])
		}
	}
	if len(fresh) > 0 {
		slices.Sort(fresh)
		b.exec(insertStreams, fresh)
	}
	b.query(func(r row) error {
		found[r.text(1)] = locked{r.int(0), store.Head{Seq: uint64(r.int(2)), Hash: r.id(3), Now: r.time(4)}, uint64(r.int(5))}
		return nil
	}, lockStreams, names)
}

// catalogueLock is how the catalogue must be locked before anything else.
func (a *appending) catalogueLock() string {
	mode := ""
	for i := range a.commits {
		if a.commits[i].Stream == store.CatalogueStream {
			return exclusive
		}
		if len(a.commits[i].Begin) > 0 {
			mode = shared
		}
	}
	return mode
}

func (a *appending) addCatalogue(r row) error {
	end := readCatalogue(r)
	a.catalogue = &end
	return nil
}

// catalogue is where the catalogue's log ends, and the last of its commits that is not Aside.
type catalogue struct{ seq, binding uint64 }

func readCatalogue(r row) catalogue {
	seq := uint64(r.int(0))
	return catalogue{seq, seq - uint64(r.int(1))}
}

// rules tells whether what was decided with the catalogue at seq may be written.
func (c catalogue) rules(seq uint64) bool { return c.binding <= seq && seq <= c.seq }

// judge decides what becomes of each commit, in the order given, and tells whether any
// is to be written.
func (a *appending) judge(ctx context.Context, c *conn) (written bool, err error) {
	a.uses = map[store.Use]map[string]bool{}
	for i := range a.commits {
		if a.out[i], err = a.outcome(ctx, c, &a.commits[i]); err != nil {
			return false, err
		}
		if a.out[i] == store.Stale && a.again != nil && a.whole(i) {
			again := a.again(i, a.tails[i])
			if again == nil {
				continue
			}
			a.commits[i] = *again
			if a.out[i], err = a.outcome(ctx, c, again); err != nil {
				return false, err
			}
		}
		if a.out[i] == store.Committed {
			written = true
			a.note(&a.commits[i])
		}
	}
	return written, nil
}

// whole tells that the tail read for commit i is all that its stream has after it; of a
// log that was trimmed the beginning may be missing.
func (a *appending) whole(i int) bool {
	after, end := a.commits[i].After.Seq, a.streams[a.commits[i].Stream].head.Seq
	return uint64(len(a.tails[i])) == max(end, after)-after
}

// outcome says what becomes of c by itself.
func (a *appending) outcome(ctx context.Context, conn *conn, c *store.Commit) (store.Outcome, error) {
	st, ok := a.streams[c.Stream]
	if !ok || st.head != c.After || c.Undecided {
		return store.Stale, nil
	}
	if off := c.Now - a.now; !c.Imported && c.Now != c.After.Now && (off > store.MaxSkew || off < -store.MaxSkew) {
		return store.Skewed, nil
	}
	if len(c.Begin) > 0 && !c.Imported {
		if a.catalogue == nil {
			if err := conn.query(ctx, a.addCatalogue, lockCatalogue+sharedAtOnce); err != nil {
				return 0, err
			}
		}
		switch {
		case a.catalogue == nil:
			return store.Stale, nil
		case !a.catalogue.rules(c.Catalogue):
			return store.OldCatalogue, nil
		}
	}
	if c.Stream != store.CatalogueStream && !c.Imported && !a.newest.rules(c.Catalogue) {
		return store.OldCatalogue, nil
	}
	for _, u := range c.Unused {
		used, err := a.used(ctx, conn, u)
		if err != nil {
			return 0, err
		}
		if used {
			return store.InUse, nil
		}
	}
	return store.Committed, nil
}

// used tells whether any stream uses u, with the commits before this one. The lock of
// the catalogue keeps others from beginning to.
func (a *appending) used(ctx context.Context, c *conn, u store.Use) (used bool, err error) {
	changed := a.uses[u]
	for _, uses := range changed {
		if uses {
			return true, nil
		}
	}
	err = c.query(ctx, func(r row) error {
		_, ends := changed[r.text(0)]
		used = used || !ends
		return nil
	}, selectUsers, text(u.Kind), text(u.ID), int64(len(changed)+1))
	return used, err
}

// note remembers what a commit that is to be written changes for those after it.
func (a *appending) note(c *store.Commit) {
	st := a.streams[c.Stream]
	st.head = c.Head()
	a.streams[c.Stream] = st
	if c.Stream == store.CatalogueStream {
		a.catalogue = &catalogue{c.After.Seq + 1, c.After.Seq + 1}
	}
	for i, uses := range [][]store.Use{c.Begin, c.End} {
		for _, u := range uses {
			if a.uses[u] == nil {
				a.uses[u] = map[string]bool{}
			}
			a.uses[u][c.Stream] = i == 0
		}
	}
}
