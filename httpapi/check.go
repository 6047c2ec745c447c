package httpapi

import (
	"fmt"
	"strconv"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/engine"
)

// freshness bounds how old an answer may be.
type freshness struct {
	MinVersion     uint64 `query:"minVersion" is:"n=0-9007199254740991" doc:"Never answer from an older version of the customer."`
	MaxStalenessMs int    `query:"maxStalenessMs" is:"n=0-3600000" doc:"Accept an answer of this age, in milliseconds."`
}

func (f freshness) options() engine.ReadOptions {
	return engine.ReadOptions{MinVersion: f.MinVersion, MaxStaleness: time.Duration(f.MaxStalenessMs) * time.Millisecond}
}

// checkQuery describes the query of a check, which parseCheck reads.
type checkQuery struct {
	FeatureID       string             `query:"featureId" doc:"Exactly one of featureId and currencyId."`
	CurrencyID      string             `query:"currencyId"`
	RequestedUsage  bursar.Amount      `query:"requestedUsage" is:"min=0,default=1"`
	Dimensions      []bursar.Dimension `query:"dimensions" doc:"dimensions[key]=value. Those that name entities resolve to the limits to check."`
	RequestedValues []string           `query:"requestedValues" is:"n=0-100" doc:"Not for metered features: denied when not empty."`
	ResourceID      string             `query:"resourceId" doc:"There are no resources: denied when not empty."`
	freshness
}

type checkInput struct {
	engine.CheckInput
	fresh freshness
	// refusal is a reason to deny that needs no look at the customer.
	refusal bursar.Code
}

// parseCheck reads the query of a check without reflection.
func (q *request) parseCheck(in *checkInput) error {
	if err := q.parseQuery(); err != nil {
		return err
	}
	in.Requested = bursar.AmountFromInt(1)
	var feature, currency string
	for i := range q.query {
		p := &q.query[i]
		var err error
		code := bursar.CodeValidationFailed
		switch p.name {
		case "featureId":
			err = once(&feature, p)
		case "currencyId":
			err = once(&currency, p)
		case "requestedUsage":
			code = bursar.CodeInvalidAmount
			in.Requested, err = bursar.ParseAmount([]byte(p.value))
			if err == nil && in.Requested.Sign() < 0 {
				err = fmt.Errorf("must be 0 or more, not %v", in.Requested)
			}
		case "dimensions":
			if in.Dimensions, err = addDims(in.Dimensions, p); err != nil {
				return bursar.ErrorAt(dimPointer(p), code, "%v", err)
			}
		case "requestedValues":
			in.refusal = bursar.CodeFeatureTypeMismatch
		case "resourceId":
			if in.refusal == "" {
				in.refusal = bursar.CodeCustomerResourceNotFound
			}
		case "minVersion":
			if in.fresh.MinVersion, err = strconv.ParseUint(p.value, 10, 53); err != nil {
				err = fmt.Errorf("must be a whole number from 0 on")
			}
		case "maxStalenessMs":
			if in.fresh.MaxStalenessMs, err = strconv.Atoi(p.value); err != nil || in.fresh.MaxStalenessMs < 0 || in.fresh.MaxStalenessMs > 3_600_000 {
				err = fmt.Errorf("must be a whole number of milliseconds from 0 to 3600000")
			}
		}
		if err != nil {
			return bursar.ErrorAt("?"+p.name, code, "%v", err)
		}
	}
	var ok bool
	if in.Capability, ok = capability(feature, currency); !ok {
		return bursar.ErrorAt("?featureId", bursar.CodeValidationFailed, errNotOneCapability)
	}
	return nil
}

func once(to *string, p *pair) error {
	if *to != "" {
		return fmt.Errorf("is given twice")
	}
	*to = p.value
	return nil
}

