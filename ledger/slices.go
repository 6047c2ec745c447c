package ledger

import (
	"errors"
)

// Nobody holds a customer's lock for long: who reads much does so in slices, and others
// have their turn between them. A view counts what is looked at through it; once that is
// SliceSize, v is tired, and what f returns to go on in the next slice is ErrGoOn.

// SliceSize is how many things are looked at before a customer's lock is let go: about a
// millisecond.
const SliceSize = 4096

// What looking at one of many counts where that is more than a look.
const (
	holdLook = 4 // they lie apart in memory
	RowLook  = 2 // of the tree: what it has used is worked out
)

// ErrGoOn tells read to let others have their turn, and to call again.
var ErrGoOn = errors.New("there is more to read")

// Tired tells that enough was looked at under one lock.
func (v *View) Tired() bool { return v.Visits-v.Rested >= SliceSize }
