package httpapi

import (
	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
)

type entityList struct {
	customerPath
	paging
	freshness
	EntityTypeID    string `query:"entityTypeId"`
	IncludeArchived bool   `query:"includeArchived"`
	ParentID        string `query:"parentId" doc:"Only direct children of this entity."`
	Search          string `query:"search" is:"len=1-255" doc:"Part of the id or the display name, in any case."`
}

func entityAt(e *bursar.Entity) ledger.ListPos {
	return ledger.ListPos{CreatedAt: e.CreatedAt, ID: e.ID}
}

func (a *API) listEntities(c call, in *entityList, p ledger.ListPage) (ledger.Page[bursar.Entity], uint64, error) {
	return a.engine.Entities(c.ctx, c.options(), in.CustomerID, ledger.EntityQuery{
		TypeID: in.EntityTypeID, IncludeArchived: in.IncludeArchived, ParentID: in.ParentID, Search: in.Search, ListPage: p,
	})
}

type entityQuery struct {
	entityPath
	freshness
}

func (a *API) getEntity(c call, in *entityQuery) (bursar.Entity, uint64, error) {
	return a.engine.Entity(c.ctx, c.options(), in.CustomerID, in.EntityID)
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
	customerPath
	Entities []entityIn `json:"entities" is:"required,n=1-100"`
}

func (a *API) putEntities(c call, in *entitiesIn) ([]bursar.Entity, uint64, error) {
	inputs := make([]bursar.EntityInput, len(in.Entities))
	for i := range in.Entities {
		inputs[i] = in.Entities[i].input(in.Entities[i].ID, orZero(in.Entities[i].EntityTypeID))
		inputs[i].IfMatch = itemMatch(in.Entities[i].basedItem)
	}
	return a.engine.PutEntities(c.ctx, c.by, in.CustomerID, inputs)
}

type entityPatch struct {
	entityPath
	based
	entityFields
}

// viewPatched shows the one entity of a list: the engine patches as it puts.
func viewPatched(list []bursar.Entity) entityOut { return viewEntity(list[0]) }

func (a *API) patchEntity(c call, in *entityPatch) ([]bursar.Entity, uint64, error) {
	e, version, err := a.engine.PatchEntity(c.ctx, c.by, in.CustomerID, in.input(in.EntityID, ""))
	return []bursar.Entity{e}, version, err
}
