package httpapi

import (
	"github.com/bursarhq/bursar"
)

type usageEstimateIn struct {
	freshness
	CustomerID     string                 `json:"customerId" is:"required,customerId"`
	FeatureID      string                 `json:"featureId" is:"required,id"`
	Value          bursar.Amount          `json:"value" is:"required" doc:"Below 0 only for FLUCTUATING features."`
	UpdateBehavior *bursar.UpdateBehavior `json:"updateBehavior" is:"enum=DELTA|SET,default=DELTA"`
	Dimensions     []bursar.Dimension     `json:"dimensions"`
	ResourceID     unsupported            `json:"resourceId"`
}

type eventEstimateIn struct {
	freshness
	eventFields
}

// estimatesOut is what usage would cost.
type estimatesOut struct {
	Estimates []estimateOut `json:"estimates"`
	Warnings  []string      `json:"warnings" doc:"FEATURE_NOT_FOUND or FEATURE_NOT_CREDIT_BASED when nothing has a price, FEATURE_NOT_CREDIT_BASED:feature for one that has none; else as the report would have them."`
}

type estimateOut struct {
	CurrencyID           string            `json:"currencyId"`
	EstimatedCost        bursar.Amount     `json:"estimatedCost"`
	CurrentBalance       bursar.Amount     `json:"currentBalance"`
	BalanceAfterEstimate bursar.Amount     `json:"balanceAfterEstimate"`
	WouldOverdraft       bool              `json:"wouldOverdraft" doc:"Never when the currency is not prepaid."`
	Breakdown            []estimateItemOut `json:"breakdown"`
}

type estimateItemOut struct {
	FeatureID   string        `json:"featureId"`
	Cost        bursar.Amount `json:"cost"`
	WarningCode *string       `json:"warningCode" is:"enum=UNSUPPORTED_AGGREGATION"`
}

func viewEstimate(e *bursar.Estimate) estimateOut {
	balance := e.Balance.Limit.Sub(e.Balance.Used)
	after := balance.Sub(e.Cost)
	out := estimateOut{
		CurrencyID: e.CurrencyID, EstimatedCost: e.Cost, CurrentBalance: balance, BalanceAfterEstimate: after,
		WouldOverdraft: e.Prepaid && after.Sign() < 0, Breakdown: make([]estimateItemOut, len(e.Breakdown)),
	}
	for i, item := range e.Breakdown {
		out.Breakdown[i] = estimateItemOut{FeatureID: item.FeatureID, Cost: item.Cost, WarningCode: orNil(&item.Warning)}
	}
	return out
}

func (a *API) estimate(c call, in bursar.EstimateInput) (estimatesOut, uint64, error) {
	got, warnings, version, err := a.engine.Estimate(c.ctx, c.options(), in)
	out := estimatesOut{Estimates: make([]estimateOut, len(got)), Warnings: warnings}
	for i := range got {
		out.Estimates[i] = viewEstimate(&got[i])
	}
	return out, version, err
}

func (a *API) estimateUsage(c call, in *usageEstimateIn) (estimatesOut, uint64, error) {
	dims, err := c.mayReport("", in.CustomerID, in.FeatureID, in.Value, in.UpdateBehavior, in.Dimensions)
	if err != nil {
		return estimatesOut{}, 0, err
	}
	return a.estimate(c, bursar.EstimateInput{
		CustomerID: in.CustomerID, FeatureID: in.FeatureID, Value: in.Value, Behavior: or(in.UpdateBehavior, bursar.Delta), Dimensions: dims,
	})
}

func (a *API) estimateEvent(c call, in *eventEstimateIn) (estimatesOut, uint64, error) {
	var problems bursar.Problems
	if err := c.mayTell("", &in.eventFields); err != nil {
		return estimatesOut{}, 0, err
	}
	dims, usage := in.measured("", c.usageRules(), &problems)
	if err := c.toldOf("", dims); err != nil {
		return estimatesOut{}, 0, err
	}
	if usage != nil && usage.Err() != nil { // nothing was paid for yet
		problems.Add("/usage", bursar.CodeValidationFailed, "%s", reason(usage.Err()))
	}
	if err := problems.Err(); err != nil {
		return estimatesOut{}, 0, err
	}
	return a.estimate(c, bursar.EstimateInput{CustomerID: in.CustomerID, EventName: in.EventName, Behavior: bursar.Delta, Dimensions: dims, Warnings: usage.Warnings()})
}
