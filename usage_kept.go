package bursar

import (
	"slices"
	"strings"
)

// MaxKeptUsage bounds, in bytes, what an event keeps of a usage object.
const MaxKeptUsage = 8 << 10

// UnreadReading is what an event keeps of usage that was not wholly understood, to be read
// again once there is a rule for it.
type UnreadReading struct {
	Names   []string    // of the counts; "" alone = nothing was understood
	Derived []Dimension // the properties of the event that were read from the usage
	Usage   string      // JSON without texts; "" = there was too much of it
	Cut     bool        // Usage has only what was not understood
}

// Keep is what an event keeps of r, from which derived were read; nil = all of r was understood.
func (r *UsageReading) Keep(derived []Dimension) *UnreadReading {
	if r == nil || len(r.Unread) == 0 {
		return nil
	}
	return &UnreadReading{Names: r.Unread, Derived: slices.Clone(derived), Usage: r.kept, Cut: r.cut}
}

// Again reads what was kept once more, by rules, for an event whose other dimensions are given.
func (u *UnreadReading) Again(given []Dimension, rules []UsageRule) (*UnreadReading, error) {
	if u.Usage == "" {
		return u, nil
	}
	r, err := ReadUsage([]byte(u.Usage), rules...)
	if err != nil {
		return nil, err
	}
	now := &UnreadReading{Names: r.Unread, Usage: u.Usage, Cut: u.Cut}
	if u.Cut { // what was understood is not there, nor what there was too much of
		r.Dimensions = sumOf(u.Derived, r.Dimensions)
		now.Names = slices.DeleteFunc(slices.Clone(r.Unread), func(name string) bool { return name == "" && !slices.Contains(u.Names, "") })
		now.Names = append(now.Names, r.without(u.Names)...)
		slices.Sort(now.Names)
		now.Names = slices.Compact(now.Names)
	}
	// What stood around the usage object is not kept, but for what it said.
	for _, d := range u.Derived {
		if d.Kind != DimNumber && d.Key != Context {
			r.Dimensions = withDimension(r.Dimensions, d)
		}
	}
	if now.Derived, err = Derive(given, r); err != nil {
		return nil, err
	}
	return now, nil
}

// without are those of names that r has no member of.
func (r *UsageReading) without(names []string) (lost []string) {
	for _, name := range names {
		if _, has := r.reader.members.only(name); !has && name != "" {
			lost = append(lost, name)
		}
	}
	return lost
}

// Derive are the dimensions that a reading, nil for none, and gen_ai attributes add to those that
// an event was given. What was given stays as it is.
func Derive(given []Dimension, r *UsageReading) (derived []Dimension, err error) {
	out := slices.Clip(given)
	if r != nil {
		for _, d := range r.Dimensions {
			out = withDimension(out, d)
		}
	}
	if slices.ContainsFunc(given, func(d Dimension) bool { return strings.HasPrefix(d.Key, "gen_ai.") }) {
		var tokens []Dimension
		tokens, err = GenAITokens(given)
		for _, d := range tokens {
			out = withDimension(out, d)
		}
	}
	if d, ok := PromptContext(out); ok {
		out = withDimension(out, d)
	}
	return out[len(given):], err
}

// Unruled are the dimensions that r would add to those that an event was given, were there no rules;
// nil = these that it adds with them, derived.
func (r *UsageReading) Unruled(given, derived []Dimension) []Dimension {
	if r == nil || len(r.rules) == 0 {
		return nil
	}
	plain, err := ReadUsage(r.all)
	if err != nil {
		return nil
	}
	out, err := Derive(given, plain)
	if err != nil || slices.Equal(out, derived) {
		return nil
	}
	return append([]Dimension{}, out...)
}

// withDimension is dims with d, unless they have its key.
func withDimension(dims []Dimension, d Dimension) []Dimension {
	if slices.ContainsFunc(dims, func(have Dimension) bool { return have.Key == d.Key }) {
		return dims
	}
	return append(dims, d)
}

// sumOf adds up kinds.
func sumOf(a, b []Dimension) []Dimension {
	out := slices.DeleteFunc(slices.Clone(a), func(d Dimension) bool { return !IsKind(d.Key) })
	for _, d := range b {
		out = addUse(out, d)
	}
	return out
}

// addUse adds a kind to those of dims, or a dimension that they have not.
func addUse(dims []Dimension, d Dimension) []Dimension {
	i := slices.IndexFunc(dims, func(have Dimension) bool { return have.Key == d.Key })
	if i < 0 || !IsKind(d.Key) {
		return withDimension(dims, d)
	}
	x, errX := AmountFromString(dims[i].Value)
	y, errY := AmountFromString(d.Value)
	if errX == nil && errY == nil {
		dims[i].Value = x.Add(y).String()
	}
	return dims
}
