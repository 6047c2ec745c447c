package client

import (
	"context"
	"time"
)

// RecordSleeps makes c not wait between attempts and notes how long it would have.
func (c *Client) RecordSleeps() *[]time.Duration {
	var slept []time.Duration
	c.sleep = func(ctx context.Context, d time.Duration) error {
		slept = append(slept, d)
		return ctx.Err()
	}
	return &slept
}
