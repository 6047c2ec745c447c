package sim

import (
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/bursarhq/bursar"
)

// mPolicy says how to go on as an entity's limits fill up.
type mPolicy struct {
	bursar.DegradePolicyInput
	id               string
	created, updated bursar.Time
}

func (p *mPolicy) show() bursar.DegradePolicy {
	return bursar.DegradePolicy{ID: p.id, EntityID: p.EntityID, Capability: p.Capability, Steps: p.Steps, CreatedAt: p.created, UpdatedAt: p.updated}
}

func (c *mCust) policy(x bursar.DegradePolicyInput) int {
	return slices.IndexFunc(c.policies, func(p *mPolicy) bool { return p.EntityID == x.EntityID && p.Capability == x.Capability })
}

func (m *model) putPolicies(customer string, in []bursar.DegradePolicyInput) ([]bursar.DegradePolicy, *fail) {
	c, now, f := m.writable(customer)
	if f != nil {
		return nil, f
	}
	var p problems
	for i, x := range in {
		p.item = fmt.Sprintf("/policies/%d", i)
		if e, known := c.entities[x.EntityID]; !known {
			p.at("/entityId", bursar.CodeEntityNotFound)
		} else if e.ArchivedAt != nil {
			p.at("/entityId", bursar.CodeValidationFailed)
		}
		if x.Capability.ID != "" {
			var r *mRow // stands for a policy that exists
			if c.policy(x) >= 0 {
				r = &mRow{}
			}
			m.judgeCapability(&p, r, x.Capability)
		}
		before := 0
		for j, s := range x.Steps {
			if s.AtPercent <= before {
				p.at(fmt.Sprintf("/steps/%d/atPercent", j), bursar.CodeValidationFailed)
			}
			before = max(before, s.AtPercent)
			if s.Level == "" && s.Model == "" && s.Models == nil && s.MaxTokens == 0 && !s.NoTools && s.Message == "" {
				p.at(fmt.Sprintf("/steps/%d", j), bursar.CodeValidationFailed)
			}
		}
		if slices.ContainsFunc(in[:i], func(y bursar.DegradePolicyInput) bool {
			return x.EntityID == y.EntityID && x.Capability == y.Capability
		}) {
			p.list = append(p.list, problem{p.item, "*", bursar.CodeValidationFailed, len(p.list) > 0})
		}
	}
	if f := p.err(); f != nil {
		return nil, f
	}
	var out []bursar.DegradePolicy
	changed := false
	for _, x := range in {
		if i := c.policy(x); i >= 0 && reflect.DeepEqual(c.policies[i].Steps, x.Steps) {
			out = append(out, c.policies[i].show())
			continue
		}
		changed = true
		next := &mPolicy{DegradePolicyInput: x, created: now.Milli(), updated: now.Milli()}
		if i := c.policy(x); i >= 0 {
			next.id, next.created = c.policies[i].id, c.policies[i].created
			c.policies[i] = next
		} else {
			next.id = m.newID("d")
			c.policies = append(c.policies, next)
		}
		out = append(out, next.show())
	}
	if changed {
		c.log.wrote(now)
	}
	return out, nil
}

func (m *model) deletePolicy(customer, id string) (bursar.DegradePolicy, *fail) {
	c, now, f := m.writable(customer)
	if f != nil {
		return bursar.DegradePolicy{}, f
	}
	for i, p := range c.policies {
		if p.id == id {
			c.policies = slices.Delete(c.policies, i, i+1)
			c.log.wrote(now)
			return p.show(), nil
		}
	}
	return bursar.DegradePolicy{}, failed(bursar.CodeDegradePolicyNotFound)
}

func (m *model) listPolicies(customer string) ([]bursar.DegradePolicy, *fail) {
	c, _ := m.customer(customer)
	if c == nil {
		return nil, failed(bursar.CodeCustomerNotFound)
	}
	out := []bursar.DegradePolicy{}
	for _, p := range c.policies {
		out = append(out, p.show())
	}
	return out, nil
}

var urgency = map[bursar.AdviceLevel]int{bursar.AdviceOK: 0, bursar.AdviceWindDown: 1, bursar.AdviceStop: 2}

