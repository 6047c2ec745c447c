package storetest

import (
	"bytes"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

// saveJob compares whether a job was saved.
func (e *env) saveJob(j store.JobRow, want bool) {
	e.Helper()
	got, err := e.SaveJob(ctx, j)
	e.ok(err)
	if got != want {
		e.Errorf("SaveJob(%q, rev %d) = %v, want %v", j.ID, j.Rev, got, want)
	}
}

// jobs compares the IDs of what a query selects.
func (e *env) jobs(q store.JobQuery, want ...string) {
	e.Helper()
	rows, err := e.Jobs(ctx, q)
	e.ok(err)
	var ids []string
	for _, j := range rows {
		ids = append(ids, j.ID)
	}
	equal(e, "jobs", ids, want)
}

var jobTests = []test{
	{"a job is as it was saved, with the next Rev", func(e *env) {
		e.saveJob(store.JobRow{ID: "a", Key: "k", Body: []byte("one")}, true)
		e.saveJob(store.JobRow{ID: "a", Rev: 1, Ended: 7, Body: []byte("two"), Result: []byte("all")}, true)
		rows, err := e.Jobs(ctx, store.JobQuery{})
		e.ok(err)
		job := store.JobRow{ID: "a", Key: "k", Rev: 2, Ended: 7, Body: []byte("two")}
		equal(e, "listed without its result", rows, []store.JobRow{job})
		rows, err = e.Jobs(ctx, store.JobQuery{ID: "a"})
		e.ok(err)
		job.Result = []byte("all")
		equal(e, "by its ID", rows, []store.JobRow{job})
	}},
	{"a Rev that is not the saved one writes nothing", func(e *env) {
		e.saveJob(store.JobRow{ID: "a", Body: []byte("one")}, true)
		for _, rev := range []uint64{0, 2} {
			e.saveJob(store.JobRow{ID: "a", Rev: rev, Body: []byte("two")}, false)
		}
		e.saveJob(store.JobRow{ID: "b", Rev: 1, Body: []byte("two")}, false)
		rows, err := e.Jobs(ctx, store.JobQuery{})
		e.ok(err)
		equal(e, "rows", rows, []store.JobRow{{ID: "a", Rev: 1, Body: []byte("one")}})
	}},
	{"a Key has one job, many jobs have none", func(e *env) {
		e.saveJob(store.JobRow{ID: "a", Key: "k", Body: []byte("x")}, true)
		e.saveJob(store.JobRow{ID: "b", Key: "k", Body: []byte("y")}, false)
		e.saveJob(store.JobRow{ID: "c", Body: []byte("x")}, true)
		e.saveJob(store.JobRow{ID: "d", Body: []byte("x")}, true)
		e.jobs(store.JobQuery{Key: "k"}, "a")
		e.jobs(store.JobQuery{Key: "other"})
		e.jobs(store.JobQuery{ID: "d"}, "d")
		e.jobs(store.JobQuery{ID: "e"})
	}},
	{"jobs are listed newest first, between bounds", func(e *env) {
		for _, id := range []string{"b", "d", "a", "c"} {
			e.saveJob(store.JobRow{ID: id, Body: []byte("x")}, true)
		}
		e.saveJob(store.JobRow{ID: "c", Rev: 1, Ended: 1, Body: []byte("x")}, true)
		e.jobs(store.JobQuery{}, "d", "c", "b", "a")
		e.jobs(store.JobQuery{Limit: 2}, "d", "c")
		e.jobs(store.JobQuery{Below: "c", Limit: 1}, "b")
		e.jobs(store.JobQuery{Above: "a", Limit: 2}, "c", "b")
		e.jobs(store.JobQuery{Open: true}, "d", "b", "a")
	}},
	{"jobs that ended before an instant are trimmed", func(e *env) {
		for id, ended := range map[string]bursar.Time{"a": 0, "b": 5, "c": 6} {
			e.saveJob(store.JobRow{ID: id, Ended: ended, Body: []byte("x")}, true)
		}
		e.ok(e.TrimJobs(ctx, 6))
		e.jobs(store.JobQuery{}, "c", "a")
	}},
	{"of those who save one Rev at once, one does", func(e *env) {
		e.saveJob(store.JobRow{ID: "a", Body: []byte("x")}, true)
		var saved atomic.Int32
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				got, err := e.SaveJob(ctx, store.JobRow{ID: "a", Rev: 1, Body: bytes.Repeat([]byte("y"), i+1)})
				if err != nil && !errors.Is(err, store.ErrNotCommitted) {
					e.Error(err)
				}
				if got {
					saved.Add(1)
				}
			})
		}
		all.Wait()
		if n := saved.Load(); n != 1 {
			e.Errorf("%d saved it, want 1", n)
		}
	}},
}

var jobReopen = reopenTest{"jobs are there after a restart", func(e *env, reopen func()) {
	e.saveJob(store.JobRow{ID: "a", Key: "k", Body: []byte("x")}, true)
	e.saveJob(store.JobRow{ID: "a", Rev: 1, Body: []byte("y")}, true)
	reopen()
	rows, err := e.Jobs(ctx, store.JobQuery{Open: true})
	e.ok(err)
	equal(e, "rows", rows, []store.JobRow{{ID: "a", Key: "k", Rev: 2, Body: []byte("y")}})
}}
