package sqlite

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

const (
	putCustomer = `INSERT OR REPLACE INTO customers (id, name, email, metadata, timezone, language, billing_id,
		billing_currency, created_at, updated_at, archived_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	selectCustomers = `SELECT id, name, email, metadata, timezone, language, billing_id, billing_currency,
		created_at, updated_at, archived_at FROM customers`
	putActivity = `INSERT OR REPLACE INTO activity (stream, id, timestamp, actor_type, actor_id, subject, action,
		target_type, target_id, entity_id, before, after, request_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	selectActivity = `SELECT id, timestamp, actor_type, actor_id, subject, action, target_type, target_id,
		entity_id, before, after, request_id FROM activity`
	putUse      = "INSERT OR IGNORE INTO uses (kind, id, stream) VALUES (?, ?, ?)"
	deleteUse   = "DELETE FROM uses WHERE kind = ? AND id = ? AND stream = ?"
	selectUse   = "SELECT 1 FROM uses WHERE kind = ? AND id = ? LIMIT 1"
	selectUsers = "SELECT s.name FROM uses u JOIN streams s ON s.id = u.stream WHERE u.kind = ? AND u.id = ? LIMIT ?"
)

// list writes what the listings show of c.
func (a *appending) list(stream int64, c *store.Commit) error {
	if l := c.Listing; l != nil {
		metadata, err := metadataText(l.Metadata)
		if err != nil {
			return err
		}
		err = a.w.exec(putCustomer, l.ID, l.Name, l.Email, metadata, l.Timezone, l.Language, l.BillingID,
			l.BillingCurrency, l.CreatedAt, l.UpdatedAt, l.ArchivedAt)
		if err != nil {
			return err
		}
	}
	if err := a.note(stream, c.Activity); err != nil {
		return err
	}
	for _, u := range c.Begin {
		if err := a.w.exec(putUse, u.Kind, u.ID, stream); err != nil {
			return err
		}
	}
	for _, u := range c.End {
		if err := a.w.exec(deleteUse, u.Kind, u.ID, stream); err != nil {
			return err
		}
	}
	return nil
}

func (a *appending) inUse(unused []store.Use) (used bool, err error) {
	for _, u := range unused {
		err := a.w.query(context.Background(), func(row) error {
			used = true
			return nil
		}, selectUse, u.Kind, u.ID)
		if err != nil || used {
			return used, err
		}
	}
	return false, nil
}

// Users implements store.Store.
func (s *Store) Users(ctx context.Context, u store.Use, limit int) (names []string, err error) {
	err = s.read(ctx, s.logReaders, func(c *conn) error {
		return c.query(ctx, func(r row) error {
			names = append(names, r.text(0))
			return nil
		}, selectUsers, u.Kind, u.ID, rowLimit(limit))
	})
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
	if q.Search != "" { // lower knows A to Z alone
		w.and("(instr(lower(id), lower(?)) > 0 OR instr(lower(name), lower(?)) > 0 OR instr(lower(email), lower(?)) > 0)", q.Search, q.Search, q.Search)
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
	order := " ORDER BY created_at, id LIMIT ?"
	if q.After != nil {
		w.and("(created_at, id) > (?, ?)", q.After.CreatedAt, q.After.ID)
	}
	if q.Before != nil {
		w.and("(created_at, id) < (?, ?)", q.Before.CreatedAt, q.Before.ID)
		order = " ORDER BY created_at DESC, id DESC LIMIT ?"
	}
	err = s.read(ctx, s.logReaders, func(c *conn) error {
		return c.query(ctx, func(r row) error {
			customer, err := readCustomer(r)
			rows = append(rows, customer)
			return err
		}, selectCustomers+w.text()+order, append(w.args, rowLimit(q.Limit))...)
	})
	if q.Before != nil {
		slices.Reverse(rows)
	}
	return rows, err
}

func readCustomer(r row) (bursar.Customer, error) {
	c := bursar.Customer{
		ID: r.text(0), Name: optText(r, 1), Email: optText(r, 2), Timezone: optText(r, 4), Language: optText(r, 5),
		BillingID: optText(r, 6), BillingCurrency: optText(r, 7),
		CreatedAt: bursar.Time(r.int(8)), UpdatedAt: bursar.Time(r.int(9)), ArchivedAt: optTime(r, 10),
	}
	if r.null(3) {
		return c, nil
	}
	return c, json.Unmarshal(r.blob(3), &c.Metadata)
}

func metadataText(m map[string]string) (any, error) {
	if m == nil {
		return nil, nil
	}
	b, err := json.Marshal(m)
	return string(b), err
}

func activityWhere(stream int64, q *store.ActivityQuery) (w where) {
	w.and("stream = ?", stream)
	if q.EntityID != "" {
		w.and("entity_id = ? AND entity_id <> ''", q.EntityID) // the second for the partial index
	}
	if q.EntityIDs != nil {
		ids, _ := json.Marshal(q.EntityIDs) // texts can be written
		w.and("entity_id IN (SELECT value FROM json_each(?)) AND entity_id <> ''", string(ids))
	}
	if q.Action != "" {
		w.and("action = ?", q.Action)
	}
	if q.ActorID != "" {
		w.and("actor_id = ?", q.ActorID)
	}
	// Since ids grow with time, a bound of time is one of the id too, and rows are
	// found by id. x'' is above every text.
	const first = "(SELECT id FROM activity WHERE stream = ? AND timestamp >= ? ORDER BY timestamp, id LIMIT 1)"
	if q.From != 0 {
		w.and("timestamp >= ? AND id >= "+first, q.From, stream, q.From)
	}
	if q.To != 0 {
		w.and("timestamp < ? AND id < coalesce("+first+", x'')", q.To, stream, q.To)
	}
	if q.Below != "" {
		w.and("id < ?", q.Below)
	}
	if q.Above != "" {
		w.and("id > ?", q.Above)
	}
	return w
}

// where collects the conditions of a query.
type where struct {
	conds []string
	args  []any
}

func (w *where) and(cond string, args ...any) {
	w.conds = append(w.conds, cond)
	w.args = append(w.args, args...)
}

func (w *where) text() string {
	if len(w.conds) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(w.conds, " AND ")
}

// rowLimit is SQLite's limit for ours, where 0 means all.
func rowLimit(limit int) int {
	if limit <= 0 {
		return -1
	}
	return limit
}
