package bursar

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // for machines without a zone database
)

func windowZone(t testing.TB, name string) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

func windowCadence(t testing.TB, s string) Cadence {
	t.Helper()
	c, err := ParseCadence(s)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// windowTime reads RFC 3339; without an offset it means UTC.
func windowTime(t testing.TB, s string) int64 {
	t.Helper()
	v, err := time.Parse("2006-01-02T15:04:05.999999999Z07:00", s)
	if err != nil {
		v, err = time.Parse("2006-01-02T15:04", s)
	}
	if err != nil {
		t.Fatal(err)
	}
	return v.UnixNano()
}

func windowText(ns int64, zone *time.Location) string {
	return time.Unix(0, ns).In(zone).Format(time.RFC3339Nano)
}

func TestParseCadence(t *testing.T) {
	good := map[string]Cadence{
		"PT1M": {1, UnitMinute}, "PT15M": {15, UnitMinute}, "PT1000M": {1000, UnitMinute},
		"PT1H": {1, UnitHour}, "PT24H": {24, UnitHour}, "PT1000H": {1000, UnitHour},
		"P1D": {1, UnitDay}, "P1000D": {1000, UnitDay},
		"P1W": {1, UnitWeek}, "P1000W": {1000, UnitWeek},
		"P1M": {1, UnitMonth}, "P3M": {3, UnitMonth}, "P999M": {999, UnitMonth}, "P1000M": {1000, UnitMonth},
		"P1Y": {1, UnitYear}, "P99Y": {99, UnitYear}, "P100Y": {100, UnitYear},
	}
	for s, want := range good {
		got, err := ParseCadence(s)
		if err != nil || got != want || got.String() != s {
			t.Errorf("ParseCadence(%q) = %v (%#v), %v; want %#v", s, got, got, err, want)
		}
	}
	bad := []string{
		"", "P", "PT", "PT1", "P1", "1D", "D", "PD", "PTM", "PTH", "PY", "P1H", "PT1D", "PT1W", "PT1Y", "PT1S", "P1S",
		"P0D", "PT0M", "P01D", "P001Y", "PT00H", "P+1D", "P-1D", "-P1D", "+P1D", "P1001D", "PT1001M", "PT1001H",
		"P1001M", "P1001W", "P101Y", "P999Y", "P1000Y", "P9999D", "P10000D", "P99999999999999999999D",
		"p1d", "P1d", "pt1h", "PT1h", " P1D", "P1D ", "P 1D", "P1 D", "P1D\n", "P1.5D", "P1,5D", "P1_0D", "P0x1D", "P1e1D",
		"P1D1D", "P1Y2M", "P1DT1H", "PT1H30M", "P1M1", "PP1D", "PT1TM", "P٣D", "P1D\x00", "P1M/P1M", "R/P1D",
		strings.Repeat("P1D", 1000),
	}
	for _, s := range bad {
		c, err := ParseCadence(s)
		if !errors.Is(err, ErrCadence) || c != (Cadence{}) {
			t.Errorf("ParseCadence(%.20q) = %#v, %v; want ErrCadence", s, c, err)
		} else if len(err.Error()) > 400 {
			t.Errorf("the error for %.20q has %d bytes", s, len(err.Error()))
		}
	}
	for _, c := range []Cadence{{}, {1, 0}, {0, UnitDay}, {1001, UnitDay}, {101, UnitYear}, {1, UnitYear + 1}} {
		if s := c.String(); !strings.HasPrefix(s, "invalid") {
			t.Errorf("%#v prints as %q", c, s)
		}
	}
}

func FuzzParseCadence(f *testing.F) {
	for _, s := range []string{"PT1M", "PT24H", "P1D", "P2W", "P1000M", "P100Y", "P101Y", "P01D", "", "PT", "P１D"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := ParseCadence(s)
		if err != nil {
			if !errors.Is(err, ErrCadence) || c != (Cadence{}) {
				t.Fatalf("%q: %#v, %v", s, c, err)
			}
			return
		}
		if c.String() != s || !c.valid() {
			t.Fatalf("%q reads as %#v, which prints as %q", s, c, c.String())
		}
	})
}