// check answers GET …/entitlements/check.
func (a *API) check(q *request) error {
	var in checkInput
	if err := q.parseCheck(&in); err != nil {
		return err
	}
	var d bursar.Decision
	switch {
	case in.refusal != "":
		d = bursar.Decision{Capability: in.Capability, Reason: in.refusal}
	case bursar.CheckCustomerID(q.path[0]) != nil:
		d = bursar.Decision{Capability: in.Capability, Reason: bursar.CodeCustomerNotFound}
	default:
		got, version, err := a.engine.Check(q.ctx, in.fresh.options(), q.path[0], []engine.CheckInput{in.CheckInput})
		if err != nil {
			return err
		}
		d, q.version = got[0], version
	}
	a.metrics.check(d.Granted, d.Reason)
	b := append(q.out[:0], `{"data":`...)
	b = appendDecision(b, &d, a.engine)
	q.send(q.route.status, append(b, '}'))
	a.metrics.checked(q.start)
	return nil
}

// checksIn asks several questions at once.
type checksIn struct {
	freshness
	Checks []checkItem `json:"checks" is:"required,n=1-100"`
}

type checkItem struct {
	FeatureID      string             `json:"featureId" is:"id" doc:"Exactly one of featureId and currencyId."`
	CurrencyID     string             `json:"currencyId" is:"id"`
	RequestedUsage *bursar.Amount     `json:"requestedUsage" is:"min=0,default=1"`
	Dimensions     []bursar.Dimension `json:"dimensions"`
}

// decisions are the answers to several questions.
type decisions struct {
	list   []bursar.Decision
	engine *engine.Engine
}

func (ds decisions) appendTo(b []byte) []byte {
	b = append(b, '[')
	for i := range ds.list {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendDecision(b, &ds.list[i], ds.engine)
	}
	return append(b, ']')
}

func (a *API) checks(q *request, in *checksIn) (decisions, error) {
	var problems bursar.Problems
	inputs := make([]engine.CheckInput, len(in.Checks))
	for i, c := range in.Checks {
		input := engine.CheckInput{Requested: bursar.AmountFromInt(1), Dimensions: c.Dimensions}
		if c.RequestedUsage != nil {
			input.Requested = *c.RequestedUsage
		}
		var ok bool
		if input.Capability, ok = capability(c.FeatureID, c.CurrencyID); !ok {
			problems.Add("/checks/"+strconv.Itoa(i), bursar.CodeValidationFailed, errNotOneCapability)
		}
		inputs[i] = input
	}
	if err := problems.Err(); err != nil {
		return decisions{}, err
	}
	out := decisions{engine: a.engine}
	if bursar.CheckCustomerID(q.path[0]) != nil {
		for _, input := range inputs {
			out.list = append(out.list, bursar.Decision{Capability: input.Capability, Reason: bursar.CodeCustomerNotFound})
		}
		return out, nil
	}
	got, version, err := a.engine.Check(q.ctx, in.options(), q.path[0], inputs)
	if err != nil {
		return decisions{}, err
	}
	for i := range got {
		a.metrics.check(got[i].Granted, got[i].Reason)
	}
	out.list, q.version = got, version
	return out, nil
}

// featureCheck and creditCheck are what appendDecision writes.
type featureCheck struct {
	Type               string         `json:"type" is:"enum=FEATURE"`
	IsGranted          bool           `json:"isGranted"`
	AccessDeniedReason *bursar.Code   `json:"accessDeniedReason"`
	Feature            *checkFeature  `json:"feature,omitempty"`
	CurrentUsage       *bursar.Amount `json:"currentUsage,omitempty"`
	UsageLimit         *bursar.Amount `json:"usageLimit,omitempty" is:"nullable" doc:"Of the customer's promotional entitlement; null is unlimited."`
	HasUnlimitedUsage  *bool          `json:"hasUnlimitedUsage,omitempty"`
	ResetPeriod        *string        `json:"resetPeriod,omitempty" is:"nullable"`
	UsagePeriodStart   *bursar.Time   `json:"usagePeriodStart,omitempty" doc:"With a reset period, as the end and the anchor."`
	UsagePeriodEnd     *bursar.Time   `json:"usagePeriodEnd,omitempty"`
	UsagePeriodAnchor  *bursar.Time   `json:"usagePeriodAnchor,omitempty"`
	ValidUntil         *bursar.Time   `json:"validUntil,omitempty" doc:"When time alone changes the answer next: the period or the entitlement ends."`
	UpdatedAt          *bursar.Time   `json:"entitlementUpdatedAt,omitempty"`
	Costs              []cost         `json:"costs,omitempty" doc:"Of a priced feature: what the request costs in each currency."`
	Chains             [][]nodeReply  `json:"chains,omitempty" doc:"Left out when the request has no dimensions."`
	Binding            *bindingReply  `json:"binding"`
}

