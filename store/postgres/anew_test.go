package postgres_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store/postgres"
	"github.com/bursarhq/bursar/store/postgres/pgtest"
)

var (
	tokens = bursar.Capability{Kind: bursar.KindFeature, ID: "tokens"}
	onTeam = []bursar.Dimension{{Key: "teamId", Value: "search"}}
)

// use makes a customer with a limit, usage and reservations, of which one has ended.
func use(t *testing.T, s *postgres.Store, e *engine.Engine, id string) (ended string) {
	t.Helper()
	by := catalogue.Caller{ActorType: "API_KEY", ActorID: "test"}
	_, _, err := e.CreateCustomer(ctx, by, id, bursar.CustomerInput{})
	ok(t, err)
	_, _, err = e.PutEntities(ctx, by, id, []bursar.EntityInput{{ID: "search", EntityTypeID: "team"}})
	ok(t, err)
	_, _, err = e.PutAssignments(ctx, by, id, []bursar.AssignmentInput{{EntityID: "search", Capability: tokens,
		UsageLimit: bursar.Some(bursar.AmountFromInt(1000)), Cadence: bursar.Some(bursar.Cadence{N: 1, Unit: bursar.UnitYear})}})
	ok(t, err)
	for i := range 3 {
		_, err = e.ReportUsage(ctx, by, []ledger.UsageItem{{In: bursar.UsageInput{CustomerID: id, FeatureID: "tokens", Value: bursar.AmountFromInt(100), Dimensions: onTeam, IdempotencyKey: fmt.Sprint("key-", i)}}})
		ok(t, err)
	}
	for i := range 2 {
		r, _, err := e.Reserve(ctx, by, id, bursar.SpendInput{Capability: tokens, Amount: bursar.AmountFromInt(50), Dimensions: onTeam}, 3600, "")
		ok(t, err)
		if i == 0 {
			_, _, err := e.ReleaseReservation(ctx, by, id, r.ID)
			ok(t, err)
			ended = r.ID
		}
	}
	within(t, time.Minute, "the customer is saved", func() bool { // which takes a claim
		ok(t, e.Save(ctx, id))
		saved, err := s.Saved(ctx, []string{id})
		ok(t, err)
		return len(saved) == 1 && saved[0] > 0
	})
	return ended
}

// says is what a customer's reads answer.
func says(e *engine.Engine, id, ended string) (string, error) {
	d, _, err := e.Check(ctx, ledger.ReadOptions{}, id, []ledger.CheckInput{{Capability: tokens, Requested: bursar.AmountFromInt(1), Dimensions: onTeam}})
	if err != nil {
		return "", err
	}
	r, _, err := e.Reservation(ctx, ledger.ReadOptions{}, id, ended)
	if err != nil {
		return "", err
	}
	list, _, err := e.Reservations(ctx, ledger.ReadOptions{}, id, ledger.ReservationQuery{Status: bursar.HoldReleased, ListPage: ledger.ListPage{Limit: 9}})
	if err != nil {
		return "", err
	}
	h, _, err := e.History(ctx, ledger.ReadOptions{}, id, ledger.HistoryQuery{Capability: tokens, From: r.CreatedAt - 86400e9, Granularity: ledger.Day})
	if err != nil {
		return "", err
	}
	sum := bursar.Amount{}
	for _, s := range h.Series {
		for _, p := range s.Points {
			sum = sum.Add(p.Value)
		}
	}
	return fmt.Sprintf("%v %v %+v %v %s", d[0].Granted, d[0].Gate, r.Amount, len(list.Items), sum), nil
}

