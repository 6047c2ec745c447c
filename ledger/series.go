package ledger

import (
	"cmp"
	"iter"
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

func (b Bucket) Named(caps []bursar.Capability) store.SeriesKey {
	return store.SeriesKey{Bucket: b.At, Capability: caps[b.cap-1], EntityOrd: b.Ent, ChildOrd: b.child, Combo: b.combo}
}

func (b Bucket) compare(c Bucket) int {
	switch { // it sorts whole checkpoints: the entity comes first, as it differs most often
	case b.Ent != c.Ent:
		return cmp.Compare(b.Ent, c.Ent)
	case b.cap != c.cap:
		return cmp.Compare(b.cap, c.cap)
	case b.At != c.At:
		return cmp.Compare(b.At, c.At)
	case b.child != c.child:
		return cmp.Compare(b.child, c.child)
	}
	return cmp.Compare(b.combo, c.combo)
}

// CountsOfCustomer is the entity number under which the buckets of a currency count how
// many times it was charged.
const CountsOfCustomer = 1<<32 - 1

var oneUnit = bursar.AmountFromInt(1)

const bucketWidth = 15 * 60 * 1e9

func BucketOf(t bursar.Time) uint32 { return uint32(max(0, int64(t)/bucketWidth)) }

// SeriesSource is what a reader of usage series asks for: some of the buckets of one
// entity or more, all as of one version of the customer.
type SeriesSource struct {
	Queries []store.SeriesQuery
	// Through, if not 0, is an entity: of the buckets by path, only those of paths through it
	// are read. paths are those found so far, among the first looked of the customer's paths.
	Through uint32
	Most    int // rows; 0 = MaxBuckets
	paths   []uint32
	looked  uint32
}

// AtMost is how many rows are read at most.
func (s *SeriesSource) AtMost() int { return cmp.Or(s.Most, MaxBuckets) }

// byPath tells whether buckets under a number are those of paths.
func byPath(ord uint32) bool { return ord == UsesByPath || ord == CountsByPath }

// Pending notes what of the source no checkpoint has, at the version that v is of.
func (s *SeriesSource) Pending(v *View) (out []PendingSeries, done bool) {
	paths := slices.ContainsFunc(s.Queries, func(q store.SeriesQuery) bool { return byPath(q.EntityOrd) })
	if paths && s.Through != 0 && !v.pathsThrough(s.Through, &s.paths, &s.looked) {
		return nil, false
	}
	for i := range s.Queries {
		q := &s.Queries[i]
		if byPath(q.EntityOrd) && s.Through != 0 {
			q.Children = append([]uint32{}, s.paths...)
		}
		out = append(out, v.PendingSeries(q))
	}
	return out, true
}

// PendingSeries is what a checkpoint has not saved yet, in two parts while one is being
// saved.
type PendingSeries struct {
	Base, mid     uint64
	flushing      bool
	first, second []store.SeriesRow

	head      uint64
	additions []pendingAddition // in place of first and second where other processes save too
	timed     []store.SeriesRow // of holds that have ended by time
}

// seriesAddition is what one commit added to the series.
type seriesAddition struct {
	seq  uint64
	adds []Addition
}

type pendingAddition struct {
	seq uint64
	row store.SeriesRow
}

// buckets are sums by bucket, those of one entity and capability together.
type buckets struct {
	of map[uint64]*bucketList // by bucketsOf
	n  int
}

func newBuckets() buckets { return buckets{of: map[uint64]*bucketList{}} }

func bucketsOf(ent, cap uint32) uint64 { return uint64(ent)<<32 | uint64(cap) }

// inSeries tells the buckets of one entity and capability apart.
type inSeries struct{ at, child, combo uint32 }

// bucketList is the buckets of one entity and capability, in the order of their coming. Of a few it is
// quicker to look at each than to keep an index.
type bucketList struct {
	places []inSeries
	sums   []bursar.Amount
	index  map[inSeries]int32 // nil while there are few
}

const fewBuckets = 12

func (l *bucketList) find(p inSeries) int {
	if l.index != nil {
		if i, ok := l.index[p]; ok {
			return int(i)
		}
		return -1
	}
	return slices.Index(l.places, p)
}

// add adds to a bucket.
func (b *buckets) add(k Bucket, a bursar.Amount) {
	l := b.of[bucketsOf(k.Ent, k.cap)]
	if l == nil {
		l = new(bucketList)
		b.of[bucketsOf(k.Ent, k.cap)] = l
	}
	p := inSeries{k.At, k.child, k.combo}
	if i := l.find(p); i >= 0 {
		l.sums[i] = l.sums[i].Add(a)
		return
	}
	b.n++
	l.places, l.sums = append(l.places, p), append(l.sums, a)
	switch {
	case l.index != nil:
		l.index[p] = int32(len(l.places) - 1)
	case len(l.places) > fewBuckets:
		l.index = make(map[inSeries]int32, 4*fewBuckets)
		for i, p := range l.places {
			l.index[p] = int32(i)
		}
	}
}

// addAll adds what others give.
func (b *buckets) addAll(adds iter.Seq2[Bucket, bursar.Amount]) {
	for k, a := range adds {
		b.add(k, a)
	}
}

// each gives those of an entity and capability.
func (b *buckets) each(ent, cap uint32) iter.Seq2[Bucket, bursar.Amount] {
	return func(yield func(Bucket, bursar.Amount) bool) {
		l := b.of[bucketsOf(ent, cap)]
		if l == nil {
			return
		}
		for i, p := range l.places {
			if !yield(Bucket{At: p.at, cap: cap, Ent: ent, child: p.child, combo: p.combo}, l.sums[i]) {
				return
			}
		}
	}
}

// all gives all of them.
func (b *buckets) all() iter.Seq2[Bucket, bursar.Amount] {
	return func(yield func(Bucket, bursar.Amount) bool) {
		for of := range b.of {
			for k, a := range b.each(uint32(of>>32), uint32(of)) {
				if !yield(k, a) {
					return
				}
			}
		}
	}
}

// Addition is what one use added to a bucket.
type Addition struct {
	Bucket Bucket
	Amount bursar.Amount
}

// eachOf gives additions as pairs, as a map gives its own.
func eachOf(adds []Addition) iter.Seq2[Bucket, bursar.Amount] {
	return func(yield func(Bucket, bursar.Amount) bool) {
		for i := range adds {
			if !yield(adds[i].Bucket, adds[i].Amount) {
				return
			}
		}
	}
}

// forgetAdditions drops what a checkpoint at seq has.
func (s *State) forgetAdditions(seq uint64) {
	i, _ := slices.BinarySearchFunc(s.additions, seq+1, func(st seriesAddition, seq uint64) int { return cmp.Compare(st.seq, seq) })
	for _, st := range s.additions[:i] {
		s.added -= len(st.adds)
	}
	s.additions = slices.Delete(s.additions, 0, i)
}

// selects tells whether a child is one of those that q asks for.
func selects(q *store.SeriesQuery, child uint32) bool {
	if q.Children == nil {
		return true
	}
	_, ok := slices.BinarySearch(q.Children, child)
	return ok
}

// bucketsALook of the buckets that lie side by side count as one thing that was looked at (View.Visits).
const bucketsALook = 8

func (v *View) PendingSeries(q *store.SeriesQuery) PendingSeries {
	cap := v.Caps.Ord(q.Capability)
	pick := func(of iter.Seq2[Bucket, bursar.Amount]) (out []store.SeriesRow) {
		looked := 0
		defer func() { v.Visits += looked / bucketsALook }()
		for k, a := range of {
			looked++
			if k.Ent == q.EntityOrd && k.cap == cap && q.From <= k.At && k.At < q.To && selects(q, k.child) {
				out = append(out, store.SeriesRow{SeriesKey: k.Named(v.Caps.List), Amount: a})
			}
		}
		return out
	}
	if v.Shared {
		p := PendingSeries{Base: v.SeriesBase, head: v.Head.Seq, timed: pick(eachOf(v.Adds))}
		for _, st := range v.additions {
			for _, r := range pick(eachOf(st.adds)) {
				p.additions = append(p.additions, pendingAddition{st.seq, r})
			}
		}
		return p
	}
	// v.Adds has the usage of holds that ended by time, which no commit has recorded yet.
	p := PendingSeries{Base: v.SeriesBase, mid: v.flushTo, flushing: v.flushing != nil,
		second: append(pick(v.series.each(q.EntityOrd, cap)), pick(eachOf(v.Adds))...)}
	if p.flushing {
		p.first = pick(v.flushing.each(q.EntityOrd, cap))
	}
	return p
}

// Since is what a store that is at seq lacks; not ok when p cannot tell, as the store was read too
// long before or after it.
func (p *PendingSeries) Since(seq uint64) ([]store.SeriesRow, bool) {
	switch {
	case p.head > 0: // other processes save too
		if seq < p.Base || seq > p.head {
			return nil, false
		}
		rows := p.timed
		for _, s := range p.additions {
			if s.seq > seq {
				rows = append(rows, s.row)
			}
		}
		return rows, true
	case p.flushing && seq == p.mid:
		return p.second, true
	case seq == p.Base:
		return append(p.first, p.second...), true
	}
	return nil, false
}

// Bucket is a SeriesKey by numbers.
type Bucket struct{ At, cap, Ent, child, combo uint32 }

// track adds to the 15-minute buckets of the customer, of each entity of a path and of
// the path itself; counted says that it is one more use of a currency.
func (v *View) track(cap uint32, at bursar.Time, combo uint32, path []record.Hop, a bursar.Amount, counted bool) {
	if a.IsZero() {
		return
	}
	told := v.pathOrd(path)
	k := Bucket{At: BucketOf(at), cap: cap, combo: combo}
	add := func(ent, child uint32, a bursar.Amount) {
		k.Ent, k.child = ent, child
		push(v, &v.Adds, Addition{k, a})
	}
	whole := uint32(0)
	if told != 0 && len(path) == 0 {
		whole, told = namedNone, 0
	}
	add(0, whole, a)
	for _, s := range path {
		add(s.Ent, s.Child, a)
	}
	if told != 0 {
		add(UsesByPath, told, a)
	}
	if counted = counted && v.Capability(cap).Kind == bursar.KindCurrency; counted {
		add(CountsOfCustomer, whole, oneUnit)
	}
	if counted && told != 0 {
		add(CountsByPath, told, oneUnit)
	}
}
