package ledger

import (
	"encoding/json"
	"slices"

	"github.com/bursarhq/bursar/store"
)

// audited are the members of audited things that name other things.
type audited struct {
	AssignmentID   string   `json:"assignmentId"` // of a boost
	ParentID       *string  `json:"parentId"`     // of an entity
	ScopeEntityIDs []string `json:"scopeEntityIds"`
}

// SeesActivity tells whether an entry is about an entity or a limit that a token sees.
func (v *View) SeesActivity(a *store.Activity) bool {
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
		if json.Unmarshal(text, &m) != nil || m.AssignmentID != "" && v.FindRowID(m.AssignmentID) == 0 ||
			slices.ContainsFunc(m.ScopeEntityIDs, func(id string) bool { return v.EntOrd(id) == 0 }) {
			return false
		}
	}
	return true
}

// SeenJSON is an audited thing without a parent that a token does not see.
func (v *View) SeenJSON(text []byte) []byte {
	var m audited
	if v.Root == 0 || json.Unmarshal(text, &m) != nil || m.ParentID == nil || v.EntOrd(*m.ParentID) != 0 {
		return text
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(text, &members) != nil {
		return nil
	}
	members["parentId"] = json.RawMessage("null")
	text, _ = json.Marshal(members)
	return text
}
