package httpapi

import (
	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
)

// Routes of the reference API for what Bursar does not have. Their answers say so in the
// shape that its SDKs read.

type autoRechargeQuery struct {
	freshness
	CustomerID string `query:"customerId" is:"required,customerId"`
	CurrencyID string `query:"currencyId" is:"required,id"`
}

// autoRechargeOut says that nothing is bought when credits run low: Bursar takes no payments.
type autoRechargeOut struct {
	ID                    *nothing      `json:"id"`
	CustomerID            string        `json:"customerId"`
	CurrencyID            string        `json:"currencyId"`
	IsEnabled             bool          `json:"isEnabled" doc:"Always false."`
	ThresholdType         string        `json:"thresholdType" is:"enum=CREDIT_AMOUNT" doc:"What the threshold is of."`
	ThresholdValue        bursar.Amount `json:"thresholdValue" doc:"Always 0."`
	TargetBalance         bursar.Amount `json:"targetBalance" doc:"Always 0."`
	GrantExpirationPeriod string        `json:"grantExpirationPeriod" is:"enum=1_MONTH" doc:"How long what is bought would last."`
	MaxSpendLimit         *nothing      `json:"maxSpendLimit" doc:"Always null."`
	CreatedAt             *nothing      `json:"createdAt"`
	UpdatedAt             *nothing      `json:"updatedAt"`
}

func (a *API) autoRecharge(c call, in *autoRechargeQuery) (out autoRechargeOut, version uint64, err error) {
	if err := a.known(bursar.Capability{Kind: bursar.KindCurrency, ID: in.CurrencyID}); err != nil {
		return out, 0, err
	}
	_, version, err = a.engine.Customer(c.ctx, c.options(), in.CustomerID)
	out = autoRechargeOut{CustomerID: in.CustomerID, CurrencyID: in.CurrencyID, ThresholdType: "CREDIT_AMOUNT", GrantExpirationPeriod: "1_MONTH"}
	return out, version, err
}

type resourceList struct {
	customerPath
	freshness
	paging
}

// resourceOut is a resource of a customer, of which there are none.
type resourceOut struct {
	ID        string      `json:"id"`
	CreatedAt bursar.Time `json:"createdAt"`
	UpdatedAt bursar.Time `json:"updatedAt"`
}

func resourceAt(*resourceOut) (at ledger.ListPos) { return at }

func (a *API) listResources(c call, in *resourceList) ([]*resourceOut, uint64, error) {
	_, version, err := a.engine.Customer(c.ctx, c.options(), in.CustomerID)
	return nil, version, err
}
