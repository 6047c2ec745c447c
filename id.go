package bursar

import "fmt"

// Limits on what a request may hold; lengths are in characters. Each is enforced where the
// input is decoded or decided, and none is configurable: clients can rely on them.
const (
	MaxIDLen           = 255
	MaxNameLen         = 255
	MaxDescriptionLen  = 2000
	MaxMetadataKeys    = 50
	MaxMetadataLen     = 1000
	MaxDepth           = 10
	MaxScopeEntities   = 10
	MaxLabelLen        = 64
	MaxDimensions      = 50
	MaxDimensionKeyLen = 128
	MaxDimensionLen    = 1024
	MaxRowsPerEvent    = 512 // limits of one capability that a piece of usage counts on
	MaxPlainLimits     = 16  // of one capability without a scope, on an entity
	MaxScopedLimits    = 32  // of one capability with a scope, that name one entity
	MaxThresholds      = 10
	MaxKeyLen          = 255
)

func idByte(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	return c == '_' || c == '|' || c == '.' || c == '-'
}

// CheckID tells whether s may be the id of an entity, entity type, feature or
// currency: 1 to 255 of a-z A-Z 0-9 _ | . - and a letter or digit first.
func CheckID(s string) error { return checkID(s, false) }

// CheckCustomerID is CheckID with @ allowed after the first character.
func CheckCustomerID(s string) error { return checkID(s, true) }

// CheckEntityID is CheckID, and refuses the ids that would be taken for a route.
func CheckEntityID(s string) error {
	switch s {
	case "archive", "unarchive", "entitlements":
		return fmt.Errorf("the id %q is reserved", s)
	}
	return checkID(s, false)
}

func checkID(s string, at bool) error {
	if s == "" || len(s) > MaxIDLen {
		return fmt.Errorf("an id has 1 to %d characters, this one %d", MaxIDLen, len(s))
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if idByte(c) && (i > 0 || c != '_' && c != '|' && c != '.' && c != '-') || at && i > 0 && c == '@' {
			continue
		}
		more := ""
		if at {
			more = " @"
		}
		return fmt.Errorf("an id holds letters, digits and _ | . -%s and begins with a letter or digit; character %d of this one is %q", more, i+1, c)
	}
	return nil
}

// CheckLabel tells whether s may label an assignment: up to 64 of a-z A-Z 0-9 _ . -.
func CheckLabel(s string) error {
	if len(s) > MaxLabelLen {
		return fmt.Errorf("a label has at most %d characters, this one %d", MaxLabelLen, len(s))
	}
	for i := 0; i < len(s); i++ {
		if !idByte(s[i]) || s[i] == '|' {
			return fmt.Errorf("a label holds letters, digits and _ . -; character %d of this one is %q", i+1, s[i])
		}
	}
	return nil
}

// CheckKey tells whether s may be an idempotency key: 1 to 255 printable ASCII
// characters.
func CheckKey(s string) error {
	if s == "" || len(s) > MaxKeyLen {
		return fmt.Errorf("an idempotency key has 1 to %d characters, this one %d", MaxKeyLen, len(s))
	}
	for i := 0; i < len(s); i++ {
		if s[i] < 0x20 || s[i] > 0x7e {
			return fmt.Errorf("an idempotency key is printable ASCII; character %d of this one is not", i+1)
		}
	}
	return nil
}

// CheckDimensions returns why dims are not allowed, and the key of the first dimension that
// is not; the key is "" when there are too many dimensions.
func CheckDimensions(dims []Dimension) (key string, err error) {
	if len(dims) > MaxDimensions {
		return "", fmt.Errorf("at most %d dimensions, here are %d", MaxDimensions, len(dims))
	}
	for _, d := range dims {
		if d.Key == "" || len(d.Key) > MaxDimensionKeyLen {
			return d.Key, fmt.Errorf("a dimension key has 1 to %d characters", MaxDimensionKeyLen)
		}
		for i := 0; i < len(d.Key); i++ {
			if c := d.Key[i]; c != '$' && (!idByte(c) || c == '|') {
				return d.Key, fmt.Errorf("a dimension key holds letters, digits and _ . $ -")
			}
		}
		if err := CheckText(d.Value, MaxDimensionLen); err != nil {
			return d.Key, fmt.Errorf("a dimension value %w", err)
		}
	}
	return "", nil
}
