package sim

import (
	"fmt"
	"math"
	"reflect"
	"sort"
	"strings"

	"github.com/bursarhq/bursar"
)

var (
	amountType = reflect.TypeFor[bursar.Amount]()
	timeType   = reflect.TypeFor[bursar.Time]()
)

// same compares two replies. Absent and empty lists and maps are the same, but for the
// chains of a decision, where the contract tells them apart.
func same(a, b reflect.Value) bool {
	switch a.Kind() {
	case reflect.Pointer:
		return a.IsNil() == b.IsNil() && (a.IsNil() || same(a.Elem(), b.Elem()))
	case reflect.Slice:
		if a.Len() != b.Len() {
			return false
		}
		for i := range a.Len() {
			if !same(a.Index(i), b.Index(i)) {
				return false
			}
		}
		return true
	case reflect.Map:
		if a.Len() != b.Len() {
			return false
		}
		for _, k := range a.MapKeys() {
			if v := b.MapIndex(k); !v.IsValid() || !same(a.MapIndex(k), v) {
				return false
			}
		}
		return true
	case reflect.Float64:
		return math.Abs(a.Float()-b.Float()) <= 1e-12*math.Abs(b.Float())
	case reflect.Struct:
		return a.Type() == amountType && a.Equal(b) || a.Type() != amountType && sameFields(a, b)
	}
	return a.Equal(b)
}

func sameFields(a, b reflect.Value) bool {
	for i := range a.NumField() {
		x, y := a.Field(i), b.Field(i)
		if a.Type().Field(i).Name == "Chains" && x.IsNil() != y.IsNil() || !same(x, y) {
			return false
		}
	}
	return true
}

// diff is "" or the places where two replies of one type differ.
func diff[T any](got, want T) string {
	if same(reflect.ValueOf(&got).Elem(), reflect.ValueOf(&want).Elem()) {
		return ""
	}
	g, w := map[string]string{}, map[string]string{}
	flatten("", reflect.ValueOf(got), g)
	flatten("", reflect.ValueOf(want), w)
	var paths []string
	for p := range g {
		if w[p] != g[p] {
			paths = append(paths, p)
		}
	}
	for p := range w {
		if _, both := g[p]; !both {
			paths = append(paths, p)
		}
	}
	sort.Strings(paths)
	text := "reply differs"
	for i, p := range paths {
		if i == 40 {
			return text + fmt.Sprintf("\n  … and %d more", len(paths)-i)
		}
		text += fmt.Sprintf("\n  %s: engine %s, model %s", p, orNone(g, p), orNone(w, p))
	}
	return text
}

func orNone(m map[string]string, p string) string {
	if s, ok := m[p]; ok {
		return s
	}
	return "-"
}

// flatten writes every scalar of v under its path.
func flatten(path string, v reflect.Value, to map[string]string) {
	switch {
	case !v.IsValid():
		to[path] = "nil"
	case v.Type() == amountType || v.Type() == timeType:
		to[path] = scalar(v)
	case v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface:
		if v.IsNil() {
			to[path] = "nil"
		} else {
			flatten(path, v.Elem(), to)
		}
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			flatten(path+"."+v.Type().Field(i).Name, v.Field(i), to)
		}
	case v.Kind() == reflect.Slice:
		to[path+".len"] = fmt.Sprintf("%d (nil %v)", v.Len(), v.IsNil())
		for i := range v.Len() {
			flatten(fmt.Sprintf("%s[%d]", path, i), v.Index(i), to)
		}
	case v.Kind() == reflect.Map:
		for _, k := range v.MapKeys() {
			flatten(fmt.Sprintf("%s[%v]", path, k), v.MapIndex(k), to)
		}
	default:
		to[path] = scalar(v)
	}
}

func scalar(v reflect.Value) string {
	if v.Type() == timeType {
		return instant(bursar.Time(v.Int()))
	}
	if v.Type() == amountType {
		return v.Interface().(bursar.Amount).String()
	}
	return fmt.Sprintf("%#v", v.Interface())
}

func instant(t bursar.Time) string {
	if t == 0 {
		return "0"
	}
	return t.Std().Format("2006-01-02T15:04:05.999999999Z")
}

// brief writes a value on one line, without its zero members.
func brief(v reflect.Value) string {
	switch {
	case v.Type() == amountType || v.Type() == timeType:
		return scalar(v)
	case v.Kind() == reflect.Pointer:
		if v.IsNil() {
			return "nil"
		}
		return "&" + brief(v.Elem())
	case v.Kind() == reflect.Interface:
		return v.Elem().Type().Name() + brief(v.Elem())
	case v.Kind() == reflect.Struct:
		var parts []string
		for i := range v.NumField() {
			if f := v.Field(i); !f.IsZero() {
				parts = append(parts, v.Type().Field(i).Name+":"+brief(f))
			}
		}
		return "{" + strings.Join(parts, " ") + "}"
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() != reflect.Uint8:
		var parts []string
		for i := range v.Len() {
			parts = append(parts, brief(v.Index(i)))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case v.Kind() == reflect.Map:
		return fmt.Sprint(v.Interface())
	}
	return fmt.Sprintf("%#v", v)
}
