package catalogue

import (
	"fmt"

	"github.com/bursarhq/bursar"
)

// What is said of an id that names nothing. The id that is most like it is named, if there is one.

// Named says what an id was to name: it is the text that there is no such thing.
type Named string

const (
	OfFeature  Named = "there is no feature %.64q"
	OfCurrency Named = "there is no currency %.64q"
	OfCard     Named = "there is no rate card %.64q"
	OfType     Named = "there is no entity type %.64q"
	OfMeter    Named = "no feature has a meter of the event %.64q"
)

// NamedBy is what the id of a capability names.
func NamedBy(k bursar.CapabilityKind) Named {
	if k == bursar.KindCurrency {
		return OfCurrency
	}
	return OfFeature
}

// Missing says that an id names nothing, and that near may be meant; near may be "".
func (n Named) Missing(id, near string) string {
	text := fmt.Sprintf(string(n), id)
	if near != "" {
		text += fmt.Sprintf("; did you mean %q?", near)
	}
	return text
}

// NoFeature says that there is no feature of an id; likewise those below.
func (c *Catalogue) NoFeature(id string) string { return c.none(OfFeature, id) }

func (c *Catalogue) NoCurrency(id string) string { return c.none(OfCurrency, id) }

func (c *Catalogue) NoCard(id string) string { return c.none(OfCard, id) }

func (c *Catalogue) NoType(id string) string { return c.none(OfType, id) }

func (c *Catalogue) none(n Named, id string) string { return n.Missing(id, c.Like(n, id)) }

// Like is the id, of what is not archived, that is most like one that names nothing; "" = none. It
// looks at each name, so a caller with many ids must bound how often it asks.
func (c *Catalogue) Like(n Named, id string) string {
	switch n {
	case OfFeature:
		return like(id, c.FeatureOf, func(x *bursar.Feature) bool { return x.ArchivedAt == nil })
	case OfCurrency:
		return like(id, c.CurrencyOf, func(x *bursar.Currency) bool { return x.ArchivedAt == nil })
	case OfCard:
		return like(id, c.CardOf, func(x *bursar.RateCard) bool { return x.ArchivedAt == nil })
	case OfType:
		return like(id, c.TypeOf, func(x *bursar.EntityType) bool { return x.ArchivedAt == nil })
	}
	return like(id, c.Meters, func([]*bursar.Feature) bool { return true }) // all meters are of live features
}

// maxLike bounds the names that one is compared with.
const maxLike = 256

func like[T any](id string, of map[string]T, live func(T) bool) string {
	if len(of) > maxLike {
		return ""
	}
	near := bursar.Nearest(id, func(yield func(string) bool) {
		for name, x := range of {
			if live(x) && !yield(name) {
				return
			}
		}
	})
	if near == id {
		return ""
	}
	return near
}
