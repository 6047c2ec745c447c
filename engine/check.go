package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// Checked is how far CheckStore has come.
type Checked struct {
	Streams, Commits, Checkpoints, Differences uint64
}

// CheckOptions say what to check.
type CheckOptions struct {
	Customer string // "" = all, and the catalogue
	Found    func(stream, difference string)
	Progress func(Checked)
}

// CheckStore reads a store whole and folds its logs again. It checks that each log is chained to
// its end, and compares with what the log comes to all else that the store has of it: the
// checkpoint with reservations, usage series and idempotency keys, the listing and the activity.
// Found is told of each difference. CheckStore writes nothing; where nodes write meanwhile, each
// customer is checked as of one moment.
func CheckStore(ctx context.Context, s store.Reader, o CheckOptions) (Checked, error) {
	c := &checker{ctx: ctx, s: s, o: o}
	if o.Customer != "" {
		return c.done, c.streams([]string{o.Customer})
	}
	if err := c.streams([]string{store.CatalogueStream}); err != nil {
		return c.done, err
	}
	const page = 500
	for after := ""; ; {
		names, err := s.Streams(ctx, after, page)
		if err != nil {
			return c.done, err
		}
		if len(names) == 0 {
			break
		}
		if err := c.streams(names); err != nil {
			return c.done, err
		}
		after = names[len(names)-1]
	}
	return c.done, c.strays()
}

type checker struct {
	ctx  context.Context
	s    store.Reader
	o    CheckOptions
	done Checked
}

func (c *checker) found(stream, difference string) {
	c.done.Differences++
	c.o.Found(stream, difference)
}

// checkTries is how often a stream that is being written is checked again.
const checkTries = 3

func (c *checker) streams(names []string) error {
	for _, name := range names {
		var differences []string
		for range checkTries {
			k := &streamCheck{c: c, name: name}
			moved, err := k.run()
			if c.ctx.Err() != nil {
				return c.ctx.Err()
			}
			if err != nil {
				k.differ("%v", err)
			}
			if differences = k.differences; !moved || len(differences) == 0 {
				break
			}
		}
		for _, d := range differences {
			c.found(name, d)
		}
		c.done.Streams++
		if c.o.Progress != nil {
			c.o.Progress(c.done)
		}
	}
	return nil
}

// strays finds customers that are listed and have no log.
func (c *checker) strays() error {
	q := store.CustomerQuery{IncludeArchived: true, Limit: 500}
	for {
		rows, err := c.s.Customers(c.ctx, q)
		if err != nil {
			c.found(store.CatalogueStream, fmt.Sprintf("the listing of customers cannot be read: %v", err))
			return c.ctx.Err()
		}
		if len(rows) == 0 {
			return nil
		}
		names := make([]string, len(rows))
		for i := range rows {
			names[i] = rows[i].ID
		}
		heads, _, _, err := c.s.Heads(c.ctx, names, nil)
		if err != nil {
			return err
		}
		for i := range heads {
			if heads[i].Seq == 0 {
				c.found(names[i], "it is listed and has no log")
			}
		}
		q.After = &store.CustomerPos{CreatedAt: rows[len(rows)-1].CreatedAt, ID: rows[len(rows)-1].ID}
	}
}

// streamCheck is the check of one stream.
type streamCheck struct {
	c           *checker
	name        string
	st          *ledger.State // the fold, without what has left it
	saved       *ledger.State // the checkpoint
	series      map[store.SeriesKey]bursar.Amount
	ended       map[string]string // reservations that have ended, as rows
	keys        map[[16]byte]ledger.KeyEntry
	activity    activityPages
	checked     bool // the checkpoint was met
	differences []string
}

func (k *streamCheck) differ(format string, args ...any) {
	k.differences = append(k.differences, fmt.Sprintf(format, args...))
}

// run checks; moved tells that somebody wrote to the stream meanwhile.
func (k *streamCheck) run() (moved bool, err error) {
	heads, _, _, err := k.c.s.Heads(k.c.ctx, []string{k.name}, nil)
	if err != nil {
		return false, err
	}
	if err := k.indexes(); err != nil {
		return false, err
	}
	if k.name == store.CatalogueStream {
		cat := catalogue.NewCatalogue()
		return false, store.ReadLogTo(k.c.ctx, k.c.s, k.name, store.Head{}, heads[0], func(row *store.LogRow) (err error) {
			defer ledger.Recovered(k.name, row, &err)
			k.c.done.Commits++
			return cat.Fold(row)
		})
	}
	if err := k.load(); err != nil {
		return false, err
	}
	if err := k.fold(heads[0]); err != nil {
		return false, err
	}
	again, _, _, err := k.c.s.Heads(k.c.ctx, []string{k.name}, nil)
	if err != nil {
		return false, err
	}
	seqs, err := k.c.s.Saved(k.c.ctx, []string{k.name})
	if err != nil {
		return false, err
	}
	moved = again[0] != heads[0] || seqs[0] != k.saved.Head.Seq
	if !moved {
		k.listing()
		if err := k.uses(); err != nil {
			return false, err
		}
		if more, err := k.activity.next(k); err != nil || more != nil {
			k.differ("the activity listing has entries that its log has not (%v)", err)
		}
	}
	if k.saved.Head.Seq > 0 && !k.checked {
		k.differ("its checkpoint at commit %d is not on its log", k.saved.Head.Seq)
	}
	return moved, nil
}

