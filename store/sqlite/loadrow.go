package sqlite

import (
	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

// table is one of the large tables of a checkpoint.
type table struct {
	size string // counts the rows of one stream, cheaply and about
	sql  string // selects them in order
	// add adds the current row to the part, which is going to have up to n rows.
	add func(c *cursor, cp *store.Checkpoint, n int) error
	// each is how many of what size counts a row has.
	each int
}

// largeTables begin with the one that takes the longest.
var largeTables = [4]table{
	{"SELECT max(ord) FROM assignments WHERE stream = ?", `SELECT ord, id, entity_ord, kind, capability, label, scope, usage_limit, cadence, timezone, anchor,
		soft, strict, thresholds, created_at, updated_at FROM assignments WHERE stream = ? ORDER BY ord`, addAssignment, 1},
	{"SELECT max(ord) FROM entities WHERE stream = ?", `SELECT ord, id, type, parent_ord, name, metadata, created_at, updated_at, archived_at
		FROM entities WHERE stream = ? ORDER BY ord`, addEntity, 1},
	{sizeOfCounters, countersOfStream, addCounters, counterBlock},
	{"SELECT count(*) FROM (SELECT 1 FROM parts WHERE stream = ? LIMIT 4096)",
		"SELECT sort, key, body FROM parts WHERE stream = ? ORDER BY sort, key", addPart, 1},
}

func addEntity(c *cursor, cp *store.Checkpoint, n int) error {
	if cp.Entities == nil {
		cp.Entities = make([]store.EntityRow, 0, n)
	}
	cp.Entities = append(cp.Entities, store.EntityRow{
		Ord: uint32(c.int(0)), ID: c.text(1), TypeID: c.text(2), ParentOrd: uint32(c.int(3)),
		Name: optText(c, 4), Metadata: c.blob(5),
		CreatedAt: bursar.Time(c.int(6)), UpdatedAt: bursar.Time(c.int(7)), ArchivedAt: bursar.Time(c.int(8)),
	})
	return nil
}

func addAssignment(c *cursor, cp *store.Checkpoint, n int) error {
	if cp.Assignments == nil {
		cp.Assignments = make([]store.AssignmentRow, 0, n)
	}
	var d decoder
	cp.Assignments = append(cp.Assignments, store.AssignmentRow{
		Ord: uint32(c.int(0)), ID: c.text(1), EntityOrd: uint32(c.int(2)),
		Capability: capability(c.text(3), c.text(4)), Label: c.text(5), Scope: ints[uint32](&d, c.text(6)),
		Limit: d.limit(c, 7), Cadence: c.text(8), Timezone: c.text(9), Anchor: optTime(c, 10),
		Soft: c.int(11) != 0, Strict: c.int(12) != 0, Thresholds: ints[int](&d, c.text(13)),
		CreatedAt: bursar.Time(c.int(14)), UpdatedAt: bursar.Time(c.int(15)),
	})
	return d.err
}

// addCounters adds a block of them.
func addCounters(c *cursor, cp *store.Checkpoint, n int) (err error) {
	if cp.Counters == nil {
		cp.Counters = make([]store.CounterRow, 0, n)
	}
	cp.Counters, err = decodeCounters(cp.Counters, uint32(c.int(0)), c.blob(1))
	return err
}

func addPart(c *cursor, cp *store.Checkpoint, n int) error {
	if cp.Parts == nil {
		cp.Parts = make([]store.PartRow, 0, n)
	}
	cp.Parts = append(cp.Parts, store.PartRow{Sort: c.text(0), Key: c.text(1), Body: c.blob(2)})
	return nil
}

// loadersMax bounds the Loads at a time. It is below the number of reading connections:
// a visit may read from the store.
const loadersMax = 2

// loader has the connections of one Load, opened when they are first needed.
type loader struct {
	path  string
	lanes [len(largeTables)]*bulk
}

func (l *loader) lane(i int) (b *bulk, err error) {
	if l.lanes[i] == nil {
		l.lanes[i], err = openBulk(l.path, readPragmas)
	}
	return l.lanes[i], err
}

func (l *loader) close() error {
	for _, b := range l.lanes {
		if b != nil {
			b.close()
		}
	}
	return nil
}