// windowCases: the window's start and, where it matters, its end, on the zone's
// clock. Each is probed at its first and last nanosecond and from both neighbours.
var windowCases = []struct {
	zone, cadence, anchor, start, end string
}{
	// Single units follow the calendar.
	{"UTC", "PT1M", "", "2026-09-14T10:22:00Z", "2026-09-14T10:23:00Z"},
	{"UTC", "PT1H", "", "2026-09-14T10:00:00Z", "2026-09-14T11:00:00Z"},
	{"UTC", "P1D", "", "2026-09-14T00:00:00Z", "2026-09-15T00:00:00Z"},
	{"UTC", "P1W", "", "2026-09-14T00:00:00Z", "2026-09-21T00:00:00Z"}, // a Monday
	{"UTC", "P1M", "", "2026-09-01T00:00:00Z", "2026-10-01T00:00:00Z"},
	{"UTC", "P1Y", "", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"},
	{"UTC", "P3M", "", "2026-07-01T00:00:00Z", "2026-10-01T00:00:00Z"},
	{"UTC", "P2W", "", "1970-01-05T00:00:00Z", "1970-01-19T00:00:00Z"},
	{"UTC", "P2W", "", "1969-12-22T00:00:00Z", "1970-01-05T00:00:00Z"},
	{"UTC", "P100Y", "", "1970-01-01T00:00:00Z", "2070-01-01T00:00:00Z"},
	{"UTC", "P100Y", "", "1870-01-01T00:00:00Z", "1970-01-01T00:00:00Z"},
	{"UTC", "P1D", "", "1969-12-31T00:00:00Z", "1970-01-01T00:00:00Z"},
	// Month ends and leap days, before the anchor too.
	{"UTC", "P1M", "2023-01-31T00:00", "2023-01-31T00:00:00Z", "2023-02-28T00:00:00Z"},
	{"UTC", "P1M", "2023-01-31T00:00", "2023-02-28T00:00:00Z", "2023-03-31T00:00:00Z"},
	{"UTC", "P1M", "2023-01-31T00:00", "2023-03-31T00:00:00Z", "2023-04-30T00:00:00Z"},
	{"UTC", "P1M", "2023-01-31T00:00", "2024-02-29T00:00:00Z", "2024-03-31T00:00:00Z"},
	{"UTC", "P1M", "2023-01-31T00:00", "2022-11-30T00:00:00Z", "2022-12-31T00:00:00Z"},
	{"UTC", "P1M", "2023-01-31T10:11:12.5Z", "2023-02-28T10:11:12.5Z", "2023-03-31T10:11:12.5Z"},
	{"UTC", "P3M", "2023-11-30T00:00", "2024-02-29T00:00:00Z", "2024-05-30T00:00:00Z"},
	{"UTC", "P5M", "2023-12-31T00:00", "2023-07-31T00:00:00Z", "2023-12-31T00:00:00Z"},
	{"UTC", "P5M", "2023-12-31T00:00", "2025-03-31T00:00:00Z", "2025-08-31T00:00:00Z"},
	{"UTC", "P1Y", "2024-02-29T12:00", "2025-02-28T12:00:00Z", "2026-02-28T12:00:00Z"},
	{"UTC", "P1Y", "2024-02-29T12:00", "2027-02-28T12:00:00Z", "2028-02-29T12:00:00Z"},
	{"UTC", "P1Y", "2024-02-29T12:00", "2100-02-28T12:00:00Z", "2101-02-28T12:00:00Z"},
	{"UTC", "P100Y", "2000-02-29T00:00", "1900-02-28T00:00:00Z", "2000-02-29T00:00:00Z"},
	{"UTC", "P100Y", "2000-02-29T00:00", "2000-02-29T00:00:00Z", "2100-02-28T00:00:00Z"},
	{"UTC", "P1D", "2024-06-01T09:30:15.000000001Z", "2026-01-01T09:30:15.000000001Z", "2026-01-02T09:30:15.000000001Z"},
	{"UTC", "P1D", "1969-12-31T23:59:59.999999999Z", "2026-01-01T23:59:59.999999999Z", "2026-01-02T23:59:59.999999999Z"},
	// Fixed offsets. The anchor is an instant; its local wall clock counts.
	{"Etc/GMT-14", "P1D", "", "2026-01-01T00:00:00+14:00", "2026-01-02T00:00:00+14:00"},
	{"Etc/GMT+12", "P1M", "", "2026-01-01T00:00:00-12:00", "2026-02-01T00:00:00-12:00"},
	{"Asia/Tokyo", "P1M", "2026-01-30T15:00", "2026-02-28T00:00:00+09:00", "2026-03-31T00:00:00+09:00"},
	{"Asia/Kolkata", "PT1H", "", "2026-01-01T10:00:00+05:30", "2026-01-01T11:00:00+05:30"},
	// Zones whose offset since 1970 changed by a fraction of an hour.
	{"Asia/Kathmandu", "PT1H", "", "2026-01-01T10:00:00+05:45", "2026-01-01T11:00:00+05:45"},
	{"Asia/Singapore", "PT6H", "", "2026-01-01T06:00:00+08:00", "2026-01-01T12:00:00+08:00"},
	{"Africa/Monrovia", "PT1M", "", "1972-01-07T00:43:30Z", "1972-01-07T00:45:00Z"}, // 23:59, then 00:44:30
	{"Africa/Monrovia", "PT1M", "", "1972-01-07T00:42:30Z", "1972-01-07T00:43:30Z"},
	{"Asia/Pyongyang", "PT1H", "", "2018-05-04T23:00:00+08:30", "2018-05-05T00:00:00+09:00"},
	{"Asia/Pyongyang", "PT1H", "", "2018-05-05T00:00:00+09:00", "2018-05-05T01:00:00+09:00"},
	// Daylight saving time: days of 23 and 25 hours.
	{"America/New_York", "P1D", "", "2026-03-08T00:00:00-05:00", "2026-03-09T00:00:00-04:00"},
	{"America/New_York", "P1D", "", "2026-11-01T00:00:00-04:00", "2026-11-02T00:00:00-05:00"},
	{"America/New_York", "PT24H", "", "2026-11-01T00:00:00-04:00", "2026-11-02T00:00:00-05:00"},
	{"America/New_York", "P1M", "", "2026-03-01T00:00:00-05:00", "2026-04-01T00:00:00-04:00"},
	{"America/New_York", "P1W", "", "2026-03-02T00:00:00-05:00", "2026-03-09T00:00:00-04:00"},
	{"America/New_York", "P1D", "2026-01-01T07:30", "2026-03-08T03:00:00-04:00", "2026-03-09T02:30:00-04:00"}, // 02:30 is skipped
	{"America/New_York", "P1D", "2026-01-01T06:30", "2026-11-01T01:30:00-04:00", "2026-11-02T01:30:00-05:00"}, // 01:30 comes twice
	{"America/New_York", "PT6H", "", "2026-03-08T00:00:00-05:00", "2026-03-08T06:00:00-04:00"},
	{"America/New_York", "PT6H", "", "2026-07-01T06:00:00-04:00", "2026-07-01T12:00:00-04:00"},
	{"America/New_York", "PT2H", "", "2026-11-01T00:00:00-04:00", "2026-11-01T02:00:00-05:00"},
	{"America/New_York", "PT1H", "", "2026-03-08T01:00:00-05:00", "2026-03-08T03:00:00-04:00"},
	{"America/New_York", "PT1H", "", "2026-11-01T01:00:00-04:00", "2026-11-01T01:00:00-05:00"},
	{"America/New_York", "PT1M", "", "2026-11-01T01:59:00-04:00", "2026-11-01T01:00:00-05:00"},
	{"America/New_York", "PT15M", "2026-01-01T00:07:30Z", "2026-11-01T01:52:30-04:00", "2026-11-01T01:07:30-05:00"},
	{"America/New_York", "PT1H", "2026-01-01T00:30:00.5Z", "2026-03-08T01:30:00.5-05:00", "2026-03-08T03:30:00.5-04:00"},
	{"America/New_York", "PT1M", "2026-01-01T00:00:00.5Z", "2026-03-08T01:59:00.5-05:00", "2026-03-08T03:00:00.5-04:00"},
	{"America/New_York", "PT40M", "", "2026-03-08T01:20:00-05:00", "2026-03-08T03:20:00-04:00"},
	{"America/New_York", "P1D", "2026-01-01T08:00:00.5Z", "2026-03-08T03:00:00.5-04:00", "2026-03-09T03:00:00.5-04:00"},
	{"America/New_York", "P1D", "2026-01-01T07:59:59.5Z", "2026-03-08T03:00:00-04:00", "2026-03-09T02:59:59.5-04:00"},
	{"Europe/London", "P1D", "", "1970-06-01T00:00:00+01:00", "1970-06-02T00:00:00+01:00"}, // all year summer time
	{"Europe/Berlin", "P1D", "", "2026-03-29T00:00:00+01:00", "2026-03-30T00:00:00+02:00"},
	{"Europe/Istanbul", "PT12H", "", "2026-01-01T12:00:00+03:00", "2026-01-02T00:00:00+03:00"},
	{"Africa/Casablanca", "P1D", "", "2026-02-15T00:00:00+01:00", "2026-02-16T00:00:00Z"},
	// Half-hour daylight saving time.
	{"Australia/Lord_Howe", "PT1H", "", "2026-04-05T01:00:00+11:00", "2026-04-05T02:00:00+10:30"},
	{"Australia/Lord_Howe", "PT1H", "", "2026-10-04T01:00:00+10:30", "2026-10-04T03:00:00+11:00"},
	{"Australia/Lord_Howe", "PT2H", "", "2026-10-04T02:30:00+11:00", "2026-10-04T04:00:00+11:00"},
	{"Australia/Lord_Howe", "PT30M", "", "2026-04-05T01:30:00+11:00", "2026-04-05T01:30:00+10:30"},
	// No midnight, or two.
	{"America/Sao_Paulo", "P1D", "", "2018-11-04T01:00:00-02:00", "2018-11-05T00:00:00-02:00"},
	{"America/Sao_Paulo", "P1D", "", "2018-02-17T00:00:00-02:00", "2018-02-18T00:00:00-03:00"},
	{"Asia/Beirut", "P1D", "", "2026-03-29T01:00:00+03:00", "2026-03-30T00:00:00+03:00"},
	{"America/Asuncion", "P1D", "", "2024-10-06T01:00:00-03:00", "2024-10-07T00:00:00-03:00"},
	{"America/Havana", "P1D", "", "2026-03-08T01:00:00-04:00", "2026-03-09T00:00:00-04:00"},
	{"America/Havana", "P1D", "", "2026-11-01T00:00:00-04:00", "2026-11-02T00:00:00-05:00"},
	{"America/Havana", "PT6H", "", "2026-11-01T00:00:00-04:00", "2026-11-01T06:00:00-05:00"},
	{"Atlantic/Azores", "P1D", "", "2026-10-25T00:00:00Z", "2026-10-26T00:00:00-01:00"},
	{"America/St_Johns", "P1D", "", "2010-11-07T00:00:00-02:30", "2010-11-08T00:00:00-03:30"}, // 00:01 back to 23:01
	{"America/St_Johns", "P1D", "", "2010-11-06T00:00:00-02:30", "2010-11-07T00:00:00-02:30"},
	{"Antarctica/Troll", "P1D", "", "2026-03-29T00:00:00Z", "2026-03-30T00:00:00+02:00"},
	// A day that never was.
	{"Pacific/Apia", "P1D", "", "2011-12-29T00:00:00-10:00", "2011-12-31T00:00:00+14:00"},
	{"Pacific/Apia", "P1D", "2011-01-01T23:00", "2011-12-31T00:00:00+14:00", "2011-12-31T13:00:00+14:00"},
	{"Pacific/Apia", "P1M", "", "2011-12-01T00:00:00-10:00", "2012-01-01T00:00:00+14:00"},
	{"Pacific/Apia", "PT1H", "", "2011-12-29T23:00:00-10:00", "2011-12-31T00:00:00+14:00"},
	{"Pacific/Apia", "PT6H", "", "2011-12-29T18:00:00-10:00", "2011-12-31T00:00:00+14:00"},
	{"Pacific/Kwajalein", "P1D", "", "1993-08-20T00:00:00-12:00", "1993-08-22T00:00:00+12:00"},
	{"Pacific/Kiritimati", "P1Y", "", "1994-01-01T00:00:00-10:00", "1995-01-01T00:00:00+14:00"},
	// Elapsed time: no time of day to keep.
	{"UTC", "PT7M", "", "1970-01-01T00:07:00Z", "1970-01-01T00:14:00Z"},
	{"America/New_York", "PT7M", "2026-03-08T00:03", "2026-03-08T01:56:00-05:00", "2026-03-08T03:03:00-04:00"},
	{"America/New_York", "PT5H", "2026-03-08T05:00", "2026-03-08T00:00:00-05:00", "2026-03-08T06:00:00-04:00"},
	{"America/New_York", "PT5H", "", "1970-01-01T00:00:00-05:00", "1970-01-01T05:00:00-05:00"},
	{"Asia/Kathmandu", "PT36H", "2026-01-01T00:00", "2025-12-30T17:45:00+05:45", "2026-01-01T05:45:00+05:45"},
	// Beyond the zone's table, the day that ZoneBounds forgets.
	{"America/New_York", "P1D", "", "2096-12-31T00:00:00-05:00", "2097-01-01T00:00:00-05:00"},
	{"America/New_York", "PT1H", "", "2040-12-31T23:00:00-05:00", "2041-01-01T00:00:00-05:00"},
}

func TestWindowTable(t *testing.T) {
	for _, c := range windowCases {
		s := Schedule{Cadence: windowCadence(t, c.cadence), Location: windowZone(t, c.zone)}
		if c.anchor != "" {
			s.Anchor, s.HasAnchor = windowTime(t, c.anchor), true
		}
		start, end := windowTime(t, c.start), windowTime(t, c.end)
		name := fmt.Sprintf("%s %s %s", c.zone, c.cadence, c.anchor)
		for _, at := range []int64{start, start + 1, start + (end-start)/2, end - 1} {
			if a, b := s.Window(at); a != start || b != end {
				t.Errorf("%s: window of %s is [%s, %s), want [%s, %s)", name, windowText(at, s.Location),
					windowText(a, s.Location), windowText(b, s.Location), c.start, c.end)
			}
		}
		if a, _ := s.Window(end); a != end {
			t.Errorf("%s: at %s the window starts at %s", name, c.end, windowText(a, s.Location))
		}
		if _, b := s.Window(start - 1); b != start {
			t.Errorf("%s: before %s the window ends at %s", name, c.start, windowText(b, s.Location))
		}
		if a, b := s.Previous(end); a != start || b != end {
			t.Errorf("%s: before %s comes [%s, %s)", name, c.end, windowText(a, s.Location), windowText(b, s.Location))
		}
	}
}

// TestWindowExactHours: outside zones that shift by a fraction of an hour, minutes
// and hours last exactly as long as they say.
func TestWindowExactHours(t *testing.T) {
	for _, zone := range []string{"America/New_York", "Europe/Berlin", "America/Havana", "Asia/Kolkata", "Pacific/Auckland"} {
		for _, cadence := range []string{"PT1M", "PT30M", "PT1H", "PT7H", "PT7M"} {
			s := Schedule{windowCadence(t, cadence), windowTime(t, "2024-02-29T10:11:12.5Z"), true, windowZone(t, zone)}
			length := int64(s.Cadence.N) * int64(time.Minute)
			if s.Cadence.Unit == UnitHour {
				length *= 60
			}
			at, last := windowTime(t, "2026-01-01T00:00"), windowTime(t, "2027-01-01T00:00")
			for at < last {
				start, end := s.Window(at)
				if end-start != length {
					t.Fatalf("%s %s: [%s, %s)", zone, cadence, windowText(start, s.Location), windowText(end, s.Location))
				}
				if at = end + 17*length; s.Cadence.Unit == UnitHour {
					at = end
				}
			}
		}
	}
}

func TestWindowEdges(t *testing.T) {
	for _, bad := range []Cadence{{}, {1, 0}, {0, UnitDay}, {-1, UnitDay}, {101, UnitYear}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("no panic for %#v", bad)
				}
			}()
			Schedule{Cadence: bad}.Window(0)
		}()
	}
	if start, end := (Schedule{Cadence: Cadence{1, UnitDay}}).Window(0); start != 0 || end != 86400e9 {
		t.Errorf("a nil location is not UTC: [%d, %d)", start, end)
	}
	ignored := Schedule{Cadence: Cadence{1, UnitDay}, Anchor: 12345}
	if start, _ := ignored.Window(0); start != 0 {
		t.Errorf("an anchor counts without HasAnchor: start %d", start)
	}

	for sec, want := range map[int64]int64{9_223_372_035: 9_223_372_035e9 + 7, 9_223_372_036: math.MaxInt64,
		-9_223_372_036: -9_223_372_036e9 + 7, -9_223_372_037: math.MinInt64} {
		if got := windowNanos(sec, 7); got != want {
			t.Errorf("windowNanos(%d, 7) = %d, want %d", sec, got, want)
		}
	}

	// Any int64 may come: no panic, no endless loop, and order within the range.
	extremes := []int64{math.MinInt64, math.MinInt64 + 1, windowFirst - 1, windowFirst, 0, windowLast, windowLast + 1, math.MaxInt64 - 1, math.MaxInt64}
	for _, cadence := range []string{"PT1M", "PT7M", "PT1000H", "PT1000M", "P1D", "P1000D", "P1000W", "P1M", "P1000M", "P100Y"} {
		for _, anchor := range extremes {
			for _, at := range extremes {
				s := Schedule{windowCadence(t, cadence), anchor, true, windowZone(t, "America/New_York")}
				start, end := s.Window(at)
				if in := min(max(at, windowFirst), windowLast); start > in || end <= in {
					t.Errorf("%s anchored at %d: window of %d is [%d, %d)", cadence, anchor, at, start, end)
				}
				if a, b := s.Previous(start); a >= b || start != math.MinInt64 && start > windowFirst && b != start {
					t.Errorf("%s anchored at %d: before [%d, %d) comes [%d, %d)", cadence, anchor, start, end, a, b)
				}
			}
		}
	}
}

