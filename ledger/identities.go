package ledger

import (
	"crypto/sha256"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/record"
)

func (v *View) remember(k record.Identity) {
	if k.Set {
		put(v, &v.NewKeys, k.Hash, KeyEntry{Hash: k.Hash, content: k.Content, Seq: v.Head.Seq + 1, index: uint32(v.Records - 1)})
	}
}

// known finds out whether an idempotency key was used. oldest is the earliest receipt
// that the request's twin can have had.
func (d *Decider) known(k record.Identity, oldest bursar.Time) (*KeyEntry, error) {
	if !k.Set {
		return nil, nil
	}
	if found, ok := d.NewKeys[k.Hash]; ok {
		e := found // a copy that only those found have to pay for
		return &e, nil
	}
	e, probes := d.Keys.Find(k.Hash, oldest, d.Now)
	if e != nil {
		return e, nil
	}
	var missing []keyProbe
	for _, p := range probes {
		got, ok := d.Facts.key(p)
		if got != nil {
			return got, nil
		}
		if !ok {
			missing = append(missing, p)
		}
	}
	if len(missing) > 0 {
		return nil, &Needs{Base: d.SeriesBase, Keys: missing}
	}
	return nil, nil
}

func (f *Facts) key(p keyProbe) (*KeyEntry, bool) {
	if f == nil {
		return nil, false
	}
	e, ok := f.Keys[p.Hash][p.Gen]
	return e, ok
}

// oldestReceipt is the earliest receipt that the twin of an item can have had. A twin with the same
// timestamp was received at most maxAhead before that. One with another timestamp, or none, is
// remembered for KeyMemory.
func oldestReceipt(timestamp, now bursar.Time) bursar.Time {
	if timestamp == 0 {
		return now - record.KeyMemory
	}
	return min(timestamp-maxAhead, now-record.KeyMemory)
}

// KeyOf is the identity of a keyed item. secret is the environment's, so that hashes
// cannot be aimed at.
func KeyOf(secret *[32]byte, target, key string, content []byte) record.Identity {
	var b [192]byte
	h := append(append(append(append(b[:0], secret[:]...), target...), 0), key...)
	k := record.Identity{Set: true}
	sum := sha256.Sum256(h)
	copy(k.Hash[:], sum[:])
	sum = sha256.Sum256(content)
	copy(k.Content[:], sum[:])
	return k
}

// ContentOf is what must be equal for two items with one key to be the same item.
func ContentOf(o record.Operation, c bursar.Capability, amount bursar.Amount, set bool, dims []bursar.Dimension) []byte {
	e := record.Encoder{B: make([]byte, 0, 128)}
	e.Byte(byte(o))
	e.Byte(byte(c.Kind))
	e.String(c.ID)
	e.Amount(amount)
	e.Bool(set)
	e.Dims(dims)
	return e.B
}

func TargetOf(c bursar.Capability) string {
	var b [1]byte
	b[0] = byte(c.Kind)
	return string(b[:]) + c.ID
}

// Reused is the error for a key that came with other content.
func Reused(pointer, key string) *bursar.Error {
	return bursar.ErrorAt(pointer, bursar.CodeIdempotencyKeyReused,
		"the idempotency key %q was used before with other content; send a new key for a new request", key)
}

// KeptAt is the error of a request whose Idempotency-Key was used before. It is the place
// of the record with the reply that was kept.
type KeptAt struct{ record.Place }

// Keyed wraps a write that came with an Idempotency-Key: its reply is kept beside it.
type Keyed struct {
	Op
	Key    record.Identity
	Text   string
	Render func(any) (int, []byte)
}

func (k *Keyed) Decide(d *Decider) (any, error) {
	e, err := d.known(k.Key, d.Now-record.KeyMemory)
	if err != nil {
		return nil, err
	}
	if e != nil {
		if e.content != k.Key.Content {
			return nil, Reused("", k.Text)
		}
		return nil, &KeptAt{record.Place{Seq: e.Seq, Index: e.index}}
	}
	reply, err := k.Op.Decide(d)
	if err != nil {
		return nil, err
	}
	status, body := k.Render(reply)
	d.Emit(&record.Kept{Key: k.Key, Status: status, Body: body})
	return reply, nil
}
