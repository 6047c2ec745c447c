//go:build !linux

package postgres

import "time"

// setUserTimeout leaves it to keepalives.
func setUserTimeout(int, time.Duration) error { return nil }
