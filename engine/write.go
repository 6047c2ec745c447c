package engine

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// Catalogue is the catalogue as it is now.
func (e *Engine) Catalogue() *catalogue.Catalogue { return e.cat.Load() }

// readCatalogue applies to c what its log has after c's head.
func (e *Engine) readCatalogue(ctx context.Context, c *catalogue.Catalogue) error {
	return e.store.ReadLog(ctx, store.CatalogueStream, c.Head.Seq, 0, func(row store.LogRow) error { return c.Fold(&row) })
}

func (e *Engine) openCatalogue(ctx context.Context) error {
	if err := e.rereadCatalogue(ctx); err != nil {
		return err
	}
	if e.cat.Load().Secret == ([32]byte{}) {
		var s [32]byte
		if _, err := rand.Read(s[:]); err != nil {
			return err
		}
		_, err := e.changeCatalogue(ctx, catalogue.Caller{}, func(w *catalogue.CatalogueWrite) (any, error) {
			if w.Secret != ([32]byte{}) {
				return nil, nil // another node was first
			}
			return nil, w.Add(&record.Catalogue{Sort: "secret", Body: s[:]})
		})
		if err != nil {
			return err
		}
	}
	e.secret = e.cat.Load().Secret
	return nil
}

// changeCatalogue runs one write of the catalogue.
func (e *Engine) changeCatalogue(ctx context.Context, c catalogue.Caller, change func(*catalogue.CatalogueWrite) (any, error)) (any, error) {
	e.catWriting.Lock()
	defer e.catWriting.Unlock()
	if e.nodes == nil { // else the store refuses what was decided on an older catalogue
		e.catMu.Lock()
		defer e.catMu.Unlock()
	}
	return e.writeCatalogue(ctx, c, change)
}

// writeCatalogue is one write for who has catWriting.
func (e *Engine) writeCatalogue(ctx context.Context, c catalogue.Caller, change func(*catalogue.CatalogueWrite) (any, error)) (any, error) {
	if e.closing.Load() {
		return nil, e.unavailable(nil)
	}
	if err := e.clockSteady(); err != nil {
		return nil, err
	}
	for range catalogue.MaxTries {
		if e.nodes != nil {
			if err := e.readOnCatalogue(ctx); err != nil {
				return nil, e.unavailable(err)
			}
		}
		result, again, err := e.tryCatalogue(ctx, c, change)
		if !again {
			return result, err
		}
	}
	return nil, e.unavailable(errors.New("other nodes kept writing the catalogue"))
}

// tryCatalogue decides and appends; again tells that another node wrote first.
func (e *Engine) tryCatalogue(ctx context.Context, c catalogue.Caller, change func(*catalogue.CatalogueWrite) (any, error)) (result any, again bool, err error) {
	cur := e.cat.Load()
	w := &catalogue.CatalogueWrite{Catalogue: cur.Clone(), Now: max(cur.Head.Now, e.now()), Commit: e.ids.next(), Trace: c.RequestID, Caller: &c}
	var key record.Identity
	if c.Key != nil {
		key = ledger.KeyOf(&e.secret, "\x00", c.Key.Key, c.Key.Content[:])
		if r, ok := cur.Replies[key.Hash]; ok && r.At >= w.Now-record.KeyMemory {
			if r.Content != key.Content {
				return nil, false, ledger.Reused("", c.Key.Key)
			}
			return nil, false, &ledger.Replay{Status: r.Status, Body: r.Body}
		}
	}
	if result, err = change(w); err != nil || len(w.Recs)+len(w.Out.Messages) == 0 && !key.Set {
		return result, false, err
	}
	if key.Set {
		status, body := c.Key.Render(result)
		if err := w.Put("reply", catalogue.KeptReply{Hash: key.Hash, Content: key.Content, At: w.Now, Status: status, Body: body}); err != nil {
			return nil, false, err
		}
	}
	payload, aside := record.EncodePayload(nil, w.Recs), catalogue.Aside(w.Recs)
	if w.MustAside && !aside {
		return nil, false, errors.New("a write aside changes what customers' commits are decided by")
	}
	commit := store.Commit{Stream: store.CatalogueStream, After: cur.Head, ID: w.Commit, Now: w.Now, Payload: payload, Aside: aside, Unused: w.Unused, Messages: w.Out.Messages}
	commit.Hash = record.Chain(cur.Head, commit.ID, commit.Now, payload)
	outcomes, err := e.store.Append(ctx, []store.Commit{commit}, nil)
	if err != nil {
		if outcomes = e.settle([]store.Commit{commit}, err); outcomes[0] != store.Committed {
			return nil, false, e.unavailable(err)
		}
	}
	switch {
	case outcomes[0] == store.InUse:
		return nil, false, e.errInUse(ctx, w)
	case outcomes[0] == store.Stale && e.nodes != nil:
		return nil, true, nil
	case outcomes[0] == store.Skewed:
		return nil, false, e.unavailable(errors.New("this node's clock is off the database's"))
	case outcomes[0] != store.Committed:
		return nil, false, e.unavailable(errors.New("the catalogue was written by another process"))
	}
	w.Catalogue.Moved(commit.Head(), aside)
	e.cat.Store(w.Catalogue)
	return result, false, nil
}

