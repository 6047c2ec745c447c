package ledger

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// Sorts of parts of a checkpoint. The key of a unique set is "row/feature/start", of the
// others one number: the grant's own, the row's, or the capability's.
const (
	partGrant        = "grant"
	partPool         = "pool"
	partBoosts       = "boosts"
	partPromo        = "promotion"
	partFired        = "fired"
	partUnique       = "unique"
	partPaths        = store.SortPaths
	partEnded        = "ended"
	partFreeze       = "freeze"
	partDefaults     = "defaults"
	partLearned      = "learned"
	partRequest      = "boostRequest"
	partLoans        = "loans"
	partDegrade      = "degrade"
	partNotification = "notification"
	partTold         = "told"
	partNotifyUse    = "notificationUse"
)

type partKey struct {
	sort string
	ord  uint32
}

// part notes that a part has changed. A nil pointer or slice deletes it.
func (d *Dirty) part(sort string, ord uint32, v any) { d.parts[partKey{sort, ord}] = v }

// mergeParts moves the changes of one sort of part into the state's map. A nil value is of what is gone.
func mergeParts[V any](s *State, sort string, into, changes map[uint32]*V) {
	for ord, x := range changes {
		if x == nil {
			delete(into, ord)
		} else {
			into[ord] = x
		}
		s.Dirty.part(sort, ord, x)
	}
}

// partBody is the body of a part; nil deletes it.
func partBody(v any, caps []bursar.Capability) []byte {
	if x := reflect.ValueOf(v); (x.Kind() == reflect.Pointer || x.Kind() == reflect.Slice) && x.IsNil() {
		return nil
	}
	var body any
	switch v := v.(type) {
	case *grant:
		body = grantPart{v.Grant, caps[v.cap-1]}
	case *pool:
		body = v.part(nil)
	case []*record.Boost:
		body = boostParts(v)
	case []*record.Loan:
		body = loanParts(v)
	case *promo:
		body = promoPart{v.row, v.Promotion}
	case *record.Fired:
		body = firedPart{v.Start, v.Levels}
	case *record.Freeze:
		body = freezePart{v.Reason, v.At, v.ByToken, v.Root}
	case *record.Told:
		body = toldPart{v.Start, v.Levels, v.Denied, v.Owed}
	case []*record.Notification:
		body = partOf(notificationRecords(v))
	case []*record.DegradePolicy:
		body = partOf(degradeRecords(v))
	case *defaultSet:
		if len(v.list) == 0 {
			return nil
		}
		body = partOf(v.records())
	case *record.BoostRequest:
		body = partOf(requestRecords(v))
	case *record.NotificationUse, *learned, pathsPart, endedMark:
		body = v
	}
	b, _ := json.Marshal(body) // no type in them can fail
	return b
}

func (k *Capture) fillParts(caps []bursar.Capability) {
	keys := slices.SortedFunc(maps.Keys(k.Dirty.parts), func(a, b partKey) int {
		if a.sort != b.sort {
			return strings.Compare(a.sort, b.sort)
		}
		return int(int64(a.ord) - int64(b.ord))
	})
	for _, key := range keys {
		k.Cp.Parts = append(k.Cp.Parts, store.PartRow{Sort: key.sort, Key: fmt.Sprintf("%010d", key.ord), Body: partBody(k.Dirty.parts[key], caps)})
	}
	k.Cp.Parts = append(k.Cp.Parts, uniqueParts(k.Dirty.uniques)...)
}

// restorePart takes one part in.
func (s *State) restorePart(p *store.PartRow) error {
	var ord uint32
	if _, err := fmt.Sscanf(p.Key, "%d", &ord); err != nil {
		return fmt.Errorf("checkpoint: %s %q: %w", p.Sort, p.Key, err)
	}
	if p.Sort == partUnique {
		return s.restoreUnique(p)
	}
	return s.restoreJSON(p, ord)
}

// ErrNewer is the error when a checkpoint has what only a newer version of the program knows.
var ErrNewer = errors.New("are from a newer version")

