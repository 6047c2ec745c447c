package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

// Jobs at work. Each open job has a claim, so that one node works on it; the node that
// has it saves how far it got every jobSaveEvery, and the next one goes on from there.
const (
	maxRunningJobs = 2 // of one process; the others wait
	jobSaveEvery   = time.Second
	jobLookEvery   = 2 * time.Second // for jobs of other nodes
	jobRetryFirst  = time.Second     // after the store could not be reached
	jobRetryLast   = 30 * time.Second

	claimOfJob = "job/" // and the id
)

// Why a job's context ends.
var (
	errJobCancelled = errors.New("the job is cancelled")
	errJobStopped   = errors.New("the process stops")
	errJobLost      = errors.New("another process works on the job")
)

// jobs are the jobs at work in this process.
type jobs struct {
	mu      sync.Mutex
	running map[string]context.CancelCauseFunc
	kick    chan struct{}
	ended   chan struct{} // closed when a job of this process has ended, and made anew
}

func newJobs() *jobs {
	return &jobs{running: map[string]context.CancelCauseFunc{}, kick: make(chan struct{}, 1), ended: make(chan struct{})}
}

// wake has the next look for jobs come now.
func (l *jobs) wake() {
	select {
	case l.kick <- struct{}{}:
	default:
	}
}

// cancel ends a job if it is at work here.
func (l *jobs) cancel(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if end := l.running[id]; end != nil {
		end(errJobCancelled)
	}
}

// begin makes the context of a job; nil when it is at work here, or no more may be.
func (l *jobs) begin(id string) context.Context {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.running[id] != nil || len(l.running) >= maxRunningJobs {
		return nil
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	l.running[id] = cancel
	return ctx
}

func (l *jobs) end(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running[id](nil)
	delete(l.running, id)
	close(l.ended)
	l.ended = make(chan struct{})
}

func (l *jobs) ending() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ended
}

func (l *jobs) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, end := range l.running {
		end(errJobStopped)
	}
}

// runJobs works on jobs until the engine stops.
func (e *Engine) runJobs() {
	var work sync.WaitGroup
	defer work.Wait()
	defer e.jobs.stop()
	tick := time.NewTicker(jobLookEvery)
	defer tick.Stop()
	unread := true // the store was not asked since the last time it failed
	for {
		if err := e.takeJobs(&work); err != nil {
			e.o.Log.Warn("looking for jobs failed", "err", err)
			unread = true
		} else {
			unread = false
		}
		for asked := false; !asked; {
			select {
			case <-e.stop:
				return
			case <-e.jobs.kick:
				asked = true
			case <-tick.C:
				asked = unread || e.nodes != nil // alone, this process knows of all jobs
			}
		}
	}
}

// takeJobs begins the oldest jobs that nobody works on.
func (e *Engine) takeJobs(work *sync.WaitGroup) error {
	if e.store.Err() != nil {
		return nil
	}
	rows, err := e.store.Jobs(context.Background(), store.JobQuery{Open: true})
	if err != nil {
		return err
	}
	for _, r := range slices.Backward(rows) {
		ctx := e.jobs.begin(r.ID)
		if ctx == nil {
			continue
		}
		if !e.has(claimOfJob + r.ID) {
			e.jobs.end(r.ID)
			continue
		}
		s, err := e.job(ctx, r.ID) // with its result
		if err != nil || s.Ended() {
			e.jobs.end(r.ID)
			e.giveUp(claimOfJob + r.ID)
			if err != nil {
				e.o.Log.Error("a job cannot be read", "jobId", r.ID, "err", err)
			}
			continue
		}
		work.Go(func() {
			defer e.jobs.wake() // others wait for its place
			defer e.jobs.end(s.ID)
			(&jobRun{e: e, saved: *s}).run(ctx)
			e.giveUp(claimOfJob + s.ID)
		})
	}
	return nil
}

// jobRun is a job at work.
type jobRun struct {
	e  *Engine
	mu sync.Mutex // of what is below, and of saving it

	saved savedJob
	dirty bool
}

// update changes the job; what changed is saved in time.
func (r *jobRun) update(f func(*Job)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f(&r.saved.Job)
	r.dirty = true
}

// save writes what changed. It says with which error the work must end, nil if it goes on.
func (r *jobRun) save(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for range maxTries {
		if !r.dirty && !r.saved.Ended() {
			return nil
		}
		saved, err := r.e.saveJob(ctx, &r.saved)
		if err != nil {
			return err
		}
		if saved {
			r.dirty = false
			return nil
		}
		// Somebody asked for its end, or works on it.
		now, err := r.e.job(ctx, r.saved.ID)
		switch {
		case err != nil:
			return err
		case now.Ended():
			return errJobLost
		case now.Cancelling && !r.saved.Cancelling:
			r.saved.Cancelling, r.saved.rev = true, now.rev
			if !r.saved.Ended() {
				return errJobCancelled
			}
		default:
			return errJobLost
		}
	}
	return errJobLost
}

