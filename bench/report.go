//go:build linux

package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
)

// figure is one line of the report: a value for each round.
type figure struct {
	name   string
	unit   string
	rounds []float64
	goal   goal
}

// goal bounds the median of a figure; the zero value is none.
type goal struct {
	bound float64
	above bool
}

func atLeast(x float64) goal { return goal{x, true} }
func below(x float64) goal   { return goal{x, false} }

func (g goal) String() string {
	switch {
	case g == goal{}:
		return ""
	case g.above:
		return "≥ " + number(g.bound)
	}
	return "< " + number(g.bound)
}

func (g goal) met(x float64) bool {
	if g.above {
		return x >= g.bound
	}
	return x < g.bound
}

// report collects figures in the order in which they came up first.
type report struct {
	figures []*figure
	others  []float64 // cores that neither server nor generator used, of every cell
}

// add notes the value of one round.
func (r *report) add(name, unit string, g goal, value float64) {
	i := slices.IndexFunc(r.figures, func(f *figure) bool { return f.name == name })
	if i < 0 {
		i = len(r.figures)
		r.figures = append(r.figures, &figure{name: name, unit: unit, goal: g})
	}
	r.figures[i].rounds = append(r.figures[i].rounds, value)
}

func median(values []float64) float64 {
	s := slices.Sorted(slices.Values(values))
	n := len(s)
	return (s[(n-1)/2] + s[n/2]) / 2
}

// number writes x with three figures, or whole.
func number(x float64) string {
	switch a := math.Abs(x); {
	case a >= 100:
		return strconv.FormatFloat(x, 'f', 0, 64)
	case a >= 10:
		return strconv.FormatFloat(x, 'f', 1, 64)
	}
	return strconv.FormatFloat(x, 'f', 2, 64)
}

// print writes the table and returns how many goals were missed.
func (r *report) print(w io.Writer) (missed int) {
	fmt.Fprintf(w, "\n%-58s %-30s %-10s %s\n", "figure", "median [min–max]", "goal", "met")
	for _, f := range r.figures {
		m := median(f.rounds)
		value := number(m)
		if len(f.rounds) > 1 {
			value += " [" + number(slices.Min(f.rounds)) + "–" + number(slices.Max(f.rounds)) + "]"
		}
		if f.unit != "" {
			value += " " + f.unit
		}
		verdict := ""
		if f.goal != (goal{}) {
			verdict = "yes"
			if !f.goal.met(m) {
				verdict = "no"
				missed++
			}
		}
		fmt.Fprintf(w, "%-58s %-30s %-10s %s\n", f.name, value, f.goal, verdict)
	}
	if len(r.others) > 0 {
		fmt.Fprintf(w, "\nother processes kept %s cores busy meanwhile [%s–%s]; above 0.1 latencies say little\n",
			number(median(r.others)), number(slices.Min(r.others)), number(slices.Max(r.others)))
	}
	return missed
}
