package httpapi

import (
	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/spendtoken"
)

type explainIn struct {
	customerPath
	freshness
	checkItem
	EventName *string `json:"eventName" is:"len=1-255" doc:"In place of featureId, currencyId and requestedUsage: would a reservation hold all that the event may use?"`
	measuresIn
	expectedIn
}

// explainOut is a decision, as a check gives it but for its chains, with its arithmetic.
type explainOut struct {
	Decision     decisionReply     `json:"decision"`
	Gates        []explainedGate   `json:"gates" doc:"Of the customer: the promotional entitlement of the feature, the pool of each currency."`
	Chains       [][]explainedNode `json:"chains" doc:"As a check gives them; [] without dimensions."`
	GrantedAfter *bursar.Time      `json:"grantedAfter" doc:"The end of a window at which it would be granted if nothing else were used; null when it is granted now, or never by time alone."`
	RootEntityID *string           `json:"rootEntityId" doc:"Of an access token with a root: only limits at and below it were asked, those above and the customer's own may still deny; the decision's figures of the customer are 0 and unlimited. Else null."`
}

type explainedGate struct {
	Source       bursar.BindingSource `json:"source" is:"enum=CUSTOMER|CREDITS"`
	FeatureID    *string              `json:"featureId,omitempty"`
	CurrencyID   *string              `json:"currencyId,omitempty"`
	UsageLimit   bursar.Amount        `json:"usageLimit"`
	CurrentUsage bursar.Amount        `json:"currentUsage"`
	Reserved     bursar.Amount        `json:"reserved"`
	Requested    bursar.Amount        `json:"requested"`
	ResetsAt     *bursar.Time         `json:"resetsAt"`
	fitOut
}

type explainedNode struct {
	nodeReply
	fitOut
}

type fitOut struct {
	Fits      bool          `json:"fits" doc:"usage + held + requested is within the limit, hard or soft."`
	WouldNeed bursar.Amount `json:"wouldNeed" doc:"By how much the limit would have to be higher."`
}

func viewGate(g *ledger.ExplainedGate) explainedGate {
	out := explainedGate{
		Source: bursar.BindingCustomer, UsageLimit: g.UsageLimit, CurrentUsage: g.CurrentUsage, Reserved: g.Reserved, Requested: g.Requested,
		ResetsAt: timeOrNil(g.ResetsAt), fitOut: fitOut(g.Fit),
	}
	if g.Capability.Kind == bursar.KindCurrency { // its credits come back with no window
		out.Source, out.ResetsAt = bursar.BindingCredits, nil
	}
	out.FeatureID, out.CurrencyID = capabilityIDs(g.Capability)
	return out
}

// explain answers a question as a check does, with its arithmetic. It counts as none.
func (a *API) explain(c call, in *explainIn) (x ledger.Explanation, _ uint64, _ error) {
	if in.EventName != nil {
		event, err := in.event(c)
		if err != nil {
			return x, 0, err
		}
		return a.engine.ExplainEvent(c.ctx, c.options(), in.CustomerID, event)
	}
	if in.measuresIn.given() || in.MaxTokens != nil || in.InputTokens != nil || in.InputCharacters != nil || in.Hold != nil {
		return x, 0, bursar.ErrorAt("/eventName", bursar.CodeValidationFailed, "usage, tokens, properties and maxTokens are of an event: give its name")
	}
	input := ledger.CheckInput{Requested: or(in.RequestedUsage, bursar.AmountFromInt(1)), Dimensions: in.Dimensions, Strict: in.Strict}
	var ok bool
	if input.Capability, ok = capability(in.FeatureID, in.CurrencyID); !ok {
		return x, 0, bursar.ErrorAt("/featureId", bursar.CodeValidationFailed, errNotOneCapability)
	}
	var err error
	if input.Dimensions, err = c.mayAsk("", input.Capability, input.Dimensions); err != nil {
		return x, 0, err
	}
	return a.engine.Explain(c.ctx, c.options(), in.CustomerID, input)
}

// event is what is asked of an event, as a reservation of it would.
func (in *explainIn) event(c call) (out bursar.SpendInput, err error) {
	var p bursar.Problems
	if in.FeatureID != "" || in.CurrencyID != "" || in.RequestedUsage != nil {
		p.Add("/eventName", bursar.CodeValidationFailed, "an event says what it uses of which feature: give no featureId, currencyId or requestedUsage with it")
	}
	dims, err := c.attributed("", in.Dimensions)
	if err == nil {
		err = c.named("", spendtoken.Name{Event: *in.EventName})
	}
	if err == nil {
		err = c.said("", "properties", in.Properties)
	}
	if err != nil {
		return out, err
	}
	bounded := in.bounded(in.Dimensions, &in.measuresIn)
	in.expectedIn.onto(&in.measuresIn, &p)
	e, usage := in.measuresIn.onto(dims, c.usageRules(), &p)
	if usage != nil && usage.Err() != nil {
		p.Add("/usage", bursar.CodeValidationFailed, "%s", reason(usage.Err()))
	}
	if err := p.Err(); err != nil {
		return out, err
	}
	out = bursar.SpendInput{EventName: *in.EventName, Dimensions: e.Dimensions, Warnings: e.Warnings, Strict: in.Strict, Bounded: bounded}
	if in.Hold != nil {
		out.Percentile, out.MostSaid = in.percentile(), in.MaxTokens != nil
	}
	return out, c.toldOf("", e.Dimensions)
}

func (a *API) viewExplanation(x ledger.Explanation) explainOut {
	d := x.Decision
	d.Chains = nil // they are shown with their arithmetic
	out := explainOut{Decision: viewDecision(&d, a.engine.Now()), Gates: make([]explainedGate, len(x.Gates)), Chains: make([][]explainedNode, len(x.Decision.Chains)),
		GrantedAfter: timeOrNil(x.GrantedAfter), RootEntityID: orNil(&x.RootEntityID)}
	for i := range x.Gates {
		out.Gates[i] = viewGate(&x.Gates[i])
	}
	for i, chain := range x.Decision.Chains {
		out.Chains[i] = make([]explainedNode, len(chain))
		for j := range chain {
			out.Chains[i][j] = explainedNode{viewNode(&chain[j]), fitOut(x.Fits[i][j])}
		}
	}
	return out
}
