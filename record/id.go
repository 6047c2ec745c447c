package record

import (
	"encoding/binary"
)

// Place is returned when a request was recorded before, by record index of commit seq.
type Place struct {
	Seq   uint64
	Index uint32
}

func (*Place) Error() string { return "recorded before" }

// PlaceOf is where the record that made an id is: IdAt backwards.
func PlaceOf(id [16]byte) *Place {
	hi, lo := binary.BigEndian.Uint64(id[:]), binary.BigEndian.Uint64(id[8:])
	return &Place{Seq: hi&0xfff<<28 | lo>>34&0xfffffff, Index: uint32(lo >> 18 & 0xffff)}
}
