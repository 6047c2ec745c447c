package ledger

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// limit finds the limit that more is asked of.
func (o *AskBoost) limit(d *Decider) (uint32, error) {
	if o.In.AssignmentID != "" {
		row := d.findRowID(o.In.AssignmentID)
		if row == 0 || o.Caller.Spends != nil && !slices.Contains(o.met(d, d.Def(row).Cap), row) {
			return 0, errNoAssignment(o.In.AssignmentID)
		}
		def := d.Def(row)
		if of := o.In.Capability; of.ID != "" && of != d.Capability(def.Cap) {
			pointer := "/featureId"
			if of.Kind == bursar.KindCurrency {
				pointer = "/currencyId"
			}
			return 0, bursar.ErrorAt(pointer, bursar.CodeValidationFailed, "the limit %s is of %s, not of %s", o.In.AssignmentID, d.Capability(def.Cap), of)
		}
		return row, o.ofType(d, def.Ent)
	}
	cap := d.CapOrd(o.In.Capability)
	var rows []uint32
	keep := func(row uint32, def *record.Limit) {
		if o.fits(d, def) {
			rows = append(rows, row)
		}
	}
	switch ent := d.EntOrd(o.In.EntityID); {
	case o.Caller.Spends != nil:
		for _, row := range o.met(d, cap) {
			if def := d.Def(row); o.In.EntityID == "" || def.Ent == ent {
				keep(row, def)
			}
		}
	case ent == 0:
		return 0, d.errNoEntity(o.In.EntityID)
	default:
		if err := o.ofType(d, ent); err != nil {
			return 0, err
		}
		if cap != 0 {
			d.eachRow(ent, cap, keep)
		}
	}
	return d.theOne(rows, &o.In)
}

// ofType refuses an entity of a type that the key is not for, before anything is told of its limits.
func (o *AskBoost) ofType(d *Decider, ent uint32) error {
	if types := o.Caller.Types; len(types) > 0 && !slices.Contains(types, d.typeID(d.Ent(ent).Typ)) {
		return bursar.Errorf(bursar.CodeForbidden, "this API key is for entities of other types: %v", types)
	}
	return nil
}

// met are the limits of a capability that the dimensions of a spend token meet.
func (o *AskBoost) met(d *Decider, cap uint32) (rows []uint32) {
	if cap == 0 || o.Allows != nil && !o.Allows(d.Capability(cap)) {
		return nil
	}
	r := d.Resolve(d.Cat, o.Dimensions)
	for i := range r.Path {
		d.rowsOf(&r, r.Path[i].Ent, cap, func(row uint32, _ *record.Limit) { rows = append(rows, row) })
	}
	return rows
}

func (o *AskBoost) fits(d *Decider, def *record.Limit) bool {
	in := &o.In
	if !def.Limited || !d.SeesRow(def) || in.Cadence != (bursar.Cadence{}) && def.Sched.Cadence != in.Cadence || in.Label != nil && def.Label != *in.Label {
		return false
	}
	return in.ScopeEntityIDs == nil || slices.Equal(d.scopeIDs(def), slices.Compact(slices.Sorted(slices.Values(in.ScopeEntityIDs))))
}

// theOne is the only one of rows, or the only one that is used up.
func (d *Decider) theOne(rows []uint32, in *bursar.BoostRequestInput) (uint32, error) {
	if len(rows) == 0 {
		of := "its entities"
		if in.EntityID != "" {
			of = fmt.Sprintf("%q", in.EntityID)
		}
		return 0, bursar.Errorf(bursar.CodeAssignmentNotFound, "no limit of %s on %s with a number is like that", of, in.Capability)
	}
	var spent []uint32
	for _, row := range rows {
		def := d.Def(row)
		if c := d.Standing(row, def); !def.Soft && bursar.LeftOf(d.LimitNow(row, def), c.Used, c.Held, d.Cat.Highest(d.Capability(def.Cap))).IsZero() {
			spent = append(spent, row)
		}
	}
	switch {
	case len(rows) == 1:
		return rows[0], nil
	case len(spent) == 1:
		return spent[0], nil
	}
	var names []string
	for _, row := range rows {
		def := d.Def(row)
		name := fmt.Sprintf("%s (%s, %s", store.FormatID(d.RowID(row)), d.Ent(def.Ent).ID, def.Sched.Cadence)
		if def.Label != "" {
			name += ", " + def.Label
		}
		if len(def.Scope) > 0 {
			name += ", for " + strings.Join(d.scopeIDs(def), ", ")
		}
		names = append(names, name+")")
	}
	return 0, bursar.ErrorAt("/assignmentId", bursar.CodeValidationFailed, "%d limits are like that: name one by its assignmentId: %s", len(rows), strings.Join(names, "; "))
}
