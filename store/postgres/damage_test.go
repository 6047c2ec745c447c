package postgres_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
	"github.com/bursarhq/bursar/store/postgres"
	"github.com/bursarhq/bursar/store/postgres/pgtest"
)

// everything writes rows into each table.
func everything(t *testing.T, s *postgres.Store) {
	t.Helper()
	name, zone := "Acme", "Europe/Prague"
	for n := 1; n <= 3; n++ {
		c := commit("acme", n, []byte("payload"))
		c.Listing = &bursar.Customer{ID: "acme", Name: &name, Email: &name, Timezone: &zone, Language: &zone, BillingID: &name, BillingCurrency: &name,
			Metadata: map[string]string{"a": "b"}, CreatedAt: 1, UpdatedAt: 2, ArchivedAt: new(bursar.Time)}
		c.Activity = []store.Activity{{ID: fmt.Sprint("entry-", n), Timestamp: bursar.Time(n), ActorType: "API_KEY", ActorID: "key", Subject: "bob", Action: "made",
			TargetType: "limit", TargetID: "l1", EntityID: "team", Before: []byte(`{"a":1}`), After: []byte(`{"a":2}`), RequestID: "r"}}
		c.Begin = []store.Use{{Kind: "currency", ID: "usd"}}
		id := fmt.Sprint("message-", n)
		c.Messages = []store.Message{{ID: id, Type: "limit.reached", CustomerID: "acme", CreatedAt: 1, Body: []byte(`{"n":1}`),
			Deliveries: []store.Delivery{{ID: fmt.Sprint("delivery-", n), EndpointID: "hook", Status: store.DeliveryPending, CreatedAt: 1, NextAttempt: 5}}}}
		appends(t, s, c)
	}
	ok(t, s.SaveDeliveries(ctx, []store.Delivery{{ID: "delivery-1", Status: store.DeliveryFailed, Attempts: 2, ResponseStatus: 500, Error: "no"}}))
	for n := range 2 {
		saved, err := s.SaveJob(ctx, store.JobRow{ID: fmt.Sprint("job-", n), Key: fmt.Sprint("key-", n), Body: []byte("body"), Result: []byte("result")})
		if ok(t, err); !saved {
			t.Fatal("the job is not saved")
		}
	}
	ok(t, s.SaveDenials(ctx, []store.DenialRow{{CustomerID: "acme", ID: "denial-1", At: 5, Tags: []string{"e:team", "l:limit"}, Body: []byte(`{"n":1}`)},
		{CustomerID: "acme", ID: "denial-2", At: 6, Tags: []string{"e:team"}, Body: []byte(`{"n":2}`)}}, nil))
	saved, err := s.SaveJob(ctx, store.JobRow{ID: "job-0", Rev: 1, Ended: 9, Body: []byte("done"), Result: []byte("much")})
	if ok(t, err); !saved {
		t.Fatal("the job is not saved")
	}
	cp := richCheckpoint("acme")
	at2, at3 := commit("acme", 2, nil), commit("acme", 3, nil)
	cp.Head = at2.Head()
	ok(t, s.Save(ctx, cp))
	cp.Head, cp.Base = at3.Head(), 2 // series are added to, all else is written again
	ok(t, s.Save(ctx, cp))
}