// load reads the checkpoint and what the log goes on from.
func (k *streamCheck) load() error {
	k.st, k.saved = ledger.NewState(), ledger.NewState()
	k.series, k.ended, k.keys = map[store.SeriesKey]bursar.Amount{}, map[string]string{}, map[[16]byte]ledger.KeyEntry{}
	if err := restore(k.c.ctx, k.c.s, k.name, k.saved); err != nil {
		return fmt.Errorf("its checkpoint: %w", err)
	}
	if err := k.saved.Sound(); err != nil {
		return fmt.Errorf("its checkpoint: %w", err)
	}
	err := k.c.s.Base(k.c.ctx, k.name, func(cp *store.Checkpoint) error {
		for i := range cp.Series {
			k.series[cp.Series[i].SeriesKey] = cp.Series[i].Amount
		}
		for i := range cp.Holds {
			if cp.Holds[i].Status != bursar.HoldOpen {
				k.end(&cp.Holds[i])
			}
		}
		return k.st.Base(cp)
	})
	if err != nil {
		return err
	}
	if k.st.Head.Seq > 0 {
		if err := k.st.Restored(); err != nil {
			return fmt.Errorf("what its log goes on from: %w", err)
		}
	}
	k.activity.from = k.st.Head.Seq
	return nil
}

func (k *streamCheck) end(r *store.HoldRow) {
	b, err := store.EncodeRows(r)
	if err != nil {
		k.differ("reservation %s: %v", r.ID, err)
	}
	k.ended[r.ID] = string(b)
}

// fold folds the log up to a head and looks at the checkpoint where it meets it.
func (k *streamCheck) fold(to store.Head) error {
	meet := func() error {
		if k.saved.Head.Seq == 0 || k.st.Head != k.saved.Head {
			return nil
		}
		k.checked = true
		k.c.done.Checkpoints++
		return k.checkpoint()
	}
	if err := meet(); err != nil {
		return err
	}
	return store.ReadLogTo(k.c.ctx, k.c.s, k.name, k.st.Head, to, func(row *store.LogRow) error {
		if err := k.row(row); err != nil {
			return err
		}
		return meet()
	})
}

// recentKeys is how far back every store has a customer's keys.
const recentKeys = record.KeyMemory

func (k *streamCheck) row(row *store.LogRow) (err error) {
	defer ledger.Recovered(k.name, row, &err)
	k.c.done.Commits++
	v, recs, err := k.st.ApplyCommit(k.name, row)
	if err != nil {
		return err
	}
	c := store.Commit{After: k.st.Head, ID: row.ID, Now: row.Head.Now}
	v.Effects(&c, recs)
	for i := range c.Activity {
		if err := k.entry(&c.Activity[i]); err != nil {
			return err
		}
	}
	adds, keys := v.Adds, v.NewKeys
	v.Adds, v.NewKeys = nil, nil
	changed := slices.SortedFunc(maps.Keys(v.Hlds), record.CompareID)
	v.Merge(row.Head)
	for _, a := range adds {
		key := a.Bucket.Named(k.st.Caps.List)
		k.series[key] = k.series[key].Add(a.Amount)
	}
	if row.Head.Now >= k.saved.Head.Now-recentKeys && row.Head.Seq <= k.saved.Head.Seq {
		for hash, e := range keys {
			k.keys[hash] = e
		}
	}
	for _, id := range changed {
		if h := k.st.Holds[id]; h.Status != bursar.HoldOpen {
			r := h.Row(k.st.Caps.List)
			k.end(&r)
			delete(k.st.Holds, id)
		}
	}
	if k.st.Dirty.Records > 10_000 {
		k.st.Dirty = ledger.NewDirty()
	}
	return nil
}

// listing compares the customer with its row among the customers.
func (k *streamCheck) listing() {
	want := k.st.Customer
	if want == nil {
		return
	}
	rows, err := k.c.s.Customers(k.c.ctx, store.CustomerQuery{CreatedFrom: want.CreatedAt, CreatedTo: want.CreatedAt + 1, IncludeArchived: true})
	if err != nil {
		k.differ("the listing of customers cannot be read: %v", err)
		return
	}
	i := slices.IndexFunc(rows, func(c bursar.Customer) bool { return c.ID == k.name })
	if i < 0 {
		k.differ("it is not in the listing of customers")
		return
	}
	a, err1 := json.Marshal(want)
	b, err2 := json.Marshal(rows[i])
	if err := errors.Join(err1, err2); err != nil || string(a) != string(b) {
		k.differ("the listing of customers has %s, its log %s", b, a)
	}
}

// uses compares what the customer uses with what the store has of it.
func (k *streamCheck) uses() error {
	s, ok := k.c.s.(store.UsesReader)
	if !ok {
		return nil
	}
	got, err := s.Uses(k.c.ctx, k.name)
	if err != nil {
		return fmt.Errorf("what it uses: %w", err)
	}
	want := map[store.Use]bool{}
	for _, u := range k.st.AllUses() {
		want[u] = true
	}
	for _, u := range got {
		if !want[u] {
			k.differ("it is listed as using the %s %q, and does not", u.Kind, u.ID)
		}
		delete(want, u)
	}
	for u := range want {
		k.differ("it is not listed as using the %s %q", u.Kind, u.ID)
	}
	return nil
}

// maxBucket is above every bucket of the series.
const maxBucket = math.MaxInt32
