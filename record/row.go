package record

import (
	"fmt"

	"github.com/bursarhq/bursar/store"
)

// DecodeRow decodes one commit of a stream.
func DecodeRow(stream string, r *store.LogRow) (*Row, error) {
	recs, err := DecodePayload(r.Payload)
	if err != nil {
		return nil, fmt.Errorf("stream %q, commit %d: %w", stream, r.Head.Seq, err)
	}
	return &Row{*r, recs}, nil
}

// Row is a row of the log, decoded.
type Row struct {
	store.LogRow
	Recs []Record
}

// Placed is a record with its place in the log.
type Placed struct {
	Record Record
	Row    *Row
	Index  int
}

func (p *Placed) ID() string {
	return store.FormatID(store.IDAt(p.Row.Head.Now, p.Row.Head.Seq, p.Index, p.Row.ID))
}

func (r *Row) At(at *Place) (Placed, error) {
	if int(at.Index) >= len(r.Recs) {
		return Placed{}, fmt.Errorf("%w: no record %d of commit %d", ErrRecord, at.Index, at.Seq)
	}
	return Placed{r.Recs[at.Index], r, int(at.Index)}, nil
}
