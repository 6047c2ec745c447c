package httpapi

import (
	"net/http"
	"reflect"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/ledger"
)

// An operation is what a route does, with the types that it reads and answers. It is of one
// of these kinds:
//
//	read, list, rows   change nothing
//	write              changes something, once for an Idempotency-Key
//	report             records items, each once for its own key
//	raw                parses and writes by itself, and says why
//
// The first four take a handler, which is a function of the call and the typed input to what
// the engine answers with the version of the customer that it is about, 0 for none. The
// kind reads the input, knows who asks and under which key, and shows the answer.
type operation struct {
	in, out reflect.Type
	writes  bool // it is a write or a report
	byHand  bool // it is raw
	jobs    bool // what takes long is answered with 202 and a job
	shape   *shape
	run     func(*request) error
}

// nothing is the input of an operation that takes none, or its output.
type nothing struct{}

// call is a request as a handler knows it.
type call struct {
	*request
	by    catalogue.Caller // who asks; of a write, with its key
	fresh freshness        // how old an answer may be
}

// call is q as the handler that takes in knows it.
func (q *request) call(in any) call {
	c := call{request: q, by: q.caller()}
	if f, ok := in.(interface{ asked() freshness }); ok {
		c.fresh = f.asked()
	}
	return c
}

// caller is who asks, without a key.
func (q *request) caller() catalogue.Caller {
	c := catalogue.Caller{ActorType: "API_KEY", ActorID: q.actor, RequestID: q.id}
	if q.bound != nil {
		c.Types = q.bound.EntityTypes
	}
	if q.spend != nil {
		c.ActorType, c.Spends = "SPEND_TOKEN", &q.spend.path
	}
	if q.token != nil {
		c.ActorType, c.Subject, c.Token, c.Wrote = "ACCESS_TOKEN", q.token.Subject, q.token, q.wrote
	}
	return c
}

// options bound a read by what the request asks for and by what its caller may see.
func (c call) options() ledger.ReadOptions {
	o := ledger.ReadOptions{MinVersion: c.fresh.MinVersion, MaxStaleness: c.fresh.staleness(), Token: c.token, Unhinted: c.spend != nil}
	by := c.caller()
	o.Enrols = by.Enroller()
	if o.MaxStaleness > 0 { // the reply states its age
		c.aged, o.Age = true, &c.age
	}
	return o
}

// read is an operation that shows what do finds.
func read[In, T, Out any](do func(call, *In) (T, uint64, error), view func(T) Out) operation {
	return readAs(viewed(do, view))
}

// readAs is a read whose handler makes the reply.
func readAs[In, Out any](do func(call, *In) (Out, uint64, error)) operation {
	return answer(func(q *request, in *In) (Out, uint64, error) { return do(q.call(in), in) })
}

// write is an operation that shows what do changed. Where the request has an
// Idempotency-Key, what view shows is kept for its repeats.
func write[In, T, Out any](do func(call, *In) (T, uint64, error), view func(T) Out) operation {
	return writeAs(viewed(do, view), view)
}

// writeAs is a write whose handler makes the reply; kept shows a repeat what the engine
// answered the first time.
func writeAs[In, Out, T, Kept any](do func(call, *In) (Out, uint64, error), kept func(T) Kept) operation {
	o := answer(func(q *request, in *In) (out Out, version uint64, err error) {
		c := q.call(in)
		if c.by.IfMatch, err = q.ifMatch(); err != nil {
			return out, 0, err
		}
		if c.by.Key, err = requestKey(q, kept); err != nil {
			return out, 0, err
		}
		return do(c, in)
	})
	o.writes = true
	return o
}

// report is an operation that records items. items makes those of the body, with the keys
// that they are given; nothing is recorded when one of them is wrong.
func report[In, Items, T, Out any](items func(*In, *itemKeys) Items, do func(call, *In, Items) (T, uint64, error), view func(T) Out) operation {
	record := func(c call, in *In) (got T, version uint64, err error) {
		keys := itemKeys{q: c.request}
		asked := items(in, &keys)
		if err := keys.wrong(); err != nil {
			return got, 0, err
		}
		return do(c, in, asked)
	}
	o := readAs(viewed(record, view))
	o.writes = true
	return o
}

// orJob makes o answer an Out, or the job that it goes on as where it takes longer than a
// request: then its handler returns what accept makes.
func orJob[Out any](o operation) operation {
	o.out, o.jobs = reflect.TypeFor[Out](), true
	return o
}

// outOrJob is the reply of an operation that may become a job.
type outOrJob struct{ any }

func (o outOrJob) appendTo(b []byte) []byte { return appendBare(b, o.any) }

// accept makes the reply a job, with status 202.
func (c call) accept(j engine.Job) outOrJob {
	c.accepted = true
	c.w.Header().Set("Location", v1[0]+jobsPattern+"/"+j.ID)
	return outOrJob{viewJob(j)}
}

// raw is an operation that parses and writes by itself; In and Out only describe it.
func raw[In, Out any](run func(*request) error) operation {
	o := operation{in: reflect.TypeFor[In](), out: reflect.TypeFor[Out](), byHand: true, run: run}
	o.shape = shapeOf(o.in)
	return o
}

// viewed is do with its result shown.
func viewed[In, T, Out any](do func(call, *In) (T, uint64, error), view func(T) Out) func(call, *In) (Out, uint64, error) {
	return func(c call, in *In) (out Out, version uint64, err error) {
		got, version, err := do(c, in)
		if err != nil {
			return out, version, err
		}
		return view(got), version, nil
	}
}

// ofNoCustomer is an answer of the engine that is about no customer.
func ofNoCustomer[T any](v T, err error) (T, uint64, error) { return v, 0, err }

// same shows a thing as it is.
func same[T any](v T) T { return v }

// viewEach shows a list.
func viewEach[T, Out any](view func(T) Out) func([]T) []Out {
	return func(list []T) []Out {
		out := make([]Out, len(list))
		for i := range list {
			out[i] = view(list[i])
		}
		return out
	}
}

// answer makes the operation that reads an In, calls do and answers the Out, in the
// envelope {data} unless it has its own.
func answer[In, Out any](do func(*request, *In) (Out, uint64, error)) operation {
	o := operation{in: reflect.TypeFor[In](), out: reflect.TypeFor[Out]()}
	o.shape = shapeOf(o.in)
	o.run = func(q *request) error {
		in := new(In)
		if err := q.read(o.shape, reflect.ValueOf(in).Elem()); err != nil {
			return err
		}
		out, version, err := do(q, in)
		if q.version = version; err != nil {
			return err
		}
		if r, ok := any(out).(revised); ok {
			q.w.Header().Set("ETag", `"`+r.revision()+`"`)
		}
		b, err := q.render(q.out[:0], out)
		if err != nil {
			return err
		}
		status := q.route.status
		if q.accepted {
			status = http.StatusAccepted
		}
		q.send(status, b)
		return nil
	}
	return o
}

// read fills v, of shape s, from the request.
func (q *request) read(s *shape, v reflect.Value) error {
	var problems bursar.Problems
	if err := q.parseQuery(); err != nil {
		return err
	}
	if q.route.access != open { // probes and scrapers add what they like
		q.unknownQuery(s, &problems)
	}
	q.bind(s, v, &problems)
	if err := q.condition(s); err != nil {
		return err
	}
	if q.r.Method != http.MethodGet && q.r.Method != http.MethodHead {
		if err := q.readBody(); err != nil {
			return err
		}
		if err := q.decode(s, v, &problems); err != nil {
			return err
		}
	}
	return problems.Err()
}
