package engine

import (
	"context"
	"crypto/rand"
	"strconv"
	"strings"
	"time"

	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/record"
)

const maxChanges = 2000 // that one poll answers

const watchMaxAge = time.Second // of what a poll reads, with many nodes

// Watch follows what changes in the part of a customer's tree that a query selects; its
// order and page make no difference, and without capabilities it is about all of them.
// Only writes are followed: that a window ends, its rows say themselves. A Watch may not
// be used concurrently, and must be closed.
type Watch struct {
	e        *Engine
	o        ledger.ReadOptions
	customer string
	q        ledger.TreeQuery
	feed     *ledger.Feed
	at       uint64
	resync   bool
}

// Watch starts to follow. from is what Position told an earlier Watch: where that is not
// known any more, the first change is a Resync.
func (e *Engine) Watch(ctx context.Context, o ledger.ReadOptions, customer string, q ledger.TreeQuery, from string) (*Watch, uint64, error) {
	version, err := e.readCustomer(ctx, o, customer, func(v *ledger.View) error { return v.Finds(&q) })
	if err != nil {
		return nil, version, err
	}
	w := &Watch{e: e, o: ledger.ReadOptions{Token: o.Token, MaxStaleness: watchMaxAge}, customer: customer, q: q}
	return w, version, w.attach(ctx, from)
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
	if c.st.Feed == nil {
		c.st.Feed = ledger.NewFeed(strings.ToLower(rand.Text()[:10]))
	}
	w.feed = c.st.Feed
	w.feed.Watchers++
	w.at = w.feed.Next
	if from == "" {
		return nil
	}
	epoch, position, _ := strings.Cut(from, "-")
	at, err := strconv.ParseUint(position, 36, 64)
	if w.resync = err != nil || epoch != w.feed.Epoch || !w.feed.Has(at); !w.resync {
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
	w.feed.Watchers--
	w.feed.Idle = max(c.st.Head.Now, w.e.now())
}

// Position is where w has got to.
func (w *Watch) Position() string { return w.feed.Epoch + "-" + strconv.FormatUint(w.at, 36) }

// Poll tells what changed since the last poll: entities first, each thing once.
func (w *Watch) Poll(ctx context.Context) (changes []ledger.Change, err error) {
	lost := false
	_, err = w.e.readCustomer(ctx, w.o, w.customer, func(v *ledger.View) error {
		if lost = v.Feed != w.feed; lost {
			return nil
		}
		if w.resync || !w.feed.Has(w.at) {
			w.resync, w.at = false, w.feed.Next
			changes = []ledger.Change{{Resync: true}}
			return nil
		}
		if w.at != w.feed.Next {
			changes = w.changes(v)
			w.at = w.feed.Next
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
	return []ledger.Change{{Resync: true}}, nil
}

// changes looks up what was touched since w.at.
func (w *Watch) changes(v *ledger.View) (out []ledger.Change) {
	s := ledger.TreeScan{Q: &w.q, Cat: w.e.cat.Load()}
	s.Filters(v)
	ents, rows := map[uint32]bool{}, map[uint32]*record.Limit{}
	for at := w.at; at != w.feed.Next; at++ {
		t := &w.feed.Ring[at%ledger.FeedSize]
		switch t.Kind {
		case ledger.TouchMoved:
			if v.Sees(t.Ord) || v.Sees(t.Old) {
				return []ledger.Change{{Resync: true}}
			}
		case ledger.TouchMany:
			return []ledger.Change{{Resync: true}}
		case ledger.TouchEntity:
			ents[t.Ord] = true
		default:
			if rows[t.Ord] == nil {
				rows[t.Ord] = t.Was
			}
		}
	}
	if len(ents)+len(rows) > maxChanges {
		return []ledger.Change{{Resync: true}}
	}
	for _, ord := range record.SortedOrds(ents) {
		if v.Sees(ord) && s.Selects(v, ord) {
			e := v.EntityOut(ord)
			out = append(out, ledger.Change{Entity: &e})
			out = append(out, s.Defaulted(v, ord)...)
		}
	}
	for _, ord := range record.SortedOrds(rows) {
		if c, ok := s.Change(v, ord, rows[ord]); ok {
			out = append(out, c)
		}
	}
	return out
}
