package engine

import (
	"context"
	"math"
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store"
)

// endOfTime is behind every instant.
const endOfTime = bursar.Time(math.MaxInt64)

const (
	denialChunk = 200  // samples that are read at once
	denialScan  = 2000 // that one request reads
	// denialCounts bounds the counts that one request reads.
	denialCounts = 500_000
)

// DenialQuery selects denials in [From, To); zero members do not filter.
type DenialQuery struct {
	From, To bursar.Time
	EntityID string // those that named it, or an entity below it
	// AssignmentID are those that this limit denied. It is a hint: where a token sees less than the
	// whole customer, others are found, too.
	AssignmentID string
	ledger.ListPage
}

// ListDenials is a page of the denials of a customer, newest first: those that are kept, and more, which
// the caller remembers. view shows one, or says that it is not to be seen or not meant.
func ListDenials[T any](ctx context.Context, e *Engine, o ledger.ReadOptions, customer string, q DenialQuery, more []*Denial,
	view func(*ledger.Sight, *Denial) (T, bool)) (p ledger.Page[T], version uint64, err error) {
	sq := store.DenialQuery{CustomerID: customer, From: q.From, To: q.To, Limit: q.Limit + 1}
	if sq.To == 0 {
		sq.To = endOfTime
	}
	if sq.Tags, version, err = e.denialTags(ctx, o, customer, &q); err != nil {
		return p, version, err
	}
	if q.After != nil {
		sq.Below = &store.DenialPos{At: q.After.CreatedAt, ID: q.After.ID}
	}
	if q.Before != nil {
		sq.Above = &store.DenialPos{At: q.Before.CreatedAt, ID: q.Before.ID}
	}
	up := sq.Above != nil
	// A denial that is written while we read is in memory and in the store; the list has it once.
	l := denialReader{e: e, q: sq, up: up, mem: e.denials.remembered(&sq, more)}
	for scanned := 0; len(p.Items) <= q.Limit && !l.done; {
		if scanned >= denialScan {
			at := ledger.ListPos{CreatedAt: l.at.At, ID: l.at.ID}
			p.Rest = &at
			break
		}
		some, err := l.next(ctx)
		if err != nil {
			return p, version, err
		}
		scanned += len(some)
		var shown []T
		if version, err = e.See(ctx, o, customer, func(s *ledger.Sight) {
			for _, d := range some {
				if v, ok := view(s, d); ok {
					shown = append(shown, v)
				}
			}
		}); err != nil {
			return p, version, err
		}
		if up {
			p.Items = append(shown, p.Items...)
		} else {
			p.Items = append(p.Items, shown...)
		}
	}
	if over := len(p.Items) - q.Limit - 1; over >= 0 { // there may be more than one item too many
		p.Rest = nil
		if up {
			p.Items = p.Items[over:]
		} else {
			p.Items = p.Items[:q.Limit+1]
		}
	}
	p.Cut(q.Limit, q.After != nil, up)
	return p, version, nil
}

// denialTags are the tags of what may be found; nil = all.
func (e *Engine) denialTags(ctx context.Context, o ledger.ReadOptions, customer string, q *DenialQuery) (tags []string, version uint64, err error) {
	if q.EntityID == "" && (o.Token == nil || o.Token.RootEntityID == "") {
		if q.AssignmentID != "" {
			tags = []string{limitTag(q.AssignmentID)}
		}
		version, err = e.readCustomer(ctx, o, customer, func(*ledger.View) error { return nil })
		return tags, version, err
	}
	ids := ledger.SeenEntities{Below: q.EntityID}
	version, err = e.readTurn(ctx, o, customer, ids.On)
	tags = make([]string, len(ids.IDs))
	for i, id := range ids.IDs {
		tags[i] = entityTag(id)
	}
	return tags, version, err
}

// remembered are those of memory that q selects, in the order in which they are read: those that
// wait to be written, and more.
func (k *denialKeeper) remembered(q *store.DenialQuery, more []*Denial) []*Denial {
	all := *q
	tags := map[string]bool{}
	for _, t := range q.Tags {
		tags[t] = true
	}
	all.Tags = nil
	k.mu.Lock()
	list := slices.Concat(k.waiting, more)
	k.mu.Unlock()
	list = slices.DeleteFunc(list, func(d *Denial) bool {
		r := placeOf(d)
		return !all.Selects(&r) || q.Tags != nil && !slices.ContainsFunc(r.Tags, func(t string) bool { return tags[t] })
	})
	list = sortDenials(list)
	if q.Above != nil {
		slices.Reverse(list)
	}
	return list
}

