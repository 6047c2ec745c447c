package catalogue

import (
	"maps"
	"strings"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/record"
)

// A dimension whose key is no attribution key is a property of the caller's own. If nothing
// reads it, and its key is written nearly as an attribution key is, it was probably meant to
// name an entity.

// likeKey is an attribution key, with its type and ready to be compared.
type likeKey struct {
	key, typ    string
	whole, base string // the key without case and separators; base also without an id at its end
}

// likeKeys finds the attribution key that is like another key, or like the id of its type.
type likeKeys struct {
	same, base map[string]*likeKey // by whole and by base; of several keys the first
	all        []likeKey           // nil = there are too many to be looked at one by one
}

// Keys with likeFrom to likeTo characters, without case and separators, are compared character by
// character: shorter ones are like one another too often. This is done only while there are at most
// maxCompared attribution keys.
const likeFrom, likeTo, maxCompared = 5, 64, 64

func (c *Catalogue) indexLike() (x likeKeys) {
	x.same, x.base = map[string]*likeKey{}, map[string]*likeKey{}
	add := func(m map[string]*likeKey, name string, k *likeKey) {
		if m[name] == nil {
			m[name] = k
		}
	}
	for _, key := range record.SortedKeys(c.Attribution) {
		var b [likeTo]byte
		if w := foldKey(key, b[:0]); len(w) > 0 {
			x.all = append(x.all, likeKey{key, c.Attribution[key], string(w), string(baseKey(w))})
		}
	}
	for i := range x.all {
		add(x.same, x.all[i].whole, &x.all[i])
		add(x.base, x.all[i].base, &x.all[i])
	}
	for _, id := range record.SortedKeys(c.TypeOf) {
		var b [likeTo]byte
		t := c.TypeOf[id]
		if w := foldKey(id, b[:0]); len(w) > 0 && t.ArchivedAt == nil && len(t.AttributionKeys) > 0 {
			add(x.base, string(baseKey(w)), &likeKey{key: t.AttributionKeys[0], typ: id})
		}
	}
	if len(x.all) > maxCompared {
		x.all = nil
	}
	return x
}

// foldKey appends a key without case and separators to b; nil when it has too many characters.
func foldKey(key string, b []byte) []byte {
	if len(key) > likeTo {
		return nil
	}
	for i := range len(key) {
		switch c := key[i]; {
		case c == '_' || c == '-' || c == '.' || c == ' ':
		case 'A' <= c && c <= 'Z':
			b = append(b, c+'a'-'A')
		default:
			b = append(b, c)
		}
	}
	return b
}

// baseKey is a folded key without the id at its end.
func baseKey(folded []byte) []byte {
	if n := len(folded) - 2; n > 0 && string(folded[n:]) == "id" {
		return folded[:n]
	}
	return folded
}

// LikeKey is the attribution key that was probably meant by a key that is none, and its
// type; "" = none. First comes the key that is the same but for case and separators (same), then
// one that is the same without an id at its end, then one that differs by a character.
func (c *Catalogue) LikeKey(key string) (like, typ string, same bool) {
	if len(c.Attribution) == 0 || ownKey(key) || c.read[key] {
		return "", "", false
	}
	var room [likeTo]byte
	whole := foldKey(key, room[:0])
	if len(whole) == 0 {
		return "", "", false
	}
	if k := c.like.same[string(whole)]; k != nil {
		return k.key, k.typ, true
	}
	base := baseKey(whole)
	if k := c.like.base[string(base)]; k != nil {
		return k.key, k.typ, false
	}
	for i := range c.like.all {
		if k := &c.like.all[i]; oneApart(whole, k.whole) || oneApart(base, k.base) {
			return k.key, k.typ, false
		}
	}
	return "", "", false
}

// ownKey tells whether a key has a meaning to Bursar itself: what was used, or what its price
// depends on.
func ownKey(key string) bool {
	switch key {
	case "model", "provider", bursar.ServiceTier, bursar.Speed, bursar.InferenceGeo, bursar.SearchContext, bursar.Context:
		return true
	}
	return bursar.IsKind(key) || strings.HasPrefix(key, "gen_ai.")
}

// readKeys are the properties that meters of live features read, and that rates of any version match.
func (c *Catalogue) readKeys() map[string]bool {
	read := map[string]bool{}
	maps.Copy(read, c.matched)
	for _, features := range c.Meters {
		for _, f := range features {
			read[f.Meter.Aggregation.Field] = true
			for _, x := range f.Meter.Filters {
				for _, y := range x.Conditions {
					read[y.Field] = true
				}
			}
		}
	}
	return read
}

// matches notes the keys that the rates of versions match on.
func (c *Catalogue) matches(versions ...bursar.RateVersion) {
	matched := map[string]bool{}
	maps.Copy(matched, c.matched)
	for _, v := range versions {
		for i := range v.Rates {
			for key := range v.Rates[i].Match {
				matched[key] = true
			}
		}
	}
	c.matched = matched
	c.read = c.readKeys()
}

// oneApart tells whether two names of likeFrom characters or more differ by one character: left out,
// added, replaced, or swapped with its neighbour.
func oneApart(a []byte, b string) bool {
	if n := len(a) - len(b); n < -1 || n > 1 || min(len(a), len(b)) < likeFrom {
		return false
	}
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	x, y := a[i:], b[i:]
	switch {
	case len(x) > len(y):
		return string(x[1:]) == y
	case len(x) < len(y):
		return string(x) == y[1:]
	case len(x) == 0:
		return false
	}
	return string(x[1:]) == y[1:] || len(x) > 1 && x[0] == y[1] && x[1] == y[0] && string(x[2:]) == y[2:]
}
