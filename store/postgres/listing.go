package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

const (
	selectCustomers = `SELECT id, name, email, metadata, timezone, language, billing_id, billing_currency,
		created_at, updated_at, archived_at, sum FROM customers`
	selectActivity = `SELECT id, timestamp, actor_type, actor_id, subject, action, target_type, target_id,
		entity_id, before, after, request_id, sum FROM activity`
)

// read runs a query whose rows f takes.
func (s *Store) read(ctx context.Context, f func(row) error, sql string, args ...any) error {
	return s.do(ctx, s.opts.Slow, func(ctx context.Context, c *conn) error { return c.query(ctx, f, sql, args...) })
}

// Users implements store.Store.
func (s *Store) Users(ctx context.Context, u store.Use, limit int) (names []string, err error) {
	err = s.read(ctx, func(r row) error {
		names = append(names, r.text(0))
		return nil
	}, selectUsers, text(u.Kind), text(u.ID), rowLimit(limit))
	return names, err
}

// Customers implements store.Store.
func (s *Store) Customers(ctx context.Context, q store.CustomerQuery) (rows []bursar.Customer, err error) {
	var w where
	if q.Email != "" {
		w.and("email = ?", q.Email)
	}
	if q.Name != "" {
		w.and("name = ?", q.Name)
	}
	if q.Search != "" { // in the collation C, lower knows A to Z alone
		w.and(`(strpos(lower(id), lower(?::text COLLATE "C")) > 0 OR strpos(lower(name), lower(?::text COLLATE "C")) > 0 OR strpos(lower(email), lower(?::text COLLATE "C")) > 0)`,
			q.Search, q.Search, q.Search)
	}
	if q.CreatedFrom != 0 {
		w.and("created_at >= ?", q.CreatedFrom)
	}
	if q.CreatedTo != 0 {
		w.and("created_at < ?", q.CreatedTo)
	}
	if !q.IncludeArchived {
		w.and("archived_at IS NULL")
	}
	order := " ORDER BY created_at, id"
	if q.After != nil {
		w.and("(created_at, id) > (?, ?)", q.After.CreatedAt, q.After.ID)
	}
	if q.Before != nil {
		w.and("(created_at, id) < (?, ?)", q.Before.CreatedAt, q.Before.ID)
		order = " ORDER BY created_at DESC, id DESC"
	}
	sql, args := w.query(selectCustomers, order, q.Limit)
	err = s.read(ctx, func(r row) error {
		customer, err := readCustomer(r)
		rows = append(rows, customer)
		return err
	}, sql, args...)
	if q.Before != nil {
		slices.Reverse(rows)
	}
	return rows, err
}

func readCustomer(r row) (bursar.Customer, error) {
	c := bursar.Customer{
		ID: r.text(0), Name: r.optText(1), Email: r.optText(2), Timezone: r.optText(4), Language: r.optText(5),
		BillingID: r.optText(6), BillingCurrency: r.optText(7), CreatedAt: r.time(8), UpdatedAt: r.time(9), ArchivedAt: r.optTime(10),
	}
	metadata := r.optText(3)
	if err := r.intact(11, "", customerSum(&c, metadata), "the row of customer", c.ID); err != nil || metadata == nil {
		return c, err
	}
	return c, json.Unmarshal([]byte(*metadata), &c.Metadata)
}

// Activity implements store.Store.
func (s *Store) Activity(ctx context.Context, stream string, q store.ActivityQuery) (rows []store.Activity, err error) {
	w := activityWhere(stream, q)
	order := " ORDER BY id DESC"
	if q.Above != "" {
		order = " ORDER BY id"
	}
	sql, args := w.query(selectActivity, order, q.Limit)
	err = s.read(ctx, func(r row) error {
		a := store.Activity{
			ID: r.text(0), Timestamp: r.time(1), ActorType: r.text(2), ActorID: r.text(3),
			Subject: r.text(4), Action: r.text(5), TargetType: r.text(6), TargetID: r.text(7),
			EntityID: r.text(8), Before: r.json(9), After: r.json(10), RequestID: r.text(11),
		}
		rows = append(rows, a)
		return r.intact(12, "", activitySum(stream, &a), fmt.Sprintf("of the activity of %q, entry", stream), a.ID)
	}, sql, args...)
	if q.Above != "" {
		slices.Reverse(rows)
	}
	return rows, err
}

func activityWhere(stream string, q store.ActivityQuery) (w where) {
	const ofStream = "(SELECT id FROM streams WHERE name = ?)"
	w.and("stream = "+ofStream, stream)
	if q.EntityID != "" {
		w.and("entity_id = ? AND entity_id <> ''", q.EntityID) // the second for the partial index
	}
	if q.EntityIDs != nil {
		w.and("entity_id = ANY(?::text[]) AND entity_id <> ''", texts(q.EntityIDs))
	}
	if q.Action != "" {
		w.and("action = ?", q.Action)
	}
	if q.ActorID != "" {
		w.and("actor_id = ?", q.ActorID)
	}
	// Since ids grow with time, a bound of time is one of the id too, and rows are found
	// by id. Without a row at or above the bound, all are below it.
	const first = "(SELECT a.id FROM activity a WHERE a.stream = " + ofStream + " AND a.timestamp >= ? ORDER BY a.timestamp, a.id LIMIT 1)"
	if q.From != 0 {
		w.and("timestamp >= ? AND id >= "+first, q.From, stream, q.From)
	}
	if q.To != 0 {
		w.and("timestamp < ? AND id < coalesce("+first+", U&'\\+10FFFF')", q.To, stream, q.To)
	}
	if q.Below != "" {
		w.and("id < ?", q.Below)
	}
	if q.Above != "" {
		w.and("id > ?", q.Above)
	}
	return w
}

// where collects the conditions of a query; each ? in them is an argument. Strings are written as
// they are stored (text).
type where struct {
	conds []string
	args  []any
}

func (w *where) and(cond string, args ...any) {
	for _, arg := range args {
		switch x := arg.(type) {
		case string:
			arg = text(x)
		case bursar.Time:
			arg = int64(x)
		}
		w.args = append(w.args, arg)
		cond = strings.Replace(cond, "?", fmt.Sprint("$", len(w.args)), 1)
	}
	w.conds = append(w.conds, cond)
}

// query is sel with the conditions, in order, up to limit rows; 0 = all.
func (w *where) query(sel, order string, limit int) (sql string, args []any) {
	sql = sel
	if len(w.conds) > 0 {
		sql += " WHERE " + strings.Join(w.conds, " AND ")
	}
	args = append(w.args, rowLimit(limit))
	return fmt.Sprint(sql, order, " LIMIT $", len(args)), args
}

// Uses implements store.UsesReader.
func (s *Store) Uses(ctx context.Context, stream string) (uses []store.Use, err error) {
	err = s.read(ctx, func(r row) error {
		uses = append(uses, store.Use{Kind: r.text(0), ID: r.text(1)})
		return nil
	}, "SELECT u.kind, u.id FROM uses u JOIN streams s ON s.id = u.stream WHERE s.name = $1", text(stream))
	return uses, err
}
