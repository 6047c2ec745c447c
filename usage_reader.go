package bursar

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
)

// usageReader turns the members of a usage object into numbers, so that each token is in one alone.
type usageReader struct {
	members usageMembers
	rules   []UsageRule
	used    map[string]bool

	any       bool // there was a known count
	counts    tokenCounts
	amounts   []Dimension // what is no token
	counted   bool        // searches are, without rules
	total     string      // that differs from the sum
	bad       []string
	malformed *Error
	misspelt  *misspelt
}

// usageCount is one count; path is "" when it is not there.
type usageCount struct {
	path string
	n    int64
}

// count is the highest of the counts at paths: where an object has one twice, they are the
// same, or one is 0 because it is told by the other.
func (u *usageReader) count(paths ...[]string) (c usageCount) {
	for _, path := range slices.Concat(paths...) {
		v, ok := u.members[path]
		if !ok || v.text[0] == '"' && !strings.HasSuffix(path, "_tokens") && !strings.HasSuffix(path, "_count") {
			continue
		}
		n, ok := parseTokens(v.text)
		if !ok {
			u.notNumber(path, "%s is %.40s, not a whole number of tokens")
			continue
		}
		u.used[path], u.any = true, true
		if c.path == "" || n > c.n {
			c = usageCount{path, n}
		}
	}
	return c
}

func (u *usageReader) notNumber(path, format string) {
	v := u.members[path]
	if u.malformed == nil {
		u.malformed = Errorf(CodeValidationFailed, format, v.name, v.text)
	}
	u.bad, u.used[path] = append(u.bad, v.name), true
}

// amount adds a property that is no count of tokens.
func (u *usageReader) amount(key string, paths []string) {
	var most Amount
	for _, path := range paths {
		v, ok := u.members[path]
		if !ok {
			continue
		}
		a, err := ParseAmount([]byte(v.text))
		if err != nil || a.Sign() < 0 {
			u.notNumber(path, "%s is %.40s, not a number of 0 or more")
			continue
		}
		u.used[path], u.any = true, true
		most = MaxAmount(most, a)
	}
	if most.Sign() > 0 {
		u.amounts = append(u.amounts, Dimension{key, most.String(), DimNumber})
	}
}

// usageCounts are the counts of a usage object as it has them: input and output may include
// others.
type usageCounts struct {
	input, output, tools, reasoning, total   usageCount
	read, write, write1h                     int64
	ruled                                    int64 // tokens beside all these, by rules of the environment
	audioIn, imageIn, cachedAudio, cachedImg usageCount
	outside                                  bool // by the names, input does not include what a cache had
	beside                                   bool // by the names, output does not include reasoning
}

func (u *usageReader) gather() (c usageCounts) {
	c.input, c.output, c.total = u.count(pathsInput), u.count(pathsOutput), u.count(pathsTotal)
	inner, flat := u.count(pathsRead), u.count(pathsReadFlat)
	c.read = max(inner.n, flat.n)
	innerWrite, flatWrite := u.count(pathsWrite), u.count(pathsWriteFlat)
	short, long := u.count(pathsWrite5m), u.count(pathsWrite1h)
	c.write1h = long.n
	c.write = max(innerWrite.n, flatWrite.n)
	if parts := short.n + long.n; parts > c.write {
		if c.write > 0 {
			u.total = u.members[cmp.Or(innerWrite.path, flatWrite.path)].name
		}
		c.write = parts
	}
	beside := flat.path != "" || flatWrite.path != "" || u.has("cache_creation/") || u.has("cache_details/")
	c.outside = beside && inner.path == "" && (c.input.path == "input_tokens" || c.input.path == "input_token_count")
	c.tools, c.reasoning = u.count(pathsTools), u.count(pathsReasoning)
	c.beside = c.reasoning.path == "thoughts_token_count" || c.reasoning.path == "total_thought_tokens"
	c.audioIn, c.imageIn = u.count(pathsAudioIn), u.count(pathsImageIn)
	c.cachedAudio, c.cachedImg = u.count(pathsCachedAudio), u.count(pathsCachedImage)
	if v, ok := u.members["input_tokens/no_cache"]; ok && c.input.path == "" {
		n, _ := parseTokens(v.text)
		u.any, c.input = true, usageCount{"input_tokens/no_cache", n + c.read + c.write}
	}
	return c
}

// has tells whether there is a member whose path begins with prefix.
func (u *usageReader) has(prefix string) bool {
	for path := range u.members {
		if strings.HasPrefix(path, prefix) {
			return true
		}
	}
	return false
}

