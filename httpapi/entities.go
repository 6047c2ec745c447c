package httpapi

import (
	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
)

type entityList struct {
	paging
	freshness
	EntityTypeID    string `query:"entityTypeId"`
	IncludeArchived bool   `query:"includeArchived"`
	ParentID        string `query:"parentId" doc:"Only direct children of this entity."`
	Search          string `query:"search" is:"len=1-255" doc:"Part of the id or the display name, in any case."`
}

func (a *API) listEntities(q *request, in *entityList) (page[entityOut], error) {
	at := func(e *bursar.Entity) ledger.ListPos { return ledger.ListPos{CreatedAt: e.CreatedAt, ID: e.ID} }
	get := func(p ledger.ListPage) (ledger.Page[bursar.Entity], error) {
		return versioned[ledger.Page[bursar.Entity]](q)(a.engine.Entities(q.ctx, q.options(in.freshness), q.path[0], ledger.EntityQuery{
			TypeID: in.EntityTypeID, IncludeArchived: in.IncludeArchived, ParentID: in.ParentID, Search: in.Search, ListPage: p,
		}))
	}
	return list(q, in.paging, at, get, viewEntity)
}

func (a *API) getEntity(q *request, in *readOnly) (entityOut, error) {
	return shown(viewEntity)(versioned[bursar.Entity](q)(a.engine.Entity(q.ctx, q.options(in.freshness), q.path[0], q.path[1])))
}

// entityFields are what a client says of an entity, but for its id and type.
type entityFields struct {
	DisplayName bursar.Opt[string] `json:"displayName" is:"len=0-255" doc:"\"\" or null clears it."`
	Metadata    map[string]string  `json:"metadata" doc:"Merges; \"\" deletes a key."`
	ParentID    bursar.Opt[string] `json:"parentId" is:"id" doc:"null makes it a root; a value attaches it, or moves it with its whole subtree."`
}

func (f *entityFields) input(id, typeID string) bursar.EntityInput {
	return bursar.EntityInput{ID: id, EntityTypeID: typeID, DisplayName: emptyIsNull(f.DisplayName), Metadata: f.Metadata, ParentID: f.ParentID}
}

type entityIn struct {
	ID           string  `json:"id" is:"required,entityId"`
	EntityTypeID *string `json:"entityTypeId" is:"id" doc:"Required to create one."`
	entityFields
	basedItem
}

type entitiesIn struct {
	Entities []entityIn `json:"entities" is:"required,n=1-100"`
}

func (a *API) putEntities(q *request, in *entitiesIn) ([]entityOut, error) {
	inputs := make([]bursar.EntityInput, len(in.Entities))
	for i := range in.Entities {
		inputs[i] = in.Entities[i].input(in.Entities[i].ID, orZero(in.Entities[i].EntityTypeID))
		inputs[i].IfMatch = itemMatch(in.Entities[i].basedItem)
	}
	c, err := caller(q, viewEach(viewEntity))
	if err != nil {
		return nil, err
	}
	return shown(viewEach(viewEntity))(versioned[[]bursar.Entity](q)(a.engine.PutEntities(q.ctx, c, q.path[0], inputs)))
}

type entityPatch struct {
	based
	entityFields
}

func (a *API) patchEntity(q *request, in *entityPatch) (entityOut, error) {
	c, err := caller(q, func(list []bursar.Entity) entityOut { return viewEntity(list[0]) }) // the engine patches as it puts
	if err != nil {
		return entityOut{}, err
	}
	return shown(viewEntity)(versioned[bursar.Entity](q)(a.engine.PatchEntity(q.ctx, c, q.path[0], in.input(q.path[1], ""))))
}
