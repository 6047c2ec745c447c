package ledger

import "github.com/bursarhq/bursar/record"

// terms are those that limits had last, for others to share: limits that come together mostly say
// the same. It is of one size, so that nothing has to be taken out.
type terms struct {
	last [64]sharedTerms
	// What has left last and more than one row has still, with how many have it.
	many   map[*record.Terms]uint32
	memory int64 // about how many bytes all take that rows have
}

// sharedTerms are terms and how many rows have them.
type sharedTerms struct {
	t    *record.Terms
	rows uint32
}

func (s *terms) slot(t *record.Terms) *sharedTerms {
	hi, lo := t.Limit.Nanos()
	return &s.last[(lo^lo>>32^uint64(hi)^uint64(t.Cap)*7^uint64(len(t.Label)))*0x9e3779b97f4a7c15>>58]
}

// share is terms for a row that say what t does: a copy of t, if none of the last do.
func (s *terms) share(t *record.Terms) *record.Terms {
	at := s.slot(t)
	if at.t == nil || !t.Same(at.t) {
		if at.rows > 1 {
			if s.many == nil {
				s.many = map[*record.Terms]uint32{}
			}
			s.many[at.t] = at.rows
		}
		kept := *t
		*at = sharedTerms{t: &kept}
		s.memory += kept.Memory()
	}
	at.rows++
	return at.t
}

// release tells that one row less has t, which share gave.
func (s *terms) release(t *record.Terms) {
	at, rows := s.slot(t), s.many[t]
	switch {
	case at.t == t && at.rows > 1:
		at.rows--
		return
	case at.t == t:
		*at = sharedTerms{}
	case rows > 2:
		s.many[t] = rows - 1
		return
	case rows == 2: // terms of one row are not in many
		delete(s.many, t)
		return
	}
	s.memory -= t.Memory()
}
