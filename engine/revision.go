package engine

import "github.com/bursarhq/bursar"

// revised is a thing with a revision, see [bursar.Assignment.Revision].
type revised interface{ Revision() string }

// stillAt refuses a write that is based on another revision of the one thing it changes.
func (c *Caller) stillAt(current revised) error {
	var p bursar.Problems
	p.CheckRevision("", c.IfMatch, current, true)
	return p.Err()
}

// stillAt is that of the caller whose write changes the catalogue.
func (w *catalogueWrite) stillAt(current revised) error { return w.caller.stillAt(current) }
