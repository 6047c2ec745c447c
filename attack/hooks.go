//go:build linux

package main

import (
	"fmt"
	"net"
	"time"
)

// deadEndpoint has 100,000 deliveries wait for an endpoint whose host refuses connections,
// and deafEndpoint for one that takes them and never answers.
func deadEndpoint(r *rig) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil { // nobody listens there now
		return err
	}
	return r.besideDeliveries("http://" + addr)
}

func deafEndpoint(r *rig) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	r.cleanup = append(r.cleanup, l.Close)
	return r.besideDeliveries("http://" + l.Addr().String())
}

// besideDeliveries measures quiet customers without deliveries that wait, and with them.
func (r *rig) besideDeliveries(url string) error {
	s, err := r.start("--webhook-allow=127.0.0.0/8", "--webhook-allow-http")
	if err != nil {
		return err
	}
	if err := s.catalogue(); err != nil {
		return err
	}
	return r.besideBacklog(s, func() error {
		if err := s.must("POST", "/webhooks", object{"url": url, "eventTypes": []string{"entity.updated"}}, nil); err != nil {
			return err
		}
		if err := s.customer("acme", 10, 99); err != nil {
			return err
		}
		err := each(1010, 4, func(i int) error {
			team := fmt.Sprintf("team-%d", i%10)
			var entities []object
			for a := range 99 {
				entities = append(entities, object{"id": fmt.Sprintf("agent-%d-%d", i%10, a), "entityTypeId": "agent",
					"parentId": team, "displayName": fmt.Sprint("change ", i)})
			}
			return s.must("PUT", "/customers/acme/entities", object{"entities": entities}, nil)
		})
		if err != nil {
			return err
		}
		time.Sleep(2 * time.Second) // the burst itself is over
		return nil
	})
}

// rounds are as many as meet what is done each minute.
const rounds = 8

// besideBacklog measures the quiet customers before prepare and after it.
func (r *rig) besideBacklog(s *server, prepare func() error) error {
	if err := s.quietCustomers(); err != nil {
		return err
	}
	if _, err := s.quietly(); err != nil { // warms up
		return err
	}
	disk := s.written()
	alone, err := s.quietly()
	if err != nil {
		return err
	}
	quietly := s.written() - disk
	if err := prepare(); err != nil {
		return err
	}
	disk = s.written()
	loud := quiet{new(latencies), new(latencies)}
	for range rounds {
		q, err := s.quietly()
		if err != nil {
			return err
		}
		loud.Checks.add(q.Checks)
		loud.Writes.add(q.Writes)
	}
	r.add("written to the disk beside ÷ alone", (s.written()-disk)/rounds/quietly, "", atMost(1.5))
	r.compare(alone, loud)
	return nil
}
