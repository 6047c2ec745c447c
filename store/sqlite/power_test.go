package sqlite_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
	"github.com/bursarhq/bursar/store/sqlite"
	"github.com/bursarhq/bursar/store/sqlite/vfs"
)

var images = flag.Int("images", 0, "how many power cuts TestPowerCut makes; 0 = all before and behind a sync or an acknowledgement, in each way, or 60 of them with -short")

// recording is what a store did to its files, in order, and what was acknowledged.
type recording struct {
	mu    sync.Mutex
	dir   string
	base  map[string][]byte // the files when it began
	steps []step
}

// step is one thing that was done; of an acknowledgement only acked is set.
type step struct {
	op    vfs.Op
	name  string // of the file
	at    int64
	data  []byte
	acked int // commits
}

// record keeps what happens to the files in dir until the test ends.
func record(t *testing.T, dir string) *recording {
	t.Helper()
	r := &recording{dir: dir, base: map[string][]byte{}}
	files, err := os.ReadDir(dir)
	ok(t, err)
	for _, f := range files {
		if name := f.Name(); name != "lock" && !strings.HasSuffix(name, "-shm") {
			r.base[name], err = os.ReadFile(filepath.Join(dir, name))
			ok(t, err)
		}
	}
	vfs.Observe(func(e vfs.Event) int32 {
		if filepath.Dir(e.Path) == dir {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.steps = append(r.steps, step{op: e.Op, name: filepath.Base(e.Path), at: e.At, data: bytes.Clone(e.Data)})
		}
		return 0
	})
	t.Cleanup(func() { vfs.Observe(nil) })
	return r
}

func (r *recording) acked(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.steps = append(r.steps, step{acked: n})
}

// keep says which of a file's writes that were not synced a power cut leaves.
type keep func(file []byte, s *step, last bool) []byte

// cut is what the disk has when the power goes before step i, and how many commits were
// acknowledged.
func (r *recording) cut(i int, k keep) (files map[string][]byte, acked int) {
	files = map[string][]byte{}
	for name, b := range r.base {
		files[name] = bytes.Clone(b)
	}
	pending := map[string][]*step{}
	flush := func(name string, k keep) {
		for n, s := range pending[name] {
			files[name] = k(files[name], s, n == len(pending[name])-1)
		}
		delete(pending, name)
	}
	for n := range r.steps[:i] {
		switch s := &r.steps[n]; {
		case s.acked > 0:
			acked = s.acked
		case s.op == vfs.Sync:
			flush(s.name, keepAll)
		default:
			pending[s.name] = append(pending[s.name], s)
		}
	}
	var names []string
	for name := range pending {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		flush(name, k)
	}
	return files, acked
}

func keepAll(file []byte, s *step, _ bool) []byte {
	switch s.op {
	case vfs.Delete:
		return nil
	case vfs.Truncate:
		return grown(file, s.at)[:s.at]
	}
	file = grown(file, s.at+int64(len(s.data)))
	copy(file[s.at:], s.data)
	return file
}

func keepNone(file []byte, _ *step, _ bool) []byte { return file }

// keepSome keeps any of the sectors that were written, in whatever order the disk took them.
func keepSome(r *rand.Rand) keep {
	return func(file []byte, s *step, last bool) []byte {
		if s.op != vfs.Write {
			if r.IntN(2) == 0 {
				return file
			}
			return keepAll(file, s, last)
		}
		const sector = 512
		for at := 0; at < len(s.data); {
			n := min(len(s.data)-at, int(sector-(s.at+int64(at))%sector))
			if r.IntN(2) == 0 {
				file = keepAll(file, &step{op: vfs.Write, at: s.at + int64(at), data: s.data[at : at+n]}, last)
			}
			at += n
		}
		return file
	}
}

// keepTorn keeps everything but a part of the last write.
func keepTorn(r *rand.Rand) keep {
	return func(file []byte, s *step, last bool) []byte {
		if last && s.op == vfs.Write {
			s = &step{op: vfs.Write, at: s.at, data: s.data[:r.IntN(len(s.data)+1)]}
		}
		return keepAll(file, s, last)
	}
}

func grown(b []byte, n int64) []byte {
	if int64(len(b)) < n {
		b = append(b, make([]byte, n-int64(len(b)))...)
	}
	return b
}

// script writes to a new store in dir: commits, ends of deliveries and checkpoints whose
// series add up to the number of commits.
func script(t *testing.T, plant func(*sqlite.Store)) *recording {
	t.Helper()
	sqlite.SetWALLength(t, 1<<17)
	dir := t.TempDir()
	closeStore(t, open(t, dir))
	r := record(t, dir)
	s := open(t, dir)
	plant(s)
	for n := 1; n <= 60; n++ {
		c := commit("acme", n, 0, make([]byte, 500+n*100))
		c.Listing, c.Messages = listed(n), []store.Message{message(fmt.Sprint(n), 300)}
		out, err := s.Append(ctx, []store.Commit{c}, nil)
		if err != nil || out[0] != store.Committed {
			t.Fatal(out, err)
		}
		r.acked(n)
		if n%3 == 0 {
			ok(t, s.SaveDeliveries(ctx, []store.Delivery{{ID: fmt.Sprint(n), Status: store.DeliverySucceeded}}))
		}
		if n%4 == 0 {
			saved, err := s.Saved(ctx, []string{"acme"})
			ok(t, err)
			ok(t, s.Save(ctx, &store.Checkpoint{Stream: "acme", Head: c.Head(), Base: saved[0],
				Meta:   make([]byte, n*300),
				Series: []store.SeriesRow{{Amount: bursar.AmountFromInt(int64(n) - int64(saved[0]))}}}))
		}
	}
	closeStore(t, s)
	vfs.Observe(nil)
	return r
}

