package main

import (
	"bytes"
	"net/http"
	"strconv"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// TestDemoReceiver: the demo believes what is signed, of its time and new, and nothing
// else.
func TestDemoReceiver(t *testing.T) {
	clock := newDemoClock(time.Hour, 60)
	r, err := newDemoReceiver(clock)
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	heard := 0
	r.heard = func(*demoAlert) { heard++ }
	const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	signer, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	const body = `{"type":"credits.usage_low","messageId":"m1","data":{"levels":[10]}}`
	send := func(text string, at time.Time) int {
		signature, err := signer.Sign("m1", at, []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url, bytes.NewReader([]byte(text)))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("webhook-id", "m1")
		req.Header.Set("webhook-timestamp", strconv.FormatInt(at.Unix(), 10))
		req.Header.Set("webhook-signature", signature)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	now := clock.now().Std() // which is an hour ago
	if got := send(body, now); got != 401 {
		t.Errorf("before there is an endpoint: %d", got)
	}
	r.verifier = signer
	for _, c := range []struct {
		name, body string
		at         time.Time
		status     int
		heard      int
	}{
		{"forged", body + " ", now, 401, 0},
		{"old", body, now.Add(-30 * time.Minute), 401, 0},
		{"good", body, now, 204, 1},
		{"repeated", body, now, 204, 1},
	} {
		if got := send(c.body, c.at); got != c.status || heard != c.heard {
			t.Errorf("%s: %d, heard %d", c.name, got, heard)
		}
	}
	if r.refused != 3 || r.repeated != 1 {
		t.Errorf("%d refused, %d repeated", r.refused, r.repeated)
	}
}
