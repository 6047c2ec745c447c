//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// written makes a store with some of everything and stops its server, or kills it.
func (r *rig) written(kill bool) (dir string, answers map[string]string, err error) {
	if dir, err = r.dataDir(); err != nil {
		return "", nil, err
	}
	s, err := r.startOn(dir)
	if err != nil {
		return "", nil, err
	}
	if err := s.catalogue(); err != nil {
		return "", nil, err
	}
	for c := range 3 {
		if err := s.customer(fmt.Sprintf("c%d", c), 3, 10); err != nil {
			return "", nil, err
		}
	}
	for i := range 60 {
		c, agent := fmt.Sprintf("c%d", i%3), fmt.Sprintf("agent-%d-%d", i%3, i%10)
		if err := s.must("POST", "/usage", usage(c, agent, 20), nil); err != nil {
			return "", nil, err
		}
		if err := s.must("POST", "/events", events(c, agent, 10), nil); err != nil {
			return "", nil, err
		}
		if err := s.must("POST", "/customers/"+c+"/reservations", object{"featureId": "tokens", "amount": 1, "ttlSeconds": 86400,
			"dimensions": object{"agentId": agent}, "idempotencyKey": fmt.Sprintf("h%d", i)}, nil); err != nil {
			return "", nil, err
		}
	}
	if kill {
		answers, err = s.answers()
		s.kill()
		return dir, answers, err
	}
	if err := s.stop(); err != nil { // what is saved is in both files
		return "", nil, err
	}
	if s, err = r.startOn(dir); err != nil {
		return "", nil, err
	}
	if answers, err = s.answers(); err != nil {
		return "", nil, err
	}
	return dir, answers, s.stop()
}

// answers is what the server says to a set of questions; what it refuses is absent.
func (s *server) answers() (map[string]string, error) {
	paths := []string{"/entity-types", "/features", "/customers?limit=100"}
	for c := range 3 {
		p := fmt.Sprintf("/customers/c%d", c)
		paths = append(paths, p, p+"/entities?limit=100", p+"/assignments?limit=100", p+"/governance?featureIds=tokens&limit=1000",
			p+"/governance?featureIds=calls&limit=1000", p+"/activity?limit=100", p+"/reservations?limit=100",
			p+"/entities/org/usage?featureId=tokens&granularity=DAY&startDate=2026-01-01T00:00:00Z",
			p+"/entitlements/check?featureId=tokens&dimensions[agentId]=agent-0-0")
	}
	answers := map[string]string{}
	for _, p := range paths {
		status, reply, err := s.call(admin, "GET", p, nil)
		if err != nil {
			return answers, err
		}
		if status != 200 {
			continue
		}
		var v map[string]any
		if err := json.Unmarshal(reply, &v); err != nil {
			return answers, fmt.Errorf("%s: %w", p, err)
		}
		delete(v, "asOf")
		plain, err := json.Marshal(v)
		if err != nil {
			return answers, err
		}
		answers[p] = string(plain)
	}
	return answers, nil
}

// flippedBits flips one bit at a random place of a file, starts the server, and compares
// what it answers with what it answered before.
func flippedBits(r *rig) error {
	dir, right, err := r.written(false)
	if err != nil {
		return err
	}
	files, err := snapshot(dir)
	if err != nil {
		return err
	}
	var names []string
	for name, content := range files {
		if len(content) > 0 && strings.Contains(name, ".db") && !strings.HasSuffix(name, "-shm") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	random := rand.New(rand.NewPCG(1, 2))
	same, refused, served := 0.0, 0.0, 0.0
	for i := range r.flips {
		name := names[i%len(names)]
		place, bit := random.IntN(len(files[name])), random.IntN(8)
		if err := restore(dir, files); err != nil {
			return err
		}
		damaged := slices.Clone(files[name])
		damaged[place] ^= 1 << bit
		if err := os.WriteFile(filepath.Join(dir, name), damaged, 0o600); err != nil {
			return err
		}
		s, err := r.startOn(dir)
		if err != nil {
			if r.ctx.Err() != nil {
				return err
			}
			refused++
			continue
		}
		got, _ := s.answers() // what ended the server is a refusal
		s.kill()
		r.servers = r.servers[:len(r.servers)-1]
		wrong, missing := "", false
		for path, answer := range right {
			a, ok := got[path]
			if !ok {
				missing = true
			} else if a != answer {
				wrong = path
			}
		}
		switch {
		case wrong != "":
			served++
			fmt.Printf("   served: %s, bit %d of byte %d: %s\n", name, bit, place, wrong)
		case missing:
			refused++
		default:
			same++
		}
	}
	r.add("bits flipped", float64(r.flips), "", goal{})
	r.add("made no difference", same, "", goal{})
	r.add("refused, all or in part", refused, "", goal{})
	r.add("changed an answer without a word", served, "", exactly(0))
	return nil
}

func snapshot(dir string) (map[string][]byte, error) {
	entries, err := os.ReadDir(dir)
	files := map[string][]byte{}
	for _, e := range entries {
		content, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		files[e.Name()] = content
	}
	return files, err
}

func restore(dir string, files map[string][]byte) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// damagedFiles takes files away or damages them. Each has to be noticed at the start, or
// to make no difference.
func damagedFiles(r *rig) error {
	for _, c := range []struct {
		name string
		kill bool // the server was killed, so its log is in the write-ahead file
		do   func(dir string) error
	}{
		{"log.db is missing", false, func(dir string) error { return os.Remove(filepath.Join(dir, "log.db")) }},
		{"log.db and its write-ahead file are missing", true, func(dir string) error {
			_ = os.Remove(filepath.Join(dir, "log.db-wal"))
			return os.Remove(filepath.Join(dir, "log.db"))
		}},
		{"the write-ahead file is missing", true, func(dir string) error { return os.Remove(filepath.Join(dir, "log.db-wal")) }},
		{"the write-ahead file is damaged in its middle", true, func(dir string) error { return scribble(filepath.Join(dir, "log.db-wal"), 0.1) }},
		{"state.db is damaged in its middle", false, func(dir string) error { return scribble(filepath.Join(dir, "state.db"), 0.5) }},
		{"state.db is damaged at its start", false, func(dir string) error { return scribble(filepath.Join(dir, "state.db"), 0) }},
		{"state.db is missing", false, func(dir string) error { return os.Remove(filepath.Join(dir, "state.db")) }},
	} {
		dir, right, err := r.written(c.kill)
		if err != nil {
			return err
		}
		if err := c.do(dir); err != nil {
			return err
		}
		lost, started := 0.0, 0.0
		if s, err := r.startOn(dir); err == nil {
			started = 1
			got, _ := s.answers()
			for path, answer := range right {
				if a, ok := got[path]; ok && a != answer {
					lost++
				}
			}
			s.kill()
		}
		r.add(c.name+": answers that changed without a word", lost, "", exactly(0))
		if strings.HasPrefix(c.name, "state.db") {
			r.add(c.name+": starts all the same", started, "", exactly(1))
		}
	}
	return nil
}

// scribble overwrites 512 bytes from a place in the file.
func scribble(path string, part float64) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	junk := make([]byte, 512)
	for i := range junk {
		junk[i] = byte(rand.IntN(256))
	}
	_, err = f.WriteAt(junk, int64(part*float64(info.Size())))
	return err
}
