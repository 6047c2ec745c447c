package sqlite

import (
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
	{assignmentBlocks.sizeSQL(), assignmentBlocks.rowsSQL(), func(c *cursor, cp *store.Checkpoint, n int) error {
		return assignmentBlocks.read(c, &cp.Assignments, n)
	}, blockRows},
	{entityBlocks.sizeSQL(), entityBlocks.rowsSQL(), func(c *cursor, cp *store.Checkpoint, n int) error {
		return entityBlocks.read(c, &cp.Entities, n)
	}, blockRows},
	{counterBlocks.sizeSQL(), counterBlocks.rowsSQL(), func(c *cursor, cp *store.Checkpoint, n int) error {
		return counterBlocks.read(c, &cp.Counters, n)
	}, blockRows},
	{"SELECT count(*) FROM (SELECT 1 FROM parts WHERE stream = ? LIMIT 4096)",
		"SELECT sort, key, body FROM parts WHERE stream = ? ORDER BY sort, key", addPart, 1},
}

// read adds the block that the cursor is at to rows.
func (t *blocks[T]) read(c *cursor, rows *[]T, n int) (err error) {
	if *rows == nil {
		*rows = make([]T, 0, n)
	}
	data := c.view(1)
	c.taken += len(data)
	*rows, err = t.decode(*rows, uint32(c.int(0)), data)
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