// degrade is what the policies on the limits that count say. ruled are the limits for which one says
// from when the advice is another; soft are those that a policy looks at.
func (c *mCust) degrade(nodes []bursar.Node, model string) (best *bursar.Degrade, level bursar.AdviceLevel, ruled map[string]bool, looked []bursar.Node) {
	ruled, level = map[string]bool{}, bursar.AdviceOK
	for _, n := range nodes {
		if n.UsageLimit == nil || c.m.highest(n.Capability) {
			continue
		}
		full := percentOf(numOf(n.CurrentUsage).add(numOf(n.Reserved)), numOf(*n.UsageLimit))
		for _, p := range c.policies {
			if p.EntityID != n.EntityID || p.Capability.ID != "" && p.Capability != n.Capability {
				continue
			}
			looked = append(looked, n)
			said := bursar.AdviceOK
			x := bursar.Degrade{EntityID: p.EntityID}
			for _, s := range p.Steps {
				if s.Level != "" {
					ruled[n.EntityID+" "+n.AssignmentID] = true
				}
				if full < int64(s.AtPercent) {
					continue
				}
				x.AtPercent = s.AtPercent
				if s.Level != "" {
					said = s.Level
				}
				if s.Model != "" {
					x.Model = s.Model
				} else if to := s.Models[model]; to != "" {
					x.Model = to
				}
				if s.MaxTokens != 0 {
					x.MaxTokens = s.MaxTokens
				}
				if s.NoTools {
					x.NoTools = true
				}
				if s.Message != "" {
					x.Message = s.Message
				}
			}
			if urgency[said] > urgency[level] {
				level = said
			}
			if x.AtPercent > 0 && (best == nil || best.AtPercent < x.AtPercent) {
				best = &x
			}
		}
	}
	return best, level, ruled, looked
}

// The driver and the generator of policies.

type putPolicies struct {
	Customer string
	In       []bursar.DegradePolicyInput
}

func (a putPolicies) run(w *world) string {
	got, v, err := w.engine.PutDegradePolicies(w.ctx, caller, a.Customer, a.In)
	want, f := w.model.putPolicies(a.Customer, a.In)
	if d := diffErr(err, f); d != "" || f != nil {
		return d
	}
	if len(got) != len(want) {
		return fmt.Sprintf("%d policies, model %d", len(got), len(want))
	}
	for i := range got {
		if d := first(w.bind("policies of "+a.Customer, got[i].ID, want[i].ID), diff(w.policy(got[i]), want[i])); d != "" {
			return fmt.Sprintf("policy %d: %s", i, d)
		}
	}
	return w.sawVersion(a.Customer, v)
}

func (w *world) policy(p bursar.DegradePolicy) bursar.DegradePolicy {
	p.ID = w.modelID(p.ID)
	return p
}

// deletePolicy names a policy by its place.
type deletePolicy struct {
	Customer string
	Ref      int
}

func (a deletePolicy) run(w *world) string {
	id := "l-unknown"
	if c := w.model.customers[a.Customer]; c != nil && a.Ref < len(c.policies) {
		id = c.policies[a.Ref].id
	}
	got, v, err := w.engine.DeleteDegradePolicy(w.ctx, caller, a.Customer, w.engineID(id))
	want, f := w.model.deletePolicy(a.Customer, id)
	if d := reply(w.policy(got), err, want, f); d != "" || f != nil {
		return d
	}
	return w.sawVersion(a.Customer, v)
}

type listPolicies struct{ Customer string }

func (a listPolicies) run(w *world) string {
	got, _, err := w.engine.DegradePolicies(w.ctx, w.fresh(a.Customer), a.Customer)
	want, f := w.model.listPolicies(a.Customer)
	got = slices.Clone(got)
	for i := range got {
		got[i] = w.policy(got[i])
	}
	return reply(got, err, want, f)
}

func genPutPolicies(g *gen) action {
	id := g.customer()
	c := g.known(id)
	a := putPolicies{Customer: id}
	for range 1 + g.r.IntN(2) {
		x := bursar.DegradePolicyInput{EntityID: g.live(c)}
		if rows := c.limits(); len(rows) > 0 && !chance(g.r, 5) {
			r := pick(g.r, rows)
			x.EntityID, x.Capability = r.entity, r.cap
		}
		if chance(g.r, 3) {
			x.Capability = bursar.Capability{}
		} else if x.Capability.ID == "" {
			x.Capability = g.capability()
		}
		at := 0
		for range 1 + g.r.IntN(3) {
			at += pick(g.r, []int{1, 5, 10, 30, 50, 60})
			x.Steps = append(x.Steps, g.step(at))
		}
		if chance(g.r, 30) {
			x.Steps[0].AtPercent = 200
		}
		if i := c.policy(x); i >= 0 && chance(g.r, 4) { // again
			x.Steps = c.policies[i].Steps
		}
		a.In = append(a.In, x)
	}
	return a
}

func (g *gen) step(at int) bursar.DegradeStep {
	s := bursar.DegradeStep{AtPercent: at, NoTools: chance(g.r, 3), Level: pick(g.r, []bursar.AdviceLevel{"", "", bursar.AdviceWindDown, bursar.AdviceStop})}
	switch g.r.IntN(4) {
	case 0:
		s.Model = "small"
	case 1:
		s.Models = maps.Clone(map[string]string{"x-1": "x-small", "m": "m-small"})
	}
	if chance(g.r, 3) {
		s.MaxTokens = 1 + g.r.Int64N(1000)
	}
	if chance(g.r, 4) {
		s.Message = "be brief"
	}
	return s
}

func genDeletePolicy(g *gen) action {
	id := g.customer()
	return deletePolicy{id, g.r.IntN(len(g.known(id).policies) + 1 + chance1(g.r, 10))}
}

func genListPolicies(g *gen) action { return listPolicies{g.customer()} }
