package httpapi

import (
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/bursarhq/bursar"
)

// router finds the route of a method and path. http.ServeMux would redirect unclean paths and
// answer 404 and 405 as text, where this API answers with problem documents.
type router struct{ root node }

type node struct {
	static map[string]*node
	param  *node
	routes []*route
}

// maxPathParams is the most parameters a pattern has.
const maxPathParams = 3

func newRouter(routes []*route) *router {
	rt := &router{}
	for _, r := range routes {
		for _, base := range r.bases {
			rt.add(base+r.pattern, r)
		}
	}
	return rt
}

func (rt *router) add(pattern string, r *route) {
	n := &rt.root
	for _, seg := range strings.Split(pattern[1:], "/") {
		if seg[0] == '{' {
			if n.param == nil {
				n.param = &node{}
			}
			n = n.param
			continue
		}
		next := n.static[seg]
		if next == nil {
			if n.static == nil {
				n.static = map[string]*node{}
			}
			next = &node{}
			n.static[seg] = next
		}
		n = next
	}
	n.routes = append(n.routes, r)
}

// match is one walk through the tree. The path's segments are percent-decoded once;
// a literal segment wins over a parameter if it has the method.
type match struct {
	method  string
	decode  bool // segments are still encoded
	params  [maxPathParams]string
	allowed []string
}

func (m *match) find(n *node, path string, depth int) *route {
	if path == "" {
		for _, r := range n.routes {
			if r.method == m.method || r.method == "GET" && m.method == "HEAD" {
				return r
			}
			m.allowed = append(m.allowed, r.method)
		}
		return nil
	}
	seg, rest := path[1:], ""
	if i := strings.IndexByte(seg, '/'); i >= 0 {
		seg, rest = seg[:i], seg[i:]
	}
	if m.decode {
		var err error
		if seg, err = url.PathUnescape(seg); err != nil {
			return nil
		}
	}
	if seg == "" {
		return nil
	}
	if next := n.static[seg]; next != nil {
		if r := m.find(next, rest, depth); r != nil {
			return r
		}
	}
	if n.param == nil || depth == maxPathParams {
		return nil
	}
	m.params[depth] = seg
	return m.find(n.param, rest, depth+1)
}

// route finds the route of q and fills its path parameters.
func (rt *router) route(q *request) (*route, error) {
	u := q.r.URL
	m := match{method: q.r.Method}
	path := u.Path
	if u.RawPath != "" { // set when Path is not all there is to know, as with %2F
		path, m.decode = u.RawPath, true
	}
	if path == "" || path[0] != '/' {
		path = "/"
	}
	r := m.find(&rt.root, path, 0)
	q.path = m.params
	if r != nil {
		return r, nil
	}
	if len(m.allowed) == 0 {
		if like, ok := rt.root.like(path, false); ok {
			return nil, bursar.Errorf(bursar.CodeNotFound, "there is nothing at this path; did you mean %.200s?", like)
		}
		return nil, bursar.Errorf(bursar.CodeNotFound, "there is nothing at this path")
	}
	slices.Sort(m.allowed)
	allow := strings.Join(slices.Compact(m.allowed), ", ")
	q.w.Header().Set("Allow", allow)
	return nil, bursar.Errorf(bursar.CodeMethodNotAllowed, "this path takes %s", allow)
}

// like is a path of the same form as one that leads nowhere, with a word of it as the routes have it.
func (n *node) like(path string, mended bool) (like string, ok bool) {
	if path == "" {
		return "", mended && len(n.routes) > 0
	}
	seg, rest := path[1:], ""
	if i := strings.IndexByte(seg, '/'); i >= 0 {
		seg, rest = seg[:i], seg[i:]
	}
	try := func(next *node, seg string, mended bool) bool {
		if next != nil && !ok {
			if like, ok = next.like(rest, mended); ok {
				like = "/" + seg + like
			}
		}
		return ok
	}
	if try(n.static[seg], seg, mended) {
		return like, ok
	}
	if near := bursar.Nearest(seg, maps.Keys(n.static)); !mended && near != seg && try(n.static[near], near, true) {
		return like, ok
	}
	if seg != "" {
		try(n.param, seg, mended)
	}
	return like, ok
}
