package store

import (
	"encoding/binary"

	"github.com/bursarhq/bursar"
)

// IDAt is the id of what record number index of a commit made: a UUIDv7 of the
// commit's millisecond, its seq and the index, so that within a stream ids are in order
// of creation and an id leads back to its record.
func IDAt(now bursar.Time, seq uint64, index int, commit [16]byte) (u [16]byte) {
	ms := uint64(now) / 1e6
	binary.BigEndian.PutUint64(u[:], ms<<16|0x7000|seq>>28&0xfff)
	rnd := uint64(binary.BigEndian.Uint32(commit[:])) & 0x3ffff
	binary.BigEndian.PutUint64(u[8:], 1<<63|(seq&0xfffffff)<<34|uint64(index&0xffff)<<18|rnd)
	return u
}

// LastID is above all ids of what a stream's commits up to at made, and below all of later
// ones.
func LastID(at Head) string {
	var last [16]byte
	for i := range last {
		last[i] = 0xff
	}
	return FormatID(IDAt(at.Now, at.Seq, MaxRecords, last))
}

const MaxRecords = 0xffff // in one commit, so that IDAt stays unique

// IDLength is how many bytes the text of an ID has.
const IDLength = 36

func FormatID(u [16]byte) string {
	var b [IDLength]byte
	return string(AppendID(b[:0], u))
}

// AppendID adds to b what FormatID returns.
func AppendID(b []byte, u [16]byte) []byte {
	const hex = "0123456789abcdef"
	for i, c := range u {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			b = append(b, '-')
		}
		b = append(b, hex[c>>4], hex[c&15])
	}
	return b
}

// ParseID reads the form that FormatID writes, and no other.
func ParseID(s string) (u [16]byte, ok bool) {
	if len(s) != IDLength {
		return u, false
	}
	j := 0
	for i := range u {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			if s[j] != '-' {
				return u, false
			}
			j++
		}
		hi, lo := unhex(s[j]), unhex(s[j+1])
		if hi > 15 || lo > 15 {
			return u, false
		}
		u[i] = hi<<4 | lo
		j += 2
	}
	return u, true
}

func unhex(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	}
	return 255
}
