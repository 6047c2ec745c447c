package postgres

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"math/bits"
	"sync"

	"github.com/bursarhq/bursar"
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

// sum is the checksum of a row of another table: of its values, one after the other. Each step
// is one-to-one, so a row of which one number, or eight bytes of one value, are others has
// another sum for certain. Each row has one in its column sum; NULL is a row that an older
// program wrote.
type sum uint64

func (s sum) int(v int64) sum {
	s = (s ^ sum(v)) * 0x9e3779b97f4a7c15
	return s ^ s>>32
}

func (s sum) bool(v bool) sum {
	if v {
		return s.int(1)
	}
	return s.int(0)
}

func (s sum) text(v string) sum { return addBytes(s, v) }

// bytes tells NULL from no bytes.
func (s sum) bytes(v []byte) sum {
	if v == nil {
		return s.int(-1)
	}
	return addBytes(s, v)
}

func (s sum) optText(v *string) sum {
	if v == nil {
		return s.int(-1)
	}
	return s.text(*v)
}

func (s sum) optTime(v *bursar.Time) sum {
	if v == nil {
		return s.int(0)
	}
	return s.int(1).int(int64(*v))
}

func (s sum) amount(a bursar.Amount) sum {
	hi, lo := a.Nanos()
	return s.int(hi).int(int64(lo))
}

func (s sum) capability(c bursar.Capability) sum { return s.int(int64(c.Kind)).text(c.ID) }

func addInts[T int | uint32](s sum, vals []T) sum {
	if vals == nil {
		return s.int(-1)
	}
	s = s.int(int64(len(vals)))
	for _, v := range vals {
		s = s.int(int64(v))
	}
	return s
}

func addBytes[T string | []byte](s sum, v T) sum {
	s = s.int(int64(len(v)))
	for len(v) >= 8 {
		s = s.int(int64(v[0]) | int64(v[1])<<8 | int64(v[2])<<16 | int64(v[3])<<24 | int64(v[4])<<32 | int64(v[5])<<40 | int64(v[6])<<48 | int64(v[7])<<56)
		v = v[8:]
	}
	var rest int64
	for i := range len(v) {
		rest |= int64(v[i]) << (8 * i)
	}
	return s.int(rest)
}

// seriesMod is the modulus of the sums of usage_series, which addSeries and the schema have
// in decimal.
const seriesMod = 1<<61 - 1

// seriesSum is a number that follows from the bucket's key, times the amount, modulo
// seriesMod: what is added to the amount adds its own sum to the sum.
func seriesSum(s sum, k *store.SeriesKey, amount bursar.Amount) int64 {
	key := uint64(s.int(int64(k.Bucket)).capability(k.Capability).int(int64(k.EntityOrd)).int(int64(k.ChildOrd)).int(int64(k.Combo)))
	hi, lo := amount.Nanos()
	high := hi % seriesMod
	if high < 0 {
		high += seriesMod
	}
	const word = 8 // 2^64 modulo seriesMod
	times := func(a, b uint64) uint64 {
		over, low := bits.Mul64(a, b)
		return bits.Rem64(over, low, seriesMod)
	}
	value := (times(uint64(high), word) + lo%seriesMod) % seriesMod
	return int64(times(1+key%(seriesMod-1), value))
}

// complaints are damages that are left out of an answer, so that what is whole is not held up.
// Each is logged once.
type complaints struct {
	mu   sync.Mutex
	told map[string]bool
}

// maxTold bounds how many complaints are remembered; with more, all are logged again.
const maxTold = 1000

func (c *complaints) tell(log *slog.Logger, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.told) >= maxTold || c.told == nil {
		c.told = map[string]bool{}
	}
	if why := err.Error(); !c.told[why] {
		c.told[why] = true
		log.Error("postgres: left out", "err", err)
	}
}
