package engine

import (
	"context"
	"crypto/rand"
	"strconv"
	"strings"
	"time"

	"github.com/bursarhq/bursar"
)

// Watching a customer. Commits only note what they touched, when somebody watches, in a
// ring that all watchers of the customer share; each watcher looks it up when it polls,
// so it gets a row once however often that was charged meanwhile. A watcher that falls
// behind the ring, or by more than maxChanges, is told to read the tree again (Resync),
// so nothing here grows without bound and no commit waits for a watcher.

// Limits of watching.
const (
	feedSize    = 1 << 15               // touches that a customer's ring remembers
	feedKept    = bursar.Time(60 * 1e9) // how long it is kept without a watcher, so that one may resume
	maxChanges  = 2000                  // that one poll answers
	watchMaxAge = time.Second           // of what a poll reads, with many nodes
)

// feed is what commits touched in one customer. It is guarded by the customer's lock.
type feed struct {
	epoch    string // tells its positions from those of another feed
	ring     []touch
	next     uint64 // position of the next touch
	watchers int
	idle     bursar.Time // since when there is none
}

// touch is one thing that a commit changed.
type touch struct {
	kind touchKind
	ord  uint32
	old  uint32  // of an entity that moved: its parent before
	was  *rowDef // of a limit that is gone
}

type touchKind uint8

const (
	touchRow    touchKind = iota
	touchEntity           // made or changed
	touchMoved            // also archived or restored: the tree has another form
)

func newFeed() *feed { return &feed{epoch: strings.ToLower(rand.Text()[:10])} }

func (f *feed) add(t touch) {
	if len(f.ring) < feedSize {
		f.ring = append(f.ring, t)
	} else {
		f.ring[f.next%feedSize] = t
	}
	f.next++
}

// note is called before v is merged into its state.
func (f *feed) note(v *view) {
	s := v.state
	if f.watchers == 0 && v.now-f.idle > feedKept {
		s.feed = nil
		return
	}
	for ord, e := range v.ents {
		t := touch{kind: touchEntity, ord: ord}
		if int(ord) < len(s.entities) {
			if old := s.entities[ord]; old.parent != e.parent || old.archived != e.archived {
				t.kind, t.old = touchMoved, old.parent
			}
		}
		f.add(t)
	}
	for ord, def := range v.defs {
		t := touch{ord: ord}
		if def == nil && int(ord) < len(s.rows) {
			t.was = s.rows[ord]
		}
		f.add(t)
	}
	for ord := range v.ctrs {
		f.add(touch{ord: ord})
	}
	for ord := range v.bsts {
		f.add(touch{ord: ord})
	}
}

// has tells whether the ring still knows all from a position on.
func (f *feed) has(at uint64) bool { return at <= f.next && f.next-at <= uint64(len(f.ring)) }

// Change is one thing that a watcher is told: one member is set.
type Change struct {
	Row     *TreeRow
	Removed string // the id of a limit that is not there any more, or that the filters do not let through any more
	Entity  *bursar.Entity
	Resync  bool // read the tree again; what follows goes on from there
}

// Watch follows what changes in the part of a customer's tree that a query selects; its
// order and page make no difference, and without capabilities it is about all of them.
// Only writes are followed: that a window ends, its rows say themselves. A Watch may not
// be used concurrently, and must be closed.
type Watch struct {
	e        *Engine
	o        ReadOptions
	customer string
	q        TreeQuery
	feed     *feed
	at       uint64
	resync   bool
}

// Watch starts to follow. from is what Position told an earlier Watch: where that is not
// known any more, the first change is a Resync.
func (e *Engine) Watch(ctx context.Context, o ReadOptions, customer string, q TreeQuery, from string) (*Watch, uint64, error) {
	version, err := e.readCustomer(ctx, o, customer, func(v *view) error {
		for _, id := range []string{orEmpty(q.ParentID), q.RootEntityID} {
			if id != "" && v.entOrd(id) == 0 {
				return errNoEntity(id)
			}
		}
		return nil
	})
	if err != nil {
		return nil, version, err
	}
	w := &Watch{e: e, o: ReadOptions{Token: o.Token, MaxStaleness: watchMaxAge}, customer: customer, q: q}
	return w, version, w.attach(ctx, from)
}

