package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/url"
	"os"
	"regexp"
	"strings"

	"github.com/bursarhq/bursar"
)

// Kinds of upstreams: whose API they speak.
const (
	kindOpenAI    = "openai"
	kindAnthropic = "anthropic"
)

// Policies.
const (
	policyAllow = "allow"
	policyDeny  = "deny"

	disconnectFinish = "finish"
	disconnectAbort  = "abort"
)

// Upstream is a provider.
type Upstream struct {
	// Name begins the path of calls that go here, and is their dimension provider.
	Name string `json:"name"`
	Kind string `json:"kind"` // openai or anthropic
	// BaseURL is as the provider's SDK takes it: with /v1 of kind openai, without of anthropic.
	BaseURL string `json:"baseUrl"`
	// KeyEnv is the variable that has the provider's key, KeyFile the file; without them none
	// is sent.
	KeyEnv  string `json:"keyEnv,omitempty"`
	KeyFile string `json:"keyFile,omitempty"`
	// KeyHeader has the key in place of Authorization (openai) or x-api-key (anthropic).
	KeyHeader string `json:"keyHeader,omitempty"`

	key string
}

// Advice is when callers are told to end. Without it, they are told what the server advises.
type Advice struct {
	WindDown int `json:"windDown"` // percent of the tightest limit that is used or held
	Stop     int `json:"stop"`

	serverSays bool // it was not given
}

// Config says what a gateway does. Zero members have defaults, see Check.
type Config struct {
	Upstreams []Upstream `json:"upstreams"`
	EventName string     `json:"eventName"` // of each call; llm
	Customer  string     `json:"customer"`  // of calls that name none
	// BodyDimensions are members of requests that become dimensions: user, or metadata.NAME.
	BodyDimensions map[string]string `json:"bodyDimensions"`
	MaxTokens      int64             `json:"maxTokens"` // of output, where a request has no bound; 4096
	Unknown        string            `json:"unknown"`   // what becomes of other paths: deny (default) or allow
	// AllowPaths begin paths that pass ungoverned although others do not.
	AllowPaths     []string `json:"allowPaths"`
	Unavailable    string   `json:"unavailable"`  // while the server cannot be asked: deny (default) or allow
	OnDisconnect   string   `json:"onDisconnect"` // of the caller: finish (default) reads on, abort ends the call
	FinishSeconds  int      `json:"finishSeconds"`
	CallSeconds    int      `json:"callSeconds"` // how long a call may take; 600
	HoldSeconds    int      `json:"holdSeconds"` // when a call that nobody ended is settled; 300
	MaxBodyBytes   int64    `json:"maxBodyBytes"`
	MaxMemoryBytes int64    `json:"maxMemoryBytes"` // of all requests, and replies that are read whole; 256 MiB
	MaxPending     int64    `json:"maxPending"`     // calls whose end waits to be recorded; 10,000
	Advice         Advice   `json:"advice"`
	Degrade        bool     `json:"degrade"` // calls are changed as degrade policies say
}

// Bounds of the configuration.
const (
	defaultMaxTokens     = 4096
	defaultFinishSeconds = 60
	defaultCallSeconds   = 600
	defaultHoldSeconds   = 300
	maxHoldSeconds       = 86_400
	defaultMaxBodyBytes  = 32 << 20
	defaultMemoryBytes   = 256 << 20
	defaultPending       = 10_000
)

// Default is a configuration with the providers whose keys are in their usual variables.
func Default(env func(string) string) *Config {
	c := &Config{}
	if env("OPENAI_API_KEY") != "" {
		c.Upstreams = append(c.Upstreams, Upstream{Name: "openai", Kind: kindOpenAI, BaseURL: "https://api.openai.com/v1", KeyEnv: "OPENAI_API_KEY"})
	}
	if env("ANTHROPIC_API_KEY") != "" {
		c.Upstreams = append(c.Upstreams, Upstream{Name: "anthropic", Kind: kindAnthropic, BaseURL: "https://api.anthropic.com", KeyEnv: "ANTHROPIC_API_KEY"})
	}
	return c
}

// Load reads the configuration in a file of JSON.
func Load(file string) (*Config, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	c := &Config{}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(c); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if d.More() {
		return nil, fmt.Errorf("%s: there is more after the JSON object", file)
	}
	return c, nil
}

// name is what may begin a path. v1 would hide the usual paths.
var nameRE = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

