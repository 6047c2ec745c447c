package main

import (
	"slices"
	"strings"
	"testing"
)

// TestAddressesOfMessages: what cannot work in links of messages to people, or as where they are posted to, is refused at the start.
func TestAddressesOfMessages(t *testing.T) {
	for _, c := range []struct {
		config config
		says   string // "" = it is taken
	}{
		{config{SlackHosts: []string{"https://hooks.slack.com"}}, "--slack-hosts"},
		{config{SlackHosts: []string{"hooks.slack.com/services"}}, "--slack-hosts"},
		{config{SlackHosts: []string{"a@hooks.slack.com"}}, "--slack-hosts"},
		{config{SlackHosts: []string{""}}, "--slack-hosts"},
		{config{SlackHosts: []string{"Chat.Acme.example:8443", "[::1]:80"}}, ""},
		{config{PublicURL: "https://x.example/y?z=1"}, "--public-url"},
		{config{PublicURL: "https://x.example/y?"}, "--public-url"},
		{config{PublicURL: "https://x.example/#top"}, "--public-url"},
		{config{PublicURL: "https://x.example/bursar/"}, ""},
		{config{AlertPage: "https://app.example/{foo}"}, "{customerId} and {entityId}"},
		{config{AlertPage: "https://app.example/{customerId}?node={entityId}#top"}, ""},
	} {
		o, err := c.config.webhooks()
		if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: %v", c.config, err)
		}
		if err == nil && slices.ContainsFunc(o.SlackHosts, func(h string) bool { return h != strings.ToLower(h) }) {
			t.Errorf("hosts with capitals: %v", o.SlackHosts)
		}
	}
}
