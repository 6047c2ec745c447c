package ledger

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// Bounds of the engine's options that an import uses too.
const (
	DefaultKeysInMemory = 1 << 20
	MaxLateHorizon      = 35 * 24 * time.Hour
)

// KeyEntry is a remembered idempotency key and the place of its record.
type KeyEntry struct {
	Hash    [16]byte
	content [8]byte
	Seq     uint64 // below 2^40
	index   uint32 // below 2^24
}

func (e *KeyEntry) Append(b []byte) []byte {
	b = append(append(b, e.Hash[:]...), e.content[:]...)
	return binary.BigEndian.AppendUint64(b, e.Seq<<24|uint64(e.index))
}

func ParseKeyEntry(b []byte) (e KeyEntry) {
	copy(e.Hash[:], b)
	copy(e.content[:], b[16:])
	pos := binary.BigEndian.Uint64(b[24:])
	e.Seq, e.index = pos>>24, uint32(pos&0xffffff)
	return e
}

// keyProbe asks whether a closed generation has a key.
type keyProbe struct {
	Hash [16]byte
	Gen  int64
}

// keySet is the idempotency keys of one customer, by hour of receipt. The open
// generation is in memory whole, and so are those that are closing: they take no more
// keys, and the next checkpoint puts them, sorted, into the store. A closed one leaves a
// filter for 24 hours and its blocks in the store until no item can be late enough to ask
// for it.
type keySet struct {
	keyGen
	saved   int            // entries of the open generation that checkpoints have, in segments
	Closing []*keyGen      // oldest first
	closed  []closedKeyGen // oldest first
	Limit   int            // keys after which a generation closes early
}

// keyGen is a generation whose keys are in memory.
type keyGen struct {
	Gen    int64 // receipt of its first key; 0 = it has none
	Last   bursar.Time
	N      int
	chunks [][]byte // entries in order of receipt, keysPerChunk to a chunk: nothing is copied to grow
	// index finds entries (number+1, 0 = empty) by open addressing, in one table or, from
	// keysPerChunk keys, in 256 by the hash's last byte, so that growing one is quick.
	index []keyTable
}

// closedKeyGen is a generation whose keys only the store has.
type closedKeyGen struct {
	gen    int64
	end    bursar.Time
	count  int
	filter []byte
}

const keyGeneration = bursar.Time(time.Hour)

type keyTable struct {
	n     int
	slots []uint32
}

const keysPerChunk = 1024

func (k *keyGen) entry(i int) []byte {
	at := i % keysPerChunk * store.KeyEntrySize
	return k.chunks[i/keysPerChunk][at : at+store.KeyEntrySize]
}

// Snapshot is k as it is now, for reading its entries while k goes on: they do not change.
func (k *keyGen) Snapshot() *keyGen { return &keyGen{N: k.N, chunks: slices.Clone(k.chunks)} }

// Ends are keys of the first and of the last commit.
func (k *keyGen) Ends() (first, last KeyEntry) {
	for i := range k.N {
		e := ParseKeyEntry(k.entry(i))
		if i == 0 || e.Seq < first.Seq {
			first = e
		}
		if e.Seq >= last.Seq {
			last = e
		}
	}
	return first, last
}

// From copies the entries from number i on.
func (k *keyGen) From(i int) []byte {
	out := make([]byte, 0, (k.N-i)*store.KeyEntrySize)
	for ; i < k.N; i++ {
		out = append(out, k.entry(i)...)
	}
	return out
}

// add remembers the keys of a commit at now.
func (k *keySet) add(keys map[[16]byte]KeyEntry, now bursar.Time) {
	if len(keys) == 0 {
		return
	}
	if k.Gen != 0 && (now/keyGeneration != bursar.Time(k.Gen)/keyGeneration || k.Limit > 0 && k.N >= k.Limit) {
		k.close()
	}
	if k.Gen == 0 {
		k.Gen = int64(now)
		if n := len(k.Closing); n > 0 {
			k.Gen = max(k.Gen, k.Closing[n-1].Gen+1)
		} else if n := len(k.closed); n > 0 {
			k.Gen = max(k.Gen, k.closed[n-1].gen+1)
		}
	}
	k.Last = now
	for _, e := range keys {
		var b [store.KeyEntrySize]byte
		k.insert(e.Append(b[:0]))
	}
}

