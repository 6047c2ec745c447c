package store

import (
	"github.com/bursarhq/bursar"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// BasePart is a part of what a stream begins with when its first commits are not in its
// log any more: its checkpoint, and all else that these commits left. The first part has
// the checkpoint's Head, Due and Meta.
type BasePart struct {
	Checkpoint *Checkpoint // nil = none of it
	Log        []LogRow    // what the log still has up to the Head, in order and to its end
	Activity   []Activity
	// The last part has what the listings show, and all uses.
	Listing *bursar.Customer
	Uses    []Use
}

// Rows are kept as JSON, in exports and where a store has a base as a whole: instants are
// nanoseconds and bytes in base64.
var (
	rowsOut = json.JoinOptions(json.FormatNilSliceAsNull(true),
		json.WithMarshalers(json.MarshalToFunc(func(e *jsontext.Encoder, t bursar.Time) error { return e.WriteToken(jsontext.Int(int64(t))) })))
	rowsIn = json.JoinOptions(json.RejectUnknownMembers(true),
		json.WithUnmarshalers(json.UnmarshalFunc(func(b []byte, t *bursar.Time) error { return json.Unmarshal(b, (*int64)(t)) })))
)

// EncodeRows writes a Checkpoint, or other rows, as DecodeRows reads it.
func EncodeRows(rows any) ([]byte, error) { return json.Marshal(rows, rowsOut) }

// DecodeRows reads what EncodeRows wrote. A member that rows have no field for is an error.
func DecodeRows(b []byte, rows any) error { return json.Unmarshal(b, rows, rowsIn) }
