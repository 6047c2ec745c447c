package httpapi

import (
	"strconv"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
)

type usageIn struct {
	Usages []usageItem `json:"usages" is:"required,n=1-100"`
}

type usageItem struct {
	CustomerID     string                 `json:"customerId" is:"required,customerId"`
	FeatureID      string                 `json:"featureId" is:"required,id"`
	Value          bursar.Amount          `json:"value" is:"required" doc:"Below 0 only for FLUCTUATING features."`
	UpdateBehavior *bursar.UpdateBehavior `json:"updateBehavior" is:"enum=DELTA|SET,default=DELTA"`
	Dimensions     []bursar.Dimension     `json:"dimensions"`
	IdempotencyKey *string                `json:"idempotencyKey" is:"key"`
	CreatedAt      *bursar.Time           `json:"createdAt" doc:"When it happened. Send it: then a duplicate is recognised or refused, always."`
	ResourceID     unsupported            `json:"resourceId"`
}

// usageOut is what one item did.
type usageOut struct {
	ID               string         `json:"id"`
	CustomerID       string         `json:"customerId"`
	FeatureID        string         `json:"featureId"`
	Value            bursar.Amount  `json:"value"`
	Timestamp        bursar.Time    `json:"timestamp"`
	CreatedAt        bursar.Time    `json:"createdAt"`
	CurrentUsage     *bursar.Amount `json:"currentUsage"`
	UsagePeriodStart *bursar.Time   `json:"usagePeriodStart"`
	UsagePeriodEnd   *bursar.Time   `json:"usagePeriodEnd"`
	NextResetDate    *bursar.Time   `json:"nextResetDate"`
	ResourceID       *string        `json:"resourceId"`
	Credit           *creditBalance `json:"credit"`
	Duplicate        bool           `json:"duplicate"`
	Warnings         []string       `json:"warnings"`
}

func viewUsage(r *ledger.UsageItem) usageOut {
	return usageOut{
		ID: r.ID, CustomerID: r.In.CustomerID, FeatureID: r.In.FeatureID, Value: r.In.Value, Timestamp: r.Timestamp,
		CreatedAt: r.CreatedAt, CurrentUsage: &r.CurrentUsage, UsagePeriodStart: timeOrNil(r.PeriodStart), UsagePeriodEnd: timeOrNil(r.PeriodEnd),
		NextResetDate: timeOrNil(r.PeriodEnd), Credit: viewBalance(r.Credit), Duplicate: r.Duplicate, Warnings: r.Warnings,
	}
}

func viewUsages(list []ledger.UsageItem) []usageOut {
	out := make([]usageOut, len(list))
	for i := range list {
		out[i] = viewUsage(&list[i])
	}
	return out
}

// items are what is reported. An item may be without a key.
func (in *usageIn) items(keys *itemKeys) []ledger.UsageItem {
	out := make([]ledger.UsageItem, len(in.Usages))
	for i := range in.Usages {
		item, at := &in.Usages[i], "/usages/"+strconv.Itoa(i)
		dims, err := keys.q.mayReport(at, item.CustomerID, item.FeatureID, item.Value, item.UpdateBehavior, item.Dimensions)
		keys.refuse(err)
		out[i].In = bursar.UsageInput{
			CustomerID: item.CustomerID, FeatureID: item.FeatureID, Value: item.Value, Behavior: or(item.UpdateBehavior, bursar.Delta),
			Dimensions: dims, IdempotencyKey: keys.of(item.IdempotencyKey, i), Timestamp: orZero(item.CreatedAt),
		}
	}
	return out
}

func (a *API) reportUsage(c call, _ *usageIn, items []ledger.UsageItem) ([]ledger.UsageItem, uint64, error) {
	versions, err := a.engine.ReportUsage(c.ctx, c.by, items)
	if err != nil {
		a.metrics.refused.Add(float64(len(items)))
		for i := range items {
			if items[i].In.IdempotencyKey == "" { // it may be recorded
				return nil, 0, notResendable{err}
			}
		}
		return nil, 0, err
	}
	return items, c.ingested(items, versions), nil
}