// richCheckpoint has rows for every table.
func richCheckpoint(stream string) *store.Checkpoint {
	limit, name, anchor := bursar.AmountFromNanos(12_345_678_901), "Team", bursar.Time(77)
	tokens := bursar.Capability{Kind: bursar.KindFeature, ID: "tokens"}
	cp := &store.Checkpoint{Stream: stream, Due: 9, Meta: []byte(`{"customer":null}`)}
	for i := uint32(1); i <= 3; i++ {
		cp.Entities = append(cp.Entities, store.EntityRow{Ord: i, ID: fmt.Sprint("entity-", i), TypeID: "team", ParentOrd: i - 1, Name: &name, Metadata: []byte(`{"a":"b"}`), CreatedAt: 1, UpdatedAt: 2, ArchivedAt: 3})
		cp.Assignments = append(cp.Assignments, store.AssignmentRow{Ord: i, ID: fmt.Sprint("limit-", i), EntityOrd: i, Capability: tokens, Label: "daily", Scope: []uint32{1, 2},
			Limit: &limit, Cadence: "MONTH", Timezone: "UTC", Anchor: &anchor, Soft: true, Thresholds: []int{80}, CreatedAt: 1, UpdatedAt: 2})
		cp.Counters = append(cp.Counters, store.CounterRow{Ord: i, PrevStart: 1, WindowStart: 2, WindowEnd: 3, Previous: limit, Used: limit, Held: limit.Neg()})
		cp.Totals = append(cp.Totals, store.TotalRow{Level: i > 1, EntityOrd: i - 1, Capability: tokens, Value: limit, Held: limit, At: 4})
		status := []bursar.HoldStatus{bursar.HoldOpen, bursar.HoldCommitted, bursar.HoldExpired}[i-1]
		cp.Holds = append(cp.Holds, store.HoldRow{ID: fmt.Sprint("hold-", i), Capability: tokens, Status: status, CreatedAt: 1, ExpiresAt: 2, ClosedAt: 3, Amount: limit, Entities: []uint32{1, i}, Detail: []byte("detail")})
		cp.Parts = append(cp.Parts, store.PartRow{Sort: "grant", Key: fmt.Sprint(i), Body: []byte(`{"n":1}`)}, store.PartRow{Sort: "unique", Key: fmt.Sprint(i), Body: []byte{1, 0, 2}})
		cp.Series = append(cp.Series, store.SeriesRow{SeriesKey: store.SeriesKey{Bucket: 40 + i, Capability: tokens, EntityOrd: 1, ChildOrd: i, Combo: 2}, Amount: limit})
		cp.Series = append(cp.Series, store.SeriesRow{SeriesKey: store.SeriesKey{Bucket: 40 + i, Capability: tokens, EntityOrd: 1, ChildOrd: i, Combo: 2}, Amount: limit.Neg().Sub(limit)})
	}
	cp.Segments = []store.KeySegment{{Gen: 9, Part: 1, Data: make([]byte, 64)}}
	block := make([]byte, 64)
	block[0], block[32] = 1, 2
	cp.Generations = []store.KeyGeneration{{Gen: 7, End: 8, Count: 2, Filter: []byte("filter"), Blocks: []store.KeyBlock{{First: [16]byte{1}, Data: block}}}}
	return cp
}

// reply is what a store says to a question: the rows, or an error.
type reply struct {
	question string
	rows     []string
	err      error
}

func addAll[T any](add func(...any), rows []T) {
	for _, r := range rows {
		add(r)
	}
}

// replies asks all that is read.
func replies(s *postgres.Store) (all []reply) {
	ask := func(question string, f func(add func(...any)) error) {
		r := reply{question: question}
		r.err = f(func(row ...any) {
			b, _ := store.EncodeRows(row)
			r.rows = append(r.rows, string(b))
		})
		slices.Sort(r.rows)
		all = append(all, r)
	}
	ask("Load", func(add func(...any)) error {
		return s.Load(ctx, "acme", func(cp *store.Checkpoint) error {
			if cp.Meta != nil {
				add(cp.Head, cp.Due, cp.Meta)
			}
			addAll(add, cp.Entities)
			addAll(add, cp.Assignments)
			addAll(add, cp.Counters)
			addAll(add, cp.Totals)
			addAll(add, cp.Holds)
			addAll(add, cp.Parts)
			addAll(add, cp.Segments)
			addAll(add, cp.Generations)
			return nil
		})
	})
	ask("Hold", func(add func(...any)) error {
		h, err := s.Hold(ctx, "acme", "hold-2")
		if h != nil {
			add(*h)
		}
		return err
	})
	for _, status := range []bursar.HoldStatus{bursar.HoldOpen, bursar.HoldCommitted, bursar.HoldExpired} {
		for _, entity := range []uint32{0, 1, 2} {
			ask(fmt.Sprint("Holds ", status, entity), func(add func(...any)) error {
				rows, err := s.Holds(ctx, "acme", store.HoldQuery{Status: status, EntityOrd: entity})
				addAll(add, rows)
				return err
			})
		}
	}
	ask("Series", func(add func(...any)) error {
		rows, seq, err := s.Series(ctx, "acme", store.SeriesQuery{EntityOrd: 1, To: 1000})
		add(seq)
		addAll(add, rows)
		return err
	})
	ask("FindKeys", func(add func(...any)) error {
		rows, err := s.FindKeys(ctx, "acme", 7, [][16]byte{{1}, {2}})
		for _, r := range rows {
			if r != nil {
				add(r)
			}
		}
		return err
	})
	askListings(s, ask)
	askOutbox(s, ask)
	return all
}

