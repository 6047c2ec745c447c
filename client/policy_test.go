package client_test

import (
	"errors"
	"testing"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/client"
)

func TestPromotions(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	ten := tokens(10)
	got, err := w.PutPromotions(ctx, "acme", client.PromotionInput{FeatureID: "tokens", UsageLimit: &ten, Period: "1 year", ResetPeriod: "WEEK", Weekly: &client.Reset{AccordingTo: "EveryMonday"}})
	if err != nil || len(got) != 1 || *got[0].UsageLimit != ten || got[0].Status != "Active" || got[0].Reset.AccordingTo != "EveryMonday" || got[0].EndDate == nil {
		t.Fatalf("promotions are %+v %v", got, err)
	}
	eleven := tokens(11)
	d, err := w.Check(ctx, "acme", client.CheckInput{FeatureID: "tokens", Requested: &eleven})
	if err != nil || d.Granted || d.Binding.Source != bursar.BindingCustomer || d.ResetPeriod != "WEEK" || d.PeriodEnd == nil || *d.UsageLimit != ten {
		t.Errorf("check is %+v %v", d, err)
	}
	u, err := w.ReportUsage(ctx, client.UsageInput{CustomerID: "acme", FeatureID: "tokens", Value: tokens(1)})
	if err != nil || u[0].PeriodEnd == nil || *u[0].PeriodEnd != *d.PeriodEnd {
		t.Errorf("usage is %+v %v", u, err)
	}
	all, err := w.Entitlements(ctx, "acme")
	if err != nil || all.DeniedReason != "" || len(all.Entitlements) != 1 || all.Entitlements[0].Feature.ID != "tokens" {
		t.Errorf("entitlements are %+v %v", all, err)
	}
	if page, err := w.Promotions(ctx, "acme", client.Paging{}); err != nil || len(page.Items) != 1 {
		t.Errorf("promotions are %+v %v", page, err)
	}
	if gone, err := w.DeletePromotion(ctx, "acme", "tokens"); err != nil || gone.ID != got[0].ID {
		t.Errorf("deleted %+v %v", gone, err)
	}
}

func TestBoostsAndAllocation(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	limits, err := w.PutAssignments(ctx, "acme",
		client.AssignmentInput{EntityID: "t", FeatureID: "tokens", Label: "daily", UsageLimit: client.Some(tokens(150)), Cadence: "P1D", Allocation: "strict"},
		client.AssignmentInput{EntityID: "a", FeatureID: "tokens", Label: "daily", AlertThresholds: []int{50}})
	if err != nil || limits[0].Allocation != "strict" || limits[1].AlertThresholds[0] != 50 {
		t.Fatalf("limits are %+v %v", limits, err)
	}
	_, err = w.PutAssignments(ctx, "acme", client.AssignmentInput{EntityID: "a", FeatureID: "tokens", Label: "daily", UsageLimit: client.Some(tokens(151))})
	var e *client.Error
	if !errors.As(err, &e) || e.Code != bursar.CodeAllocationExceeded || e.Allocation == nil || e.Allocation.EntityID != "t" || e.Allocation.Available != tokens(150) {
		t.Errorf("allocation problem is %+v", err)
	}
	label := "daily"
	shares, err := w.Allocations(ctx, "acme", client.AllocationQuery{FeatureID: "tokens", Label: &label, Limit: 1})
	if err != nil || len(shares.Items) != 1 || shares.Pagination.Next == "" {
		t.Fatalf("shares are %+v %v", shares, err)
	}
	more, err := w.Allocations(ctx, "acme", client.AllocationQuery{FeatureID: "tokens", Label: &label, After: shares.Pagination.Next})
	if err != nil || len(more.Items) != 1 || more.Items[0].Children != 1 || more.Items[0].Allocated != tokens(100) || *more.Items[0].Unallocated != tokens(50) {
		t.Errorf("shares are %+v %v", more, err)
	}

	end := bursar.TimeOf(time.Now().Add(time.Hour))
	boost, err := w.CreateBoost(ctx, "acme", limits[1].ID, client.BoostInput{Amount: tokens(7), ExpiresAt: &end, Reason: "launch"})
	if err != nil || boost.Reason != "launch" || boost.ExpiresAt != end.Milli() {
		t.Fatalf("boost is %+v %v", boost, err)
	}
	limits, err = w.PutAssignments(ctx, "acme", client.AssignmentInput{EntityID: "a", FeatureID: "tokens", Label: "daily"})
	if err != nil || *limits[0].EffectiveLimit != tokens(107) || *limits[0].UsageLimit != tokens(100) {
		t.Errorf("limits are %+v %v", limits, err)
	}
	if boost, err = w.EndBoost(ctx, "acme", limits[0].ID, boost.ID); err != nil || boost.EndedAt == nil {
		t.Errorf("boost is %+v %v", boost, err)
	}
	if list, err := w.Boosts(ctx, "acme", limits[0].ID, client.Paging{Limit: 5}); err != nil || len(list.Items) != 1 {
		t.Errorf("boosts are %+v %v", list, err)
	}
	if _, err := w.CreateBoost(ctx, "acme", limits[0].ID, client.BoostInput{Amount: tokens(1000), FundedBy: "t"}); !errors.As(err, &e) || e.Code != bursar.CodeInsufficientBudget {
		t.Errorf("lent what there is not: %v", err)
	}
	if lent, err := w.CreateBoost(ctx, "acme", limits[0].ID, client.BoostInput{Amount: tokens(3), FundedBy: "t"}); err != nil || lent.FundedBy != "t" {
		t.Errorf("lent is %+v %v", lent, err)
	}
}

