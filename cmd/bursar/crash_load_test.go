package main_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"strings"
	"time"
)

func randomEffect() effect {
	return effect{rand.IntN(crashTenants), rand.IntN(crashTeams), rand.IntN(crashUsers), 1 + rand.IntN(9)}
}

// next makes a new attempt, or one that ends an open reservation.
func (c *crash) next() *attempt {
	key := fmt.Sprint("k", os.Getpid(), "-", c.serial.Add(1))
	e := randomEffect()
	spend := fmt.Sprintf(`"featureId":"tokens","amount":%d,"dimensions":{"user":%q},"idempotencyKey":%q`, e.amount, userID(e.team, e.user), key)
	customer := fmt.Sprintf("/customers/c%d", e.tenant)
	switch n := rand.IntN(10); {
	case n < 3:
		return c.usage(key, 1)
	case n < 5:
		return c.usage(key, 2+rand.IntN(9))
	case n < 7:
		return &attempt{path: customer + "/consume", body: "{" + spend + "}", effects: []effect{e}}
	case n < 8:
		if a := c.end(); a != nil {
			return a
		}
	}
	h := &crashHold{effect: e, status: "OPEN"}
	return &attempt{path: customer + "/reservations", body: "{" + spend + `,"ttlSeconds":86400}`, hold: h}
}

// usage reports n items, of several customers, some with their own timestamps.
func (c *crash) usage(key string, n int) *attempt {
	a := &attempt{path: "/usage"}
	var items []string
	for i := range n {
		e := randomEffect()
		a.effects = append(a.effects, e)
		at := ""
		if rand.IntN(2) == 0 {
			at = fmt.Sprintf(`,"createdAt":%q`, time.Now().UTC().Format(time.RFC3339))
		}
		items = append(items, fmt.Sprintf(`{"customerId":"c%d","featureId":"tokens","value":%d,"dimensions":{"user":%q},"idempotencyKey":"%s-%d"%s}`,
			e.tenant, e.amount, userID(e.team, e.user), key, i, at))
	}
	a.body = `{"usages":[` + strings.Join(items, ",") + `]}`
	return a
}

// end commits or releases a reservation that was acknowledged.
func (c *crash) end() *attempt {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, h := range c.holds {
		if h.status != "OPEN" {
			continue
		}
		path := fmt.Sprintf("/customers/c%d/reservations/%s", h.tenant, h.id)
		if rand.IntN(4) == 0 {
			h.status = "RELEASED"
			return &attempt{path: path + "/release", hold: h}
		}
		h.status = "COMMITTED"
		e := h.effect
		e.amount = rand.IntN(h.amount + 3) // less, equal or more
		return &attempt{path: path + "/commit", body: fmt.Sprintf(`{"amount":%d}`, e.amount), hold: h, effects: []effect{e}}
	}
	return nil
}

// resend sends what was not acknowledged again, as it was: now it must be.
func (c *crash) resend() {
	c.t.Helper()
	open := c.open
	c.open = nil
	for _, a := range open {
		c.resent++
		known, err := c.try(a)
		if err != nil {
			c.t.Fatalf("sent again: %v", err)
		}
		if known {
			c.recorded++
		}
	}
}

// repeat sends some of what was acknowledged again: the ids are the same ones (try
// compares them) and all are duplicates.
func (c *crash) repeat(n int) {
	c.t.Helper()
	for range n {
		a := c.all[rand.IntN(len(c.all))]
		known, err := c.try(a)
		if err != nil {
			c.t.Fatal(err)
		}
		if !known {
			c.t.Errorf("%s %s: acknowledged before, and no duplicate now", a.path, a.body)
		}
	}
}

// verify compares every limit's counters, on every level, with the sums of what was
// acknowledged, and every reservation with what it should be.
func (c *crash) verify(when string) {
	c.t.Helper()
	type figures struct{ CurrentUsage, Reserved int }
	want := map[string]figures{}
	add := func(e effect, used, held int) {
		for _, entity := range []string{"o", fmt.Sprint("t", e.team), userID(e.team, e.user)} {
			id := fmt.Sprintf("c%d/%s", e.tenant, entity)
			f := want[id]
			want[id] = figures{f.CurrentUsage + used, f.Reserved + held}
		}
	}
	for _, a := range c.all {
		for _, e := range a.effects {
			add(e, e.amount, 0)
		}
	}
	for _, h := range c.holds {
		if h.status == "OPEN" {
			add(h.effect, 0, h.amount)
		}
	}
	seen := 0
	for tenant := range crashTenants {
		var tree struct {
			Data []struct {
				EntityID string
				figures
			}
		}
		c.must("GET", fmt.Sprintf("/customers/c%d/governance?featureIds=tokens&limit=1000", tenant), "", &tree)
		for _, row := range tree.Data {
			id := fmt.Sprintf("c%d/%s", tenant, row.EntityID)
			if row.figures != want[id] {
				c.t.Errorf("%s: %s is %+v, acknowledged were %+v", when, id, row.figures, want[id])
			}
			seen++
		}
	}
	if n := crashTenants * (1 + crashTeams + crashTeams*crashUsers); seen != n {
		c.t.Errorf("%s: %d limits, want %d", when, seen, n)
	}
	c.verifyHolds(when, 500)
	for tenant := range crashTenants {
		c.verifyOpen(when, tenant)
	}
}

// verifyOpen looks for open reservations that the book does not have as open.
func (c *crash) verifyOpen(when string, tenant int) {
	path := fmt.Sprintf("/customers/c%d/reservations?status=OPEN&limit=100", tenant)
	for after := ""; ; {
		var page struct {
			Data []struct {
				ID     string
				Amount json.Number
			}
			Pagination struct{ Next *string }
		}
		c.must("GET", path+after, "", &page)
		for _, r := range page.Data {
			if h := c.holds[r.ID]; h == nil || h.status != "OPEN" {
				c.t.Errorf("%s: reservation %s of %s is open, want %+v", when, r.ID, r.Amount, h)
			}
		}
		if page.Pagination.Next == nil {
			return
		}
		after = "&after=" + url.QueryEscape(*page.Pagination.Next)
	}
}

// verifyHolds reads up to n reservations.
func (c *crash) verifyHolds(when string, n int) {
	for id, h := range c.holds {
		if n--; n < 0 {
			return
		}
		var reply struct {
			Data struct {
				ID, Status string
				Amount     json.Number
			}
		}
		c.must("GET", fmt.Sprintf("/customers/c%d/reservations/%s", h.tenant, id), "", &reply)
		if r := reply.Data; r.ID != id || r.Status != cmp.Or(h.status, "?") || r.Amount.String() != fmt.Sprint(h.amount) {
			c.t.Errorf("%s: reservation %s is %+v, want %+v", when, id, r, h)
		}
	}
}