// sortDenials has the newest first, each once.
func sortDenials(list []*Denial) []*Denial {
	slices.SortFunc(list, func(a, b *Denial) int { return b.Pos().Compare(a.Pos()) })
	return slices.CompactFunc(list, func(a, b *Denial) bool { return a.Pos() == b.Pos() })
}

// denialReader reads denials of the store and of memory together.
type denialReader struct {
	e    *Engine
	q    store.DenialQuery
	up   bool            // the older ones first
	mem  []*Denial       // that are not read yet
	at   store.DenialPos // of the last one that was read
	done bool
}

// next reads some more, and gives them newest first.
func (l *denialReader) next(ctx context.Context) (some []*Denial, err error) {
	var rows []store.DenialRow
	l.q.Limit = denialChunk
	if l.e.denials.keeps {
		if err := l.e.share.turn(ctx, l.q.CustomerID, func(ctx context.Context) (err error) {
			rows, err = l.e.store.Denials(ctx, l.q)
			return err
		}); err != nil {
			return nil, l.e.notNow(err)
		}
	}
	for i := range rows {
		d, err := denialOf(&rows[i])
		if err != nil {
			return nil, l.e.unavailable(err)
		}
		some = append(some, d)
	}
	if l.done = len(rows) < denialChunk; l.done {
		some = append(some, l.mem...)
		return sortDenials(some), nil
	}
	if l.up {
		l.at = rows[0].Pos()
		l.q.Above = &l.at
	} else {
		l.at = rows[len(rows)-1].Pos()
		l.q.Below = &l.at
	}
	n := slices.IndexFunc(l.mem, func(d *Denial) bool {
		c := d.Pos().Compare(l.at)
		return l.up && c > 0 || !l.up && c < 0
	})
	if n < 0 {
		n = len(l.mem)
	}
	some, l.mem = append(some, l.mem[:n]...), l.mem[n:]
	return sortDenials(some), nil
}

// DenialCounts calls visit with how many denials of a customer there were in each hour that begins in
// [from, to) and each group, on all nodes, with kept, of how many there are samples. An hour and group
// may come more than once.
func (e *Engine) DenialCounts(ctx context.Context, customer string, from, to bursar.Time, visit func(hour bursar.Time, g *DenialGroup, denied, kept uint64, last bursar.Time)) error {
	scanned := 0
	groups := map[[2]string]*DenialGroup{} // most come in many hours
	add := func(c store.DenialCount) error {
		if scanned++; scanned > denialCounts {
			return bursar.ErrorAt("?startDate", bursar.CodeTooMuchToRead, "more than %d counts would have to be read; ask for a shorter time", denialCounts)
		}
		text := [2]string{c.Limit, c.Group}
		g := groups[text]
		if g == nil {
			made, err := groupOf(&c)
			if err != nil {
				return err
			}
			g = &made
			groups[text] = g
		}
		visit(c.Hour, g, c.Denied, c.Kept, c.Last)
		return nil
	}
	if err := e.share.turn(ctx, customer, func(ctx context.Context) (err error) {
		k := e.denials
		k.saving.RLock()
		defer k.saving.RUnlock()
		mine := k.unwritten(customer, from, to)
		if k.keeps {
			err = e.store.DenialCounts(ctx, customer, from, to, mine.unsure, add)
		}
		for _, c := range slices.Concat(mine.more, mine.whole) {
			if err == nil {
				err = add(c)
			}
		}
		return err
	}); err != nil {
		return e.notNow(err)
	}
	return nil
}

// DenialEntities are the entities whose denials a query is about: entity and those below it, of what
// is seen; nil = all.
func (e *Engine) DenialEntities(ctx context.Context, o ledger.ReadOptions, customer, entity string) (ids map[string]bool, version uint64, err error) {
	tags, version, err := e.denialTags(ctx, o, customer, &DenialQuery{EntityID: entity})
	if err != nil || tags == nil {
		return nil, version, err
	}
	ids = make(map[string]bool, len(tags))
	for _, t := range tags {
		ids[t[len(entityTag("")):]] = true
	}
	return ids, version, nil
}
