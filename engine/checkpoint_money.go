package engine

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/bursarhq/bursar"
)

// Sorts of parts of a checkpoint. The key of a unique set is "row/feature/start", of the
// others one number: the grant's own, the row's, or the capability's.
const (
	partGrant  = "grant"
	partPool   = "pool"
	partBoosts = "boosts"
	partPromo  = "promotion"
	partFired  = "fired"
	partUnique = "unique"
	partPaths  = "paths"
)

type partKey struct {
	sort string
	ord  uint32
}

// part notes that a part has changed. A nil pointer or slice deletes it.
func (d *dirty) part(sort string, ord uint32, v any) { d.parts[partKey{sort, ord}] = v }

// The JSON forms of parts.
type grantPart struct {
	Grant bursar.Grant      `json:"grant"`
	Cap   bursar.Capability `json:"capability"`
}

type poolPart struct {
	Limit     bursar.Amount `json:"limit"`
	Used      bursar.Amount `json:"used"`
	Active    bursar.Amount `json:"active"`
	At        bursar.Time   `json:"at"`
	Overdraft uint32        `json:"overdraft"`
	Live      []uint32      `json:"live"`
	Ended     []uint32      `json:"ended"`
	Low       []int         `json:"low"`
}

type boostPart struct {
	ID      string        `json:"id"`
	Amount  bursar.Amount `json:"amount"`
	Created bursar.Time   `json:"createdAt"`
	Expires bursar.Time   `json:"expiresAt"`
	Ended   bursar.Time   `json:"endedAt"`
	Reason  *string       `json:"reason"`
	By      string        `json:"createdBy"`
}

type promoPart struct {
	Row       uint32           `json:"row"`
	Promotion bursar.Promotion `json:"promotion"`
}

type firedPart struct {
	Start  bursar.Time `json:"start"`
	Levels []int       `json:"levels"`
}

// partBody is the body of a part; nil deletes it.
func partBody(v any, caps []bursar.Capability) []byte {
	var body any
	switch v := v.(type) {
	case *grant:
		body = grantPart{v.Grant, caps[v.cap-1]}
	case *pool:
		body = poolPart{v.limit, v.used, v.active, v.at, v.overdraft, v.live, v.ended, v.low}
	case []*boost:
		if v == nil {
			return nil
		}
		list := make([]boostPart, len(v))
		for i, b := range v {
			list[i] = boostPart{formatID(b.id), b.amount, b.created, b.expires, b.ended, b.reason, b.by}
		}
		body = list
	case *promo:
		if v == nil {
			return nil
		}
		body = promoPart{v.row, v.Promotion}
	case *fired:
		if v == nil {
			return nil
		}
		body = firedPart{v.start, v.levels}
	case pathsPart:
		body = v
	}
	b, _ := json.Marshal(body) // no type in them can fail
	return b
}

func (k *capture) fillParts(caps []bursar.Capability) {
	keys := slices.SortedFunc(maps.Keys(k.dirty.parts), func(a, b partKey) int {
		if a.sort != b.sort {
			return strings.Compare(a.sort, b.sort)
		}
		return int(int64(a.ord) - int64(b.ord))
	})
	for _, key := range keys {
		k.cp.Parts = append(k.cp.Parts, PartRow{key.sort, fmt.Sprintf("%010d", key.ord), partBody(k.dirty.parts[key], caps)})
	}
	k.cp.Parts = append(k.cp.Parts, uniqueParts(k.dirty.uniques)...)
}

func uniqueParts(sets map[uniqueKey]*uniqueSet) (parts []PartRow) {
	for key, set := range sets {
		p := PartRow{Sort: partUnique, Key: fmt.Sprintf("%010d/%d/%d", key.row, key.cap, key.start)}
		if set != nil {
			p.Body = set.encode()
		}
		parts = append(parts, p)
	}
	slices.SortFunc(parts, func(a, b PartRow) int { return strings.Compare(a.Key, b.Key) })
	return parts
}

// restorePart takes one part in.
func (s *state) restorePart(p *PartRow) error {
	var ord uint32
	if _, err := fmt.Sscanf(p.Key, "%d", &ord); err != nil {
		return fmt.Errorf("checkpoint: %s %q: %w", p.Sort, p.Key, err)
	}
	if p.Sort == partUnique {
		return s.restoreUnique(p)
	}
	return s.restoreJSON(p, ord)
}

func (s *state) restoreJSON(p *PartRow, ord uint32) (err error) {
	read := func(v any) bool {
		if err = json.Unmarshal(p.Body, v); err != nil {
			err = fmt.Errorf("checkpoint: %s %q: %w", p.Sort, p.Key, err)
		}
		return err == nil
	}
	switch p.Sort {
	case partGrant:
		var g grantPart
		if read(&g) {
			for int(ord) >= len(s.grants) {
				s.grants = append(s.grants, nil)
			}
			id, _ := parseID(g.Grant.ID)
			s.grants[ord] = &grant{g.Grant, s.caps.ord(g.Cap), id}
		}
	case partPool:
		var q poolPart
		if read(&q) {
			s.pools[ord] = &pool{q.Limit, q.Used, q.Active, q.At, q.Overdraft, q.Live, q.Ended, q.Low}
		}
	case partBoosts:
		var list []boostPart
		if read(&list) {
			for _, b := range list {
				id, _ := parseID(b.ID)
				s.boosts[ord] = append(s.boosts[ord], &boost{id, b.Amount, b.Created, b.Expires, b.Ended, b.Reason, b.By})
			}
		}
	case partPromo:
		var q promoPart
		if read(&q) {
			s.promos[ord] = &promo{q.Row, q.Promotion}
		}
	case partFired:
		var q firedPart
		if read(&q) {
			s.fired[ord] = &fired{q.Start, q.Levels}
		}
	case partPaths:
		var q pathsPart
		if read(&q) {
			s.restorePaths(ord, q)
		}
	default:
		return fmt.Errorf("checkpoint: parts of sort %q are from a newer version", p.Sort)
	}
	return err
}

func (s *state) restoreUnique(p *PartRow) error {
	var k uniqueKey
	if _, err := fmt.Sscanf(p.Key, "%d/%d/%d", &k.row, &k.cap, (*int64)(&k.start)); err != nil {
		return fmt.Errorf("checkpoint: unique %q: %w", p.Key, err)
	}
	set, err := decodeUniqueSet(p.Body)
	if err != nil {
		return fmt.Errorf("checkpoint: unique %q: %w", p.Key, err)
	}
	s.uniques[k] = set
	if k.row != 0 {
		s.windows[k.row] = append(s.windows[k.row], k.start)
		slices.Sort(s.windows[k.row])
	}
	return nil
}

// dumpMoney is the part of dump that is about credits, prices and alerts.
func (s *state) dumpMoney(e *encoder) {
	for _, g := range s.grants[1:] {
		e.bytes(partBody(g, s.caps.list))
	}
	dumpParts(e, s.pools)
	dumpParts(e, s.boosts)
	dumpParts(e, s.promos)
	dumpParts(e, s.fired)
	for _, p := range uniqueParts(s.uniques) {
		e.string(p.Key)
		e.bytes(p.Body)
	}
}

func dumpParts[V any](e *encoder, m map[uint32]V) {
	for _, ord := range slices.Sorted(maps.Keys(m)) {
		e.ord(ord)
		e.bytes(partBody(any(m[ord]), nil))
	}
}
