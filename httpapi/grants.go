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

// timeOrNil is nil for no time.
func timeOrNil(t bursar.Time) *bursar.Time {
	if t == 0 {
		return nil
	}
	return &t
}

func (a *API) createGrant(q *request, in *grantIn) (grantOut, error) {
	c, err := caller(q, viewGrant)
	if err != nil {
		return grantOut{}, err
	}
	cost := bursar.Money{Currency: "usd"}
	if in.Cost != nil {
		cost = bursar.Money{Amount: in.Cost.Amount, Currency: strings.ToLower(in.Cost.Currency)}
	}
	g, err := versioned[bursar.Grant](q)(a.engine.CreateGrant(q.ctx, c, bursar.GrantInput{
		CustomerID: in.CustomerID, CurrencyID: in.CurrencyID, Amount: in.Amount, DisplayName: in.DisplayName, Type: in.GrantType,
		EffectiveAt: orZero(in.EffectiveAt), ExpireAt: orZero(in.ExpireAt), Priority: orZero(in.Priority), Comment: orNil(in.Comment),
		Cost: cost, Metadata: withoutEmpty(in.Metadata),
	}))
	return viewGrant(g), err
}

type grantList struct {
	paging
	freshness
	CustomerID string      `query:"customerId" is:"required,customerId"`
	CurrencyID string      `query:"currencyId"`
	CreatedAt  timeRange   `query:"createdAt"`
	ResourceID unsupported `query:"resourceId"`
}

func (a *API) listGrants(q *request, in *grantList) (page[grantOut], error) {
	from, to := in.CreatedAt.bounds()
	at := func(g *bursar.Grant) ledger.ListPos { return ledger.ListPos{CreatedAt: g.CreatedAt, ID: g.ID} }
	get := func(p ledger.ListPage) (ledger.Page[bursar.Grant], error) {
		return versioned[ledger.Page[bursar.Grant]](q)(a.engine.Grants(q.ctx, q.options(in.freshness), ledger.GrantQuery{
			CustomerID: in.CustomerID, CurrencyID: in.CurrencyID, CreatedFrom: from, CreatedTo: to, ListPage: p,
		}))
	}
	return list(q, in.paging, at, get, viewGrant)
}

func (a *API) voidGrant(q *request, _ *nothing) (grantOut, error) {
	c, err := caller(q, viewGrant)
	if err != nil {
		return grantOut{}, err
	}
	g, err := versioned[bursar.Grant](q)(a.engine.VoidGrant(q.ctx, c, q.path[0]))
	return viewGrant(g), err
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

// ledger lists newest first.
func (a *API) ledger(q *request, in *ledgerQuery) (page[ledgerOut], error) {
	at := func(e *bursar.LedgerEntry) ledger.ListPos { return ledger.ListPos{CreatedAt: e.Timestamp, ID: e.ID} }
	get := func(p ledger.ListPage) (ledger.Page[bursar.LedgerEntry], error) {
		query := ledger.LedgerQuery{CustomerID: in.CustomerID, CurrencyID: in.CurrencyID, Types: in.EventType, Limit: p.Limit}
		query.Below, query.Above = belowAbove(p)
		return versioned[ledger.Page[bursar.LedgerEntry]](q)(a.engine.Ledger(q.ctx, q.options(in.freshness), query))
	}
	return list(q, in.paging, at, get, func(e bursar.LedgerEntry) ledgerOut {
		return ledgerOut{
			Amount: e.Amount, CreditCurrencyID: e.CurrencyID, CreditGrantID: e.GrantID, CustomerID: in.CustomerID,
			EventID: orNil(&e.EventID), EventType: e.Type, FeatureID: orNil(&e.FeatureID), Timestamp: e.Timestamp,
		}
	})
}