func (k *keyGen) insert(entry []byte) {
	last := len(k.chunks) - 1
	switch {
	case k.N%keysPerChunk != 0:
	case k.N == 0:
		k.chunks, last = [][]byte{nil}, 0
	default:
		k.chunks, last = append(k.chunks, make([]byte, 0, keysPerChunk*store.KeyEntrySize)), last+1
	}
	k.chunks[last] = append(k.chunks[last], entry...)
	k.N++
	switch {
	case k.N == 1:
		k.index = make([]keyTable, 1)
	case k.N == keysPerChunk+1:
		k.index = make([]keyTable, 256)
		for i := range k.N - 1 {
			k.place(uint32(i))
		}
	}
	k.place(uint32(k.N - 1))
}

// table is the table for a hash, and the slot in it to look at first.
func (k *keyGen) table(hash []byte) (*keyTable, int) {
	t := &k.index[int(hash[15])%len(k.index)]
	return t, int(uint64(binary.BigEndian.Uint32(hash)) * uint64(len(t.slots)) >> 32)
}

// place puts entry i, which no table has, where it belongs. Tables are at most 7/8 full
// and grow by a quarter.
func (k *keyGen) place(i uint32) {
	t, at := k.table(k.entry(int(i)))
	if t.n++; t.n*8 > len(t.slots)*7 {
		old := t.slots
		t.slots = make([]uint32, max(8, len(old)+len(old)/4))
		for _, x := range old {
			if x != 0 {
				k.put(t, x)
			}
		}
		_, at = k.table(k.entry(int(i)))
	}
	t.occupy(at, i+1)
}

func (k *keyGen) put(t *keyTable, x uint32) {
	_, at := k.table(k.entry(int(x - 1)))
	t.occupy(at, x)
}

func (t *keyTable) occupy(at int, x uint32) {
	for t.slots[at] != 0 {
		if at++; at == len(t.slots) {
			at = 0
		}
	}
	t.slots[at] = x
}

// restored is called when a checkpoint has been read.
func (k *keySet) restored() {
	slices.SortFunc(k.closed, func(a, b closedKeyGen) int { return cmp.Compare(a.gen, b.gen) })
	k.saved = k.N
}

func (k *keyGen) lookup(hash [16]byte) *KeyEntry {
	if k.N == 0 {
		return nil
	}
	t, at := k.table(hash[:])
	if len(t.slots) == 0 {
		return nil
	}
	for t.slots[at] != 0 {
		if b := k.entry(int(t.slots[at] - 1)); bytes.Equal(b[:16], hash[:]) {
			e := ParseKeyEntry(b)
			return &e
		}
		if at++; at == len(t.slots) {
			at = 0
		}
	}
	return nil
}

// close ends the open generation. It only moves it to Closing, so it costs the same
// however many keys there are: requests wait for it.
func (k *keySet) close() {
	open := k.keyGen
	k.Closing = append(k.Closing, &open)
	k.keyGen, k.saved = keyGen{}, 0
}

// store makes of a generation that is closing what the store keeps of it.
func (k *keyGen) store() store.KeyGeneration {
	sorted := sortEntries(k.From(0))
	return store.KeyGeneration{Gen: k.Gen, End: k.Last, Count: k.N, Filter: NewFilter(sorted), Blocks: keyBlocks(sorted)}
}

// sortEntries returns the entries in order of their hashes. It sorts copies of the hashes
// that lie side by side: several times as fast as comparing hashes within b.
func sortEntries(b []byte) []byte {
	type place struct {
		hash uint64 // its first half
		at   int
	}
	order := make([]place, len(b)/store.KeyEntrySize)
	for i := range order {
		at := i * store.KeyEntrySize
		order[i] = place{binary.BigEndian.Uint64(b[at:]), at}
	}
	slices.SortFunc(order, func(x, y place) int {
		if x.hash != y.hash {
			return cmp.Compare(x.hash, y.hash)
		}
		return bytes.Compare(b[x.at+8:x.at+16], b[y.at+8:y.at+16])
	})
	out := make([]byte, 0, len(b))
	for _, p := range order {
		out = append(out, b[p.at:p.at+store.KeyEntrySize]...)
	}
	return out
}