func (u *usageReader) read() {
	c := u.gather()
	own := u.byRules()
	if c.ruled = own.counts.sum(); c.input.path == "" && c.output.path == "" && c.total.n > 0 { // a total alone is of what was read, as of embeddings
		if c.input = c.total; c.ruled <= c.total.n {
			c.input.n -= c.ruled // it has what rules count
		}
	}
	u.disjoin(&c)
	u.splitInput(&c)
	u.splitOutput(&c)
	u.counts[kindCitation] = u.count(pathsCitation).n
	u.amount(UsageWebSearch, pathsSearch)
	seconds := pathsSeconds
	if u.members.text("type") == "duration" || !u.any {
		seconds = append(slices.Clip(seconds), "duration")
	}
	u.amount(UsageSeconds, seconds)
	u.amount(UsageQueries, pathsQueries)
	u.amount(UsageImages, pathsImages)
	u.amount(UsageCharacters, pathsChars)
	u.amount(UsagePages, pathsPages)
	u.counted = slices.ContainsFunc(u.amounts, func(d Dimension) bool { return d.Key == UsageWebSearch })
	u.add(&own)
}

// disjoin decides whether input includes what a cache had and output what the model thought:
// as the total says; where there is none, as the names do; and never against the figures.
func (u *usageReader) disjoin(c *usageCounts) {
	cached := c.read + c.write
	type way struct{ outside, beside bool }
	usual := way{c.outside, c.beside}
	ways := []way{usual, {usual.outside, !usual.beside}, {!usual.outside, usual.beside}, {!usual.outside, !usual.beside}}
	possible := slices.DeleteFunc(slices.Clone(ways), func(w way) bool {
		return !w.outside && cached > c.input.n || !w.beside && c.reasoning.n > c.output.n
	})
	sum := func(w way) int64 {
		n := c.input.n + c.tools.n + c.output.n
		if w.outside {
			n += cached
		}
		if w.beside {
			n += c.reasoning.n
		}
		return n
	}
	best := possible[0] // with both apart nothing can contradict
	if c.total.path != "" {
		i := slices.IndexFunc(possible, func(w way) bool { return sum(w) == c.total.n || sum(w)+c.ruled == c.total.n })
		if i >= 0 {
			best = possible[i]
		} else {
			u.total = u.members[c.total.path].name
		}
	} else if best != usual && u.total == "" {
		u.total = u.contradiction(c, usual.outside)
	}
	c.outside, c.beside = best.outside, best.beside
}

// contradiction is the name of the count that does not include what it should.
func (u *usageReader) contradiction(c *usageCounts, outside bool) string {
	if !outside && c.read+c.write > c.input.n && c.input.path != "" {
		return u.members[c.input.path].name
	}
	if c.output.path != "" {
		return u.members[c.output.path].name
	}
	return ""
}

func (u *usageReader) splitInput(c *usageCounts) {
	fresh := c.input.n
	if !c.outside {
		fresh -= c.read + c.write
	}
	audio, image, cachedAudio := c.audioIn.n, c.imageIn.n, c.cachedAudio.n
	switch {
	case c.cachedAudio.path != "" || c.cachedImg.path != "":
		cachedAudio = min(cachedAudio, c.read)
		audio -= min(audio, cachedAudio)
		image -= min(image, c.cachedImg.n)
	case !c.outside && audio+image > fresh: // of what a cache had, text comes first
		cachedAudio = min(audio, audio+image-fresh, c.read)
		audio -= cachedAudio
		image = min(image, max(0, fresh-audio))
	}
	if audio+image > fresh { // not part of the input after all
		u.total = u.members[cmp.Or(c.audioIn.path, c.imageIn.path)].name
		fresh += audio + image
	}
	u.counts[kindInput] = fresh - audio - image + c.tools.n
	u.counts[kindInputAudio], u.counts[kindInputImage] = audio, image
	u.counts[kindCacheRead], u.counts[kindCacheReadAudio] = c.read-cachedAudio, cachedAudio
	u.counts[kindCacheWrite], u.counts[kindCacheWrite1h] = c.write-c.write1h, c.write1h
}