// windowZones: every kind of zone there is, and all the odd ones.
var windowZones = strings.Fields(`UTC Etc/GMT+12 Etc/GMT-14
	Africa/Cairo Africa/Casablanca Africa/El_Aaiun Africa/Johannesburg Africa/Juba Africa/Lagos Africa/Monrovia
	Africa/Sao_Tome Africa/Tripoli Africa/Windhoek
	America/Adak America/Anchorage America/Argentina/San_Luis America/Asuncion America/Bogota America/Caracas
	America/Chicago America/Danmarkshavn America/Halifax America/Havana America/Los_Angeles America/Mexico_City
	America/Miquelon America/New_York America/Nuuk America/Phoenix America/Port-au-Prince America/Punta_Arenas
	America/Santiago America/Sao_Paulo America/Scoresbysund America/St_Johns America/Toronto
	Antarctica/Casey Antarctica/Macquarie Antarctica/Troll Antarctica/Vostok
	Asia/Amman Asia/Baku Asia/Beirut Asia/Colombo Asia/Damascus Asia/Dhaka Asia/Dili Asia/Gaza Asia/Hong_Kong
	Asia/Jerusalem Asia/Kabul Asia/Kathmandu Asia/Kolkata Asia/Manila Asia/Pyongyang Asia/Riyadh Asia/Seoul
	Asia/Shanghai Asia/Singapore Asia/Tehran Asia/Tokyo Asia/Yangon
	Atlantic/Azores Atlantic/Cape_Verde Atlantic/Reykjavik
	Australia/Darwin Australia/Eucla Australia/Lord_Howe Australia/Sydney
	Europe/Berlin Europe/Chisinau Europe/Dublin Europe/Istanbul Europe/Kaliningrad Europe/Lisbon Europe/London
	Europe/Moscow Europe/Samara Europe/Volgograd
	Pacific/Apia Pacific/Auckland Pacific/Bougainville Pacific/Chatham Pacific/Fakaofo Pacific/Honolulu
	Pacific/Kanton Pacific/Kiritimati Pacific/Kwajalein Pacific/Marquesas Pacific/Norfolk Pacific/Tongatapu`)

