package engine

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/bursarhq/bursar"
)

// Catalogue is the environment's catalogue at one version. It is immutable; a write
// makes another.
type Catalogue struct {
	head        Head
	types       map[string]*bursar.EntityType
	features    map[string]*bursar.Feature
	currencies  map[string]*bursar.Currency
	keys        map[string]*bursar.APIKey
	cards       map[string]*bursar.RateCard
	webhooks    map[string]*bursar.Webhook
	prices      map[string][]pricedBy        // by feature; follows from cards
	meters      map[string][]*bursar.Feature // by event name; follows from features
	attribution map[string]string            // key → live entity type
	replies     map[[16]byte]keptReply
	revoked     map[string]revokedToken // access tokens, until they expire
	noted       map[string]bool         // features whose use in customers has been noted since they were made
	secret      [32]byte

	repliesSweep, revokedSweep sweeper
	thresholds                 []int // what a new assignment warns at when it does not say; configuration
}

// keptReply is the reply of a catalogue write with an Idempotency-Key.
type keptReply struct {
	Hash    [16]byte    `json:"hash"`
	Content [8]byte     `json:"content"`
	At      bursar.Time `json:"at"`
	Status  int         `json:"status"`
	Body    []byte      `json:"body"`
}

// sweeper says when a map is to be rid of what has ended: each time it has doubled, so that
// an entry costs the same however many there are.
type sweeper struct {
	at     int // entries
	looked int // entries looked at so far
}

func sweep[K comparable, V any](s *sweeper, m map[K]V, ended func(K, V) bool) {
	if len(m) < s.at {
		return
	}
	s.looked += len(m)
	maps.DeleteFunc(m, ended)
	s.at = max(64, 2*len(m))
}

func newCatalogue() *Catalogue {
	return &Catalogue{types: map[string]*bursar.EntityType{}, features: map[string]*bursar.Feature{},
		currencies: map[string]*bursar.Currency{}, keys: map[string]*bursar.APIKey{}, cards: map[string]*bursar.RateCard{},
		webhooks: map[string]*bursar.Webhook{}, prices: map[string][]pricedBy{}, attribution: map[string]string{}, replies: map[[16]byte]keptReply{}, revoked: map[string]revokedToken{}, noted: map[string]bool{}}
}

// clone copies c so that records can be applied to the copy.
func (c *Catalogue) clone() *Catalogue {
	n := *c
	n.types, n.features, n.currencies = maps.Clone(c.types), maps.Clone(c.features), maps.Clone(c.currencies)
	n.keys, n.attribution, n.replies = maps.Clone(c.keys), maps.Clone(c.attribution), maps.Clone(c.replies)
	n.cards, n.webhooks, n.revoked = maps.Clone(c.cards), maps.Clone(c.webhooks), maps.Clone(c.revoked)
	n.noted = maps.Clone(c.noted)
	return &n
}

// Version grows with every write of the catalogue.
func (c *Catalogue) Version() uint64 { return c.head.Seq }

// EntityType is nil when there is none of that id; likewise those below.
func (c *Catalogue) EntityType(id string) *bursar.EntityType { return c.types[id] }
func (c *Catalogue) Feature(id string) *bursar.Feature       { return c.features[id] }
func (c *Catalogue) Currency(id string) *bursar.Currency     { return c.currencies[id] }
func (c *Catalogue) APIKey(id string) *bursar.APIKey         { return c.keys[id] }
func (c *Catalogue) RateCard(id string) *bursar.RateCard     { return c.cards[id] }
func (c *Catalogue) Webhook(id string) *bursar.Webhook       { return c.webhooks[id] }

// Attributes tells whether a dimension of that name names entities.
func (c *Catalogue) Attributes(key string) bool { return c.attribution[key] != "" }

// EntityTypes lists all, archived ones too, by (CreatedAt, ID); likewise those below.
func (c *Catalogue) EntityTypes() []*bursar.EntityType {
	return sorted(c.types, func(t *bursar.EntityType) (bursar.Time, string) { return t.CreatedAt, t.ID })
}
func (c *Catalogue) Features() []*bursar.Feature {
	return sorted(c.features, func(t *bursar.Feature) (bursar.Time, string) { return t.CreatedAt, t.ID })
}
func (c *Catalogue) Currencies() []*bursar.Currency {
	return sorted(c.currencies, func(t *bursar.Currency) (bursar.Time, string) { return t.CreatedAt, t.ID })
}
func (c *Catalogue) APIKeys() []*bursar.APIKey {
	return sorted(c.keys, func(t *bursar.APIKey) (bursar.Time, string) { return t.CreatedAt, t.ID })
}

