package bursar

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
)

// Bounds of notifications.
const (
	MaxRecipients   = 10  // of a notification
	MaxRecipientLen = 500 // bytes

	// Of a customer's notifications that keys made, and of those that access tokens without a root did: how many, their
	// recipients and the different percentages of their thresholds.
	MaxNotifications          = 100
	MaxNotificationRecipients = 100
	MaxNotificationThresholds = 20
	// Of those that access tokens with one root made.
	MaxRootNotifications = 10
	MaxRootRecipients    = 20
	MaxRootThresholds    = 10
	// Of those with any root.
	MaxRootedNotifications = 1000

	// MaxToldAtOnce is from how many deliveries to people on a commit takes no further requests and makes no more of
	// thresholds: of the limits beyond, later commits tell.
	MaxToldAtOnce = 1000

	// What access tokens with one root, or all without, do in an hour: addresses are not asked whether they want to hear.
	MaxNewRecipients     = 20
	MaxNotificationTests = 20
)

// Notification says who hears of what happens to the limits of an entity and of all below it, and of
// what. Of one entity and name there is one that keys made, and for each root one that access tokens with it made.
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

// NotificationInput puts a notification in the place of the one with its ID or, without, of the one with its entity and
// name that is made by the like of who puts it.
type NotificationInput struct {
	ID            string
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

// MaskURL is how a URL that is a secret is shown: its host, and what tells it from others.
func MaskURL(u string) string {
	scheme, rest, _ := strings.Cut(u, "://")
	host, _, _ := strings.Cut(rest, "/")
	sum := sha256.Sum256([]byte(u))
	return scheme + "://" + host + "/" + mask + hex.EncodeToString(sum[:4])
}

const mask = "…"

// IsMasked tells whether u is a URL as MaskURL shows it.
func IsMasked(u string) bool { return strings.Contains(u, "/"+mask) }

// RecipientKey is what recipients that are one have in common: addresses of mail are, whatever their capitals; URLs, in
// which capitals count, are not.
func RecipientKey(recipient string) string {
	if IsURL(recipient) {
		return recipient
	}
	return strings.ToLower(recipient)
}

// IsURL tells a recipient that is a URL from one that is an address of mail.
func IsURL(recipient string) bool { return strings.Contains(recipient, "://") }
