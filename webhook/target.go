package webhook

import (
	"errors"
	"net/mail"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"code.dny.dev/ssrf"

	"github.com/bursarhq/bursar"
)

const (
	maxURL        = 2048
	maxRecipients = 20
)

// private is what AllowPrivate permits. It has no link-local, multicast or reserved
// networks: nobody serves webhooks there, and 169.254.169.254 gives away credentials.
var private = []netip.Prefix{
	netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16"),
	netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("127.0.0.0/8"),
	netip.MustParsePrefix("::1/128"), netip.MustParsePrefix("fc00::/7"),
}

// guard judges addresses: public ones pass, and those that o permits.
func (o *Options) guard() *ssrf.Guardian {
	allowed := o.AllowNetworks
	if o.AllowPrivate {
		allowed = append(private[:len(private):len(private)], allowed...)
	}
	var v4, v6 []netip.Prefix
	for _, p := range allowed {
		if p.Addr().Is4() {
			v4 = append(v4, p)
		} else {
			v6 = append(v6, p)
		}
	}
	return ssrf.New(ssrf.WithAnyPort(), ssrf.WithAllowedV4Prefixes(v4...), ssrf.WithAllowedV6Prefixes(v6...))
}

// CheckTarget tells whether an endpoint may have the URL, by its form alone: where a name
// leads is judged whenever it is dialled. Its errors never show the URL, which may be a
// secret.
func CheckTarget(kind bursar.WebhookKind, target string, o Options) error {
	return checkTarget(kind, target, o.AllowHTTP, o.guard())
}

func checkTarget(kind bursar.WebhookKind, target string, allowHTTP bool, guard *ssrf.Guardian) error {
	if len(target) > maxURL {
		return errors.New("is longer than 2048 bytes")
	}
	switch kind {
	case bursar.WebhookStandard, bursar.WebhookSlack, "":
		return checkURL(target, allowHTTP, guard)
	case bursar.WebhookEmail:
		_, err := recipients(target)
		return err
	}
	return errors.New("no such kind of endpoint; there are webhook, slack and email")
}

func checkURL(target string, allowHTTP bool, guard *ssrf.Guardian) error {
	u, err := url.Parse(target)
	switch {
	case err != nil:
		return errors.New("is not a URL")
	case u.Scheme == "http" && !allowHTTP:
		return errors.New("must begin with https:// (http is not permitted by this server's configuration)")
	case u.Scheme != "https" && u.Scheme != "http":
		return errors.New("must begin with https://")
	case u.User != nil:
		return errors.New("must not contain a user name or password")
	case u.Hostname() == "":
		return errors.New("has no host")
	}
	if p := u.Port(); p != "" || strings.HasSuffix(u.Host, ":") {
		if n, err := strconv.ParseUint(p, 10, 16); err != nil || n == 0 {
			return errors.New("has no valid port")
		}
	}
	return checkHost(u.Hostname(), guard)
}

// checkHost judges a host by how it is written. What resolvers read as a number although
// it does not look like one (0177.0.0.1, 2130706433, 0x7f.1) is refused outright.
func checkHost(host string, guard *ssrf.Guardian) error {
	refused := errors.New("leads to an address that is not public, which this server's configuration does not permit")
	if addr, err := netip.ParseAddr(host); err == nil {
		if guard.SafeAddr(addr.Unmap()) != nil {
			return refused
		}
		return nil
	}
	name := strings.ToLower(strings.TrimSuffix(host, "."))
	last := name[strings.LastIndexByte(name, '.')+1:]
	if _, err := strconv.ParseUint(last, 0, 64); err == nil || last == "" || strings.Trim(last, "0123456789") == "" {
		return errors.New("has a host that is neither a name nor an IP address")
	}
	if name == "localhost" || last == "localhost" {
		if guard.SafeAddr(netip.AddrFrom4([4]byte{127, 0, 0, 1})) != nil {
			return refused
		}
	}
	return nil
}

// recipients reads mailto:a@x,b@y.
func recipients(target string) ([]string, error) {
	list, ok := cutScheme(target, "mailto:")
	if !ok {
		return nil, errors.New("must begin with mailto:, as in mailto:ops@example.com,finance@example.com")
	}
	if strings.ContainsAny(list, "?#") {
		return nil, errors.New("must have addresses alone, without a subject or other fields")
	}
	var out []string
	for part := range strings.SplitSeq(list, ",") {
		a, err := url.PathUnescape(part)
		if err != nil || !validAddress(a) {
			return nil, errors.New("has something that is not an email address; write mailto:ops@example.com,finance@example.com")
		}
		out = append(out, a)
	}
	if len(out) > maxRecipients {
		return nil, errors.New("has more than 20 addresses")
	}
	return out, nil
}

func cutScheme(s, scheme string) (string, bool) {
	if len(s) < len(scheme) || !strings.EqualFold(s[:len(scheme)], scheme) {
		return "", false
	}
	return s[len(scheme):], true
}

// validAddress takes plain ASCII addresses only, so that none can carry a header, a
// second recipient or a name.
func validAddress(a string) bool {
	if len(a) > 254 {
		return false
	}
	for i := range len(a) {
		if a[i] <= ' ' || a[i] >= 0x7f || strings.IndexByte(`"(),:;<>[\]`, a[i]) >= 0 {
			return false
		}
	}
	p, err := mail.ParseAddress(a)
	return err == nil && p.Address == a && p.Name == ""
}
