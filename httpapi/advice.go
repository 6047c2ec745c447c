package httpapi

import (
	"strconv"

	"github.com/bursarhq/bursar"
)

// adviceOut is how to go on.
type adviceOut struct {
	Level       bursar.AdviceLevel `json:"level" is:"enum=ok|wind_down|stop" doc:"ok: go on. wind_down: begin nothing new. stop: end now. It denies nothing."`
	Left        bursar.Amount      `json:"left" doc:"What the limit still lets through."`
	UsedPercent int64              `json:"usedPercent" doc:"What is used and held of the limit, in percent, rounded down; at most 1000000."`
	Limit       adviceLimitOut     `json:"limit" doc:"The limit that it is by."`
	Degrade     *degradeOut        `json:"degrade,omitempty" doc:"What the request is to be changed to, by the furthest step of a degrade policy on its path; absent where none was reached."`
}

type degradeOut struct {
	EntityID  string  `json:"entityId" doc:"Whose policy says so."`
	AtPercent int     `json:"atPercent" doc:"Of the step."`
	Model     *string `json:"model,omitzero" doc:"The model to call; absent: as it is."`
	MaxTokens *int64  `json:"maxTokens,omitzero" doc:"The most tokens of output to ask for; absent: as it is."`
	Tools     *bool   `json:"tools,omitzero" doc:"false: call without tools; absent: as it is."`
	Message   *string `json:"message,omitzero" doc:"For whoever goes on."`
}

// adviceLimitOut names the limit that an advice is by, as a binding does.
type adviceLimitOut struct {
	Source       bursar.BindingSource `json:"source" is:"enum=ENTITY|CUSTOMER|CREDITS"`
	AssignmentID *string              `json:"assignmentId,omitzero"`
	EntityID     *string              `json:"entityId"`
	FeatureID    *string              `json:"featureId,omitzero"`
	CurrencyID   *string              `json:"currencyId,omitzero"`
	Label        *string              `json:"label,omitzero"`
	UsageLimit   bursar.Amount        `json:"usageLimit"`
	ResetsAt     *bursar.Time         `json:"resetsAt"`
}

func viewAdvice(a *bursar.Advice) *adviceOut {
	if a.Level == "" {
		return nil
	}
	l := &a.Limit
	out := &adviceOut{Level: a.Level, Left: a.Left, UsedPercent: a.UsedPercent,
		Limit: adviceLimitOut{Source: l.Source, UsageLimit: l.UsageLimit, ResetsAt: timeOrNil(l.ResetsAt)}}
	if l.Source == bursar.BindingEntity {
		out.Limit.AssignmentID, out.Limit.EntityID, out.Limit.Label = &l.AssignmentID, &l.EntityID, &l.Label
	}
	out.Limit.FeatureID, out.Limit.CurrencyID = capabilityIDs(l.Capability)
	if x := a.Degrade; x != nil {
		out.Degrade = &degradeOut{EntityID: x.EntityID, AtPercent: x.AtPercent, Model: orNil(&x.Model), Message: orNil(&x.Message)}
		if x.MaxTokens != 0 {
			out.Degrade.MaxTokens = &x.MaxTokens
		}
		if x.NoTools {
			out.Degrade.Tools = new(false)
		}
	}
	return out
}

// appendAdvice appends the advice as a member, as viewAdvice shows it.
func appendAdvice(b []byte, a *bursar.Advice) []byte {
	if a.Level == "" {
		return append(b, `,"advice":null`...)
	}
	l := &a.Limit
	b = append(append(b, `,"advice":{"level":"`...), a.Level...)
	b = a.Left.AppendTo(append(b, `","left":`...))
	b = strconv.AppendInt(append(b, `,"usedPercent":`...), a.UsedPercent, 10)
	b = append(append(b, `,"limit":{"source":"`...), l.Source...)
	if l.Source == bursar.BindingEntity {
		b = appendID(append(b, `","assignmentId":`...), l.AssignmentID)
		b = appendID(append(b, `,"entityId":`...), l.EntityID)
		b = appendCapability(b, l.Capability)
		b = appendID(append(b, `,"label":`...), l.Label)
	} else {
		b = appendCapability(append(b, `","entityId":null`...), l.Capability)
	}
	b = l.UsageLimit.AppendTo(append(b, `,"usageLimit":`...))
	b = append(appendTimeOrNull(append(b, `,"resetsAt":`...), l.ResetsAt), '}')
	return append(appendDegrade(b, a.Degrade), '}')
}

// appendDegrade appends what a policy says as a member where one says something.
func appendDegrade(b []byte, x *bursar.Degrade) []byte {
	if x == nil {
		return b
	}
	b = appendID(append(b, `,"degrade":{"entityId":`...), x.EntityID)
	b = strconv.AppendInt(append(b, `,"atPercent":`...), int64(x.AtPercent), 10)
	if x.Model != "" {
		b = appendString(append(b, `,"model":`...), x.Model)
	}
	if x.MaxTokens != 0 {
		b = strconv.AppendInt(append(b, `,"maxTokens":`...), x.MaxTokens, 10)
	}
	if x.NoTools {
		b = append(b, `,"tools":false`...)
	}
	if x.Message != "" {
		b = appendString(append(b, `,"message":`...), x.Message)
	}
	return append(b, '}')
}
