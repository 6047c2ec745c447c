package catalogue

import (
	"fmt"
	"maps"
	"slices"

	"github.com/bursarhq/bursar"
)

// What is said of ids that name nothing: with the one that is most like it, where there is one.

// NoFeature says that there is no feature of an id.
func (c *Catalogue) NoFeature(id string) string {
	return fmt.Sprintf("there is no feature %.64q%s", id, like(id, c.FeatureOf))
}

// NoCurrency says that there is no currency of an id.
func (c *Catalogue) NoCurrency(id string) string {
	return fmt.Sprintf("there is no currency %.64q%s", id, like(id, c.CurrencyOf))
}

// NoCard says that there is no rate card of an id.
func (c *Catalogue) NoCard(id string) string {
	return fmt.Sprintf("there is no rate card %.64q%s", id, like(id, c.CardOf))
}

// NoType says that there is no entity type of an id.
func (c *Catalogue) NoType(id string) string {
	return fmt.Sprintf("there is no entity type %.64q%s", id, like(id, c.TypeOf))
}

// NoMeter says that no feature has a meter of an event.
func (c *Catalogue) NoMeter(event string) string {
	return fmt.Sprintf("no feature has a meter of the event %.64q%s", event, like(event, c.Meters))
}

// LikeCapability says that there is no such feature or currency, and which may be meant; "" when
// none is like it.
func (c *Catalogue) LikeCapability(x bursar.Capability) string {
	switch {
	case x.Kind == bursar.KindCurrency && like(x.ID, c.CurrencyOf) != "":
		return c.NoCurrency(x.ID)
	case x.Kind == bursar.KindFeature && like(x.ID, c.FeatureOf) != "":
		return c.NoFeature(x.ID)
	}
	return ""
}

// maxLike bounds the ids that one is compared with.
const maxLike = 1000

func like[T any](id string, of map[string]T) string {
	if len(of) > maxLike {
		return ""
	}
	if near := bursar.Nearest(id, slices.Sorted(maps.Keys(of))); near != "" && near != id {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	return ""
}
