package sqlite

import (
	"encoding/binary"
	"fmt"

	"github.com/bursarhq/bursar/store"
)

var entityBlocks = blocks[store.EntityRow]{"entity_blocks", func(r *store.EntityRow) uint32 { return r.Ord }, encodeEntities, decodeEntities}

func saveEntities(c *conn, id int64, cp *store.Checkpoint) error {
	return entityBlocks.save(c, id, cp.Entities, nil)
}

// What a byte tells of an entity in its block: what is as that of the one before it, and what else
// there is of it.
const (
	sameType = 1 << iota
	sameParent
	sameCreated
	wasUpdated
	wasArchived
	hasName
	hasMetadata
)

// encodeEntities writes entities of a block. An id is told by how much of its beginning is that of
// the one before, as entities that come together mostly have ids alike.
func encodeEntities(rows []store.EntityRow) []byte {
	b := make([]byte, 0, 12*len(rows)+64)
	var before store.EntityRow
	for i := range rows {
		r := &rows[i]
		same := 0
		for same < min(len(r.ID), len(before.ID), 1<<16) && r.ID[same] == before.ID[same] {
			same++
		}
		b = append(b, byte(r.Ord%blockRows), flag(r.TypeID == before.TypeID, sameType)|flag(r.ParentOrd == before.ParentOrd, sameParent)|
			flag(r.CreatedAt == before.CreatedAt, sameCreated)|flag(r.UpdatedAt != r.CreatedAt, wasUpdated)|
			flag(r.ArchivedAt != 0, wasArchived)|flag(r.Name != nil, hasName)|flag(r.Metadata != nil, hasMetadata))
		b = binary.AppendUvarint(b, uint64(same))
		b = appendText(b, r.ID[same:])
		if r.TypeID != before.TypeID {
			b = appendText(b, r.TypeID)
		}
		if r.ParentOrd != before.ParentOrd {
			b = binary.AppendVarint(b, int64(r.ParentOrd)-int64(before.ParentOrd))
		}
		if r.CreatedAt != before.CreatedAt {
			b = binary.AppendVarint(b, int64(r.CreatedAt-before.CreatedAt))
		}
		if r.UpdatedAt != r.CreatedAt {
			b = binary.AppendVarint(b, int64(r.UpdatedAt-r.CreatedAt))
		}
		if r.ArchivedAt != 0 {
			b = binary.AppendVarint(b, int64(r.ArchivedAt))
		}
		if r.Name != nil {
			b = appendText(b, *r.Name)
		}
		if r.Metadata != nil {
			b = appendText(b, r.Metadata)
		}
		before = *r
	}
	return b
}

// decodeEntities makes one text of all ids and names of a block.
func decodeEntities(rows []store.EntityRow, block uint32, data []byte) ([]store.EntityRow, error) {
	type place struct{ id, name, end int } // in the text
	var places [blockRows]place
	first, n := len(rows), 0
	text := make([]byte, 0, 32*blockRows)
	var before store.EntityRow
	beforeID := 0
	d := blockDecoder{b: data}
	for len(d.b) > 0 && n < blockRows {
		r := store.EntityRow{Ord: block*blockRows + d.place(), TypeID: before.TypeID, ParentOrd: before.ParentOrd, CreatedAt: before.CreatedAt}
		flags := d.byte()
		at, same := len(text), int(d.number())
		if n == 0 && same > 0 || n > 0 && same > places[n-1].name-beforeID {
			same, d.b, d.err = 0, nil, errBlock
		}
		text = append(text, text[beforeID:beforeID+same]...)
		text = append(text, d.bytes(d.number())...)
		beforeID, places[n].id, places[n].name = at, at, len(text)
		if flags&sameType == 0 {
			r.TypeID = d.text()
		}
		if flags&sameParent == 0 {
			r.ParentOrd = uint32(int64(r.ParentOrd) + d.signed())
		}
		if flags&sameCreated == 0 {
			r.CreatedAt += d.time()
		}
		if r.UpdatedAt = r.CreatedAt; flags&wasUpdated != 0 {
			r.UpdatedAt += d.time()
		}
		if flags&wasArchived != 0 {
			r.ArchivedAt = d.time()
		}
		if flags&hasName != 0 {
			r.Name = new(string)
			text = append(text, d.bytes(d.number())...)
		}
		places[n].end = len(text)
		if flags&hasMetadata != 0 {
			r.Metadata = append([]byte{}, d.bytes(d.number())...)
		}
		rows, before = append(rows, r), r
		n++
	}
	if d.err != nil || len(d.b) > 0 {
		return nil, fmt.Errorf("entities from number %d: %w", block*blockRows, errBlock)
	}
	all := string(text)
	for i := range rows[first:] {
		r, p := &rows[first+i], &places[i]
		if r.ID = all[p.id:p.name]; r.Name != nil {
			*r.Name = all[p.name:p.end]
		}
	}
	return rows, nil
}
