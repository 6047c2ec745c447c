package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/bursarhq/bursar"
)

// demoScreen takes lines from several goroutines. On a terminal the progress is one line
// at the bottom that changes, else each of its states is a line.
type demoScreen struct {
	out      io.Writer
	terminal bool

	mu   sync.Mutex
	last string // the line at the bottom
}

func newDemoScreen(out io.Writer) *demoScreen {
	f, ok := out.(*os.File)
	if !ok {
		return &demoScreen{out: out}
	}
	info, err := f.Stat()
	return &demoScreen{out: out, terminal: err == nil && info.Mode()&os.ModeCharDevice != 0}
}

const clearLine = "\r\x1b[K"

// say prints a line that stays.
func (s *demoScreen) say(at bursar.Time, what, text string) {
	line := fmt.Sprintf("  %s  %-8s %s\n", at.Std().Format(time.TimeOnly), what, text)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.terminal {
		line = clearLine + line + s.last
	}
	_, _ = io.WriteString(s.out, line)
}

// progress shows how far it is.
func (s *demoScreen) progress(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.terminal {
		s.last = line
		_, _ = io.WriteString(s.out, clearLine+line)
		return
	}
	_, _ = io.WriteString(s.out, line+"\n")
}

// end leaves the line at the bottom as it is.
func (s *demoScreen) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.terminal {
		s.last = ""
		_, _ = io.WriteString(s.out, "\n")
	}
}

// follow reports how a replay goes until done is closed, and once more then.
func (s *demoScreen) follow(d *demoReplay, done <-chan struct{}) {
	every := 5 * time.Second
	if s.terminal {
		every = 500 * time.Millisecond
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	line := func() {
		t := d.figures()
		s.progress(fmt.Sprintf("  %s  %5s of the hour: %s requests, %s stopped, %s credits spent", d.clock.now().Std().Format(time.TimeOnly),
			time.Unix(0, int64(t.at)).UTC().Format("04:05"), commas(t.sent), commas(t.denied), wholeCredits(t.spent)))
	}
	for {
		select {
		case <-done:
			line()
			s.end()
			return
		case <-tick.C:
			line()
		}
	}
}
