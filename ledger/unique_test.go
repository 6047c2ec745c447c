package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/bursarhq/bursar/record"
)

func uniqueValue(i int) uint64 { return hashValue(fmt.Sprint("user-", i)) }

// TestHashValue holds the hash to what logs have of it.
func TestHashValue(t *testing.T) {
	for text, want := range map[string]uint64{"": 0x850213aead4d9d97, "user-1": 0x12486314d8a622cc, "日本": 0x62eb3205239505da} {
		if got := hashValue(text); got != want {
			t.Errorf("hashValue(%q) = %#x, want %#x", text, got, want)
		}
	}
}

// TestUniqueSet adds a million values, each of them again now and then.
func TestUniqueSet(t *testing.T) {
	last := 1_000_000
	if testing.Short() {
		last = 200_000
	}
	s := newUniqueSet()
	r := rand.New(rand.NewPCG(3, 4))
	sum, worst := uint64(0), 0.0
	for i := 1; i <= last; i++ {
		h := uniqueValue(i)
		grew := s.add(h)
		sum += grew
		if !s.has(h) {
			t.Fatalf("value %d is not there", i)
		}
		if s.add(uniqueValue(1+r.IntN(i))) != 0 {
			t.Fatalf("a value counted twice, after %d", i)
		}
		if s.Count() != sum {
			t.Fatalf("after %d values the count is %d and the growth %d", i, s.Count(), sum)
		}
		if i <= maxExact && grew != 1 {
			t.Fatalf("value %d grew the count by %d", i, grew)
		}
		worst = max(worst, math.Abs(float64(sum)/float64(i)-1))
		if i == maxExact && (sum != maxExact || s.registers != nil) || i == maxExact+1 && (sum < maxExact || sum > maxExact+100) {
			t.Fatalf("%d after %d values", sum, i)
		}
	}
	t.Logf("%d values: counted %d, error at most %.2f %%", last, sum, 100*worst)
	if worst > 0.02 {
		t.Errorf("error of %.2f %%", 100*worst)
	}
}

func TestUniqueSetEncoding(t *testing.T) {
	sets := map[string]*uniqueSet{}
	for _, n := range []int{0, 1, 2, 1000, maxExact, maxExact + 1, 100_000} {
		up, down := newUniqueSet(), newUniqueSet()
		for i := range n {
			up.add(uniqueValue(i))
		}
		for i := min(n, maxExact) - 1; i >= 0; i-- {
			down.add(uniqueValue(i))
		}
		for i := maxExact; i < n; i++ {
			down.add(uniqueValue(i))
		}
		b := up.Encode()
		if !bytes.Equal(b, down.Encode()) || !bytes.Equal(b, up.clone().Encode()) {
			t.Errorf("%d values in two orders have two forms", n)
		}
		back, err := decodeUniqueSet(b)
		if err != nil {
			t.Fatal(n, err)
		}
		if back.Count() != up.Count() || !bytes.Equal(back.Encode(), b) {
			t.Errorf("%d values came back as %d", up.Count(), back.Count())
		}
		b[0] ^= 0xff // back keeps nothing of b
		for i := range 2000 {
			h := uniqueValue(n + i/2)
			if a, b := up.has(h), back.has(h); a != b {
				t.Fatalf("%d values: has says %v and %v", n, a, b)
			}
			if a, b := up.add(h), back.add(h); a != b {
				t.Fatalf("%d values: grew by %d and %d", n, a, b)
			}
		}
		if !bytes.Equal(back.Encode(), up.Encode()) {
			t.Errorf("%d values: differ after they were read back", n)
		}
		sets[fmt.Sprint(n)] = up
	}
	s := sets["1000"]
	c := s.clone()
	if c.add(uniqueValue(1<<30)) != 1 || s.Count() == c.Count() {
		t.Error("a clone shares its values")
	}
	s = sets["100000"]
	c = s.clone()
	before := s.Encode()
	for i := range 50_000 {
		c.add(uniqueValue(1<<30 + i))
	}
	if !bytes.Equal(before, s.Encode()) {
		t.Error("a clone shares its registers")
	}
}

func TestDecodeUniqueSetRefuses(t *testing.T) {
	exact, sketch := newUniqueSet(), newUniqueSet()
	for i := range maxExact + 1 {
		if i < 3 {
			exact.add(uniqueValue(i))
		}
		sketch.add(uniqueValue(i))
	}
	change := func(s *uniqueSet, f func(b []byte) []byte) []byte { return f(s.Encode()) }
	for name, b := range map[string][]byte{
		"nothing":      {},
		"another form": {3},
		"cut":          change(exact, func(b []byte) []byte { return b[:len(b)-1] }),
		"more":         change(exact, func(b []byte) []byte { return append(b, 0) }),
		"twice":        change(exact, func(b []byte) []byte { copy(b[9:17], b[1:9]); return b }),
		"order":        change(exact, func(b []byte) []byte { return append(append(b[:1:1], b[17:25]...), b[1:17]...) }),
		"too many":     append([]byte{uniqueExact}, make([]byte, 8*(maxExact+1))...),
		"cut sketch":   change(sketch, func(b []byte) []byte { return b[:len(b)-1] }),
		"rank":         change(sketch, func(b []byte) []byte { b[100] = sketchRankMax + 1; return b }),
		"count":        change(sketch, func(b []byte) []byte { clear(b[1:9]); return b }),
		"bare sketch":  append([]byte{uniqueSketch}, make([]byte, 8+sketchSize)...),
	} {
		if _, err := decodeUniqueSet(b); !errors.Is(err, record.ErrRecord) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if s, err := decodeUniqueSet([]byte{uniqueExact, 0, 0, 0, 0, 0, 0, 0, 0}); err != nil || !s.has(0) {
		t.Error("the value 0:", err)
	}
}

func FuzzDecodeUniqueSet(f *testing.F) {
	f.Add([]byte{uniqueExact, 0, 0, 0, 0, 0, 0, 0, 7})
	f.Add([]byte{uniqueSketch})
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := decodeUniqueSet(b); err == nil && !bytes.Equal(s.Encode(), b) {
			t.Errorf("%x has a second form", b)
		}
	})
}

func BenchmarkUniqueSet(b *testing.B) {
	for _, n := range []int{1000, 1_000_000} {
		s := newUniqueSet()
		for i := range n {
			s.add(uniqueValue(i))
		}
		b.Run(fmt.Sprintf("add/%d", n), func(b *testing.B) {
			i := 0
			for b.Loop() {
				i++
				s.add(uniqueValue(i % n))
			}
		})
	}
}

// A set that is being saved, or that somebody reads, stays as it is while values are added
// to a clone of it.
func TestClonesLeaveSetsAlone(t *testing.T) {
	s := newUniqueSet()
	for i := range maxExact + 3000 {
		x := uniqueValue(i)
		if i%1999 > 1 && i != maxOnePart && i != maxExact {
			s.add(x)
			continue
		}
		before := s.Encode()
		old := s
		if s = old.clone(); s.add(x) > 0 && s.Count() == old.Count() {
			t.Fatalf("value %d counts nothing", i)
		}
		if !bytes.Equal(old.Encode(), before) {
			t.Fatalf("value %d changed the set it was not added to", i)
		}
	}
}
