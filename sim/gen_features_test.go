package sim

import (
	"slices"
	"testing"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
)

// simFeature is a feature as it is from the beginning.
type simFeature struct {
	name      string
	meterType string
	meter     *bursar.Meter
}

const (
	grows  = "INCREMENTAL"
	varies = "FLUCTUATING"
)

// features are all that there are, those that are used most first. What is used of them and
// which events are sent follows from this list: a feature that is added here is met.
var features = []simFeature{
	{"tokens", grows, nil},
	{"images", varies, nil},
	{"seconds", grows, nil},
	{"seats", varies, nil},
	{"counted", grows, meterOf("call", "COUNT", "")},
	{"gauge", varies, nil},
	{"summed", grows, meterOf("llm", "SUM", "n")},
	{"people", grows, meterOf("seen", "UNIQUE", "who")},
	{"peak", grows, meterOf("peak", "MAX", "n")},
	{"late", grows, nil},
	{"flow", varies, meterOf("llm", "SUM", "n",
		[]bursar.MeterCondition{where("status", "EQUALS", "ok"), where("n", "GREATER_THAN", "2")},
		[]bursar.MeterCondition{{Field: "model", Operation: "IN", Values: []string{"small", "x-1"}}, where("eventName", "STARTS_WITH", "l")})},
	{"prompt", grows, meterOf("ask", "SUM", "tokens.input")},
	{"reply", grows, meterOf("ask", "SUM", "tokens.output")},
	{"thought", grows, meterOf("ask", "SUM", "tokens.reasoning")},
	{"spoken", grows, meterOf("ask", "SUM", "tokens.output_audio")},
	{"bad", grows, meterOf("call", "COUNT", "",
		[]bursar.MeterCondition{where("status", "NOT_EQUALS", "ok"), {Field: "model", Operation: "IS_NOT_NULL"}},
		[]bursar.MeterCondition{where("status", "CONTAINS", "v1"), where("n", "LESS_THAN_OR_EQUAL", "7.50")})},
}

func meterOf(event, function, field string, filters ...[]bursar.MeterCondition) *bursar.Meter {
	m := &bursar.Meter{EventName: event, Aggregation: bursar.Aggregation{Function: function, Field: field}}
	for _, f := range filters {
		m.Filters = append(m.Filters, bursar.MeterFilter{Conditions: f})
	}
	return m
}

func where(field, operation, value string) bursar.MeterCondition {
	return bursar.MeterCondition{Field: field, Operation: operation, Value: &value}
}

// eventNames are those that the meters count, each as often as meters do.
var eventNames = eventsOf(features)

func namesOf(features []simFeature) (names []string) {
	for _, f := range features {
		names = append(names, f.name)
	}
	return names
}

func eventsOf(features []simFeature) (names []string) {
	for _, f := range features {
		if f.meter != nil {
			names = append(names, f.meter.EventName)
		}
	}
	slices.Sort(names)
	return names
}

func newFeature(id string) bursar.Feature {
	f := features[slices.Index(featureNames, id)]
	return bursar.Feature{
		ID: id, DisplayName: "The " + id, FeatureType: "NUMBER", MeterType: f.meterType, FeatureStatus: "ACTIVE",
		Metadata: map[string]string{}, Meter: f.meter,
	}
}

// The model is held to every function of a meter that there is.
func TestEveryFunctionIsMet(t *testing.T) {
	for _, function := range catalogue.Functions {
		if !slices.ContainsFunc(features, func(f simFeature) bool { return f.meter != nil && f.meter.Aggregation.Function == function }) {
			t.Errorf("no feature has a meter that takes the %s: add one to features", function)
		}
	}
}