func askListings(s *postgres.Store, ask func(string, func(func(...any)) error)) {
	ask("Customers", func(add func(...any)) error {
		rows, err := s.Customers(ctx, store.CustomerQuery{IncludeArchived: true})
		for _, c := range rows {
			add(fmt.Sprint(c.ID, *c.Name, *c.Email, *c.Timezone, *c.Language, *c.BillingID, *c.BillingCurrency, c.Metadata, c.CreatedAt, c.UpdatedAt, *c.ArchivedAt))
		}
		return err
	})
	ask("Activity", func(add func(...any)) error {
		rows, err := s.Activity(ctx, "acme", store.ActivityQuery{})
		addAll(add, rows)
		return err
	})
	ask("Users", func(add func(...any)) error {
		rows, err := s.Users(ctx, store.Use{Kind: "currency", ID: "usd"}, 0)
		addAll(add, rows)
		return err
	})
}

func askOutbox(s *postgres.Store, ask func(string, func(func(...any)) error)) {
	ask("DueDeliveries", func(add func(...any)) error {
		rows, err := s.DueDeliveries(ctx, 9, func(string) int { return 9 })
		addAll(add, rows)
		return err
	})
	ask("Deliveries", func(add func(...any)) error {
		rows, err := s.Deliveries(ctx, store.DeliveryQuery{EndpointID: "hook"})
		addAll(add, rows)
		return err
	})
	for _, id := range []string{"delivery-1", "delivery-2"} {
		ask(id, func(add func(...any)) error {
			d, err := s.Delivery(ctx, id)
			if d != nil {
				add(*d)
			}
			return err
		})
	}
	for _, tags := range [][]string{nil, {"e:team"}} {
		ask(fmt.Sprint("Denials ", tags), func(add func(...any)) error {
			rows, err := s.Denials(ctx, store.DenialQuery{CustomerID: "acme", To: 9, Tags: tags})
			addAll(add, rows)
			return err
		})
	}
	for _, q := range []store.JobQuery{{}, {Open: true}, {ID: "job-0"}, {Key: "key-0"}} {
		ask(fmt.Sprintf("Jobs %+v", q), func(add func(...any)) error {
			rows, err := s.Jobs(ctx, q)
			addAll(add, rows)
			return err
		})
	}
}

// changed is an SQL expression for another value of a column.
var changed = map[string]string{
	"bigint": "%s # 64", "text": "%s || 'x'", "bytea": `set_byte(%[1]s || '\x00', 0, get_byte(%[1]s || '\x00', 0) # 16)`,
	"numeric": "%s + 1", "boolean": "NOT %s", "ARRAY": "%s || 7::bigint",
}

// found are the columns by which rows are looked up. A row in which one of them is changed may
// be missing where it was; what it says is never taken for another row's.
var found = map[string][]string{
	"uses": {"kind", "id", "stream"}, "customers": {}, "activity": {"stream"}, "messages": {"id"},
	"deliveries": {"id", "endpoint_id", "message", "status", "next_attempt"}, "jobs": {"id", "key", "ended"},
	"denials": {"customer", "at", "id"}, "denial_tags": {"customer", "tag", "at", "id"}, // counts have no sums
	"checkpoints": {"stream"}, "entities": {"stream"}, "assignments": {"stream"}, "counters": {"stream"}, "totals": {"stream"}, "parts": {"stream"},
	"holds": {"stream", "id"}, "holds_by_entity": {"stream", "entity_ord", "status", "id"},
	"usage_series": {"stream", "hour", "entity_ord"}, "key_segments": {"stream"}, "key_generations": {"stream"}, "key_blocks": {"stream", "gen", "first"},
}

