package httpapi

import (
	"strconv"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/ledger"
)

type entityTypeList struct {
	paging
	IncludeArchived bool `query:"includeArchived"`
}

func (a *API) listEntityTypes(q *request, in *entityTypeList) (page[entityTypeOut], error) {
	rows := a.engine.Catalogue().EntityTypes()
	at := func(t *bursar.EntityType) ledger.ListPos { return ledger.ListPos{CreatedAt: t.CreatedAt, ID: t.ID} }
	get := func(p ledger.ListPage) (ledger.Page[bursar.EntityType], error) {
		return pageOf(rows, p, at, func(t *bursar.EntityType) bool { return in.IncludeArchived || t.ArchivedAt == nil }), nil
	}
	return list(q, in.paging, at, get, viewEntityType)
}

// same shows a thing as it is.
func same[T any](v T) T { return v }

type entityTypesIn struct {
	Types []entityTypeIn `json:"types" is:"required,n=1-100"`
}

type entityTypeIn struct {
	ID              string             `json:"id" is:"required,id"`
	DisplayName     string             `json:"displayName" is:"required,len=1-255"`
	AttributionKeys []string           `json:"attributionKeys" is:"required,n=0-2,each=1-128" doc:"Dimensions whose value is the id of an entity of this type."`
	Description     bursar.Opt[string] `json:"description" is:"len=0-2000" doc:"Kept when left out; \"\" or null clears it."`
	basedItem
}

func (a *API) putEntityTypes(q *request, in *entityTypesIn) ([]entityTypeOut, error) {
	var problems bursar.Problems
	inputs := make([]catalogue.EntityTypeInput, len(in.Types))
	for i, t := range in.Types {
		for j, key := range t.AttributionKeys {
			if _, err := bursar.CheckDimensions([]bursar.Dimension{{Key: key}}); err != nil {
				problems.Add("/types/"+strconv.Itoa(i)+"/attributionKeys/"+strconv.Itoa(j), bursar.CodeValidationFailed, "%v", err)
			}
		}
		inputs[i] = catalogue.EntityTypeInput{ID: t.ID, DisplayName: t.DisplayName, AttributionKeys: t.AttributionKeys, Description: t.Description, IfMatch: itemMatch(t.basedItem)}
	}
	if err := problems.Err(); err != nil {
		return nil, err
	}
	c, err := caller(q, viewEach(viewEntityType))
	if err != nil {
		return nil, err
	}
	return shown(viewEach(viewEntityType))(a.engine.PutEntityTypes(q.ctx, c, inputs))
}

// idsIn names things to act on.
type idsIn struct {
	IDs []string `json:"ids" is:"required,n=1-100,id"`
}

// idsOut names what was acted on.
type idsOut struct {
	IDs []string `json:"ids"`
}

func (a *API) archiveEntityTypes(archive bool) func(*request, *idsIn) (idsOut, error) {
	return func(q *request, in *idsIn) (idsOut, error) {
		out := idsOut{in.IDs}
		c, err := caller(q, func(ids []string) idsOut { return idsOut{ids} })
		if err != nil {
			return out, err
		}
		return out, a.engine.ArchiveEntityTypes(q.ctx, c, in.IDs, archive)
	}
}
