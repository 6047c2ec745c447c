package transfer

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// baseOf reads the checkpoint that a stream's log goes on from, if it was trimmed.
func baseOf(ctx context.Context, s store.BaseReader, stream string) func(visit func(*store.Checkpoint) error) error {
	return func(visit func(*store.Checkpoint) error) error { return s.Base(ctx, stream, visit) }
}

// What an export has of a log that was trimmed, before the commits that are folded.

// activityPage is how many entries of the activity listing are in one line.
const activityPage = 256

var errEnough = errors.New("enough")

// Base writes what a trimmed log goes on from, which f then goes on from.
func (e *exporter) Base(f *ledger.Refold) error {
	err := f.Base(baseOf(e.ctx, e.s, f.Stream), func(cp *store.Checkpoint) error { return e.rows(lineCheckpoint, cp) })
	if err != nil || !f.Based {
		return err
	}
	at := f.Head()
	if err := e.moveCut(f.Stream, at); err != nil {
		return err
	}
	if err := e.activity(f.Stream, at); err != nil {
		return err
	}
	if err := e.history(f.Stream, at); err != nil {
		return err
	}
	return e.w.sealed(baseLine{lineBase, at.Seq, ledger.SumText(e.w.section)})
}

func (e *exporter) rows(kind string, rows any) error {
	b, err := store.EncodeRows(rows)
	if err != nil {
		return err
	}
	return e.w.sealed(rowsLine{kind, b})
}

// moveCut exports a log up to its checkpoint, if that is beyond what was there when the
// export began: by a catalogue that has not changed since.
func (e *exporter) moveCut(name string, at store.Head) error {
	if at.Seq <= e.cuts[name].Seq {
		return nil
	}
	heads, _, _, err := e.s.Heads(e.ctx, []string{store.CatalogueStream}, nil)
	if err != nil {
		return err
	}
	if heads[0] != e.cuts[store.CatalogueStream] {
		return errors.New("the environment's catalogue was changed while the export ran; export again")
	}
	e.cuts[name] = at
	return nil
}

// activity writes the entries of commits up to at, whether the log has those or not.
func (e *exporter) activity(name string, at store.Head) error {
	q := store.ActivityQuery{Above: "0", Limit: activityPage} // every id is above "0"
	for {
		page, err := e.s.Activity(e.ctx, name, q)
		if err != nil || len(page) == 0 {
			return err
		}
		var entries []store.Activity
		for i := len(page) - 1; i >= 0; i-- { // newest first
			if id, ok := store.ParseID(page[i].ID); ok && record.PlaceOf(id).Seq <= at.Seq {
				entries = append(entries, page[i])
			}
		}
		if len(entries) > 0 {
			if err := e.rows(lineActivity, entries); err != nil {
				return err
			}
		}
		q.Above = page[0].ID
	}
}

// history writes what the log still has of commits up to at.
func (e *exporter) history(name string, at store.Head) error {
	var last store.Head
	err := e.s.ReadLog(e.ctx, name, 0, 0, func(row store.LogRow) error {
		switch {
		case row.Head.Seq > at.Seq:
			return errEnough
		case last.Seq == 0:
			last = row.Head
			e.t.Commits++
			return e.rows(lineFirst, row)
		case row.Head.Seq != last.Seq+1 || record.Chain(last, row.ID, row.Head.Now, row.Payload) != row.Head.Hash:
			return fmt.Errorf("the log breaks after commit %d: it was trimmed meanwhile, restored or damaged", last.Seq)
		}
		last = row.Head
		return e.Commit(&row)
	})
	if err != nil && !errors.Is(err, errEnough) {
		return err
	}
	if last.Seq != 0 && last != at {
		return fmt.Errorf("the log is not at commit %d what its checkpoint was made of: it was restored or damaged", at.Seq)
	}
	return nil
}

// baseReader reads it.
type baseReader struct {
	r     *exportReader
	at    store.Head
	stage string     // the type of the last line
	last  store.Head // of its log
	log   []store.LogRow
	done  bool
}

// Base gives what begins with a checkpoint to the sink.
func (r *exportReader) Base(text []byte) error {
	if r.phase != lineCommit || r.head.Seq > 0 || r.stream == store.CatalogueStream {
		return r.damaged("a checkpoint in the wrong place")
	}
	b := &baseReader{r: r, stage: lineCheckpoint}
	first := new(store.Checkpoint)
	if err := r.rows(text, first); err != nil {
		return err
	}
	if b.at = first.Head; b.at.Seq == 0 || first.Meta == nil {
		return r.damaged("a checkpoint that does not begin with its head")
	}
	if err := b.checkpoint(first); err != nil {
		return err
	}
	if err := r.sink.Base(b.at, b.parts(&store.BasePart{Checkpoint: first})); err != nil {
		return err
	}
	r.head = b.at
	return nil
}