type checkFeature struct {
	ID            string `json:"id"`
	DisplayName   string `json:"displayName"`
	FeatureStatus string `json:"featureStatus"`
	FeatureType   string `json:"featureType"`
}

type creditCheck struct {
	Type               string         `json:"type" is:"enum=CREDIT"`
	IsGranted          bool           `json:"isGranted"`
	AccessDeniedReason *bursar.Code   `json:"accessDeniedReason"`
	Currency           checkCurrency  `json:"currency"`
	CurrentUsage       bursar.Amount  `json:"currentUsage"`
	UsageLimit         bursar.Amount  `json:"usageLimit"`
	UsageUpdatedAt     bursar.Time    `json:"usageUpdatedAt"`
	UsagePeriodEnd     *bursar.Time   `json:"usagePeriodEnd,omitempty" doc:"When the next grant that has credits left expires, as validUntil."`
	ValidUntil         *bursar.Time   `json:"validUntil,omitempty"`
	Reserved           bursar.Amount  `json:"reserved"`
	Remaining          *bursar.Amount `json:"remaining" doc:"null when no pool gates."`
	Chains             [][]nodeReply  `json:"chains,omitempty" doc:"Left out when the request has no dimensions."`
	Binding            *bindingReply  `json:"binding"`
}

type checkCurrency struct {
	CurrencyID   string            `json:"currencyId"`
	DisplayName  string            `json:"displayName"`
	Description  *string           `json:"description,omitempty"`
	Metadata     map[string]string `json:"metadata,omitempty"`
	UnitSingular *string           `json:"unitSingular,omitempty"`
	UnitPlural   *string           `json:"unitPlural,omitempty"`
}

// decisionReply is either check.
type decisionReply struct {
	Feature featureCheck
	Credit  creditCheck
}

func appendDecision(b []byte, d *bursar.Decision, e *engine.Engine) []byte {
	if d.Capability.Kind == bursar.KindCurrency {
		return appendCreditCheck(b, d, e)
	}
	b = append(b, `{"type":"FEATURE"`...)
	b = appendOutcome(b, d)
	f := e.Catalogue().Feature(d.Capability.ID)
	if f != nil {
		b = append(b, `,"feature":{"id":`...)
		b = appendID(b, f.ID)
		b = append(b, `,"displayName":`...)
		b = appendString(b, f.DisplayName)
		b = append(b, `,"featureStatus":`...)
		b = appendID(b, f.FeatureStatus)
		b = append(b, `,"featureType":`...)
		b = appendID(b, f.FeatureType)
		b = append(b, '}')
	}
	if f != nil && !undecided(d.Reason) {
		b = append(b, `,"currentUsage":`...)
		b = d.Gate.CurrentUsage.AppendTo(b)
		b = append(b, `,"usageLimit":`...)
		if d.Gate.Unlimited {
			b = append(b, "null"...)
		} else {
			b = d.Gate.UsageLimit.AppendTo(b)
		}
		b = append(b, `,"hasUnlimitedUsage":`...)
		b = strconv.AppendBool(b, d.Gate.Unlimited)
		b = appendPeriod(b, &d.Gate)
		b = appendCosts(b, d.Costs)
	}
	return appendPath(b, d)
}

// appendPeriod appends what a check tells of the promotional entitlement that gates.
func appendPeriod(b []byte, g *bursar.Gate) []byte {
	b = append(b, `,"resetPeriod":`...)
	p := g.Promotion
	if p == nil {
		return append(b, "null"...)
	}
	until := p.EndDate
	if p.ResetPeriod == "" { // its one window never ends
		b = append(b, "null"...)
	} else {
		b = appendID(b, p.ResetPeriod)
		anchor := p.StartDate
		if p.AccordingTo != "" && p.AccordingTo != startOfPromotion {
			anchor = g.PeriodStart
		}
		b = appendTime(append(b, `,"usagePeriodStart":`...), g.PeriodStart)
		b = appendTime(append(b, `,"usagePeriodEnd":`...), g.ResetsAt)
		b = appendTime(append(b, `,"usagePeriodAnchor":`...), anchor)
		if until == 0 || g.ResetsAt < until {
			until = g.ResetsAt
		}
	}
	if until != 0 {
		b = appendTime(append(b, `,"validUntil":`...), until)
	}
	return appendTime(append(b, `,"entitlementUpdatedAt":`...), p.UpdatedAt)
}

