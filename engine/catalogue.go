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
	binding     uint64 // the last commit that was not aside
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

// aside tells whether records leave alone what customers' commits are decided by. Requests of
// access tokens, and those with a key, are judged before they come to a customer.
func aside(recs []record) bool {
	for _, r := range recs {
		if rec, ok := r.(*catalogueRec); !ok || rec.sort != "tokenRevoked" && rec.sort != "reply" {
			return false
		}
	}
	return true
}

// moved notes where c's log ends after a commit.
func (c *Catalogue) moved(head Head, aside bool) {
	if c.head = head; !aside {
		c.binding = head.Seq
	}
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
