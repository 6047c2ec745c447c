package bursar

import "maps"

// Bounds of degrade policies.
const (
	MaxDegradePolicies   = 200 // of a customer
	MaxDegradeSteps      = 10  // of a policy
	MaxDegradeModels     = 50  // of a step
	MaxModelLen          = 255 // bytes
	MaxDegradeMessageLen = 500 // characters
	MaxDegradeTokens     = 1_000_000_000
	MaxDegradeBytes      = 16 << 10 // of the steps of a policy: 150 each, 60 for each of models, and their texts
)

// ModelKey is the dimension that says which model is called. It is not who calls: it may name an entity
// that no token pins.
const ModelKey = "model"

// DegradePolicy says what becomes of what an entity does, and of what is done below it, as its own
// limits fill up. It denies nothing: who is told does it, such as the gateway. An entity has one for
// each capability, and one for all.
type DegradePolicy struct {
	ID         string
	EntityID   string
	Capability Capability // of the limits that it looks at; zero = all
	Steps      []DegradeStep
	CreatedAt  Time
	UpdatedAt  Time
}

// DegradeStep says what holds from a percentage on. What it does not say is as the steps before say.
type DegradeStep struct {
	AtPercent int         // used and held, of a limit that the policy looks at
	Level     AdviceLevel // AdviceWindDown or AdviceStop; "" = it does not say
	Model     string      // in the place of any; "" = it does not say, or Models does
	Models    map[string]string
	MaxTokens int64 // of output; 0 = it does not say
	NoTools   bool
	Message   string
}

// Equal tells whether s and x say the same.
func (s DegradeStep) Equal(x DegradeStep) bool {
	return s.AtPercent == x.AtPercent && s.Level == x.Level && s.Model == x.Model && maps.Equal(s.Models, x.Models) &&
		s.MaxTokens == x.MaxTokens && s.NoTools == x.NoTools && s.Message == x.Message
}

// DegradePolicyInput puts a policy in the place of the one with its entity and capability.
type DegradePolicyInput struct {
	EntityID   string
	Capability Capability // zero = all
	Steps      []DegradeStep
}

// Degrade is what a request is to be changed to, by the furthest step that was reached.
type Degrade struct {
	EntityID  string // whose policy says so
	AtPercent int
	Model     string // "" = as it is
	MaxTokens int64  // 0 = as it is
	NoTools   bool
	Message   string
}
