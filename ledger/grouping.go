package ledger

import (
	"slices"
	"strings"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// groups is what a history needs to group by entities. Buckets by path tell which entities
// usage named. rest is what the entity's buckets have beyond those: usage that is not told apart.
type groups struct {
	types []string // by key: the type of entity that it names; "" = none
	uses  uint32   // CountsOfCustomer where the history counts charges; 0 = it adds up amounts
	rest  map[string]*Line
	paths map[uint32]*pathTags
	full  bool // there were more combinations of dimensions than are told apart
}

// pathTags is what a path says of the usage on it.
type pathTags struct {
	named []string // by key: the entity that usage named
	child uint32   // the child of the history's entity that the path came through
}

// childKey groups the usage of an entity by the child that it came through.
const childKey = "$child"

// group prepares for the keys that the query groups by.
func (h *HistoryRun) group(cat *catalogue.Catalogue) {
	h.groups = groups{types: make([]string, len(h.Q.GroupBy)), rest: map[string]*Line{}, paths: map[uint32]*pathTags{}}
	for i, k := range h.Q.GroupBy {
		h.types[i] = cat.Attribution[k]
	}
}

// attributed tells whether any key names entities.
func (h *HistoryRun) attributed() bool {
	return slices.ContainsFunc(h.types, func(t string) bool { return t != "" })
}

// Sources are the entity numbers under which the history's buckets are kept.
func (h *HistoryRun) Sources() []uint32 {
	ent, byPath := h.Ent, uint32(UsesByPath)
	if h.uses == CountsOfCustomer {
		ent, byPath = CountsOfCustomer, CountsByPath
	}
	if !h.attributed() {
		return []uint32{ent}
	}
	return []uint32{ent, byPath}
}

// addTold adds a bucket to the line of its path, or to the rest.
func (h *HistoryRun) addTold(v *View, r *store.SeriesRow) error {
	path := byPath(r.EntityOrd)
	if !path && (r.EntityOrd == 0 || r.EntityOrd == CountsOfCustomer) && r.ChildOrd == namedNone {
		return h.addTo(h.lines, h.tagsOf(v, r, nil), r, r.Amount)
	}
	if !path {
		return h.addTo(h.rest, h.tagsOf(v, r, nil), r, r.Amount)
	}
	of := h.pathTags(v, r.ChildOrd)
	if err := h.addTo(h.lines, h.tagsOf(v, r, of), r, r.Amount); err != nil {
		return err
	}
	rest := *r
	rest.ChildOrd = of.child
	return h.addTo(h.rest, h.tagsOf(v, &rest, nil), r, r.Amount.Neg())
}

func (h *HistoryRun) pathTags(v *View, ord uint32) *pathTags {
	if p := h.paths[ord]; p != nil {
		return p
	}
	path := v.path(ord)
	p := &pathTags{named: make([]string, len(h.types))}
	for i, typ := range h.types {
		if typ == "" {
			continue
		}
		if ent := v.chargedOf(path, typ); ent != 0 && v.Sees(ent) {
			p.named[i] = v.Ent(ent).ID
		}
	}
	for _, s := range path {
		if s.Ent == h.Ent {
			p.child = s.Child
		}
	}
	h.paths[ord] = p
	return p
}

// tagsOf are the values of the keys for a bucket. path is nil if it is a bucket of an entity.
func (h *HistoryRun) tagsOf(v *View, r *store.SeriesRow, path *pathTags) []Tag {
	if h.full = h.full || len(v.combos.List) >= maxCombos; path != nil {
		child := *r
		child.ChildOrd, r = path.child, &child
	}
	tags := make([]Tag, len(h.Q.GroupBy))
	for i, k := range h.Q.GroupBy {
		if tags[i].Key = k; path != nil {
			tags[i].Value = path.named[i]
		}
		if tags[i].Value == "" {
			tags[i].Value = v.seriesTag(r, k)
		}
	}
	return tags
}

func tagsText(tags []Tag) string {
	var text strings.Builder
	for _, t := range tags {
		text.WriteString(t.Value)
		text.WriteByte(0)
	}
	return text.String()
}

// seriesTag is the value of one group-by key for a bucket of an entity.
func (v *View) seriesTag(r *store.SeriesRow, key string) string {
	switch key {
	case featureKey:
		if r.Capability.Kind == bursar.KindFeature {
			return r.Capability.ID
		} // of a currency it is a dimension: the feature whose cost it was
	case childKey:
		if r.ChildOrd == 0 || r.ChildOrd == namedNone || !v.Sees(r.ChildOrd) {
			return ""
		}
		return v.Ent(r.ChildOrd).ID
	}
	if r.Combo != 0 {
		for _, d := range record.DecodeCombo(v.combo(r.Combo)) {
			if d.Key == key {
				return d.Value
			}
		}
	}
	return ""
}

// KeepRest adds the rest to the lines. A line of the rest that lacks a value for a key that names
// entities is marked untold. Any other joins the line with its values, if there is one.
func (h *HistoryRun) KeepRest() error {
	for _, key := range record.SortedKeys(h.rest) {
		l := h.rest[key]
		if l.zero() {
			continue
		}
		for i, t := range l.tags {
			l.untold = l.untold || h.types[i] != "" && t.Value == ""
		}
		if l.untold {
			key += "\x00" // beside the line of what named no entity
		} else if told := h.lines[key]; told != nil {
			told.take(l)
			continue
		}
		if len(h.lines) == h.most {
			_, err := h.lineOf(h.lines, append(slices.Clone(l.tags), Tag{}))
			return err
		}
		h.lines[key] = l
	}
	h.rest = nil
	return nil
}

func (l *Line) zero() bool {
	sum := l.before.IsZero()
	for _, a := range l.values {
		sum = sum && a.IsZero()
	}
	for _, a := range l.quarters {
		sum = sum && a.IsZero()
	}
	return sum
}

// take adds what another line has.
func (l *Line) take(o *Line) {
	l.before = l.before.Add(o.before)
	for at, a := range o.values {
		l.values[at] = l.values[at].Add(a)
	}
	for at, a := range o.quarters {
		l.quarters[at] = l.quarters[at].Add(a)
	}
}

// Warnings tell what of the groups is not what it seems.
func (h *HistoryRun) Warnings() []string {
	out := []string{}
	for _, l := range h.lines {
		if l.untold {
			out = append(out, bursar.WarnUntold)
			break
		}
	}
	for i, k := range h.Q.GroupBy {
		if h.full && h.types[i] == "" && k != featureKey && k != childKey {
			return append(out, bursar.WarnDimensions)
		}
	}
	return out
}
