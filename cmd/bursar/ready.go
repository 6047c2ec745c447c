package main

import (
	"context"
	"net/http"
	"strings"
	"time"
)

// readyCommand asks a server whether it may be used: a health check for images that have
// no other program in them.
type readyCommand struct {
	URL     string        `name:"url" help:"The server; http://127.0.0.1:8080 by default." default:"http://127.0.0.1:8080" env:"BURSAR_URL" placeholder:"URL"`
	Timeout time.Duration `help:"How long to wait; 2s by default." default:"2s" env:"-" placeholder:"DURATION"`
}

func (c *readyCommand) Run(p *process) error {
	ctx, cancel := context.WithTimeout(p.ctx, c.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(c.URL, "/")+"/readyz", nil)
	if err != nil {
		return exitf(exitUsage, "--url: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return exitf(exitFailed, "not ready: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return exitf(exitFailed, "not ready: %s", resp.Status)
	}
	return nil
}
