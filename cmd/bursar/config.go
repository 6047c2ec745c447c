package main

import (
	"fmt"
	"log/slog"
	"math"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/webhook"
)

// config is how a server is set up. Every flag has an environment variable BURSAR_…
// of the same name; a flag wins over the environment, that over the default.
type config struct {
	Listen           string        `help:"Address of the API; 127.0.0.1:8080 by default. Port 0 picks a free one." default:"127.0.0.1:8080" placeholder:"HOST:PORT"`
	Data             string        `help:"Directory of the embedded store; bursar-data in the current directory by default. It is made if missing." default:"bursar-data" type:"path" placeholder:"DIR"`
	DatabaseURL      string        `help:"PostgreSQL 13 or newer in place of --data, which any number of servers may share: postgres://user:password@host/db. Set BURSAR_DATABASE_URL or BURSAR_DATABASE_URL_FILE rather than the flag, which others on the machine can see." env:"BURSAR_DATABASE_URL" placeholder:"URL"`
	DatabaseMaxConns int           `help:"Connections to PostgreSQL of this server; 16 by default." default:"16" placeholder:"N"`
	RetainLog        time.Duration `help:"Delete what is older from customers' logs, 1080h (45 days) or more; for ever by default. PostgreSQL only." placeholder:"DURATION"`
	RetainDenials    time.Duration `help:"How long denials are kept: 24h or more, or 0 for those of the last day in memory alone; 2160h (90 days) by default." default:"2160h" placeholder:"DURATION"`
	MetricsListen    string        `help:"Address that serves /metrics and /debug/pprof to anybody who reaches it; none by default." placeholder:"HOST:PORT"`
	MetricsToken     string        `help:"Serve /metrics on the API's address to bearers of this token. Set BURSAR_METRICS_TOKEN or BURSAR_METRICS_TOKEN_FILE rather than the flag, which others on the machine can see." placeholder:"TOKEN"`
	AdminKey         string        `help:"API key of full scope that always works. Set BURSAR_ADMIN_KEY or BURSAR_ADMIN_KEY_FILE rather than the flag, which others on the machine can see." placeholder:"KEY"`
	CORSOrigin       []string      `help:"Browser origins that may call the API." env:"BURSAR_CORS_ORIGIN" placeholder:"ORIGIN,…"`
	EmbedOrigins     []string      `help:"Origins whose pages may show the embedded governance view (/embed) in a frame; none by default." placeholder:"ORIGIN,…"`
	NoConsole        bool          `help:"Do not serve the operators' console."`
	AlertThresholds  []string      `help:"Percentages of a limit at which it warns, unless it has its own: 80,100 by default, none = it does not." default:"80,100" placeholder:"PERCENT,…"`
	WebhookAllow     []string      `help:"Private networks that webhooks may reach, such as 10.1.0.0/16; by default they reach public addresses only." placeholder:"CIDR,…"`
	WebhookAllowHTTP bool          `name:"webhook-allow-http" env:"BURSAR_WEBHOOK_ALLOW_HTTP" help:"Webhooks may be http, not https alone."`
	SMTPURL          string        `name:"smtp-url" env:"BURSAR_SMTP_URL" help:"Mail server for webhooks by email: smtp://user:password@host:587 or smtps://… Set BURSAR_SMTP_URL or BURSAR_SMTP_URL_FILE rather than the flag." placeholder:"URL"`
	SMTPFrom         string        `name:"smtp-from" env:"BURSAR_SMTP_FROM" help:"Sender of that mail." placeholder:"ADDRESS"`
	SlackHosts       []string      `help:"Hosts that customers' notifications may post to as to Slack; Slack's own by default." placeholder:"HOST,…"`
	PublicURL        string        `name:"public-url" env:"BURSAR_PUBLIC_URL" help:"Where browsers reach this server, such as https://bursar.example.com: with it, messages about boost requests have a link to decide them." placeholder:"URL"`
	AlertPage        string        `help:"The page of your product that messages of notifications link to: {customerId} and {entityId} in it are replaced." placeholder:"URL"`
	LateHorizon      time.Duration `help:"How late usage may be reported: 24h to 840h; 168h by default." default:"168h" placeholder:"DURATION"`
	MemoryBudget     byteSize      `help:"Memory for customers before idle ones leave it; 1GiB by default." default:"1GiB" placeholder:"SIZE"`
	LogLevel         slog.Level    `help:"debug (every request), info, warn or error; info by default." default:"info" placeholder:"LEVEL"`
	GatewayListen    string        `help:"Address of the gateway for calls of language models, see docs/gateway.md; none by default." placeholder:"HOST:PORT"`
	GatewayConfig    string        `help:"The gateway's configuration; by default it has the providers whose keys are in OPENAI_API_KEY and ANTHROPIC_API_KEY." type:"path" placeholder:"FILE"`
	GatewayUnknown   string        `help:"What the gateway does with paths that it does not govern, allow or deny, in place of what its configuration says." placeholder:"POLICY"`
	ShutdownTimeout  time.Duration `help:"How long requests may finish after SIGTERM; 10s by default." default:"10s" placeholder:"DURATION"`
}

// embedOrigin is what may stand in a frame-ancestors directive, and nothing else may.
var embedOrigin = regexp.MustCompile(`^https?://(\*\.)?[a-zA-Z0-9-]+(\.[a-zA-Z0-9-]+)*(:[0-9]{1,5})?$`)