func TestWebhooks(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	h, err := w.CreateWebhook(ctx, client.WebhookInput{URL: "https://example.com/hook", EventTypes: []string{bursar.EventEntityCreated}, CustomerID: "acme"})
	if err != nil || h.Secret == "" || h.Status != "ENABLED" || h.Kind != bursar.WebhookStandard {
		t.Fatalf("webhook is %+v %v", h, err)
	}
	rotated, err := w.RotateWebhookSecret(ctx, h.ID)
	if err != nil || rotated.Secret == "" || rotated.Secret == h.Secret {
		t.Errorf("webhook is %+v %v", rotated, err)
	}
	d, err := w.TestWebhook(ctx, h.ID)
	if err != nil || d.Status != "PENDING" || d.EventType != bursar.EventTest {
		t.Errorf("delivery is %+v %v", d, err)
	}
	if d, err = w.Redeliver(ctx, h.ID, d.ID); err != nil || d.NextAttemptAt == nil {
		t.Errorf("delivery is %+v %v", d, err)
	}
	if list, err := w.Deliveries(ctx, h.ID, "PENDING", client.Paging{}); err != nil || len(list.Items) != 1 {
		t.Errorf("deliveries are %+v %v", list, err)
	}
	changed, err := w.UpdateWebhook(ctx, h.ID, client.WebhookPatch{EventTypes: client.Null[[]string](), CustomerID: client.Null[string](), Status: "DISABLED"})
	if err != nil || changed.EventTypes != nil || changed.CustomerID != "" || changed.Status != "DISABLED" || changed.Secret != "" {
		t.Errorf("webhook is %+v %v", changed, err)
	}
	if got, err := w.Webhook(ctx, h.ID); err != nil || got.URL != h.URL {
		t.Errorf("webhook is %+v %v", got, err)
	}
	w.cut.Store(1)
	if _, err := w.DeleteWebhook(ctx, h.ID); err != nil {
		t.Error(err)
	}
	if list, err := w.Webhooks(ctx, client.Paging{}); err != nil || len(list.Items) != 0 {
		t.Errorf("webhooks are %+v %v", list, err)
	}
}
