package sim

import (
	"reflect"
	"regexp"
	"runtime/debug"
	"slices"
	"sort"
	"strings"
	"time"
)

func stack() string {
	s := string(debug.Stack())
	return s[:min(len(s), 4000)]
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

// replay runs a script in a new world and gives the place and the text of its first
// difference; place -1 when there is none.
func replay(open func() (*world, error), ops []op) (place int, difference string) {
	w, err := open()
	if err != nil {
		return -1, ""
	}
	defer w.close()
	for i, o := range ops {
		if d := w.do(o); d != "" {
			return i, d
		}
	}
	return -1, ""
}

// shrinker makes a failing script smaller while it goes on failing.
type shrinker struct {
	open  func() (*world, error)
	until time.Time
	kind  string
	ops   []op
	text  string
}

// kind is what two differences of one cause have in common: the action and where in
// the reply they are.
func kind(ops []op, place int, text string) string {
	lines := strings.SplitN(text, "\n", 3)
	k := reflect.TypeOf(ops[place].action).Name() + " " + lines[0]
	if len(lines) > 1 {
		path, _, _ := strings.Cut(strings.TrimSpace(lines[1]), ": ")
		k += " " + path
	}
	return digits.ReplaceAllString(k, "0")
}

var digits = regexp.MustCompile("[0-9a-f]*[0-9][0-9a-f-]*")

// try takes the candidate when it fails likewise, up to where it does.
func (s *shrinker) try(candidate []op) bool {
	if len(candidate) == 0 || time.Now().After(s.until) {
		return false
	}
	place, text := replay(s.open, candidate)
	if place < 0 || kind(candidate, place, text) != s.kind {
		return false
	}
	s.ops, s.text = slices.Clone(candidate[:place+1]), text
	return true
}

func (s *shrinker) run() {
	s.try(s.ops) // a difference may depend on timing: this shows whether it comes back
	s.onlyCustomers()
	for size := len(s.ops) / 2; size >= 1 && time.Now().Before(s.until); {
		removed := false
		for at := len(s.ops) - 1 - size; at > -size; {
			from := max(0, at)
			if s.try(slices.Concat(s.ops[:from], s.ops[at+size:])) {
				removed = true
				at = min(at, len(s.ops)-1) - size
			} else {
				at -= size
			}
		}
		if size > 1 {
			size = (size + 1) / 2
		} else if !removed {
			break
		}
	}
	s.onlyItems()
}

// onlyCustomers drops the operations on customers other than those of the last one.
func (s *shrinker) onlyCustomers() {
	mine := customersOf(s.ops[len(s.ops)-1].action)
	s.try(slices.DeleteFunc(slices.Clone(s.ops), func(o op) bool {
		theirs := customersOf(o.action)
		return len(theirs) > 0 && !slices.ContainsFunc(theirs, func(id string) bool { return slices.Contains(mine, id) })
	}))
}

// customersOf lists the customers that an action names; none for the catalogue.
func customersOf(a action) []string {
	switch a := a.(type) {
	case createCustomer:
		return []string{a.ID}
	case patchCustomer:
		return []string{a.ID}
	case archiveCustomer:
		return []string{a.ID}
	case getCustomer:
		return []string{a.ID}
	case reportUsage:
		var ids []string
		for _, x := range a.In {
			ids = append(ids, x.CustomerID)
		}
		return ids
	}
	if f := reflect.ValueOf(a).FieldByName("Customer"); f.IsValid() {
		return []string{f.String()}
	}
	return nil
}

// onlyItems drops items of bulk requests.
func (s *shrinker) onlyItems() {
	for i := 0; i < len(s.ops); i++ {
		for j := 0; i < len(s.ops); {
			smaller, ok := without(s.ops[i].action, j)
			if !ok {
				break
			}
			candidate := slices.Clone(s.ops)
			candidate[i].action = smaller
			if !s.try(candidate) {
				j++
			}
		}
	}
}

// without is the action less item j of its list In; ok is false when there is none, or
// no other.
func without(a action, j int) (action, bool) {
	v := reflect.New(reflect.TypeOf(a)).Elem()
	v.Set(reflect.ValueOf(a))
	in := reflect.Value{}
	if v.Kind() == reflect.Struct {
		in = v.FieldByName("In")
	}
	if !in.IsValid() || in.Kind() != reflect.Slice || j >= in.Len() || in.Len() < 2 {
		return nil, false
	}
	rest := reflect.MakeSlice(in.Type(), 0, in.Len())
	rest = reflect.AppendSlice(rest, in.Slice(0, j))
	in.Set(reflect.AppendSlice(rest, in.Slice(j+1, in.Len())))
	return v.Interface().(action), true
}
