package httpapi

import "github.com/bursarhq/bursar"

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
