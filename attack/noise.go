//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"time"
)

func noisyReports(r *rig) error {
	s, err := r.prepared(10, 10)
	if err != nil {
		return err
	}
	reports := make([][]byte, 64) // nothing is left to compute for the attacker but to send
	for i := range reports {
		if reports[i], err = json.Marshal(usage("acme", fmt.Sprintf("agent-%d-%d", i%10, i/10%10), 100)); err != nil {
			return err
		}
	}
	return r.beside(s, len(reports), func(i int) error { return s.noise(admin, "POST", "/usage", reports[i]) })
}

func noisyEvents(r *rig) error {
	s, err := r.prepared(10, 10)
	if err != nil {
		return err
	}
	return r.beside(s, 16, func(i int) error {
		return s.noise(admin, "POST", "/events", events("acme", fmt.Sprintf("agent-%d-%d", i%10, i/10%10), 1000))
	})
}

func noisyTrees(r *rig) error {
	s, err := r.prepared(100, 200)
	if err != nil {
		return err
	}
	return r.beside(s, 16, func(int) error {
		return s.noise(admin, "GET", "/customers/acme/governance?featureIds=tokens&limit=1000", nil)
	})
}

func noisyBacktests(r *rig) error {
	s, err := r.prepared(1, 10)
	if err != nil {
		return err
	}
	err = each(100, 4, func(i int) error {
		return s.must("POST", "/events", events("acme", fmt.Sprintf("agent-0-%d", i%10), 1000), nil)
	})
	if err != nil {
		return err
	}
	return r.beside(s, 8, func(int) error {
		return s.noise(admin, "POST", "/customers/acme/simulate", backtest())
	})
}

// noisyListings has a token whose subtree has no activity read the activity of a customer
// that has 20,000 entries of it, and hourly history.
func noisyListings(r *rig) error {
	s, err := r.prepared(100, 200)
	if err != nil {
		return err
	}
	if err := s.must("PUT", "/customers/acme/entities", object{"entities": []object{{"id": "lonely", "entityTypeId": "team", "parentId": "org"}}}, nil); err != nil {
		return err
	}
	token, err := s.token("acme", "lonely", "read")
	if err != nil {
		return err
	}
	since := time.Now().AddDate(0, 0, -400).UTC().Format(time.RFC3339)
	return r.beside(s, 8, func(i int) error {
		path := "/customers/acme/activity?limit=100"
		if i%2 == 1 {
			path = "/customers/acme/entities/lonely/usage?featureId=tokens&granularity=HOUR&startDate=" + since
		}
		return s.noise(token, "GET", path, nil)
	})
}