// survived tells what is wrong with the store that a power cut left.
func survived(dir string, acked int) error {
	s, err := sqlite.Open(dir, sqlite.Options{})
	if err != nil {
		return err
	}
	defer s.Close()
	heads, _, _, err := s.Heads(ctx, []string{"acme"}, nil)
	if err != nil {
		return err
	}
	found := int(heads[0].Seq)
	if found < acked || found > acked+1 {
		return fmt.Errorf("%d acknowledged, %d found", acked, found)
	}
	n := 0
	err = s.ReadLog(ctx, "acme", 0, 0, func(r store.LogRow) error {
		if n++; r.Head != ptr(commit("acme", n, 0, nil)).Head() || len(r.Payload) != 500+n*100 {
			return fmt.Errorf("row %d is %v", n, r.Head)
		}
		return nil
	})
	if err != nil || n != found {
		return errors.Join(err, fmt.Errorf("%d rows at commit %d", n, found))
	}
	due, err := s.PendingDeliveries(ctx)
	if err != nil || due > found || due < found-found/3-1 {
		return errors.Join(err, fmt.Errorf("%d deliveries are pending at commit %d", due, found))
	}
	if found > 0 {
		customers, err := s.Customers(ctx, store.CustomerQuery{Limit: 2})
		if err != nil || len(customers) != 1 || int(customers[0].UpdatedAt) != found {
			return errors.Join(err, fmt.Errorf("the listing is %v at commit %d", customers, found))
		}
	}
	err = s.Load(ctx, "acme", func(*store.Checkpoint) error { return nil })
	series, seq, err2 := s.Series(ctx, "acme", store.SeriesQuery{To: 9})
	sum := bursar.Amount{}
	for i := range series {
		sum = sum.Add(series[i].Amount)
	}
	if err := errors.Join(err, err2); err != nil || sum != bursar.AmountFromInt(int64(seq)) || seq > uint64(found) {
		return errors.Join(err, fmt.Errorf("a checkpoint at %d has a series of %v; the log ends at %d", seq, sum, found))
	}
	return s.Err()
}

func ptr[T any](v T) *T { return &v }

// cuts tries n power cuts before and behind the syncs and acknowledgements of a recording, and calls
// found with what each of them broke. With n 0 it tries all of them in each way; what n has beyond
// these is anywhere.
func cuts(t *testing.T, r *recording, n int, found func(i int, how string, err error)) {
	t.Helper()
	seed := rand.Uint64()
	rnd := rand.New(rand.NewPCG(seed, 2))
	ways := []struct {
		name string
		keep keep
	}{{"nothing that was not synced", keepNone}, {"all", keepAll}, {"some sectors", keepSome(rnd)}, {"a torn end", keepTorn(rnd)}}
	var at []int // before each sync, behind it, and between
	for i := range r.steps {
		if r.steps[i].op == vfs.Sync || r.steps[i].acked > 0 {
			at = append(at, i, i+1)
		}
	}
	at = slices.Compact(at)
	if n == 0 {
		n = len(at) * len(ways)
	}
	t.Logf("%d steps, %d places, %d power cuts, seed %d", len(r.steps), len(at), n, seed)
	for try := range n {
		i := at[try*len(at)/n]
		if n > len(at)*len(ways) && try%2 == 0 {
			i = rnd.IntN(len(r.steps) + 1)
		}
		way := ways[try%len(ways)]
		files, acked := r.cut(i, way.keep)
		dir := copied(t, t.TempDir())
		for name, b := range files {
			if b != nil {
				ok(t, os.WriteFile(filepath.Join(dir, name), b, 0o600))
			}
		}
		if err := survived(dir, acked); err != nil {
			found(i, way.name, err)
		}
		ok(t, os.RemoveAll(dir))
	}
}

// TestPowerCut cuts the power while a store is written to. What was not synced is on the
// disk, or not, or in part: every commit that was acknowledged is there, once, and what
// follows from commits is what they came to.
func TestPowerCut(t *testing.T) {
	n := *images
	if n == 0 && testing.Short() {
		n = 60
	}
	r := script(t, func(*sqlite.Store) {})
	cuts(t, r, n, func(i int, how string, err error) {
		t.Errorf("before step %d of %d, with %s: %v", i, len(r.steps), how, err)
	})
}

// TestPowerCutNoticesMissingSync proves that TestPowerCut would notice a log that is not
// synced.
func TestPowerCutNoticesMissingSync(t *testing.T) {
	lost := 0
	cuts(t, script(t, (*sqlite.Store).StopSyncing), 40, func(int, string, error) { lost++ })
	if lost < 5 {
		t.Errorf("without syncs of the log %d of 40 power cuts lost something", lost)
	}
}
