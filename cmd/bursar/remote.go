package main

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/client"
)

// remote is how a command reaches a server that runs already.
type remote struct {
	URL    string `name:"url" help:"The server; http://127.0.0.1:8080 by default." default:"http://127.0.0.1:8080" env:"BURSAR_URL" placeholder:"URL"`
	APIKey string `name:"api-key" help:"A key of full scope. Set BURSAR_API_KEY or BURSAR_API_KEY_FILE rather than the flag, which others on the machine can see." env:"BURSAR_API_KEY" placeholder:"KEY"`
}

// client is a client of the server.
func (r *remote) client() (*client.Client, error) {
	if err := secretFile(&r.APIKey, "BURSAR_API_KEY", os.Getenv); err != nil {
		return nil, err
	}
	if r.APIKey == "" {
		r.APIKey = os.Getenv("BURSAR_ADMIN_KEY") // of a server that was started from the same shell
	}
	if r.APIKey == "" {
		return nil, exitf(exitUsage, "there is no API key; set BURSAR_API_KEY (or BURSAR_ADMIN_KEY)")
	}
	if u, err := url.Parse(r.URL); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, exitf(exitUsage, "--url: %q is no URL of a server; write http://127.0.0.1:8080", r.URL)
	}
	return client.New(r.URL, r.APIKey), nil
}

// refusal is err for a terminal: with the places of the request that were bad.
func refusal(doing string, err error) error {
	var e *client.Error
	if !errors.As(err, &e) {
		return exitf(exitFailed, "%s: %w", doing, err)
	}
	text := fmt.Sprintf("%s: %s (%s)", doing, e.Message, e.Code)
	for _, f := range e.Fields {
		text += fmt.Sprintf("\n  %s: %s", f.Pointer, f.Detail)
	}
	return exitf(exitFailed, "%s", text)
}

// timeFlag is an instant: RFC 3339, or a date for its midnight in UTC.
type timeFlag struct{ bursar.Time }

func (t *timeFlag) UnmarshalText(text []byte) (err error) {
	if day, err := time.Parse(time.DateOnly, string(text)); err == nil {
		t.Time = bursar.TimeOf(day)
		return nil
	}
	if t.Time, err = bursar.ParseTime(string(text)); err != nil {
		return fmt.Errorf("%q is no time; write 2026-11-01T00:00:00Z or 2026-11-01", text)
	}
	return nil
}

// orNil is nil for a flag that was not given.
func (t timeFlag) orNil() *bursar.Time {
	if t.Time == 0 {
		return nil
	}
	return &t.Time
}

// amountFlag is a decimal number.
type amountFlag struct{ bursar.Amount }

func (a *amountFlag) UnmarshalText(text []byte) (err error) {
	if a.Amount, err = bursar.AmountFromString(string(text)); err != nil {
		return fmt.Errorf("%q is no amount; write 100 or 0.5", text)
	}
	return nil
}
