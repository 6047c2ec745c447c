package client_test

import (
	"context"
	"errors"
	"testing"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/client"
)

// guarded is a call that holds 100 tokens of input and 400 of output.
func guarded(key string) client.EventReserve {
	return client.EventReserve{EventSpend: client.EventSpend{EventName: "llm", Dimensions: ofAgentEvent, IdempotencyKey: key}, InputTokens: 100, MaxTokens: 400}
}

// wantBooks compares the input and output that were used, and the output that agent a holds.
func (w *world) wantBooks(t *testing.T, input, output, held int64) {
	t.Helper()
	var got [3]bursar.Amount
	for i, feature := range []string{"input", "output"} {
		d, err := w.Check(t.Context(), "acme", client.CheckInput{FeatureID: feature, Dimensions: ofAgent})
		if err != nil {
			t.Fatal(err)
		}
		got[i] = d.CurrentUsage
		for _, chain := range d.Chains {
			for _, n := range chain {
				got[2] = got[2].Add(n.Reserved)
			}
		}
	}
	if want := [3]bursar.Amount{tokens(input), tokens(output), tokens(held)}; got != want {
		t.Errorf("input, output and held are %v, want %v", got, want)
	}
}

// RawJSON is what a provider's SDK has of the first event of a stream.
func (u usage) RawJSON() string { return `{"prompt_tokens":1}` }

type usage struct {
	PromptTokens     int `json:"prompt_tokens"`
	CompletionTokens int `json:"completion_tokens"`
}

// TestGuard: a call is held while it is made, and recorded by what it says that it used; if it
// says nothing its hold stays, and if nothing was used that is free again.
func TestGuard(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	w.meter(t)
	done, err := w.Guard(ctx, "acme", guarded(""), func(context.Context) (client.CallUsed, error) {
		w.wantBooks(t, 0, 0, 400)
		return client.UsageOf(usage{90, 300}), nil
	})
	if err != nil || done.Status != bursar.HoldCommitted || done.Tokens.Output != bursar.AmountFromInt(300) {
		t.Errorf("%+v %v", done, err)
	}
	w.wantBooks(t, 90, 300, 0)

	broken := errors.New("the stream broke")
	done, err = w.Guard(ctx, "acme", guarded(""), func(context.Context) (client.CallUsed, error) { return client.UsageOf(usage{10, 20}), broken })
	if !errors.Is(err, broken) || done.Status != bursar.HoldCommitted {
		t.Errorf("usage and an error: %+v %v", done, err)
	}
	w.wantBooks(t, 100, 320, 0)

	done, err = w.Guard(ctx, "acme", guarded(""), func(context.Context) (client.CallUsed, error) { return client.CallUsed{}, client.NothingUsed(broken) })
	if !errors.Is(err, broken) || done.Status != bursar.HoldReleased {
		t.Errorf("nothing used: %+v %v", done, err)
	}
	w.wantBooks(t, 100, 320, 0)

	var none *usage
	if done, err = w.Guard(ctx, "acme", guarded("x"), func(context.Context) (client.CallUsed, error) {
		return client.UsageOf(none), client.NothingUsed(broken)
	}); done.Status != bursar.HoldReleased {
		t.Errorf("no reply: %+v %v", done, err)
	}

	over, cancel := context.WithCancel(ctx)
	done, err = w.Guard(over, "acme", guarded(""), func(context.Context) (client.CallUsed, error) {
		cancel()
		return client.UsageOf(usage{1, 1}), over.Err()
	})
	if !errors.Is(err, context.Canceled) || done.Status != bursar.HoldCommitted {
		t.Errorf("cancelled: %+v %v", done, err)
	}
	w.wantBooks(t, 101, 321, 0)

	done, err = w.Guard(ctx, "acme", guarded(""), func(context.Context) (client.CallUsed, error) { return client.CallUsed{}, broken })
	if !errors.Is(err, broken) || done.Status != bursar.HoldOpen || done.OnExpire != bursar.ExpireSettle {
		t.Errorf("no word: %+v %v", done, err)
	}
	w.wantBooks(t, 101, 321, 400)

	_, err = w.Guard(ctx, "acme", guarded(""), func(context.Context) (client.CallUsed, error) {
		t.Error("a call was made that there is no room for")
		return client.CallUsed{}, nil
	})
	if denial, ok := client.Denied(err); !ok || denial.Binding.FeatureID != "output" {
		t.Errorf("not denied: %v", err)
	}
}

