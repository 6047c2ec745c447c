package ledger

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"runtime"
	"slices"
	"sort"
	"testing"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

// testKey is a key that is as uniform as the real ones, which are hashes.
func testKey(i uint64) KeyEntry {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], i)
	sum := sha256.Sum256(b[:])
	return KeyEntry{Hash: [16]byte(sum[:16]), content: [8]byte(sum[16:24]), Seq: i + 1, index: uint32(i % 7)}
}

func addKey(k *keySet, e KeyEntry, now bursar.Time) { k.add(map[[16]byte]KeyEntry{e.Hash: e}, now) }

func heapInUse() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// design.md: at most 40 bytes a key in memory, at most 2 bytes a key for the filter of
// a closed generation. Measured on the heap, not by the set's own estimate. An open
// addressing index grows by doubling, so the bound is looked at where it is worst, just
// behind a doubling, too.
func TestKeysTakeLittleMemory(t *testing.T) {
	for _, n := range []int{100_000, 200_000, 1 << 18 * 7 / 8, 1<<18*7/8 + 10, 500_000} {
		before := heapInUse()
		k := &keySet{}
		for i := range n {
			addKey(k, testKey(uint64(i)), 1+bursar.Time(i))
		}
		each := float64(heapInUse()-before) / float64(n)
		if each > 40.5 { // half a byte for what else the heap does meanwhile
			t.Errorf("%d keys take %.1f bytes each, more than 40", n, each)
		}
		if own := float64(k.memory()) / float64(n); own < each-4 || own > each+4 {
			t.Errorf("%d keys: the estimate is %.1f bytes a key, the heap says %.1f", n, own, each)
		}
		t.Logf("%d keys: %.1f bytes each", n, each)
		var was, is runtime.MemStats
		runtime.ReadMemStats(&was)
		k.close()
		if runtime.ReadMemStats(&is); is.TotalAlloc-was.TotalAlloc > 100_000 {
			t.Errorf("requests wait while the keys of a generation are copied: %d bytes", is.TotalAlloc-was.TotalAlloc)
		}
		g := k.Closing[0].store()
		filter := g.Filter
		if each := float64(len(filter)) / float64(n); each > 2 {
			t.Errorf("the filter takes %.2f bytes a key", each)
		}
		passed := 0
		for i := range 100_000 {
			if mayHave(filter, testKey(uint64(1e9+i)).Hash) {
				passed++
			}
		}
		if passed > 150 { // 16 bits a key: about 60
			t.Errorf("the filter of %d keys lets %d of 100,000 absent keys pass", n, passed)
		}
		runtime.KeepAlive(k)
	}
}

// Whatever generation a key is in, it is found if it was received at oldest or later.
func TestKeysAreFound(t *testing.T) {
	k := &keySet{Limit: 100}
	store := map[int64][]byte{}
	const n = 5_000
	const step = bursar.Time(20 * time.Second) // 180 an hour: by the limit and by the hour
	start := bursar.Time(1_800_000_000e9)
	for i := range n {
		addKey(k, testKey(uint64(i)), start+bursar.Time(i)*step)
		if i%700 == 699 { // a checkpoint: the store has the closed ones
			for _, c := range slices.Clone(k.Closing) {
				g := c.store()
				for _, b := range g.Blocks {
					store[g.Gen] = append(store[g.Gen], b.Data...)
				}
				k.Stored(&g)
			}
		}
	}
	now := start + n*step
	for i := range n {
		want := testKey(uint64(i))
		got, probes := k.Find(want.Hash, start+bursar.Time(i)*step, now)
		for _, p := range probes {
			if e := searchEntries(store[p.Gen], p.Hash); e != nil && got == nil {
				got = e
			}
		}
		if got == nil || *got != want {
			t.Fatalf("key %d of %d: %+v", i, n, got)
		}
	}
	probed := 0
	for i := range n {
		got, probes := k.Find(testKey(uint64(n+i)).Hash, start, now)
		if got != nil {
			t.Fatalf("a key that was never added is found")
		}
		probed += len(probes)
	}
	if gens := len(k.closed); gens < 40 || probed > n*gens/500 {
		t.Errorf("%d absent keys made %d reads of %d generations", n, probed, len(k.closed))
	}
	seen := map[int64]bool{}
	gens := []int64{k.Gen}
	for _, g := range k.Closing {
		gens = append(gens, g.Gen)
	}
	for i := range k.closed {
		gens = append(gens, k.closed[i].gen)
	}
	for _, g := range gens {
		if seen[g] {
			t.Errorf("two generations are called %d", g)
		}
		seen[g] = true
	}
}

