package main

import (
	"fmt"
	"log/slog"
	"math"
	"os"
	"strconv"
	"strings"
	"time"
)

// config is how a server is set up. Every flag has an environment variable BURSAR_…
// of the same name; a flag wins over the environment, that over the default.
type config struct {
	Listen          string        `help:"Address of the API. Port 0 picks a free one." default:"127.0.0.1:8080" placeholder:"HOST:PORT"`
	Data            string        `help:"Directory of the embedded store. It is made if missing." default:"bursar-data" type:"path" placeholder:"DIR"`
	DatabaseURL     string        `help:"PostgreSQL instead of --data. Not in this version yet." env:"BURSAR_DATABASE_URL" placeholder:"URL"`
	MetricsListen   string        `help:"Address that serves /metrics and /debug/pprof to anybody who reaches it; none by default." placeholder:"HOST:PORT"`
	MetricsToken    string        `help:"Serve /metrics on the API's address to bearers of this token. Or BURSAR_METRICS_TOKEN_FILE." placeholder:"TOKEN"`
	AdminKey        string        `help:"API key of full scope that always works. Set BURSAR_ADMIN_KEY or BURSAR_ADMIN_KEY_FILE rather than the flag, which others on the machine can see." placeholder:"KEY"`
	CORSOrigin      []string      `help:"Browser origins that may call the API." env:"BURSAR_CORS_ORIGIN" placeholder:"ORIGIN,…"`
	LateHorizon     time.Duration `help:"How late usage may be reported: 24h to 840h." default:"168h" placeholder:"DURATION"`
	MemoryBudget    byteSize      `help:"Memory for customers before idle ones leave it." default:"1GiB" placeholder:"SIZE"`
	LogLevel        slog.Level    `help:"debug (every request), info, warn or error." default:"info" placeholder:"LEVEL"`
	ShutdownTimeout time.Duration `help:"How long requests may finish after SIGTERM." default:"10s" placeholder:"DURATION"`
}

// minSecretLen keeps guessable keys out.
const minSecretLen = 16

// check completes c from secret files and reports what cannot work.
func (c *config) check(env func(string) string) error {
	if c.DatabaseURL != "" {
		return exitf(exitConfig, "--database-url: PostgreSQL is not in this build yet; leave it out to use the embedded store in %s", c.Data)
	}
	if err := secretFile(&c.AdminKey, "BURSAR_ADMIN_KEY", env); err != nil {
		return err
	}
	if err := secretFile(&c.MetricsToken, "BURSAR_METRICS_TOKEN", env); err != nil {
		return err
	}
	if day := 24 * time.Hour; c.LateHorizon < day || c.LateHorizon > 35*day {
		return exitf(exitConfig, "--late-horizon must be 24h to 840h (1 to 35 days), not %v", c.LateHorizon)
	}
	if c.MemoryBudget < 16<<20 {
		return exitf(exitConfig, "--memory-budget must be 16MiB or more")
	}
	if c.ShutdownTimeout < 0 {
		return exitf(exitConfig, "--shutdown-timeout must not be negative")
	}
	for _, origin := range c.CORSOrigin {
		if !strings.HasPrefix(origin, "https://") && !strings.HasPrefix(origin, "http://") || strings.HasSuffix(origin, "/") {
			return exitf(exitConfig, "--cors-origin: %q is no origin; write https://example.com, without a path", origin)
		}
	}
	return nil
}

// secretFile sets an empty secret from the file that <name>_FILE names.
func secretFile(secret *string, name string, env func(string) string) error {
	path := env(name + "_FILE")
	if path != "" {
		if *secret != "" {
			return exitf(exitConfig, "set %s or %s_FILE, not both", name, name)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return exitf(exitConfig, "%s_FILE: %w", name, err)
		}
		if *secret = strings.TrimSpace(string(text)); *secret == "" {
			return exitf(exitConfig, "%s_FILE: %s is empty", name, path)
		}
	}
	if *secret != "" && (len(*secret) < minSecretLen || len(*secret) > 256) {
		return exitf(exitConfig, "%s must have %d to 256 characters, such as what `openssl rand -hex 32` prints", name, minSecretLen)
	}
	return nil
}

// byteSize is a number of bytes, written 1048576, 512MiB or 2GiB.
type byteSize int64

var byteUnits = []struct {
	suffix string
	shift  uint
}{{"KiB", 10}, {"MiB", 20}, {"GiB", 30}, {"TiB", 40}}

func (b *byteSize) UnmarshalText(text []byte) error {
	s, shift := string(text), uint(0)
	for _, unit := range byteUnits {
		if rest, ok := strings.CutSuffix(s, unit.suffix); ok {
			s, shift = rest, unit.shift
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64>>shift {
		return fmt.Errorf("%q is no size; write 512MiB or 2GiB", text)
	}
	*b = byteSize(n << shift)
	return nil
}
