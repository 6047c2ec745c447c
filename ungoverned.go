package bursar

// Ungoverned says what becomes of use that nothing limits.
type Ungoverned string

// What an entity type and the environment may say of it.
const (
	UngovernedAllow Ungoverned = "allow" // it is granted, without a warning
	UngovernedWarn  Ungoverned = "warn"  // it is granted and warned of: so it is where nobody says anything
	UngovernedDeny  Ungoverned = "deny"  // a check, consume or reserve is denied
)
