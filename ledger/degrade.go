package ledger

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// A degrade policy of an entity looks at that entity's own limits, in what is used and held of
// them, and says how to go on. advise asks the policies of a path; nothing else does.

// degradesOf are the policies of an entity, by creation.
func (v *View) degradesOf(ent uint32) []*record.DegradePolicy {
	if list, ok := v.dgrs[ent]; ok {
		return list
	}
	return v.degrades[ent]
}

func (v *View) noDegrades() bool { return len(v.degrades)+len(v.dgrs) == 0 }

func (v *View) applyDegrade(p *record.DegradePolicy) {
	list := slices.Clone(v.degradesOf(p.Ent))
	i := slices.IndexFunc(list, func(x *record.DegradePolicy) bool { return x.Cap == p.Cap })
	if i < 0 {
		list = append(list, p)
	} else {
		list[i] = p
	}
	put(v, &v.dgrs, p.Ent, list)
}

func (v *View) applyDegradeEnd(r *record.DegradeDeleted) {
	list := slices.DeleteFunc(slices.Clone(v.degradesOf(r.Ent)), func(x *record.DegradePolicy) bool { return x.Cap == r.Cap })
	if len(list) == 0 {
		list = nil
	}
	put(v, &v.dgrs, r.Ent, list)
}

func (v *View) mergeDegrades() {
	for ent, list := range v.dgrs {
		v.State.degradeBytes += memoryOfPolicies(list) - memoryOfPolicies(v.State.degrades[ent])
		if list == nil {
			delete(v.State.degrades, ent)
		} else {
			v.State.degrades[ent] = list
		}
		v.Dirty.part(partDegrade, ent, list)
	}
}

// degradeRecords are the records that make the policies of an entity.
func degradeRecords(list []*record.DegradePolicy) (recs []record.Record) {
	for _, p := range list {
		recs = append(recs, &record.DegradePut{Policy: *p})
	}
	return recs
}

func (s *State) restoreDegrades(ent uint32, p *store.PartRow) error {
	recs, err := readRecords(p)
	if err != nil {
		return err
	}
	for _, r := range recs {
		x, ok := r.(*record.DegradePut)
		if !ok || x.Policy.Ent != ent {
			return fmt.Errorf("checkpoint: degrade policies: a record of kind %d", r.Kind())
		}
		s.degrades[ent] = append(s.degrades[ent], &x.Policy)
	}
	s.degradeBytes += memoryOfPolicies(s.degrades[ent])
	return nil
}

// soundDegrades is an error when a policy names what is not there.
func (s *State) soundDegrades(isEntity, isCap func(uint32) bool) error {
	for ent, list := range s.degrades {
		for _, p := range list {
			if ent == 0 || !isEntity(ent) || p.Ent != ent || p.Cap != 0 && !isCap(p.Cap) {
				return fmt.Errorf("the degrade policy %s names what is not there", store.FormatID(p.ID))
			}
		}
	}
	return nil
}

// memoryOfPolicies is about how many bytes they take.
func memoryOfPolicies(list []*record.DegradePolicy) (n int64) {
	for _, p := range list {
		n += 500 + sizeOfSteps(p.Steps)
	}
	return n
}

// sizeOfSteps is how many bytes of text steps have, with what each step and model takes.
func sizeOfSteps(steps []bursar.DegradeStep) (n int64) {
	for i := range steps {
		s := &steps[i]
		n += 150 + int64(len(s.Model)+len(s.Message))
		for of, to := range s.Models {
			n += 60 + int64(len(of)+len(to))
		}
	}
	return n
}

// policyCount is how many policies there are, whoever may see them.
func (v *View) policyCount() (n int) {
	for ent, list := range v.degrades {
		if _, changed := v.dgrs[ent]; !changed {
			n += len(list)
		}
	}
	for _, list := range v.dgrs {
		n += len(list)
	}
	return n
}

