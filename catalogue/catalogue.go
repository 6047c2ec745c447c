// Package catalogue is what an environment offers all of its customers: entity types,
// features, currencies, rate cards, API keys and webhooks. Its state is the fold of its own
// log, and each change is decided against that state. It has no clock, lock or I/O.
package catalogue

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// Catalogue is the environment's catalogue at one version. It is immutable; a write
// makes another.
type Catalogue struct {
	Head        store.Head
	Binding     uint64 // the last commit that was not aside, see Aside
	TypeOf      map[string]*bursar.EntityType
	FeatureOf   map[string]*bursar.Feature
	CurrencyOf  map[string]*bursar.Currency
	KeyOf       map[string]*bursar.APIKey
	CardOf      map[string]*bursar.RateCard
	WebhookOf   map[string]*bursar.Webhook
	Prices      map[string][]PricedBy        // by feature; follows from cards
	Meters      map[string][]*bursar.Feature // by event name; follows from features
	Attribution map[string]string            // key → live entity type
	like        likeKeys                     // follows from types
	Enrols      bool                         // some live type enrols; follows from types
	matched     map[string]bool              // keys that rates match on; follows from cards
	read        map[string]bool              // keys that meters and rates read; follows from features and cards
	Replies     map[[16]byte]KeptReply
	Revoked     map[string]RevokedToken // access tokens, until they expire
	SpendOf     map[string]*bursar.SpendToken
	noted       map[string]bool // features whose use in customers has been noted since they were made
	Secret      [32]byte
	Settings    bursar.Settings

	RepliesSweep, RevokedSweep, SpendSweep sweeper

	Thresholds []int // configuration: what a new assignment warns at when neither it nor Settings say
}

// KeptReply is the reply of a catalogue write with an Idempotency-Key.
type KeptReply struct {
	Hash    [16]byte    `json:"hash"`
	Content [8]byte     `json:"content"`
	At      bursar.Time `json:"at"`
	Status  int         `json:"status"`
	Body    []byte      `json:"body"`
}

// sweeper says when a map is looked through for what has ended: each time the map has doubled.
// So an entry costs the same however many there are.
type sweeper struct {
	at     int // entries
	Looked int // entries looked at so far
}

func sweep[K comparable, V any](s *sweeper, m map[K]V, ended func(K, V) bool) {
	if len(m) < s.at {
		return
	}
	s.Looked += len(m)
	maps.DeleteFunc(m, ended)
	s.at = max(64, 2*len(m))
}

func NewCatalogue() *Catalogue {
	return &Catalogue{TypeOf: map[string]*bursar.EntityType{}, FeatureOf: map[string]*bursar.Feature{},
		CurrencyOf: map[string]*bursar.Currency{}, KeyOf: map[string]*bursar.APIKey{}, CardOf: map[string]*bursar.RateCard{},
		WebhookOf: map[string]*bursar.Webhook{}, Prices: map[string][]PricedBy{}, Attribution: map[string]string{}, Replies: map[[16]byte]KeptReply{}, Revoked: map[string]RevokedToken{}, SpendOf: map[string]*bursar.SpendToken{}, noted: map[string]bool{}}
}

// Clone copies c so that records can be applied to the copy.
func (c *Catalogue) Clone() *Catalogue {
	n := *c
	n.TypeOf, n.FeatureOf, n.CurrencyOf = maps.Clone(c.TypeOf), maps.Clone(c.FeatureOf), maps.Clone(c.CurrencyOf)
	n.KeyOf, n.Attribution, n.Replies = maps.Clone(c.KeyOf), maps.Clone(c.Attribution), maps.Clone(c.Replies)
	n.CardOf, n.WebhookOf, n.Revoked = maps.Clone(c.CardOf), maps.Clone(c.WebhookOf), maps.Clone(c.Revoked)
	n.SpendOf, n.noted = maps.Clone(c.SpendOf), maps.Clone(c.noted)
	return &n
}

// Version grows with every write of the catalogue.
func (c *Catalogue) Version() uint64 { return c.Head.Seq }

// EntityType is nil when there is none of that id; likewise those below.
func (c *Catalogue) EntityType(id string) *bursar.EntityType { return c.TypeOf[id] }

func (c *Catalogue) Feature(id string) *bursar.Feature { return c.FeatureOf[id] }

func (c *Catalogue) Currency(id string) *bursar.Currency { return c.CurrencyOf[id] }

// Show puts the feature or currency that a decision is about into the decision, to be shown.
func (c *Catalogue) Show(d *bursar.Decision) {
	if d.Capability.Kind == bursar.KindCurrency {
		d.Currency = c.CurrencyOf[d.Capability.ID]
	} else {
		d.Feature = c.FeatureOf[d.Capability.ID]
	}
}