func (c *Catalogue) RateCards() []*bursar.RateCard {
	return sorted(c.cards, func(t *bursar.RateCard) (bursar.Time, string) { return t.CreatedAt, t.ID })
}
func (c *Catalogue) Webhooks() []*bursar.Webhook {
	return sorted(c.webhooks, func(t *bursar.Webhook) (bursar.Time, string) { return t.CreatedAt, t.ID })
}

func sorted[T any](m map[string]*T, key func(*T) (bursar.Time, string)) []*T {
	return slices.SortedFunc(maps.Values(m), func(a, b *T) int {
		at, aid := key(a)
		bt, bid := key(b)
		return cmp.Or(cmp.Compare(at, bt), strings.Compare(aid, bid))
	})
}

// apply is the one place where a record changes the catalogue.
func (c *Catalogue) apply(r record) error {
	rec, ok := r.(*catalogueRec)
	if !ok {
		return fmt.Errorf("%w: kind %d in the catalogue", errRecord, r.kind())
	}
	switch rec.sort {
	case "entityType":
		return set(c.types, rec.body, func(t *bursar.EntityType) string {
			maps.DeleteFunc(c.attribution, func(_, typ string) bool { return typ == t.ID })
			if t.ArchivedAt == nil {
				for _, k := range t.AttributionKeys {
					c.attribution[k] = t.ID
				}
			}
			return t.ID
		})
	case "feature":
		err := set(c.features, rec.body, func(t *bursar.Feature) string { return t.ID })
		c.meters = indexMeters(c.features)
		return err
	case "featureNoted":
		return named(rec.body, func(id string) { c.noted[id] = true })
	case "rateCard":
		return set(c.cards, rec.body, func(t *bursar.RateCard) string {
			c.prices = indexCard(c.prices, t)
			return t.ID
		})
	case "rateVersion":
		var v cardVersion
		if err := json.Unmarshal(rec.body, &v); err != nil {
			return fmt.Errorf("%w: %v", errRecord, err)
		}
		return c.applyCard(v.CardID, func(card *bursar.RateCard) { card.Versions = append(slices.Clone(card.Versions), v.Version) })
	case "rateCardArchived":
		var end cardEnd
		if err := json.Unmarshal(rec.body, &end); err != nil {
			return fmt.Errorf("%w: %v", errRecord, err)
		}
		return c.applyCard(end.CardID, func(card *bursar.RateCard) { card.ArchivedAt = &end.At })
	case "webhook":
		return set(c.webhooks, rec.body, func(t *bursar.Webhook) string { return t.ID })
	case "webhookDeleted":
		return named(rec.body, func(id string) { delete(c.webhooks, id) })
	case "currency":
		return set(c.currencies, rec.body, func(t *bursar.Currency) string { return t.ID })
	case "apiKey":
		return set(c.keys, rec.body, func(t *bursar.APIKey) string { return t.ID })
	case "tokenRevoked":
		return c.applyRevoked(rec.body)
	case "reply":
		var k keptReply
		if err := json.Unmarshal(rec.body, &k); err != nil {
			return fmt.Errorf("%w: %v", errRecord, err)
		}
		sweep(&c.repliesSweep, c.replies, func(_ [16]byte, old keptReply) bool { return old.At < k.At-keyMemory })
		c.replies[k.Hash] = k
	case "secret":
		if copy(c.secret[:], rec.body) != len(c.secret) {
			return fmt.Errorf("%w: secret", errRecord)
		}
	default:
		return fmt.Errorf("%w: a %q in the catalogue", errRecord, rec.sort)
	}
	return nil
}

// named calls f with the id that is all of a record's body.
func named(body []byte, f func(id string)) error {
	var id string
	if err := json.Unmarshal(body, &id); err != nil {
		return fmt.Errorf("%w: %v", errRecord, err)
	}
	f(id)
	return nil
}

