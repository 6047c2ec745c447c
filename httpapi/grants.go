package httpapi

import (
	"strings"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
)

type moneyIn struct {
	Amount   bursar.Amount `json:"amount" is:"required,min=0"`
	Currency string        `json:"currency" is:"required,len=3-3" doc:"ISO 4217, such as usd."`
}

type grantIn struct {
	CustomerID  string            `json:"customerId" is:"required,customerId"`
	CurrencyID  string            `json:"currencyId" is:"required,id"`
	Amount      bursar.Amount     `json:"amount" is:"required,positive"`
	DisplayName string            `json:"displayName" is:"required,len=1-255"`
	GrantType   bursar.GrantType  `json:"grantType" is:"required,enum=PAID|PROMOTIONAL"`
	EffectiveAt *bursar.Time      `json:"effectiveAt" doc:"Now when left out."`
	ExpireAt    *bursar.Time      `json:"expireAt" doc:"Never when left out."`
	Priority    *int              `json:"priority" is:"n=0-1000,default=0" doc:"Lower burns first."`
	Comment     *string           `json:"comment" is:"len=0-2000"`
	Cost        *moneyIn          `json:"cost" doc:"What was paid for it."`
	Metadata    map[string]string `json:"metadata"`

	AwaitPaymentConfirmation *bool       `json:"awaitPaymentConfirmation" doc:"Ignored: Bursar collects no payments."`
	PaymentCollectionMethod  *string     `json:"paymentCollectionMethod" is:"enum=NONE,default=NONE"`
	BillingInformation       unsupported `json:"billingInformation"`
	ResourceID               unsupported `json:"resourceId"`
}

type money struct {
	Amount   bursar.Amount `json:"amount"`
	Currency string        `json:"currency"`
}

// grantOut is a grant with the members that clients of the reference expect.
type grantOut struct {
	ID                string             `json:"id"`
	CustomerID        string             `json:"customerId"`
	CurrencyID        string             `json:"currencyId"`
	Amount            bursar.Amount      `json:"amount"`
	DisplayName       string             `json:"displayName"`
	GrantType         bursar.GrantType   `json:"grantType" is:"enum=PAID|PROMOTIONAL|RECURRING|OVERDRAFT"`
	EffectiveAt       bursar.Time        `json:"effectiveAt"`
	ExpireAt          *bursar.Time       `json:"expireAt"`
	Priority          int                `json:"priority"`
	Comment           *string            `json:"comment"`
	Cost              money              `json:"cost"`
	Metadata          map[string]string  `json:"metadata"`
	ConsumedAmount    bursar.Amount      `json:"consumedAmount" doc:"Of an OVERDRAFT grant: the deficit."`
	Status            bursar.GrantStatus `json:"status" is:"enum=ACTIVE|SCHEDULED|EXPIRED|VOIDED|PAYMENT_PENDING"`
	CreatedAt         bursar.Time        `json:"createdAt"`
	UpdatedAt         bursar.Time        `json:"updatedAt"`
	VoidedAt          *bursar.Time       `json:"voidedAt"`
	PaymentCollection string             `json:"paymentCollection" is:"enum=NOT_REQUIRED"`
	ResourceID        *nothing           `json:"resourceId"`
	SourceType        *nothing           `json:"sourceType"`
	InvoiceID         *nothing           `json:"invoiceId"`
	LatestInvoice     *nothing           `json:"latestInvoice"`
	SyncStates        *nothing           `json:"syncStates"`
}

func viewGrant(g bursar.Grant) grantOut {
	return grantOut{
		ID: g.ID, CustomerID: g.CustomerID, CurrencyID: g.CurrencyID, Amount: g.Amount, DisplayName: g.DisplayName, GrantType: g.Type,
		EffectiveAt: g.EffectiveAt, ExpireAt: timeOrNil(g.ExpireAt), Priority: g.Priority, Comment: g.Comment, Cost: money(g.Cost),
		Metadata: g.Metadata, ConsumedAmount: g.Consumed, Status: g.Status, CreatedAt: g.CreatedAt, UpdatedAt: g.UpdatedAt,
		VoidedAt: g.VoidedAt, PaymentCollection: "NOT_REQUIRED",
	}
}

