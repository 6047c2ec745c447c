package engine

import (
	"context"
	"encoding/json"
	"slices"
)

// activityChunk is how many entries are looked at together for a token.
const activityChunk = 1000

// seenIDs lists the entities that a token sees.
func (e *Engine) seenIDs(ctx context.Context, o ReadOptions, customer string) (ids []string, err error) {
	var left []uint32 // whose subtrees are not listed yet
	for begun := false; !begun || len(left) > 0; begun = true {
		if _, err := e.readTurn(ctx, o, customer, func(v *view) error {
			if !begun && v.root != seesNone {
				left = append(left, v.root) // 0 is above all
			}
			for n := 0; n < sliceSize && len(left) > 0; n++ {
				ent := left[len(left)-1]
				left = left[:len(left)-1]
				if ent != 0 {
					ids = append(ids, v.ent(ent).id)
				}
				v.eachChild(ent, func(child uint32) { left = append(left, child) })
			}
			return nil
		}); err != nil {
			return nil, err
		}
	}
	return ids, nil
}

// seenActivity is the page of entries that are about entities which a token sees.
func (e *Engine) seenActivity(ctx context.Context, o ReadOptions, customer string, q ActivityQuery) (p Page[Activity], err error) {
	want, up := q.Limit, q.Above != ""
	below := q.Below != ""
	p.Items = []Activity{}
	if q.EntityIDs, err = e.seenIDs(ctx, o, customer); err != nil || len(q.EntityIDs) == 0 {
		return p, err
	}
	for q.Limit = min(want+1, activityChunk); len(p.Items) <= want; q.Limit = activityChunk {
		var rows []Activity
		if err := e.share.turn(ctx, customer, func() (err error) {
			rows, err = e.store.Activity(ctx, customer, q)
			return err
		}); err != nil {
			return p, e.notNow(err)
		}
		n := len(rows)
		if n == 0 {
			break
		}
		q.Above, q.Below = "", rows[n-1].ID
		if up {
			q.Above, q.Below = rows[0].ID, ""
		}
		if _, err := e.readCustomer(ctx, o, customer, func(v *view) error {
			rows = slices.DeleteFunc(rows, func(a Activity) bool { return !v.seesActivity(&a) })
			for i := range rows {
				rows[i].Before, rows[i].After = v.seenJSON(rows[i].Before), v.seenJSON(rows[i].After)
			}
			return nil
		}); err != nil {
			return p, err
		}
		if up {
			p.Items = append(rows, p.Items...)
		} else {
			p.Items = append(p.Items, rows...)
		}
		if n < q.Limit {
			break
		}
	}
	if more := len(p.Items) - want - 1; more > 0 && up {
		p.Items = p.Items[more:]
	} else if more > 0 {
		p.Items = p.Items[:want+1]
	}
	p.cut(want, below, up)
	return p, nil
}

// audited are the members of audited things that name other things.
type audited struct {
	AssignmentID   string   `json:"assignmentId"` // of a boost
	ParentID       *string  `json:"parentId"`     // of an entity
	ScopeEntityIDs []string `json:"scopeEntityIds"`
}

// seesActivity tells whether an entry is about an entity or a limit that a token sees.
func (v *view) seesActivity(a *Activity) bool {
	if a.EntityID == "" || v.entOrd(a.EntityID) == 0 {
		return false
	}
	if v.root == 0 {
		return true
	}
	for _, text := range [][]byte{a.Before, a.After} {
		var m audited
		if text == nil {
			continue
		}
		if json.Unmarshal(text, &m) != nil || m.AssignmentID != "" && v.findRowID(m.AssignmentID) == 0 ||
			slices.ContainsFunc(m.ScopeEntityIDs, func(id string) bool { return v.entOrd(id) == 0 }) {
			return false
		}
	}
	return true
}

// seenJSON is an audited thing without a parent that a token does not see.
func (v *view) seenJSON(text []byte) []byte {
	var m audited
	if v.root == 0 || json.Unmarshal(text, &m) != nil || m.ParentID == nil || v.entOrd(*m.ParentID) != 0 {
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
