package bursar

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
)

// A revision names one state of a thing that clients change. A write that says which
// revision it is based on is refused when the thing has another one by then. It is
// computed from what the thing says, so it needs no place in a store, and two states
// that say the same have the same revision.
//
// What a write may say in place of a revision:
const (
	AnyRevision = "*"    // there is one, whatever it says
	NoRevision  = "none" // there is none yet
)

// RevisionOf is the revision of something that says parts.
func RevisionOf(parts ...any) string {
	b, err := json.Marshal(parts)
	if err != nil {
		panic(err) // all that has a revision can be marshalled
	}
	sum := sha256.Sum256(b)
	return "r" + hex.EncodeToString(sum[:8])
}

// Revision covers the limit and, by its effective limit, the boosts in force. It leaves out
// ParentID, which the entity's revision covers, and Start, which is in one reply only.
func (a *Assignment) Revision() string {
	c := *a
	c.ParentID, c.Start = nil, nil
	return RevisionOf(c)
}

func (x *Default) Revision() string      { return RevisionOf(x) }
func (b *Boost) Revision() string        { return RevisionOf(b) }
func (r *BoostRequest) Revision() string { return RevisionOf(r) }
func (e *Entity) Revision() string       { return RevisionOf(e) }
func (t *EntityType) Revision() string   { return RevisionOf(t) }
func (f *Feature) Revision() string      { return RevisionOf(f) }
func (c *Currency) Revision() string     { return RevisionOf(c) }
func (c *Customer) Revision() string     { return RevisionOf(c) }
func (w *Webhook) Revision() string      { return RevisionOf(w) }

// Revision counts the versions of the card, each of which is immutable.
func (c *RateCard) Revision() string { return RevisionOf(c.ID, len(c.Versions), c.ArchivedAt) }

// Conflict is one place of a request that is based on another revision than the
// present one. Current is the thing as it is now, a pointer to it; nil when
// there is none.
type Conflict struct {
	Pointer string
	Current any
}

// revised is a thing with a revision.
type revised interface{ Revision() string }

// CheckRevision notes a conflict unless current is at the revision ifMatch; if that is "",
// it checks nothing. exists is false when there is no such thing, whatever current is.
func (p *Problems) CheckRevision(pointer, ifMatch string, current revised, exists bool) {
	var why string
	switch {
	case ifMatch == "":
		return
	case ifMatch == NoRevision:
		if !exists {
			return
		}
		why = "it exists by now"
	case !exists:
		why = "it does not exist any more"
	case ifMatch == AnyRevision:
		return
	default:
		now := current.Revision()
		if now == ifMatch {
			return
		}
		why = "it is at revision " + now + " by now, not " + ifMatch
	}
	p.Add(pointer, CodeRevisionMismatch, "%s: somebody else has changed it; look at it again before you write", why)
	c := Conflict{Pointer: pointer}
	if exists {
		c.Current = current
	}
	p.conflicts = append(p.conflicts, c)
}
