package vfs

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"path/filepath"
	"sync"
)

// Where things are in SQLite's files.
const (
	headerSize    = 100 // of a database, at its beginning
	reserveAt     = 20  // in it: how many bytes of each page are not SQLite's
	magic         = "SQLite format 3\x00"
	sumAt         = PageSize - Reserve
	lockPage      = 1<<30/PageSize + 1 // is never written
	sealText      = "BSR1"             // before each checksum: tells a page that has one
	walHeader     = 32
	frameHeader   = 24
	frameSize     = frameHeader + PageSize
	walMagicLE    = 0x377f0682
	walMagicBE    = 0x377f0683
	walVersion    = 3007000
	walHeaderSums = 24 // what of the header its checksum is of
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sealed tells whether a database that begins so keeps room for checksums.
func sealed(header []byte) bool {
	return string(header[:len(magic)]) == magic && header[reserveAt] == Reserve
}

// pageSum is of a page's content and of its place.
func pageSum(page []byte, number int64) uint32 {
	var place [8]byte
	binary.LittleEndian.PutUint64(place[:], uint64(number))
	return crc32.Update(crc32.Checksum(page[:sumAt], castagnoli), castagnoli, place[:])
}

func sealPage(page []byte, number int64) {
	copy(page[sumAt:], sealText)
	binary.LittleEndian.PutUint32(page[sumAt+len(sealText):], pageSum(page, number))
}

// checkPage tells whether a page is what was written. One of zeros alone was never
// written: SQLite may read such a page when it takes it into use.
func checkPage(page []byte, number int64) bool {
	return string(page[sumAt:sumAt+len(sealText)]) == sealText &&
		binary.LittleEndian.Uint32(page[sumAt+len(sealText):]) == pageSum(page, number) || empty(page)
}

// walOrder is the order of bytes in which a write-ahead log's checksums read what they are
// of.
func walOrder(header []byte) (binary.ByteOrder, bool) {
	switch binary.BigEndian.Uint32(header) {
	case walMagicLE:
		return binary.LittleEndian, true
	case walMagicBE:
		return binary.BigEndian, true
	}
	return nil, false
}

func readSum(b []byte) [2]uint32 {
	return [2]uint32{binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])}
}

func saltOf(b []byte) uint64 { return binary.BigEndian.Uint64(b) }

// frameSum is SQLite's checksum of parts, on from another one.
func frameSum(order binary.ByteOrder, sum [2]uint32, parts ...[]byte) [2]uint32 {
	s, t := sum[0], sum[1]
	for _, b := range parts {
		if order == binary.LittleEndian {
			for ; len(b) >= 8; b = b[8:] {
				x := binary.LittleEndian.Uint64(b)
				s += uint32(x) + t
				t += uint32(x>>32) + s
			}
			continue
		}
		for ; len(b) >= 8; b = b[8:] {
			s += binary.BigEndian.Uint32(b) + t
			t += binary.BigEndian.Uint32(b[4:]) + s
		}
	}
	return [2]uint32{s, t}
}

// Damage says where what was read is not what was written.
type Damage struct {
	Path   string
	What   string // "page" of a database or "frame" of a write-ahead log
	Number int64  // from 1
}

func (d Damage) Error() string {
	return fmt.Sprintf("%s %d of %s is not what was written there: its checksum is wrong", d.What, d.Number, filepath.Base(d.Path))
}

var damages sync.Map // the last Damage of each path

// LastDamage is what was found last in a database or its write-ahead log.
func LastDamage(path string) (Damage, bool) {
	for _, p := range []string{path, path + "-wal"} {
		if d, ok := damages.Load(p); ok {
			return d.(Damage), true
		}
	}
	return Damage{}, false
}

// End is how far a write-ahead log was written.
type End struct {
	Salt   uint64 // which of those that began at the file's beginning
	Frames int64
}

// endCell is the End of one write-ahead log that this process has open.
type endCell struct {
	mu  sync.Mutex
	end End
}

func (c *endCell) set(e End) {
	c.mu.Lock()
	c.end = e
	c.mu.Unlock()
}

var ends sync.Map // *endCell, by the write-ahead log's path

func endOf(path string) *endCell {
	c, _ := ends.LoadOrStore(path, new(endCell))
	return c.(*endCell)
}

// Written is how far a database's write-ahead log is written: the End that it had at Start,
// or what this process wrote since.
func Written(path string) End {
	c := endOf(path + "-wal")
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.end
}

// Start forgets what is known of a database, before it is opened; its write-ahead log is
// written up to end.
func Start(path string, end End) {
	for _, p := range []string{path, path + "-wal"} {
		damages.Delete(p)
	}
	ends.Store(path+"-wal", &endCell{end: end})
}
