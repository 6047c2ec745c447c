//go:build linux

package main

import (
	"fmt"
	"sync"
	"time"
)

// wideHistory asks for 400 days of hours by a dimension of 900 values.
func wideHistory(r *rig) error {
	s, err := r.prepared(1, 1)
	if err != nil {
		return err
	}
	for i := range 9 {
		report := usage("acme", "agent-0-0", 100)
		for j, u := range report["usages"].([]object) {
			u["dimensions"] = object{"agentId": "agent-0-0", "tag": fmt.Sprintf("t%d", i*100+j)}
		}
		if err := s.must("POST", "/usage", report, nil); err != nil {
			return err
		}
	}
	token, before, err := s.reader()
	if err != nil {
		return err
	}
	path := "/customers/acme/entities/team-0/usage?featureId=tokens&granularity=HOUR&groupBy=tag&startDate=" +
		time.Now().AddDate(0, 0, -400).UTC().Format(time.RFC3339)
	var mu sync.Mutex
	longest, largest := 0.0, 0
	err = each(4, 4, func(int) error {
		began := time.Now()
		_, reply, _ := s.call(token, "GET", path, nil) // no reply is a long wait
		mu.Lock()
		defer mu.Unlock()
		longest, largest = max(longest, time.Since(began).Seconds()), max(largest, len(reply))
		return nil
	})
	r.add("the longest request", longest, "s", atMost(10))
	r.add("the largest reply", float64(largest)/(1<<20), "MiB", atMost(16))
	r.peak(s, before)
	return err
}

const longLog = 600_000 // events of acme in manySimulations

func manySimulations(r *rig) error {
	s, err := r.prepared(1, 10)
	if err != nil {
		return err
	}
	err = each(longLog/1000, 4, func(i int) error {
		return s.must("POST", "/events", events("acme", fmt.Sprintf("agent-0-%d", i%10), 1000), nil)
	})
	if err != nil {
		return err
	}
	token, before, err := s.reader()
	if err != nil {
		return err
	}
	var mu sync.Mutex
	statuses, longest := map[int]float64{}, 0.0
	err = each(8, 8, func(int) error {
		began := time.Now()
		status, _, _ := s.call(token, "POST", "/customers/acme/simulate", backtest()) // no reply is status 0
		mu.Lock()
		defer mu.Unlock()
		statuses[status]++
		longest = max(longest, time.Since(began).Seconds())
		return nil
	})
	r.add("answered 200, or with a job", statuses[200]+statuses[202], "", goal{})
	r.add("put off with 503 or 429", statuses[503]+statuses[429], "", goal{})
	r.add("not understood", statuses[400]+statuses[404], "", exactly(0))
	r.add("the longest request", longest, "s", atMost(11))
	r.peak(s, before)
	return err
}

// backtest tries a draft of a limit against all of the log.
func backtest() object {
	return object{"startDate": time.Now().AddDate(0, 0, -30).UTC().Format(time.RFC3339),
		"assignments": []object{{"entityId": "team-0", "featureId": "calls", "usageLimit": 10, "cadence": "P1M"}}}
}
