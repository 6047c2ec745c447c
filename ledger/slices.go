package ledger

import (
	"errors"
)

// No reader holds a customer's lock for long. A reader that looks at much does so in
// slices, between which others get the lock. Its view counts what it looks at; after
// SliceSize the view is tired, and the reader's function returns ErrGoOn to be called again.

// SliceSize is how many things are looked at before a customer's lock is let go: about a
// millisecond.
const SliceSize = 4096

// How many looks one thing counts as, where looking at it takes longer.
const (
	holdLook = 4 // they lie apart in memory
	RowLook  = 2 // of the tree: what it has used is worked out
)

// ErrGoOn tells whoever runs a reader to let others have their turn, and to call it again.
var ErrGoOn = errors.New("there is more to read")

// Tired tells that enough was looked at under one lock.
func (v *View) Tired() bool { return v.Visits-v.Rested >= SliceSize }