func (a *API) createGrant(c call, in *grantIn) (bursar.Grant, uint64, error) {
	cost := bursar.Money{Currency: "usd"}
	if in.Cost != nil {
		cost = bursar.Money{Amount: in.Cost.Amount, Currency: strings.ToLower(in.Cost.Currency)}
	}
	return a.engine.CreateGrant(c.ctx, c.by, bursar.GrantInput{
		CustomerID: in.CustomerID, CurrencyID: in.CurrencyID, Amount: in.Amount, DisplayName: in.DisplayName, Type: in.GrantType,
		EffectiveAt: orZero(in.EffectiveAt), ExpireAt: orZero(in.ExpireAt), Priority: orZero(in.Priority), Comment: orNil(in.Comment),
		Cost: cost, Metadata: withoutEmpty(in.Metadata),
	})
}

type grantList struct {
	paging
	freshness
	CustomerID string      `query:"customerId" is:"required,customerId"`
	CurrencyID string      `query:"currencyId"`
	CreatedAt  timeRange   `query:"createdAt"`
	ResourceID unsupported `query:"resourceId"`
}

func grantAt(g *bursar.Grant) ledger.ListPos {
	return ledger.ListPos{CreatedAt: g.CreatedAt, ID: g.ID}
}

func (a *API) listGrants(c call, in *grantList, p ledger.ListPage) (ledger.Page[bursar.Grant], uint64, error) {
	from, to := in.CreatedAt.bounds()
	return a.engine.Grants(c.ctx, c.options(), ledger.GrantQuery{
		CustomerID: in.CustomerID, CurrencyID: in.CurrencyID, CreatedFrom: from, CreatedTo: to, ListPage: p,
	})
}

func (a *API) voidGrant(c call, in *grantPath) (bursar.Grant, uint64, error) {
	return a.engine.VoidGrant(c.ctx, c.by, in.GrantID)
}

type ledgerQuery struct {
	paging
	freshness
	CustomerID string              `query:"customerId" is:"required,customerId"`
	CurrencyID string              `query:"currencyId"`
	EventType  []bursar.LedgerType `query:"eventType" is:"n=0-10,enum=CREDITS_GRANTED|CREDITS_EXPIRED|CREDITS_CONSUMED|CREDITS_VOIDED|CREDITS_UPDATED|CREDITS_CONSUMPTION_TRANSFER_SOURCE|CREDITS_CONSUMPTION_TRANSFER_TARGET"`
	ResourceID unsupported         `query:"resourceId"`
}

// ledgerOut is one movement of one grant.
type ledgerOut struct {
	Amount           bursar.Amount     `json:"amount" doc:"Signed: what the grant gained."`
	CreditCurrencyID string            `json:"creditCurrencyId"`
	CreditGrantID    string            `json:"creditGrantId"`
	CustomerID       string            `json:"customerId"`
	EventID          *string           `json:"eventId" doc:"Of the usage that moved it."`
	EventType        bursar.LedgerType `json:"eventType" is:"enum=CREDITS_GRANTED|CREDITS_EXPIRED|CREDITS_CONSUMED|CREDITS_VOIDED|CREDITS_UPDATED|CREDITS_CONSUMPTION_TRANSFER_SOURCE|CREDITS_CONSUMPTION_TRANSFER_TARGET"`
	FeatureID        *string           `json:"featureId" doc:"null: the currency itself was consumed."`
	ResourceID       *nothing          `json:"resourceId"`
	Timestamp        bursar.Time       `json:"timestamp"`
}

func ledgerEntryAt(e *bursar.LedgerEntry) ledger.ListPos {
	return ledger.ListPos{CreatedAt: e.Timestamp, ID: e.ID}
}

// ledger lists newest first. It makes its page itself, because an entry does not say whose
// it is.
func (a *API) ledger(c call, in *ledgerQuery) (out page[ledgerOut], version uint64, err error) {
	get := func(p ledger.ListPage) (got ledger.Page[bursar.LedgerEntry], err error) {
		query := ledger.LedgerQuery{CustomerID: in.CustomerID, CurrencyID: in.CurrencyID, Types: in.EventType, Limit: p.Limit}
		query.Below, query.Above = belowAbove(p)
		got, version, err = a.engine.Ledger(c.ctx, c.options(), query)
		return got, err
	}
	out, err = pageAt(c.request, in.paging, ledgerEntryAt, get, func(e bursar.LedgerEntry) ledgerOut {
		return ledgerOut{
			Amount: e.Amount, CreditCurrencyID: e.CurrencyID, CreditGrantID: e.GrantID, CustomerID: in.CustomerID,
			EventID: orNil(&e.EventID), EventType: e.Type, FeatureID: orNil(&e.FeatureID), Timestamp: e.Timestamp,
		}
	})
	return out, version, err
}
