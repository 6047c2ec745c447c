package record

import (
	"time"

	"github.com/bursarhq/bursar"
)

// KeyMemory is how long a key without a timestamp of its own is recognised.
const KeyMemory = bursar.Time(24 * time.Hour)

// Identity is an idempotency key as it is remembered: a keyed hash of (target, key) and
// a hash of the content.
type Identity struct {
	Set     bool
	Hash    [16]byte
	Content [8]byte
}

func (k *Identity) encode(e *Encoder) {
	e.Bool(k.Set)
	if k.Set {
		e.Hash(k.Hash)
		e.B = append(e.B, k.Content[:]...)
	}
}

func (k *Identity) decode(d *Decoder) {
	if k.Set = d.bool(); !k.Set {
		return
	}
	k.Hash = d.hash()
	for i := range k.Content {
		k.Content[i] = d.byte()
	}
}

type Kept struct {
	Key    Identity
	Status int
	Body   []byte
}

func (*Kept) Kind() Kind { return kindKept }

func (r *Kept) encode(e *Encoder) {
	r.Key.encode(e)
	e.Uint(uint64(r.Status))
	e.Bytes(r.Body)
}

func (r *Kept) decode(d *Decoder) {
	r.Key.decode(d)
	r.Status, r.Body = int(d.uint()), d.bytes()
}