// errInUse says which of the things that w wanted to archive are in use.
func (e *Engine) errInUse(ctx context.Context, w *catalogue.CatalogueWrite) error {
	var p bursar.Problems
	for i, u := range w.Unused {
		if u.Kind == "feature" {
			return bursar.ErrorAt(w.Places[i], bursar.CodeValidationFailed, catalogue.ErrOtherFigures, u.ID)
		}
		if u.Kind == "currency" {
			return bursar.Errorf(bursar.CodeCurrencyInUse, "the currency %q is in use by live limits or grants; remove or void them first", u.ID)
		}
		if users, err := e.store.Users(ctx, u, 1); err == nil && len(users) > 0 {
			p.Add(w.Places[i], bursar.CodeEntityTypeInUse, "the entity type %q has live entities, of customer %q among others; archive them first", u.ID, users[0])
		}
	}
	if p.Empty() { // the last user went meanwhile
		return bursar.Errorf(bursar.CodeEntityTypeInUse, "there were live entities of these types; try again")
	}
	return p.Err()
}

// withKey confines o to what the caller's token allows, and makes it idempotent if the
// caller asked for it: among those of the same reach, as replies show what it shows.
func (e *Engine) withKey(c *catalogue.Caller, o ledger.Op) ledger.Op {
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

// system is who writes what time has done.
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

// decided is the answer to a request, which is asked again with the facts that it needs.
func (e *Engine) decided(ctx context.Context, by *catalogue.Caller, customerID string, o ledger.Op, items int) (any, uint64, error) {
	var f *ledger.Facts
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
func (e *Engine) fetch(ctx context.Context, customerID string, n *ledger.Needs, have *ledger.Facts) (*ledger.Facts, error) {
	f := &ledger.Facts{Base: n.Base, Keys: map[[16]byte]map[int64]*ledger.KeyEntry{}, Holds: map[[16]byte]*record.Hold{}, Series: map[ledger.SeriesKey]ledger.SeriesFact{}}
	if have != nil {
		f.Keys = have.Keys
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
			return nil, e.unavailable(err)
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
			return nil, e.unavailable(err)
		}
		f.Holds[id] = nil
		if row != nil {
			if f.Holds[id], err = record.HoldFromRow(row); err != nil {
				return nil, err
			}
		}
	}
	for k, q := range n.Series {
		rows, seq, err := e.store.Series(ctx, customerID, q)
		if err != nil {
			return nil, e.unavailable(err)
		}
		sum := bursar.Amount{}
		for i := range rows {
			sum = sum.Add(rows[i].Amount)
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

// once does, for c's Idempotency-Key, what is in no log: the reply is kept in the
// catalogue's once it is done. Two requests with one key at the same moment both do it.
func once[R any](ctx context.Context, e *Engine, c catalogue.Caller, do func() (R, error)) (r R, err error) {
	if c.Key == nil {
		return do()
	}
	errNew := errors.New("the key is new")
	if _, err = changeAside(ctx, e, c, func(*catalogue.CatalogueWrite) (R, error) { return r, errNew }); err != errNew {
		return r, err
	}
	if r, err = do(); err != nil {
		return r, err
	}
	done := r
	return changeAside(context.WithoutCancel(ctx), e, c, func(*catalogue.CatalogueWrite) (R, error) { return done, nil })
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
