package httpapi

import (
	"slices"
	"strings"

	"github.com/bursarhq/bursar"
)

// A parameter that the route does not have is refused. If it were ignored, a filter with a
// mistyped name would not filter, and a mistyped dryRun would write. The refusal names the
// parameter that was probably meant. A parameter that is sent empty (name=) counts as absent,
// because SDKs send parameters that they were not given that way.

// unknownQuery notes the parameters of q that its route does not have.
func (q *request) unknownQuery(s *shape, problems *bursar.Problems) {
	told := 0
	for i := range q.query {
		p := &q.query[i]
		if s.parameter(p.name) == nil && told < maxProblems {
			problems.Add("?"+p.name, bursar.CodeUnknownParameter, "%s", q.unknown(s, p.name))
			told++
		}
	}
}

// parameter is the query parameter of a name, nil when there is none.
func (s *shape) parameter(name string) *field {
	for i := range s.fields {
		if f := &s.fields[i]; f.place == inQuery && f.name == name {
			return f
		}
	}
	return nil
}

// unknown says that there is no parameter of the name, and what may be meant.
func (q *request) unknown(s *shape, name string) string {
	var names []string
	for i := range s.fields {
		f := &s.fields[i]
		if f.place != inQuery || f.shape.kind == kindUnsupported {
			continue
		}
		if f.shape.kind == kindDims && q.attributes(name) {
			return "there is no such parameter; did you mean " + f.name + "[" + name + "]?"
		}
		names = append(names, f.name)
	}
	if near := bursar.Nearest(name, slices.Values(names)); near != "" {
		return "there is no such parameter; did you mean " + near + "?"
	}
	if _, ok := s.names[name]; ok {
		return "there is no such parameter; it is a member of the body"
	}
	if len(names) == 0 {
		return "there is no such parameter; this request takes none"
	}
	slices.Sort(names)
	return "there is no such parameter; this request takes " + strings.Join(names, ", ")
}

// attributes tells whether a dimension of that name names entities. A query that is read
// by itself, without an API, knows of none.
func (q *request) attributes(name string) bool {
	return q.api != nil && q.api.engine.Catalogue().Attributes(name)
}
