package httpapi

import (
	"strconv"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
)

// degradePolicyOut is how to go on as an entity's limits fill up.
type degradePolicyOut struct {
	ID         string           `json:"id"`
	EntityID   string           `json:"entityId" doc:"Whose limits it looks at. What it says is for what this entity does, and all below it."`
	FeatureID  *string          `json:"featureId,omitzero" doc:"Of the limits that it looks at; with neither this nor currencyId: all."`
	CurrencyID *string          `json:"currencyId,omitzero"`
	Steps      []degradeStepOut `json:"steps" doc:"In order of atPercent. What a step does not say is as the steps before say."`
	CreatedAt  bursar.Time      `json:"createdAt"`
	UpdatedAt  bursar.Time      `json:"updatedAt"`
}

type degradeStepOut struct {
	AtPercent int                 `json:"atPercent" doc:"From this percentage of a limit on, used and held."`
	Level     *bursar.AdviceLevel `json:"level,omitzero" is:"enum=wind_down|stop" doc:"What is advised from here on."`
	Model     *string             `json:"model,omitzero" doc:"The model to call in the place of any, 1 to 255 bytes. It suits callers of one provider."`
	Models    map[string]string   `json:"models,omitempty" doc:"For each model the one to call instead."`
	MaxTokens *int64              `json:"maxTokens,omitzero" doc:"The most tokens of output to ask for."`
	Tools     *bool               `json:"tools,omitzero" doc:"false: call without tools."`
	Message   *string             `json:"message,omitzero" doc:"For whoever goes on."`
}

func viewDegradePolicy(p bursar.DegradePolicy) degradePolicyOut {
	out := degradePolicyOut{ID: p.ID, EntityID: p.EntityID, CreatedAt: p.CreatedAt, UpdatedAt: p.UpdatedAt, Steps: make([]degradeStepOut, len(p.Steps))}
	if p.Capability.ID != "" {
		out.FeatureID, out.CurrencyID = capabilityIDs(p.Capability)
	}
	for i := range p.Steps {
		s := &p.Steps[i]
		step := degradeStepOut{AtPercent: s.AtPercent, Model: orNil(&s.Model), Models: s.Models, Message: orNil(&s.Message)}
		if s.Level != "" {
			step.Level = &s.Level
		}
		if s.MaxTokens != 0 {
			step.MaxTokens = &s.MaxTokens
		}
		if s.NoTools {
			step.Tools = new(false)
		}
		out.Steps[i] = step
	}
	return out
}

type degradePolicyIn struct {
	EntityID   string          `json:"entityId" is:"required,entityId" doc:"Whose limits it looks at. What it says is for what this entity does, and all below it."`
	FeatureID  *string         `json:"featureId" is:"id" doc:"Of the limits that it looks at; with neither this nor currencyId: all."`
	CurrencyID *string         `json:"currencyId" is:"id"`
	Steps      []degradeStepIn `json:"steps" is:"required,n=1-10" doc:"In order of atPercent. What a step does not say is as the steps before say."`
}

type degradeStepIn struct {
	AtPercent int                 `json:"atPercent" is:"required,n=1-1000" doc:"From this percentage of a limit on, used and held."`
	Level     *bursar.AdviceLevel `json:"level" is:"enum=wind_down|stop" doc:"What is advised from here on. On limits that a policy with levels looks at, its steps stand in the place of 80 and 95 percent."`
	Model     *string             `json:"model" is:"len=1-255" doc:"The model to call in the place of any, 1 to 255 bytes. It suits callers of one provider."`
	Models    map[string]string   `json:"models" doc:"In the place of model: for each model the one to call instead. At most 50, each of 1 to 255 bytes."`
	MaxTokens *int64              `json:"maxTokens" is:"n=1-1000000000" doc:"The most tokens of output to ask for."`
	Tools     *bool               `json:"tools" doc:"false: call without tools. Leave it out where they may be used."`
	Message   *string             `json:"message" is:"len=1-500" doc:"For whoever goes on, such as a prompt of an agent."`
}

type degradePoliciesIn struct {
	customerPath
	Policies []degradePolicyIn `json:"policies" is:"required,n=1-100"`
}

func (a *API) putDegradePolicies(c call, in *degradePoliciesIn) ([]bursar.DegradePolicy, uint64, error) {
	var problems bursar.Problems
	inputs := make([]bursar.DegradePolicyInput, len(in.Policies))
	for i := range in.Policies {
		x, at := &in.Policies[i], "/policies/"+strconv.Itoa(i)
		inputs[i].EntityID = x.EntityID
		if x.FeatureID != nil || x.CurrencyID != nil {
			var ok bool
			if inputs[i].Capability, ok = capability(orZero(x.FeatureID), orZero(x.CurrencyID)); !ok {
				problems.Add(at, bursar.CodeValidationFailed, "give featureId, currencyId or neither: a policy looks at limits of one, or at all")
			}
		}
		for j := range x.Steps {
			s := &x.Steps[j]
			if orZero(s.Tools) {
				problems.Add(at+"/steps/"+strconv.Itoa(j)+"/tools", bursar.CodeValidationFailed, "can be false alone: leave it out where tools may be used")
			}
			inputs[i].Steps = append(inputs[i].Steps, bursar.DegradeStep{AtPercent: s.AtPercent, Level: orZero(s.Level), Model: orZero(s.Model), Models: s.Models,
				MaxTokens: orZero(s.MaxTokens), NoTools: s.Tools != nil, Message: orZero(s.Message)})
		}
	}
	if err := problems.Err(); err != nil {
		return nil, 0, err
	}
	return a.engine.PutDegradePolicies(c.ctx, c.by, in.CustomerID, inputs)
}

type degradePolicyList struct {
	customerPath
	paging
	freshness
}

func degradePolicyAt(p *bursar.DegradePolicy) ledger.ListPos { return ledger.ListPos{ID: p.ID} } // which grows with time

func (a *API) listDegradePolicies(c call, in *degradePolicyList) ([]*bursar.DegradePolicy, uint64, error) {
	got, version, err := a.engine.DegradePolicies(c.ctx, c.options(), in.CustomerID)
	return pointersTo(got), version, err
}

type degradePolicyEnd struct {
	customerPath
	DegradePolicyID string `path:"degradePolicyId"`
}

func (a *API) deleteDegradePolicy(c call, in *degradePolicyEnd) (bursar.DegradePolicy, uint64, error) {
	return a.engine.DeleteDegradePolicy(c.ctx, c.by, in.CustomerID, in.DegradePolicyID)
}
