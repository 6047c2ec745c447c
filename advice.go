package bursar

// AdviceLevel says how somebody who uses what a limit is of goes on.
type AdviceLevel string

// Levels of advice, from the least urgent.
const (
	AdviceOK       AdviceLevel = "ok"
	AdviceWindDown AdviceLevel = "wind_down" // begin nothing new
	AdviceStop     AdviceLevel = "stop"      // end now
)

// Percent of a limit, used and held, from which the advice is another, unless somebody says otherwise.
const (
	WindDownPercent = 80
	StopPercent     = 95
)

// AdviceFor is the level where used is what is used and held of a limit.
func AdviceFor(used, limit Amount, windDown, stop int) AdviceLevel {
	switch used = MaxAmount(Amount{}, used); {
	case used.AtLeastPercent(int64(stop), limit):
		return AdviceStop
	case used.AtLeastPercent(int64(windDown), limit):
		return AdviceWindDown
	}
	return AdviceOK
}

// Advice says how to go on, by the hard limit that has room for the fewest more of what was
// decided about. It denies nothing.
type Advice struct {
	Level       AdviceLevel // "" = no hard limit counts, and there is no advice
	Left        Amount
	UsedPercent int64 // used and held, see [Amount.WholePercent]
	Limit       AdviceLimit
	Degrade     *Degrade // nil = no step of a policy on the path was reached
}

// AdviceLimit names the limit that an advice is by. Unless Source is ENTITY, it is the
// customer's own and names no entity.
type AdviceLimit struct {
	Source       BindingSource
	AssignmentID string
	EntityID     string
	Capability   Capability
	Label        string
	UsageLimit   Amount
	ResetsAt     Time // 0 = never, or nobody knows
}
