package postgres

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/bursarhq/bursar/store"
)

// errDamaged says that a row is not what was written.
var errDamaged = errors.New("the log is damaged")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// logSum is what is stored with a row of the log.
func logSum(h store.Head, id [16]byte, payload []byte) int64 {
	var b [48]byte
	binary.BigEndian.PutUint64(b[:], h.Seq)
	binary.BigEndian.PutUint64(b[8:], uint64(h.Now))
	copy(b[16:], h.Hash[:])
	copy(b[32:], id[:])
	return int64(crc32.Update(crc32.Checksum(b[:], castagnoli), castagnoli, payload))
}

// readLogRow reads a row of the log: seq, now, hash, commit_id, payload, sum.
func readLogRow(r row) (store.LogRow, error) {
	l := store.LogRow{
		Head: store.Head{Seq: uint64(r.int(0)), Now: r.time(1), Hash: r.id(2)},
		ID:   r.id(3), Payload: r.blob(4),
	}
	if len(r[2]) != len(l.Head.Hash) || len(r[3]) != len(l.ID) || !r.null(5) && r.int(5) != logSum(l.Head, l.ID, l.Payload) {
		return l, fmt.Errorf("%w: commit %d is not what was written; restore the database from a backup", errDamaged, l.Head.Seq)
	}
	return l, nil
}
