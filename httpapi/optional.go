package httpapi

import (
	"slices"

	"github.com/bursarhq/bursar"
)

// orZero is *p, or the zero value when p is nil.
func orZero[T any](p *T) T { return or(p, *new(T)) }

// or is *p, or def when p is nil.
func or[T any](p *T, def T) T {
	if p == nil {
		return def
	}
	return *p
}

// orNil is p, or nil when it points at "".
func orNil(p *string) *string {
	if p == nil || *p == "" {
		return nil
	}
	return p
}

// timeOrNil is nil for no time.
func timeOrNil(t bursar.Time) *bursar.Time {
	if t == 0 {
		return nil
	}
	return &t
}

// emptyIsNull reads "" as null: clear.
func emptyIsNull(o bursar.Opt[string]) bursar.Opt[string] {
	if o.Set && o.Value == "" {
		return bursar.Null[string]()
	}
	return o
}

// withoutEmpty is m without the keys that "" deletes. It is never nil.
func withoutEmpty(m map[string]string) map[string]string {
	out := make(map[string]string, len(m))
	for k, v := range m {
		if v != "" {
			out[k] = v
		}
	}
	return out
}

// oneOf reports whether v is among wanted; none wanted is any.
func oneOf(wanted []string, v string) bool { return len(wanted) == 0 || slices.Contains(wanted, v) }
