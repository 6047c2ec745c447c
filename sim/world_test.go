package sim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"sync/atomic"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/engine"
)

// action is one request, to the engine and to the model.
type action interface {
	// run says how the engine's reply differs from the model's; "" when it does not.
	run(w *world) string
}

// op is an action at an instant of the test's clock.
type op struct {
	at bursar.Time
	action
}

func (o op) String() string {
	v := reflect.ValueOf(o.action)
	return fmt.Sprintf("%s %s%s", instant(o.at), v.Type().Name(), brief(v))
}

// world is an engine and a model that have seen the same operations.
type world struct {
	ctx      context.Context
	clock    *atomic.Int64
	options  engine.Options
	backing  backing
	nodes    int // engines on the store
	engines  []*engine.Engine
	engine   *engine.Engine // the one that is asked now
	model    *model
	toModel  map[string]string
	toEngine map[string]string
	newest   map[string]string // by customer, the greatest id so far
	version  map[string]uint64
	wrote    map[string]int // by customer, its writes when version was seen
	log      *bytes.Buffer  // warnings of the engine
	spy      *spy
	tell     func(bursar.Time) error // tells a store with a clock of its own the time; nil = it has none
	endpoint string                  // the webhook that hears everything
	sent     map[string]bursar.Time  // by message, when it was made, of deliveries that are still due
}

var caller = catalogue.Caller{ActorType: "API_KEY", ActorID: "sim"}

const horizon = 7 * 24 * time.Hour

func newWorld(b backing, o engine.Options) (*world, error) {
	w := &world{nodes: 1,
		ctx: context.Background(), clock: new(atomic.Int64), backing: b, model: newModel(horizon),
		sent: map[string]bursar.Time{}, toModel: map[string]string{}, toEngine: map[string]string{}, newest: map[string]string{}, version: map[string]uint64{}, wrote: map[string]int{},
	}
	w.clock.Store(int64(epoch))
	w.model.clock = epoch
	w.options = o
	w.options.LateHorizon = horizon
	w.options.Clock = func() bursar.Time { return bursar.Time(w.clock.Load()) }
	w.log = new(bytes.Buffer)
	w.options.Log = slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelWarn}))
	tell, shared := b.clock(w.options.Clock)
	if w.tell = tell; shared {
		w.nodes = sharedNodes
	}
	if err := w.open(); err != nil {
		return w, err
	}
	w.model.commits = func() []heard { return w.spy.take() }
	hook, err := w.engine.CreateWebhook(w.ctx, caller, catalogue.WebhookInput{URL: "https://hooks.example/all"})
	w.endpoint = hook.ID
	return w, err
}

func (w *world) open() (err error) {
	w.spy = &spy{Store: w.backing.store()}
	w.engines = nil
	for range w.nodes {
		e, err := engine.Open(w.ctx, w.spy, w.options)
		if err != nil {
			return err
		}
		w.engines, w.engine = append(w.engines, e), e
	}
	return nil
}

// catalogue is the newest one, whichever engine wrote it. (One that cannot be read shows
// as a difference.)
func (w *world) catalogue() *catalogue.Catalogue {
	_ = w.engine.Newest(w.ctx)
	return w.engine.Catalogue()
}

// end closes the engines.
func (w *world) end() (err error) {
	for _, e := range w.engines {
		err = errors.Join(err, e.Close(w.ctx))
	}
	w.engines, w.engine = nil, nil
	return err
}

func (w *world) close() {
	_ = w.end()
	_ = w.backing.close()
}

// do runs one operation. A panic of the engine is a difference like any other.
func (w *world) do(o op) (difference string) {
	defer func() {
		if p := recover(); p != nil {
			difference = fmt.Sprintf("panic: %v\n%s", p, stack())
		}
	}()
	if d := w.setClock(o.at); d != "" {
		return d
	}
	if n := len(w.engines); n > 1 {
		w.engine = w.engines[uint64(o.at)%9973%uint64(n)]
	}
	if difference = w.perform(o.action); difference != "" && w.log.Len() > 0 {
		text := w.log.String()
		difference += "\nthe engine's log: …" + text[max(0, len(text)-2000):]
	}
	return difference
}

// perform runs an action, and compares what was told because of it.
func (w *world) perform(a action) string {
	if d := a.run(w); d != "" {
		return d
	}
	return w.compareMessages()
}

