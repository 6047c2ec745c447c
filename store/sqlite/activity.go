package sqlite

import (
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

// Entries of the activity that come together are kept in blocks of up to activityBlock, packed.
// Blocks of a stream are numbered in the order of ids; ids grow with time.

const (
	activityBlock  = 256
	toldMost       = 16 // actions and actors
	selectNewest   = "SELECT n, last FROM activity_blocks WHERE stream = ? ORDER BY n DESC LIMIT 1"
	selectBehind   = "SELECT 1 FROM activity WHERE stream = ? AND id >= ? LIMIT 1"
	insertActivity = "INSERT INTO activity_blocks (stream, n, first, last, earliest, told, length, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
	insertEntities = "INSERT INTO activity_entities (stream, entity_id, n) VALUES (?, ?, ?)"
	selectRewound  = "SELECT n, length, data FROM activity_blocks WHERE stream = ? AND last > ? ORDER BY n"
)

// note writes entries that were recorded together.
func (a *appending) note(stream int64, entries []store.Activity) error {
	if len(entries) == 0 {
		return nil
	}
	n, inOrder, err := a.behindAll(stream, entries)
	if err != nil {
		return err
	}
	if !inOrder {
		for i := range entries {
			if err := putRow(a.w.conn, stream, &entries[i]); err != nil {
				return err
			}
		}
		return nil
	}
	for block := range slices.Chunk(entries, activityBlock) {
		n++
		if err := a.noteBlock(stream, n, block); err != nil {
			return err
		}
	}
	return nil
}

// putRow puts an entry into the table.
func putRow(c *conn, stream int64, e *store.Activity) error {
	return c.exec(putActivity, stream, e.ID, e.Timestamp, e.ActorType, e.ActorID, e.Subject, e.Action,
		e.TargetType, e.TargetID, e.EntityID, jsonText(e.Before), jsonText(e.After), e.RequestID)
}

// behindAll tells whether entries are in order, behind all that the stream has, and the number of
// its newest block.
func (a *appending) behindAll(stream int64, entries []store.Activity) (n int64, inOrder bool, err error) {
	inOrder = slices.IsSortedFunc(entries, func(x, y store.Activity) int {
		if x.ID == y.ID || x.Timestamp > y.Timestamp {
			return 1
		}
		return strings.Compare(x.ID, y.ID)
	})
	first := entries[0].ID
	ctx := context.Background()
	err = a.w.query(ctx, func(r row) error {
		n, inOrder = r.int(0), inOrder && r.text(1) < first
		return nil
	}, selectNewest, stream)
	if err != nil || !inOrder {
		return n, false, err
	}
	err = a.w.query(ctx, func(row) error {
		inOrder = false
		return nil
	}, selectBehind, stream, first)
	return n, inOrder, err
}

func (a *appending) noteBlock(stream, n int64, entries []store.Activity) error {
	data := pack(encodeActivity(entries))
	x := indexActivity(entries)
	if err := a.w.exec(insertActivity, stream, n, x.first, x.last, x.earliest, x.told, data.length, data.data); err != nil {
		return err
	}
	for _, id := range x.entities {
		if err := a.w.exec(insertEntities, stream, id, n); err != nil {
			return err
		}
	}
	return nil
}

// activityIndex is what a block of entries is found by.
type activityIndex struct {
	first, last string
	earliest    bursar.Time
	told        any // JSON text; nil = too many
	entities    []string
}

func indexActivity(entries []store.Activity) activityIndex {
	x := activityIndex{first: entries[0].ID, last: entries[len(entries)-1].ID, earliest: entries[0].Timestamp}
	var told []string
	for i := range entries {
		if id := entries[i].EntityID; id != "" {
			x.entities = append(x.entities, id)
		}
		for _, text := range []string{entries[i].Action, entries[i].ActorID} {
			if len(told) <= toldMost && !slices.Contains(told, text) {
				told = append(told, text)
			}
		}
	}
	if len(told) <= toldMost {
		x.told = jsonOf(told)
	}
	slices.Sort(x.entities)
	x.entities = slices.Compact(x.entities)
	return x
}

// jsonOf is texts as JSON, which can be written.
func jsonOf[T string | []string](texts T) string {
	b, _ := json.Marshal(texts)
	return string(b)
}

func encodeActivity(entries []store.Activity) (b []byte) {
	for i := range entries {
		e := &entries[i]
		b = binary.AppendVarint(b, int64(e.Timestamp))
		for _, text := range []string{e.ID, e.ActorType, e.ActorID, e.Subject, e.Action, e.TargetType, e.TargetID, e.EntityID, e.RequestID} {
			b = appendText(b, text)
		}
		for _, change := range [][]byte{e.Before, e.After} {
			b = append(b, flag(change != nil, 1))
			if change != nil {
				b = appendText(b, change)
			}
		}
	}
	return b
}

func decodeActivity(b []byte) (entries []store.Activity, err error) {
	d := blockDecoder{b: b}
	for len(d.b) > 0 {
		e := store.Activity{Timestamp: d.time()}
		for _, text := range []*string{&e.ID, &e.ActorType, &e.ActorID, &e.Subject, &e.Action, &e.TargetType, &e.TargetID, &e.EntityID, &e.RequestID} {
			*text = d.text()
		}
		for _, change := range []*[]byte{&e.Before, &e.After} {
			if d.byte() != 0 {
				*change = []byte(d.text())
			}
		}
		entries = append(entries, e)
	}
	if d.err != nil {
		return nil, fmt.Errorf("entries of the activity: %w", d.err)
	}
	return entries, nil
}

// readActivityBlock is the entries of a row that has the number of a block, the length and the data.
func readActivityBlock(r row) (entries []store.Activity, err error) {
	data := r.blob(2)
	if !r.null(1) {
		data, err = unpack(data, r.int(1))
	}
	if err == nil {
		entries, err = decodeActivity(data)
	}
	if err != nil {
		return nil, fmt.Errorf("block %d: %w", r.int(0), err)
	}
	return entries, nil
}

// clearActivity takes all entries of a stream away, and reads none of them.
func (a *appending) clearActivity(stream int64) error {
	for _, table := range []string{"activity", "activity_blocks", "activity_entities"} {
		if err := a.w.exec("DELETE FROM "+table+" WHERE stream = ?", stream); err != nil {
			return err
		}
	}
	return nil
}

// rewindActivity takes the entries behind an id away.
func (a *appending) rewindActivity(stream int64, after string) error {
	var from int64
	var kept []store.Activity
	err := a.w.query(context.Background(), func(r row) error {
		if from != 0 {
			return nil
		}
		entries, err := readActivityBlock(r)
		from = r.int(0)
		kept = slices.DeleteFunc(entries, func(e store.Activity) bool { return e.ID > after })
		return err
	}, selectRewound, stream, after)
	if err != nil {
		return fmt.Errorf("the activity of stream number %d: %w", stream, err)
	}
	if err := a.w.exec("DELETE FROM activity WHERE stream = ? AND id > ?", stream, after); err != nil || from == 0 {
		return err
	}
	for _, table := range []string{"activity_blocks", "activity_entities"} {
		if err := a.w.exec("DELETE FROM "+table+" WHERE stream = ? AND n >= ?", stream, from); err != nil {
			return err
		}
	}
	if len(kept) == 0 {
		return nil
	}
	return a.noteBlock(stream, from, kept)
}

// Activity implements store.Store. It reads as of one moment.
func (s *Store) Activity(ctx context.Context, stream string, q store.ActivityQuery) (rows []store.Activity, err error) {
	err = s.read(ctx, s.logReaders, func(c *conn) (err error) {
		if err := c.exec("BEGIN"); err != nil {
			return err
		}
		defer func() { err = cmp.Or(err, c.exec("ROLLBACK")) }()
		id, _, err := head(ctx, c, stream)
		if err != nil || id == 0 {
			return err
		}
		if rows, err = activityRows(ctx, c, id, &q); err != nil {
			return err
		}
		f := newActivitySearch(&q)
		if err := f.blocks(ctx, c, id); err != nil {
			return fmt.Errorf("the activity of stream %q: %w", stream, err)
		}
		rows = append(rows, f.found...)
		return nil
	})
	order := func(a, b store.Activity) int { return strings.Compare(b.ID, a.ID) } // newest first
	slices.SortStableFunc(rows, order)
	rows = slices.CompactFunc(rows, func(a, b store.Activity) bool { return a.ID == b.ID })
	if n := len(rows) - q.Limit; q.Limit > 0 && n > 0 {
		if q.Above != "" {
			rows = rows[n:] // the ones just above it
		}
		rows = rows[:q.Limit]
	}
	return rows, err
}

// activityRows is what the table that entries were in before there were blocks has.
func activityRows(ctx context.Context, c *conn, stream int64, q *store.ActivityQuery) (rows []store.Activity, err error) {
	w := activityWhere(stream, q)
	order := " ORDER BY id DESC LIMIT ?"
	if q.Above != "" {
		order = " ORDER BY id LIMIT ?"
	}
	err = c.query(ctx, func(r row) error {
		rows = append(rows, store.Activity{
			ID: r.text(0), Timestamp: bursar.Time(r.int(1)), ActorType: r.text(2), ActorID: r.text(3),
			Subject: r.text(4), Action: r.text(5), TargetType: r.text(6), TargetID: r.text(7),
			EntityID: r.text(8), Before: r.blob(9), After: r.blob(10), RequestID: r.text(11),
		})
		return nil
	}, selectActivity+w.text()+order, append(w.args, rowLimit(q.Limit))...)
	return rows, err
}
