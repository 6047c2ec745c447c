package bursar

// MaxReasonLen bounds the reason of a freeze, in characters.
const MaxReasonLen = 500

// Freeze stops all that would be granted to an entity and below it, or to the whole
// customer, until it is thawed. Usage that happened is recorded all the same.
type Freeze struct {
	Code     Code   // of the denials: CodeEntityIsFrozen or CodeCustomerIsFrozen
	EntityID string // "" = the customer, or an entity that the reader does not see
	Reason   string
	FrozenAt Time
}

// Freezing is where an entity, or with EntityID "" the customer, stands.
type Freezing struct {
	EntityID string
	Freeze   *Freeze // nil = it is not frozen itself
}
