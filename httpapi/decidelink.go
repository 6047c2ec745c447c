package httpapi

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"

	"github.com/bursarhq/bursar"
)

// DecidePath is where links of messages to people lead to: a page at which a boost request is decided.
const DecidePath = "/decide/"

// DecideLink is what such a link says, and that the server made it: who may decide which request until
// when. Whether they still may is judged when they do.
type DecideLink struct {
	CustomerID string
	Endpoint   string // of the recipient, as deliveries have it
	RequestID  string
	Expires    bursar.Time
}

// DecideKey signs links.
type DecideKey [sha256.Size]byte

// NewDecideKey makes the key of an environment with that secret.
func NewDecideKey(secret [32]byte) DecideKey {
	m := hmac.New(sha256.New, secret[:])
	m.Write([]byte("links to decide boost requests"))
	return DecideKey(m.Sum(nil))
}

func (k DecideKey) sum(text string) []byte {
	m := hmac.New(sha256.New, k[:])
	m.Write([]byte(text))
	return m.Sum(nil)
}

// Path is the path of the page.
func (k DecideKey) Path(l DecideLink) string {
	text := strings.Join([]string{l.CustomerID, l.Endpoint, l.RequestID, strconv.FormatInt(int64(l.Expires.Milli()), 36)}, "\n")
	return DecidePath + base64.RawURLEncoding.EncodeToString(append(k.sum(text), text...))
}

var (
	errNoLink    = errors.New("This link is not whole. Copy all of it from the message.")
	errOldLink   = errors.New("This link has ended. Decide the request in the interface, or have it made anew.")
	errEndedLink = errors.New("This link does not count any more: the notification that it was sent by has other recipients now, or tells no more of such requests.")
)

// link reads what comes after DecidePath.
func (k DecideKey) link(text string, now bursar.Time) (l DecideLink, err error) {
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(b) < sha256.Size || !hmac.Equal(b[:sha256.Size], k.sum(string(b[sha256.Size:]))) {
		return l, errNoLink
	}
	parts := strings.Split(string(b[sha256.Size:]), "\n") // no id has a line break
	if len(parts) != 4 {
		return l, errNoLink
	}
	at, err := strconv.ParseInt(parts[3], 36, 64)
	if err != nil {
		return l, errNoLink
	}
	if l = (DecideLink{parts[0], parts[1], parts[2], bursar.Time(at)}); now >= l.Expires {
		return l, errOldLink
	}
	return l, nil
}