// Find looks for a key received at oldest or later. It answers with the entry, or with
// the generations of the store that may have it.
//
// Generations older than 24 hours have no filter, so a late item asks the store for every
// generation since its timestamp. The engine fetches the answers (Facts) before it decides
// the item again.
func (k *keySet) Find(hash [16]byte, oldest, now bursar.Time) (*KeyEntry, []keyProbe) {
	if e := k.lookup(hash); e != nil {
		return e, nil
	}
	for i := len(k.Closing) - 1; i >= 0 && k.Closing[i].Last >= oldest; i-- {
		if e := k.Closing[i].lookup(hash); e != nil {
			return e, nil
		}
	}
	var probes []keyProbe
	// Several processes may have closed generations that overlap, so only their beginnings are in order.
	for i := len(k.closed) - 1; i >= 0 && bursar.Time(k.closed[i].gen)+keyGeneration >= oldest; i-- {
		g := &k.closed[i]
		if g.end < oldest || g.filter != nil && !mayHave(g.filter, hash) {
			continue
		}
		probes = append(probes, keyProbe{hash, g.gen})
	}
	return nil, probes
}

// NewFilter makes a Bloom filter of 16 bits a key and 8 probes taken from the key's hash
// (which is uniform already): about one in 1,700 absent keys passes.
func NewFilter(entries []byte) []byte {
	n := len(entries) / store.KeyEntrySize
	f := make([]byte, max(8, n*2))
	for i := range n {
		eachBit(f, entries[i*store.KeyEntrySize:], func(b int, bit byte) bool {
			f[b] |= bit
			return true
		})
	}
	return f
}

func mayHave(f []byte, hash [16]byte) bool {
	ok := true
	eachBit(f, hash[:], func(b int, bit byte) bool {
		ok = f[b]&bit != 0
		return ok
	})
	return ok
}

func eachBit(f, hash []byte, visit func(b int, bit byte) bool) {
	h1, h2 := binary.BigEndian.Uint64(hash), binary.BigEndian.Uint64(hash[8:16])|1
	bits := uint64(len(f)) * 8
	for i := range uint64(8) {
		at := (h1 + i*h2) % bits
		if !visit(int(at/8), 1<<(at%8)) {
			return
		}
	}
}

const keysPerBlock = 2048

// keyBlocks cuts sorted entries for the store.
func keyBlocks(entries []byte) []store.KeyBlock {
	var out []store.KeyBlock
	for at := 0; at < len(entries); at += keysPerBlock * store.KeyEntrySize {
		b := store.KeyBlock{Data: entries[at:min(len(entries), at+keysPerBlock*store.KeyEntrySize)]}
		copy(b.First[:], b.Data)
		out = append(out, b)
	}
	return out
}

// outdated is the bound below which no item can ask for a generation any more; 0 = each can be asked
// for.
func (k *keySet) outdated(now bursar.Time, horizon time.Duration) (below int64) {
	limit := now - bursar.Time(horizon) - 2*maxAhead - keyGeneration
	for i := range k.closed {
		if k.closed[i].end >= limit {
			break
		}
		below = k.closed[i].gen + 1
	}
	return below
}

// forget drops what the store has dropped, and filters that are older than KeyMemory.
func (k *keySet) forget(below int64, now bursar.Time) {
	k.closed = slices.DeleteFunc(k.closed, func(g closedKeyGen) bool { return g.gen < below })
	for i := range k.closed {
		if k.closed[i].end < now-record.KeyMemory {
			k.closed[i].filter = nil
		}
	}
}

// Stored notes that the store has g, which was closing.
func (k *keySet) Stored(g *store.KeyGeneration) {
	i := slices.IndexFunc(k.Closing, func(c *keyGen) bool { return c.Gen == g.Gen })
	k.Closing = slices.Delete(slices.Clone(k.Closing), i, i+1)
	k.closed = append(k.closed, closedKeyGen{gen: g.Gen, end: g.End, count: g.Count, filter: g.Filter})
}

// Resident is how many keys are in memory.
func (k *keySet) Resident() int {
	n := k.N
	for _, g := range k.Closing {
		n += g.N
	}
	return n
}

// memory is about how many bytes the keys take.
func (k *keySet) memory() int64 {
	n := k.keyGen.memory()
	for _, g := range k.Closing {
		n += g.memory()
	}
	for _, g := range k.closed {
		n += len(g.filter) + 64
	}
	return int64(n)
}

func (k *keyGen) memory() int { return len(k.chunks)*keysPerChunk*store.KeyEntrySize + 5*k.N }
