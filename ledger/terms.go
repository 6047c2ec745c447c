package ledger

import "github.com/bursarhq/bursar/record"

// terms are those that limits had last, for others to share: limits that come together mostly say
// the same. It is of one size, so that nothing has to be taken out.
type terms [64]*record.Terms

// share is terms that say what t does: t itself, if none of the last do.
func (s *terms) share(t *record.Terms) *record.Terms {
	hi, lo := t.Limit.Nanos()
	at := &s[(lo^lo>>32^uint64(hi)^uint64(t.Cap)*7^uint64(len(t.Label)))*0x9e3779b97f4a7c15>>58]
	if *at == nil || !t.Same(*at) {
		kept := *t
		*at = &kept
	}
	return *at
}
