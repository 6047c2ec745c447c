package httpapi

import (
	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
)

type coverageQuery struct {
	customerPath
	freshness
	StartDate bursar.Time `query:"startDate" doc:"Since when usage is looked at; the begin of the month, in the customer's time zone, when left out."`
}

// coverageOut is what of a customer is under no limit.
type coverageOut struct {
	AsOf      bursar.Time    `json:"asOf"`
	StartDate bursar.Time    `json:"startDate" doc:"Since when usage is looked at."`
	Types     []coveredType  `json:"types" doc:"Of each entity type, the live entities."`
	Usage     []coveredUsage `json:"usage" doc:"Of each feature and currency, what was used since startDate, by the limits as they are now."`
}

type coveredType struct {
	EntityTypeID string            `json:"entityTypeId"`
	Ungoverned   bursar.Ungoverned `json:"ungoverned" is:"enum=allow|warn|deny"`
	Entities     int               `json:"entities" doc:"How many there are."`
	WithoutLimit int               `json:"withoutLimit" doc:"Of them: no limit without a scope is on them or above them, their own or by default, of whatever feature or currency."`
	Examples     []string          `json:"examples" doc:"The ids of 10 of those."`
}

type coveredUsage struct {
	FeatureID  *string        `json:"featureId,omitempty"`
	CurrencyID *string        `json:"currencyId,omitempty"`
	Used       bursar.Amount  `json:"used" doc:"What was used."`
	Ungoverned bursar.Amount  `json:"ungovernedUsage" doc:"Of it: nothing limits such use, as the warning UNGOVERNED says."`
	Untold     bursar.Amount  `json:"untold" doc:"Of it: nobody knows who was named. It is not in ungovernedUsage."`
	Types      []coveredShare `json:"types" doc:"By the types of the entities that were named, but for those above others that were. Usage that named several counts for each."`
}

type coveredShare struct {
	EntityTypeID *string            `json:"entityTypeId" doc:"null: what named nobody."`
	Used         bursar.Amount      `json:"used" doc:"What was used."`
	Ungoverned   bursar.Amount      `json:"ungovernedUsage" doc:"Of it: nothing limits such use."`
	Examples     []ungovernedEntity `json:"examples" doc:"The 10 that used most under no limit."`
}

type ungovernedEntity struct {
	EntityID   string        `json:"entityId"`
	Ungoverned bursar.Amount `json:"ungovernedUsage" doc:"What it used under no limit."`
}

func (a *API) coverage(c call, in *coverageQuery) (ledger.Coverage, uint64, error) {
	return a.engine.Coverage(c.ctx, c.options(), in.CustomerID, in.StartDate)
}

func viewCoverage(x ledger.Coverage) coverageOut {
	out := coverageOut{AsOf: x.AsOf, StartDate: x.From, Types: make([]coveredType, len(x.Types)), Usage: make([]coveredUsage, len(x.Usage))}
	for i, t := range x.Types {
		out.Types[i] = coveredType{t.TypeID, t.Ungoverned, t.Entities, t.Unlimited, t.Examples}
	}
	for i := range x.Usage {
		u := &x.Usage[i]
		shown := coveredUsage{Used: u.Used, Ungoverned: u.Ungoverned, Untold: u.Untold, Types: make([]coveredShare, len(u.Types))}
		shown.FeatureID, shown.CurrencyID = capabilityIDs(u.Capability)
		for j, s := range u.Types {
			shown.Types[j] = coveredShare{EntityTypeID: orNil(&s.TypeID), Used: s.Used, Ungoverned: s.Ungoverned, Examples: make([]ungovernedEntity, len(s.Examples))}
			for k, e := range s.Examples {
				shown.Types[j].Examples[k] = ungovernedEntity(e)
			}
		}
		out.Usage[i] = shown
	}
	return out
}
