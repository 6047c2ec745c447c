package httpapi

import (
	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/ledger"
)

// featureOut is a feature with the members that clients of the reference expect.
type featureOut struct {
	bursar.Feature
	EnumConfiguration  *nothing `json:"enumConfiguration"`
	UnitTransformation *nothing `json:"unitTransformation"`
	withRevision
}

func viewFeature(f bursar.Feature) featureOut {
	return featureOut{Feature: f, withRevision: withRevision{f.Revision()}}
}

type featureIn struct {
	ID                 string            `json:"id" is:"required,id"`
	DisplayName        string            `json:"displayName" is:"required,len=1-255"`
	FeatureType        string            `json:"featureType" is:"required,enum=NUMBER"`
	MeterType          *string           `json:"meterType" is:"enum=INCREMENTAL|FLUCTUATING,default=INCREMENTAL"`
	FeatureStatus      *string           `json:"featureStatus" is:"enum=NEW|SUSPENDED|ACTIVE,default=ACTIVE"`
	Description        *string           `json:"description" is:"len=0-2000"`
	FeatureUnits       *string           `json:"featureUnits" is:"len=0-255"`
	FeatureUnitsPlural *string           `json:"featureUnitsPlural" is:"len=0-255"`
	Metadata           map[string]string `json:"metadata"`
	Meter              *meterIn          `json:"meter" doc:"With a meter, events feed the feature."`
	EnumConfiguration  unsupported       `json:"enumConfiguration"`
	UnitTransformation unsupported       `json:"unitTransformation"`
}

type meterIn struct {
	EventName   *string       `json:"eventName" is:"len=1-255" doc:"Or a filter condition: eventName EQUALS x."`
	Aggregation aggregationIn `json:"aggregation" is:"required"`
	Filters     []filterIn    `json:"filters" is:"n=0-20"`
}

type aggregationIn struct {
	Function string  `json:"function" is:"required,enum=COUNT|SUM|MAX|UNIQUE"`
	Field    *string `json:"field" is:"len=1-128" doc:"Needed by all but COUNT."`
}

type filterIn struct {
	Conditions []conditionIn `json:"conditions" is:"required,n=1-20"`
}

type conditionIn struct {
	Field     string   `json:"field" is:"required,len=1-128"`
	Operation string   `json:"operation" is:"required,enum=EQUALS|NOT_EQUALS|GREATER_THAN|GREATER_THAN_OR_EQUAL|LESS_THAN|LESS_THAN_OR_EQUAL|IS_NULL|IS_NOT_NULL|CONTAINS|STARTS_WITH|ENDS_WITH|IN"`
	Value     *string  `json:"value" is:"len=0-1024"`
	Values    []string `json:"values" is:"n=0-100,each=0-1024"`
}

func (m *meterIn) meter() bursar.Meter {
	out := bursar.Meter{EventName: orZero(m.EventName), Aggregation: bursar.Aggregation{Function: m.Aggregation.Function, Field: orZero(m.Aggregation.Field)}}
	out.Filters = make([]bursar.MeterFilter, len(m.Filters))
	for i, f := range m.Filters {
		for _, c := range f.Conditions {
			out.Filters[i].Conditions = append(out.Filters[i].Conditions, bursar.MeterCondition(c))
		}
	}
	return out
}

func (a *API) createFeature(c call, in *featureIn) (bursar.Feature, uint64, error) {
	f := bursar.Feature{
		ID: in.ID, DisplayName: in.DisplayName, FeatureType: in.FeatureType,
		MeterType: or(in.MeterType, "INCREMENTAL"), FeatureStatus: or(in.FeatureStatus, "ACTIVE"),
		Description: orNil(in.Description), FeatureUnits: orNil(in.FeatureUnits), FeatureUnitsPlural: orNil(in.FeatureUnitsPlural),
		Metadata: withoutEmpty(in.Metadata),
	}
	if in.Meter != nil {
		m := in.Meter.meter()
		f.Meter = &m
	}
	return ofNoCustomer(a.engine.CreateFeature(c.ctx, c.by, f))
}

