package sim

import (
	"encoding/json"
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/client"
	"github.com/bursarhq/bursar/ledger"
)

// What the model says, as the API writes it.

func orNull(t bursar.Time) *bursar.Time {
	if t == 0 {
		return nil
	}
	t = t.Milli()
	return &t
}

func wireNode(n bursar.Node) client.Node {
	out := client.Node{
		AssignmentID: n.AssignmentID, EntityID: n.EntityID, EntityTypeID: n.EntityTypeID, ScopeEntityIDs: n.ScopeEntityIDs, Label: n.Label,
		Enforcement: n.Enforcement, UsageLimit: n.UsageLimit, CurrentUsage: n.CurrentUsage, Requested: n.Requested, Reserved: n.Reserved,
		Remaining: n.Remaining(), ResetsAt: orNull(n.ResetsAt), IsGranted: n.Granted, Exceeded: n.Exceeded,
	}
	if out.FeatureID = n.Capability.ID; n.Capability.Kind == bursar.KindCurrency {
		out.FeatureID, out.CurrencyID = "", n.Capability.ID
	}
	return out
}

func wireChains(in [][]bursar.Node) [][]client.Node {
	out := [][]client.Node{}
	for _, chain := range in {
		var nodes []client.Node
		for _, n := range chain {
			nodes = append(nodes, wireNode(n))
		}
		out = append(out, nodes)
	}
	return out
}

func wireBinding(b *bursar.Binding) *client.Binding {
	if b == nil {
		return nil
	}
	n := wireNode(b.Node)
	if b.Source != bursar.BindingEntity {
		n = client.Node{FeatureID: n.FeatureID, CurrencyID: n.CurrencyID, UsageLimit: n.UsageLimit, CurrentUsage: n.CurrentUsage,
			Reserved: n.Reserved, Remaining: n.Remaining, ResetsAt: n.ResetsAt}
	}
	return &client.Binding{Source: b.Source, Node: n}
}

func wireDecision(d bursar.Decision) client.Decision {
	g := d.Gate
	out := client.Decision{Type: "FEATURE", Granted: d.Granted, Reason: d.Reason, CurrentUsage: g.CurrentUsage, Unlimited: g.Unlimited,
		Chains: wireChains(d.Chains), Binding: wireBinding(d.Binding), Advice: wireAdvice(d.Advice), Warnings: d.Warnings}
	if d.Capability.Kind == bursar.KindFeature {
		out.Feature.ID = d.Capability.ID
		if !g.Unlimited {
			out.UsageLimit = &g.UsageLimit
		}
		return out
	}
	left := bursar.MaxAmount(bursar.Amount{}, g.UsageLimit.Sub(g.CurrentUsage).Sub(g.Reserved))
	out.Type, out.Currency.ID, out.Unlimited = "CREDIT", d.Capability.ID, false
	out.UsageLimit, out.Reserved, out.Remaining = &g.UsageLimit, g.Reserved, &left
	return out
}

func wireAdvice(a bursar.Advice) *client.Advice {
	if a.Level == "" {
		return nil
	}
	l := a.Limit
	out := &client.Advice{Level: a.Level, Left: a.Left, UsedPercent: a.UsedPercent, Limit: client.AdviceLimit{Source: l.Source, AssignmentID: l.AssignmentID,
		EntityID: l.EntityID, FeatureID: l.Capability.ID, Label: l.Label, UsageLimit: l.UsageLimit, ResetsAt: orNull(l.ResetsAt)}}
	if l.Capability.Kind == bursar.KindCurrency {
		out.Limit.FeatureID, out.Limit.CurrencyID = "", l.Capability.ID
	}
	if x := a.Degrade; x != nil {
		out.Degrade = &client.Degrade{EntityID: x.EntityID, AtPercent: x.AtPercent, Model: x.Model, MaxTokens: x.MaxTokens, Message: x.Message}
		if x.NoTools {
			out.Degrade.Tools = new(false)
		}
	}
	return out
}

func wireCredit(b *bursar.Balance) *client.Credit {
	if b == nil {
		return nil
	}
	return &client.Credit{CurrencyID: b.CurrencyID, Consumed: b.Consumed, CurrentUsage: b.Used, UsageLimit: b.Limit, Timestamp: b.At.Milli(), PeriodEnd: orNull(b.ExpiresAt)}
}

func wireHold(r bursar.Reservation) client.Reservation {
	out := client.Reservation{ID: r.ID, CustomerID: r.CustomerID, FeatureID: r.Capability.ID, Amount: r.Amount, Status: r.Status, OnExpire: r.OnExpire,
		CreatedAt: r.CreatedAt.Milli(), ExpiresAt: r.ExpiresAt.Milli(), ClosedAt: orNull(r.ClosedAt), CommittedAmount: r.CommittedAmount,
		Overshoot: r.Overshoot(), LateCommit: r.LateCommit, Chains: [][]client.Node{}, Duplicate: r.Duplicate, Dimensions: map[string]any{}}
	for _, d := range r.Dimensions { // the cluster is asked with texts alone
		out.Dimensions[d.Key] = d.Value
	}
	if r.Capability.Kind == bursar.KindCurrency {
		out.FeatureID, out.CurrencyID = "", r.Capability.ID
	}
	if r.Decision != nil {
		out.Chains, out.Advice, out.Warnings = wireChains(r.Decision.Chains), wireAdvice(r.Decision.Advice), r.Decision.Warnings
	}
	return out
}

