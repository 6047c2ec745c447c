package bursar

import (
	"slices"
	"strings"
)

// Bounds of notifications.
const (
	MaxNotifications = 100 // of a customer
	MaxRecipients    = 10  // of a notification
	MaxRecipientLen  = 500 // bytes
)

// Notification says who hears of what happens to the limits of an entity and of all below it, and of
// what. An entity has one of a name.
type Notification struct {
	ID            string
	EntityID      string   // "" = of the whole customer
	Name          string   // what its messages are headed with
	Emails        []string // who hears of it: addresses of mail,
	SlackURLs     []string // and incoming webhooks of Slack, each of which is a secret
	Thresholds    []int    // percent of a limit at which they hear, ascending
	Denials       bool     // and when a limit denies for the first time in its window
	BoostRequests bool     // and when somebody asks for a boost, and what was decided
	CreatedAt     Time
	UpdatedAt     Time
}

// NotificationInput puts a notification in the place of the one with its entity and name.
type NotificationInput struct {
	EntityID      string
	Name          string
	Emails        []string
	SlackURLs     []string
	Thresholds    []int
	Denials       bool
	BoostRequests bool
}

// Same tells whether n says what x has.
func (x *NotificationInput) Same(n *Notification) bool {
	return n.EntityID == x.EntityID && n.Name == x.Name && slices.Equal(n.Emails, x.Emails) && slices.Equal(n.SlackURLs, x.SlackURLs) &&
		slices.Equal(n.Thresholds, x.Thresholds) && n.Denials == x.Denials && n.BoostRequests == x.BoostRequests
}

// MaskURL is how a URL that is a secret is shown: its host, and the end of it.
func MaskURL(u string) string {
	scheme, rest, _ := strings.Cut(u, "://")
	host, path, _ := strings.Cut(rest, "/")
	return scheme + "://" + host + "/" + mask + path[max(0, len(path)-4):]
}

const mask = "…"

// IsMasked tells whether u is a URL as MaskURL shows it.
func IsMasked(u string) bool { return strings.Contains(u, "/"+mask) }

// IsURL tells a recipient that is a URL from one that is an address of mail.
func IsURL(recipient string) bool { return strings.Contains(recipient, "://") }
