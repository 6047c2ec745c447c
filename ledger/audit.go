package ledger

import (
	"encoding/json"
	"slices"

	"github.com/bursarhq/bursar/store"
)

// audited has those members of what an audit entry shows that name other things.
type audited struct {
	AssignmentID   string   `json:"assignmentId"` // of a boost
	ParentID       *string  `json:"parentId"`     // of an entity
	FundedBy       *string  `json:"fundedBy"`     // of a boost or a request for one
	ScopeEntityIDs []string `json:"scopeEntityIds"`
}

// seesActivity tells whether an entry is about an entity or a limit that a token sees.
func (v *View) seesActivity(a *store.Activity) bool {
	if a.EntityID == "" || v.EntOrd(a.EntityID) == 0 {
		return false
	}
	if v.Root == 0 {
		return true
	}
	for _, text := range [][]byte{a.Before, a.After} {
		var m audited
		if text == nil {
			continue
		}
		if json.Unmarshal(text, &m) != nil || m.AssignmentID != "" && v.findRowID(m.AssignmentID) == 0 ||
			slices.ContainsFunc(m.ScopeEntityIDs, func(id string) bool { return v.EntOrd(id) == 0 }) {
			return false
		}
	}
	return true
}

// seenJSON is an audited thing without the entities above that a token does not see.
func (v *View) seenJSON(text []byte) []byte {
	var m audited
	if v.Root == 0 || json.Unmarshal(text, &m) != nil {
		return text
	}
	var hidden []string
	for name, id := range map[string]*string{"parentId": m.ParentID, "fundedBy": m.FundedBy} {
		if id != nil && v.EntOrd(*id) == 0 {
			hidden = append(hidden, name)
		}
	}
	if len(hidden) == 0 {
		return text
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(text, &members) != nil {
		return nil
	}
	for _, name := range hidden {
		members[name] = json.RawMessage("null")
	}
	text, _ = json.Marshal(members)
	return text
}

// SeenActivity are those of entries that are seen. Parents that are not seen are left out of them.
func (v *View) SeenActivity(entries []store.Activity) []store.Activity {
	entries = slices.DeleteFunc(entries, func(a store.Activity) bool { return !v.seesActivity(&a) })
	for i := range entries {
		entries[i].Before, entries[i].After = v.seenJSON(entries[i].Before), v.seenJSON(entries[i].After)
	}
	return entries
}

// SeenEntities lists the entities that are seen.
type SeenEntities struct {
	Below string // of them this one and those below it; "" = all
	IDs   []string
	begun bool
	left  []uint32 // whose subtrees are not listed yet
}

// On goes on with the list.
func (l *SeenEntities) On(v *View) error {
	switch {
	case l.begun:
	case l.Below != "":
		top := v.EntOrd(l.Below)
		if top == 0 {
			return v.errNoEntity(l.Below)
		}
		l.left = append(l.left, top)
	case v.Root != seesNone:
		l.left = append(l.left, v.Root) // 0 is above all
	}
	l.begun = true
	for len(l.left) > 0 {
		if v.Tired() {
			return ErrGoOn
		}
		v.Visits++
		ent := l.left[len(l.left)-1]
		l.left = l.left[:len(l.left)-1]
		if ent != 0 {
			l.IDs = append(l.IDs, v.Ent(ent).ID)
		}
		v.eachChild(ent, func(child uint32) { l.left = append(l.left, child) })
	}
	return nil
}