func (s *State) restoreJSON(p *store.PartRow, ord uint32) (err error) {
	read := func(v any) bool { err = readPart(p, v); return err == nil }
	switch p.Sort {
	case partGrant:
		var g grantPart
		if read(&g) {
			for int(ord) >= len(s.Grants) {
				s.Grants = append(s.Grants, nil)
			}
			id, _ := store.ParseID(g.Grant.ID)
			s.Grants[ord] = &grant{g.Grant, s.Caps.Ord(g.Cap), id}
		}
	case partPool:
		var q poolPart
		if read(&q) {
			s.Pools[ord] = &pool{q.Limit, q.Used, q.Active, q.At, q.Overdraft, q.Live, q.Low}
			s.poolsEnded = append(s.poolsEnded, q.Ended...)
		}
	case partPromo:
		var q promoPart
		if read(&q) {
			s.Promos[ord] = &promo{q.Row, q.Promotion}
		}
	case partPaths:
		if err = s.restorePaths(ord, p.Body); err != nil {
			err = fmt.Errorf("checkpoint: %s %q: %w", p.Sort, p.Key, err)
		}
	case partLearned:
		var q learned
		if read(&q) {
			s.learned[ord] = &q
		}
	case partEnded:
		s.endedMarked = true
	default:
		return s.restoreGoverned(p, ord)
	}
	return err
}

// restoreGoverned takes in a part that is about limits and entities.
func (s *State) restoreGoverned(p *store.PartRow, ord uint32) (err error) {
	read := func(v any) bool { err = readPart(p, v); return err == nil }
	switch p.Sort {
	case partBoosts:
		var list []boostPart
		if read(&list) {
			s.boosts[ord] = restoredBoosts(list)
		}
	case partLoans:
		var list []loanPart
		if read(&list) {
			s.loans[ord] = restoredLoans(list)
		}
	case partRequest:
		return s.restoreRequest(ord, p)
	case partFired:
		var q firedPart
		if read(&q) {
			s.Fired[ord] = &record.Fired{Start: q.Start, Levels: q.Levels}
		}
	case partFreeze:
		var q freezePart
		if read(&q) {
			s.freezes[ord] = &record.Freeze{Reason: q.Reason, At: q.At, ByToken: q.ByToken, Root: q.Root}
		}
	case partDefaults:
		return s.restoreDefaults(p)
	case partDegrade:
		return s.restoreDegrades(ord, p)
	case partNotification:
		return s.restoreNotifications(ord, p)
	case partNotifyUse:
		var q record.NotificationUse
		if read(&q) {
			s.notificationUse[ord] = &q
		}
	case partTold:
		var q toldPart
		if read(&q) {
			s.told[ord] = &record.Told{Start: q.Start, Levels: q.Levels, Denied: q.Denied, Owed: q.Owed}
			s.noteOwed(ord)
		}
	default:
		return fmt.Errorf("checkpoint: parts of sort %q %w", p.Sort, ErrNewer)
	}
	return err
}

// recordsPart is a part of a checkpoint that is kept as the records that make it, written as in a
// commit.
type recordsPart struct {
	Records []byte `json:"records"`
}

func partOf(recs []record.Record) recordsPart { return recordsPart{record.EncodePayload(nil, recs)} }

// readRecords reads a part that partOf made.
func readRecords(p *store.PartRow) ([]record.Record, error) {
	var q recordsPart
	if err := readPart(p, &q); err != nil {
		return nil, err
	}
	recs, err := record.DecodePayload(q.Records)
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %s %q: %w", p.Sort, p.Key, err)
	}
	return recs, nil
}

func readPart(p *store.PartRow, v any) error {
	if err := json.Unmarshal(p.Body, v); err != nil {
		return fmt.Errorf("checkpoint: %s %q: %w", p.Sort, p.Key, err)
	}
	return nil
}

// dumpParts is the part of Dump that a checkpoint has as parts.
func (s *State) dumpParts(e *record.Encoder, inOrder bool) {
	for _, g := range s.Grants[1:] {
		e.Bytes(partBody(g, s.Caps.List))
	}
	s.dumpPools(e, inOrder)
	dumpPartsOf(e, s.boosts)
	dumpPartsOf(e, s.Promos)
	dumpPartsOf(e, s.Fired)
	dumpPartsOf(e, s.freezes)
	dumpPartsOf(e, s.learned)
	dumpPartsOf(e, s.requests)
	dumpPartsOf(e, s.loans)
	dumpPartsOf(e, s.degrades)
	dumpPartsOf(e, s.notifications)
	dumpPartsOf(e, s.told)
	dumpPartsOf(e, s.notificationUse)
	for _, p := range uniqueParts(s.Uniques) {
		e.String(p.Key)
		e.Bytes(p.Body)
	}
}

func dumpPartsOf[V any](e *record.Encoder, m map[uint32]V) {
	for _, ord := range slices.Sorted(maps.Keys(m)) {
		e.Ord(ord)
		e.Bytes(partBody(any(m[ord]), nil))
	}
}
