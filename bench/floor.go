//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"
)

// The floor is what every other figure is divided by: net/http and encoding/json with
// next to nothing behind them.
//
//	POST /check   decodes a small question, encodes a small answer
//	POST /append  decodes usage as Bursar takes it and answers after the fdatasync of
//	              the group that holds it: the floor of durable ingest
type floorSpec struct{ WAL string }

type floorQuestion struct {
	CustomerID string            `json:"customerId"`
	FeatureID  string            `json:"featureId"`
	Dimensions map[string]string `json:"dimensions"`
	Amount     int64             `json:"amount"`
}

type floorAnswer struct {
	Allowed   bool   `json:"allowed"`
	Remaining int64  `json:"remaining"`
	By        string `json:"by"`
}

type floorUsage struct {
	Usages []struct {
		CustomerID     string            `json:"customerId"`
		FeatureID      string            `json:"featureId"`
		Value          int64             `json:"value"`
		IdempotencyKey string            `json:"idempotencyKey"`
		Dimensions     map[string]string `json:"dimensions"`
	} `json:"usages"`
}

// runFloor serves until it is killed. The first line that it prints is its address.
func runFloor() error {
	var s floorSpec
	if err := json.NewDecoder(os.Stdin).Decode(&s); err != nil {
		return err
	}
	w, err := openWAL(s.WAL)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /check", floorCheck)
	mux.HandleFunc("POST /append", w.serve)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	return http.Serve(l, mux)
}

func floorCheck(w http.ResponseWriter, r *http.Request) {
	var q floorQuestion
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	b, _ := json.Marshal(floorAnswer{q.Amount > 0, q.Amount, q.Dimensions["agentId"]})
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(b)
}

// wal takes records in groups: while one is being written and synced the next fills.
type wal struct {
	f    *os.File
	off  int64
	mu   sync.Mutex
	buf  []byte
	done chan struct{}
	kick chan struct{}
}

const walSize = 128 << 20

// openWAL writes the whole file first: a sync of one that grows would change metadata
// too and take longer.
func openWAL(path string) (*wal, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	zeros := make([]byte, 1<<20)
	for range walSize / len(zeros) {
		if _, err := f.Write(zeros); err != nil {
			return nil, err
		}
	}
	if err := f.Sync(); err != nil {
		return nil, err
	}
	w := &wal{f: f, done: make(chan struct{}), kick: make(chan struct{}, 1)}
	go w.run()
	return w, nil
}

func (w *wal) run() {
	for range w.kick {
		w.mu.Lock()
		buf, done := w.buf, w.done
		w.buf, w.done = nil, make(chan struct{})
		w.mu.Unlock()
		if w.off+int64(len(buf)) > walSize {
			w.off = 0 // nobody reads it: it may begin anew
		}
		if _, err := w.f.WriteAt(buf, w.off); err != nil {
			panic(err)
		}
		w.off += int64(len(buf))
		if err := syscall.Fdatasync(int(w.f.Fd())); err != nil {
			panic(err)
		}
		close(done)
	}
}

func (w *wal) append(rec []byte) {
	w.mu.Lock()
	w.buf = append(w.buf, rec...)
	done := w.done
	w.mu.Unlock()
	select {
	case w.kick <- struct{}{}:
	default:
	}
	<-done
}

func (w *wal) serve(rw http.ResponseWriter, r *http.Request) {
	var in floorUsage
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	var rec []byte
	for i := range in.Usages {
		u := &in.Usages[i]
		rec = fmt.Appendf(rec, "%s %s %d %s\n", u.FeatureID, u.IdempotencyKey, u.Value, u.Dimensions["agentId"])
	}
	w.append(rec)
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(http.StatusCreated)
	_, _ = io.WriteString(rw, `{"ok":true}`)
}
