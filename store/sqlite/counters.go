package sqlite

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

// Counters are saved in blocks of counterBlock neighbouring numbers, as usage series are.

const (
	counterBlock     = 64
	putCounters      = "INSERT OR REPLACE INTO counter_blocks (stream, block, data) VALUES (?, ?, ?)"
	selectCounters   = "SELECT data FROM counter_blocks WHERE stream = ? AND block = ?"
	deleteCounters   = "DELETE FROM counter_blocks WHERE stream = ? AND block = ?"
	countersOfStream = "SELECT block, data FROM counter_blocks WHERE stream = ? ORDER BY block"
	sizeOfCounters   = "SELECT 64 * (max(block) + 1) FROM counter_blocks WHERE stream = ?"
)

// saveCounters saves those that changed, and deletes those of deleted assignments.
func saveCounters(c *conn, id int64, cp *store.Checkpoint) error {
	changed := map[uint32][]counterIn{}
	for i := range cp.Counters {
		r := cp.Counters[i]
		changed[r.Ord/counterBlock] = append(changed[r.Ord/counterBlock], counterIn{r, false})
	}
	for i := range cp.Assignments {
		if a := &cp.Assignments[i]; a.Deleted {
			changed[a.Ord/counterBlock] = append(changed[a.Ord/counterBlock], counterIn{store.CounterRow{Ord: a.Ord}, true})
		}
	}
	for _, block := range slices.Sorted(maps.Keys(changed)) {
		var saved []store.CounterRow
		err := c.query(context.Background(), func(r row) (err error) {
			saved, err = decodeCounters(saved, block, r.blob(0))
			return err
		}, selectCounters, id, block)
		if err != nil {
			return err
		}
		now := overCounters(saved, changed[block])
		switch {
		case len(now) > 0:
			err = c.exec(putCounters, id, block, encodeCounters(now))
		case len(saved) > 0:
			err = c.exec(deleteCounters, id, block)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// counterIn is a counter's new state.
type counterIn struct {
	store.CounterRow
	deleted bool
}

// overCounters is saved, in order of their numbers, with what has changed.
func overCounters(saved []store.CounterRow, changed []counterIn) []store.CounterRow {
	var slots [counterBlock]counterIn
	for i := range slots {
		slots[i].deleted = true
	}
	for i := range saved {
		slots[saved[i].Ord%counterBlock] = counterIn{saved[i], false}
	}
	for i := range changed {
		slots[changed[i].Ord%counterBlock] = changed[i]
	}
	now := make([]store.CounterRow, 0, counterBlock)
	for i := range slots {
		if !slots[i].deleted {
			now = append(now, slots[i].CounterRow)
		}
	}
	return now
}

// encodeCounters writes counters of a block. Instants are told by how far they are from those
// of the counter before: neighbours mostly have the same window.
func encodeCounters(rows []store.CounterRow) []byte {
	b := make([]byte, 0, 16*len(rows)+24)
	var before store.CounterRow
	for i := range rows {
		r := &rows[i]
		b = append(b, byte(r.Ord%counterBlock))
		b = binary.AppendVarint(b, int64(r.PrevStart-before.PrevStart))
		b = binary.AppendVarint(b, int64(r.WindowStart-before.WindowStart))
		b = binary.AppendVarint(b, int64(r.WindowEnd-before.WindowEnd))
		b = r.Previous.AppendBinary(b)
		b = r.Used.AppendBinary(b)
		b = r.Held.AppendBinary(b)
		before = *r
	}
	return b
}

// decodeCounters adds the counters of a block to rows.
func decodeCounters(rows []store.CounterRow, block uint32, b []byte) ([]store.CounterRow, error) {
	var before store.CounterRow
	d := blockDecoder{b: b}
	for len(d.b) > 0 {
		r := store.CounterRow{Ord: block*counterBlock + uint32(d.byte())}
		r.PrevStart = before.PrevStart + d.time()
		r.WindowStart = before.WindowStart + d.time()
		r.WindowEnd = before.WindowEnd + d.time()
		r.Previous, r.Used, r.Held = d.amount(), d.amount(), d.amount()
		if d.err != nil {
			return nil, fmt.Errorf("counters from number %d: %w", block*counterBlock, d.err)
		}
		rows, before = append(rows, r), r
	}
	return rows, nil
}

// errBlock is the error of a block that this program did not write.
var errBlock = errors.New("not a block as this program writes them")

// blockDecoder reads what is in a block. After an error all is 0.
type blockDecoder struct {
	b   []byte
	err error
}

// take drops n bytes that were read; 0 or less tells that they could not be.
func (d *blockDecoder) take(n int) bool {
	if n <= 0 || n > len(d.b) {
		d.b, d.err = nil, errBlock
		return false
	}
	d.b = d.b[n:]
	return true
}

func (d *blockDecoder) byte() (x byte) {
	if len(d.b) > 0 {
		x = d.b[0]
	}
	d.take(1)
	return x
}

func (d *blockDecoder) number() uint32 {
	x, n := binary.Uvarint(d.b)
	if x > 1<<32-1 {
		n = 0
	}
	if !d.take(n) {
		return 0
	}
	return uint32(x)
}

func (d *blockDecoder) time() bursar.Time {
	x, n := binary.Varint(d.b)
	if !d.take(n) {
		return 0
	}
	return bursar.Time(x)
}

func (d *blockDecoder) amount() bursar.Amount {
	a, n := bursar.DecodeAmount(d.b)
	if !d.take(n) {
		return bursar.Amount{}
	}
	return a
}