// A value that is not as it was written, in whichever column of whichever table, is an error
// that says where it is, and never an answer.
func TestDamagedRowIsNotServed(t *testing.T) {
	url := pgtest.Database(t)
	s := open(t, url)
	defer func() { ok(t, s.Close()) }()
	everything(t, s)
	want := replies(s)
	for _, r := range want {
		if ok(t, r.err); len(r.rows) == 0 && !strings.HasPrefix(r.question, "Holds ") {
			t.Fatalf("%s has no answer", r.question)
		}
	}
	c, err := pgx.Connect(ctx, url)
	ok(t, err)
	defer func() { ok(t, c.Close(ctx)) }()
	tried, refused := 0, 0
	for table, lookups := range found {
		rows, err := c.Query(ctx, "SELECT column_name::text, data_type::text FROM information_schema.columns WHERE table_schema = 'bursar' AND table_name = $1", table)
		ok(t, err)
		columns, err := pgx.CollectRows(rows, pgx.RowToStructByPos[struct{ Name, Type string }])
		ok(t, err)
		if len(columns) == 0 {
			t.Fatalf("there is no table %s", table)
		}
		for _, column := range columns {
			at := places(t, c, table, column.Name)
			if testing.Short() {
				at = at[:1]
			}
			for _, at := range at {
				tried++
				undo := damage(t, c, table, column.Name, column.Type, at)
				noticed := compare(t, table+"."+column.Name, slices.Contains(lookups, column.Name), replies(s), want)
				undo()
				if noticed {
					refused++
				}
			}
		}
	}
	if compare(t, "undone", false, replies(s), want) {
		t.Error("the test left damage")
	}
	t.Logf("%d values changed, %d refused", tried, refused)
	if refused < tried/2 {
		t.Errorf("of %d values that were changed %d were noticed", tried, refused)
	}
}

// places are rows with a value in a column.
func places(t *testing.T, c *pgx.Conn, table, column string) []string {
	t.Helper()
	rows, err := c.Query(ctx, fmt.Sprintf(`SELECT ctid::text FROM bursar.%s WHERE "%s" IS NOT NULL ORDER BY 1`, table, column))
	ok(t, err)
	at, err := pgx.CollectRows(rows, pgx.RowTo[string])
	ok(t, err)
	if len(at) == 0 {
		t.Errorf("no row of %s has %s", table, column)
	}
	return at
}

// damage changes one value behind the store's back; undo puts it back.
func damage(t *testing.T, c *pgx.Conn, table, column, sort, at string) (undo func()) {
	t.Helper()
	var old, now string
	name := pgx.Identifier{column}.Sanitize()
	ok(t, c.QueryRow(ctx, fmt.Sprintf("SELECT %s::text FROM bursar.%s WHERE ctid = '%s'", name, table, at)).Scan(&old))
	ok(t, c.QueryRow(ctx, fmt.Sprintf("UPDATE bursar.%s SET %s = %s WHERE ctid = '%s' RETURNING ctid::text", table, name, fmt.Sprintf(changed[sort], name), at)).Scan(&now))
	return func() {
		t.Helper()
		cast := map[string]string{"ARRAY": "bigint[]"}[sort]
		if cast == "" {
			cast = sort
		}
		exec := fmt.Sprintf("UPDATE bursar.%s SET %s = $1::text::%s WHERE ctid = '%s'", table, name, cast, now)
		tag, err := c.Exec(ctx, exec, old)
		if ok(t, err); tag.RowsAffected() != 1 {
			t.Fatalf("%s: %s", exec, tag)
		}
	}
}

// leavesOut tells that an answer is given without what is damaged.
func leavesOut(question string) bool {
	return question == "DueDeliveries" || strings.HasPrefix(question, "Jobs") && strings.Contains(question, "Open:true")
}

// compare tells whether got has an error or lacks something. Each reply must be an error that
// says where it is, or what was wanted; where a row may be missing, some of that.
func compare(t *testing.T, what string, missing bool, got, want []reply) (noticed bool) {
	t.Helper()
	for i, g := range got {
		w := want[i]
		switch {
		case g.err != nil:
			if noticed = true; !errors.Is(g.err, store.ErrDamaged) || len(g.err.Error()) <= len(store.ErrDamaged.Error())+5 {
				t.Errorf("%s: %s = %v", what, g.question, g.err)
			}
		case slices.Equal(g.rows, w.rows):
		case missing && !slices.ContainsFunc(g.rows, func(row string) bool { return !slices.Contains(w.rows, row) }):
			noticed = true
		case leavesOut(g.question) && !slices.ContainsFunc(g.rows, func(row string) bool { return !slices.Contains(w.rows, row) }):
			noticed = true // it is logged, and holds up no other
		default:
			other := slices.DeleteFunc(slices.Clone(g.rows), func(row string) bool { return slices.Contains(w.rows, row) })
			t.Errorf("%s: %s gives %d rows for %d, of them others: %q", what, g.question, len(g.rows), len(w.rows), other)
		}
	}
	return noticed
}
