package sqlite_test

import (
	"fmt"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

// BenchmarkAppend measures durable commits, each of a stream of its own with 300 bytes.
func BenchmarkAppend(b *testing.B) {
	for _, n := range []int{1, 16, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := open(b, b.TempDir())
			defer closeStore(b, s)
			commits := make([]store.Commit, n)
			payload := make([]byte, 300)
			streams := make([]string, n)
			for i := range streams {
				streams[i] = fmt.Sprint("customer-", i)
			}
			var took []time.Duration
			cpu := cpuTime()
			for round := 1; b.Loop(); round++ {
				for i := range commits {
					commits[i] = commit(streams[i], round, 0, payload)
				}
				start := time.Now()
				if _, err := s.Append(ctx, commits, nil); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(start))
			}
			percentiles(b, took)
			b.ReportMetric(float64((cpuTime()-cpu).Microseconds())/float64(n*b.N), "cpu-µs/commit")
			b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "commits/s")
		})
	}
}

// cpuTime is what the process has used: on a busy machine steadier than the clock.
func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func percentiles(b *testing.B, took []time.Duration) {
	slices.Sort(took)
	for _, p := range []struct {
		name string
		per  int
	}{{"p50-µs", 500}, {"p99-µs", 990}, {"p999-µs", 999}} {
		b.ReportMetric(float64(took[len(took)*p.per/1000].Microseconds()), p.name)
	}
}

const benchRows = 1_100_000

// large is rows from to to of a customer with many entities, each with one limit.
func large(from, to int, at store.Head) *store.Checkpoint {
	cp := &store.Checkpoint{Stream: "acme", Head: at}
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

// BenchmarkLoad loads 1.1 M entities, assignments and counters.
func BenchmarkLoad(b *testing.B) {
	dir := b.TempDir()
	s := open(b, dir)
	for from, n := 1, 1; from <= benchRows; from, n = from+100_000, n+1 {
		grow(b, s, "acme", n, n, 0)
		c := commit("acme", n, 0, nil)
		cp := large(from, min(from+100_000, benchRows+1), c.Head())
		cp.Base = uint64(n - 1)
		ok(b, s.Save(ctx, cp))
	}
	closeStore(b, s)
	s = open(b, dir)
	defer closeStore(b, s)
	cpu := cpuTime()
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
	b.ReportMetric((cpuTime()-cpu).Seconds()/float64(b.N), "cpu-s/op")
}

// BenchmarkLoadSmall loads a customer of ten entities.
func BenchmarkLoadSmall(b *testing.B) {
	s := open(b, b.TempDir())
	defer closeStore(b, s)
	grow(b, s, "acme", 1, 1, 0)
	c := commit("acme", 1, 0, nil)
	ok(b, s.Save(ctx, large(1, 10, c.Head())))
	for b.Loop() {
		ok(b, s.Load(ctx, "acme", func(*store.Checkpoint) error { return nil }))
	}
}

// BenchmarkSave saves 10,000 entities with their assignments and counters, over and
// over, and counts rows.
func BenchmarkSave(b *testing.B) {
	for _, c := range []struct {
		name string
		rows int
		cp   *store.Checkpoint
	}{
		{"tree", 30_000, large(1, 10_001, store.Head{})},
		{"counters", 100_000, &store.Checkpoint{Stream: "acme", Counters: large(1, 100_001, store.Head{}).Counters}},
		{"series", 100_000, &store.Checkpoint{Stream: "acme", Series: benchSeries(100_000)}},
		{"scattered series", 1000, &store.Checkpoint{Stream: "acme", Series: scattered(1000)}},
		{"holds", 10_000, &store.Checkpoint{Stream: "acme", Holds: benchHolds(10_000)}},
	} {
		b.Run(c.name, func(b *testing.B) {
			s := open(b, b.TempDir())
			defer closeStore(b, s)
			n := 0
			if c.name == "scattered series" { // their blocks have others
				n++
				ok(b, s.Save(ctx, &store.Checkpoint{Stream: "acme", Head: store.Head{Seq: 1}, Series: benchSeries(192_000)}))
			}
			cpu := cpuTime()
			for b.Loop() {
				n++
				c.cp.Head, c.cp.Base = store.Head{Seq: uint64(n)}, uint64(n-1)
				for i := range c.cp.Holds { // they are new ones each time
					c.cp.Holds[i].ID = fmt.Sprintf("0198c0de-7000-7000-%04d-%012d", n, i)
				}
				ok(b, s.Save(ctx, c.cp))
			}
			b.ReportMetric(float64(c.rows*b.N)/b.Elapsed().Seconds(), "rows/s")
			b.ReportMetric(float64(c.rows*b.N)/(cpuTime()-cpu).Seconds(), "rows/cpu-s")
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

// scattered is a bucket in each of n blocks.
func scattered(n int) (rows []store.SeriesRow) {
	for i, r := range benchSeries(192 * n) {
		if i%192 == 0 {
			rows = append(rows, r)
		}
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

// BenchmarkAppendBesideSave measures single commits while checkpoints are saved.
func BenchmarkAppendBesideSave(b *testing.B) {
	s := open(b, b.TempDir())
	defer closeStore(b, s)
	cp := large(1, 10_001, store.Head{})
	cp.Stream = "other"
	stop := make(chan struct{})
	var saver sync.WaitGroup
	saver.Go(func() {
		for n := 1; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			cp.Head.Seq, cp.Base = uint64(n), uint64(n-1)
			if err := s.Save(ctx, cp); err != nil {
				b.Error(err)
				return
			}
		}
	})
	var took []time.Duration
	for n := 1; b.Loop(); n++ {
		start := time.Now()
		grow(b, s, "acme", n, n, 0)
		took = append(took, time.Since(start))
	}
	close(stop)
	saver.Wait()
	percentiles(b, took)
}
