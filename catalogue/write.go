package catalogue

import (
	"encoding/json"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// Write is a catalogue that is being changed.
type Write struct {
	*Catalogue
	Now      bursar.Time
	Recs     []record.Record
	CommitID [16]byte
	// MustAside says that the write may have only records that are aside (Aside), as customers'
	// commits go on meanwhile.
	MustAside bool
	Trace     string
	Caller    *Caller
	Out       Outgoing
	Unused    []store.Use // what no customer may use, else the write is refused
	Places    []string    // where the request names each of Unused
}

// notify queues a message about the environment.
func (w *Write) notify(typ string, data any) {
	w.Out.Add(w.Catalogue, w.Now, w.Head.Seq, w.CommitID, w.Trace, typ, "", data)
}

// unused has the write refused while any customer uses a thing. pointer is what of the request
// the refusal points at.
func (w *Write) unused(kind, id, pointer string) {
	w.Unused, w.Places = append(w.Unused, store.Use{Kind: kind, ID: id}), append(w.Places, pointer)
}

func (w *Write) Put(sort string, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return w.Add(&record.Catalogue{Sort: sort, Body: body})
}

func (w *Write) Add(r *record.Catalogue) error {
	w.Recs = append(w.Recs, r)
	return w.Apply(r)
}

func CheckName(pointer, name string, p *bursar.Problems) {
	if err := bursar.CheckName(name); err != nil {
		p.Add(pointer, bursar.CodeValidationFailed, "a display name %v", err)
	}
}

func CheckText(pointer string, s *string, p *bursar.Problems) {
	if s == nil {
		return
	}
	if err := bursar.CheckText(*s, bursar.MaxDescriptionLen); err != nil {
		p.Add(pointer, bursar.CodeValidationFailed, "a text %v", err)
	}
}
