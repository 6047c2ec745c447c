package engine

import (
	"context"
	"crypto/rand"
	"errors"

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
		_, err := e.changeCatalogue(ctx, catalogue.Caller{}, func(w *catalogue.Write) (any, error) {
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
func (e *Engine) changeCatalogue(ctx context.Context, c catalogue.Caller, change func(*catalogue.Write) (any, error)) (any, error) {
	e.catWriting.Lock()
	defer e.catWriting.Unlock()
	if e.nodes == nil { // else the store refuses what was decided on an older catalogue
		e.catMu.Lock()
		defer e.catMu.Unlock()
	}
	return e.writeCatalogue(ctx, c, change)
}

// changeAside is catalogueDo for changes that no decision about a customer depends on: no
// customer's commit waits for them or is decided again.
func changeAside[R any](ctx context.Context, e *Engine, c catalogue.Caller, change func(*catalogue.Write) (R, error)) (R, error) {
	e.catWriting.Lock()
	defer e.catWriting.Unlock()
	return as[R](e.writeCatalogue(ctx, c, func(w *catalogue.Write) (any, error) {
		w.MustAside = true
		return change(w)
	}))
}

// writeCatalogue is one write. The caller holds catWriting.
func (e *Engine) writeCatalogue(ctx context.Context, c catalogue.Caller, change func(*catalogue.Write) (any, error)) (any, error) {
	if e.closing.Load() {
		return nil, e.unavailable(nil)
	}
	if err := e.clockSteady(); err != nil {
		return nil, err
	}
	for range maxTries {
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
func (e *Engine) tryCatalogue(ctx context.Context, c catalogue.Caller, change func(*catalogue.Write) (any, error)) (result any, again bool, err error) {
	cur := e.cat.Load()
	w := &catalogue.Write{Catalogue: cur.Clone(), Now: max(cur.Head.Now, e.now()), CommitID: e.ids.next(), Trace: c.RequestID, Caller: &c}
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
	commit := store.Commit{Stream: store.CatalogueStream, After: cur.Head, ID: w.CommitID, Now: w.Now, Payload: payload, Aside: aside, Unused: w.Unused, Messages: w.Out.Messages}
	commit.Hash = record.Chain(cur.Head, commit.ID, commit.Now, payload)
	outcomes, err := e.store.Append(ctx, []store.Commit{commit}, nil)
	if err != nil {
		if outcomes = e.outcomesOf([]store.Commit{commit}, err); outcomes[0] != store.Committed {
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
func (e *Engine) errInUse(ctx context.Context, w *catalogue.Write) error {
	var p bursar.Problems
	for i, u := range w.Unused {
		if u.Kind == "default" {
			if users, err := e.store.Users(ctx, u, 1); err == nil && len(users) > 0 {
				return bursar.ErrorAt(w.Places[i], bursar.CodeValidationFailed, catalogue.ErrHasDefaults, u.ID, users[0])
			}
			continue
		}
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
