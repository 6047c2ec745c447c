package postgres_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
	"github.com/bursarhq/bursar/store/postgres"
	"github.com/bursarhq/bursar/store/postgres/pgtest"
)

// commit is the n-th commit of a stream.
func commit(stream string, n int, payload []byte) store.Commit {
	head := func(n int) (h store.Head) {
		if n > 0 {
			h = store.Head{Seq: uint64(n), Hash: [16]byte{byte(n), byte(n >> 8), byte(n >> 16), 1}, Now: bursar.Time(n)}
		}
		return h
	}
	h := head(n)
	return store.Commit{Stream: stream, After: head(n - 1), ID: h.Hash, Now: h.Now, Hash: h.Hash, Payload: payload, Imported: true}
}

func percentiles(b *testing.B, took []time.Duration) {
	slices.Sort(took)
	for _, p := range []struct {
		name string
		per  int
	}{{"p50-µs", 500}, {"p99-µs", 990}} {
		b.ReportMetric(float64(took[len(took)*p.per/1000].Microseconds()), p.name)
	}
}

// again never has another commit to offer, but makes the store read what it would need.
func again(int, []store.LogRow) *store.Commit { return nil }

// BenchmarkAppend measures durable transactions of n commits of 300 bytes, one after the
// other by each of some writers. A writer has its n streams for itself, so "1 writer, 1
// commit" is one stream.
func BenchmarkAppend(b *testing.B) {
	for _, writers := range []int{1, 4} {
		for _, n := range []int{1, 10, 100} {
			b.Run(fmt.Sprintf("writers=%d/commits=%d", writers, n), func(b *testing.B) {
				s := open(b, pgtest.Database(b))
				defer func() { ok(b, s.Close()) }()
				payload := make([]byte, 300)
				var mu sync.Mutex
				var took []time.Duration
				var wg sync.WaitGroup
				b.ResetTimer()
				for w := range writers {
					wg.Go(func() {
						commits := make([]store.Commit, n)
						for round := 1; round <= b.N; round++ {
							for i := range commits {
								commits[i] = commit(fmt.Sprint("customer-", w, "-", i), round, payload)
							}
							start := time.Now()
							out, err := s.Append(ctx, commits, again)
							if err != nil || out[n-1] != store.Committed {
								b.Error(out, err)
								return
							}
							mu.Lock()
							took = append(took, time.Since(start))
							mu.Unlock()
						}
					})
				}
				wg.Wait()
				percentiles(b, took)
				b.ReportMetric(float64(writers*b.N)/b.Elapsed().Seconds(), "appends/s")
				b.ReportMetric(float64(n*writers*b.N)/b.Elapsed().Seconds(), "commits/s")
			})
		}
	}
}

// BenchmarkAppendHot is two processes that append to one stream in turn: every commit is
// stale, and decided again behind the lock.
func BenchmarkAppendHot(b *testing.B) {
	url := pgtest.Database(b)
	var wg sync.WaitGroup
	b.ResetTimer()
	for range 2 {
		wg.Go(func() {
			s := open(b, url)
			defer func() { ok(b, s.Close()) }()
			var at store.Head
			for range b.N {
				c := store.Commit{Stream: "acme", After: at, Now: at.Now, Imported: true}
				out, err := s.Append(ctx, []store.Commit{c}, func(_ int, tail []store.LogRow) *store.Commit {
					c.After = tail[len(tail)-1].Head
					return &c
				})
				if err != nil || out[0] != store.Committed {
					b.Error(out, err)
					return
				}
				at = c.Head()
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(2*b.N)/b.Elapsed().Seconds(), "commits/s")
}

func BenchmarkHeads(b *testing.B) {
	s := open(b, pgtest.Database(b))
	defer func() { ok(b, s.Close()) }()
	names := make([]string, 1000)
	for i := range names {
		names[i] = fmt.Sprint("customer-", i)
		_, err := s.Append(ctx, []store.Commit{commit(names[i], 1, nil)}, nil)
		ok(b, err)
	}
	for _, n := range []int{1, 10, 100, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var took []time.Duration
			for b.Loop() {
				start := time.Now()
				if _, _, _, err := s.Heads(ctx, names[:n], nil); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(start))
			}
			percentiles(b, took)
		})
	}
}

const benchRows = 1_000_000

// save appends the n-th commit of acme and saves cp at it.
func save(b *testing.B, s *postgres.Store, cp *store.Checkpoint, n int) {
	c := commit("acme", n, nil)
	_, err := s.Append(ctx, []store.Commit{c}, nil)
	ok(b, err)
	cp.Head, cp.Base = c.Head(), uint64(n-1)
	ok(b, s.Save(ctx, cp))
}