// Check fills in defaults and keys, and says what cannot work.
func (c *Config) Check(env func(string) string) error {
	if len(c.Upstreams) == 0 {
		return errors.New("upstreams: there is none; name one, or set OPENAI_API_KEY or ANTHROPIC_API_KEY and give no configuration")
	}
	met := map[string]bool{}
	for i := range c.Upstreams {
		u := &c.Upstreams[i]
		if err := u.check(env); err != nil {
			return fmt.Errorf("upstreams[%d]: %w", i, err)
		}
		if met[u.Name] {
			return fmt.Errorf("upstreams[%d]: there are two with the name %s", i, u.Name)
		}
		met[u.Name] = true
	}
	if c.EventName == "" {
		c.EventName = "llm"
	}
	if c.Customer != "" {
		if err := bursar.CheckCustomerID(c.Customer); err != nil {
			return fmt.Errorf("customer: %w", err)
		}
	}
	for member, key := range c.BodyDimensions {
		if member != "user" && member != "safety_identifier" && !strings.HasPrefix(member, "metadata.") || key == "" {
			return fmt.Errorf("bodyDimensions: %q: %q: write \"user\" or \"metadata.NAME\", and the dimension that it becomes", member, key)
		}
	}
	for _, p := range c.AllowPaths {
		if !plain(p) || strings.Trim(p, "/") == "" {
			return fmt.Errorf("allowPaths: %q: write the beginning of a path, such as /v1/files", p)
		}
	}
	for _, f := range []struct {
		name  string
		value *string
		among []string
	}{
		{"unknown", &c.Unknown, []string{policyDeny, policyAllow}},
		{"unavailable", &c.Unavailable, []string{policyDeny, policyAllow}},
		{"onDisconnect", &c.OnDisconnect, []string{disconnectFinish, disconnectAbort}},
	} {
		if *f.value == "" {
			*f.value = f.among[0]
		} else if *f.value != f.among[0] && *f.value != f.among[1] {
			return fmt.Errorf("%s: %q is neither %s nor %s", f.name, *f.value, f.among[0], f.among[1])
		}
	}
	return c.checkNumbers()
}

func (c *Config) checkNumbers() error {
	c.Advice.serverSays = c.Advice.serverSays || c.Advice.WindDown == 0 && c.Advice.Stop == 0
	for _, f := range []struct {
		name       string
		value      *int
		unset, max int
	}{
		{"finishSeconds", &c.FinishSeconds, defaultFinishSeconds, maxHoldSeconds},
		{"callSeconds", &c.CallSeconds, defaultCallSeconds, maxHoldSeconds},
		{"holdSeconds", &c.HoldSeconds, defaultHoldSeconds, maxHoldSeconds},
		{"advice.windDown", &c.Advice.WindDown, bursar.WindDownPercent, 1000},
		{"advice.stop", &c.Advice.Stop, bursar.StopPercent, 1000},
	} {
		if *f.value == 0 {
			*f.value = f.unset
		}
		if *f.value < 1 || *f.value > f.max {
			return fmt.Errorf("%s: must be 1 to %d", f.name, f.max)
		}
	}
	if c.Advice.WindDown > c.Advice.Stop {
		return errors.New("advice: windDown must not be above stop")
	}
	for _, f := range []struct {
		name       string
		value      *int64
		unset, max int64
	}{
		{"maxTokens", &c.MaxTokens, defaultMaxTokens, maxExpected},
		{"maxBodyBytes", &c.MaxBodyBytes, defaultMaxBodyBytes, math.MaxInt32},
		{"maxMemoryBytes", &c.MaxMemoryBytes, max(defaultMemoryBytes, 4*c.MaxBodyBytes), math.MaxInt64},
		{"maxPending", &c.MaxPending, defaultPending, maxExpected},
	} {
		if *f.value == 0 {
			*f.value = f.unset
		}
		if *f.value < 1 || *f.value > f.max {
			return fmt.Errorf("%s: must be 1 to %d", f.name, f.max)
		}
	}
	return nil
}

func (u *Upstream) check(env func(string) string) error {
	if !nameRE.MatchString(u.Name) || u.Name == "v1" {
		return fmt.Errorf("name: %q may have small letters, digits and -, and is not v1", u.Name)
	}
	if u.Kind != kindOpenAI && u.Kind != kindAnthropic {
		return fmt.Errorf("kind: %q is neither %s nor %s", u.Kind, kindOpenAI, kindAnthropic)
	}
	at, err := url.Parse(u.BaseURL)
	if err != nil || at.Scheme != "http" && at.Scheme != "https" || at.Host == "" || at.User != nil || at.Fragment != "" {
		return errors.New("baseUrl: is no URL such as https://api.openai.com/v1")
	}
	switch {
	case u.KeyEnv != "" && u.KeyFile != "":
		return errors.New("give keyEnv or keyFile, not both")
	case u.KeyEnv != "":
		if u.key = strings.TrimSpace(env(u.KeyEnv)); u.key == "" {
			return fmt.Errorf("keyEnv: the variable %s is not set", u.KeyEnv)
		}
	case u.KeyFile != "":
		text, err := os.ReadFile(u.KeyFile)
		if err != nil {
			return fmt.Errorf("keyFile: %w", err)
		}
		if u.key = strings.TrimSpace(string(text)); u.key == "" {
			return fmt.Errorf("keyFile: %s is empty", u.KeyFile)
		}
	}
	return nil
}