var (
	window1970 = time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	window2100 = time.Date(2101, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
)

// windowTransitions finds the zone's clock changes from 1970 to 2100 by looking
// at its offset every twelve hours.
func windowTransitions(zone *time.Location) []int64 {
	var found []int64
	last := windowOffset(zone, window1970)
	for at := window1970; at < window2100; at += 12 * 3600 {
		lo, hi, offset := at, at+12*3600, windowOffset(zone, at+12*3600)
		if offset != last {
			for hi-lo > 1 {
				if mid := (lo + hi) / 2; windowOffset(zone, mid) == last {
					lo = mid
				} else {
					hi = mid
				}
			}
			found = append(found, hi)
		}
		last = offset
	}
	return found
}

func windowOffset(zone *time.Location, sec int64) int64 {
	_, east := time.Unix(sec, 0).In(zone).Zone()
	return int64(east)
}

// windowInstants picks n instants: around transitions, to the nanosecond and a few
// days away, and anywhere else.
func windowInstants(r *rand.Rand, transitions []int64, n int) []int64 {
	var at []int64
	for len(at) < n {
		if len(transitions) > 0 {
			change := transitions[r.IntN(len(transitions))] * 1e9
			at = append(at, change-1, change, change+1, change+r.Int64N(200*3600e9)-100*3600e9,
				change+(r.Int64N(201)-100)*900e9)
		}
		at = append(at, (window1970+r.Int64N(window2100-window1970))*1e9+r.Int64N(1e9))
	}
	return at
}

// windowCheck reports how the window of at breaks the tiling, or "".
func windowCheck(s Schedule, at int64) string {
	start, end := s.Window(at)
	a1, b1 := s.Window(start)
	a2, b2 := s.Window(end - 1)
	a3, b3 := s.Window(end)
	a4, b4 := s.Previous(start)
	length := int64(s.Cadence.N) * int64(time.Minute)
	if s.Cadence.Unit == UnitHour {
		length *= 60
	}
	ofClock := s.Cadence.Unit <= UnitHour && windowDay*1e9%length == 0
	elapsed := s.Cadence.Unit <= UnitHour && !ofClock && length%(windowDay*1e9) != 0
	switch {
	case ofClock && length <= windowHour*1e9 && end-start >= 2*length:
		return "lasts twice its cadence"
	case elapsed && end-start != length:
		return "is not as long as its cadence"
	case start > at || at >= end:
		return "does not contain it"
	case a1 != start || b1 != end || a2 != start || b2 != end:
		return "is another at its own first or last instant"
	case a3 != end || b3 <= end:
		return "has no next"
	case b4 != start || a4 >= start:
		return "has no previous"
	}
	return ""
}

func TestWindowTiles(t *testing.T) {
	var cadences []Cadence
	for _, c := range strings.Fields("PT1M PT7M PT15M PT40M PT1H PT90M PT6H PT24H PT36H PT48H P1D P2D P1W P2W P1M P3M P5M P1Y P100Y") {
		cadences = append(cadences, windowCadence(t, c))
	}
	anchors := []string{"", "2023-01-31T00:00", "2024-02-29T23:59:59.999999999Z", "1999-12-31T12:34:56.789Z",
		"2026-11-01T05:30", "2099-07-15T01:00", "1960-05-31T00:00:00.000000001Z"}
	probes := 200
	if testing.Short() {
		probes = 12
	}
	for i, name := range windowZones {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			zone := windowZone(t, name)
			transitions := windowTransitions(zone)
			r := rand.New(rand.NewPCG(1, uint64(i)))
			for _, c := range cadences {
				for _, anchor := range anchors {
					s := Schedule{Cadence: c, Location: zone}
					if anchor != "" {
						s.Anchor, s.HasAnchor = windowTime(t, anchor), true
					}
					for _, at := range windowInstants(r, transitions, probes) {
						if why := windowCheck(s, at); why != "" {
							a, b := s.Window(at)
							t.Fatalf("%v anchored %q: the window [%s, %s) of %s %s", c, anchor,
								windowText(a, zone), windowText(b, zone), windowText(at, zone), why)
						}
					}
				}
			}
		})
	}
}

