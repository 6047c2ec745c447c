package sqlite

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

// Rows of a block are read as they were written, whatever they share with one another.
func TestBlocks(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		first := uint32(r.IntN(1 << 20))
		var entities []store.EntityRow
		var assignments []store.AssignmentRow
		for ord := first * blockRows; ord < (first+1)*blockRows; ord++ {
			if r.IntN(4) > 0 {
				entities = append(entities, anyEntity(r, ord))
			}
			if r.IntN(4) > 0 {
				assignments = append(assignments, anyAssignment(r, ord))
			}
		}
		inBlock(t, &entityBlocks, r, first, entities)
		inBlock(t, &assignmentBlocks, r, first, assignments)
	}
}

func inBlock[T any](t *testing.T, blocks *blocks[T], r *rand.Rand, block uint32, rows []T) {
	t.Helper()
	data := blocks.encode(rows)
	before := make([]T, 1)
	again, err := blocks.decode(before, block, data)
	if err != nil || len(again) != len(rows)+1 {
		t.Fatalf("%s: %d of %d rows, %v", blocks.name, len(again)-1, len(rows), err)
	}
	for i := range rows {
		if !reflect.DeepEqual(again[i+1], rows[i]) {
			t.Fatalf("%s: row %d is %+v, was %+v", blocks.name, i, again[i+1], rows[i])
		}
	}
	if len(data) > 0 { // what is damaged may be read as something else, but is read to its end or refused
		data[r.IntN(len(data))] ^= byte(1 + r.IntN(255))
		_, _ = blocks.decode(nil, block, data[:r.IntN(len(data)+1)])
	}
}

// A block whose rows are not its own, each behind the one before, is damage.
func TestBlocksHaveTheirRowsInOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, ords := range [][]uint32{{0, blockRows}, {7, 7}, {7, 6}} {
		var entities []store.EntityRow
		var assignments []store.AssignmentRow
		var counters []store.CounterRow
		for _, ord := range ords {
			entities, assignments = append(entities, anyEntity(r, ord)), append(assignments, anyAssignment(r, ord))
			counters = append(counters, store.CounterRow{Ord: ord})
		}
		out := ords[1] == blockRows // which is written as 0
		refused(t, &entityBlocks, entities, out)
		refused(t, &assignmentBlocks, assignments, out)
		refused(t, &counterBlocks, counters, out)
	}
}

func refused[T any](t *testing.T, blocks *blocks[T], rows []T, out bool) {
	t.Helper()
	data := blocks.encode(rows)
	if out {
		data[len(blocks.encode(rows[:1]))] = blockRows
	}
	if again, err := blocks.decode(nil, 3, data); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("%s: %+v, %v", blocks.name, again, err)
	}
}

func some[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

func anyTime(r *rand.Rand) bursar.Time {
	return some(r, 0, 1_790_000_000e9, bursar.Time(r.Int64N(1<<62)), -bursar.Time(r.Int64N(1<<40)))
}

func anyEntity(r *rand.Rand, ord uint32) store.EntityRow {
	e := store.EntityRow{Ord: ord, ID: some(r, fmt.Sprintf("agent-%d", ord), fmt.Sprint("x", r.IntN(100)), "é", fmt.Sprint(r.Uint64())), TypeID: some(r, "agent", "agent", "team"),
		ParentOrd: some(r, 0, 7, r.Uint32()), CreatedAt: anyTime(r), ArchivedAt: some(r, 0, anyTime(r))}
	e.UpdatedAt = some(r, e.CreatedAt, anyTime(r))
	if r.IntN(3) == 0 {
		name := some(r, "", "Ann", "a longer name")
		e.Name = &name
	}
	if r.IntN(3) == 0 {
		e.Metadata = some(r, []byte{}, []byte(`{"a":"b"}`))
	}
	return e
}

func anyAssignment(r *rand.Rand, ord uint32) store.AssignmentRow {
	id := store.IDAt(some(r, 5e15, anyTime(r)&(1<<60-1)), some(r, 3, uint64(r.Uint32())), int(ord&0xffff), some(r, [16]byte{}, [16]byte{byte(ord), 3, 3, 3}))
	a := store.AssignmentRow{Ord: ord, ID: some(r, store.FormatID(id), store.FormatID(id), fmt.Sprint("other", ord)), EntityOrd: some(r, ord, 0, r.Uint32()),
		Capability: bursar.Capability{Kind: some(r, bursar.KindFeature, bursar.KindCurrency), ID: some(r, "tokens", "credits")}, Label: some(r, "", "", "l"),
		Cadence: some(r, "", "P1M", "P1D"), Timezone: some(r, "UTC", "Europe/Berlin"), Soft: some(r, false, true), Strict: some(r, false, true), CreatedAt: anyTime(r)}
	a.UpdatedAt = some(r, a.CreatedAt, anyTime(r))
	if r.IntN(2) == 0 {
		n := some(r, bursar.Amount{}, bursar.AmountFromInt(-5), bursar.AmountFromInt(1e15))
		a.Limit = &n
	}
	if r.IntN(4) == 0 {
		at := anyTime(r)
		a.Anchor = &at
	}
	a.Scope = some(r, nil, nil, []uint32{}, []uint32{1, 2, 1<<32 - 1})
	a.Thresholds = some(r, nil, []int{}, []int{80, 100})
	return a
}
