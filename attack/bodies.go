//go:build linux

package main

import (
	"fmt"
	"net"
	"strings"
	"time"
)

// prepared starts a server that has a catalogue and the customer acme.
func (r *rig) prepared(teams, agents int) (*server, error) {
	s, err := r.start()
	if err != nil {
		return nil, err
	}
	if err := s.catalogue(); err != nil {
		return nil, err
	}
	return s, s.customer("acme", teams, agents)
}

// announce opens n connections whose requests announce a body of size bytes, of which 11
// arrive, and holds them for some seconds.
func (s *server) announce(n, size int, who as, path string) error {
	var open []net.Conn
	defer func() {
		for _, c := range open {
			_ = c.Close()
		}
	}()
	for range n {
		c, err := net.DialTimeout("tcp", s.addr, 10*time.Second)
		if err != nil {
			break // no more connections are taken, which is an answer
		}
		open = append(open, c)
		_ = c.SetWriteDeadline(time.Now().Add(5 * time.Second))
		_, _ = fmt.Fprintf(c, "POST /api/v1%s HTTP/1.1\r\nHost: bursar\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n{\"events\":[", path, who, size)
	}
	time.Sleep(4 * time.Second)
	return nil
}

func announcedBodies(r *rig) error {
	s, err := r.prepared(1, 1)
	if err != nil {
		return err
	}
	before := s.memory("VmRSS")
	if err := s.announce(600, 10_000_000, admin, "/events"); err != nil {
		return err
	}
	r.peak(s, before)
	r.add("resident memory that came with them", (s.memory("VmHWM")-before)/(1<<20), "MiB", atMost(256))
	return nil
}

func announcedTokenBodies(r *rig) error {
	s, err := r.prepared(1, 1)
	if err != nil {
		return err
	}
	token, before, err := s.reader()
	if err != nil {
		return err
	}
	if err := s.announce(2000, 1_000_000, token, "/customers/acme/explain"); err != nil {
		return err
	}
	r.peak(s, before)
	r.add("resident memory that came with them", (s.memory("VmHWM")-before)/(1<<20), "MiB", atMost(256))
	return nil
}

func manyDimensions(r *rig) error {
	s, err := r.prepared(1, 1)
	if err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString(`{"events":[{"customerId":"acme","eventName":"call","idempotencyKey":"many","dimensions":{`)
	for i := range 800_000 {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `"%x":1`, i)
	}
	b.WriteString(`}}]}`)
	body := []byte(b.String())
	before := s.memory("VmRSS")
	taken := 0.0
	err = each(16, 16, func(int) error {
		status, _, err := s.call(admin, "POST", "/events", body)
		if status == 201 {
			taken = 1
		}
		return err
	})
	r.add("requests that were taken", taken, "", exactly(0))
	r.peak(s, before)
	r.add("resident memory that came with them", (s.memory("VmHWM")-before)/(1<<20), "MiB", atMost(256))
	return err
}