// windowOracle restates the rules for schedules without an anchor by looking at the
// clock every 15 minutes and at its changes. period numbers what the clock reads; a
// window starts when the number is higher than ever before or, if repeats, whenever
// the clock reads a starting time.
type windowOracle struct {
	schedule Schedule
	repeats  bool
	period   func(wall int64) int64
	highest  int64
	began    int64 // start of the current window, or 0 before the first
}

func newWindowOracles(t *testing.T, zone *time.Location) []*windowOracle {
	var all []*windowOracle
	add := func(cadence string, repeats bool, period func(wall int64) int64) {
		s := Schedule{Cadence: windowCadence(t, cadence), Location: zone}
		all = append(all, &windowOracle{schedule: s, repeats: repeats, period: period, highest: math.MinInt64})
	}
	every := func(sec, from int64) func(int64) int64 {
		return func(wall int64) int64 { return (wall - from + sec*1e6) / sec }
	}
	day, date := int64(0), int64(0)
	months := func(n int64) func(int64) int64 {
		return func(wall int64) int64 {
			if d := wall / 86400; d != day {
				y, m, _ := time.Unix(wall, 0).UTC().Date()
				day, date = d, int64(y)*12+int64(m)-1
			}
			return (date - 1970*12 + 12*n) / n
		}
	}
	add("PT15M", true, every(900, 0))
	add("PT1H", true, every(3600, 0))
	add("PT2H", false, every(7200, 0))
	add("PT6H", false, every(6*3600, 0))
	add("P1D", false, every(86400, 0))
	add("P1W", false, every(7*86400, 4*86400))
	add("P1M", false, months(1))
	add("P3M", false, months(3))
	add("P5Y", false, months(60))
	return all
}

