package bursar

import (
	"strings"
	"testing"
)

// TestMaskURL: a URL is shown without its secret, and apart from others of its host that end alike.
func TestMaskURL(t *testing.T) {
	a, b := MaskURL("https://chat.example/api/webhooks/1/one/slack"), MaskURL("https://chat.example/api/webhooks/1/two/slack")
	if a == b || strings.Contains(a, "one") || !strings.HasPrefix(a, "https://chat.example/") || !IsMasked(a) {
		t.Errorf("%q and %q", a, b)
	}
}
