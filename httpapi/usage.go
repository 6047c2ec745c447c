package httpapi

import (
	"github.com/bursarhq/bursar"
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

// creditBalance is the pool of a prepaid currency after a charge.
type creditBalance struct {
	CurrencyID     string         `json:"currencyId"`
	Consumed       *bursar.Amount `json:"consumed,omitempty"`
	CurrentUsage   bursar.Amount  `json:"currentUsage" doc:"All that was consumed."`
	UsageLimit     bursar.Amount  `json:"usageLimit" doc:"All that was granted, less what lapsed."`
	Timestamp      bursar.Time    `json:"timestamp"`
	UsagePeriodEnd *bursar.Time   `json:"usagePeriodEnd" doc:"When the next grant that has credits left expires."`
}

func viewBalance(b *bursar.Balance) *creditBalance {
	if b == nil {
		return nil
	}
	return &creditBalance{CurrencyID: b.CurrencyID, Consumed: b.Consumed, CurrentUsage: b.Used, UsageLimit: b.Limit,
		Timestamp: b.At, UsagePeriodEnd: timeOrNil(b.ExpiresAt)}
}

func viewUsage(r *bursar.UsageResult) usageOut {
	return usageOut{
		ID: r.ID, CustomerID: r.Input.CustomerID, FeatureID: r.Input.FeatureID, Value: r.Input.Value, Timestamp: r.Timestamp,
		CreatedAt: r.CreatedAt, CurrentUsage: &r.CurrentUsage, UsagePeriodStart: timeOrNil(r.PeriodStart), UsagePeriodEnd: timeOrNil(r.PeriodEnd),
		NextResetDate: timeOrNil(r.PeriodEnd), Credit: viewBalance(r.Credit), Duplicate: r.Duplicate, Warnings: r.Warnings,
	}
}

func (a *API) reportUsage(q *request, in *usageIn) ([]usageOut, error) {
	keyless := false
	inputs := make([]bursar.UsageInput, len(in.Usages))
	for i := range in.Usages {
		item := &in.Usages[i]
		key, err := q.itemKey(item.IdempotencyKey, i)
		if err != nil {
			return nil, err
		}
		keyless = keyless || key == ""
		inputs[i] = bursar.UsageInput{
			CustomerID: item.CustomerID, FeatureID: item.FeatureID, Value: item.Value, Behavior: or(item.UpdateBehavior, bursar.Delta),
			Dimensions: item.Dimensions, IdempotencyKey: key, Timestamp: orZero(item.CreatedAt),
		}
	}
	got, versions, err := a.engine.ReportUsage(q.ctx, q.reporter(), inputs)
	if err != nil {
		a.metrics.refused.Add(float64(len(inputs)))
		if keyless { // some of it may be recorded
			err = notResendable{err}
		}
		return nil, err
	}
	q.ingested(got, versions, inputs[0].CustomerID)
	out := make([]usageOut, len(got))
	for i := range got {
		out[i] = viewUsage(&got[i])
	}
	return out, nil
}

// ingested notes what became of a report: in the metrics and, when it is all about one
// customer, in the reply's headers.
func (q *request) ingested(got []bursar.UsageResult, versions map[string]uint64, customer string) {
	if len(versions) == 1 {
		q.version = versions[customer]
	}
	duplicates := 0
	for i := range got {
		if got[i].Duplicate {
			duplicates++
		} else {
			q.api.metrics.warned(got[i].Warnings)
		}
	}
	q.replayed = duplicates == len(got)
	q.api.metrics.duplicates.Add(float64(duplicates))
	q.api.metrics.recorded.Add(float64(len(got) - duplicates))
	q.api.observed.used(q.now, len(got)-duplicates)
}
