package engine

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"

	"github.com/bursarhq/bursar"
)

// catalogueWrite is a catalogue that is being changed.
type catalogueWrite struct {
	*Catalogue
	now    bursar.Time
	recs   []record
	commit [16]byte
	// mustAside: customers' commits go on meanwhile.
	mustAside bool
	trace     string
	caller    *Caller
	out       outgoing
	unused    []Use
	places    []string // where the request names each of unused
}

// notify queues a message about the environment.
func (w *catalogueWrite) notify(typ string, data any) {
	w.out.add(w.Catalogue, w.now, w.head.Seq, w.commit, w.trace, typ, "", data)
}

func (w *catalogueWrite) put(sort string, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return w.add(&catalogueRec{sort, body})
}

func (w *catalogueWrite) add(r *catalogueRec) error {
	w.recs = append(w.recs, r)
	return w.apply(r)
}

func checkName(pointer, name string, p *bursar.Problems) {
	if err := bursar.CheckName(name); err != nil {
		p.Add(pointer, bursar.CodeValidationFailed, "a display name %v", err)
	}
}

func checkText(pointer string, s *string, p *bursar.Problems) {
	if s == nil {
		return
	}
	if err := bursar.CheckText(*s, bursar.MaxDescriptionLen); err != nil {
		p.Add(pointer, bursar.CodeValidationFailed, "a text %v", err)
	}
}

// Catalogue is the catalogue as it is now.
func (e *Engine) Catalogue() *Catalogue { return e.cat.Load() }

// readCatalogue applies to c what its log has after c's head.
func (e *Engine) readCatalogue(ctx context.Context, c *Catalogue) error {
	return e.store.ReadLog(ctx, CatalogueStream, c.head.Seq, 0, func(row LogRow) error { return c.fold(&row) })
}

func (e *Engine) openCatalogue(ctx context.Context) error {
	if err := e.rereadCatalogue(ctx); err != nil {
		return err
	}
	if e.cat.Load().secret == ([32]byte{}) {
		var s [32]byte
		if _, err := rand.Read(s[:]); err != nil {
			return err
		}
		_, err := e.changeCatalogue(ctx, Caller{}, func(w *catalogueWrite) (any, error) {
			if w.secret != ([32]byte{}) {
				return nil, nil // another node was first
			}
			return nil, w.add(&catalogueRec{"secret", s[:]})
		})
		if err != nil {
			return err
		}
	}
	e.secret = e.cat.Load().secret
	return nil
}

// maxTries bounds how often a write is decided again since others wrote first.
const maxTries = 50

// changeCatalogue runs one write of the catalogue.
func (e *Engine) changeCatalogue(ctx context.Context, c Caller, change func(*catalogueWrite) (any, error)) (any, error) {
	e.catWriting.Lock()
	defer e.catWriting.Unlock()
	if e.nodes == nil { // else the store refuses what was decided on an older catalogue
		e.catMu.Lock()
		defer e.catMu.Unlock()
	}
	return e.writeCatalogue(ctx, c, change)
}

// changeAside is changeCatalogue for what no customer's commit is decided by: none waits
// for it, nor is decided again.
func changeAside[R any](ctx context.Context, e *Engine, c Caller, change func(*catalogueWrite) (R, error)) (r R, err error) {
	e.catWriting.Lock()
	defer e.catWriting.Unlock()
	v, err := e.writeCatalogue(ctx, c, func(w *catalogueWrite) (any, error) {
		w.mustAside = true
		return change(w)
	})
	if err != nil {
		return r, err
	}
	return v.(R), nil
}

// writeCatalogue is one write for who has catWriting.
func (e *Engine) writeCatalogue(ctx context.Context, c Caller, change func(*catalogueWrite) (any, error)) (any, error) {
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
func (e *Engine) tryCatalogue(ctx context.Context, c Caller, change func(*catalogueWrite) (any, error)) (result any, again bool, err error) {
	cur := e.cat.Load()
	w := &catalogueWrite{Catalogue: cur.clone(), now: max(cur.head.Now, e.now()), commit: e.ids.next(), trace: c.RequestID, caller: &c}
	var key identity
	if c.Key != nil {
		key = keyOf(&e.secret, "\x00", c.Key.Key, c.Key.Content[:])
		if r, ok := cur.replies[key.hash]; ok && r.At >= w.now-keyMemory {
			if r.Content != key.content {
				return nil, false, reused("", c.Key.Key)
			}
			return nil, false, &Replay{Status: r.Status, Body: r.Body}
		}
	}
	if result, err = change(w); err != nil || len(w.recs)+len(w.out.messages) == 0 && !key.set {
		return result, false, err
	}
	if key.set {
		status, body := c.Key.Render(result)
		if err := w.put("reply", keptReply{key.hash, key.content, w.now, status, body}); err != nil {
			return nil, false, err
		}
	}
	payload, aside := encodePayload(nil, w.recs), aside(w.recs)
	if w.mustAside && !aside {
		return nil, false, errors.New("a write aside changes what customers' commits are decided by")
	}
	commit := Commit{Stream: CatalogueStream, After: cur.head, ID: w.commit, Now: w.now, Payload: payload, Aside: aside, Unused: w.unused, Messages: w.out.messages}
	commit.Hash = chain(cur.head, commit.ID, commit.Now, payload)
	outcomes, err := e.store.Append(ctx, []Commit{commit}, nil)
	if err != nil {
		if outcomes = e.settle([]Commit{commit}, err); outcomes[0] != Committed {
			return nil, false, e.unavailable(err)
		}
	}
	switch {
	case outcomes[0] == InUse:
		return nil, false, e.errInUse(ctx, w)
	case outcomes[0] == Stale && e.nodes != nil:
		return nil, true, nil
	case outcomes[0] == Skewed:
		return nil, false, e.unavailable(errors.New("this node's clock is off the database's"))
	case outcomes[0] != Committed:
		return nil, false, e.unavailable(errors.New("the catalogue was written by another process"))
	}
	w.Catalogue.moved(commit.Head(), aside)
	e.cat.Store(w.Catalogue)
	return result, false, nil
}

// errInUse says which of the things that w wanted to archive are in use.
func (e *Engine) errInUse(ctx context.Context, w *catalogueWrite) error {
	var p bursar.Problems
	for i, u := range w.unused {
		if u.Kind == "feature" {
			return bursar.ErrorAt(w.places[i], bursar.CodeValidationFailed, errOtherFigures, u.ID)
		}
		if u.Kind == "currency" {
			return bursar.Errorf(bursar.CodeCurrencyInUse, "the currency %q is in use by live limits or grants; remove or void them first", u.ID)
		}
		if users, err := e.store.Users(ctx, u, 1); err == nil && len(users) > 0 {
			p.Add(w.places[i], bursar.CodeEntityTypeInUse, "the entity type %q has live entities, of customer %q among others; archive them first", u.ID, users[0])
		}
	}
	if p.Empty() { // the last user went meanwhile
		return bursar.Errorf(bursar.CodeEntityTypeInUse, "there were live entities of these types; try again")
	}
	return p.Err()
}
