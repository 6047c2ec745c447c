package ledger

import (
	"cmp"
	"maps"
	"math"
	"slices"
)

// A page of limits that go by a figure looks at few of them. What each goes by is a number, its key, that is
// at hand in columns (ranks.go). Blocks of neighbours are looked at by the best key that there may be in each,
// until no other block may have one that is on the page. Limits with the same key as the last of the page
// go by id, and there may be a million of them: they are looked for in the order of ids (alike).
//
// Keys are exact. What a column cannot tell exactly is looked at one by one: limits with boosts or loans,
// and amounts that no float64 tells apart.

// SmallTree is how many entities a customer has at most whose tree is looked through as a whole. Tests set it
// to 0.
var SmallTree = 4096

// topBlock is how many limits a block has: whole chunks of the limits and of the counters.
const topBlock = listChunk * counterChunkLen

// keysALook of them count as one thing that was looked at.
const keysALook = 16

// maxTies are kept as a list; more are looked for by id.
const maxTies = 1 << 15

// firstAlike is how many entities behind the cursor are looked at before anything else: where many limits are
// alike, the page is among them.
const firstAlike = 1024

// treeTop is how far such a look has come.
type treeTop struct {
	phase  topPhase
	odd    map[uint32]struct{} // limits that are looked at by themselves
	odder  int                 // ranks.odder when odd was made
	odds   []uint32            // those of them that are still to be looked at
	behind float64             // the cursor's key
	blocks []blockKey
	next   int
	ties   tied // with the key of the last of the page
	cursor tied // with the cursor's
}

type blockKey struct {
	block int
	best  float64
}

type topPhase int

const (
	phaseOdds topPhase = iota
	phaseFirst
	phaseBlocks
	phaseOpen
	phaseCursor
	phaseTies
)

// tied are limits whose keys are alike.
type tied struct {
	key  float64
	rows []uint32
	many bool // more than rows has
}

func (t *tied) add(key float64, row uint32) {
	if t.key != key {
		*t = tied{key: key, rows: t.rows[:0]}
	}
	if len(t.rows) < maxTies {
		t.rows = append(t.rows, row)
	} else {
		t.many = true
	}
}

func (t *tied) manyOf(key float64) { *t = tied{key: key, many: true} }

// topOn goes on to find the first rows. It does not prove which they are where v has changed too much, or
// where too many would have to be looked at.
func (s *TreeScan) topOn(v *View) (done, proves bool, err error) {
	if !s.ranked(v) {
		return false, false, nil
	}
	t := &s.tops
	if first := t.odd == nil; s.knowOdd(v) && !first {
		return false, false, nil
	} else if first {
		t.odds, s.kept = slices.Collect(maps.Keys(t.odd)), map[uint32]struct{}{}
		exact := true
		if s.after != nil {
			t.behind, exact = s.itemKey(s.after)
		}
		if !exact {
			return false, false, nil
		}
	}
	s.keys.by, s.keys.desc = s.Q.SortBy, s.Q.Desc
	done = true
	for done && t.phase <= phaseTies {
		proves = true
		switch t.phase {
		case phaseOdds:
			done = s.oddsOn(v)
		case phaseFirst:
			if s.after != nil && v.hasTreeIndex() {
				var found bool
				if done, found = s.alike(v, t.behind, true, firstAlike); done && found && s.full() && s.keyOf(&s.top[0]) == t.behind {
					return true, true, nil
				}
			}
		case phaseBlocks:
			done = s.blocksOn(v)
		case phaseOpen:
			done = s.openOn(v)
		case phaseCursor:
			done, proves, err = s.tiesOn(v, &t.cursor, true)
		case phaseTies:
			if t.ties.key == s.floor() {
				done, proves, err = s.tiesOn(v, &t.ties, false)
			}
		}
		if err != nil || !proves {
			return false, proves, err
		}
		if done {
			t.phase++
			t.next, s.walk = 0, treeWalk{}
		}
	}
	return done, true, nil
}

// oddsOn goes on to look at what has no key.
func (s *TreeScan) oddsOn(v *View) (done bool) {
	t := &s.tops
	for ; len(t.odds) > 0; t.odds = t.odds[1:] {
		if v.Tired() {
			return false
		}
		v.Visits += RowLook
		s.row(v, t.odds[0])
	}
	return true
}

// blocksOn goes on to find the best key that each block may have.
func (s *TreeScan) blocksOn(v *View) (done bool) {
	t := &s.tops
	for n := (v.Rows.Len() + topBlock - 1) / topBlock; len(t.blocks) < n; {
		if v.Tired() {
			return false
		}
		b := blockKey{len(t.blocks), s.bestOf(v, len(t.blocks))}
		t.blocks = append(t.blocks, b)
	}
	slices.SortStableFunc(t.blocks, func(a, b blockKey) int { return cmp.Compare(a.best, b.best) })
	return true
}

