package ledger

import (
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
)

// The rule of each warning stands here, for whatever call it is about.

// Warnings tells what of a request may be meant otherwise; nil, without an allocation, when
// nothing may. limited tells that limits of entities apply to some of asks; over is of each
// of asks what it does not count on, nil when it counts on all.
func (v *View) Warnings(cat *catalogue.Catalogue, r *Resolved, asks []Ask, unpriced []string, limited bool, over []Applied) (out []string) {
	for i := range r.missing {
		m := &r.missing[i]
		out = append(out, bursar.WarnNotResolved+":"+m.key)
		if near := v.near(m.typ, m.id); near != "" {
			out = append(out, bursar.WarnDidYouMean+":"+m.key+"="+near)
		}
	}
	if len(unpriced) > 0 {
		out = append(out, bursar.WarnNoRate)
	}
	if !limited && !v.gated(cat, asks) {
		out = append(out, bursar.WarnUngoverned+":"+asks[0].C.ID)
	}
	for i := range over {
		out = warnCut(asks[i].C, over[i].cut, out)
	}
	return out
}

// gated tells whether the customer itself has something that limits one of asks. Of a view
// of a subtree, which has no gates, nobody can say that there is none.
func (v *View) gated(cat *catalogue.Catalogue, asks []Ask) bool {
	if v.Root != 0 {
		return true
	}
	for i := range asks {
		if asks[i].C.Kind == bursar.KindCurrency {
			if cat.Prepaid(asks[i].C.ID) {
				return true
			}
		} else if v.promoNow(asks[i].Cap) != nil {
			return true
		}
	}
	return false
}

// warnCut is the warning that usage does not count on all limits that apply to it; none
// when it does.
func warnCut(c bursar.Capability, cut int, to []string) []string {
	if cut == 0 {
		return to
	}
	return append(to, bursar.WarnTooManyLimits+":"+c.ID)
}

// eventWarnings are those of an event: of the usage that it makes, each once, and of what
// it makes none of. metered tells that some meter takes the event, be it one that cannot
// read what it measures.
func eventWarnings(in *bursar.EventInput, usages []UsageItem, metered bool) (out []string) {
	out = slices.Clone(in.Warnings)
	if !metered {
		return append(out, bursar.WarnUnmetered+":"+in.EventName)
	}
	for i := range usages {
		for _, w := range usages[i].warnings {
			if w == bursar.WarnNoRate { // there may be several features
				w += ":" + usages[i].In.FeatureID
			}
			if !slices.Contains(out, w) {
				out = append(out, w)
			}
		}
	}
	for i := range in.Dimensions {
		if d := &in.Dimensions[i]; measures(d) && !slices.ContainsFunc(usages, func(u UsageItem) bool { return u.field == d.Key }) {
			out = append(out, bursar.WarnUnmetered+":"+d.Key)
		}
	}
	return out
}

// measures tells whether a dimension is how much was used of some kind, above 0.
func measures(d *bursar.Dimension) bool {
	if d.Kind != bursar.DimNumber || !bursar.IsKind(d.Key) {
		return false
	}
	n, ok := catalogue.ParseDecimal(d.Value)
	return ok && n.Sign() > 0
}
