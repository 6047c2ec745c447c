package sim

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/bursarhq/bursar"
)

// fail is an error as the model expects it. Which of several complaints about one item
// comes first is open, and more than one may be made.
type fail struct {
	code     bursar.Code // "" = that of the first bad place
	problems []problem
	denial   *bursar.Decision
	// with AllocationExceeded: what may be said to be broken
	allocations []shortfall
}

// problem is a bad place. An item has at least one of its problems named; an optional
// one is acceptable but not required.
type problem struct {
	item     string // the part of the pointer that all problems of an item share
	rest     string // what follows it; a last "*" stands for anything
	code     bursar.Code
	optional bool
}

func failed(code bursar.Code) *fail { return &fail{code: code} }

func failedAt(pointer string, code bursar.Code) *fail {
	return &fail{problems: []problem{{pointer, "", code, false}}}
}

// problems gathers the bad places of a bulk request.
type problems struct {
	list []problem
	item string
}

func (p *problems) at(rest string, code bursar.Code) {
	p.list = append(p.list, problem{p.item, rest, code, false})
}

func (p *problems) maybe(rest string, code bursar.Code) {
	p.list = append(p.list, problem{p.item, rest, code, true})
}

// bad tells that the item is certainly bad.
func (p *problems) bad() bool {
	return slices.ContainsFunc(p.list, func(x problem) bool { return x.item == p.item && !x.optional })
}

// judged are those of an item: of one that was recorded before only its timestamp is judged.
func (p *problems) judged(known bool) []problem {
	if !known {
		return p.list
	}
	return slices.DeleteFunc(slices.Clone(p.list), func(x problem) bool { return x.code != bursar.CodeTimestampOutOfRange })
}

func (p *problems) err() *fail {
	if !slices.ContainsFunc(p.list, func(x problem) bool { return !x.optional }) {
		return nil
	}
	return &fail{problems: p.list}
}

func (p problem) String() string {
	s := fmt.Sprintf("%s at %s%s", p.code, p.item, p.rest)
	if p.optional {
		s += " (optional)"
	}
	return s
}

func (f *fail) String() string {
	if f == nil {
		return "no error"
	}
	s := string(f.code)
	for _, p := range f.problems {
		s += "\n  " + p.String()
	}
	return s
}

func errText(err error) string {
	var e *bursar.Error
	if !errors.As(err, &e) {
		return fmt.Sprint(err)
	}
	s := string(e.Code) + " (" + e.Message + ")"
	for _, f := range e.Fields {
		s += fmt.Sprintf("\n  %s at %s", f.Code, f.Pointer)
	}
	return s
}

// diffErr says how the engine's error differs from the model's; "" when it does not.
func diffErr(got error, want *fail) string {
	if got == nil && want == nil {
		return ""
	}
	complain := func(why string) string {
		return fmt.Sprintf("%s\nengine: %s\nmodel:  %s", why, errText(got), want)
	}
	var e *bursar.Error
	if want == nil || got == nil || !errors.As(got, &e) {
		return complain("error")
	}
	if len(want.problems) == 0 {
		if e.Code != want.code {
			return complain("error code")
		}
		return ""
	}
	if len(e.Fields) == 0 || e.Code != e.Fields[0].Code || want.code != "" && want.code != e.Code {
		return complain("error code")
	}
	named := map[string]bool{}
	for _, f := range e.Fields {
		i := slices.IndexFunc(want.problems, func(p problem) bool { return p.matches(f) })
		switch {
		case i >= 0:
			named[want.problems[i].item] = true
		case !slices.ContainsFunc(want.problems, func(p problem) bool { return !p.optional && under(f.Pointer, p.item) }):
			return complain("error at " + f.Pointer)
		}
	}
	for _, p := range want.problems {
		if !p.optional && !named[p.item] {
			return complain("no error at " + p.item)
		}
	}
	return ""
}

func under(pointer, item string) bool { return pointer == item || strings.HasPrefix(pointer, item+"/") }

func (p problem) matches(f bursar.FieldError) bool {
	want, open := strings.CutSuffix(p.item+p.rest, "*")
	return f.Code == p.code && (f.Pointer == want || open && strings.HasPrefix(f.Pointer, want))
}

// diffAllocation compares which strict limit a write would break: any that it would.
func (w *world) diffAllocation(err error, f *fail) string {
	var e *bursar.Error
	if f == nil || f.code != bursar.CodeAllocationExceeded || !errors.As(err, &e) {
		return ""
	}
	if e.Allocation == nil {
		return "no allocation in " + errText(err)
	}
	a, pointer := *e.Allocation, ""
	if len(e.Fields) > 0 {
		pointer = e.Fields[0].Pointer
	}
	for _, s := range f.allocations {
		if s.row == w.modelID(a.AssignmentID) && s.entity == a.EntityID && a.UsageLimit != nil && s.limit.amount() == *a.UsageLimit &&
			s.sum.amount() == a.Allocated && s.pointer == pointer {
			return ""
		}
	}
	return fmt.Sprintf("allocation of %s (%s) at %q: %+v, model %+v", w.modelID(a.AssignmentID), a.EntityID, pointer, a, f.allocations)
}
