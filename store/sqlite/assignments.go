package sqlite

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

var assignmentBlocks = blocks[store.AssignmentRow]{"assignment_blocks", func(r *store.AssignmentRow) uint32 { return r.Ord }, encodeAssignments, decodeAssignments}

// saveAssignments saves those that changed, and deletes deleted ones.
func saveAssignments(c *conn, id int64, cp *store.Checkpoint) error {
	live := make([]store.AssignmentRow, 0, len(cp.Assignments))
	for i := range cp.Assignments {
		if !cp.Assignments[i].Deleted {
			live = append(live, cp.Assignments[i])
		}
	}
	return assignmentBlocks.save(c, id, live, deletedOf(cp))
}

// deletedOf is the numbers of the assignments that are deleted.
func deletedOf(cp *store.Checkpoint) (ords []uint32) {
	for i := range cp.Assignments {
		if cp.Assignments[i].Deleted {
			ords = append(ords, cp.Assignments[i].Ord)
		}
	}
	return ords
}

// What a byte tells of an assignment in its block: what is as that of the one before it, how its
// id is written, and what else there is of it.
const (
	sameTerms = 1 << iota // all but what other bits tell of
	sameLimit
	sameMade // CreatedAt
	wasChanged
	hasScope
	idNear // made in the commit that made the one before: how far its id is from that one's
	idText // not an id of ours
)

func encodeAssignments(rows []store.AssignmentRow) []byte {
	b := make([]byte, 0, 12*len(rows)+96)
	var before store.AssignmentRow
	var beforeID [16]byte
	for i := range rows {
		r := &rows[i]
		id, ours := store.ParseID(r.ID)
		step, near := idStep(beforeID, id)
		same, limit := termsAlike(r, &before), i > 0 && (r.Limit == before.Limit || r.Limit != nil && before.Limit != nil && *r.Limit == *before.Limit)
		b = append(b, byte(r.Ord%blockRows), flag(same, sameTerms)|flag(limit, sameLimit)|flag(r.CreatedAt == before.CreatedAt, sameMade)|
			flag(r.UpdatedAt != r.CreatedAt, wasChanged)|flag(r.Scope != nil, hasScope)|flag(ours && near, idNear)|flag(!ours, idText))
		switch {
		case !ours:
			b = appendText(b, r.ID)
		case near:
			b = binary.AppendUvarint(b, step)
		default:
			b = append(b, id[:]...)
		}
		b = binary.AppendVarint(b, int64(r.EntityOrd)-int64(before.EntityOrd))
		if !same {
			b = appendTerms(b, r)
		}
		if !limit {
			b = append(b, flag(r.Limit != nil, 1))
			if r.Limit != nil {
				b = r.Limit.AppendBinary(b)
			}
		}
		if r.CreatedAt != before.CreatedAt {
			b = binary.AppendVarint(b, int64(r.CreatedAt-before.CreatedAt))
		}
		if r.UpdatedAt != r.CreatedAt {
			b = binary.AppendVarint(b, int64(r.UpdatedAt-r.CreatedAt))
		}
		if r.Scope != nil {
			b = appendNumbers(b, r.Scope)
		}
		before, beforeID = *r, id
	}
	return b
}

// idStep is how far b is behind a, near if they are of one commit.
func idStep(a, b [16]byte) (step uint64, near bool) {
	const index = 18 // where the index begins that ids of one commit differ by
	x, y := binary.BigEndian.Uint64(a[8:]), binary.BigEndian.Uint64(b[8:])
	step = (y - x) >> index
	return step, [8]byte(a[:]) == [8]byte(b[:]) && y > x && (y-x)&(1<<index-1) == 0 && step <= store.MaxRecords
}

func idAfter(a [16]byte, step uint64) [16]byte {
	binary.BigEndian.PutUint64(a[8:], binary.BigEndian.Uint64(a[8:])+step<<18)
	return a
}