func set[T any](m map[string]*T, body []byte, id func(*T) string) error {
	v := new(T)
	if err := json.Unmarshal(body, v); err != nil {
		return fmt.Errorf("%w: %v", errRecord, err)
	}
	m[id(v)] = v
	return nil
}

// catalogueWrite is a catalogue that is being changed.
type catalogueWrite struct {
	*Catalogue
	now    bursar.Time
	recs   []record
	commit [16]byte
	trace  string
	caller *Caller
	out    outgoing
	unused []Use
	places []string // where the request names each of unused
}

// notify queues a message about the environment.
func (w *catalogueWrite) notify(typ string, data any) {
	w.out.add(w.Catalogue, w.now, w.head.Seq, w.commit, w.trace, typ, "", data)
}

func (w *catalogueWrite) put(sort string, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return w.add(&catalogueRec{sort, body})
}

func (w *catalogueWrite) add(r *catalogueRec) error {
	w.recs = append(w.recs, r)
	return w.apply(r)
}

func checkName(pointer, name string, p *bursar.Problems) {
	if err := bursar.CheckName(name); err != nil {
		p.Add(pointer, bursar.CodeValidationFailed, "a display name %v", err)
	}
}

func checkText(pointer string, s *string, p *bursar.Problems) {
	if s == nil {
		return
	}
	if err := bursar.CheckText(*s, bursar.MaxDescriptionLen); err != nil {
		p.Add(pointer, bursar.CodeValidationFailed, "a text %v", err)
	}
}

func (w *catalogueWrite) putEntityTypes(in []EntityTypeInput) ([]bursar.EntityType, error) {
	var p bursar.Problems
	out := make([]bursar.EntityType, 0, len(in))
	seen := map[string]bool{}
	for i := range in {
		at := fmt.Sprintf("/types/%d", i)
		t := &in[i]
		if err := bursar.CheckID(t.ID); err != nil {
			p.Add(at+"/id", bursar.CodeValidationFailed, "%v", err)
		}
		if seen[t.ID] {
			p.Add(at+"/id", bursar.CodeValidationFailed, "the entity type %q is in this request twice", t.ID)
		}
		seen[t.ID] = true
		checkName(at+"/displayName", t.DisplayName, &p)
		checkText(at+"/description", &t.Description.Value, &p)
		w.checkAttribution(at, t, &p)
		v := bursar.EntityType{ID: t.ID, DisplayName: t.DisplayName, AttributionKeys: append([]string{}, t.AttributionKeys...),
			CreatedAt: w.now.Milli(), UpdatedAt: w.now.Milli()}
		old := w.types[t.ID]
		if p.CheckRevision(at+"/ifMatch", t.IfMatch, old, old != nil); old != nil {
			v.CreatedAt, v.Description = old.CreatedAt, old.Description
		}
		setOpt(&v.Description, t.Description)
		if p.Empty() {
			if err := w.put("entityType", &v); err != nil {
				return nil, err
			}
			w.notify(bursar.EventEntityTypeUpdated, entityTypeData{v})
		}
		out = append(out, v)
	}
	return out, p.Err()
}

func (w *catalogueWrite) checkAttribution(at string, t *EntityTypeInput, p *bursar.Problems) {
	if len(t.AttributionKeys) > 2 {
		p.Add(at+"/attributionKeys", bursar.CodeValidationFailed, "an entity type has at most 2 attribution keys")
	}
	for j, k := range t.AttributionKeys {
		pointer := fmt.Sprintf("%s/attributionKeys/%d", at, j)
		if bad, err := bursar.CheckDimensions([]bursar.Dimension{{Key: k}}); err != nil {
			p.Add(pointer, bursar.CodeValidationFailed, "%q cannot be an attribution key: %v", bad, err)
		}
		if owner := w.attribution[k]; owner != "" && owner != t.ID {
			p.Add(pointer, bursar.CodeValidationFailed, "the attribution key %q belongs to the entity type %q", k, owner)
		}
		if slices.Contains(t.AttributionKeys[:j], k) {
			p.Add(pointer, bursar.CodeValidationFailed, "the attribution key %q is here twice", k)
		}
	}
}

