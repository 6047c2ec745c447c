//go:build linux

package main

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"time"
)

// startPart builds a large customer and times how long a server takes from its start to
// its first right answer about it, after a clean stop and after a crash.
func (b *bench) startPart() error {
	b.bursar.kill() // its memory is wanted; this part is the last to need a server
	t := tree{ID: large, Levels: standardLevels, Leaves: b.million, Used: true}
	spec := seedSpec{Dir: filepath.Join(b.tmp, "large"), Customers: []tree{t}}
	var seeded seedResult
	if err := call(b.ctx, "seed", spec, &seeded); err != nil {
		return err
	}
	n := float64(seeded.Entities)
	fmt.Printf("%.0f entities with a limit and a counter each made in %.1f s, %.0f bytes each on disk\n", n, seeded.Seconds, diskUse(spec.Dir)/n)
	b.report.add("entities of the large customer", "", goal{}, n)
	b.report.add("bytes on disk per entity, with its log", "", below(600), diskUse(spec.Dir)/n)
	if err := b.entityCost(spec.Dir, &t); err != nil {
		return err
	}
	for i := range b.rounds {
		s, err := b.timeStart("start to first check, after a stop", spec.Dir, seeded.Key, &t, below(1), i == 0)
		if err != nil {
			return err
		}
		if i == 0 {
			if err := b.largeChecks(s, n); err != nil {
				return err
			}
		}
		if err := s.stop(); err != nil {
			return err
		}
	}
	return b.crashes(spec.Dir, seeded.Key, &t)
}

// timeStart times one start. exact tells that leaves have not been used since they were
// made.
func (b *bench) timeStart(name, dir, key string, t *tree, within goal, exact bool) (*server, error) {
	s, err := startBursar(b.ctx, b.config.bursar, dir, key)
	if err != nil {
		return nil, err
	}
	var used *float64
	if one := 1.0; exact {
		used = &one
	}
	if err := expectCheck(s, t.ID, t.Levels, t.entityID(t.Levels, t.Leaves-1), used); err != nil {
		s.kill()
		return nil, err
	}
	took, cpu := time.Since(s.began).Seconds(), processCPU(s.pid())
	fmt.Printf("%-40s %.2f s, CPU %.2f s\n", name, took, cpu)
	b.report.add(name, "s", within, took)
	b.report.add("CPU of "+name, "s", goal{}, cpu)
	return s, nil
}

// largeChecks is memory, and what a check costs among so many entities.
func (b *bench) largeChecks(s *server, n float64) error {
	rss := memory(s.pid(), "VmRSS")
	heap, err := s.liveHeap()
	if err != nil {
		return err
	}
	b.report.add("RSS after start", "MB", goal{}, rss/1e6)
	b.report.add("live heap bytes per entity", "", below(200), heap/n)
	r, err := b.measure(&cell{name: "check, large customer", server: s, requests: []request{checkOf(large, s.key)}, conns: 16, leaves: b.million})
	if err != nil {
		return err
	}
	b.report.add("server CPU of a check, large customer", "µs", goal{}, r.MicrosPerUnit)
	return b.largePages(s)
}

// crashes kills a server that has been written to since its last checkpoint.
func (b *bench) crashes(dir, key string, t *tree) error {
	for range b.rounds {
		s, err := startBursar(b.ctx, b.config.bursar, dir, key)
		if err != nil {
			return err
		}
		if err := expectCheck(s, t.ID, t.Levels, t.entityID(t.Levels, 0), nil); err != nil {
			return err
		}
		r := reportOf("/api/v1/usage", key, batchItems)
		r.Body = replaceCustomer(r.Body, t.ID)
		_, err = b.measure(&cell{name: "usage, before crash", server: s, requests: []request{r}, units: batchItems, conns: 4, scale: 0.5, leaves: t.Leaves})
		s.kill()
		if err != nil {
			return err
		}
		if s, err = b.timeStart("start to first check, after a crash", dir, key, t, below(2), false); err != nil {
			return err
		}
		if err := s.stop(); err != nil {
			return err
		}
	}
	return nil
}

// entityCost is what the number of entities costs the engine alone.
func (b *bench) entityCost(dir string, t *tree) error {
	for _, of := range []struct {
		name string
		spec engineSpec
	}{
		{"engine alone, CPU of a check among 1,000 entities", engineSpec{Tree: tree{ID: "small", Levels: t.Levels, Leaves: 900}}},
		{"engine alone, CPU of a check in the large customer", engineSpec{Dir: dir, Tree: *t}},
	} {
		if _, err := b.engineAlone(of.name, &of.spec); err != nil {
			return err
		}
	}
	return nil
}

// engineAlone measures checks without HTTP and notes a figure.
func (b *bench) engineAlone(name string, s *engineSpec) (r engineResult, err error) {
	s.Seconds, s.Rounds = b.cell.Seconds()/3, b.rounds
	if err := call(b.ctx, "engine", s, &r); err != nil {
		return r, err
	}
	fmt.Printf("%-55s %6.0f ns, %.0f allocations\n", name, median(r.Nanos), median(r.Allocs))
	for _, ns := range r.Nanos {
		b.report.add(name, "ns", goal{}, ns)
	}
	return r, nil
}

func diskUse(dir string) (n float64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil // a file that went away meanwhile
		}
		if info, err := d.Info(); err == nil && info.Mode().IsRegular() {
			n += float64(info.Size())
		}
		return nil
	})
	return n
}
