package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bursarhq/bursar"
)

// system is who writes what time has done.
var system = &Caller{ActorType: "SYSTEM"}

// write sends a request down the lane and waits for its answer, fetching facts from
// the store as decide asks for them. It is done within what c's token allows, and once
// for c's Idempotency-Key: a repeat's error is a *Replay.
func (e *Engine) write(ctx context.Context, c *Caller, customerID string, o op) (any, uint64, error) {
	reply, version, err := e.decided(ctx, c, customerID, e.withKey(c, o), itemsOf(o))
	var twin *keptAt
	if errors.As(err, &twin) {
		r, err := e.recordAt(ctx, customerID, &twin.seen)
		if err != nil {
			return nil, 0, err
		}
		kept, ok := r.record.(*keptRec)
		if !ok {
			return nil, 0, fmt.Errorf("%w: not a kept reply", errRecord)
		}
		return nil, 0, &Replay{Status: kept.status, Body: kept.body, Version: twin.seq}
	}
	return reply, version, err
}

// decided is the answer to a request, which is asked again with the facts that it needs.
func (e *Engine) decided(ctx context.Context, by *Caller, customerID string, o op, items int) (any, uint64, error) {
	var f *facts
	for range maxAsked {
		c, err := e.acquire(ctx, customerID)
		if err != nil {
			return nil, 0, err
		}
		r := &request{c: c, op: o, who: by.ActorID, items: items, trace: by.RequestID, facts: f, done: make(chan struct{})}
		if err := e.lane.add(r); err != nil {
			e.release(c)
			return nil, 0, err
		}
		if !e.await(ctx, r) {
			go func() { // the customer stays while its request is in the lane
				<-r.done
				e.release(c)
			}()
			return nil, 0, errUnknown()
		}
		e.release(c)
		var n *needs
		if !errors.As(r.err, &n) {
			return r.reply, r.version, r.err
		}
		if f, err = e.fetch(ctx, customerID, n, f); err != nil {
			return nil, 0, err
		}
	}
	return nil, 0, e.unavailable(fmt.Errorf("%w: of %q", errMoving, customerID))
}

var errMoving = errors.New("checkpoints kept being saved while facts of the store were read")

// await waits until r is answered, and not longer than a caller is to wait for a store
// that other processes use too and that does not answer.
func (e *Engine) await(ctx context.Context, r *request) bool {
	var late <-chan time.Time
	if e.nodes != nil {
		timer := time.NewTimer(answerTimeout)
		defer timer.Stop()
		late = timer.C
	}
	for {
		select {
		case <-r.done:
			return true
		case <-ctx.Done():
			return false
		case <-late:
		}
		if r.q.asking.stuck() || e.lane.asking.stuck() {
			return false
		}
		late = time.After(stuckLook)
	}
}

// maxAsked bounds how often a decision asks for facts: once for keys, once for a hold, and
// again for the hold whenever a checkpoint was saved meanwhile.
const maxAsked = 50

// fetch reads the facts that n asks for, beside those that are there and still true.
func (e *Engine) fetch(ctx context.Context, customerID string, n *needs, have *facts) (*facts, error) {
	f := &facts{base: n.base, keys: map[[16]byte]map[int64]*keyEntry{}, holds: map[[16]byte]*hold{}, series: map[seriesKey]seriesFact{}}
	if have != nil {
		f.keys = have.keys
		if have.base == n.base {
			f.holds = have.holds
		}
	}
	byGen := map[int64][][16]byte{}
	for _, p := range n.keys {
		byGen[p.gen] = append(byGen[p.gen], p.hash)
	}
	for gen, hashes := range byGen {
		got, err := e.store.FindKeys(ctx, customerID, gen, hashes)
		if err != nil {
			return nil, e.unavailable(err)
		}
		for i, h := range hashes {
			if f.keys[h] == nil {
				f.keys[h] = map[int64]*keyEntry{}
			}
			f.keys[h][gen] = nil
			if got[i] != nil {
				k := parseKeyEntry(got[i])
				f.keys[h][gen] = &k
			}
		}
	}
	for _, id := range n.holds {
		row, err := e.store.Hold(ctx, customerID, formatID(id))
		if err != nil {
			return nil, e.unavailable(err)
		}
		f.holds[id] = nil
		if row != nil {
			if f.holds[id], err = holdFromRow(row); err != nil {
				return nil, err
			}
		}
	}
	for k, q := range n.series {
		rows, seq, err := e.store.Series(ctx, customerID, q)
		if err != nil {
			return nil, e.unavailable(err)
		}
		sum := bursar.Amount{}
		for i := range rows {
			sum = sum.Add(rows[i].Amount)
		}
		f.series[k] = seriesFact{sum, seq}
	}
	return f, nil
}

// govern is write with the type of the reply.
func govern[R any](ctx context.Context, e *Engine, c *Caller, customerID string, o op) (result R, version uint64, err error) {
	reply, version, err := e.write(ctx, c, customerID, o)
	if err != nil {
		return result, version, err
	}
	return reply.(R), version, nil
}

// once does, for c's Idempotency-Key, what is in no log: the reply is kept in the
// catalogue's once it is done. Two requests with one key at the same moment both do it.
func once[R any](ctx context.Context, e *Engine, c Caller, do func() (R, error)) (r R, err error) {
	if c.Key == nil {
		return do()
	}
	errNew := errors.New("the key is new")
	if _, err = changeAside(ctx, e, c, func(*catalogueWrite) (R, error) { return r, errNew }); err != errNew {
		return r, err
	}
	if r, err = do(); err != nil {
		return r, err
	}
	done := r
	return changeAside(context.WithoutCancel(ctx), e, c, func(*catalogueWrite) (R, error) { return done, nil })
}

// logRow is a row of the log, decoded.
type logRow struct {
	LogRow
	recs []record
}

// placed is a record with its place in the log.
type placed struct {
	record record
	row    *logRow
	index  int
}

func (p *placed) id() string {
	return formatID(idAt(p.row.Head.Now, p.row.Head.Seq, p.index, p.row.ID))
}

// recordAt reads one record again.
func (e *Engine) recordAt(ctx context.Context, stream string, at *seen) (p placed, err error) {
	row, err := e.readRow(ctx, stream, at.seq)
	if err != nil {
		return p, err
	}
	return row.at(at)
}

func (e *Engine) readRow(ctx context.Context, stream string, seq uint64) (row *logRow, err error) {
	err = e.store.ReadLog(ctx, stream, seq-1, 1, func(r LogRow) error {
		recs, err := decodePayload(r.Payload)
		row = &logRow{r, recs}
		return err
	})
	if err == nil && (row == nil || row.Head.Seq != seq) {
		err = fmt.Errorf("commit %d of %q is no longer in the log", seq, stream)
	}
	return row, err
}

func (r *logRow) at(at *seen) (placed, error) {
	if int(at.index) >= len(r.recs) {
		return placed{}, fmt.Errorf("%w: no record %d of commit %d", errRecord, at.index, at.seq)
	}
	return placed{r.recs[at.index], r, int(at.index)}, nil
}
