package record

import (
	"encoding/binary"
)

// Place says where a request was recorded before: in record Index of commit Seq.
type Place struct {
	Seq   uint64
	Index uint32
}

func (*Place) Error() string { return "recorded before" }

// PlaceOf is the place of the record that made an id: IDAt backwards.
func PlaceOf(id [16]byte) *Place {
	hi, lo := binary.BigEndian.Uint64(id[:]), binary.BigEndian.Uint64(id[8:])
	return &Place{Seq: hi&0xfff<<28 | lo>>34&0xfffffff, Index: uint32(lo >> 18 & 0xffff)}
}