func (r *exportReader) rows(text []byte, rows any) error {
	var l rowsLine
	if err := r.decode(text, &l); err != nil {
		return err
	}
	if err := store.DecodeRows(l.Rows, rows); err != nil {
		return r.damaged("rows that cannot be read: %v", err)
	}
	return nil
}

func (b *baseReader) checkpoint(cp *store.Checkpoint) error {
	if cp.Stream != b.r.stream || cp.Head != b.at {
		return b.r.damaged("a checkpoint of %s in that of %s", streamTitle(cp.Stream), streamTitle(b.r.stream))
	}
	return nil
}

func (b *baseReader) parts(p *store.BasePart) iter.Seq2[*store.BasePart, error] {
	return func(yield func(*store.BasePart, error) bool) {
		for p != nil {
			if !yield(p, nil) {
				return
			}
			var err error
			if p, err = b.next(); err != nil {
				yield(nil, err)
				return
			}
		}
	}
}

// next is the next part; nil once the line that ends them was read.
func (b *baseReader) next() (*store.BasePart, error) {
	for !b.done {
		if err := b.r.next(); err != nil {
			return nil, err
		}
		kind, text, err := b.r.split()
		if err != nil {
			return nil, err
		}
		p, err := b.line(kind, text)
		if err != nil || p != nil {
			return p, err
		}
	}
	return nil, nil
}

// follows says after which lines one may come.
var follows = map[string][]string{
	lineCheckpoint: {lineCheckpoint},
	lineActivity:   {lineCheckpoint, lineActivity},
	lineFirst:      {lineCheckpoint, lineActivity},
	lineCommit:     {lineFirst, lineCommit},
	lineBase:       {lineCheckpoint, lineActivity, lineFirst, lineCommit},
}

// line takes a line; it makes a part or not yet.
func (b *baseReader) line(kind string, text []byte) (*store.BasePart, error) {
	if !slices.Contains(follows[kind], b.stage) {
		return nil, b.r.damaged("a line of type %.32q within what %s goes on from", kind, streamTitle(b.r.stream))
	}
	b.stage = kind
	switch kind {
	case lineCheckpoint:
		cp := new(store.Checkpoint)
		if err := b.r.rows(text, cp); err != nil {
			return nil, err
		}
		return &store.BasePart{Checkpoint: cp}, b.checkpoint(cp)
	case lineActivity:
		p := new(store.BasePart)
		return p, b.r.rows(text, &p.Activity)
	case lineBase:
		b.done = true
		return b.logPart(1), b.end(text)
	}
	return b.Commit(kind, text)
}

func (b *baseReader) Commit(kind string, text []byte) (*store.BasePart, error) {
	var row store.LogRow
	if kind == lineFirst {
		if err := b.r.rows(text, &row); err != nil {
			return nil, err
		}
		b.last = store.Head{Seq: row.Head.Seq - 1}
	} else {
		var err error
		if row, err = b.r.row(text, b.last); err != nil {
			return nil, err
		}
	}
	if row.Head.Seq == 0 || row.Head.Seq > b.at.Seq {
		return nil, b.r.damaged("commit %d is not before the checkpoint at %d", row.Head.Seq, b.at.Seq)
	}
	if _, err := record.DecodePayload(row.Payload); err != nil {
		return nil, b.r.damaged("commit %d: %v", row.Head.Seq, err)
	}
	b.last = row.Head
	b.log = append(b.log, row)
	b.r.t.Commits++
	return b.logPart(importBatch), nil
}

// logPart is a part of the log's rows, once there are n.
func (b *baseReader) logPart(n int) *store.BasePart {
	if len(b.log) < n {
		return nil
	}
	p := &store.BasePart{Log: b.log}
	b.log = nil
	return p
}

func (b *baseReader) end(text []byte) error {
	var l baseLine
	if err := b.r.decode(text, &l); err != nil {
		return err
	}
	if l.Commits != b.at.Seq || l.Lines != b.r.before || b.last.Seq > 0 && b.last != b.at {
		return b.r.damaged("what %s goes on from is not what was written", streamTitle(b.r.stream))
	}
	return nil
}