func (u *usageReader) splitOutput(c *usageCounts) {
	out := c.output.n
	if !c.beside {
		out -= c.reasoning.n
	}
	audio, image, video := u.count(pathsAudioOut), u.count(pathsImageOut), u.count(pathsVideoOut)
	if parts := audio.n + image.n + video.n; parts > out {
		u.total = u.members[cmp.Or(c.output.path, audio.path, image.path, video.path)].name
		out = parts
	}
	u.counts[kindOutput] = out - audio.n - image.n - video.n
	u.counts[kindReasoning] = c.reasoning.n
	u.counts[kindOutputAudio], u.counts[kindOutputImage], u.counts[kindOutputVideo] = audio.n, image.n, video.n
}

// maxCalls bounds the calls that one request made.
const maxCalls = 1000

// addIterations takes the calls that one request made where the object lists them: its own
// counts are those of some of the calls only.
func (u *usageReader) addIterations(members map[string]json.RawMessage) {
	var calls []map[string]json.RawMessage
	if json.Unmarshal(orNull(members["iterations"]), &calls) != nil || len(calls) == 0 {
		return
	}
	var sum tokenCounts
	any := false
	for _, call := range calls[:min(len(calls), maxCalls)] {
		one := usageReader{members: usageMembers{}, rules: u.rules, used: map[string]bool{}, misspelt: u.misspelt}
		one.members.addObject("", "iterations", call, usageDepth)
		one.read()
		if len(u.bad) <= maxUnreadNames {
			u.bad = append(u.bad, one.unread()...)
			slices.Sort(u.bad) // most calls have the same
			u.bad = slices.Compact(u.bad)
		}
		if one.members.text("model") != "" { // its price is another one
			u.bad = append(u.bad, "iterations.model")
		}
		for k := range sum {
			sum[k] += one.counts[k]
		}
		any = any || one.any
	}
	if sum.sum() < u.counts.sum() || len(calls) > maxCalls {
		u.total = "iterations"
		return
	}
	u.counts, u.any = sum, u.any || any
}

// unread lists the counts that were not understood: above 0, or no numbers at all.
func (u *usageReader) unread() []string {
	out := slices.Clone(u.bad)
	if _, has := u.members[beyond]; has {
		out = append(out, beyond)
	}
	var paths []string
	for path, v := range u.members {
		a, err := ParseAmount([]byte(v.text))
		if counts := err == nil && a.Sign() != 0 || err == errAmountRange; !u.used[path] && (counts || isCountText(path, strings.Trim(v.text, `"`))) {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	for _, path := range paths {
		last := path[strings.LastIndexByte(path, '/')+1:]
		inCached := slices.ContainsFunc(detailsCached, func(d string) bool { return len(path) > len(d) && path[len(d)] == '/' && strings.HasPrefix(path, d) })
		if !inCached && !slices.Contains(knownParts, last) && (isUnit(last) || u.misspelt.has(last)) {
			out = append(out, u.members[path].name)
		}
	}
	return out
}

// misspelt remembers which names are like one that is read. All calls of one usage object share it.
type misspelt struct {
	is       map[string]bool
	compared int // names so far that were compared with others
}

// maxCompared bounds the names of a usage object that are compared with those that are read.
const maxCompared = 64

func (m *misspelt) has(name string) bool {
	is, known := m.is[name]
	if known || m.compared == maxCompared {
		return is
	}
	if m.is == nil {
		m.is = map[string]bool{}
	}
	m.compared++
	m.is[name] = meant(name) != ""
	return m.is[name]
}

// isUnit tells whether a member by its name counts something that is paid for.
func isUnit(name string) bool {
	return containsAny(name, "token", "units", "credits", "characters", "images", "pages", "sources_used", "_seconds", "search")
}

// isCountText tells whether a text is a number above 0 where by the path a count should be: the name is a plural of what is paid for.
func isCountText(path, text string) bool {
	last := path[strings.LastIndexByte(path, '/')+1:]
	if !isUnit(last) || !strings.HasSuffix(last, "s") && !strings.HasSuffix(last, "count") {
		return false
	}
	a, err := AmountFromString(text)
	return len(text) <= maxModality && err == nil && a.Sign() > 0
}

func containsAny(name string, words ...string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(name, w) })
}

// meant is the member that is read and named nearly as one that is not; "" = none. Money and time
// are not what members that are read count.
func meant(name string) string {
	if len(name) < 6 || slices.Contains(knownNames, name) || containsAny(name, "cost", "price", "time", "duration") {
		return ""
	}
	most := min(2, len(name)/5)
	near := Nearest(name, func(yield func(string) bool) {
		for _, known := range knownNames {
			if d := len(known) - len(name); -most <= d && d <= most && !yield(known) {
				return
			}
		}
	})
	if near != "" && distance(name, near) <= most {
		return near
	}
	return ""
}