// large is rows from to to of a customer with many entities, each with one limit.
func large(from, to int) *store.Checkpoint {
	cp := &store.Checkpoint{Stream: "acme"}
	month := bursar.TimeOf(time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC))
	for i := from; i < to; i++ {
		ord := uint32(i)
		limit := bursar.AmountFromInt(100_000)
		name := fmt.Sprint("Agent ", i)
		cp.Entities = append(cp.Entities, store.EntityRow{
			Ord: ord, ID: fmt.Sprintf("agent-%08d", i), TypeID: "agent", ParentOrd: ord / 10, Name: &name, CreatedAt: month, UpdatedAt: month,
		})
		cp.Assignments = append(cp.Assignments, store.AssignmentRow{
			Ord: ord, ID: fmt.Sprintf("0198c0de-7000-7000-8000-%012d", i), EntityOrd: ord, Limit: &limit,
			Capability: bursar.Capability{Kind: bursar.KindFeature, ID: "tokens"}, Cadence: "MONTH", Timezone: "UTC",
			Thresholds: []int{80, 100}, CreatedAt: month, UpdatedAt: month,
		})
		cp.Counters = append(cp.Counters, store.CounterRow{
			Ord: ord, PrevStart: month, WindowStart: month, WindowEnd: month + 30*86400e9, Used: bursar.AmountFromNanos(int64(i) * 1_234_567),
		})
	}
	return cp
}

// BenchmarkLoad loads a million entities, assignments and counters.
func BenchmarkLoad(b *testing.B) {
	s := open(b, pgtest.Database(b))
	defer func() { ok(b, s.Close()) }()
	for from, n := 1, 1; from <= benchRows; from, n = from+100_000, n+1 {
		save(b, s, large(from, min(from+100_000, benchRows+1)), n)
	}
	for b.Loop() {
		rows := 0
		ok(b, s.Load(ctx, "acme", func(cp *store.Checkpoint) error {
			rows += len(cp.Entities) + len(cp.Assignments) + len(cp.Counters)
			return nil
		}))
		if rows != 3*benchRows {
			b.Fatal(rows)
		}
	}
	b.ReportMetric(float64(3*benchRows*b.N)/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkLoadSmall loads a customer of ten entities.
func BenchmarkLoadSmall(b *testing.B) {
	s := open(b, pgtest.Database(b))
	defer func() { ok(b, s.Close()) }()
	save(b, s, large(1, 10), 1)
	for b.Loop() {
		ok(b, s.Load(ctx, "acme", func(*store.Checkpoint) error { return nil }))
	}
}

// BenchmarkSave saves rows over and over, and counts them.
func BenchmarkSave(b *testing.B) {
	for _, c := range []struct {
		name string
		rows int
		cp   *store.Checkpoint
	}{
		{"tree", 30_000, large(1, 10_001)},
		{"counters", 100_000, &store.Checkpoint{Stream: "acme", Counters: large(1, 100_001).Counters}},
		{"series", 100_000, &store.Checkpoint{Stream: "acme", Series: benchSeries(100_000)}},
		{"holds", 10_000, &store.Checkpoint{Stream: "acme", Holds: benchHolds(10_000)}},
	} {
		b.Run(c.name, func(b *testing.B) {
			s := open(b, pgtest.Database(b))
			defer func() { ok(b, s.Close()) }()
			n := 0
			for b.Loop() {
				n++
				for i := range c.cp.Holds { // they are new ones each time
					c.cp.Holds[i].ID = fmt.Sprintf("0198c0de-7000-7000-%04d-%012d", n, i)
				}
				save(b, s, c.cp, n)
			}
			b.ReportMetric(float64(c.rows*b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

func benchSeries(n int) (rows []store.SeriesRow) {
	for i := range n {
		rows = append(rows, store.SeriesRow{SeriesKey: store.SeriesKey{
			Bucket: 2_000_000, Capability: bursar.Capability{Kind: bursar.KindFeature, ID: "tokens"}, EntityOrd: uint32(i / 3), ChildOrd: uint32(i % 3),
		}, Amount: bursar.AmountFromNanos(int64(i) * 1_234_567)})
	}
	return rows
}

func benchHolds(n int) (rows []store.HoldRow) {
	for i := range n {
		rows = append(rows, store.HoldRow{
			ID: fmt.Sprintf("0198c0de-7000-7000-8000-%012d", i), Capability: bursar.Capability{Kind: bursar.KindFeature, ID: "tokens"},
			Status: bursar.HoldCommitted, CreatedAt: 1, ExpiresAt: 2, ClosedAt: 3, Amount: bursar.AmountFromInt(5),
			Entities: []uint32{1, 2, 3, 4, uint32(i)}, Detail: make([]byte, 200),
		})
	}
	return rows
}
