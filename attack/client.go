//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// client is shared by all requests, so that connections are kept.
var client = &http.Client{
	Timeout: 2 * time.Minute,
	Transport: &http.Transport{MaxIdleConnsPerHost: 512, DisableCompression: true,
		DialContext: (&net.Dialer{Timeout: 10 * time.Second}).DialContext},
}

// as is who asks: an API key or an access token.
type as string

// admin is the key of full scope.
const admin as = adminKey

// call does one request. A reply of any status is no error.
func (s *server) call(who as, method, path string, body any) (status int, reply []byte, err error) {
	var sent io.Reader
	switch b := body.(type) {
	case nil:
	case []byte:
		sent = bytes.NewReader(b)
	case string:
		sent = strings.NewReader(b)
	default:
		encoded, err := json.Marshal(b)
		if err != nil {
			return 0, nil, err
		}
		sent = bytes.NewReader(encoded)
	}
	q, err := http.NewRequestWithContext(s.ctx, method, "http://"+s.addr+"/api/v1"+path, sent)
	if err != nil {
		return 0, nil, err
	}
	q.Header.Set("Authorization", "Bearer "+string(who))
	if sent != nil {
		q.Header.Set("Content-Type", "application/json")
	}
	res, err := client.Do(q)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	reply, err = io.ReadAll(res.Body)
	return res.StatusCode, reply, err
}

// must does a request of the admin that has to succeed, and reads data out of its reply.
func (s *server) must(method, path string, body, data any) error {
	status, reply, err := s.call(admin, method, path, body)
	if err != nil {
		return err
	}
	if status/100 != 2 {
		return fmt.Errorf("%s %s: %d: %.400s", method, path, status, reply)
	}
	if data == nil {
		return nil
	}
	return json.Unmarshal(reply, &struct{ Data any }{data})
}

// noise does a request that may be put off, but has to be understood.
func (s *server) noise(who as, method, path string, body any) error {
	status, reply, err := s.call(who, method, path, body)
	if err == nil && status/100 != 2 && status != http.StatusTooManyRequests && status != http.StatusServiceUnavailable {
		err = fmt.Errorf("%s %s: %d: %.400s", method, path, status, reply)
	}
	return err
}

type object = map[string]any

// catalogue makes what all attacks use: levels org, team, agent, a feature that is
// reported and one that is fed by events.
func (s *server) catalogue() error {
	if err := s.must("PUT", "/entity-types", object{"types": []object{
		{"id": "org", "displayName": "Organisation", "attributionKeys": []string{"orgId"}},
		{"id": "team", "displayName": "Team", "attributionKeys": []string{"teamId"}},
		{"id": "agent", "displayName": "Agent", "attributionKeys": []string{"agentId"}}}}, nil); err != nil {
		return err
	}
	for _, f := range []object{
		{"id": "tokens", "displayName": "Tokens", "featureType": "NUMBER"},
		{"id": "calls", "displayName": "Calls", "featureType": "NUMBER",
			"meter": object{"eventName": "call", "aggregation": object{"function": "COUNT"}, "filters": []object{}}},
	} {
		if err := s.must("POST", "/features", f, nil); err != nil {
			return err
		}
	}
	return nil
}

// customer makes a customer of an org with teams of agents each, and a limit on all of
// them. Entities are named org, team-3 and agent-3-7.
func (s *server) customer(id string, teams, agents int) error {
	if err := s.must("POST", "/customers", object{"id": id}, nil); err != nil {
		return err
	}
	entities := []object{{"id": "org", "entityTypeId": "org"}}
	for t := range teams {
		team := fmt.Sprintf("team-%d", t)
		entities = append(entities, object{"id": team, "entityTypeId": "team", "parentId": "org"})
		for a := range agents {
			entities = append(entities, object{"id": fmt.Sprintf("agent-%d-%d", t, a), "entityTypeId": "agent", "parentId": team})
		}
	}
	for len(entities) > 0 {
		n := min(100, len(entities))
		limits := make([]object, 0, n)
		for _, e := range entities[:n] {
			limits = append(limits, object{"entityId": e["id"], "featureId": "tokens", "usageLimit": 1e12, "cadence": "P1M"})
		}
		if err := s.must("PUT", "/customers/"+id+"/entities", object{"entities": entities[:n]}, nil); err != nil {
			return err
		}
		if err := s.must("PUT", "/customers/"+id+"/assignments", object{"assignments": limits}, nil); err != nil {
			return err
		}
		entities = entities[n:]
	}
	return nil
}

// token makes an access token of a subtree; root "" is all of the customer.
func (s *server) token(customer, root string, permissions ...string) (as, error) {
	var made struct{ Token string }
	body := object{"permissions": permissions, "subject": "mallory"}
	if root != "" {
		body["rootEntityId"] = root
	}
	err := s.must("POST", "/customers/"+customer+"/access-tokens", body, &made)
	return as(made.Token), err
}

// reader is a token that reads acme, and the memory that the server has before it is used.
func (s *server) reader() (token as, before float64, err error) {
	token, err = s.token("acme", "", "read")
	return token, s.memory("VmRSS"), err
}

// usage is a report of n usages of a customer by an agent.
func usage(customer, agent string, n int) object {
	usages := make([]object, n)
	for i := range usages {
		usages[i] = object{"customerId": customer, "featureId": "tokens", "value": 1, "dimensions": object{"agentId": agent}}
	}
	return object{"usages": usages}
}

// events is n events of a customer, each with a key of its own.
func events(customer, agent string, n int) []byte {
	b := []byte(`{"events":[`)
	for i := range n {
		if i > 0 {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, `{"customerId":%q,"eventName":"call","idempotencyKey":"e%d","dimensions":{"agentId":%q}}`, customer, serial.Add(1), agent)
	}
	return append(b, "]}"...)
}

var serial atomic.Int64

// crowd runs do over and over in n goroutines until stop is called, which waits for them
// and gives how often it was done.
func crowd(n int, do func(i int) error) (stop func() (done int64, err error)) {
	var all sync.WaitGroup
	var ended atomic.Bool
	var done atomic.Int64
	var mu sync.Mutex
	var failed error
	for i := range n {
		all.Go(func() {
			for !ended.Load() {
				if err := do(i); err != nil {
					mu.Lock()
					failed = err
					mu.Unlock()
					return
				}
				done.Add(1)
			}
		})
	}
	return func() (int64, error) {
		ended.Store(true)
		all.Wait()
		return done.Load(), failed
	}
}

// each runs do for 0 to n in a few goroutines.
func each(n, workers int, do func(i int) error) error {
	var next atomic.Int64
	var all sync.WaitGroup
	var mu sync.Mutex
	var failed error
	for range workers {
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				if err := do(i); err != nil {
					mu.Lock()
					failed = err
					mu.Unlock()
					return
				}
			}
		})
	}
	all.Wait()
	return failed
}
