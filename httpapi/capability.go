package httpapi

import (
	"github.com/bursarhq/bursar"
)

// capabilityIDs are the two members that name a capability, one of them nil.
func capabilityIDs(c bursar.Capability) (featureID, currencyID *string) {
	if c.Kind == bursar.KindCurrency {
		return nil, &c.ID
	}
	return &c.ID, nil
}

// errNotOneCapability is what is wrong with a capability that is named twice or not.
const errNotOneCapability = "give exactly one of featureId and currencyId"

// capability is the one that two inputs name; ok is false unless one of them does.
func capability(featureID, currencyID string) (c bursar.Capability, ok bool) {
	switch {
	case featureID != "" && currencyID == "":
		return bursar.Capability{Kind: bursar.KindFeature, ID: featureID}, true
	case currencyID != "" && featureID == "":
		return bursar.Capability{Kind: bursar.KindCurrency, ID: currencyID}, true
	}
	return c, false
}

// known is an error unless there is such a capability, archived or not.
func (a *API) known(c bursar.Capability) error {
	switch {
	case c.Kind == bursar.KindFeature && a.engine.Catalogue().Feature(c.ID) == nil:
		return bursar.Errorf(bursar.CodeFeatureNotFound, "%s", a.engine.Catalogue().NoFeature(c.ID))
	case c.Kind == bursar.KindCurrency && a.engine.Catalogue().Currency(c.ID) == nil:
		return bursar.Errorf(bursar.CodeCurrencyNotFound, "%s", a.engine.Catalogue().NoCurrency(c.ID))
	}
	return nil
}
