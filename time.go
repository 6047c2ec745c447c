package bursar

import (
	"fmt"
	"time"
)

// Time is an instant in nanoseconds since the Unix epoch, UTC. On the wire it is
// RFC 3339; it is read with any offset and precision and written in UTC with
// milliseconds. The zero Time stands for "none" wherever a field may be absent.
type Time int64

// TimeOf converts a time.Time.
func TimeOf(t time.Time) Time { return Time(t.UnixNano()) }

// Std is t as a time.Time in UTC.
func (t Time) Std() time.Time { return time.Unix(0, int64(t)).UTC() }

// Milli rounds t down to whole milliseconds, the precision of stored timestamps.
func (t Time) Milli() Time { return t - Time(mod(int64(t), int64(time.Millisecond))) }

func mod(a, b int64) int64 {
	if m := a % b; m >= 0 {
		return m
	} else {
		return m + b
	}
}

const timeLayout = "2006-01-02T15:04:05.000Z"

// AppendTo appends the wire form without quotes.
func (t Time) AppendTo(b []byte) []byte { return t.Std().AppendFormat(b, timeLayout) }

func (t Time) String() string { return string(t.AppendTo(nil)) }

// MarshalJSON writes the wire form.
func (t Time) MarshalJSON() ([]byte, error) {
	b := append(make([]byte, 0, len(timeLayout)+2), '"')
	return append(t.AppendTo(b), '"'), nil
}

// UnmarshalJSON reads an RFC 3339 string.
func (t *Time) UnmarshalJSON(b []byte) error {
	if len(b) < 2 || b[0] != '"' {
		return fmt.Errorf("a timestamp is an RFC 3339 string")
	}
	v, err := ParseTime(string(b[1 : len(b)-1]))
	*t = v
	return err
}

// ParseTime reads RFC 3339 with any offset, years 1901 to 2198: windows are tested for 1970
// to 2100, and an int64 of nanoseconds since the epoch ends in 2262.
func ParseTime(s string) (Time, error) {
	v, err := time.Parse(time.RFC3339Nano, s)
	if err != nil || v.Year() < 1901 || v.Year() > 2198 {
		return 0, fmt.Errorf("%.64q is not an RFC 3339 timestamp of the years 1901 to 2198, such as 2026-09-14T10:22:31Z", s)
	}
	return TimeOf(v), nil
}