// bestOf is a key that no row of a block behind the cursor is below. Those that have the cursor's own key do
// not count: they are noted.
func (s *TreeScan) bestOf(v *View, block int) (best float64) {
	from, to := blockRows(v, block)
	of := s.column(v)
	if of == nil {
		v.Visits++
		return s.spanned(v, block)
	}
	v.Visits += topBlock / passesALook
	best = math.Inf(1)
	if s.after == nil {
		most := -1.0
		for _, x := range of[block][:to-from] {
			if x > most {
				most = x
			}
		}
		if most >= 0 {
			best = -most
		}
		return best
	}
	keys, behind := 0, s.tops.behind
	for i, x := range of[block][:to-from] {
		key := -x
		if key <= behind { // maybe above: a window may have ended
			keys++
			if key, _ = s.keys.of(v, uint32(from+i)); key == behind {
				s.tops.cursor.add(key, uint32(from+i))
			}
		}
		if key > behind {
			if key < best {
				best = key
			}
		}
	}
	v.Visits += keys / keysALook
	return best
}

// spanned is bestOf where no column has the keys.
func (s *TreeScan) spanned(v *View, block int) float64 {
	lo, hi, ok := s.span(v, block)
	if !ok {
		return math.Inf(-1)
	}
	if s.Q.Desc {
		lo, hi = -hi, -lo
	}
	switch {
	case s.after == nil || s.tops.behind < lo:
		return lo
	case s.tops.behind > hi:
		return math.Inf(1)
	case lo == hi:
		s.tops.cursor.manyOf(lo)
		return math.Inf(1)
	}
	return s.tops.behind
}

// uniform tells that all rows of a block have the same key or none, without a look at them.
func (s *TreeScan) uniform(v *View, block int) bool {
	lo, hi, ok := s.span(v, block)
	return ok && lo == hi
}

// span is the least and the most that rows of a block go by, if that is known of what the page goes by.
func (s *TreeScan) span(v *View, block int) (least, most float64, ok bool) {
	if s.Q.SortBy != SortCreatedAt && s.Q.SortBy != SortUsageLimit {
		return 0, 0, false
	}
	least, most = v.ranks.spans[block].of(s.Q.SortBy)
	return least, most, true
}

func blockRows(v *View, block int) (from, to int) {
	return block * topBlock, min((block+1)*topBlock, v.Rows.Len())
}

// column has the keys that the page goes by, or figures that are better; nil = none does.
func (s *TreeScan) column(v *View) column {
	switch {
	case !s.Q.Desc:
	case s.Q.SortBy == SortUtilization:
		return v.ranks.share
	case s.Q.SortBy == SortCurrentUsage:
		return v.ranks.used
	}
	return nil
}

// openOn goes on to look at the blocks that may have rows of the page.
func (s *TreeScan) openOn(v *View) (done bool) {
	t := &s.tops
	for ; t.next < len(t.blocks); t.next++ {
		if v.Tired() {
			return false
		}
		b := t.blocks[t.next]
		switch floor := s.floor(); {
		case s.least > 0 && s.Q.Desc && s.Q.SortBy == SortUtilization && b.best > -s.least:
			return true
		case s.full() && b.best > floor:
			return true
		case s.full() && b.best == floor && s.floorExact() && (t.ties.key == floor && t.ties.many || s.uniform(v, b.block)):
			t.ties.manyOf(floor)
		default:
			s.open(v, b.block)
		}
	}
	return true
}

func (s *TreeScan) floorExact() bool {
	_, exact := s.itemKey(&s.top[0])
	return exact
}

// open looks at the rows of a block.
func (s *TreeScan) open(v *View, block int) {
	from, to := blockRows(v, block)
	t, of := &s.tops, s.column(v)
	full, floor, exactly := s.full(), s.floor(), s.full() && s.floorExact()
	keys, looked := 0, 0
	for i := from; i < to; i++ {
		row := uint32(i)
		if of != nil && full {
			if best := -of[block][i-from]; best > floor {
				continue
			} else if best == floor && exactly {
				t.ties.add(floor, row)
				continue
			}
		}
		if s.least > 0 && v.ranks.share.at(row) < s.least {
			continue
		}
		keys++
		key, exact := s.keys.of(v, row)
		switch {
		case math.IsNaN(key), full && key > floor:
			continue
		case s.after != nil && exact && key < t.behind:
			continue
		case s.after != nil && exact && key == t.behind:
			if of == nil {
				t.cursor.add(key, row)
			}
			continue
		case full && exact && exactly && key == floor:
			t.ties.add(floor, row)
			continue
		}
		if t.isOdd(row) {
			continue
		}
		looked++
		s.row(v, row)
		if s.full() {
			full, floor, exactly = true, s.floor(), s.floorExact()
		}
	}
	v.Visits += topBlock/passesALook + keys/keysALook + looked*RowLook
}

// tiesOn goes on to look at limits that are alike.
func (s *TreeScan) tiesOn(v *View, t *tied, behind bool) (done, proves bool, err error) {
	if t.many {
		if !v.hasTreeIndex() {
			return false, false, ErrNoTreeIndex
		}
		done, proves = s.alike(v, t.key, behind, v.walkMost())
		return done, proves, nil
	}
	for ; len(t.rows) > 0; t.rows = t.rows[1:] {
		if v.Tired() {
			return false, true, nil
		}
		v.Visits += RowLook
		if row := t.rows[0]; !s.tops.isOdd(row) {
			s.row(v, row)
		}
	}
	return true, true, nil
}