// forget keeps filters for a day and generations for the horizon.
func TestKeysForget(t *testing.T) {
	k := &keySet{}
	start := bursar.Time(1_800_000_000e9)
	hour := bursar.Time(time.Hour)
	for i := range 24 * 10 {
		addKey(k, testKey(uint64(i)), start+bursar.Time(i)*hour)
	}
	for _, c := range slices.Clone(k.Closing) {
		g := c.store()
		k.Stored(&g)
	}
	now := start + 24*10*hour
	drop := k.outdated(now, 7*24*time.Hour)
	if again := k.outdated(now, 7*24*time.Hour); again != drop || drop == 0 {
		t.Errorf("a checkpoint that failed had %d to drop, the next one %d", drop, again)
	}
	k.forget(drop, now)
	for _, g := range k.closed {
		if has := g.filter != nil; has != (g.end >= now-24*hour) {
			t.Errorf("a generation that ended %v ago: filter %v", time.Duration(now-g.end), has)
		}
		if g.end < now-7*24*hour-3*hour || g.gen < drop {
			t.Errorf("a generation that ended %v ago is kept", time.Duration(now-g.end))
		}
	}
	if oldest := k.closed[0]; oldest.end > now-7*24*hour {
		t.Errorf("the oldest generation ended %v ago: items of the last 7 days could be counted twice", time.Duration(now-oldest.end))
	}
	if k.outdated(now, 7*24*time.Hour) != 0 {
		t.Error("dropped twice")
	}
}

func searchEntries(b []byte, hash [16]byte) *KeyEntry {
	n := len(b) / store.KeyEntrySize
	i := sort.Search(n, func(i int) bool { return bytes.Compare(b[i*store.KeyEntrySize:i*store.KeyEntrySize+16], hash[:]) >= 0 })
	if i == n || !bytes.Equal(b[i*store.KeyEntrySize:i*store.KeyEntrySize+16], hash[:]) {
		return nil
	}
	e := ParseKeyEntry(b[i*store.KeyEntrySize:])
	return &e
}

// A segment of a checkpoint gives the same set again.
func TestKeysRestored(t *testing.T) {
	k := &keySet{}
	for i := range 1000 {
		addKey(k, testKey(uint64(i)), 1)
	}
	again := &State{}
	err := again.restoreKeys(&store.Checkpoint{Segments: []store.KeySegment{{Gen: 1, Data: sortEntries(k.From(0)[:300*store.KeyEntrySize])}, {Gen: 1, Part: 1, Data: sortEntries(k.From(0)[300*store.KeyEntrySize:])}}})
	if err != nil {
		t.Fatal(err)
	}
	again.Keys.restored()
	for i := range 1000 {
		if e := again.Keys.lookup(testKey(uint64(i)).Hash); e == nil || *e != testKey(uint64(i)) {
			t.Fatalf("key %d: %+v", i, e)
		}
	}
	if again.Keys.saved != 1000 || again.Keys.lookup(testKey(1000).Hash) != nil {
		t.Error("more than was there")
	}
	if err := again.restoreKeys(&store.Checkpoint{Segments: []store.KeySegment{{Gen: 1, Data: make([]byte, 33)}}}); err == nil {
		t.Error("half an entry is taken")
	}
}
