package client_test

import (
	"errors"
	"testing"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/client"
)

// TestBoostRequests: more is asked for, seen, approved, declined and withdrawn by the client.
func TestBoostRequests(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	whole := []string{}
	asked, err := w.CreateBoostRequest(ctx, "acme", client.BoostRequestInput{EntityID: "a", FeatureID: "tokens", ScopeEntityIDs: &whole, Amount: tokens(7), Reason: "a launch"})
	if err != nil || asked.Status != bursar.BoostRequestOpen || asked.Reason != "a launch" || asked.RequestedBy != "admin" || asked.ExpiresAt == 0 {
		t.Fatalf("asked %+v %v", asked, err)
	}
	four := tokens(4)
	if _, err = w.CreateBoostRequest(ctx, "acme", client.BoostRequestInput{AssignmentID: asked.AssignmentID, Amount: tokens(8)}); err != nil {
		t.Fatal(err)
	}
	back, err := w.CreateBoostRequest(ctx, "acme", client.BoostRequestInput{AssignmentID: asked.AssignmentID, Amount: tokens(9)})
	if err != nil {
		t.Fatal(err)
	}
	page, err := w.BoostRequests(ctx, "acme", client.BoostRequestQuery{Status: bursar.BoostRequestOpen, EntityID: "a", Paging: client.Paging{Limit: 2}})
	if err != nil || len(page.Items) != 2 || page.Items[0].ID != back.ID || page.Pagination.Next == "" {
		t.Fatalf("open are %+v %v", page, err)
	}
	approved, err := w.ApproveBoostRequest(ctx, "acme", asked.ID, client.BoostApproval{Amount: &four, Note: "this much"})
	if err != nil || approved.Status != bursar.BoostRequestApproved || *approved.ApprovedAmount != four || approved.BoostID == "" || approved.DecidedBy != "admin" {
		t.Errorf("approved %+v %v", approved, err)
	}
	if boosts, err := w.Boosts(ctx, "acme", asked.AssignmentID, client.Paging{}); err != nil || len(boosts.Items) != 1 || boosts.Items[0].ID != approved.BoostID {
		t.Errorf("boosts are %+v %v", boosts, err)
	}
	var e *client.Error
	if _, err = w.DeclineBoostRequest(ctx, "acme", asked.ID, ""); !errors.As(err, &e) || e.Code != bursar.CodeBoostRequestClosed || e.Status != 409 {
		t.Errorf("declined what is approved: %v", err)
	}
	if declined, err := w.DeclineBoostRequest(ctx, "acme", page.Items[1].ID, "no more"); err != nil || declined.Note != "no more" || declined.Status != bursar.BoostRequestDeclined {
		t.Errorf("declined %+v %v", declined, err)
	}
	if _, err = w.WithdrawBoostRequest(ctx, "acme", back.ID); err != nil {
		t.Error(err)
	}
	if got, err := w.BoostRequest(ctx, "acme", back.ID); err != nil || got.Status != bursar.BoostRequestWithdrawn || got.DecidedAt == nil {
		t.Errorf("withdrawn %+v %v", got, err)
	}
}