// starts reports whether a window starts when the clock reads wall.
func (o *windowOracle) starts(wall int64) bool {
	p := o.period(wall)
	if o.repeats {
		return p != o.period(wall-1)
	}
	higher := p > o.highest
	o.highest = max(o.highest, p)
	return higher
}

// windowWalk compares windows with the oracles from one year to another. Away from
// clock changes it looks only at whole hours by the clock, and compares few of them.
func windowWalk(t *testing.T, zone *time.Location, from, until int) {
	oracles, changes := newWindowOracles(t, zone), windowTransitions(zone)
	sec := time.Date(from, 1, 10, 0, 0, 0, 0, time.UTC).Unix()
	for _, o := range oracles {
		o.starts(sec + windowOffset(zone, sec))
	}
	sec += 900
	for len(changes) > 0 && changes[0] <= sec {
		changes = changes[1:]
	}
	end, change := time.Date(until, 1, 1, 0, 0, 0, 0, time.UTC).Unix(), int64(0)
	for sec < end {
		wall := sec + windowOffset(zone, sec)
		near := sec < change+86400 || len(changes) > 0 && sec > changes[0]-86400
		for i, o := range oracles {
			if i == 0 && !near {
				o.began = 0
				continue
			}
			if !o.starts(wall) {
				continue
			}
			if i > 1 || near || sec%(86400*7) < 3600 {
				start, _ := o.schedule.Window(sec * 1e9)
				before, end := o.schedule.Window(sec*1e9 - 1)
				if o.began != 0 && (start != sec*1e9 || end != sec*1e9 || before != o.began) {
					t.Fatalf("%v: a window starts at %s, not at %s, after [%s, %s)", o.schedule.Cadence, windowText(sec*1e9, zone),
						windowText(start, zone), windowText(before, zone), windowText(end, zone))
				}
			}
			o.began = sec * 1e9
		}
		if near || wall%3600 != 0 {
			sec += 900 - sec%900
		} else {
			sec += 3600
		}
		if len(changes) > 0 && changes[0] <= sec {
			sec, change, changes = changes[0], changes[0], changes[1:]
		}
	}
}

func TestWindowOracle(t *testing.T) {
	for i, name := range windowZones {
		from := 1970
		switch name {
		case "Africa/Monrovia": // these are off the quarter hours before
			from = 1973
		case "Pacific/Kiritimati":
			from = 1980
		}
		if testing.Short() && i%10 != 0 {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			windowWalk(t, windowZone(t, name), from, 2040)
		})
	}
}

func BenchmarkWindow(b *testing.B) {
	at := windowTime(b, "2026-07-14T10:22:31.5Z")
	for _, zone := range []string{"UTC", "America/New_York", "Asia/Gaza"} {
		for _, cadence := range []string{"PT1M", "PT7M", "PT1H", "P1D", "P1M", "P100Y"} {
			s := Schedule{Cadence: windowCadence(b, cadence), Location: windowZone(b, zone)}
			b.Run(zone+"/"+cadence, func(b *testing.B) {
				for i := 0; b.Loop(); i++ {
					s.Window(at + int64(i%1000)*86400e9)
				}
			})
		}
	}
}
