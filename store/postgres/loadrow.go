package postgres

import (
	"errors"

	"github.com/bursarhq/bursar/store"
)

// table is one of the large tables of a checkpoint, which is read whole.
type table struct {
	sql string
	add func(r row, cp *store.Checkpoint) error // the row, to the part
}

// largeTables begin with the one that takes the longest.
var largeTables = [...]table{
	{`SELECT ord, id, entity_ord, kind, capability, label, scope, usage_limit, cadence, timezone, anchor,
		soft, strict, thresholds, created_at, updated_at FROM assignments WHERE stream = ` + ofStream + ` ORDER BY ord`, addAssignment},
	{`SELECT ord, id, type, parent_ord, name, metadata, created_at, updated_at, archived_at
		FROM entities WHERE stream = ` + ofStream + ` ORDER BY ord`, addEntity},
	{`SELECT ord, prev_start, window_start, window_end, previous, used, held
		FROM counters WHERE stream = ` + ofStream + ` ORDER BY ord`, addCounter},
	{"SELECT sort, key, body, bytes FROM parts WHERE stream = " + ofStream + " ORDER BY sort, key", addPart},
}

func addEntity(r row, cp *store.Checkpoint) error {
	cp.Entities = append(grown(cp.Entities), store.EntityRow{
		Ord: uint32(r.int(0)), ID: r.text(1), TypeID: r.text(2), ParentOrd: uint32(r.int(3)),
		Name: r.optText(4), Metadata: r.json(5), CreatedAt: r.time(6), UpdatedAt: r.time(7), ArchivedAt: r.time(8),
	})
	return nil
}

func addAssignment(r row, cp *store.Checkpoint) error {
	limit, err := r.optAmount(7)
	cp.Assignments = append(grown(cp.Assignments), store.AssignmentRow{
		Ord: uint32(r.int(0)), ID: r.text(1), EntityOrd: uint32(r.int(2)),
		Capability: r.capability(3, 4), Label: r.text(5), Scope: ints[uint32](r[6]),
		Limit: limit, Cadence: r.text(8), Timezone: r.text(9), Anchor: r.optTime(10),
		Soft: r.bool(11), Strict: r.bool(12), Thresholds: ints[int](r[13]), CreatedAt: r.time(14), UpdatedAt: r.time(15),
	})
	return err
}

func addCounter(r row, cp *store.Checkpoint) error {
	previous, err := r.amount(4)
	used, err2 := r.amount(5)
	held, err3 := r.amount(6)
	if err != nil || err2 != nil || err3 != nil {
		return errors.Join(err, err2, err3)
	}
	cp.Counters = append(grown(cp.Counters), store.CounterRow{
		Ord: uint32(r.int(0)), PrevStart: r.time(1), WindowStart: r.time(2), WindowEnd: r.time(3),
		Previous: previous, Used: used, Held: held,
	})
	return nil
}

func addPart(r row, cp *store.Checkpoint) error {
	body := r.blob(2) // as it was: what has to be escaped is in bytes
	if r.null(2) {
		body = r.blob(3)
	}
	cp.Parts = append(cp.Parts, store.PartRow{Sort: r.text(0), Key: r.text(1), Body: body})
	return nil
}

// grown makes room for a part at once when a slice has outgrown a few rows.
func grown[T any](rows []T) []T {
	if len(rows) != 64 {
		return rows
	}
	return append(make([]T, 0, partRows), rows...)
}
