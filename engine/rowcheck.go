package engine

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// What CheckStore compares with a log besides its commits.

// checkpoint compares the saved state with the fold, which has come to the commit that it was saved at.
func (k *streamCheck) checkpoint() error {
	if !bytes.Equal(k.st.Dump(), k.saved.Dump()) {
		k.differ("its checkpoint at commit %d is not what its log comes to", k.saved.Head.Seq)
	}
	if err := k.holds(); err != nil {
		return err
	}
	if err := k.buckets(); err != nil {
		return err
	}
	return k.knownKeys()
}

// holds compares the reservations that have ended, which only the store has.
func (k *streamCheck) holds() error {
	left := maps.Clone(k.ended)
	for _, status := range []bursar.HoldStatus{bursar.HoldCommitted, bursar.HoldReleased, bursar.HoldExpired} {
		q := store.HoldQuery{Status: status, Limit: 1000}
		for {
			rows, err := k.c.s.Holds(k.c.ctx, k.name, q)
			if err != nil {
				return fmt.Errorf("its reservations: %w", err)
			}
			for i := range rows {
				b, err := store.EncodeRows(&rows[i])
				if err != nil || k.ended[rows[i].ID] != string(b) {
					k.differ("reservation %s is not what its log says", rows[i].ID)
				}
				delete(left, rows[i].ID)
			}
			if len(rows) < q.Limit {
				break
			}
			q.After = rows[len(rows)-1].ID
		}
	}
	if len(left) > 0 {
		k.differ("%d reservations that have ended are missing", len(left))
	}
	return nil
}

// buckets compares the usage series.
func (k *streamCheck) buckets() error {
	byEntity := map[uint32]map[store.SeriesKey]bursar.Amount{}
	for key, amount := range k.series {
		if byEntity[key.EntityOrd] == nil {
			byEntity[key.EntityOrd] = map[store.SeriesKey]bursar.Amount{}
		}
		if !amount.IsZero() {
			byEntity[key.EntityOrd][key] = amount
		}
	}
	ords := slices.AppendSeq([]uint32{ledger.UsesByPath, ledger.CountsByPath, ledger.CountsOfCustomer}, maps.Keys(byEntity))
	for ord := range uint32(k.st.Entities.Len()) {
		ords = append(ords, ord)
	}
	slices.Sort(ords)
	for _, ord := range slices.Compact(ords) {
		want := byEntity[ord]
		rows, _, err := k.c.s.Series(k.c.ctx, k.name, store.SeriesQuery{EntityOrd: ord, To: maxBucket})
		if err != nil {
			return fmt.Errorf("its usage series: %w", err)
		}
		wrong := 0
		for i := range rows {
			if amount := want[rows[i].SeriesKey]; amount != rows[i].Amount {
				wrong++
			}
			delete(want, rows[i].SeriesKey)
		}
		if wrong += len(want); wrong > 0 {
			k.differ("%d buckets of the usage series of entity number %d are not what its log comes to", wrong, ord)
		}
	}
	return nil
}

// knownKeys compares the idempotency keys that every store still has.
func (k *streamCheck) knownKeys() error {
	probes, wrong := map[int64][][16]byte{}, 0
	missing := map[[16]byte]bool{}
	for hash, e := range k.keys {
		got, gens := k.saved.Keys.Find(hash, math.MinInt64/2, k.saved.Head.Now)
		if got != nil && *got != e {
			wrong++
		}
		if missing[hash] = true; got != nil {
			delete(missing, hash)
		}
		for _, p := range gens {
			probes[p.Gen] = append(probes[p.Gen], hash)
		}
	}
	for gen, hashes := range probes {
		entries, err := k.c.s.FindKeys(k.c.ctx, k.name, gen, hashes)
		if err != nil {
			return fmt.Errorf("its idempotency keys: %w", err)
		}
		for i, b := range entries {
			if b == nil {
				continue
			}
			delete(missing, hashes[i])
			if ledger.ParseKeyEntry(b) != k.keys[hashes[i]] {
				wrong++
			}
		}
	}
	if wrong+len(missing) > 0 {
		k.differ("of its idempotency keys %d are wrong and %d are missing", wrong, len(missing))
	}
	return nil
}

// indexes compares what only the store knows of.
func (k *streamCheck) indexes() error {
	s, ok := k.c.s.(store.Indexed)
	if !ok {
		return nil
	}
	err := s.CheckIndexes(k.c.ctx, k.name, func(difference string) { k.differ("%s", difference) })
	if err != nil {
		return fmt.Errorf("its activity: %w", err)
	}
	return nil
}

// entry compares one entry of the activity with the listing's next one.
func (k *streamCheck) entry(want *store.Activity) error {
	got, err := k.activity.next(k)
	if err != nil {
		return fmt.Errorf("its activity: %w", err)
	}
	switch {
	case got == nil:
		k.activity.broken = true
		k.differ("the activity listing ends before entry %s", want.ID)
	case !sameActivity(got, want) && !k.activity.broken:
		k.activity.broken = got.ID != want.ID // what follows would differ, too
		k.differ("entry %s of the activity listing is not what its log says", want.ID)
	}
	return nil
}

func sameActivity(a, b *store.Activity) bool {
	x, y := *a, *b
	x.Before, x.After, y.Before, y.After = nil, nil, nil, nil
	return reflect.DeepEqual(x, y) && bytes.Equal(a.Before, b.Before) && bytes.Equal(a.After, b.After)
}

// activityPages reads the activity listing in its order, from after the commits that the
// log does not have any more.
type activityPages struct {
	from   uint64
	page   []store.Activity // newest first
	above  string
	ended  bool
	broken bool // it is out of step with the log
}

// next is the next entry, nil behind the last one.
func (p *activityPages) next(k *streamCheck) (*store.Activity, error) {
	if p.broken {
		return nil, nil
	}
	for {
		if len(p.page) == 0 {
			if p.ended {
				return nil, nil
			}
			if p.above == "" {
				p.above = "0" // every id is above it
			}
			const limit = 1000
			page, err := k.c.s.Activity(k.c.ctx, k.name, store.ActivityQuery{Above: p.above, Limit: limit})
			if err != nil {
				return nil, err
			}
			if p.page, p.ended = page, len(page) < limit; len(page) > 0 {
				p.above = page[0].ID
			}
			continue
		}
		a := &p.page[len(p.page)-1]
		p.page = p.page[:len(p.page)-1]
		if id, ok := store.ParseID(a.ID); !ok || record.PlaceOf(id).Seq > p.from {
			return a, nil
		}
	}
}
