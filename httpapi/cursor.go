package httpapi

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"slices"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
)

// A cursor is the place of a row in a list, authenticated: base64url of a payload and
// a MAC over it, the route, the customer and the filters. So a cursor that was edited
// or belongs to another list is refused, and at most 255 characters come out.
//
// The payload of an ordinary list is the row's createdAt in milliseconds (6 bytes) and
// its id. An id too long to fit is cut, with a hash of the whole behind it; the row is
// then found again by reading the list from the cut id on.

const (
	cursorMACBytes = 16
	cursorMaxBytes = 191 // in base64, 255 characters
	cursorMaxID    = cursorMaxBytes - cursorMACBytes - 6
	cursorHashLen  = 16
)

type cursorKey [sha256.Size]byte

// newCursorKey derives the key of cursors from the environment's secret.
func newCursorKey(secret [32]byte) cursorKey {
	mac := hmac.New(sha256.New, secret[:])
	mac.Write([]byte("bursar cursor v1"))
	return cursorKey(mac.Sum(nil))
}

// paging are the parameters of every list.
type paging struct {
	After  string `query:"after" doc:"A cursor: the page behind it. Excludes before."`
	Before string `query:"before" doc:"A cursor: the page ahead of it. Excludes after."`
	Limit  int    `query:"limit" is:"n=1-100,default=20" doc:"Rows per page."`
}

func (p paging) check() error {
	if p.After != "" && p.Before != "" {
		return bursar.ErrorAt("?before", bursar.CodeValidationFailed, "give after or before, not both")
	}
	return nil
}

// notFilters are the parameters that a cursor may be used across.
var notFilters = map[string]bool{"after": true, "before": true, "limit": true, "minVersion": true, "maxStalenessMs": true}

// cursorMAC authenticates payload for the list that q asks for.
func (q *request) cursorMAC(payload []byte) []byte {
	mac := hmac.New(sha256.New, q.api.cursors[:])
	var size [4]byte
	write := func(s string) {
		binary.BigEndian.PutUint32(size[:], uint32(len(s)))
		mac.Write(size[:])
		mac.Write([]byte(s))
	}
	write(q.route.pattern)
	for _, p := range q.path {
		write(p)
	}
	known := q.route.shape
	var filters []string
	for _, p := range q.query {
		if notFilters[p.name] || !slices.ContainsFunc(known.fields, func(f field) bool { return f.query && !f.header && f.name == p.name }) {
			continue
		}
		filters = append(filters, p.name+"\x00"+p.sub+"\x00"+p.value)
	}
	slices.Sort(filters)
	for _, f := range filters {
		write(f)
	}
	write(string(payload))
	return mac.Sum(nil)[:cursorMACBytes]
}

func (q *request) seal(payload []byte) string {
	return base64.RawURLEncoding.EncodeToString(append(q.cursorMAC(payload), payload...))
}

// unseal is the payload of a cursor that seal made for the same list.
func (q *request) unseal(name, cursor string) ([]byte, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || len(raw) < cursorMACBytes || !hmac.Equal(raw[:cursorMACBytes], q.cursorMAC(raw[cursorMACBytes:])) {
		return nil, bursar.ErrorAt("?"+name, bursar.CodeInvalidCursor,
			"this is no cursor of this list with these filters: use pagination.next or pagination.prev as they were given")
	}
	return raw[cursorMACBytes:], nil
}

// cursorAt is the cursor of a row.
func (q *request) cursorAt(at ledger.ListPos) *string {
	payload := binary.BigEndian.AppendUint64(nil, uint64(at.CreatedAt.Std().UnixMilli()))[2:]
	if len(at.ID) <= cursorMaxID {
		payload = append(payload, at.ID...)
	} else {
		hash := sha256.Sum256([]byte(at.ID))
		payload = append(payload, at.ID[:cursorMaxID-1-cursorHashLen]...)
		payload = append(payload, 0) // no id has it
		payload = append(payload, hash[:cursorHashLen]...)
	}
	s := q.seal(payload)
	return &s
}

// belowAbove are the bounds of a page of a list that shows the newest first: the page
// behind a row holds smaller ids.
func belowAbove(p ledger.ListPage) (below, above string) {
	if p.After != nil {
		below = p.After.ID
	}
	if p.Before != nil {
		above = p.Before.ID
	}
	return below, above
}

// fetch reads one page of a list.
type fetch[T any] func(ledger.ListPage) (ledger.Page[T], error)