func orEmpty(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// attach joins the feed that the customer has now.
func (w *Watch) attach(ctx context.Context, from string) error {
	c, err := w.e.acquire(ctx, w.customer)
	if err != nil {
		return err
	}
	defer w.e.release(c)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.st.feed == nil {
		c.st.feed = newFeed()
	}
	w.feed = c.st.feed
	w.feed.watchers++
	w.at = w.feed.next
	if from == "" {
		return nil
	}
	epoch, position, _ := strings.Cut(from, "-")
	at, err := strconv.ParseUint(position, 36, 64)
	if w.resync = err != nil || epoch != w.feed.epoch || !w.feed.has(at); !w.resync {
		w.at = at
	}
	return nil
}

// Close ends w.
func (w *Watch) Close() {
	c, err := w.e.acquire(context.Background(), w.customer)
	if err != nil {
		return
	}
	defer w.e.release(c)
	c.mu.Lock()
	defer c.mu.Unlock()
	w.feed.watchers--
	w.feed.idle = max(c.st.head.Now, w.e.now())
}

// Position is where w has got to.
func (w *Watch) Position() string { return w.feed.epoch + "-" + strconv.FormatUint(w.at, 36) }

// Poll tells what changed since the last poll: entities first, each thing once.
func (w *Watch) Poll(ctx context.Context) (changes []Change, err error) {
	lost := false
	_, err = w.e.readCustomer(ctx, w.o, w.customer, func(v *view) error {
		if lost = v.feed != w.feed; lost {
			return nil
		}
		if w.resync || !w.feed.has(w.at) {
			w.resync, w.at = false, w.feed.next
			changes = []Change{{Resync: true}}
			return nil
		}
		if w.at != w.feed.next {
			changes = w.changes(v)
			w.at = w.feed.next
		}
		return nil
	})
	if err != nil || !lost {
		return changes, err
	}
	// The customer left memory and came back.
	if err := w.attach(ctx, ""); err != nil {
		return nil, err
	}
	return []Change{{Resync: true}}, nil
}

// changes looks up what was touched since w.at.
func (w *Watch) changes(v *view) (out []Change) {
	s := treeScan{q: &w.q, cat: w.e.cat.Load()}
	s.filters(v)
	ents, rows := map[uint32]bool{}, map[uint32]*rowDef{}
	for at := w.at; at != w.feed.next; at++ {
		t := &w.feed.ring[at%feedSize]
		switch t.kind {
		case touchMoved:
			if v.sees(t.ord) || v.sees(t.old) {
				return []Change{{Resync: true}}
			}
		case touchEntity:
			ents[t.ord] = true
		default:
			if rows[t.ord] == nil {
				rows[t.ord] = t.was
			}
		}
	}
	if len(ents)+len(rows) > maxChanges {
		return []Change{{Resync: true}}
	}
	for _, ord := range sortedOrds(ents) {
		if v.sees(ord) && s.selects(v, ord) {
			e := v.entityOut(ord)
			out = append(out, Change{Entity: &e})
		}
	}
	for _, ord := range sortedOrds(rows) {
		if c, ok := s.change(v, ord, rows[ord]); ok {
			out = append(out, c)
		}
	}
	return out
}

// change is what there is to say of a limit that was touched; was is what it was, if it
// is gone.
func (s *treeScan) change(v *view, ord uint32, was *rowDef) (c Change, ok bool) {
	def := v.def(ord)
	gone := def == nil
	if gone {
		def = was
	}
	if def == nil || def.ent == 0 || s.caps != nil && !s.caps[def.cap] || !s.wantsRow(v, def) || !s.selects(v, def.ent) {
		return c, false
	}
	if gone || !s.wantsUse(v, ord, def) {
		return Change{Removed: formatID(v.rowID(ord))}, true
	}
	r, ok := s.row(v, &treeItem{ent: def.ent, row: ord})
	return Change{Row: &r}, ok
}

// selects tells whether an entity is among those that the query is about, as
// selectEntities would find out for all.
func (s *treeScan) selects(v *view, ord uint32) bool {
	if !s.wants(v.ent(ord)) {
		return false
	}
	root := v.root
	if s.q.RootEntityID != "" {
		root = v.entOrd(s.q.RootEntityID)
	}
	level, parent := 0, uint32(0)
	asked := uint32(0)
	if s.q.ParentID != nil {
		asked = v.entOrd(*s.q.ParentID)
	}
	e := ord
	for ; e != root && e != 0; e = v.ent(e).parent {
		if up := v.ent(e).parent; up != 0 && (s.q.IncludeArchived || v.ent(up).archived == 0 || up == asked) {
			if level++; parent == 0 {
				parent = up
			}
		}
	}
	return e == root && (s.q.ParentID == nil || parent == asked) && (s.q.ParentID != nil || s.q.Depth == nil || level <= *s.q.Depth)
}
