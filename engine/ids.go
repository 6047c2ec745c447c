package engine

import (
	"crypto/sha256"
	"encoding/binary"
	"sync/atomic"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

// commitIDs makes ids that cannot be guessed and do not repeat.
type commitIDs struct {
	seed [32]byte
	n    atomic.Uint64
}

func (c *commitIDs) next() (id [16]byte) {
	var b [40]byte
	copy(b[:], c.seed[:])
	binary.BigEndian.PutUint64(b[32:], c.n.Add(1))
	sum := sha256.Sum256(b[:])
	copy(id[:], sum[:])
	return id
}

// job is the id of a job that is made now, behind those that this process made before.
func (c *commitIDs) job(now bursar.Time) [16]byte {
	random := c.next()
	return store.IDAt(now, c.n.Load(), 0, random)
}
