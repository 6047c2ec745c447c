package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// withKey confines o to what the caller's token allows, and makes it idempotent if the
// caller sent a key. Keys of tokens with different roots are kept apart: a repeated reply
// must show nothing that its caller may not see.
func (e *Engine) withKey(c *catalogue.Caller, o ledger.Op) ledger.Op {
	if c.Spends != nil {
		o = &ledger.BySpendToken{Path: c.Spends, Op: o}
	}
	reach := ""
	if c.Token != nil {
		o, reach = &ledger.ConfinedOp{Op: o, Token: c.Token, Wrote: c.Wrote}, c.Token.RootEntityID
	}
	if c.Key == nil {
		return o
	}
	var content [33]byte
	content[0] = byte(record.OpRequest)
	copy(content[1:], c.Key.Content[:])
	return &ledger.Keyed{Op: o, Key: ledger.KeyOf(&e.secret, "\x00"+reach, c.Key.Key, content[:]), Text: c.Key.Key, Render: c.Key.Render}
}

// system is the caller of writes that record what time alone has changed.
var system = &catalogue.Caller{ActorType: "SYSTEM"}

// write sends a request down the lane and waits for its answer, fetching facts from
// the store as decide asks for them. It is done within what c's token allows, and once
// for c's Idempotency-Key: a repeat's error is a *Replay.
func (e *Engine) write(ctx context.Context, c *catalogue.Caller, customerID string, o ledger.Op) (any, uint64, error) {
	reply, version, err := e.decided(ctx, c, customerID, e.withKey(c, o), itemsOf(o))
	var twin *ledger.KeptAt
	if errors.As(err, &twin) {
		r, err := e.recordAt(ctx, customerID, &twin.Place)
		if err != nil {
			return nil, 0, err
		}
		kept, ok := r.Record.(*record.Kept)
		if !ok {
			return nil, 0, fmt.Errorf("%w: not a kept reply", record.ErrRecord)
		}
		return nil, 0, &ledger.Replay{Status: kept.Status, Body: kept.Body, Version: twin.Seq}
	}
	return reply, version, err
}

// decided gives the lane's answer to a request. Where the decision needs facts of the store, it
// fetches them and asks again.
func (e *Engine) decided(ctx context.Context, by *catalogue.Caller, customerID string, o ledger.Op, items int) (any, uint64, error) {
	var f *ledger.Facts
	for range maxAsked {
		c, err := e.acquire(ctx, customerID)
		if err != nil {
			return nil, 0, err
		}
		if err := e.hasRoom(c); err != nil && by != system {
			e.release(c)
			return nil, 0, err
		}
		r := &request{c: c, op: o, by: by, who: by.ActorID, items: items, trace: by.RequestID, facts: f, done: make(chan struct{})}
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
		var n *ledger.Needs
		if !errors.As(r.err, &n) {
			return r.reply, r.version, r.err
		}
		if f, err = e.fetch(ctx, customerID, n, f); err != nil {
			return nil, 0, err
		}
	}
	return nil, 0, e.unavailable(fmt.Errorf("%w: of %q", errMoving, customerID))
}

// maxTries bounds how often a write is decided again since others wrote first.
const maxTries = 50

var errMoving = errors.New("checkpoints kept being saved while facts of the store were read")