func (a *API) getFeature(_ call, in *featurePath) (f bursar.Feature, _ uint64, _ error) {
	found := a.engine.Catalogue().Feature(in.FeatureID)
	if found == nil {
		return f, 0, bursar.Errorf(bursar.CodeFeatureNotFound, "%s", a.engine.Catalogue().NoFeature(in.FeatureID))
	}
	return *found, 0, nil
}

type featureList struct {
	paging
	ID          string    `query:"id" doc:"Only the feature of this id."`
	CreatedAt   timeRange `query:"createdAt"`
	FeatureType []string  `query:"featureType" is:"n=0-10,enum=NUMBER|BOOLEAN|ENUM"`
	MeterType   []string  `query:"meterType" is:"n=0-10,enum=INCREMENTAL|FLUCTUATING|None"`
	Status      []string  `query:"status" is:"n=0-10,enum=NEW|SUSPENDED|ACTIVE"`
}

func featureAt(f *bursar.Feature) ledger.ListPos {
	return ledger.ListPos{CreatedAt: f.CreatedAt, ID: f.ID}
}

func (a *API) listFeatures(_ call, in *featureList) ([]*bursar.Feature, uint64, error) {
	from, to := in.CreatedAt.bounds()
	return those(a.engine.Catalogue().Features(), func(f *bursar.Feature) bool {
		return (in.ID == "" || f.ID == in.ID) && f.CreatedAt >= from && (to == 0 || f.CreatedAt < to) &&
			oneOf(in.FeatureType, f.FeatureType) && oneOf(in.MeterType, f.MeterType) && oneOf(in.Status, f.FeatureStatus)
	}), 0, nil
}

type featurePatch struct {
	featurePath
	based
	DisplayName        bursar.Opt[string]  `json:"displayName" is:"len=1-255"`
	Description        bursar.Opt[string]  `json:"description" is:"len=0-2000"`
	FeatureUnits       bursar.Opt[string]  `json:"featureUnits" is:"len=0-255"`
	FeatureUnitsPlural bursar.Opt[string]  `json:"featureUnitsPlural" is:"len=0-255"`
	Metadata           map[string]string   `json:"metadata" doc:"Merges; \"\" deletes a key."`
	Meter              bursar.Opt[meterIn] `json:"meter" doc:"null removes it."`
	EnumConfiguration  unsupported         `json:"enumConfiguration"`
	UnitTransformation unsupported         `json:"unitTransformation"`
}

func (a *API) patchFeature(c call, in *featurePatch) (bursar.Feature, uint64, error) {
	p := catalogue.FeaturePatch{
		DisplayName: in.DisplayName, Description: in.Description, FeatureUnits: in.FeatureUnits,
		FeatureUnitsPlural: in.FeatureUnitsPlural, Metadata: in.Metadata,
		Meter: bursar.Opt[bursar.Meter]{Set: in.Meter.Set, Null: in.Meter.Null},
	}
	if in.Meter.Set && !in.Meter.Null {
		p.Meter.Value = in.Meter.Value.meter()
	}
	return ofNoCustomer(a.engine.UpdateFeature(c.ctx, c.by, in.FeatureID, p))
}

// featureChange changes a feature without a body.
type featureChange struct {
	featurePath
	based
}

func (a *API) archiveFeature(c call, in *featureChange) (bursar.Feature, uint64, error) {
	return ofNoCustomer(a.engine.ArchiveFeature(c.ctx, c.by, in.FeatureID, true))
}

func (a *API) unarchiveFeature(c call, in *featureChange) (bursar.Feature, uint64, error) {
	return ofNoCustomer(a.engine.ArchiveFeature(c.ctx, c.by, in.FeatureID, false))
}
