package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// Waiting counts the requests that wait for the write path.
func Waiting(e *Engine) int {
	e.lane.mu.Lock()
	defer e.lane.mu.Unlock()
	n := 0
	for _, q := range e.lane.queues {
		n += q.n
	}
	return n
}

// FeedSize is how much a watcher may miss.
const FeedSize = ledger.FeedSize

// Forget drops a customer from memory, as after a commit of unknown outcome.
func (e *Engine) Forget(customer string) { e.dropID(customer) }

// TellDenials tells people of what has denied.
func (e *Engine) TellDenials() { e.tellDenials(context.Background()) }

// Housekeep is one round of housekeeping, and Looks how many customers rounds have had a
// look at so far.
func Housekeep(e *Engine) {
	e.keepUp()
	e.evict()
}

func Looks(e *Engine) int {
	e.keeper.mu.Lock()
	defer e.keeper.mu.Unlock()
	return e.keeper.looks
}

// Tick records what time has done to a customer.
func (e *Engine) Tick(customer string) error {
	_, _, err := e.write(context.Background(), system, customer, ledger.TickOp{})
	return err
}

// Standing is what a customer's log comes to, without its instants: who used and holds how
// much, and how reservations, grants and sets of values stand.
func Standing(ctx context.Context, s store.Store, customer string) (string, error) {
	st := ledger.NewState()
	if err := s.ReadLog(ctx, customer, 0, 0, func(row store.LogRow) error { return st.Fold(customer, &row) }); err != nil {
		return "", err
	}
	var b bytes.Buffer
	for ord := range st.Rows.Len() {
		if def := st.Rows.At(uint32(ord)); def != nil {
			c := ledger.NewView(st, st.Head.Now).Counter(uint32(ord), def)
			fmt.Fprintf(&b, "row %d: %s before, %s used, %s held\n", ord, c.Prev, c.Used, c.Held)
		}
		if f := st.Fired[uint32(ord)]; f != nil {
			fmt.Fprintf(&b, "row %d: fired %v\n", ord, f.Levels)
		}
	}
	for _, cap := range record.SortedOrds(st.Totals) {
		fmt.Fprintf(&b, "%s: %s used, %s held\n", st.Caps.At(cap), st.Totals[cap].Value, st.Totals[cap].Held)
	}
	for k, l := range st.Levels {
		fmt.Fprintf(&b, "level %v: %s\n", k, l.Value)
	}
	for id, h := range st.Holds {
		fmt.Fprintf(&b, "%s: %s, %s of %s for %s\n", store.FormatID(id), h.Status, h.Recorded, h.Amount, time.Duration(h.Expires-h.Created))
	}
	for ord, g := range st.Grants[1:] {
		fmt.Fprintf(&b, "grant %d: %s, %s of %s\n", ord+1, g.Status, g.Consumed, g.Amount)
	}
	for cap, p := range st.Pools {
		fmt.Fprintf(&b, "pool %d: %s of %s, %v\n", cap, p.Used, p.Limit, p.Low)
	}
	for k, set := range st.Uniques {
		fmt.Fprintf(&b, "values of %d, %d: %d\n", k.Row, k.Cap, set.Count())
	}
	lines := bytes.Split(b.Bytes(), []byte("\n"))
	slices.SortFunc(lines, bytes.Compare)
	return string(bytes.Join(lines, []byte("\n"))), nil
}

// Revoke appends n revocations of tokens, each a commit as RevokeAccessToken makes it, to the
// catalogue's log, which no engine uses meanwhile.
func Revoke(ctx context.Context, s store.Store, n int, now, until bursar.Time) error {
	heads, _, _, err := s.Heads(ctx, []string{store.CatalogueStream}, nil)
	at := heads[0]
	for n > 0 && err == nil {
		var commits []store.Commit
		for ; n > 0 && len(commits) < 512; n-- {
			body, _ := json.Marshal(&catalogue.RevokedToken{ID: store.FormatID(store.IDAt(now, at.Seq+1, 0, at.Hash)), RevokedAt: now.Milli(), ExpiresAt: until})
			c := store.Commit{Stream: store.CatalogueStream, After: at, ID: at.Hash, Now: now, Payload: record.EncodePayload(nil, []record.Record{&record.Catalogue{Sort: "tokenRevoked", Body: body}}), Imported: true}
			c.Hash = record.Chain(at, c.ID, c.Now, c.Payload)
			at = c.Head()
			commits = append(commits, c)
		}
		_, err = s.Append(ctx, commits, nil)
	}
	return err
}

// RevokedCount is how many revocations are known; RevokedLooks how many were looked at, all in
// all, to be rid of those that have ended.
func RevokedCount(e *Engine) int { return len(e.Catalogue().Revoked) }

func RevokedLooks(e *Engine) int { return e.Catalogue().RevokedSweep.Looked }

// LeaveSpent archives what ended spend tokens were counted on, as housekeeping does.
func LeaveSpent(e *Engine) { e.leaveSpent() }

// SaveDenials writes what waits, and TrimDenials deletes what is too old, as the engine does in time.
func SaveDenials(e *Engine) { e.saveDenials(context.Background()) }
func TrimDenials(e *Engine) {
	for e.trimDenials() {
	}
}

// Limits of denials.
const (
	DenialGroups, DenialSamples, DenialSamplesHour, DenialScan = denialGroups, denialSamples, denialSamplesHour, denialScan
	DenialsWaiting                                             = denialsWaiting
	DenialGroupsInAll                                          = denialGroupsInAll
)

// Every tree is looked through as a large one is.
func init() { ledger.SmallTree = 0 }

// WholeTree is Tree by a look at all rows.
func (e *Engine) WholeTree(ctx context.Context, o ledger.ReadOptions, customer string, q ledger.TreeQuery) (ledger.TreePage, error) {
	s := ledger.TreeScan{Q: &q, Cat: e.cat.Load(), Whole: true}
	version, err := e.readTurn(ctx, o, customer, s.On)
	if err == nil {
		_, err = e.readTurn(ctx, o, customer, s.RowsOn)
	}
	page := s.Page()
	page.Version = version
	return page, err
}

// TreeInSlices is the rows of Tree, with slices as short as can be. It calls between before each.
func (e *Engine) TreeInSlices(ctx context.Context, customer string, q ledger.TreeQuery, between func(slice int)) ([]ledger.TreeRow, error) {
	if err := e.indexTree(ctx, customer); err != nil {
		return nil, err
	}
	c, err := e.acquire(ctx, customer)
	if err != nil {
		return nil, err
	}
	defer e.release(c)
	s := ledger.TreeScan{Q: &q, Cat: e.cat.Load()}
	var r reading
	for slice, done := 0, false; !done; slice++ {
		between(slice)
		done, err = e.readSlice(c, &ledger.ReadOptions{}, &r, func(v *ledger.View) error {
			v.Visits = v.Rested + ledger.SliceSize - 1
			return s.On(v)
		})
	}
	if err == nil {
		_, err = e.readTurn(ctx, ledger.ReadOptions{}, customer, s.RowsOn)
	}
	return s.Page().Rows, err
}