func (w *catalogueWrite) archiveEntityTypes(ids []string, archive bool) error {
	var p bursar.Problems
	for i, id := range ids {
		at := fmt.Sprintf("/ids/%d", i)
		old := w.types[id]
		if old == nil {
			p.Add(at, bursar.CodeEntityTypeNotFound, "there is no entity type %q", id)
			continue
		}
		if (old.ArchivedAt != nil) == archive {
			continue
		}
		v := *old
		now := w.now.Milli()
		if v.ArchivedAt, v.UpdatedAt = nil, now; archive {
			v.ArchivedAt = &now
			w.unused, w.places = append(w.unused, Use{"entityType", id}), append(w.places, at)
		} else {
			w.checkAttribution("", &EntityTypeInput{ID: id, AttributionKeys: v.AttributionKeys}, &p)
		}
		if err := w.put("entityType", &v); err != nil {
			return err
		}
		w.notify(bursar.EventEntityTypeUpdated, entityTypeData{v})
	}
	return p.Err()
}

type entityTypeData struct {
	EntityType bursar.EntityType `json:"entityType"`
}

func (w *catalogueWrite) createFeature(f bursar.Feature) (bursar.Feature, error) {
	if w.features[f.ID] != nil {
		return f, bursar.ErrorAt("/id", bursar.CodeAlreadyExists, "the feature %q exists already", f.ID)
	}
	var p bursar.Problems
	if err := bursar.CheckID(f.ID); err != nil {
		p.Add("/id", bursar.CodeValidationFailed, "%v", err)
	}
	f.FeatureType = cmp.Or(f.FeatureType, "NUMBER")
	f.MeterType = cmp.Or(f.MeterType, "INCREMENTAL")
	f.FeatureStatus = cmp.Or(f.FeatureStatus, "ACTIVE")
	oneOf := func(pointer, v string, allowed ...string) {
		if !slices.Contains(allowed, v) {
			p.Add(pointer, bursar.CodeValidationFailed, "%.32q is not one of %s", v, strings.Join(allowed, ", "))
		}
	}
	oneOf("/featureType", f.FeatureType, "NUMBER")
	oneOf("/meterType", f.MeterType, "INCREMENTAL", "FLUCTUATING")
	oneOf("/featureStatus", f.FeatureStatus, "NEW", "SUSPENDED", "ACTIVE")
	in := f.Metadata
	f.Metadata, f.CreatedAt, f.ArchivedAt = nil, w.now.Milli(), nil
	f, err := w.putFeature(f, in, &p)
	if err != nil {
		return f, err
	}
	return f, w.put("featureNoted", f.ID)
}

func (w *catalogueWrite) putFeature(f bursar.Feature, metadata map[string]string, p *bursar.Problems) (bursar.Feature, error) {
	checkName("/displayName", f.DisplayName, p)
	checkText("/description", f.Description, p)
	checkText("/featureUnits", f.FeatureUnits, p)
	checkText("/featureUnitsPlural", f.FeatureUnitsPlural, p)
	f.Metadata = patchMetadata(f.Metadata, metadata, "/metadata", p)
	if f.Meter != nil {
		f.Meter = checkMeter(f.Meter, p)
		if !summing(f.Meter) && w.livePrice(f.ID) {
			p.Add("/meter/aggregation/function", bursar.CodeValidationFailed, "the feature %q has a price; a %s cannot be priced", f.ID, f.Meter.Aggregation.Function)
		}
	}
	if err := p.Err(); err != nil {
		return f, err
	}
	f.UpdatedAt = w.now.Milli()
	return f, w.put("feature", &f)
}

func (w *catalogueWrite) updateFeature(id string, in *FeaturePatch) (bursar.Feature, error) {
	old := w.features[id]
	if old == nil {
		return bursar.Feature{}, errNoFeature(id)
	}
	if err := w.stillAt(old); err != nil {
		return *old, err
	}
	f := *old
	if in.DisplayName.Set {
		f.DisplayName = in.DisplayName.Value
	}
	setOpt(&f.Description, in.Description)
	setOpt(&f.FeatureUnits, in.FeatureUnits)
	setOpt(&f.FeatureUnitsPlural, in.FeatureUnitsPlural)
	if in.Meter.Set {
		if f.Meter = nil; !in.Meter.Null {
			f.Meter = &in.Meter.Value
		}
	}
	var p bursar.Problems
	if adds := func(m *bursar.Meter) bool { return m == nil || summing(m) }; adds(old.Meter) != adds(f.Meter) {
		if !w.noted[id] { // nobody knows who uses it
			p.Add(functionPointer, bursar.CodeValidationFailed, errOtherFigures, id)
		}
		w.unused, w.places = append(w.unused, Use{"feature", id}), append(w.places, functionPointer)
	}
	return w.putFeature(f, in.Metadata, &p)
}

