package postgres

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

const (
	selectTrimmed = `SELECT p.seq, p.hash, p.now, p.due, p.meta, p.sum FROM streams s JOIN checkpoints p ON p.stream = s.id
		WHERE s.name = $1 AND p.seq > 0 AND coalesce((SELECT seq FROM log WHERE stream = s.id ORDER BY seq LIMIT 1), s.seq + 1) > 1`
	baseTotals = "SELECT level, entity_ord, kind, capability, value, held, at, sum FROM totals WHERE stream = " + ofStream +
		" ORDER BY level, entity_ord, kind, capability"
	baseHolds  = selectHold + "holds h WHERE h.stream = " + ofStream + " ORDER BY h.id"
	baseSeries = `SELECT bucket, kind, capability, child_ord, combo, amount, sum, entity_ord FROM usage_series WHERE stream = ` + ofStream +
		" ORDER BY hour, entity_ord, kind, capability, bucket, child_ord, combo"
	baseBlocks = "SELECT first, data, sum FROM key_blocks WHERE stream = " + ofStream + " AND gen = $2 ORDER BY first"

	lockNew    = "SELECT id, seq FROM streams WHERE name = $1 " + exclusive
	beginSaved = "INSERT INTO checkpoints (stream, seq, hash, now, due, meta, sum) VALUES ($1, $2, $3, $4, $5, $6, $7)"
	keepLog    = `INSERT INTO log (stream, seq, now, hash, commit_id, payload, sum)
		SELECT $1, * FROM unnest($2::bigint[], $3::bigint[], $4::bytea[], $5::bytea[], $6::bytea[], $7::bigint[])`
	beginHead = "UPDATE streams SET seq = $2, hash = $3, now = $4, saved = $2 WHERE id = $1"
)

// baseTables are all tables of a checkpoint whose rows are as they are in it.
var baseTables = append(largeTables[:len(largeTables):len(largeTables)],
	table{baseTotals, addTotal}, table{baseHolds, addHold}, table{baseSeries, addSeriesRow}, table{loadSegments, addSegment})

func addTotal(r row, cp *store.Checkpoint) error {
	value, err := r.amount(4)
	held, err2 := r.amount(5)
	t := store.TotalRow{
		Level: r.bool(0), EntityOrd: r.ord(1), Capability: r.capability(2, 3), Value: value, Held: held, At: r.time(6),
	}
	cp.Totals = append(cp.Totals, t)
	return r.intact(7, cp.Stream, totalSum(savedIn(cp.Stream), &t), "total of", t.Capability.ID, err, err2)
}

func addHold(r row, cp *store.Checkpoint) error {
	h, err := readHold(cp.Stream, r)
	cp.Holds = append(grown(cp.Holds), h)
	return err
}

func addSeriesRow(r row, cp *store.Checkpoint) error {
	s, err := readSeriesRow(cp.Stream, r, r.ord(7))
	cp.Series = append(grown(cp.Series), s)
	return err
}

func addSegment(r row, cp *store.Checkpoint) error {
	k := store.KeySegment{Gen: r.int(0), Part: uint64(r.int(1)), Data: r.blob(2)}
	cp.Segments = append(cp.Segments, k)
	return r.intact(3, cp.Stream, segmentSum(savedIn(cp.Stream), &k), "keys since", k.Gen)
}

func readGeneration(stream string, r row) (store.KeyGeneration, error) {
	g := store.KeyGeneration{Gen: r.int(0), End: r.time(1), Count: int(r.int(2)), Filter: r.blob(3)}
	return g, r.intact(4, stream, generationSum(savedIn(stream), &g), "generation of keys", g.Gen)
}

// readHead reads a checkpoint but for its rows: seq, hash, now, due, meta, sum.
func readHead(stream string, r row) (*store.Checkpoint, error) {
	cp := &store.Checkpoint{Stream: stream, Head: store.Head{Seq: uint64(r.int(0)), Hash: r.id(1), Now: r.time(2)}, Due: r.time(3), Meta: r.blob(4)}
	return cp, r.intact(5, stream, checkpointSum(cp), "checkpoint at commit", cp.Head.Seq)
}

