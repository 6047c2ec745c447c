package httpapi

import (
	"crypto/sha256"
	"strconv"
	"strings"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
)

// idempotencyKey is the Idempotency-Key header, "" when there is none.
func (q *request) idempotencyKey() (string, error) {
	keys := q.r.Header["Idempotency-Key"]
	if len(keys) == 0 || len(keys) == 1 && keys[0] == "" {
		return "", nil
	}
	if len(keys) > 1 {
		return "", bursar.Errorf(bursar.CodeValidationFailed, "there is more than one Idempotency-Key header")
	}
	if err := bursar.CheckKey(keys[0]); err != nil {
		return "", bursar.Errorf(bursar.CodeValidationFailed, "the Idempotency-Key header: %v", err)
	}
	return keys[0], nil
}

// requestKey is the key of a write, nil when the request has none. view is how the engine's
// result becomes the reply that is kept.
func requestKey[T, Out any](q *request, view func(T) Out) (*catalogue.RequestKey, error) {
	key, err := q.idempotencyKey()
	if err != nil || key == "" {
		return nil, err
	}
	status, shown := q.route.status, "" // Render may run when q serves another request
	if q.spend != nil && strings.HasPrefix(q.route.pattern, reservation) {
		shown = q.markedID(q.path[1])
	}
	return &catalogue.RequestKey{Key: q.scoped(key), Content: q.contentHash(), Render: func(result any) (int, []byte) {
		if r, ok := result.(bursar.Reservation); ok && shown != "" {
			r.ID = shown
			result = r
		}
		b, err := appendReply(nil, view(result.(T)))
		if err != nil {
			panic(err) // the types of replies can all be written
		}
		return status, b
	}}, nil
}

// itemKeys gives the items of a report their keys, and gathers what is wrong with them.
type itemKeys struct {
	q        *request
	err      error // of the header
	problems bursar.Problems
}

// of is the key of an item: its own, else the one that the header gives it, else "". Item i
// of several has the header's key with #i; i is -1 for the only one.
func (k *itemKeys) of(own *string, i int) string {
	if own != nil {
		return k.q.scoped(*own)
	}
	key, err := k.q.idempotencyKey()
	if err == nil && key != "" && i >= 0 {
		key += "#" + strconv.Itoa(i)
		if len(key) > bursar.MaxKeyLen {
			err = bursar.Errorf(bursar.CodeValidationFailed, "the Idempotency-Key header is too long for #<item> to fit behind it: together they have at most %d characters", bursar.MaxKeyLen)
		}
	}
	if err != nil && k.err == nil {
		k.err = err
	}
	return k.q.scoped(key)
}

// refuse notes why a request may not be made.
func (k *itemKeys) refuse(err error) {
	if k.err == nil {
		k.err = err
	}
}

// required is the key of an item that must have one; at is where the item is.
func (k *itemKeys) required(own *string, i int, at string) string {
	key := k.of(own, i)
	if key == "" {
		k.problems.Add(at+"/idempotencyKey", bursar.CodeValidationFailed, "is required, here or as the Idempotency-Key header")
	}
	return key
}

// wrong is what is wrong with the items.
func (k *itemKeys) wrong() error {
	if k.err != nil {
		return k.err
	}
	return k.problems.Err()
}

// contentHash tells requests with the same Idempotency-Key apart. Both bases of a route
// count as the same.
func (q *request) contentHash() [sha256.Size]byte {
	h := sha256.New()
	for _, s := range []string{q.r.Method, q.route.pattern, q.path[0], q.path[1], q.path[2], q.r.URL.RawQuery} {
		h.Write(strconv.AppendInt(nil, int64(len(s)), 10))
		h.Write([]byte{':'})
		h.Write([]byte(s))
	}
	if c := q.r.Header["If-Match"]; len(c) > 0 {
		h.Write([]byte("If-Match:" + c[0]))
	}
	h.Write(q.body)
	return [sha256.Size]byte(h.Sum(nil))
}