// run works on the job until it has ended or the process stops.
func (r *jobRun) run(ctx context.Context) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r.update(func(j *Job) {
		j.Status = JobRunning
		if j.StartedAt == 0 {
			j.StartedAt = r.e.now().Milli()
		}
	})
	if err := r.save(ctx); err != nil || r.saved.Cancelling {
		if cancel(errJobCancelled); err != nil && !errors.Is(err, errJobCancelled) {
			return // another look takes it up
		}
	}
	var keeping sync.WaitGroup
	keeping.Go(func() { r.keep(ctx, cancel) })
	err := r.work(ctx)
	why := context.Cause(ctx)
	cancel(nil)
	keeping.Wait()
	r.finish(err, why)
}

// keep saves how far the job is, and ends the work when it is to end.
func (r *jobRun) keep(ctx context.Context, end context.CancelCauseFunc) {
	tick := time.NewTicker(jobSaveEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if !r.e.has(claimOfJob + r.saved.ID) {
			end(errJobLost)
			return
		}
		r.mu.Lock()
		r.dirty = true // a save finds out whether somebody asked for its end
		r.mu.Unlock()
		switch err := r.save(ctx); {
		case errors.Is(err, errJobLost), errors.Is(err, errJobCancelled):
			end(err)
			return
		}
	}
}

// work does the job, trying again while the store cannot be reached.
func (r *jobRun) work(ctx context.Context) error {
	for wait := jobRetryFirst; ; wait = min(2*wait, jobRetryLast) {
		err := context.Cause(ctx)
		if err == nil {
			err = r.once(ctx)
		}
		var known *bursar.Error
		if err == nil || ctx.Err() != nil || !errors.As(err, &known) || known.Code != bursar.CodeGovernanceUnavailable || r.e.store.Err() != nil && r.e.closing.Load() {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(wait):
		}
	}
}

// once does the job from where it is.
func (r *jobRun) once(ctx context.Context) (err error) {
	defer func() { // else it would end the process at each start
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	switch j := r.job(); {
	case j.Kind == JobReprice && j.Reprice != nil && j.Reprice.Unread:
		return r.reread(ctx, j)
	case j.Kind == JobReprice && j.Reprice != nil:
		return r.reprice(ctx, j)
	case j.Kind == JobSimulate && j.Simulate != nil:
		return r.simulate(ctx, j)
	default:
		return bursar.Errorf(bursar.CodeInternal, "this program does not know jobs of kind %.64q", j.Kind)
	}
}

func (r *jobRun) job() Job {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.saved.Job
}

// finish saves how the work ended: with err, why being the reason when its context ended.
func (r *jobRun) finish(err, why error) {
	if errors.Is(why, errJobLost) {
		return
	}
	var known *bursar.Error
	r.update(func(j *Job) {
		end := r.e.now().Milli()
		switch {
		case errors.Is(why, errJobCancelled):
			j.Status, j.FinishedAt = JobCancelled, end
		case why != nil: // the process stops
		case err == nil:
			j.Status, j.FinishedAt = JobSucceeded, end
		case errors.As(err, &known):
			j.Status, j.FinishedAt, j.Problem = JobFailed, end, &JobProblem{known.Code, known.Message}
		default:
			r.e.o.Log.Error("a job failed", "jobId", j.ID, "requestId", j.RequestID, "err", err)
			j.Status, j.FinishedAt, j.Problem = JobFailed, end, &JobProblem{bursar.CodeInternal, "something went wrong here; the log has it under the job's id"}
		}
	})
	for wait := jobRetryFirst; ; wait = min(2*wait, jobRetryLast) {
		err := r.save(context.Background())
		if err == nil || errors.Is(err, errJobLost) || why != nil && !r.saved.Ended() {
			return
		}
		select {
		case <-r.e.stop:
			return // it is done once more
		case <-time.After(wait):
		}
	}
}

// AwaitJob waits until a job has ended, but no longer than d, and reads it.
func (e *Engine) AwaitJob(ctx context.Context, id string, d time.Duration) (Job, error) {
	limit := time.NewTimer(d)
	defer limit.Stop()
	for last := false; ; {
		ended := e.jobs.ending()
		j, err := e.Job(ctx, id)
		if err != nil || last || j.Ended() {
			return j, err
		}
		again := time.NewTimer(250 * time.Millisecond) // it may be at work elsewhere
		select {
		case <-ended:
		case <-again.C:
		case <-limit.C:
			last = true
		case <-ctx.Done():
			last = true
		}
		again.Stop()
	}
}