const (
	functionPointer = "/meter/aggregation/function"
	errOtherFigures = "the feature %q has recorded usage: one whose usage adds up cannot become one of MAX or UNIQUE, nor back, for its figures would mean another thing; make another feature"
)

func errNoFeature(id string) error {
	return bursar.Errorf(bursar.CodeFeatureNotFound, "there is no feature %.64q", id)
}

func (w *catalogueWrite) archiveFeature(id string, archive bool) (bursar.Feature, error) {
	old := w.features[id]
	if old == nil {
		return bursar.Feature{}, errNoFeature(id)
	}
	if err := w.stillAt(old); err != nil {
		return *old, err
	}
	if (old.ArchivedAt != nil) == archive {
		return *old, nil
	}
	f := *old
	now := w.now.Milli()
	if f.ArchivedAt, f.UpdatedAt = nil, now; archive {
		f.ArchivedAt = &now
	}
	return f, w.put("feature", &f)
}

func (w *catalogueWrite) createCurrency(c bursar.Currency) (bursar.Currency, error) {
	if w.currencies[c.ID] != nil {
		return c, bursar.ErrorAt("/id", bursar.CodeAlreadyExists, "the currency %q exists already", c.ID)
	}
	var p bursar.Problems
	if err := bursar.CheckID(c.ID); err != nil {
		p.Add("/id", bursar.CodeValidationFailed, "%v", err)
	}
	in := c.Metadata
	c.Metadata, c.CreatedAt, c.ArchivedAt = nil, w.now.Milli(), nil
	return w.putCurrency(c, in, &p)
}

func (w *catalogueWrite) putCurrency(c bursar.Currency, metadata map[string]string, p *bursar.Problems) (bursar.Currency, error) {
	checkName("/displayName", c.DisplayName, p)
	checkText("/description", c.Description, p)
	checkText("/symbol", c.Symbol, p)
	if c.Units != nil {
		checkText("/units/singular", &c.Units.Singular, p)
		checkText("/units/plural", &c.Units.Plural, p)
	}
	c.Metadata = patchMetadata(c.Metadata, metadata, "/metadata", p)
	if err := p.Err(); err != nil {
		return c, err
	}
	c.UpdatedAt = w.now.Milli()
	return c, w.put("currency", &c)
}

func (w *catalogueWrite) updateCurrency(id string, in *CurrencyPatch) (bursar.Currency, error) {
	old := w.currencies[id]
	if old == nil {
		return bursar.Currency{}, errNoCurrency(id)
	}
	if err := w.stillAt(old); err != nil {
		return *old, err
	}
	c := *old
	if in.DisplayName.Set {
		c.DisplayName = in.DisplayName.Value
	}
	setOpt(&c.Description, in.Description)
	setOpt(&c.Symbol, in.Symbol)
	if in.Units.Set {
		if c.Units = nil; !in.Units.Null {
			c.Units = &in.Units.Value
		}
	}
	var p bursar.Problems
	return w.putCurrency(c, in.Metadata, &p)
}

func errNoCurrency(id string) error {
	return bursar.Errorf(bursar.CodeCurrencyNotFound, "there is no currency %.64q", id)
}

func (w *catalogueWrite) archiveCurrency(id string, archive bool) (bursar.Currency, error) {
	old := w.currencies[id]
	if old == nil {
		return bursar.Currency{}, errNoCurrency(id)
	}
	if err := w.stillAt(old); err != nil {
		return *old, err
	}
	if (old.ArchivedAt != nil) == archive {
		return *old, nil
	}
	c := *old
	now := w.now.Milli()
	if c.ArchivedAt, c.UpdatedAt = nil, now; archive {
		for _, card := range w.RateCards() {
			if card.CurrencyID == id && card.ArchivedAt == nil {
				return c, bursar.Errorf(bursar.CodeCurrencyInUse, "the rate card %q prices in %q; archive it first", card.ID, id)
			}
		}
		c.ArchivedAt = &now
		w.unused = append(w.unused, Use{"currency", id})
	}
	return c, w.put("currency", &c)
}
