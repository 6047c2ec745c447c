package record

import (
	"maps"
	"sync/atomic"
	"time"

	"github.com/bursarhq/bursar"
)

// Schedule is a rule that all rows of it share, with the window it was last asked for.
type Schedule struct {
	Rule
	last atomic.Pointer[Window]
}

func NewSchedule(cadence, zone string, hasAnchor bool, anchor bursar.Time) (*Schedule, error) {
	c, err := bursar.ParseCadence(cadence)
	if err != nil {
		return nil, err
	}
	loc, err := Location(zone)
	if err != nil {
		return nil, err
	}
	return &Schedule{Rule: Rule{bursar.Schedule{Cadence: c, Anchor: int64(anchor), HasAnchor: hasAnchor, Location: loc}, zone}}, nil
}

// zones keeps what time.LoadLocation read, so that schedules of one zone are equal and
// share its tables. There are about 600 names.
var zones atomic.Pointer[map[string]*time.Location]

func Location(name string) (*time.Location, error) {
	known := zones.Load()
	if known != nil && (*known)[name] != nil {
		return (*known)[name], nil
	}
	l, err := time.LoadLocation(name)
	if err != nil {
		return nil, err
	}
	for {
		more := map[string]*time.Location{name: l}
		if known != nil {
			maps.Copy(more, *known)
		}
		if zones.CompareAndSwap(known, &more) {
			return l, nil
		}
		if known = zones.Load(); (*known)[name] != nil {
			return (*known)[name], nil
		}
	}
}

// WindowAt is the window at t.
func (s *Schedule) WindowAt(t bursar.Time) Window {
	if w := s.last.Load(); w != nil && w.Start <= t && t < w.End {
		return *w
	}
	start, end := s.Window(int64(t))
	prev, _ := s.Previous(start)
	w := Window{PrevStart: bursar.Time(prev), Start: bursar.Time(start), End: bursar.Time(end)}
	s.last.Store(&w)
	return w
}

// FirstWindow is the window at t of a row that begins to count at t: the one before it
// is not tracked.
func (s *Schedule) FirstWindow(t bursar.Time) Window {
	w := s.WindowAt(t)
	w.PrevStart = w.Start
	return w
}