// maxThreshold is the highest percentage that a limit may warn at.
const maxThreshold = 1000

// minSecretLen keeps guessable keys out.
const minSecretLen = 16

// check completes c from secret files and reports what cannot work.
func (c *config) check(env func(string) string) error {
	if err := secretFile(&c.DatabaseURL, "BURSAR_DATABASE_URL", env); err != nil {
		return err
	}
	if c.RetainLog != 0 && (c.DatabaseURL == "" || c.RetainLog < engine.MinKeepLog) {
		return exitf(exitConfig, "--retain-log needs --database-url and must be %v or more", engine.MinKeepLog)
	}
	if c.RetainDenials != 0 && c.RetainDenials < 24*time.Hour {
		return exitf(exitConfig, "--retain-denials must be 24h or more, or 0, not %v", c.RetainDenials)
	}
	if c.DatabaseMaxConns < 4 || c.DatabaseMaxConns > 1000 {
		return exitf(exitConfig, "--database-max-conns must be 4 to 1000")
	}
	for name, key := range map[string]*string{"BURSAR_ADMIN_KEY": &c.AdminKey, "BURSAR_METRICS_TOKEN": &c.MetricsToken} {
		if err := secretFile(key, name, env); err != nil {
			return err
		}
		if *key != "" && (len(*key) < minSecretLen || len(*key) > 256) {
			return exitf(exitConfig, "%s must have %d to 256 characters, such as what `openssl rand -hex 32` prints", name, minSecretLen)
		}
	}
	if err := secretFile(&c.SMTPURL, "BURSAR_SMTP_URL", env); err != nil {
		return err
	}
	if _, err := c.thresholds(); err != nil {
		return err
	}
	if _, err := c.webhooks(); err != nil {
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
	for _, origin := range c.EmbedOrigins {
		if !embedOrigin.MatchString(origin) {
			return exitf(exitConfig, "--embed-origins: %q is no origin; write https://app.example.com, or https://*.example.com, without a path", origin)
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
	return nil
}

// thresholds are what new limits warn at; empty, not nil, for none.
func (c *config) thresholds() ([]int, error) {
	out := []int{}
	if len(c.AlertThresholds) == 1 && c.AlertThresholds[0] == "none" {
		return out, nil
	}
	if len(c.AlertThresholds) > bursar.MaxThresholds {
		return nil, exitf(exitConfig, "--alert-thresholds: %d of them, at most %d may be", len(c.AlertThresholds), bursar.MaxThresholds)
	}
	for _, text := range c.AlertThresholds {
		n, err := strconv.Atoi(strings.TrimSpace(text))
		if err != nil || n < 1 || n > maxThreshold {
			return nil, exitf(exitConfig, "--alert-thresholds: %q is no whole percentage from 1 to %d; write 80,100, or none", text, maxThreshold)
		}
		out = append(out, n)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// webhooks is how webhooks are delivered.
func (c *config) webhooks() (webhook.Options, error) {
	o := webhook.Options{AllowHTTP: c.WebhookAllowHTTP, SMTPURL: c.SMTPURL, MailFrom: c.SMTPFrom, SlackHosts: c.SlackHosts, AlertPage: c.AlertPage}
	for i, host := range c.SlackHosts {
		if u, err := url.Parse("https://" + host); err != nil || u.Hostname() == "" || u.Host != host {
			return o, exitf(exitConfig, "--slack-hosts: %q is no host; write chat.example.com, or chat.example.com:8443, without https:// and without a path", host)
		}
		if i == 0 {
			o.SlackHosts = nil
		}
		o.SlackHosts = append(o.SlackHosts, strings.ToLower(host))
	}
	for name, text := range map[string]string{"--public-url": c.PublicURL, "--alert-page": c.AlertPage} {
		u, err := url.Parse(text)
		if text != "" && (err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "") {
			return o, exitf(exitConfig, "%s: %q is no address of a page; write https://bursar.example.com", name, text)
		}
		if name == "--public-url" && (u.RawQuery != "" || u.ForceQuery || strings.Contains(text, "#")) {
			return o, exitf(exitConfig, "--public-url: %q has more than a path, and paths are added to it; write https://bursar.example.com", text)
		}
	}
	if strings.ContainsAny(strings.NewReplacer("{customerId}", "", "{entityId}", "").Replace(c.AlertPage), "{}") {
		return o, exitf(exitConfig, "--alert-page: %q has braces; only {customerId} and {entityId} are replaced", c.AlertPage)
	}
	for _, text := range c.WebhookAllow {
		p, err := netip.ParsePrefix(strings.TrimSpace(text))
		if err != nil {
			return o, exitf(exitConfig, "--webhook-allow: %q is no network; write 10.1.0.0/16, or 10.1.2.3/32 for one address", text)
		}
		if p != p.Masked() {
			return o, exitf(exitConfig, "--webhook-allow: %s is an address in a network; write %s for the network, or %s/%d for the address",
				p, p.Masked(), p.Addr(), p.Addr().BitLen())
		}
		o.AllowNetworks = append(o.AllowNetworks, p)
	}
	if o.MailFrom != "" && o.SMTPURL == "" {
		return o, exitf(exitConfig, "--smtp-from says who sends mail, but not how; set BURSAR_SMTP_URL, too")
	}
	if _, err := webhook.New(nil, o); err != nil { // looks at the options alone
		return o, exitf(exitConfig, "--smtp-url, --smtp-from: %w", err)
	}
	return o, nil
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