func (c *Catalogue) APIKey(id string) *bursar.APIKey { return c.KeyOf[id] }

func (c *Catalogue) RateCard(id string) *bursar.RateCard { return c.CardOf[id] }

func (c *Catalogue) Webhook(id string) *bursar.Webhook { return c.WebhookOf[id] }

// Attributes tells whether a dimension of that name names entities.
func (c *Catalogue) Attributes(key string) bool { return c.Attribution[key] != "" }

// EntityTypes lists all, archived ones too, by (CreatedAt, ID); likewise those below.
func (c *Catalogue) EntityTypes() []*bursar.EntityType {
	return sorted(c.TypeOf, func(t *bursar.EntityType) (bursar.Time, string) { return t.CreatedAt, t.ID })
}

func (c *Catalogue) Features() []*bursar.Feature {
	return sorted(c.FeatureOf, func(t *bursar.Feature) (bursar.Time, string) { return t.CreatedAt, t.ID })
}

func (c *Catalogue) Currencies() []*bursar.Currency {
	return sorted(c.CurrencyOf, func(t *bursar.Currency) (bursar.Time, string) { return t.CreatedAt, t.ID })
}

func (c *Catalogue) APIKeys() []*bursar.APIKey {
	return sorted(c.KeyOf, func(t *bursar.APIKey) (bursar.Time, string) { return t.CreatedAt, t.ID })
}

func (c *Catalogue) RateCards() []*bursar.RateCard {
	return sorted(c.CardOf, func(t *bursar.RateCard) (bursar.Time, string) { return t.CreatedAt, t.ID })
}

func (c *Catalogue) Webhooks() []*bursar.Webhook {
	return sorted(c.WebhookOf, func(t *bursar.Webhook) (bursar.Time, string) { return t.CreatedAt, t.ID })
}

func sorted[T any](m map[string]*T, key func(*T) (bursar.Time, string)) []*T {
	return slices.SortedFunc(maps.Values(m), func(a, b *T) int {
		at, aid := key(a)
		bt, bid := key(b)
		return cmp.Or(cmp.Compare(at, bt), strings.Compare(aid, bid))
	})
}

// Aside tells whether no decision about a customer depends on records: revocations, spend tokens
// and kept replies are looked up before a request comes to a customer.
func Aside(recs []record.Record) bool {
	for _, r := range recs {
		if rec, ok := r.(*record.Catalogue); !ok || rec.Sort != "tokenRevoked" && rec.Sort != "spendToken" && rec.Sort != "reply" {
			return false
		}
	}
	return true
}

// Moved notes where c's log ends after a commit.
func (c *Catalogue) Moved(head store.Head, aside bool) {
	if c.Head = head; !aside {
		c.Binding = head.Seq
	}
}

// attribute notes the attribution keys of a type, and gives its id.
func (c *Catalogue) attribute(t *bursar.EntityType) string {
	maps.DeleteFunc(c.Attribution, func(_, typ string) bool { return typ == t.ID })
	if t.ArchivedAt == nil {
		for _, k := range t.AttributionKeys {
			c.Attribution[k] = t.ID
		}
	}
	return t.ID
}

// TypesNamed are the entity types whose attribution keys are among dims, each once.
func (c *Catalogue) TypesNamed(dims []bursar.Dimension) (types []string) {
	for i := range dims {
		if typ, ok := c.Attribution[dims[i].Key]; ok && !slices.Contains(types, typ) {
			types = append(types, typ)
		}
	}
	return types
}

