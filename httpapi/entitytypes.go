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

func entityTypeAt(t *bursar.EntityType) ledger.ListPos {
	return ledger.ListPos{CreatedAt: t.CreatedAt, ID: t.ID}
}

func (a *API) listEntityTypes(_ call, in *entityTypeList) ([]*bursar.EntityType, uint64, error) {
	return those(a.engine.Catalogue().EntityTypes(), func(t *bursar.EntityType) bool { return in.IncludeArchived || t.ArchivedAt == nil }), 0, nil
}

type entityTypesIn struct {
	Types []entityTypeIn `json:"types" is:"required,n=1-100"`
}

type entityTypeIn struct {
	ID              string                  `json:"id" is:"required,id"`
	DisplayName     string                  `json:"displayName" is:"required,len=1-255"`
	AttributionKeys []string                `json:"attributionKeys" is:"required,n=0-2,each=1-128" doc:"Dimensions whose value is the id of an entity of this type."`
	Description     bursar.Opt[string]      `json:"description" is:"len=0-2000" doc:"Kept when left out; \"\" or null clears it."`
	Strict          bursar.Opt[bool]        `json:"strict" doc:"true: in a check, consume or reserve, an id that names none of its entities is denied with EntityNotFound. Kept when left out; null is false."`
	Ungoverned      bursar.Opt[string]      `json:"ungoverned" is:"enum=allow|warn|deny" doc:"What becomes of use by its entities that nothing limits: granted, granted with the warning UNGOVERNED, or denied with Ungoverned. Kept when left out; null: what the environment says."`
	Enrolment       bursar.Opt[enrolmentIn] `json:"enrolment" doc:"With it an id that was never seen becomes an entity with the first request that records or holds something for it. Kept when left out; null ends it."`
	basedItem
}

type enrolmentIn struct {
	ParentKeys []string           `json:"parentKeys" is:"n=0-10,each=1-128" doc:"Attribution keys: the first whose value in the request names a live entity says the parent. Where none does and there is no parentId, who is new is not enrolled."`
	ParentID   bursar.Opt[string] `json:"parentId" is:"len=0-255" doc:"Else the parent is the entity of this id; who is new is not enrolled while there is none. \"\", or neither of the two: it is a root."`
}

func enrolmentOf(in bursar.Opt[enrolmentIn]) bursar.Opt[bursar.Enrolment] {
	out := bursar.Opt[bursar.Enrolment]{Set: in.Set, Null: in.Null, Value: bursar.Enrolment{ParentKeys: in.Value.ParentKeys}}
	if id := in.Value.ParentID; id.Set && !id.Null {
		out.Value.ParentID = &id.Value
	}
	return out
}

func (a *API) putEntityTypes(c call, in *entityTypesIn) ([]bursar.EntityType, uint64, error) {
	var problems bursar.Problems
	inputs := make([]catalogue.EntityTypeInput, len(in.Types))
	for i, t := range in.Types {
		for j, key := range t.AttributionKeys {
			if _, err := bursar.CheckDimensions([]bursar.Dimension{{Key: key}}); err != nil {
				problems.Add("/types/"+strconv.Itoa(i)+"/attributionKeys/"+strconv.Itoa(j), bursar.CodeValidationFailed, "%v", err)
			}
		}
		inputs[i] = catalogue.EntityTypeInput{ID: t.ID, DisplayName: t.DisplayName, AttributionKeys: t.AttributionKeys, Description: t.Description, Strict: t.Strict, Ungoverned: ungovernedIn(t.Ungoverned),
			Enrolment: enrolmentOf(t.Enrolment), IfMatch: itemMatch(t.basedItem)}
	}
	if err := problems.Err(); err != nil {
		return nil, 0, err
	}
	return ofNoCustomer(a.engine.PutEntityTypes(c.ctx, c.by, inputs))
}

func (a *API) archiveEntityTypes(c call, in *idsIn) ([]string, uint64, error) {
	return in.IDs, 0, a.engine.ArchiveEntityTypes(c.ctx, c.by, in.IDs, true)
}

func (a *API) unarchiveEntityTypes(c call, in *idsIn) ([]string, uint64, error) {
	return in.IDs, 0, a.engine.ArchiveEntityTypes(c.ctx, c.by, in.IDs, false)
}
