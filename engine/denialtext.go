package engine

import (
	"encoding/json"
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

// How denials are written. Members are only ever added: what an older program wrote is read by this one.

type capText struct {
	Feature  string `json:"feature,omitempty"`
	Currency string `json:"currency,omitempty"`
}

func textOfCap(c bursar.Capability) capText {
	if c.Kind == bursar.KindCurrency {
		return capText{Currency: c.ID}
	}
	return capText{Feature: c.ID}
}

func (t capText) capability() bursar.Capability {
	if t.Currency != "" {
		return bursar.Capability{Kind: bursar.KindCurrency, ID: t.Currency}
	}
	return bursar.Capability{Kind: bursar.KindFeature, ID: t.Feature}
}

type denialText struct {
	capText
	Kind      string        `json:"kind"`
	RequestID string        `json:"request,omitempty"`
	Requested bursar.Amount `json:"requested"`
	Dims      []dimText     `json:"dims,omitempty"`
	Reason    bursar.Code   `json:"reason"`
	Named     []string      `json:"named,omitempty"`
	Source    string        `json:"source,omitempty"`  // of Binding
	Binding   *nodeText     `json:"binding,omitempty"` // what denied
	Frozen    *frozenText   `json:"frozen,omitempty"`
	Chains    [][]nodeText  `json:"chains,omitempty"`
}

type dimText struct {
	Key   string               `json:"k"`
	Value string               `json:"v"`
	Kind  bursar.DimensionKind `json:"kind,omitempty"`
}

type frozenText struct {
	Code   bursar.Code `json:"code"`
	Entity string      `json:"entity,omitempty"`
	Reason string      `json:"reason"`
	At     bursar.Time `json:"at"`
}

type nodeText struct {
	capText
	ID        string         `json:"id,omitempty"`
	Entity    string         `json:"entity,omitempty"`
	Type      string         `json:"type,omitempty"`
	Scope     []string       `json:"scope,omitempty"`
	Label     string         `json:"label,omitempty"`
	Soft      bool           `json:"soft,omitempty"`
	Limit     *bursar.Amount `json:"limit,omitempty"`
	Used      bursar.Amount  `json:"used"`
	Requested bursar.Amount  `json:"requested"`
	Held      bursar.Amount  `json:"held"`
	ResetsAt  *bursar.Time   `json:"resets,omitempty"`
	Granted   bool           `json:"granted,omitempty"`
	Exceeded  bool           `json:"exceeded,omitempty"`
	Highest   bool           `json:"highest,omitempty"`
	Default   *defaultText   `json:"default,omitempty"`
}

type defaultText struct {
	ID       string            `json:"id"`
	Entity   string            `json:"entity,omitempty"`
	Type     string            `json:"type"`
	Metadata map[string]string `json:"metadata,omitempty"`
}

func textOfNode(n *bursar.Node) nodeText {
	t := nodeText{capText: textOfCap(n.Capability), ID: n.AssignmentID, Entity: n.EntityID, Type: n.EntityTypeID, Scope: n.ScopeEntityIDs, Label: n.Label,
		Soft: n.Enforcement == bursar.Soft, Limit: n.UsageLimit, Used: n.CurrentUsage, Requested: n.Requested, Held: n.Reserved,
		Granted: n.Granted, Exceeded: n.Exceeded, Highest: n.Highest}
	if n.ResetsAt != 0 {
		t.ResetsAt = &n.ResetsAt
	}
	if x := n.DefaultOf; x != nil {
		t.Default = &defaultText{x.DefaultID, x.EntityID, x.EntityTypeID, x.Metadata}
	}
	return t
}

func (t *nodeText) node() bursar.Node {
	n := bursar.Node{AssignmentID: t.ID, EntityID: t.Entity, EntityTypeID: t.Type, ScopeEntityIDs: append([]string{}, t.Scope...), Capability: t.capability(), Label: t.Label,
		UsageLimit: t.Limit, CurrentUsage: t.Used, Requested: t.Requested, Reserved: t.Held, Granted: t.Granted, Exceeded: t.Exceeded, Highest: t.Highest}
	if n.Enforcement = bursar.Hard; t.Soft {
		n.Enforcement = bursar.Soft
	}
	if t.ResetsAt != nil {
		n.ResetsAt = *t.ResetsAt
	}
	if x := t.Default; x != nil {
		n.DefaultOf = &bursar.DefaultSource{DefaultID: x.ID, EntityID: x.Entity, EntityTypeID: x.Type, Metadata: x.Metadata}
	}
	return n
}

// Denials are found by the entities that were named, and by the limit that denied.
func entityTag(id string) string { return "e:" + id }
func limitTag(id string) string  { return "l:" + id }

func tagsOf(d *Denial) (tags []string) {
	for _, id := range d.Decision.Named {
		tags = append(tags, entityTag(id))
	}
	if b := d.Decision.Binding; b != nil && b.Node.AssignmentID != "" {
		tags = append(tags, limitTag(b.Node.AssignmentID))
	}
	return tags
}

// placeOf is d's row without its body.
func placeOf(d *Denial) store.DenialRow {
	return store.DenialRow{CustomerID: d.CustomerID, ID: d.ID, At: d.At.Milli(), Tags: tagsOf(d)}
}

func rowOf(d *Denial) (r store.DenialRow, err error) {
	r = placeOf(d)
	t := denialText{capText: textOfCap(d.Capability), Kind: d.Kind, RequestID: d.RequestID, Requested: d.Requested, Reason: d.Decision.Reason, Named: d.Decision.Named}
	for _, x := range d.Dimensions {
		t.Dims = append(t.Dims, dimText{x.Key, x.Value, x.Kind})
	}
	if b := d.Decision.Binding; b != nil {
		n := textOfNode(&b.Node)
		t.Source, t.Binding = string(b.Source), &n
	}
	if z := d.Decision.Frozen; z != nil {
		t.Frozen = &frozenText{z.Code, z.EntityID, z.Reason, z.FrozenAt}
	}
	for _, chain := range d.Decision.Chains {
		nodes := make([]nodeText, len(chain))
		for i := range chain {
			nodes[i] = textOfNode(&chain[i])
		}
		t.Chains = append(t.Chains, nodes)
	}
	r.Body, err = json.Marshal(&t)
	return r, err
}

func denialOf(r *store.DenialRow) (*Denial, error) {
	var t denialText
	if err := json.Unmarshal(r.Body, &t); err != nil {
		return nil, err
	}
	d := &Denial{ID: r.ID, CustomerID: r.CustomerID, At: r.At, Kind: t.Kind, RequestID: t.RequestID, Capability: t.capability(), Requested: t.Requested,
		Decision: bursar.Decision{Reason: t.Reason, Named: t.Named}}
	for _, x := range t.Dims {
		d.Dimensions = append(d.Dimensions, bursar.Dimension{Key: x.Key, Value: x.Value, Kind: x.Kind})
	}
	if t.Binding != nil {
		d.Decision.Binding = &bursar.Binding{Source: bursar.BindingSource(t.Source), Node: t.Binding.node()}
	}
	if z := t.Frozen; z != nil {
		d.Decision.Frozen = &bursar.Freeze{Code: z.Code, EntityID: z.Entity, Reason: z.Reason, FrozenAt: z.At}
	}
	for _, chain := range t.Chains {
		nodes := make([]bursar.Node, len(chain))
		for i := range chain {
			nodes[i] = chain[i].node()
		}
		d.Decision.Chains = append(d.Decision.Chains, nodes)
	}
	return d, nil
}

type limitText struct {
	capText
	Source string   `json:"source"`
	ID     string   `json:"id,omitempty"`
	Entity string   `json:"entity,omitempty"`
	Scope  []string `json:"scope,omitempty"`
	Label  string   `json:"label,omitempty"`
}

type groupText struct {
	capText
	Other  bool        `json:"other,omitempty"`
	Named  []string    `json:"named,omitempty"`
	Reason bursar.Code `json:"reason,omitempty"`
	Also   []alsoText  `json:"also,omitempty"`
}

type alsoText struct {
	limitText
	Reason bursar.Code `json:"reason"`
}

func textOfLimit(n *bursar.Node, source bursar.BindingSource) limitText {
	return limitText{textOfCap(n.Capability), string(source), n.AssignmentID, n.EntityID, slices.Sorted(slices.Values(n.ScopeEntityIDs)), n.Label}
}

func (t *limitText) limit() DenialLimit {
	return DenialLimit{Source: bursar.BindingSource(t.Source), AssignmentID: t.ID, EntityID: t.Entity, ScopeEntityIDs: t.Scope, Label: t.Label, Capability: t.capability()}
}

// otherGroup is the text of the group of what is not told apart.
const otherGroup = `{"other":true}`

// groupTexts are the texts of the limit that denied d, "" for none, and of d's group.
func groupTexts(d *Denial) (limit, group string) {
	if b := d.Decision.Binding; b != nil {
		limit = mustText(textOfLimit(&b.Node, b.Source))
	}
	g := groupText{capText: textOfCap(d.Capability), Named: d.Decision.Named, Reason: d.Decision.Reason}
	for _, n := range alsoRefusing(d) {
		g.Also = append(g.Also, alsoText{textOfLimit(n, bursar.BindingEntity), n.Refusal()})
	}
	return limit, mustText(g)
}

// mustText is v, which is made of texts, as JSON.
func mustText(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // there is no text that cannot be written
	}
	return string(b)
}

func limitOfText(text string) (*DenialLimit, error) {
	if text == "" {
		return nil, nil
	}
	var t limitText
	err := json.Unmarshal([]byte(text), &t)
	l := t.limit()
	return &l, err
}

func groupOf(c *store.DenialCount) (g DenialGroup, err error) {
	var t groupText
	if err = json.Unmarshal([]byte(c.Group), &t); err != nil {
		return g, err
	}
	g = DenialGroup{Other: t.Other, Named: t.Named, Reason: t.Reason, Capability: t.capability()}
	for i := range t.Also {
		g.Also = append(g.Also, DenialRefusal{t.Also[i].limit(), t.Also[i].Reason})
	}
	g.Limit, err = limitOfText(c.Limit)
	return g, err
}