// list answers the page that p asks for. at tells the place of a row, view what is
// shown of it.
func list[T, Out any](q *request, p paging, at func(*T) ledger.ListPos, get fetch[T], view func(T) Out) (page[Out], error) {
	lp := ledger.ListPage{Limit: p.Limit}
	err := p.check()
	if err == nil && p.After != "" {
		lp.After, err = locate(q, "after", p.After, at, get)
	}
	if err == nil && p.Before != "" {
		lp.Before, err = locate(q, "before", p.Before, at, get)
	}
	if err != nil {
		return page[Out]{}, err
	}
	got, err := get(lp)
	if err != nil {
		return page[Out]{}, err
	}
	out := page[Out]{Data: make([]Out, len(got.Items))}
	for i := range got.Items {
		out.Data[i] = view(got.Items[i])
	}
	if n := len(got.Items); n > 0 {
		if got.HasNext {
			out.Pagination.Next = q.cursorAt(at(&got.Items[n-1]))
		}
		if got.HasPrev {
			out.Pagination.Prev = q.cursorAt(at(&got.Items[0]))
		}
	}
	if got.Rest != nil && p.Before == "" {
		out.Pagination.Next = q.cursorAt(*got.Rest)
	} else if got.Rest != nil {
		out.Pagination.Prev = q.cursorAt(*got.Rest)
	}
	return out, nil
}

func locate[T any](q *request, name, cursor string, at func(*T) ledger.ListPos, get fetch[T]) (*ledger.ListPos, error) {
	payload, err := q.unseal(name, cursor)
	if err != nil {
		return nil, err
	}
	var ms [8]byte
	copy(ms[2:], payload[:6])
	pos := &ledger.ListPos{CreatedAt: bursar.TimeOf(time.UnixMilli(int64(binary.BigEndian.Uint64(ms[:])))), ID: string(payload[6:])}
	cut := len(pos.ID) - 1 - cursorHashLen
	if cut < 0 || pos.ID[cut] != 0 {
		return pos, nil
	}
	return relocate(*pos, cut, at, get)
}

// relocate finds the row whose id was cut. When it is gone, the place of the cut id is
// the answer: rows may repeat then, but none is missed.
func relocate[T any](cutPos ledger.ListPos, cut int, at func(*T) ledger.ListPos, get fetch[T]) (*ledger.ListPos, error) {
	start := ledger.ListPos{CreatedAt: cutPos.CreatedAt, ID: cutPos.ID[:cut]}
	hash := cutPos.ID[cut+1:]
	from := start
	for {
		got, err := get(ledger.ListPage{After: &from, Limit: 100})
		if err != nil {
			return nil, err
		}
		for i := range got.Items {
			row := at(&got.Items[i])
			if row.CreatedAt != start.CreatedAt || len(row.ID) < cut || row.ID[:cut] != start.ID {
				return &start, nil
			}
			if sum := sha256.Sum256([]byte(row.ID)); string(sum[:cursorHashLen]) == hash {
				return &row, nil
			}
			from = row
		}
		if !got.HasNext {
			return &start, nil
		}
	}
}

// pageOf is one page of rows that are all in memory, ordered by (createdAt, id).
func pageOf[T any](rows []*T, p ledger.ListPage, at func(*T) ledger.ListPos, keep func(*T) bool) ledger.Page[T] {
	kept := rows[:0:0]
	for _, r := range rows {
		if keep(r) {
			kept = append(kept, r)
		}
	}
	from, to := 0, len(kept)
	if p.After != nil {
		from, _ = slices.BinarySearchFunc(kept, *p.After, func(r *T, pos ledger.ListPos) int {
			if comparePos(at(r), pos) <= 0 {
				return -1
			}
			return 1
		})
	}
	if p.Before != nil {
		to, _ = slices.BinarySearchFunc(kept, *p.Before, func(r *T, pos ledger.ListPos) int { return comparePos(at(r), pos) })
		from = max(from, to-p.Limit)
	}
	to = min(to, from+p.Limit)
	out := ledger.Page[T]{HasPrev: from > 0, HasNext: to < len(kept)}
	for _, r := range kept[from:to] {
		out.Items = append(out.Items, *r)
	}
	return out
}

func comparePos(a, b ledger.ListPos) int {
	switch {
	case a.CreatedAt != b.CreatedAt:
		if a.CreatedAt < b.CreatedAt {
			return -1
		}
		return 1
	case a.ID < b.ID:
		return -1
	case a.ID > b.ID:
		return 1
	}
	return 0
}
