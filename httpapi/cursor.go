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
		if notFilters[p.name] || known.parameter(p.name) == nil {
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
