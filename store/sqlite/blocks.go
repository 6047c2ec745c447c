package sqlite

import (
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

// The large tables of a checkpoint have neighbouring rows in blocks: to save or to read one costs
// a statement for blockRows of them, and what a row shares with the one before it takes no room.

// blockRows is how many numbers a block has. The numbers in it are told by a byte.
const blockRows = 64

// blocks are the rows of one table, of which each has a number.
type blocks[T any] struct {
	name   string // of the table: stream, block (a row's number / blockRows), data
	ord    func(*T) uint32
	encode func(rows []T) []byte
	// decode adds the rows of a block to rows.
	decode func(rows []T, block uint32, data []byte) ([]T, error)
}

func (t *blocks[T]) sizeSQL() string {
	return fmt.Sprintf("SELECT %d * (max(block) + 1) FROM %s WHERE stream = ?", blockRows, t.name)
}

func (t *blocks[T]) rowsSQL() string {
	return "SELECT block, data FROM " + t.name + " WHERE stream = ? ORDER BY block"
}

// blockChange is what becomes of a block.
type blockChange[T any] struct {
	rows []*T
	gone []uint32 // numbers, counted from its first
}

// save puts rows into their blocks, and takes those with the numbers gone out of theirs.
func (t *blocks[T]) save(c *conn, id int64, rows []T, gone []uint32) error {
	changed := map[uint32]*blockChange[T]{}
	of := func(ord uint32) *blockChange[T] {
		if changed[ord/blockRows] == nil {
			changed[ord/blockRows] = &blockChange[T]{}
		}
		return changed[ord/blockRows]
	}
	for i := range rows {
		b := of(t.ord(&rows[i]))
		b.rows = append(b.rows, &rows[i])
	}
	for _, ord := range gone {
		b := of(ord)
		b.gone = append(b.gone, ord%blockRows)
	}
	for _, block := range slices.Sorted(maps.Keys(changed)) {
		var saved []T
		err := c.query(context.Background(), func(r row) (err error) {
			saved, err = t.decode(saved, block, r.blob(0))
			return err
		}, "SELECT data FROM "+t.name+" WHERE stream = ? AND block = ?", id, block)
		if err != nil {
			return fmt.Errorf("the checkpoint of stream number %d: %w", id, err)
		}
		now := t.over(saved, changed[block])
		switch {
		case len(now) > 0:
			err = c.exec("INSERT OR REPLACE INTO "+t.name+" (stream, block, data) VALUES (?, ?, ?)", id, block, t.encode(now))
		case len(saved) > 0:
			err = c.exec("DELETE FROM "+t.name+" WHERE stream = ? AND block = ?", id, block)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// over is the rows of a block, in order of their numbers, with what has changed.
func (t *blocks[T]) over(saved []T, change *blockChange[T]) []T {
	var slots [blockRows]*T
	for i := range saved {
		slots[t.ord(&saved[i])%blockRows] = &saved[i]
	}
	for _, r := range change.rows {
		slots[t.ord(r)%blockRows] = r
	}
	for _, i := range change.gone {
		slots[i] = nil
	}
	now := make([]T, 0, blockRows)
	for _, r := range slots {
		if r != nil {
			now = append(now, *r)
		}
	}
	return now
}

// errBlock is the error of a block that this program did not write.
var errBlock = fmt.Errorf("%w: not a block as this program writes them", store.ErrDamaged)

// blockDecoder reads what is in a block. After an error all is 0.
type blockDecoder struct {
	b    []byte
	next byte // the least that the next row's number in the block may be
	err  error
}

// take drops n bytes that were read; 0 or less tells that they could not be.
func (d *blockDecoder) take(n int) bool {
	if n <= 0 || n > len(d.b) {
		d.b, d.err = nil, errBlock
		return false
	}
	d.b = d.b[n:]
	return true
}

// place is the next row's number in the block: rows are in order of their numbers.
func (d *blockDecoder) place() uint32 {
	x := d.byte()
	if x >= blockRows || x < d.next {
		d.b, d.err = nil, errBlock
		return 0
	}
	d.next = x + 1
	return uint32(x)
}

func (d *blockDecoder) byte() (x byte) {
	if len(d.b) > 0 {
		x = d.b[0]
	}
	d.take(1)
	return x
}

func (d *blockDecoder) number() uint32 {
	if len(d.b) > 0 && d.b[0] < 0x80 { // mostly
		x := d.b[0]
		d.b = d.b[1:]
		return uint32(x)
	}
	x, n := binary.Uvarint(d.b)
	if x > 1<<32-1 {
		n = 0
	}
	if !d.take(n) {
		return 0
	}
	return uint32(x)
}

func (d *blockDecoder) time() bursar.Time { return bursar.Time(d.signed()) }

func (d *blockDecoder) signed() int64 {
	if len(d.b) > 0 && d.b[0] < 0x80 {
		x := int64(d.b[0])
		d.b = d.b[1:]
		return x>>1 ^ -(x & 1)
	}
	x, n := binary.Varint(d.b)
	if !d.take(n) {
		return 0
	}
	return x
}

func (d *blockDecoder) amount() bursar.Amount {
	a, n := bursar.DecodeAmount(d.b)
	if !d.take(n) {
		return bursar.Amount{}
	}
	return a
}

// bytes is the next n bytes, of the block itself.
func (d *blockDecoder) bytes(n uint32) []byte {
	b := d.b
	if uint64(n) > uint64(len(b)) {
		n = 0
		d.b, d.err = nil, errBlock
		return nil
	}
	d.b = b[n:]
	return b[:n:n]
}

func (d *blockDecoder) text() string { return string(d.bytes(d.number())) }

func appendText[S string | []byte](b []byte, s S) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func flag(set bool, f byte) byte {
	if set {
		return f
	}
	return 0
}
