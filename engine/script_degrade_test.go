package engine_test

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
)

// policyOf is the capability that an item names after its entity; zero = all.
func policyOf(it *item) (c bursar.Capability) {
	if len(it.words) > 1 {
		c = capability(it.word(1))
	}
	return c
}

// opDegrade reads "ENTITY [capability] ; PERCENT [level=] [model=] [of=] [tokens=] [no-tools] [message=] ; …".
func (w *world) opDegrade(o *op) error {
	first := o.items[0]
	in := bursar.DegradePolicyInput{EntityID: first.word(0), Capability: policyOf(first)}
	for _, it := range o.items[1:] {
		s := bursar.DegradeStep{NoTools: it.flag("no-tools"), AtPercent: it.number(it.word(0), 0), Level: bursar.AdviceLevel(it.pairs["level"]), Message: it.pairs["message"],
			MaxTokens: int64(it.number(it.pairs["tokens"], 0)), Model: it.pairs["model"]}
		if of := it.pairs["of"]; of != "" {
			s.Models, s.Model = map[string]string{of: s.Model}, ""
		}
		in.Steps = append(in.Steps, s)
	}
	_, _, err := w.engine.PutDegradePolicies(w.t.Context(), tester, "acme", []bursar.DegradePolicyInput{in})
	return err
}

func (w *world) opPolicies(*op) error {
	list, _, err := w.engine.DegradePolicies(w.t.Context(), ledger.ReadOptions{}, "acme")
	for _, p := range list {
		of := "all"
		if p.Capability.ID != "" {
			of = p.Capability.ID
		}
		w.printf("%s %s:", p.EntityID, of)
		for _, s := range p.Steps {
			w.printf(" %d", s.AtPercent)
		}
		w.printf("\n")
	}
	return err
}

func (w *world) opDropPolicy(o *op) error {
	list, _, err := w.engine.DegradePolicies(w.t.Context(), ledger.ReadOptions{}, "acme")
	it := o.item()
	i := slices.IndexFunc(list, func(p bursar.DegradePolicy) bool { return p.EntityID == it.word(0) && p.Capability == policyOf(it) })
	id := "none"
	if i >= 0 {
		id = list[i].ID
	}
	if err == nil {
		_, _, err = w.engine.DeleteDegradePolicy(w.t.Context(), tester, "acme", id)
	}
	return err
}

// opAdvise is a check that shows the advice alone.
func (w *world) opAdvise(o *op) error {
	it := o.item()
	d, _, err := w.engine.Check(w.t.Context(), ledger.ReadOptions{}, "acme", []ledger.CheckInput{{Capability: capability(it.word(0)), Requested: it.amount(1), Dimensions: it.dims()}})
	if err == nil {
		w.printf("%s\n", adviceText(&d[0].Advice))
	}
	return err
}

func adviceText(a *bursar.Advice) string {
	if a.Level == "" {
		return "no advice"
	}
	s := fmt.Sprintf("%s: %s left, %d %% used of %s of %s", a.Level, a.Left, a.UsedPercent, a.Limit.Capability.ID, cmp.Or(a.Limit.EntityID, string(a.Limit.Source)))
	if x := a.Degrade; x != nil {
		s += fmt.Sprintf("; %s at %d %%: model %s, tokens %d, tools %v, %q", x.EntityID, x.AtPercent, cmp.Or(x.Model, "as it is"), x.MaxTokens, !x.NoTools, x.Message)
	}
	return s
}