// termsAlike tells whether a and b say the same but for the amount of the limit and the scope.
func termsAlike(a, b *store.AssignmentRow) bool {
	return a.Capability == b.Capability && a.Label == b.Label && a.Cadence == b.Cadence && a.Timezone == b.Timezone &&
		a.Soft == b.Soft && a.Strict == b.Strict && (a.Anchor == b.Anchor || a.Anchor != nil && b.Anchor != nil && *a.Anchor == *b.Anchor) &&
		(a.Thresholds == nil) == (b.Thresholds == nil) && slices.Equal(a.Thresholds, b.Thresholds)
}

func appendTerms(b []byte, r *store.AssignmentRow) []byte {
	b = append(b, byte(r.Capability.Kind), flag(r.Soft, 1)|flag(r.Strict, 2)|flag(r.Anchor != nil, 4)|flag(r.Thresholds != nil, 8))
	b = appendText(appendText(appendText(appendText(b, r.Capability.ID), r.Label), r.Cadence), r.Timezone)
	if r.Anchor != nil {
		b = binary.AppendVarint(b, int64(*r.Anchor))
	}
	if r.Thresholds != nil {
		b = appendNumbers(b, r.Thresholds)
	}
	return b
}

func (d *blockDecoder) terms(r *store.AssignmentRow) {
	r.Capability.Kind = bursar.CapabilityKind(d.byte())
	flags := d.byte()
	r.Soft, r.Strict, r.Anchor, r.Thresholds = flags&1 != 0, flags&2 != 0, nil, nil
	r.Capability.ID, r.Label, r.Cadence, r.Timezone = d.text(), d.text(), d.text(), d.text()
	if flags&4 != 0 {
		t := d.time()
		r.Anchor = &t
	}
	if flags&8 != 0 {
		r.Thresholds = numbers[int](d)
	}
}

func appendNumbers[T int | uint32](b []byte, list []T) []byte {
	b = binary.AppendUvarint(b, uint64(len(list)))
	for _, n := range list {
		b = binary.AppendUvarint(b, uint64(n))
	}
	return b
}

func numbers[T int | uint32](d *blockDecoder) []T {
	n := d.number()
	if uint64(n) > uint64(len(d.b)) {
		d.b, d.err = nil, errBlock
		return nil
	}
	list := make([]T, n)
	for i := range list {
		list[i] = T(d.number())
	}
	return list
}

// decodeAssignments lets rows that have the same terms share what these point to, and makes one
// text of the ids of a block.
func decodeAssignments(rows []store.AssignmentRow, block uint32, data []byte) ([]store.AssignmentRow, error) {
	first := len(rows)
	text := make([]byte, 0, store.IDLength*blockRows)
	var foreign [blockRows]bool // has its id
	var before store.AssignmentRow
	var id [16]byte
	d := blockDecoder{b: data}
	for len(d.b) > 0 && len(rows)-first < blockRows {
		r := before
		r.Ord = block*blockRows + d.place()
		flags := d.byte()
		switch {
		case flags&idText != 0:
			r.ID, id, foreign[len(rows)-first] = d.text(), [16]byte{}, true
		case flags&idNear != 0:
			id = idAfter(id, uint64(d.number()))
		default:
			copy(id[:], d.bytes(uint32(len(id))))
		}
		if flags&idText == 0 {
			text = store.AppendID(text, id)
		}
		r.EntityOrd = uint32(int64(before.EntityOrd) + d.signed())
		if flags&sameTerms == 0 {
			d.terms(&r)
		}
		if flags&sameLimit == 0 {
			if r.Limit = nil; d.byte() != 0 {
				a := d.amount()
				r.Limit = &a
			}
		}
		if flags&sameMade == 0 {
			r.CreatedAt += d.time()
		}
		if r.UpdatedAt = r.CreatedAt; flags&wasChanged != 0 {
			r.UpdatedAt += d.time()
		}
		if r.Scope = nil; flags&hasScope != 0 {
			r.Scope = numbers[uint32](&d)
		}
		rows, before = append(rows, r), r
	}
	if d.err != nil || len(d.b) > 0 {
		return nil, fmt.Errorf("assignments from number %d: %w", block*blockRows, errBlock)
	}
	all := string(text)
	for i := range rows[first:] {
		if !foreign[i] {
			rows[first+i].ID, all = all[:store.IDLength], all[store.IDLength:]
		}
	}
	return rows, nil
}