func wireLimit(a bursar.Assignment) client.Assignment {
	out := client.Assignment{ID: a.ID, EntityID: a.EntityID, ScopeEntityIDs: a.ScopeEntityIDs, FeatureID: a.Capability.ID, Label: a.Label,
		UsageLimit: a.UsageLimit, EffectiveLimit: a.EffectiveLimit, Cadence: a.Cadence.String(), Enforcement: a.Enforcement,
		AlertThresholds: a.AlertThresholds, Allocation: a.Allocation, Timezone: a.Timezone, Anchor: a.Anchor,
		CreatedAt: a.CreatedAt.Milli(), UpdatedAt: a.UpdatedAt.Milli()}
	if a.Capability.Kind == bursar.KindCurrency {
		out.FeatureID, out.CurrencyID = "", a.Capability.ID
	}
	return out
}

// What a reply says, with the model's ids.

func (r *replayer) readNodes(chains [][]client.Node) [][]client.Node {
	for _, chain := range chains {
		for i := range chain {
			chain[i].AssignmentID = r.modelID(chain[i].AssignmentID)
		}
	}
	if chains == nil {
		return [][]client.Node{}
	}
	return chains
}

func (r *replayer) readAdvice(a *client.Advice) *client.Advice {
	if a != nil && a.Limit.AssignmentID != "" {
		a.Limit.AssignmentID = r.modelID(a.Limit.AssignmentID)
	}
	return a
}

func (r *replayer) readBinding(b *client.Binding) *client.Binding {
	if b != nil {
		b.AssignmentID = r.modelID(b.AssignmentID)
	}
	return b
}

// problemReply is a reply that is not a success.
type problemReply struct {
	Code    bursar.Code
	Errors  []bursar.FieldError
	Binding *client.Binding
	Chains  [][]client.Node
}

// refusal compares why something was refused.
func (r *replayer) refusal(c *exchange, f *fail) string {
	var p problemReply
	if err := json.Unmarshal(c.body, &p); err != nil {
		return err.Error()
	}
	if f == nil {
		return "the model does not refuse it"
	}
	if d := diffErr(&bursar.Error{Code: p.Code, Fields: p.Errors}, f); d != "" || f.denial == nil {
		return d
	}
	return first(diff(r.readNodes(p.Chains), wireChains(f.denial.Chains)), diff(r.readBinding(p.Binding), wireBinding(f.denial.Binding)))
}

const notYet = "the model would do it, and the reply says that it was not done"

func (c *exchange) items() (ids []string) {
	if _, ok := c.asking.(askUsage); ok && !c.refused() {
		got, _ := dataOf[[]client.UsageResult](c.body)
		for _, x := range got {
			ids = append(ids, x.ID)
		}
	}
	return ids
}

func (a askUsage) replay(r *replayer, c *exchange) string {
	in := a.inputs()
	if _, _, effect := a.leaves(c); !effect || c.idle {
		cust := r.model.customers[r.customer]
		for _, x := range in {
			if _, known := cust.keys[keyID{x.FeatureID, x.IdempotencyKey}]; !known {
				return notYet
			}
		}
	}
	want, f := r.model.reportUsage(ofUsage, in)
	if c.refused() || f != nil {
		return r.refusal(c, f)
	}
	got, err := dataOf[[]client.UsageResult](c.body)
	if err != nil || len(got) != len(want) {
		return "not a reply to the request"
	}
	for i, x := range want {
		w := client.UsageResult{ID: got[i].ID, Timestamp: x.Timestamp.Milli(), CurrentUsage: &x.CurrentUsage, Credit: wireCredit(x.Credit), Duplicate: x.Duplicate, Warnings: x.Warnings}
		if d := r.bind(r.customer, got[i].ID, x.ID); d != "" {
			return d
		}
		if c.tries > 1 || x.Duplicate && got[i].Duplicate {
			continue // a duplicate shows figures of whenever it was answered
		}
		slices.Sort(got[i].Warnings)
		if d := diff(got[i], w); d != "" {
			return d
		}
	}
	return ""
}

// spending is what a consumption and a reservation have in common: it says whether the
// model would do it, or why not.
func (r *replayer) spending(k bursar.Capability, in bursar.SpendInput, op string) (done *mKey, f *fail) {
	c, now, f := r.model.spendable(r.customer, k)
	if f != nil {
		return nil, f
	}
	if done, f = c.earlier(in, content(op, k, in.Amount, "", in.Dimensions)); done != nil || f != nil {
		return done, f
	}
	if _, f = r.model.judgeSpend(c, now, in); f == nil {
		c.goes() // whoever it is to be done for does it
	}
	return nil, f
}

