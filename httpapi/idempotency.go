package httpapi

import (
	"crypto/sha256"
	"strconv"

	"github.com/bursarhq/bursar"
)

// idempotencyKey is the Idempotency-Key header, "" when there is none.
func (q *request) idempotencyKey() (string, error) {
	q.keyed = true
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

// itemKey is the key of an item: its own, else the one that the header gives it. Item i
// of several has the header's key with #i; i is -1 for the only one.
func (q *request) itemKey(own *string, i int) (string, error) {
	if own != nil {
		q.keyed = true
		return *own, nil
	}
	key, err := q.idempotencyKey()
	if err != nil || key == "" || i < 0 {
		return key, err
	}
	key += "#" + strconv.Itoa(i)
	if len(key) > bursar.MaxKeyLen {
		return "", bursar.Errorf(bursar.CodeValidationFailed, "the Idempotency-Key header is too long for #<item> to fit behind it: together they have at most %d characters", bursar.MaxKeyLen)
	}
	return key, nil
}

// errNoKey is what is wrong with a request that must have a key.
const errNoKey = "is required, here or as the Idempotency-Key header"

// requiredKey is itemKey for a request that must have one.
func (q *request) requiredKey(own *string) (string, error) {
	key, err := q.itemKey(own, -1)
	if err == nil && key == "" {
		err = bursar.ErrorAt("/idempotencyKey", bursar.CodeValidationFailed, errNoKey)
	}
	return key, err
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