// policies are all that are seen, in order of creation.
func (v *View) policies() (out []*record.DegradePolicy) {
	see := func(ent uint32) {
		if v.Sees(ent) {
			out = append(out, v.degradesOf(ent)...)
		}
	}
	for ent := range v.degrades {
		see(ent)
	}
	for ent := range v.dgrs {
		if v.degrades[ent] == nil {
			see(ent)
		}
	}
	slices.SortFunc(out, func(a, b *record.DegradePolicy) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	return out
}

// DegradePolicies are all that are seen, in order of creation.
func (v *View) DegradePolicies() []bursar.DegradePolicy {
	out := []bursar.DegradePolicy{}
	for _, p := range v.policies() {
		out = append(out, v.degradeOut(p))
	}
	return out
}

func (v *View) degradeOut(p *record.DegradePolicy) bursar.DegradePolicy {
	out := bursar.DegradePolicy{ID: store.FormatID(p.ID), EntityID: v.Ent(p.Ent).ID, Steps: p.Steps, CreatedAt: p.Created, UpdatedAt: p.Updated}
	if p.Cap != 0 {
		out.Capability = v.Capability(p.Cap)
	}
	return out
}

// PutDegrades makes degrade policies. One that there is already, of the same entity and capability,
// gets other steps.
type PutDegrades struct {
	Caller catalogue.Caller
	In     []bursar.DegradePolicyInput
}

func (o *PutDegrades) Size() int { return len(o.In) }

func (o *PutDegrades) Decide(d *Decider) (any, error) {
	if err := d.writable(); err != nil {
		return nil, err
	}
	var p bursar.Problems
	met := map[[16]byte]bool{}
	out := make([]bursar.DegradePolicy, 0, len(o.In))
	for i := range o.In {
		at := fmt.Sprintf("/policies/%d", i)
		x := d.putDegrade(&o.Caller, &o.In[i], at, &p)
		if x == nil {
			continue
		}
		if met[x.ID] {
			p.Add(at, bursar.CodeValidationFailed, "this request has the same policy (entity and capability) twice")
		}
		met[x.ID] = true
		out = append(out, d.degradeOut(x))
	}
	return out, p.Err()
}

// putDegrade writes one policy, or adds to p what is wrong with it and gives nil.
func (d *Decider) putDegrade(caller *catalogue.Caller, in *bursar.DegradePolicyInput, at string, p *bursar.Problems) *record.DegradePolicy {
	n := len(p.Fields())
	x := record.DegradePolicy{Ent: d.EntOrd(in.EntityID), Created: d.Now.Milli(), Updated: d.Now.Milli(), Steps: in.Steps}
	switch {
	case x.Ent == 0:
		p.Add(at+"/entityId", bursar.CodeEntityNotFound, "%s", d.noEntity(in.EntityID))
	case d.Ent(x.Ent).Archived != 0:
		p.Add(at+"/entityId", bursar.CodeValidationFailed, "the entity %q is archived", in.EntityID)
	}
	var old *record.DegradePolicy
	if cap := d.CapOrd(in.Capability); x.Ent != 0 && (cap != 0 || in.Capability.ID == "") {
		list := d.degradesOf(x.Ent)
		if i := slices.IndexFunc(list, func(y *record.DegradePolicy) bool { return y.Cap == cap }); i >= 0 {
			old = list[i]
		}
	}
	if in.Capability.ID != "" {
		d.capabilityOK(in.Capability, old != nil, at, p)
	}
	checkSteps(in.Steps, at+"/steps", p)
	if len(p.Fields()) == n && old == nil && d.policyCount() >= bursar.MaxDegradePolicies {
		p.Add(at, bursar.CodeTooManyLimits, "a customer has at most %d degrade policies: delete one", bursar.MaxDegradePolicies)
	}
	if len(p.Fields()) != n {
		return nil
	}
	if old != nil && slices.EqualFunc(old.Steps, in.Steps, bursar.DegradeStep.Equal) {
		return old
	}
	action, before := "degrade_policy.created", any(nil)
	if in.Capability.ID != "" {
		x.Cap = d.CapFor(in.Capability)
	}
	if old == nil {
		x.ID = d.NextID()
	} else {
		x.ID, x.Created, action, before = old.ID, old.Created, "degrade_policy.updated", degradeAudit(d.degradeOut(old))
	}
	d.Emit(&record.DegradePut{Policy: x})
	d.audit(caller, action, "degrade_policy", store.FormatID(x.ID), in.EntityID, before, degradeAudit(d.degradeOut(&x)))
	return &x
}

// checkSteps adds to p what is wrong with the steps of a policy.
func checkSteps(steps []bursar.DegradeStep, at string, p *bursar.Problems) {
	if len(steps) == 0 || len(steps) > bursar.MaxDegradeSteps {
		p.Add(at, bursar.CodeValidationFailed, "a policy has 1 to %d steps", bursar.MaxDegradeSteps)
		return
	}
	if n := sizeOfSteps(steps); n > bursar.MaxDegradeBytes {
		p.Add(at, bursar.CodeValidationFailed, "the steps of a policy have at most %d bytes, these %d (150 each, 60 for each of models, and their texts): name fewer models", bursar.MaxDegradeBytes, n)
		return
	}
	before := 0
	for i := range steps {
		s, at := &steps[i], fmt.Sprintf("%s/%d", at, i)
		if s.AtPercent < 1 || s.AtPercent > 1000 {
			p.Add(at+"/atPercent", bursar.CodeValidationFailed, "must be 1 to 1000")
		} else if s.AtPercent <= before {
			p.Add(at+"/atPercent", bursar.CodeValidationFailed, "must be above that of the step before, which is %d", before)
		}
		before = max(before, s.AtPercent)
		if s.Level == "" && s.Model == "" && len(s.Models) == 0 && s.MaxTokens == 0 && !s.NoTools && s.Message == "" {
			p.Add(at, bursar.CodeValidationFailed, "say what the step does: level, model, models, maxTokens, tools or message")
		}
		if s.Level != "" && s.Level != bursar.AdviceWindDown && s.Level != bursar.AdviceStop {
			p.Add(at+"/level", bursar.CodeValidationFailed, "must be wind_down or stop")
		}
		if s.Model != "" && len(s.Models) > 0 {
			p.Add(at+"/models", bursar.CodeValidationFailed, "give model, which is for every model, or models, which says for which: not both")
		}
		if s.MaxTokens < 0 || s.MaxTokens > bursar.MaxDegradeTokens {
			p.Add(at+"/maxTokens", bursar.CodeValidationFailed, "must be 1 to %d", bursar.MaxDegradeTokens)
		}
		if err := bursar.CheckText(s.Message, bursar.MaxDegradeMessageLen); s.Message != "" && err != nil {
			p.Add(at+"/message", bursar.CodeValidationFailed, "%v", err)
		}
		checkModels(s, at, p)
	}
}

func checkModels(s *bursar.DegradeStep, at string, p *bursar.Problems) {
	if err := checkModel(s.Model); s.Model != "" && err != nil {
		p.Add(at+"/model", bursar.CodeValidationFailed, "%v", err)
	}
	if len(s.Models) > bursar.MaxDegradeModels {
		p.Add(at+"/models", bursar.CodeValidationFailed, "a step is for at most %d models", bursar.MaxDegradeModels)
		return
	}
	for _, of := range record.SortedKeys(s.Models) {
		for _, name := range []string{of, s.Models[of]} {
			if err := checkModel(name); err != nil {
				p.Add(at+"/models/"+catalogue.EscapePointer(of), bursar.CodeValidationFailed, "%v", err)
				break
			}
		}
	}
}

// checkModel tells whether name may be a model's. It is sent in headers, too.
func checkModel(name string) error {
	if name == "" || len(name) > bursar.MaxModelLen || strings.ContainsFunc(name, unicode.IsControl) {
		return fmt.Errorf("a model has a name of 1 to %d bytes, without control characters", bursar.MaxModelLen)
	}
	return nil
}

// DeleteDegrade takes a degrade policy away.
type DeleteDegrade struct {
	Caller catalogue.Caller
	ID     string
}

func (o *DeleteDegrade) Decide(d *Decider) (any, error) {
	if err := d.writable(); err != nil {
		return nil, err
	}
	id, ok := store.ParseID(o.ID)
	for _, p := range d.policies() {
		if ok && p.ID == id {
			out := d.degradeOut(p)
			d.Emit(&record.DegradeDeleted{Ent: p.Ent, Cap: p.Cap})
			d.audit(&o.Caller, "degrade_policy.deleted", "degrade_policy", out.ID, out.EntityID, degradeAudit(out), nil)
			return out, nil
		}
	}
	return nil, bursar.Errorf(bursar.CodeDegradePolicyNotFound, "there is no degrade policy %.64q", o.ID)
}

// degradeAudit is how the audit listing shows a policy.
func degradeAudit(p bursar.DegradePolicy) map[string]any {
	steps := make([]map[string]any, len(p.Steps))
	for i, s := range p.Steps {
		m := map[string]any{"atPercent": s.AtPercent}
		if s.Level != "" {
			m["level"] = s.Level
		}
		if s.Model != "" {
			m["model"] = s.Model
		}
		if len(s.Models) > 0 {
			m["models"] = s.Models
		}
		if s.MaxTokens != 0 {
			m["maxTokens"] = s.MaxTokens
		}
		if s.NoTools {
			m["tools"] = false
		}
		if s.Message != "" {
			m["message"] = s.Message
		}
		steps[i] = m
	}
	m := map[string]any{"entityId": p.EntityID, "steps": steps}
	switch p.Capability.Kind {
	case bursar.KindFeature:
		m["featureId"] = p.Capability.ID
	case bursar.KindCurrency:
		m["currencyId"] = p.Capability.ID
	}
	return m
}