// TestGuardThroughFailures: a hold whose reply was lost is there once, or is taken back if the
// call is not made; a call whose end cannot be recorded says so; and one whose hold was ended by
// something else is recorded all the same.
func TestGuardThroughFailures(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	w.meter(t)
	says := func(context.Context) (client.CallUsed, error) { return client.UsageOf(usage{1, 1}), nil }
	w.cut.Store(1)
	if _, err := w.Guard(ctx, "acme", guarded(""), says); err != nil {
		t.Errorf("a lost reply: %v", err)
	}
	w.wantBooks(t, 1, 1, 0)

	w.Retries = 0
	w.cut.Store(1)
	made := false
	if _, err := w.Guard(ctx, "acme", guarded(""), func(context.Context) (client.CallUsed, error) { made = true; return client.CallUsed{}, nil }); err == nil || made {
		t.Errorf("a reply was lost for good: made %v, %v", made, err)
	}
	w.wantBooks(t, 1, 1, 0)

	var lost *client.UnrecordedError
	_, err := w.Guard(ctx, "acme", guarded(""), func(ctx context.Context) (client.CallUsed, error) {
		w.failing.Store(1)
		return says(ctx)
	})
	if !errors.As(err, &lost) || lost.Used.Usage == nil {
		t.Fatalf("the end was not recorded: %v", err)
	}
	w.wantBooks(t, 1, 1, 400)
	if _, err := w.CommitEvent(ctx, "acme", lost.Reservation.ID, lost.Used); err != nil {
		t.Error(err)
	}
	w.wantBooks(t, 2, 2, 0)

	_, err = w.Guard(ctx, "acme", guarded("job-7"), func(ctx context.Context) (client.CallUsed, error) {
		hold, err := w.ReserveEvent(ctx, "acme", client.EventReserve{EventSpend: guarded("job-7").EventSpend, InputTokens: 100, MaxTokens: 400, OnExpire: bursar.ExpireSettle})
		if err != nil || !hold.Duplicate {
			t.Errorf("%+v %v", hold, err)
		}
		if _, err := w.Release(ctx, "acme", hold.ID); err != nil {
			t.Error(err)
		}
		return client.CallUsed{Model: "n", Used: client.Used{Tokens: &client.Tokens{Input: 3, Output: 4}}}, nil
	})
	if err != nil {
		t.Errorf("the hold was released by something else: %v", err)
	}
	w.wantBooks(t, 5, 6, 0)
	in := guarded("")
	in.CallID = "call"
	_, err = w.Guard(ctx, "acme", in, func(ctx context.Context) (client.CallUsed, error) {
		_, err := w.ReportEvents(ctx, client.EventInput{CustomerID: "acme", EventName: "llm", CallID: "call", Dimensions: map[string]any{"agentId": "a", "model": "m", "tokens.input": 0, "tokens.output": 0}})
		if err != nil {
			t.Error(err)
		}
		return says(ctx)
	})
	if err != nil {
		t.Errorf("a call that is reported under its id, too: %v", err)
	}
	w.wantBooks(t, 5, 6, 0)
	done, err := w.Guard(ctx, "acme", guarded("job-7"), says)
	if err != nil || done.Status != bursar.HoldCommitted {
		t.Errorf("another attempt with the key: %+v %v", done, err)
	}
	w.wantBooks(t, 6, 7, 0)
}
