package engine

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
)

// maxUnread bounds the kinds of unread usage that are told apart.
const maxUnread = 1000

// unreadUse counts events whose usage was not understood since the process started.
type unreadUse struct {
	mu    sync.Mutex
	total uint64
	by    map[string]*bursar.UnreadUsage
}

// noteUnread notes events that were taken although some of their usage was not understood.
func (e *Engine) noteUnread(items []ledger.EventItem) {
	s := &e.unread
	for i := range items {
		u := items[i].In.Unread
		if u == nil {
			continue
		}
		now := e.now()
		s.mu.Lock()
		s.total++
		key := u.EventName + "\x00" + u.Model + "\x00" + strings.Join(u.Names, "\x00")
		if old := s.by[key]; old != nil {
			old.Count++
			old.LastSeen = max(old.LastSeen, now)
		} else if len(s.by) < maxUnread {
			if s.by == nil {
				s.by = map[string]*bursar.UnreadUsage{}
			}
			first := *u
			first.Count, first.FirstSeen, first.LastSeen = 1, now, now
			s.by[key] = &first
		}
		s.mu.Unlock()
	}
}

// Unread lists usage that was not understood since this process started, at most 1,000
// kinds, the most frequent first; UnreadTotal counts all such events.
func (e *Engine) Unread() []bursar.UnreadUsage {
	s := &e.unread
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]bursar.UnreadUsage, 0, len(s.by))
	for _, key := range slices.Sorted(maps.Keys(s.by)) {
		out = append(out, *s.by[key])
	}
	slices.SortStableFunc(out, func(a, b bursar.UnreadUsage) int { return cmp.Compare(b.Count, a.Count) })
	return out
}

func (e *Engine) UnreadTotal() uint64 {
	e.unread.mu.Lock()
	defer e.unread.mu.Unlock()
	return e.unread.total
}