func appendCosts(b []byte, costs []bursar.PricedGate) []byte {
	if len(costs) == 0 {
		return b
	}
	b = append(b, `,"costs":[`...)
	for i := range costs {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"currencyId":`...)
		b = appendID(b, costs[i].CurrencyID)
		b = append(b, `,"amount":`...)
		b = costs[i].Amount.AppendTo(b)
		b = append(b, '}')
	}
	return append(b, ']')
}

// undecided reports whether a denial says that there was nothing to look at, so that
// the decision has no figures.
func undecided(reason bursar.Code) bool {
	switch reason {
	case bursar.CodeCustomerNotFound, bursar.CodeFeatureNotFound, bursar.CodeEntitlementNotFound,
		bursar.CodeFeatureTypeMismatch, bursar.CodeCustomerResourceNotFound, bursar.CodeCustomerIsArchived:
		return true
	}
	return false
}

func appendOutcome(b []byte, d *bursar.Decision) []byte {
	b = append(b, `,"isGranted":`...)
	b = strconv.AppendBool(b, d.Granted)
	b = append(b, `,"accessDeniedReason":`...)
	if d.Granted {
		return append(b, "null"...)
	}
	return appendID(b, string(d.Reason))
}

// appendPath appends the chains and the binding, the end of a check.
func appendPath(b []byte, d *bursar.Decision) []byte {
	if d.Chains != nil {
		b = append(b, `,"chains":`...)
		b = appendChains(b, d.Chains)
	}
	b = append(b, `,"binding":`...)
	return append(appendBinding(b, d.Binding), '}')
}

func appendCreditCheck(b []byte, d *bursar.Decision, e *engine.Engine) []byte {
	b = append(b, `{"type":"CREDIT"`...)
	b = appendOutcome(b, d)
	b = append(b, `,"currency":`...)
	b = appendCheckCurrency(b, d.Capability.ID, e.Catalogue().Currency(d.Capability.ID))
	g := &d.Gate
	b = append(b, `,"currentUsage":`...)
	b = g.CurrentUsage.AppendTo(b)
	b = append(b, `,"usageLimit":`...)
	b = g.UsageLimit.AppendTo(b)
	b = append(b, `,"usageUpdatedAt":`...)
	at := g.UpdatedAt
	if at == 0 { // there is no such customer or currency, and never null is promised
		at = e.Now()
	}
	b = appendTime(b, at)
	if g.ResetsAt != 0 {
		b = appendTime(append(b, `,"usagePeriodEnd":`...), g.ResetsAt)
		b = appendTime(append(b, `,"validUntil":`...), g.ResetsAt)
	}
	b = append(b, `,"reserved":`...)
	b = g.Reserved.AppendTo(b)
	b = append(b, `,"remaining":`...)
	if g.Unlimited {
		b = append(b, "null"...)
	} else {
		b = bursar.MaxAmount(bursar.Amount{}, g.UsageLimit.Sub(g.CurrentUsage).Sub(g.Reserved)).AppendTo(b)
	}
	return appendPath(b, d)
}

func appendCheckCurrency(b []byte, id string, c *bursar.Currency) []byte {
	b = append(b, `{"currencyId":`...)
	b = appendID(b, id)
	b = append(b, `,"displayName":`...)
	if c == nil {
		return append(appendString(b, id), '}')
	}
	b = appendString(b, c.DisplayName)
	optional := func(name string, s *string) {
		if s != nil {
			b = append(b, name...)
			b = appendString(b, *s)
		}
	}
	optional(`,"description":`, c.Description)
	if len(c.Metadata) > 0 {
		b = append(b, `,"metadata":`...)
		b = appendTextMap(b, c.Metadata)
	}
	if c.Units != nil {
		optional(`,"unitSingular":`, &c.Units.Singular)
		optional(`,"unitPlural":`, &c.Units.Plural)
	}
	return append(b, '}')
}