// Base implements store.Store: a log is trimmed only up to its checkpoint, which is read
// as of one moment.
func (s *Store) Base(ctx context.Context, stream string, visit func(*store.Checkpoint) error) error {
	return s.do(ctx, bulkTimeout, func(ctx context.Context, c *conn) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel() // nobody is going to read the rest after an error
		var first *store.Checkpoint
		var b batch
		b.exec(beginLoad)
		b.exec(patient)
		b.query(func(r row) (err error) {
			first, err = readHead(stream, r)
			return err
		}, selectTrimmed, text(stream))
		if err := c.run(ctx, &b); err != nil {
			return err
		}
		if first != nil {
			if err := visit(first); err != nil {
				return err
			}
			l := &loading{s: s, stream: stream, c: c, head: first.Head}
			for _, t := range baseTables { // one at a time: who visits may be slow
				if err := l.tables(ctx, c, &batch{}, []table{t}, visit); err != nil {
					return err
				}
			}
			if err := l.generations(ctx, visit); err != nil {
				return err
			}
		}
		return c.rollback(ctx)
	})
}

// generations gives the closed generations of keys, each with its blocks.
func (l *loading) generations(ctx context.Context, visit give) error {
	var all []store.KeyGeneration
	err := l.c.query(ctx, func(r row) error {
		g, err := readGeneration(l.stream, r)
		all = append(all, g)
		return err
	}, loadGens, text(l.stream))
	for i := range all {
		if err != nil {
			return err
		}
		g := &all[i]
		err = l.c.query(ctx, func(r row) error {
			b, err := readBlock(l.stream, g.Gen, r)
			g.Blocks = append(g.Blocks, b)
			return err
		}, baseBlocks, text(l.stream), g.Gen)
		if err == nil {
			err = visit(&store.Checkpoint{Stream: l.stream, Head: l.head, Generations: all[i : i+1]})
		}
		all[i] = store.KeyGeneration{}
	}
	return err
}

// Begin implements store.Store.
func (s *Store) Begin(ctx context.Context, stream string, parts iter.Seq2[*store.BasePart, error]) error {
	return s.write(ctx, bulkTimeout, func(ctx context.Context, c *conn) error {
		w := saving{c: c, name: stream}
		if err := w.lockNew(ctx, stream); err != nil {
			return err
		}
		begun := false
		for p, err := range parts {
			if err != nil {
				return err
			}
			if !begun {
				begun = true
				h := p.Checkpoint.Head
				w.b.exec(beginHead, w.stream, int64(h.Seq), h.Hash[:], int64(h.Now))
				w.b.exec(beginSaved, w.stream, int64(h.Seq), h.Hash[:], int64(h.Now), int64(p.Checkpoint.Due), p.Checkpoint.Meta, checkpointSum(p.Checkpoint))
			}
			if err := w.part(ctx, p); err != nil {
				return err
			}
		}
		return w.c.commit(ctx, &w.b)
	})
}

// lockNew makes the stream and locks it, which has no commit yet.
func (w *saving) lockNew(ctx context.Context, stream string) error {
	var b batch
	b.exec("BEGIN")
	b.exec(patient)
	b.exec(insertStreams, []string{text(stream)})
	b.query(func(r row) error {
		if w.stream = r.int(0); r.int(1) > 0 {
			return fmt.Errorf("the stream %q is there already", stream)
		}
		return nil
	}, lockNew, text(stream))
	return w.c.run(ctx, &b)
}

func (w *saving) part(ctx context.Context, p *store.BasePart) error {
	if p.Checkpoint != nil {
		if err := w.checkpoint(ctx, p.Checkpoint); err != nil {
			return err
		}
	}
	for rows := range slices.Chunk(p.Log, saveRows) {
		err := w.put(ctx, len(rows), keepLog,
			column(rows, func(r *store.LogRow) int64 { return int64(r.Head.Seq) }),
			column(rows, func(r *store.LogRow) int64 { return int64(r.Head.Now) }),
			column(rows, func(r *store.LogRow) []byte { return r.Head.Hash[:] }),
			column(rows, func(r *store.LogRow) []byte { return r.ID[:] }),
			column(rows, func(r *store.LogRow) []byte { return r.Payload }),
			column(rows, func(r *store.LogRow) int64 { return logSum(r.Head, r.ID, r.Payload) }))
		if err != nil {
			return err
		}
	}
	var entries activities
	entries.add(w.name, w.stream, p.Activity)
	entries.put(&w.b)
	var begin uses
	for _, u := range p.Uses {
		begin.add(w.stream, u)
	}
	begin.put(&w.b, beginUses)
	return w.listing(p.Listing)
}

func (w *saving) listing(c *bursar.Customer) error {
	if c == nil {
		return nil
	}
	var list customers
	if err := list.add(c); err != nil {
		return err
	}
	list.put(&w.b)
	return nil
}
