package ledger

import (
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
)

// The rule of each warning stands here, for whatever call it is about.

// Warnings tells what of a request may be meant otherwise; nil, without an allocation, when
// nothing may. limited tells that limits of entities apply to some of asks. over tells, for each
// of asks, of limits that it does not count on; nil = all count on all.
func (v *View) Warnings(cat *catalogue.Catalogue, r *Resolved, asks []Ask, unpriced []string, limited bool, over []Applied) (out []string) {
	for _, n := range r.news {
		out = v.newcomerWarnings(n, out)
	}
	for i := range r.missing {
		m := &r.missing[i]
		out = append(out, bursar.WarnNotResolved+":"+m.key)
		if v.notEnrolled(m) != "" {
			out = append(out, bursar.WarnNotEnrolled+":"+m.key)
		}
		if near := v.near(m.typ, m.id); near != "" {
			out = append(out, bursar.WarnDidYouMean+":"+m.key+"="+near)
		}
	}
	for _, u := range r.unknown {
		out = append(out, bursar.WarnUnknownKey+":"+u.key, bursar.WarnDidYouMean+":"+u.key+"="+u.like)
	}
	if len(r.Leaves)+len(r.missing)+len(r.unknown) == 0 && v.hadEntities() {
		out = append(out, bursar.WarnNoEntity)
	}
	if len(unpriced) > 0 {
		out = append(out, bursar.WarnNoRate)
	}
	if !limited && !v.gated(cat, asks) {
		if policy, _ := v.ungoverned(cat, r); policy != bursar.UngovernedAllow {
			out = append(out, bursar.WarnUngoverned+":"+asks[0].C.ID)
		}
	}
	for i := range over {
		out = warnCut(asks[i].C, over[i].cut, out)
	}
	return out
}

// gated tells whether the customer itself has something that limits one of asks. For a view of a
// subtree it is true: such a view has no gates, so it cannot rule out that the customer has one.
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

// eventWarnings are the warnings of an event: of the usage that it makes, each once, and of
// measures that make no usage. metered tells that some meter takes the event, even if that cannot
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
	return append(out, unpricedKinds(in, usages)...)
}

// unpricedKinds are warnings of kinds of an event that are counted but cost nothing: no feature that
// counts them has a price, though another feature of the event has one.
func unpricedKinds(in *bursar.EventInput, usages []UsageItem) (out []string) {
	if !slices.ContainsFunc(usages, hasPrice) {
		return nil
	}
	for i := range in.Dimensions {
		d := &in.Dimensions[i]
		reads := func(u UsageItem) bool { return u.field == d.Key && u.aggregate == "" }
		if !measures(d) || !slices.ContainsFunc(usages, reads) || slices.ContainsFunc(usages, func(u UsageItem) bool { return reads(u) && hasPrice(u) }) {
			continue
		}
		w := bursar.WarnNoPrice + ":" + d.Key
		if model := valueOf(in.Dimensions, bursar.ModelKey); model != "" {
			w += "=" + model
		}
		out = append(out, w)
	}
	return out
}

// hasPrice tells whether a usage is of a priced feature, even if no rate matches.
func hasPrice(u UsageItem) bool { return len(u.asks) > 1 || len(u.unpriced) > 0 }

// callSides are the two sides of a call of a model: the kinds of tokens that each has (the first
// stands for all), and the member of a reservation that says how many there may be.
var callSides = []struct {
	kinds  []string
	member string
	said   func(*SpendEvent) bool
}{
	{[]string{bursar.TokensInput, bursar.TokensCacheRead, bursar.TokensCacheWrite, bursar.TokensCacheWrite1h, bursar.TokensInputAudio,
		bursar.TokensInputImage, bursar.TokensCacheReadAudio}, "inputTokens", func(o *SpendEvent) bool { return o.SaidInput }},
	{bursar.OutputKinds, "maxTokens", func(o *SpendEvent) bool { return o.SaidOutput }},
}

// nothingHeld are warnings of sides of a call that are counted, but of which a reservation holds
// nothing because it does not say how much there may be.
func (o *SpendEvent) nothingHeld(dims []bursar.Dimension, usages []UsageItem) (out []string) {
	for i := range callSides {
		side := &callSides[i]
		counted := slices.ContainsFunc(usages, func(u UsageItem) bool { return u.aggregate == "" && slices.Contains(side.kinds, u.field) })
		given := slices.ContainsFunc(dims, func(d bursar.Dimension) bool { return measures(&d) && slices.Contains(side.kinds, d.Key) })
		if counted && !given && !side.said(o) {
			out = append(out, bursar.WarnNothingHeld+":"+side.kinds[0]+"="+side.member)
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
