package sim

import (
	"maps"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/client"
)

func (a askCustomer) replay(r *replayer, c *exchange) string {
	_, f := r.model.createCustomer(a.id, bursar.CustomerInput{})
	if c.refused() || f != nil {
		return r.refusal(c, f)
	}
	return ""
}

func (a askEntities) replay(r *replayer, c *exchange) string {
	return r.trial(func() string {
		want, f := r.model.putEntities(r.customer, a.inputs())
		if c.refused() || f != nil {
			return r.refusal(c, f)
		}
		got, err := dataOf[[]bursar.Entity](c.body)
		if err != nil {
			return err.Error()
		}
		return diff(got, want)
	})
}

func (a askArchive) replay(r *replayer, c *exchange) string {
	return r.trial(func() string {
		before := map[string]bursar.Entity{}
		if cust := r.model.customers[r.customer]; cust != nil {
			before = maps.Clone(cust.entities)
		}
		f := r.model.archiveEntities(r.customer, a.ids, a.archive)
		if c.refused() || f != nil {
			return r.refusal(c, f)
		}
		for id, now := range r.model.customers[r.customer].entities {
			if was := before[id]; c.idle && (was.ArchivedAt == nil) != (now.ArchivedAt == nil) {
				return "the log does not have that it changed " + id // it was so already when this came
			}
		}
		return ""
	})
}

func (a askLimits) replay(r *replayer, c *exchange) string {
	return r.trial(func() string {
		want, f := r.model.putAssignments(r.customer, a.inputs())
		if c.refused() || f != nil {
			return r.refusal(c, f)
		}
		got, err := dataOf[[]client.Assignment](c.body)
		if err != nil || len(got) != len(want) {
			return "not a reply to the request"
		}
		for i := range want {
			if d := r.bindAtOnce("limits of "+r.customer, got[i].ID, want[i].ID); d != "" {
				return d
			}
			got[i].ID = want[i].ID
			if d := diff(got[i], wireLimit(want[i])); d != "" {
				return d
			}
		}
		return ""
	})
}

func (a askDeleteLimit) replay(r *replayer, c *exchange) string {
	return r.trial(func() string {
		want, f := r.model.deleteAssignment(r.customer, r.modelID(a.id))
		if c.refused() || f != nil {
			return r.refusal(c, f)
		}
		got, err := dataOf[client.Assignment](c.body)
		if err != nil {
			return err.Error()
		}
		got.ID = r.modelID(got.ID)
		return diff(got, wireLimit(want))
	})
}

func (a askBoost) replay(r *replayer, c *exchange) string {
	return r.trial(func() string {
		want, f := r.model.createBoost(r.customer, r.modelID(a.id), bursar.BoostInput{Amount: a.in.Amount, ExpiresAt: *a.in.ExpiresAt})
		if c.refused() || f != nil {
			return r.refusal(c, f)
		}
		got, err := dataOf[client.Boost](c.body)
		if err != nil {
			return err.Error()
		}
		w := client.Boost{ID: got.ID, AssignmentID: want.AssignmentID, Amount: want.Amount, CreatedAt: want.CreatedAt, ExpiresAt: want.ExpiresAt, CreatedBy: got.CreatedBy}
		got.AssignmentID = r.modelID(got.AssignmentID)
		return first(r.bindAtOnce("boosts of "+r.customer, got.ID, want.ID), diff(got, w))
	})
}

func (a askGrant) replay(r *replayer, c *exchange) string {
	want, f := r.model.createGrant(a.input())
	if c.refused() || f != nil {
		return r.refusal(c, f)
	}
	got, err := dataOf[client.Grant](c.body)
	if err != nil {
		return err.Error()
	}
	w := client.Grant{ID: got.ID, CustomerID: want.CustomerID, CurrencyID: want.CurrencyID, Amount: want.Amount, Consumed: want.Consumed,
		DisplayName: want.DisplayName, Type: want.Type, Status: want.Status, EffectiveAt: want.EffectiveAt, Cost: want.Cost,
		Metadata: map[string]string{}, CreatedAt: want.CreatedAt, UpdatedAt: want.UpdatedAt}
	return first(r.bindAtOnce("grants of "+r.customer, got.ID, want.ID), diff(got, w))
}
