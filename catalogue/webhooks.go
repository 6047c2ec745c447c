package catalogue

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"github.com/bursarhq/bursar"
)

// SecretOverlap is how long the secret before a rotation signs too.
const SecretOverlap = bursar.Time(24 * 3600e9)

// MaxWebhooks bounds the endpoints of an environment.
const MaxWebhooks = 100

func ErrNoWebhook(id string) error {
	return bursar.Errorf(bursar.CodeWebhookNotFound, "there is no webhook %.64q", id)
}

func (w *Write) PutWebhook(h bursar.Webhook) (bursar.Webhook, error) {
	var p bursar.Problems
	if h.Kind != bursar.WebhookStandard && h.Kind != bursar.WebhookSlack && h.Kind != bursar.WebhookEmail {
		p.Add("/kind", bursar.CodeValidationFailed, "a kind is webhook, slack or email")
	}
	if n := bursar.Length(h.URL); n < 1 || n > bursar.MaxDescriptionLen {
		p.Add("/url", bursar.CodeValidationFailed, "a url has 1 to %d characters, this one %d", bursar.MaxDescriptionLen, n)
	}
	CheckText("/description", h.Description, &p)
	for i, t := range h.EventTypes {
		if !slices.Contains(bursar.EventTypes, t) {
			p.Add(fmt.Sprintf("/eventTypes/%d", i), bursar.CodeValidationFailed, "%.64q is not one of %s", t, strings.Join(bursar.EventTypes, ", "))
		}
	}
	if h.CustomerID != nil {
		if err := bursar.CheckCustomerID(*h.CustomerID); err != nil {
			p.Add("/customerId", bursar.CodeValidationFailed, "%v", err)
		}
	}
	if err := p.Err(); err != nil {
		return h, err
	}
	h.UpdatedAt = w.Now.Milli()
	return h, w.Put("webhook", &h)
}

// SecretText is a webhook's secret as Standard Webhooks writes it.
func SecretText(random []byte) string { return "whsec_" + base64.StdEncoding.EncodeToString(random) }