func (a askConsume) replay(r *replayer, c *exchange) string {
	in := spendOf(a.in)
	done, f := r.spending(in.Capability, in, "consume")
	if c.refused() || f != nil {
		return r.refusal(c, f)
	}
	got, err := dataOf[client.Consumption](c.body)
	if err != nil || got.Duplicate && (c.tries == 1 || c.idle) && done == nil {
		return notYet
	}
	want, f := r.model.consume(r.customer, in)
	if f != nil {
		return "model: " + f.String()
	}
	if d := r.bind(r.customer, got.ID, want.ID); d != "" || got.Duplicate {
		return d
	}
	w := client.Consumption{ID: got.ID, FeatureID: a.in.FeatureID, CurrencyID: a.in.CurrencyID, Amount: want.Amount, Timestamp: want.Timestamp.Milli(),
		Chains: wireChains(want.Decision.Chains), Advice: wireAdvice(want.Decision.Advice), Credit: wireCredit(want.Credit), Duplicate: want.Duplicate,
		Warnings: want.Decision.Warnings}
	got.Chains, got.Advice = r.readNodes(got.Chains), r.readAdvice(got.Advice)
	slices.Sort(got.Warnings)
	return diff(got, w)
}

func (a askReserve) replay(r *replayer, c *exchange) string {
	in := spendOf(a.in.SpendInput)
	done, f := r.spending(in.Capability, in, "reserve")
	if c.refused() || f != nil {
		return r.refusal(c, f)
	}
	got, err := dataOf[client.Reservation](c.body)
	if err != nil || got.Duplicate && (c.tries == 1 || c.idle) && done == nil {
		return notYet
	}
	how := a.in.OnExpire
	if how == "" {
		how = bursar.ExpireRelease
	}
	want, f := r.model.reserve(r.customer, in, a.in.TTLSeconds, how)
	if f != nil {
		return "model: " + f.String()
	}
	if d := r.bind(r.customer, got.ID, want.ID); d != "" || got.Duplicate {
		return d
	}
	return r.sameHold(got, want)
}

func (r *replayer) sameHold(got client.Reservation, want bursar.Reservation) string {
	got.ID, got.Chains, got.Advice = r.modelID(got.ID), r.readNodes(got.Chains), r.readAdvice(got.Advice)
	slices.Sort(got.Warnings)
	return diff(got, wireHold(want))
}

func (a askClose) replay(r *replayer, c *exchange) string {
	id := r.modelID(a.hold)
	_, _, h, f := r.model.findHold(r.customer, id)
	// What closed the reservation is another request's record: it comes first.
	repeats := c.idle && a.how != deedExtend
	if _, _, effect := a.leaves(c); (!effect || repeats) && f == nil {
		late := h.Status == bursar.HoldExpired && h.OnExpire == bursar.ExpireRelease && a.how == deedCommit
		if h.Status == bursar.HoldOpen || late {
			return notYet
		}
	}
	var want bursar.Reservation
	switch a.how {
	case deedCommit:
		want, f = r.model.commitReservation(r.customer, id, a.amount)
	case deedRelease:
		want, f = r.model.releaseReservation(r.customer, id)
	default:
		want, f = r.model.extendReservation(r.customer, id, a.ttl)
	}
	if c.refused() || f != nil {
		return r.refusal(c, f)
	}
	got, err := dataOf[client.Reservation](c.body)
	if err != nil {
		return err.Error()
	}
	if got.Duplicate && c.tries > 1 {
		got.Duplicate = want.Duplicate
	} else if d := r.figures(got.Chains); d != "" {
		return d
	}
	got.Chains, got.Advice, want.Decision = nil, nil, nil
	return r.sameHold(got, want)
}

// figures compares what the limits of a reservation that was closed or extended show.
func (r *replayer) figures(chains [][]client.Node) string {
	c, now := r.model.customer(r.customer)
	for _, n := range slices.Concat(chains...) {
		row := c.row(r.modelID(n.AssignmentID))
		if row == nil {
			return "the model has no limit " + r.modelID(n.AssignmentID)
		}
		want := client.Node{CurrentUsage: row.usedAt(now).amount(), Reserved: row.held.amount()}
		if limit := row.effective(now); limit != nil {
			want.UsageLimit = limit.ptr()
		}
		if d := diff(client.Node{CurrentUsage: n.CurrentUsage, Reserved: n.Reserved, UsageLimit: n.UsageLimit}, want); d != "" {
			return n.EntityID + ": " + d
		}
	}
	return ""
}

func (a askCheck) replay(r *replayer, c *exchange) string {
	want := wireDecision(r.model.check(r.customer, []ledger.CheckInput{a.in})[0])
	got, err := dataOf[client.Decision](c.body)
	if err != nil || c.refused() {
		return "not a decision"
	}
	got.Chains, got.Advice, got.Binding = r.readNodes(got.Chains), r.readAdvice(got.Advice), r.readBinding(got.Binding)
	slices.Sort(got.Warnings)
	return diff(got, want)
}