// setClock moves the test's clock. Before it goes back, every log that may or may not
// have been written since its last certain write is written for certain, so that both
// sides know the time below which it will not go.
func (w *world) setClock(at bursar.Time) string {
	if w.tell != nil { // such clocks are precise to a microsecond, and what a node reads while one goes back is nothing
		at = max(at-at%bursar.Time(time.Microsecond), w.model.clock)
	}
	if at < w.model.clock {
		for _, id := range sortedKeys(w.model.customers) {
			c, now := w.model.customer(id)
			if c.log.perhaps <= c.log.sure {
				continue
			}
			if d := (patchCustomer{ID: id}).run(w); d != "" {
				return fmt.Sprintf("at %s of %s: %s", instant(now), id, d)
			}
		}
		if w.model.cat.perhaps > w.model.cat.sure {
			if d := (patchFeature{ID: featureNames[0]}).run(w); d != "" {
				return d
			}
		}
	}
	w.spy.clock.Lock() // no node sees one clock moved and not the other
	defer w.spy.clock.Unlock()
	w.model.clock = at
	w.clock.Store(int64(at))
	if w.tell != nil {
		if err := w.tell(at); err != nil {
			return "telling the time: " + err.Error()
		}
	}
	return ""
}

// writes counts the certain writes of a customer's log.
func (w *world) writes(customer string) int {
	if c := w.model.customers[customer]; c != nil {
		return c.log.writes
	}
	return 0
}

// sawVersion: a customer's version never goes back, and each write raises it.
func (w *world) sawVersion(customer string, v uint64) string {
	last, wrote := w.version[customer], w.writes(customer)
	if v < last || v == last && wrote > w.wrote[customer] {
		return fmt.Sprintf("version of %s is %d after %d", customer, v, last)
	}
	w.version[customer], w.wrote[customer] = v, wrote
	return ""
}

// bind notes that two ids name the same thing: the engine's is unique and, within its
// customer, greater than all before.
func (w *world) bind(customer, got, want string) string {
	if old, known := w.toEngine[want]; known || want == "" {
		if old != got {
			return fmt.Sprintf("id of %s: engine %s, before %s", want, got, old)
		}
		return ""
	}
	if old, known := w.toModel[got]; known {
		return fmt.Sprintf("id %s given to %s, which %s has", got, want, old)
	}
	if got <= w.newest[customer] {
		return fmt.Sprintf("id %s is not above %s", got, w.newest[customer])
	}
	w.newest[customer] = got
	w.toModel[got], w.toEngine[want] = want, got
	return ""
}

// modelID is the model's name of what the engine calls id.
func (w *world) modelID(id string) string {
	if name, known := w.toModel[id]; known || id == "" {
		return name
	}
	if isGiven(id) {
		if strings.HasSuffix(id, "00000000") { // of an entity that is not there
			return "of nobody yet"
		}
		w.learn()
		if name, known := w.toModel[id]; known {
			return name
		}
	}
	return "unknown " + id
}

const noSuchID = "01900000-0000-7000-8000-000000000000"

func (w *world) engineID(name string) string {
	if id, known := w.toEngine[name]; known {
		return id
	}
	if strings.HasPrefix(name, "d|") {
		w.learn()
		if id, known := w.toEngine[name]; known {
			return id
		}
	}
	return noSuchID
}

// verify has the engine fold its logs again.
type verify struct{}

func (verify) run(w *world) string {
	for _, e := range w.engines {
		if err := e.VerifyAll(w.ctx); err != nil {
			return "VerifyAll: " + err.Error()
		}
	}
	return ""
}

// reopen ends the engine in some way and opens its store again.
type reopen struct{ How ending }

func (a reopen) run(w *world) string {
	before := w.spy
	var err error
	if a.How == crashed {
		before.mu.Lock() // what it commits after the crash is not
		err = w.backing.reopen(a.How)
		lost := before.list
		before.mu.Unlock()
		_ = w.end() // it may find that its store has gone
		before.list = lost
	} else if err = w.end(); err == nil {
		err = w.backing.reopen(a.How)
	}
	if err != nil {
		return "closing: " + err.Error()
	}
	if err = w.open(); err != nil {
		return "opening: " + err.Error()
	}
	w.spy.mu.Lock()
	w.spy.list = append(before.list, w.spy.list...)
	w.spy.mu.Unlock()
	return ""
}