// Apply is the one place where a record changes the catalogue.
func (c *Catalogue) Apply(r record.Record) error {
	rec, ok := r.(*record.Catalogue)
	if !ok {
		return fmt.Errorf("%w: kind %d in the catalogue", record.ErrRecord, r.Kind())
	}
	switch rec.Sort {
	case "entityType":
		err := set(c.TypeOf, rec.Body, c.attribute)
		c.like, c.Enrols = c.indexLike(), c.enrolsNow()
		return err
	case "feature":
		err := set(c.FeatureOf, rec.Body, func(t *bursar.Feature) string { return t.ID })
		c.Meters = indexMeters(c.FeatureOf)
		c.read = c.readKeys()
		return err
	case "featureNoted":
		return named(rec.Body, func(id string) { c.noted[id] = true })
	case "rateCard":
		return set(c.CardOf, rec.Body, func(t *bursar.RateCard) string {
			c.Prices = indexCard(c.Prices, t)
			c.matches(t.Versions...)
			return t.ID
		})
	case "rateVersion":
		var v CardVersion
		if err := json.Unmarshal(rec.Body, &v); err != nil {
			return fmt.Errorf("%w: %v", record.ErrRecord, err)
		}
		c.matches(v.Version)
		return c.applyCard(v.CardID, func(card *bursar.RateCard) { card.Versions = append(slices.Clone(card.Versions), v.Version) })
	case "rateCardArchived":
		var end CardEnd
		if err := json.Unmarshal(rec.Body, &end); err != nil {
			return fmt.Errorf("%w: %v", record.ErrRecord, err)
		}
		return c.applyCard(end.CardID, func(card *bursar.RateCard) { card.ArchivedAt = &end.At })
	case "webhook":
		return set(c.WebhookOf, rec.Body, func(t *bursar.Webhook) string { return t.ID })
	case "webhookDeleted":
		return named(rec.Body, func(id string) { delete(c.WebhookOf, id) })
	case "settings":
		c.Settings = bursar.Settings{} // what the record does not say is unset, and does not stay
		if err := json.Unmarshal(rec.Body, &c.Settings); err != nil {
			return fmt.Errorf("%w: %v", record.ErrRecord, err)
		}
	case "currency":
		return set(c.CurrencyOf, rec.Body, func(t *bursar.Currency) string { return t.ID })
	case "apiKey":
		return set(c.KeyOf, rec.Body, func(t *bursar.APIKey) string { return t.ID })
	case "tokenRevoked":
		return c.applyRevoked(rec.Body)
	case "spendToken":
		return c.applySpendToken(rec.Body)
	case "reply":
		return c.applyReply(rec.Body)
	case "secret":
		if copy(c.Secret[:], rec.Body) != len(c.Secret) {
			return fmt.Errorf("%w: secret", record.ErrRecord)
		}
	default:
		return fmt.Errorf("%w: a %q in the catalogue", record.ErrRecord, rec.Sort)
	}
	return nil
}

func (c *Catalogue) applyReply(body []byte) error {
	var k KeptReply
	if err := json.Unmarshal(body, &k); err != nil {
		return fmt.Errorf("%w: %v", record.ErrRecord, err)
	}
	sweep(&c.RepliesSweep, c.Replies, func(_ [16]byte, old KeptReply) bool { return old.At < k.At-record.KeyMemory })
	c.Replies[k.Hash] = k
	return nil
}

// named calls f with the id that is all of a record's body.
func named(body []byte, f func(id string)) error {
	var id string
	if err := json.Unmarshal(body, &id); err != nil {
		return fmt.Errorf("%w: %v", record.ErrRecord, err)
	}
	f(id)
	return nil
}

func set[T any](m map[string]*T, body []byte, id func(*T) string) error {
	v := new(T)
	if err := json.Unmarshal(body, v); err != nil {
		return fmt.Errorf("%w: %v", record.ErrRecord, err)
	}
	m[id(v)] = v
	return nil
}

func (c *Catalogue) Prepaid(currencyID string) bool {
	cur := c.CurrencyOf[currencyID]
	return cur != nil && cur.Prepaid
}

// Fold applies one row of the catalogue's log.
func (c *Catalogue) Fold(row *store.LogRow) error {
	recs, err := record.CheckRow(c.Head, store.CatalogueStream, row)
	if err != nil {
		return err
	}
	for _, r := range recs {
		if err := c.Apply(r); err != nil {
			return err
		}
	}
	c.Moved(row.Head, Aside(recs))
	return nil
}

// Dump is everything that follows from the catalogue's log, in one order, as bytes.
func (c *Catalogue) Dump() []byte {
	replies := slices.SortedFunc(maps.Values(c.Replies), func(a, b KeptReply) int { return record.CompareID(a.Hash, b.Hash) })
	all := []any{c.Head.Seq, c.Head.Hash, c.Secret, c.EntityTypes(), c.Features(), c.Currencies(), c.APIKeys(), c.RateCards(), c.Webhooks(), replies, c.Settings}
	if len(c.SpendOf) > 0 { // without any, the sum is that which older versions make
		all = append(all, c.SpendTokens())
	}
	b, err := json.Marshal(all)
	if err != nil {
		panic(err) // all of it came from JSON
	}
	return b
}

// MatchesOn tells whether rates of a feature look at a dimension.
func (c *Catalogue) MatchesOn(featureID, currencyID, key string) bool {
	for _, p := range c.Prices[featureID] {
		for _, v := range p.Versions {
			if p.Card.CurrencyID == currencyID && v != nil && slices.ContainsFunc(v.sets, func(s rateSet) bool { return slices.Contains(s.keys, key) }) {
				return true
			}
		}
	}
	return false
}
