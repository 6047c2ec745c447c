package engine_test

import (
	"maps"
	"slices"
	"strings"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
)

// defaultText is where a limit comes from that is by default.
func defaultText(x *bursar.DefaultSource) string {
	if x == nil {
		return ""
	}
	return ", default of " + defaultPlace(x.EntityID, x.EntityTypeID, x.Metadata)
}

func defaultPlace(entity, typ string, when map[string]string) string {
	s := typ
	if entity != "" {
		s = entity + "/" + typ
	}
	for _, k := range slices.Sorted(maps.Keys(when)) {
		s += " " + k + "=" + when[k]
	}
	return s
}

// defaultInput reads "entity type capability limit cadence"; entity "-" is the customer, and
// when.k=v are conditions. What follows is as of a limit.
func (w *world) defaultInput(it *item) bursar.DefaultInput {
	x := bursar.DefaultInput{EntityTypeID: it.word(1)}
	if id := it.word(0); id != "-" {
		x.EntityID = id
	}
	for _, k := range slices.Sorted(maps.Keys(it.pairs)) {
		if key, ok := strings.CutPrefix(k, "when."); ok {
			v, _ := it.take(k)
			if x.Metadata == nil {
				x.Metadata = map[string]string{}
			}
			x.Metadata[key] = v
		}
	}
	it.words = it.words[1:]
	a := w.limitInput(it)
	x.Capability, x.Label, x.UsageLimit, x.Cadence, x.Enforcement = a.Capability, a.Label, a.UsageLimit, a.Cadence, a.Enforcement
	x.AlertThresholds, x.Timezone, x.Anchor = a.AlertThresholds, a.Timezone, a.Anchor
	return x
}

func (w *world) opPutDefault(o *op) error {
	var in []bursar.DefaultInput
	for _, it := range o.items {
		in = append(in, w.defaultInput(it))
	}
	_, _, err := w.engine.PutDefaults(w.t.Context(), tester, "acme", in)
	return err
}

func (w *world) defaults() []bursar.Default {
	list, _, err := w.engine.Defaults(w.t.Context(), ledger.ReadOptions{}, "acme")
	w.must(err)
	return list
}

func (w *world) opDefaults(*op) error {
	for _, x := range w.defaults() {
		w.printf("%s: %s each %s in %s, %s, alerts %v%s\n", limitName(defaultPlace(x.EntityID, x.EntityTypeID, x.Metadata), nil, x.Label, x.Capability),
			limitText(x.UsageLimit), x.Cadence, x.Timezone, x.Enforcement, x.AlertThresholds, mark(x.Anchor != nil, ", anchored"))
	}
	return nil
}

func (w *world) opDeleteDefault(o *op) error {
	it := o.item()
	in := w.defaultInput(it)
	id := "01940000-0000-7000-8000-000000000000"
	for _, x := range w.defaults() {
		if x.EntityID == in.EntityID && x.EntityTypeID == in.EntityTypeID && x.Capability == in.Capability && x.Label == in.Label && maps.Equal(x.Metadata, in.Metadata) {
			id = x.ID
		}
	}
	_, _, err := w.engine.DeleteDefault(w.t.Context(), tester, "acme", id)
	return err
}