// await waits for r's answer, and tells whether it came. Where other processes use the store too
// it gives up once the store has not answered for as long as a caller is to wait.
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
func (e *Engine) fetch(ctx context.Context, customerID string, n *ledger.Needs, have *ledger.Facts) (*ledger.Facts, error) {
	f := &ledger.Facts{Base: n.Base, Keys: map[[16]byte]map[int64]*ledger.KeyEntry{}, Holds: map[[16]byte]*record.Hold{}, Series: map[ledger.SeriesKey]ledger.SeriesFact{}}
	if have != nil {
		f.Keys, f.Held = have.Keys, have.Held
		if have.Base == n.Base {
			f.Holds = have.Holds
		}
	}
	byGen := map[int64][][16]byte{}
	for _, p := range n.Keys {
		byGen[p.Gen] = append(byGen[p.Gen], p.Hash)
	}
	for gen, hashes := range byGen {
		got, err := e.store.FindKeys(ctx, customerID, gen, hashes)
		if err != nil {
			return nil, e.savedUnreadable(customerID, err)
		}
		for i, h := range hashes {
			if f.Keys[h] == nil {
				f.Keys[h] = map[int64]*ledger.KeyEntry{}
			}
			f.Keys[h][gen] = nil
			if got[i] != nil {
				k := ledger.ParseKeyEntry(got[i])
				f.Keys[h][gen] = &k
			}
		}
	}
	for _, id := range n.Holds {
		row, err := e.store.Hold(ctx, customerID, store.FormatID(id))
		if err != nil {
			return nil, e.savedUnreadable(customerID, err)
		}
		f.Holds[id] = nil
		if row != nil {
			if f.Holds[id], err = record.HoldFromRow(row); err != nil {
				return nil, err
			}
		}
	}
	for _, at := range n.Held {
		p, err := e.recordAt(ctx, customerID, &at)
		if err != nil {
			return nil, err
		}
		if f.Held == nil {
			f.Held = map[record.Place][16]byte{}
		}
		if f.Held[at], err = ledger.HeldBy(p.Record); err != nil {
			return nil, fmt.Errorf("a reservation of an event: %w", err)
		}
	}
	for k, q := range n.Series {
		sum, seq, err := e.savedSum(ctx, customerID, q)
		if err != nil {
			return nil, err
		}
		f.Series[k] = ledger.SeriesFact{Sum: sum, Seq: seq}
	}
	return f, nil
}

// govern is write with the type of the reply.
func govern[R any](ctx context.Context, e *Engine, c *catalogue.Caller, customerID string, o ledger.Op) (result R, version uint64, err error) {
	reply, version, err := e.write(ctx, c, customerID, o)
	if err != nil {
		return result, version, err
	}
	return reply.(R), version, nil
}

// once makes do idempotent for c's Idempotency-Key, for operations that write no log. Their
// reply is kept in the catalogue's log once do has succeeded, so two requests with one key
// at the same moment both run do.
func once[R any](ctx context.Context, e *Engine, c catalogue.Caller, do func() (R, error)) (r R, err error) {
	if c.Key == nil {
		return do()
	}
	errNew := errors.New("the key is new")
	if _, err = changeAside(ctx, e, c, func(*catalogue.Write) (R, error) { return r, errNew }); err != errNew {
		return r, err
	}
	if r, err = do(); err != nil {
		return r, err
	}
	done := r
	return changeAside(context.WithoutCancel(ctx), e, c, func(*catalogue.Write) (R, error) { return done, nil })
}

// asDecided asks for a customer as it was when a request was decided at a version, or later.
// That state is in memory, and was looked for in the store when the request was decided.
func asDecided(version uint64) ledger.ReadOptions {
	return ledger.ReadOptions{MinVersion: version, MaxStaleness: lookTimeout}
}

// recordAt reads one record again.
func (e *Engine) recordAt(ctx context.Context, stream string, at *record.Place) (p record.Placed, err error) {
	row, err := e.readRow(ctx, stream, at.Seq)
	if err != nil {
		return p, err
	}
	return row.At(at)
}

func (e *Engine) readRow(ctx context.Context, stream string, seq uint64) (row *record.Row, err error) {
	err = e.store.ReadLog(ctx, stream, seq-1, 1, func(r store.LogRow) error {
		recs, err := record.DecodePayload(r.Payload)
		row = &record.Row{LogRow: r, Recs: recs}
		return err
	})
	if err == nil && (row == nil || row.Head.Seq != seq) {
		err = fmt.Errorf("commit %d of %q is no longer in the log", seq, stream)
	}
	return row, err
}
