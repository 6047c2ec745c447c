package bursar

import (
	"fmt"
	"slices"
	"strings"
)

// UsageRule says what a member of usage objects counts, where no version of the program knows it.
type UsageRule struct {
	Member string `json:"member"` // as unread usage names it: with points, where it is nested
	Kind   string `json:"kind"`   // a kind of tokens or of other usage; IgnoredUsage = nothing
}

// IgnoredUsage is the kind of members that count nothing, or what others count already.
const IgnoredUsage = "none"

// MaxUsageRules bounds the rules of an environment.
const MaxUsageRules = 100

// otherKinds are the kinds beside tokens that a usage object may count.
var otherKinds = []string{UsageWebSearch, UsageSeconds, UsageImages, UsageQueries, UsageCharacters, UsagePages}

// path is the canonical path of the rule's member. A request's calls have the members that it has.
func (r *UsageRule) path() string {
	names := strings.Split(r.Member, ".")
	for i := range names {
		names[i] = snakeCase(names[i])
	}
	return strings.TrimPrefix(strings.Join(names, "/"), "iterations/")
}

// CheckUsageRules adds to p what is wrong with rules, which are at a place of the request.
func CheckUsageRules(at string, rules []UsageRule, p *Problems) {
	if len(rules) > MaxUsageRules {
		p.Add(at, CodeValidationFailed, "at most %d rules", MaxUsageRules)
		return
	}
	seen := map[string]bool{}
	for i := range rules {
		r := &rules[i]
		path := r.path()
		switch {
		case r.Member == "" || len(r.Member) > maxUsageName*usageDepth:
			p.Add(fmt.Sprintf("%s/%d/member", at, i), CodeValidationFailed, "1 to %d bytes: the member's name, with points where it is nested", maxUsageName*usageDepth)
		case seen[path]:
			p.Add(fmt.Sprintf("%s/%d/member", at, i), CodeValidationFailed, "another rule is of the member %s", r.Member)
		case slices.Contains(knownPaths, path):
			p.Add(fmt.Sprintf("%s/%d/member", at, i), CodeValidationFailed, "the member %s is read without a rule", r.Member)
		case slices.Contains(knownParts, path[strings.LastIndexByte(path, '/')+1:]):
			p.Add(fmt.Sprintf("%s/%d/member", at, i), CodeValidationFailed, "the member %s repeats what others count: it would count twice", r.Member)
		}
		seen[path] = true
		if r.Kind != IgnoredUsage && !IsTokenKind(r.Kind) && !slices.Contains(otherKinds, r.Kind) {
			p.Add(fmt.Sprintf("%s/%d/kind", at, i), CodeValidationFailed, "one of %s, %s and %s", strings.Join(kinds[:], ", "), strings.Join(otherKinds, ", "), IgnoredUsage)
		}
	}
}

// ruled is what rules count: of members that nothing else reads, each beside all other kinds.
type ruled struct {
	counts  tokenCounts
	amounts []Dimension // what is no token
}

// byRules reads the members that there are rules for.
func (u *usageReader) byRules() (got ruled) {
	for i := range u.rules {
		r := &u.rules[i]
		path := r.path()
		if _, there := u.members[path]; !there || u.used[path] || slices.Contains(knownPaths, path) {
			continue
		}
		k := slices.Index(kinds[:], r.Kind)
		switch {
		case r.Kind == IgnoredUsage:
			u.used[path] = true
		case k >= 0:
			got.counts[k] += u.count([]string{path}).n
		default:
			u.amount(r.Kind, []string{path})
		}
	}
	got.amounts, u.amounts = u.amounts, nil
	return got
}

// add adds what rules count.
func (u *usageReader) add(own *ruled) {
	for k, n := range own.counts {
		u.counts[k] += n
	}
	u.amounts = sumOf(u.amounts, own.amounts)
}
