package bursar

import (
	"fmt"
	"unicode/utf8"
)

// Length is how long a text is, as limits count it: in characters.
func Length(s string) int { return utf8.RuneCountInString(s) }

// CheckName tells whether s may name something: 1 to 255 characters.
func CheckName(s string) error {
	if n := Length(s); n < 1 || n > MaxNameLen {
		return fmt.Errorf("has 1 to %d characters, this one %d", MaxNameLen, n)
	}
	return nil
}

// CheckText tells whether s, which may be empty, has at most so many characters.
func CheckText(s string, most int) error {
	if n := Length(s); n > most {
		return fmt.Errorf("has at most %d characters, this one %d", most, n)
	}
	return nil
}

// CheckMetadata tells whether metadata may have a key with a value: a key has 1 to 255
// characters, a value at most 1,000.
func CheckMetadata(key, value string) error {
	if err := CheckName(key); err != nil {
		return fmt.Errorf("a metadata key %w", err)
	}
	if err := CheckText(value, MaxMetadataLen); err != nil {
		return fmt.Errorf("a metadata value %w", err)
	}
	return nil
}
