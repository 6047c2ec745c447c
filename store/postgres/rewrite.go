package postgres

import (
	"context"
	"fmt"
	"iter"

	"github.com/bursarhq/bursar/store"
)

const (
	lockRewound = `SELECT s.id, s.saved, ($2 = 0 OR s.saved = $2 OR EXISTS (SELECT FROM log l
		WHERE l.stream = s.id AND l.seq = $2 AND l.hash = $3))::int::bigint FROM streams s WHERE s.name = $1 ` + exclusive
	rewindLog      = "DELETE FROM log WHERE stream = $1 AND seq > $2"
	rewindActivity = "DELETE FROM activity WHERE stream = $1 AND id > $2"
	rewindUses     = "DELETE FROM uses WHERE stream = $1"
	rewindHead     = "UPDATE streams SET seq = $2, hash = $3, now = $4, saved = $5 WHERE id = $1"
)

// savedTables are the tables whose rows belong to a checkpoint, beside its own.
var savedTables = []string{
	"entities", "assignments", "counters", "totals", "holds", "holds_by_entity", "parts",
	"usage_series", "key_segments", "key_generations", "key_blocks",
}

// Rewrite implements store.Store.
func (s *Store) Rewrite(ctx context.Context, stream string, to store.Head, parts iter.Seq2[*store.BasePart, error]) error {
	return s.write(ctx, bulkTimeout, func(ctx context.Context, c *conn) error {
		w := saving{c: c, name: stream}
		saved, err := w.rewind(ctx, stream, to)
		if err != nil {
			return err
		}
		head := to
		for p, err := range parts {
			if err != nil {
				return err
			}
			if err := w.part(ctx, p); err != nil {
				return err
			}
			if n := len(p.Log); n > 0 {
				head = p.Log[n-1].Head
			}
		}
		w.b.exec(rewindHead, w.stream, int64(head.Seq), head.Hash[:], int64(head.Now), saved)
		if stream != store.CatalogueStream && head.Seq > uint64(saved) {
			w.b.exec(insertBehind, []int64{w.stream})
		}
		return w.c.commit(ctx, &w.b)
	})
}

// rewind locks the stream, takes what it has after to out of the log and the listings, and
// tells where the checkpoint is then.
func (w *saving) rewind(ctx context.Context, stream string, to store.Head) (saved int64, err error) {
	there := false
	var b batch
	b.exec("BEGIN")
	b.exec(patient)
	b.query(func(r row) error {
		w.stream, saved, there = r.int(0), r.int(1), r.int(2) == 1
		return nil
	}, lockRewound, text(stream), int64(to.Seq), to.Hash[:])
	if err := w.c.run(ctx, &b); err != nil {
		return 0, err
	}
	if w.stream == 0 || !there {
		return 0, fmt.Errorf("the log of %q was never at commit %d as given", stream, to.Seq)
	}
	w.b.exec(rewindLog, w.stream, int64(to.Seq))
	w.b.exec(rewindActivity, w.stream, store.LastID(to))
	w.b.exec(rewindUses, w.stream)
	if uint64(saved) > to.Seq {
		for _, table := range append(savedTables[:len(savedTables):len(savedTables)], "checkpoints") {
			w.b.exec("DELETE FROM "+table+" WHERE stream = $1", w.stream)
		}
		saved = 0
	}
	return saved, nil
}
