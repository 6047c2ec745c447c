package store

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"github.com/bursarhq/bursar"
)

// DenialRow is one denial that is kept as a sample of many.
type DenialRow struct {
	CustomerID string
	ID         string
	At         bursar.Time
	Tags       []string // what it is found by, each once
	Body       []byte   // all else; opaque to stores
}

// DenialCount is how many requests were denied in an hour, by one process and in one group.
type DenialCount struct {
	CustomerID string
	Hour       bursar.Time // its begin
	Process    string      // who counted; "" in what is read, which is the sum of all
	Limit      string      // what denied; "" = no limit, or many
	Group      string      // all that the group has in common; it and Limit are opaque to stores
	Denied     uint64
	Kept       uint64      // of which there are samples
	Last       bursar.Time // the newest
}

// Key tells the count from all others.
func (c *DenialCount) Key() []byte {
	h := sha256.New()
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(c.Hour)))
	for _, part := range []string{c.CustomerID, c.Process, c.Limit, c.Group} {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(part))))
		h.Write([]byte(part))
	}
	return h.Sum(nil)[:16]
}

// DenialPos is the place of a denial among those of its customer.
type DenialPos struct {
	At bursar.Time
	ID string
}

// Compare is negative where p is before o in time.
func (p DenialPos) Compare(o DenialPos) int {
	return cmp.Or(cmp.Compare(p.At, o.At), cmp.Compare(p.ID, o.ID))
}

// Pos is where r is.
func (r *DenialRow) Pos() DenialPos { return DenialPos{r.At, r.ID} }

// DenialQuery selects denials of a customer, newest first, in [From, To). Bounds are exclusive; with
// Above the rows just above it are meant, still newest first.
type DenialQuery struct {
	CustomerID   string
	From, To     bursar.Time
	Tags         []string // those that have one of them; nil = all
	Below, Above *DenialPos
	Limit        int
}

// Where adds what SQL says of the rows that q selects, but for Tags, and gives the order in which they
// are read: "" or " DESC". Newest turns what was read so into the order that is asked for.
func (q *DenialQuery) Where(and func(cond string, args ...any)) (order string) {
	and("customer = ?", q.CustomerID)
	and("at >= ? AND at < ?", q.From, q.To)
	if q.Below != nil {
		and("(at, id) < (?, ?)", q.Below.At, q.Below.ID)
	}
	if q.Above != nil {
		and("(at, id) > (?, ?)", q.Above.At, q.Above.ID)
		return ""
	}
	return " DESC"
}

// Newest is rows, which were read in the order of Where, with the newest first.
func (q *DenialQuery) Newest(rows []DenialRow) []DenialRow {
	if q.Above != nil {
		slices.Reverse(rows)
	}
	return rows
}

// Selects tells whether r is among what q selects, but for Limit.
func (q *DenialQuery) Selects(r *DenialRow) bool {
	return r.CustomerID == q.CustomerID && r.At >= q.From && r.At < q.To &&
		(q.Below == nil || r.Pos().Compare(*q.Below) < 0) && (q.Above == nil || r.Pos().Compare(*q.Above) > 0) &&
		(q.Tags == nil || slices.ContainsFunc(r.Tags, func(t string) bool { return slices.Contains(q.Tags, t) }))
}