// A customer of whose saved state a value is not what was written is made again from its log,
// whichever value it is and whether the customer is in memory or not; where the log is damaged
// too, the customer is refused and the log names both places.
func TestDamagedCustomerIsMadeAnew(t *testing.T) {
	url := pgtest.Database(t)
	s := open(t, url)
	defer func() { ok(t, s.Close()) }()
	var out bytes.Buffer
	opts := engine.Options{Log: slog.New(slog.NewTextHandler(&out, nil))}
	e, err := engine.Open(ctx, s, opts)
	ok(t, err)
	by := catalogue.Caller{}
	_, err = e.PutEntityTypes(ctx, by, []catalogue.EntityTypeInput{{ID: "team", DisplayName: "Team", AttributionKeys: []string{"teamId"}}})
	ok(t, err)
	_, err = e.CreateFeature(ctx, by, bursar.Feature{ID: "tokens", DisplayName: "Tokens", FeatureType: "NUMBER"})
	ok(t, err)
	ended := use(t, s, e, "acme")
	want, err := says(e, "acme", ended)
	ok(t, err)
	ok(t, e.Close(ctx))
	c, err := pgx.Connect(ctx, url)
	ok(t, err)
	defer func() { ok(t, c.Close(ctx)) }()

	for _, change := range []string{
		"counters SET used = used - 100", "totals SET value = value + 1", "holds SET amount = amount + 1", "usage_series SET amount = amount - 1",
		"usage_series SET sum = NULL, amount = 'NaN'", "entities SET id = 'other'", "assignments SET usage_limit = 5000", "checkpoints SET seq = seq + 64",
		"checkpoints SET meta = set_byte(meta, 9, get_byte(meta, 9) # 1)", "checkpoints SET stream = stream + 64", "key_segments SET data = set_byte(data, 0, 7)",
	} {
		for _, resident := range []bool{true, false} {
			e, err := engine.Open(ctx, s, opts)
			ok(t, err)
			if resident {
				_, _, err := e.Customer(ctx, ledger.ReadOptions{}, "acme")
				ok(t, err)
			}
			exec(t, url, "UPDATE bursar."+change)
			got, err := says(e, "acme", ended)
			if err != nil && !resident && !strings.HasPrefix(change, "usage_series") && !strings.HasPrefix(change, "holds") {
				t.Errorf("%s: %v", change, err)
			}
			if err != nil { // what is read where it is stored is refused until it is made again, in the background
				within(t, time.Minute, change, func() bool {
					got, err = says(e, "acme", ended)
					return err == nil
				})
			}
			if err != nil || got != want {
				t.Errorf("%s, resident %v: %s, %v; want %s", change, resident, got, err, want)
			}
			ok(t, e.Close(ctx))
		}
	}
	if !strings.Contains(out.String(), `counter 1 is not what was written`) || !strings.Contains(out.String(), "made again from its log") {
		t.Errorf("the place is not logged: %s", out.String())
	}
	refusesBoth(t, s, url, opts, &out, ended)
}

func refusesBoth(t *testing.T, s *postgres.Store, url string, opts engine.Options, out *bytes.Buffer, ended string) {
	t.Helper()
	e, err := engine.Open(ctx, s, opts)
	ok(t, err)
	_, _, err = e.UpdateCustomer(ctx, catalogue.Caller{}, "acme", bursar.CustomerInput{Name: bursar.Some("Acme")})
	ok(t, err)
	ok(t, e.Close(ctx))
	exec(t, url, `UPDATE bursar.counters SET used = used + 1;
		UPDATE bursar.log SET payload = set_byte(payload, 3, get_byte(payload, 3) # 16) WHERE seq = 2 AND stream = (SELECT id FROM bursar.streams WHERE name = 'acme')`)
	out.Reset()
	e, err = engine.Open(ctx, s, opts)
	ok(t, err)
	defer func() { ok(t, e.Close(ctx)) }()
	if got, err := says(e, "acme", ended); err == nil {
		t.Errorf("a customer whose log and checkpoint are damaged says %s", got)
	}
	if got := out.String(); !strings.Contains(got, "counter 1 is not what was written") || !strings.Contains(got, "commit 2 is not what was written") {
		t.Errorf("the places are not logged: %s", got)
	}
}

// Nodes of the release before, which know of no sums, write on during an upgrade: what they
// write is read, and what this program writes on top has a sum again.
func TestSumsBesideOlderNodes(t *testing.T) {
	url := pgtest.Database(t)
	s := open(t, url)
	defer func() { ok(t, s.Close()) }()
	everything(t, s)
	exec(t, url+"?application_name=bursar", `UPDATE bursar.counters SET used = 7; UPDATE bursar.customers SET name = 'Older';
		UPDATE bursar.usage_series SET amount = amount + 1; UPDATE bursar.deliveries SET attempts = 3; UPDATE bursar.jobs SET rev = rev + 1, body = 'x', result = 'y';
		INSERT INTO bursar.totals (stream, level, entity_ord, kind, capability, value, held, at) SELECT stream, true, 9, 'feature', 'x', 1, 1, 1 FROM bursar.totals LIMIT 1`)
	for _, r := range replies(s) {
		if r.err != nil {
			t.Errorf("%s: %v", r.question, r.err)
		}
	}
	cp := richCheckpoint("acme")
	at := commit("acme", 4, nil)
	appends(t, s, at)
	cp.Head, cp.Base = at.Head(), 3
	ok(t, s.Save(ctx, cp))
	exec(t, url, "UPDATE bursar.counters SET used = 8")
	for _, r := range replies(s) {
		if r.question == "Load" && r.err == nil {
			t.Error("a row that is written again has no sum")
		}
	}
}
