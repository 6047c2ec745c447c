package httpapi

import (
	"slices"

	"github.com/bursarhq/bursar"
)

// ofType refuses dimensions that name entities of other types than the key is bound to.
func (q *request) ofType(at, member string, dims []bursar.Dimension) error {
	if len(q.bound.EntityTypes) == 0 {
		return nil
	}
	cat := q.api.engine.Catalogue()
	for _, d := range dims {
		if typ := cat.Attribution[d.Key]; typ != "" && d.Key != bursar.ModelKey && !slices.Contains(q.bound.EntityTypes, typ) {
			return errNotTheTokens(placeOfDim(at, member, d.Key), "this API key is for entities of other types: %v", q.bound.EntityTypes)
		}
	}
	return nil
}

// names is ofType, and refuses dimensions that name no entity of the types.
func (q *request) names(at string, dims []bursar.Dimension) error {
	if len(q.bound.EntityTypes) == 0 {
		return nil
	}
	if err := q.ofType(at, "dimensions", dims); err != nil {
		return err
	}
	cat := q.api.engine.Catalogue()
	if !slices.ContainsFunc(dims, func(d bursar.Dimension) bool { return slices.Contains(q.bound.EntityTypes, cat.Attribution[d.Key]) }) {
		return errNotTheTokens(placeOf(at, "dimensions"), "this API key is for entities of these types: name one of %v", q.bound.EntityTypes)
	}
	return nil
}
