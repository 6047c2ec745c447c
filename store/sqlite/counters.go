package sqlite

import (
	"encoding/binary"
	"fmt"

	"github.com/bursarhq/bursar/store"
)

var counterBlocks = blocks[store.CounterRow]{"counter_blocks", func(r *store.CounterRow) uint32 { return r.Ord }, encodeCounters, decodeCounters}

// saveCounters saves those that changed, and deletes those of deleted assignments.
func saveCounters(c *conn, id int64, cp *store.Checkpoint) error {
	return counterBlocks.save(c, id, cp.Counters, deletedOf(cp))
}

// encodeCounters writes counters of a block. Instants are told by how far they are from those
// of the counter before: neighbours mostly have the same window.
func encodeCounters(rows []store.CounterRow) []byte {
	b := make([]byte, 0, 16*len(rows)+24)
	var before store.CounterRow
	for i := range rows {
		r := &rows[i]
		b = append(b, byte(r.Ord%blockRows))
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

func decodeCounters(rows []store.CounterRow, block uint32, b []byte) ([]store.CounterRow, error) {
	var before store.CounterRow
	d := blockDecoder{b: b}
	for len(d.b) > 0 {
		r := store.CounterRow{Ord: block*blockRows + d.place()}
		r.PrevStart = before.PrevStart + d.time()
		r.WindowStart = before.WindowStart + d.time()
		r.WindowEnd = before.WindowEnd + d.time()
		r.Previous, r.Used, r.Held = d.amount(), d.amount(), d.amount()
		if d.err != nil {
			return nil, fmt.Errorf("counters from number %d: %w", block*blockRows, d.err)
		}
		rows, before = append(rows, r), r
	}
	return rows, nil
}
