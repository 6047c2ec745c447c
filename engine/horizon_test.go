package engine_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/store"
	"github.com/bursarhq/bursar/store/mem"
)

// keyLog is what was reported with keys, to report it again.
type keyLog struct {
	items []bursar.UsageInput
	ids   map[string]string
	at    map[string]bursar.Time // when a key was received
}

const (
	keyedEvents = 10_000
	perReport   = 20
)

// report sends 10,000 events in 500 reports over five hours, half of them with their
// own timestamps, some of which are late, and changes the engine in between.
func (l *keyLog) report(r *rig, between func(report int)) {
	l.ids, l.at = map[string]string{}, map[string]bursar.Time{}
	for n := range keyedEvents / perReport {
		var in []bursar.UsageInput
		for i := range perReport {
			k := n*perReport + i
			u := bursar.UsageInput{CustomerID: "acme", FeatureID: "tokens", Value: bursar.AmountFromInt(int64(k%9 + 1)), Dimensions: onUser, IdempotencyKey: fmt.Sprint("key ", k)}
			if k%2 == 0 {
				u.Timestamp = r.Now() - bursar.Time(k%4)*bursar.Time(time.Hour)
			}
			in = append(in, u)
		}
		res, _, err := r.ReportUsage(context.Background(), tester, in)
		r.must(err)
		for i := range res {
			if res[i].Duplicate {
				r.t.Fatalf("%q is a duplicate of nothing", in[i].IdempotencyKey)
			}
			l.ids[in[i].IdempotencyKey], l.at[in[i].IdempotencyKey] = res[i].ID, r.Now()
		}
		l.items = append(l.items, in...)
		r.advance(36 * time.Second)
		between(n)
	}
}

// again reports those of the items that want says, and expects to be known.
func (l *keyLog) again(r *rig, want func(*bursar.UsageInput) bool) {
	r.t.Helper()
	before, _ := r.usedBy("acme")
	n := 0
	for at := 0; at < len(l.items); at += perReport {
		var in []bursar.UsageInput
		for _, u := range l.items[at : at+perReport] {
			if want(&u) {
				in = append(in, u)
			}
		}
		if len(in) == 0 {
			continue
		}
		res, _, err := r.ReportUsage(context.Background(), tester, in)
		r.must(err)
		for i := range res {
			if k := in[i].IdempotencyKey; !res[i].Duplicate || res[i].ID != l.ids[k] || res[i].CreatedAt != l.at[k] {
				r.t.Fatalf("%q, received at %v, is not known at %v: %+v", k, l.at[k], r.Now(), res[i])
			}
		}
		in[0].Value = in[0].Value.Add(bursar.AmountFromInt(1))
		if _, _, err := r.ReportUsage(context.Background(), tester, in); codeOf(err) != bursar.CodeIdempotencyKeyReused {
			r.t.Fatalf("%q with another amount: %v", in[0].IdempotencyKey, err)
		}
		n += len(in)
	}
	if n == 0 {
		r.t.Error("nothing was sent again")
	}
	if after, _ := r.usedBy("acme"); after != before {
		r.t.Errorf("duplicates moved the usage from %s to %s", before, after)
	}
}

func (l *keyLog) received(u *bursar.UsageInput, r *rig) time.Duration {
	return time.Duration(r.Now() - l.at[u.IdempotencyKey])
}

// keysAreBounded: few keys in memory, the others left for the store.
func keysAreBounded(r *rig) {
	r.t.Helper()
	// 2 bytes of filter for each key, 40 for each of those in memory, and a customer of
	// this size: far from 40 bytes for each of 10,000.
	eventually(r.t, "closed generations left memory", func() bool {
		st := r.Stats()
		return st.KeysInMemory <= 64+perReport && st.ResidentBytes < 100_000
	})
}

func TestKeysOutliveMemory(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		r := newRig(t, s, engine.Options{KeysInMemory: 64, CheckpointEvery: 50 * time.Millisecond})
		defer func() { r.close() }()
		r.furnish("acme")
		var l keyLog
		l.report(r, func(n int) {
			if n%100 == 99 {
				keysAreBounded(r)
			}
			if n == 133 || n == 366 { // an orderly restart
				r.close()
				r.open()
			}
		})
		n := 0
		all := func(*bursar.UsageInput) bool { return true }
		dated := func(u *bursar.UsageInput) bool { return u.Timestamp != 0 }
		l.again(r, all)
		r.advance(15 * time.Hour)
		l.again(r, func(*bursar.UsageInput) bool { n++; return n%7 == 1 })
		r.advance(4*time.Hour + 30*time.Minute) // 24 hours and a half since the first
		l.again(r, func(u *bursar.UsageInput) bool {
			n++
			return n%7 == 1 && (dated(u) || l.received(u, r) <= 24*time.Hour)
		})
		r.advance(5 * 24 * time.Hour)
		keysAreBounded(r)
		some := func(u *bursar.UsageInput) bool { n++; return n%40 == 1 && dated(u) } // each takes reads of the store
		l.again(r, some)
		r.advance(22 * time.Hour)
		horizon := r.Now() - bursar.Time(7*24*time.Hour)
		l.again(r, func(u *bursar.UsageInput) bool { return some(u) && u.Timestamp >= horizon })
		for i := range l.items {
			if u := l.items[i]; u.Timestamp != 0 && u.Timestamp < horizon {
				if _, _, err := r.ReportUsage(context.Background(), tester, []bursar.UsageInput{u}); codeOf(err) != bursar.CodeTimestampOutOfRange {
					t.Fatalf("an item of 7 days ago: %v", err)
				}
			}
		}
		r.must(r.VerifyAll(context.Background()))
	})
}

// After crashes at any moment the keys are those of the log.
func TestKeysOutliveCrashes(t *testing.T) {
	s := mem.New()
	r := newRig(t, s, engine.Options{KeysInMemory: 64, CheckpointEvery: 50 * time.Millisecond})
	r.furnish("acme")
	crash := func() {
		left := r.store.(*mem.Store).CrashClone()
		old := r.Engine
		r.store = left
		r.open()
		if err := old.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}
	var l keyLog
	l.report(r, func(n int) {
		if n%45 == 44 {
			crash()
		}
	})
	crash()
	l.again(r, func(*bursar.UsageInput) bool { return true })
	crash()
	r.advance(6 * 24 * time.Hour)
	n := 0
	l.again(r, func(u *bursar.UsageInput) bool { n++; return n%40 == 1 && u.Timestamp != 0 })
	r.must(r.VerifyAll(context.Background()))
	r.close()
}
