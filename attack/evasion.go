//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"sync/atomic"
)

// evasion lets a team's admin write 600 limits on an agent below a limit that was set
// from above, then has the agent ask before each use, and report what it was granted.
func evasion(r *rig) error {
	s, err := r.start()
	if err != nil {
		return err
	}
	if err := s.catalogue(); err != nil {
		return err
	}
	if err := s.customer("acme", 2, 1); err != nil {
		return err
	}
	if err := s.must("PUT", "/customers/acme/assignments", object{"assignments": []object{
		{"entityId": "team-0", "featureId": "tokens", "usageLimit": 100, "cadence": "P1M"}}}, nil); err != nil {
		return err
	}
	token, err := s.token("acme", "team-0", "read", "manage")
	if err != nil {
		return err
	}
	for i := range 6 {
		limits := make([]object, 100)
		for j := range limits {
			limits[j] = object{"entityId": "agent-0-0", "featureId": "tokens", "usageLimit": nil, "cadence": "P1M", "label": fmt.Sprintf("l%d", i*100+j)}
		}
		if _, _, err := s.call(token, "PUT", "/customers/acme/assignments", object{"assignments": limits}); err != nil {
			return err
		}
	}
	granted, recorded, others := 0.0, 0.0, 0.0
	for range 40 {
		_, reply, err := s.call(admin, "GET", "/customers/acme/entitlements/check?featureId=tokens&requestedUsage=10&dimensions[agentId]=agent-0-0", nil)
		if err != nil {
			return err
		}
		var d struct{ Data struct{ IsGranted bool } } // its chains say of each limit the same word
		if err := json.Unmarshal(reply, &d); err != nil {
			return err
		}
		if !d.Data.IsGranted {
			continue
		}
		granted += 10
		report := usage("acme", "agent-0-0", 1)
		report["usages"] = append(report["usages"].([]object), usage("acme", "agent-1-0", 1)["usages"].([]object)...)
		report["usages"].([]object)[0]["value"] = 10
		status, _, err := s.call(admin, "POST", "/usage", report)
		if err != nil {
			return err
		}
		if status == 201 {
			others++
		}
	}
	used, err := s.used("acme")
	if err != nil {
		return err
	}
	recorded = used["team-0"]
	r.add("granted by checks", granted, "units", atMost(100))
	r.add("granted and recorded on the limit from above", recorded, "units", exactly(granted))
	r.add("others' usage in the same reports", used["team-1"], "units", exactly(granted/10))
	return nil
}

// used gives what each entity of a customer has used of tokens, by its row without label.
func (s *server) used(customer string) (map[string]float64, error) {
	var rows []struct {
		EntityID     string
		Label        *string
		CurrentUsage *float64
	}
	_, reply, err := s.call(admin, "GET", "/customers/"+customer+"/governance?featureIds=tokens&limit=1000&label=", nil)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(reply, &struct{ Data any }{&rows}); err != nil {
		return nil, err
	}
	used := map[string]float64{}
	for _, row := range rows {
		if row.CurrentUsage != nil && (row.Label == nil || *row.Label == "") {
			used[row.EntityID] += *row.CurrentUsage
		}
	}
	return used, nil
}

// manyLimits has a token write 20,000 limits on one agent, and asks about it.
func manyLimits(r *rig) error {
	s, err := r.start()
	if err != nil {
		return err
	}
	if err := s.catalogue(); err != nil {
		return err
	}
	if err := s.customer("acme", 1, 1); err != nil {
		return err
	}
	token, err := s.token("acme", "team-0", "read", "manage")
	if err != nil {
		return err
	}
	var written atomic.Int64
	err = each(200, 4, func(i int) error {
		limits := make([]object, 100)
		for j := range limits {
			limits[j] = object{"entityId": "agent-0-0", "featureId": "tokens", "usageLimit": 5, "cadence": "P1M", "label": fmt.Sprintf("l%d", i*100+j)}
		}
		status, _, err := s.call(token, "PUT", "/customers/acme/assignments", object{"assignments": limits})
		if status == 200 {
			written.Add(100)
		}
		return err
	})
	if err != nil {
		return err
	}
	_, reply, err := s.call(admin, "GET", "/customers/acme/entitlements/check?featureId=tokens&dimensions[agentId]=agent-0-0", nil)
	r.add("limits that were written", float64(written.Load()), "", atMost(64))
	r.add("a check's reply", float64(len(reply))/1024, "KiB", atMost(64))
	return err
}
