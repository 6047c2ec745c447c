//go:build linux

package main

import (
	"fmt"
	"time"
)

func noisyReports(r *rig) error {
	s, err := r.prepared(10, 10)
	if err != nil {
		return err
	}
	return r.beside(s, 64, func(i int) error {
		_, _, err := s.call(admin, "POST", "/usage", usage("acme", fmt.Sprintf("agent-%d-%d", i%10, i/10%10), 100))
		return err
	})
}

func noisyEvents(r *rig) error {
	s, err := r.prepared(10, 10)
	if err != nil {
		return err
	}
	return r.beside(s, 16, func(i int) error {
		_, _, err := s.call(admin, "POST", "/events", events("acme", fmt.Sprintf("agent-%d-%d", i%10, i/10%10), 1000))
		return err
	})
}

func noisyTrees(r *rig) error {
	s, err := r.prepared(100, 200)
	if err != nil {
		return err
	}
	return r.beside(s, 16, func(int) error {
		_, _, err := s.call(admin, "GET", "/customers/acme/governance?featureIds=tokens&limit=1000", nil)
		return err
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
		_, _, err := s.call(admin, "POST", "/customers/acme/simulate", backtest)
		return err
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
		_, _, err := s.call(token, "GET", path, nil)
		return err
	})
}
