package store_test

import (
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
	"github.com/bursarhq/bursar/store/mem"
)

// withoutClaim are the methods of a store, beside those of a store.Reader, that are open to
// somebody who may not write, and why.
var withoutClaim = map[string]string{
	"Outcomes":     "it reads what became of commits",
	"Jobs":         "it reads jobs",
	"Denials":      "it reads denials",
	"DenialCounts": "it reads how many there were",
	"MostDenied":   "it reads which limits denied most",
	"Claim":        "it is how the claim is taken",
	"Err":          "it reads how the store is",
	"Close":        "it writes nothing of a customer",
}

// TestWritesNeedTheClaim: while somebody else has the claim to write, every method of a store
// is refused but those that read and the few that are listed.
func TestWritesNeedTheClaim(t *testing.T) {
	s := mem.New()
	s.Clock = func() bursar.Time { return 1 }
	if got, err := s.Claim(t.Context(), []string{"writers"}, "import/1", time.Hour); err != nil || !got[0] {
		t.Fatal(got, err)
	}
	claimed := reflect.ValueOf(store.NewClaimedStore(s, store.NewWriters(s, store.HolderNodes)))
	reads, all := reflect.TypeFor[store.Reader](), reflect.TypeFor[store.Store]()
	for i := range all.NumMethod() {
		m := all.Method(i)
		if _, ok := reads.MethodByName(m.Name); ok {
			if withoutClaim[m.Name] != "" {
				t.Errorf("%s is a method of a Reader: no list need name it", m.Name)
			}
			continue
		}
		if withoutClaim[m.Name] != "" {
			continue
		}
		args := make([]reflect.Value, m.Type.NumIn())
		for j := range args {
			args[j] = reflect.Zero(m.Type.In(j))
		}
		args[0] = reflect.ValueOf(t.Context())
		err := outcome(claimed.MethodByName(m.Name), args)
		if !errors.Is(err, store.ErrNotCommitted) || !errors.Is(err, store.ErrImporting) {
			t.Errorf("%s while somebody else has the claim to write: %v; refuse it, or say in withoutClaim why it may pass", m.Name, err)
		}
	}
	for name := range withoutClaim {
		if _, ok := all.MethodByName(name); !ok {
			t.Errorf("a store has no method %s", name)
		}
	}
}

// outcome is the error that a method returns, or what it panics with on such arguments.
func outcome(method reflect.Value, args []reflect.Value) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("it was done: %v", p)
		}
	}()
	out := method.Call(args)
	err, _ = out[len(out)-1].Interface().(error)
	return err
}
