package main

import (
	"bytes"
	_ "embed"
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"sort"
	"strconv"
	"time"

	"github.com/bursarhq/bursar"
)

// demoTraceCSV is a real trace; trace/README.md says whose.
//
//go:embed trace/AzureLLMInferenceTrace_code.csv
var demoTraceCSV []byte

// demoRow is one request of the trace.
type demoRow struct {
	at                 time.Duration // after the first
	context, generated int64         // tokens
}

// readDemoTrace reads count rows of the trace, spread over all of it.
func readDemoTrace(file []byte, count int) ([]demoRow, error) {
	r := csv.NewReader(bytes.NewReader(file))
	r.ReuseRecord = true
	if _, err := r.Read(); err != nil {
		return nil, fmt.Errorf("the trace has no heading: %w", err)
	}
	var rows []demoRow
	var first time.Time
	for {
		fields, err := r.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("the trace: %w", err)
		}
		at, err1 := time.Parse("2006-01-02 15:04:05", fields[0])
		context, err2 := strconv.ParseInt(fields[1], 10, 64)
		generated, err3 := strconv.ParseInt(fields[2], 10, 64)
		if err1 != nil || err2 != nil || err3 != nil {
			return nil, fmt.Errorf("the trace has a bad row: %q", fields)
		}
		if len(rows) == 0 {
			first = at
		}
		rows = append(rows, demoRow{at.Sub(first), context, generated})
	}
	count = min(count, len(rows))
	picked := make([]demoRow, count)
	for i := range picked {
		picked[i] = rows[i*len(rows)/count]
	}
	return picked, nil
}

// demoRequest is a row of the trace with who sends it.
type demoRequest struct {
	demoRow
	index   int
	agent   *demoNode
	model   *demoNode
	runaway bool // of an agent that went wild, which no forecast knows of
}

// cost is what the request turns out to cost.
func (q *demoRequest) cost() bursar.Amount { return demoCost(q.model, q.context, q.generated) }

// demoAnswer is how long an answer an agent expects, and holds, before it calls the model, when
// it knows the prompt only: most of the trace's are shorter.
const demoAnswer = 96

// demoIncidents are agents that go wild: from a share of the trace to another, that
// share of all requests is theirs. Rank is their place among agents by normal traffic.
var demoIncidents = []struct {
	rank        int
	from, until float64
	share       float64
}{
	{rank: 90, from: 0.16, until: 0.24, share: 0.15},
	{rank: 150, from: 0.42, until: 0.50, share: 0.12},
	{rank: 210, from: 0.66, until: 0.74, share: 0.17},
}

const (
	demoZipf      = 0.85 // exponent of the spread over agents
	demoFaithful  = 0.85 // how much of an agent's traffic goes to the model it prefers
	demoLargeRate = 0.30 // agents that prefer the first model; half of the rest the second
)

// planDemo gives each row an agent and a model.
func planDemo(r *rand.Rand, o *demoOrg, rows []demoRow) []demoRequest {
	order := r.Perm(len(o.agents)) // rank → agent
	cumulated := make([]float64, len(order))
	sum := 0.0
	for rank := range cumulated {
		sum += math.Pow(float64(rank+1), -demoZipf)
		cumulated[rank] = sum
	}
	prefers := make([]int, len(o.agents))
	for i := range prefers {
		if r.Float64() >= demoLargeRate {
			prefers[i] = 1 + r.IntN(len(o.models)-1)
		}
	}
	plan := make([]demoRequest, len(rows))
	span := demoSpan(rows)
	for i, row := range rows {
		rank := min(sort.SearchFloat64s(cumulated, r.Float64()*sum), len(order)-1)
		q := demoRequest{demoRow: row, index: i}
		progress := float64(row.at) / float64(span)
		for _, in := range demoIncidents {
			if progress >= in.from && progress < in.until && r.Float64() < in.share {
				rank, q.runaway = in.rank, true
			}
		}
		agent := order[rank]
		model := prefers[agent]
		if r.Float64() >= demoFaithful {
			model = r.IntN(len(o.models))
		}
		q.agent, q.model = o.agents[agent], o.models[model]
		plan[i] = q
	}
	return plan
}

// demoSpan is the time from the first row to the last, at least a second.
func demoSpan(rows []demoRow) time.Duration { return max(time.Second, rows[len(rows)-1].at) }
