package store

import (
	"bytes"
	"sort"

	"github.com/bursarhq/bursar"
)

// The rows of a Checkpoint.

// EntityRow is one entity. Ord is its number within the customer, from 1, in order of
// creation, and the key of the row.
type EntityRow struct {
	Ord       uint32
	ID        string
	TypeID    string
	ParentOrd uint32 // 0 = root
	Name      *string
	Metadata  []byte // JSON object; nil = empty
	CreatedAt bursar.Time
	UpdatedAt bursar.Time
	// ArchivedAt is 0 when live.
	ArchivedAt bursar.Time
}

// AssignmentRow is one limit's definition; Ord is its number within the customer,
// from 1, and the key of the row.
type AssignmentRow struct {
	Ord        uint32
	ID         string
	EntityOrd  uint32
	Capability bursar.Capability
	Label      string
	Scope      []uint32 // entity ordinals, ascending
	Limit      *bursar.Amount
	Cadence    string
	Timezone   string
	Anchor     *bursar.Time
	Soft       bool
	Strict     bool
	Thresholds []int
	CreatedAt  bursar.Time
	UpdatedAt  bursar.Time
	Deleted    bool // saved once to delete the row and its counter; never loaded
}

// CounterRow is one limit's usage in its current and previous window; Ord is the
// assignment's.
type CounterRow struct {
	Ord         uint32
	PrevStart   bursar.Time // the previous window is [PrevStart, WindowStart); empty when equal
	WindowStart bursar.Time
	WindowEnd   bursar.Time
	Previous    bursar.Amount
	Used        bursar.Amount
	Held        bursar.Amount
}

// TotalRow is a lifetime total or a level (the last value SET). Key: (Level,
// EntityOrd, Capability).
type TotalRow struct {
	Level      bool
	EntityOrd  uint32 // 0 = the customer; totals are always the customer's
	Capability bursar.Capability
	Value      bursar.Amount
	Held       bursar.Amount // of a total: the sum of open holds
	At         bursar.Time   // of the last change; for a level, the timestamp of its value
}

// HoldRow is one reservation; ID is the key. Closed holds live only here.
type HoldRow struct {
	ID         string
	Capability bursar.Capability
	Status     bursar.HoldStatus
	CreatedAt  bursar.Time
	ExpiresAt  bursar.Time
	ClosedAt   bursar.Time // 0 while open
	Amount     bursar.Amount
	Entities   []uint32 // resolved entities, for the filter by entity
	Detail     []byte   // everything else; opaque to stores
}

// PartRow is one of the smaller things of a customer: a grant, a pool, a boost, a
// promotion, some paths, what alerts have fired, the values that a UNIQUE counted. Key: (Sort, Key).
type PartRow struct {
	Sort string
	Key  string
	Body []byte // JSON, but for sort "unique", and "paths" if the store packs it; nil is saved once to delete the row
}

// SeriesKey names one bucket of usage: what was used of a capability in 15 minutes,
// counted on an entity (0 = the customer), having come through one of its children
// (0 = directly), with one combination of dimensions (0 = none). Some EntityOrds are
// beyond those of entities: ChildOrd is then the number of a path.
type SeriesKey struct {
	Bucket     uint32 // whole 15-minute intervals since the Unix epoch
	Capability bursar.Capability
	EntityOrd  uint32
	ChildOrd   uint32
	Combo      uint32
}

// SeriesRow is one bucket's amount, or a change of it.
type SeriesRow struct {
	SeriesKey
	Amount bursar.Amount
}

// SeriesQuery selects buckets of one entity: From ≤ Bucket < To. Kind and ID "" in
// Capability do not filter, nor do Children that are nil.
type SeriesQuery struct {
	EntityOrd  uint32
	Children   []uint32 // ascending
	Capability bursar.Capability
	From, To   uint32
	Limit      int // rows of Series; 0 = all
}

// KeySegment is a part of the open generation: sorted KeyEntrySize-byte entries.
type KeySegment struct {
	Gen  int64 // nanoseconds of the generation's first receipt, its name
	Part uint64
	Data []byte
}

// KeyGeneration is a closed generation: every key received in [Gen, End].
type KeyGeneration struct {
	Gen    int64
	End    bursar.Time
	Count  int
	Filter []byte     // membership filter; opaque to stores
	Blocks []KeyBlock // when saved; never loaded with the checkpoint
}

// KeyBlock is a sorted run of entries of a closed generation. First is the key of its
// first entry.
type KeyBlock struct {
	First [16]byte
	Data  []byte
}

// KeyEntry is the entry of a hash in a sorted run of entries, nil if there is none.
func KeyEntry(run, hash []byte) []byte {
	const size = KeyEntrySize
	n := len(run) / size
	i := sort.Search(n, func(i int) bool { return bytes.Compare(run[i*size:][:16], hash) >= 0 })
	if i == n || !bytes.HasPrefix(run[i*size:], hash) {
		return nil
	}
	return run[i*size:][:size]
}
