package postgres

import (
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
		soft, strict, thresholds, created_at, updated_at, sum FROM assignments WHERE stream = ` + ofStream + ` ORDER BY ord`, addAssignment},
	{`SELECT ord, id, type, parent_ord, name, metadata, created_at, updated_at, archived_at, sum
		FROM entities WHERE stream = ` + ofStream + ` ORDER BY ord`, addEntity},
	{`SELECT ord, prev_start, window_start, window_end, previous, used, held, sum
		FROM counters WHERE stream = ` + ofStream + ` ORDER BY ord`, addCounter},
	{"SELECT sort, key, body, bytes, sum FROM parts WHERE stream = " + ofStream + " ORDER BY sort, key", addPart},
}

func addEntity(r row, cp *store.Checkpoint) error {
	cp.Entities = append(grown(cp.Entities), store.EntityRow{
		Ord: r.ord(0), ID: r.text(1), TypeID: r.text(2), ParentOrd: r.ord(3),
		Name: r.optText(4), Metadata: r.json(5), CreatedAt: r.time(6), UpdatedAt: r.time(7), ArchivedAt: r.time(8),
	})
	e := &cp.Entities[len(cp.Entities)-1]
	return r.intact(9, cp.Stream, entitySum(savedIn(cp.Stream), e), "entity", e.Ord)
}

func addAssignment(r row, cp *store.Checkpoint) error {
	limit, err := r.optAmount(7)
	cp.Assignments = append(grown(cp.Assignments), store.AssignmentRow{
		Ord: r.ord(0), ID: r.text(1), EntityOrd: r.ord(2),
		Capability: r.capability(3, 4), Label: r.text(5), Scope: ints[uint32](r[6]),
		Limit: limit, Cadence: r.text(8), Timezone: r.text(9), Anchor: r.optTime(10),
		Soft: r.bool(11), Strict: r.bool(12), Thresholds: ints[int](r[13]), CreatedAt: r.time(14), UpdatedAt: r.time(15),
	})
	a := &cp.Assignments[len(cp.Assignments)-1]
	return r.intact(16, cp.Stream, assignmentSum(savedIn(cp.Stream), a), "limit", a.Ord, err)
}

func addCounter(r row, cp *store.Checkpoint) error {
	previous, err := r.amount(4)
	used, err2 := r.amount(5)
	held, err3 := r.amount(6)
	cp.Counters = append(grown(cp.Counters), store.CounterRow{
		Ord: r.ord(0), PrevStart: r.time(1), WindowStart: r.time(2), WindowEnd: r.time(3),
		Previous: previous, Used: used, Held: held,
	})
	c := &cp.Counters[len(cp.Counters)-1]
	return r.intact(7, cp.Stream, counterSum(savedIn(cp.Stream), c), "counter", c.Ord, err, err2, err3)
}

func addPart(r row, cp *store.Checkpoint) error {
	body := r.blob(2) // as it was: what has to be escaped is in bytes
	if r.null(2) {
		body = r.blob(3)
	}
	p := store.PartRow{Sort: r.text(0), Key: r.text(1), Body: body}
	cp.Parts = append(cp.Parts, p)
	return r.intact(4, cp.Stream, partSum(savedIn(cp.Stream), &p), p.Sort, p.Key)
}

// grown makes room for a part at once when a slice has outgrown a few rows.
func grown[T any](rows []T) []T {
	if len(rows) != 64 {
		return rows
	}
	return append(make([]T, 0, partRows), rows...)
}
