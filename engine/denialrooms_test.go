package engine_test

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store"
	"github.com/bursarhq/bursar/store/mem"
)

// What other customers fill takes no count from a customer.
func TestDenialsOfOthersLeaveRoom(t *testing.T) {
	r := newRig(t, mem.New(), engine.Options{})
	defer r.close()
	r.furnish("acme")
	d := *denialBy("", "u", "l", "", r.Now())
	for i := range engine.DenialGroupsInAll {
		one := d
		one.CustomerID, one.Decision.Named = fmt.Sprint("c", i/engine.DenialGroups), []string{fmt.Sprint("u", i)}
		r.NoteDenial(&one)
	}
	for i := range 3 {
		r.deny("acme", fmt.Sprint("u", i), "l", fmt.Sprint(i))
	}
	if st := r.DenialStats(); st.Untold != 0 {
		t.Errorf("%+v", st)
	}
	r.wantDenials("beside many", 3, 0, 3)
}

// A flood of a few leaves a sample to whoever is denied first in that hour.
func TestDenialsOfANewGroupAreKept(t *testing.T) {
	r := newRig(t, mem.New(), engine.Options{})
	defer r.close()
	r.furnish("acme")
	for i := range 2 * engine.DenialSamplesHour {
		r.deny("acme", fmt.Sprint("flood-", i/engine.DenialSamples), "l", fmt.Sprintf("%05d", i))
	}
	r.deny("acme", "u", "l", "late")
	if got := r.denied(ledger.ReadOptions{}, engine.DenialQuery{EntityID: "u"}); !slices.Equal(got, []string{"late"}) {
		t.Errorf("%v", got)
	}
}

// A save writes what waited when it began: what comes meanwhile waits for the next.
func TestDenialSavesEnd(t *testing.T) {
	s := mem.New()
	r := newRig(t, s, engine.Options{})
	defer r.close()
	r.furnish("acme")
	var saves atomic.Int32
	s.Fail = func(op string) error {
		if n := saves.Add(1); op == "savedenials" && n <= 100 {
			r.deny("acme", fmt.Sprint("new-", n), "l", fmt.Sprint(n))
		}
		return nil
	}
	r.deny("acme", "u", "l", "first")
	engine.SaveDenials(r.Engine)
	if n := saves.Load(); n >= 100 { // the engine saves, too, once a second
		t.Errorf("%d saves at once", n)
	}
}

// What the store does not take before the stop is lost, and counted so.
func TestDenialsThatAreLostAtTheStop(t *testing.T) {
	s := mem.New()
	s.Fail = func(op string) error {
		if op == "savedenials" {
			return errors.New("connection lost")
		}
		return nil
	}
	r := newRig(t, s, engine.Options{})
	r.furnish("acme")
	for i := range 50 {
		r.deny("acme", "u", "l", fmt.Sprint(i))
	}
	r.close()
	if st := r.DenialStats(); st.Lost != engine.DenialSamples || st.Untold != 50 || st.Waiting != 0 {
		t.Errorf("%+v", st)
	}
}

// A limit that was named anew is one; the list stands for a minute, and what cannot be read of it is
// left out.
func TestMostDenied(t *testing.T) {
	s := mem.New()
	r := newRig(t, s, engine.Options{})
	defer r.close()
	r.furnish("acme")
	r.must(s.SaveDenials(t.Context(), nil, []store.DenialCount{{CustomerID: "acme", Hour: r.Now(), Limit: "{", Group: "{}", Denied: 100}}))
	most := func(when string, denied uint64, label string) {
		t.Helper()
		got, err := r.MostDenied(t.Context(), r.Now(), 9)
		if r.must(err); len(got) != 1 || got[0].Denied != denied || got[0].Limit.Label != label {
			t.Errorf("%s: %+v, want %d by %s", when, got, denied, label)
		}
	}
	r.deny("acme", "u", "l", "1")
	most("at first", 1, "daily")
	r.advance(time.Second / 2)
	d := denialBy("acme", "u", "l", "2", r.Now())
	d.Decision.Binding.Node.Label = "a day's"
	d.Decision.Named = []string{"v"}
	r.NoteDenial(d)
	most("soon", 1, "daily")
	r.advance(time.Minute)
	most("after a minute", 2, "a day's")
}

// Where denials are not kept any more, those that were go.
func TestDenialsThatWereKeptGo(t *testing.T) {
	s := mem.New()
	r := newRig(t, s, engine.Options{})
	r.furnish("acme")
	r.deny("acme", "u", "l", "1")
	r.close()
	r.options.KeepDenials = -1
	r.open()
	defer r.close()
	engine.TrimDenials(r.Engine)
	rows, err := s.Denials(t.Context(), store.DenialQuery{CustomerID: "acme", To: 1 << 62})
	if r.must(err); len(rows) != 0 {
		t.Errorf("%d are left", len(rows))
	}
}
