package catalogue

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/record"
)

var meterOperations = []string{"EQUALS", "NOT_EQUALS", "GREATER_THAN", "GREATER_THAN_OR_EQUAL", "LESS_THAN", "LESS_THAN_OR_EQUAL",
	"IS_NULL", "IS_NOT_NULL", "CONTAINS", "STARTS_WITH", "ENDS_WITH", "IN"}

// Functions are what a meter may make of events.
var Functions = []string{"COUNT", "SUM", "MAX", "UNIQUE"}

// checkMeter adds to p what is wrong with a meter, and gives the meter that is kept, which says
// its event's name in one place. was is the meter that it replaces; nil = none.
func checkMeter(in, was *bursar.Meter, p *bursar.Problems) *bursar.Meter {
	m := *in
	if m.Filters == nil {
		m.Filters = []bursar.MeterFilter{}
	}
	switch fn := m.Aggregation.Function; {
	case !slices.Contains(Functions, fn):
		p.Add("/meter/aggregation/function", bursar.CodeValidationFailed, "%.32q is not one of %s", fn, strings.Join(Functions, ", "))
	case fn != "COUNT" && m.Aggregation.Field == "":
		p.Add("/meter/aggregation/field", bursar.CodeValidationFailed, "%s takes a field", fn)
	}
	checkKind(m.Aggregation.Field, was, p)
	for i, f := range m.Filters {
		for j, c := range f.Conditions {
			at := fmt.Sprintf("/meter/filters/%d/conditions/%d", i, j)
			if c.Field == "" {
				p.Add(at+"/field", bursar.CodeValidationFailed, "a condition names a field")
			}
			if !slices.Contains(meterOperations, c.Operation) {
				p.Add(at+"/operation", bursar.CodeValidationFailed, "%.32q is not one of %s", c.Operation, strings.Join(meterOperations, ", "))
			}
			checkOperand(at, &c, p)
			if c.Field == eventNameField && c.Operation == "EQUALS" && c.Value != nil {
				if m.EventName == "" {
					m.EventName = *c.Value
				}
				if m.EventName != *c.Value {
					p.Add(at+"/value", bursar.CodeValidationFailed, "a meter counts one event, here %q; make another feature for %q", m.EventName, *c.Value)
				}
			}
		}
	}
	if err := bursar.CheckName(m.EventName); err != nil {
		p.Add("/meter/eventName", bursar.CodeValidationFailed, "a meter names the event it counts: the name %v", err)
	}
	return &m
}

// checkKind adds to p that a meter reads a kind of tokens that does not exist, as it would silently
// count nothing. A meter that reads such a kind already may go on with it.
func checkKind(field string, was *bursar.Meter, p *bursar.Problems) {
	if !strings.HasPrefix(field, "tokens.") || bursar.IsTokenKind(field) || was != nil && was.Aggregation.Field == field {
		return
	}
	hint := "the kinds are " + strings.Join(bursar.TokenKinds(), ", ")
	if near := bursar.Nearest(field, slices.Values(bursar.TokenKinds())); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	if field == "tokens.total" {
		hint = "a token is of one kind alone: give each kind a feature, and limit what they cost together in a currency; " +
			"or send the total as a property of your own, such as total_tokens, and sum that up"
	}
	p.Add("/meter/aggregation/field", bursar.CodeValidationFailed, "there is no kind of tokens %.64q; %s", field, hint)
}

// checkOperand adds to p what a condition lacks to be compared with.
func checkOperand(at string, c *bursar.MeterCondition, p *bursar.Problems) {
	switch c.Operation {
	case "IS_NULL", "IS_NOT_NULL":
	case "IN":
		if len(c.Values) == 0 {
			p.Add(at+"/values", bursar.CodeValidationFailed, "IN takes values")
		}
	default:
		if c.Value == nil {
			p.Add(at+"/value", bursar.CodeValidationFailed, "%.32s takes a value", c.Operation)
		} else if _, err := bursar.ParseAmount([]byte(*c.Value)); err != nil && strings.Contains(c.Operation, "_THAN") {
			p.Add(at+"/value", bursar.CodeValidationFailed, "%.32s compares numbers; %.32q is none", c.Operation, *c.Value)
		}
	}
}

// indexMeters finds the live features that an event feeds, in order of their ids.
func indexMeters(features map[string]*bursar.Feature) map[string][]*bursar.Feature {
	out := map[string][]*bursar.Feature{}
	for _, id := range record.SortedKeys(features) {
		if f := features[id]; f.Meter != nil && f.ArchivedAt == nil {
			out[f.Meter.EventName] = append(out[f.Meter.EventName], f)
		}
	}
	return out
}

// Summing tells whether the usage of a meter adds up, so that it can be priced, consumed and
// reserved.
func Summing(m *bursar.Meter) bool {
	return m.Aggregation.Function != "MAX" && m.Aggregation.Function != "UNIQUE"
}

// Highest tells whether what is used of a capability is the highest value of a MAX.
func (c *Catalogue) Highest(x bursar.Capability) bool {
	f := c.FeatureOf[x.ID]
	return x.Kind == bursar.KindFeature && f != nil && f.Meter != nil && f.Meter.Aggregation.Function == "MAX"
}
