package httpapi

import (
	"github.com/bursarhq/bursar"
)

// unreadOut is usage that was not understood, or not all of it.
type unreadOut struct {
	EventName string      `json:"eventName"`
	Model     string      `json:"model" doc:"Empty when it was not told."`
	Members   []string    `json:"members" doc:"The counts that were not understood; an empty list when nothing was."`
	Sample    string      `json:"sample" doc:"The members of the first such usage object by their names, with … in place of texts; at most 2000 bytes of it."`
	Count     int64       `json:"count" doc:"Events."`
	FirstSeen bursar.Time `json:"firstSeen"`
	LastSeen  bursar.Time `json:"lastSeen"`
}

// listUnread is one page, the most frequent first: what this node saw since it started.
func (a *API) listUnread(call, *nothing) ([]bursar.UnreadUsage, uint64, error) {
	return a.engine.Unread(), 0, nil
}

func viewUnread(list []bursar.UnreadUsage) page[unreadOut] {
	out := page[unreadOut]{Data: make([]unreadOut, len(list))}
	for i, u := range list {
		members := []string{}
		for _, name := range u.Names {
			if name != "" {
				members = append(members, name)
			}
		}
		out.Data[i] = unreadOut{EventName: u.EventName, Model: u.Model, Members: members, Sample: u.Sample,
			Count: u.Count, FirstSeen: u.FirstSeen, LastSeen: u.LastSeen}
	}
	return out
}

// unread is what of an event's usage was not understood; nil when all was.
func (f *eventFields) unread(dims []bursar.Dimension, usage *bursar.UsageReading) *bursar.UnreadUsage {
	if usage == nil || len(usage.Unread) == 0 {
		return nil
	}
	u := &bursar.UnreadUsage{EventName: f.EventName, Names: usage.Unread}
	for _, d := range dims {
		if d.Key == "model" {
			u.Model = d.Value
		}
	}
	u.Sample = usage.Sample()
	return u
}
