package engine

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"slices"
	"time"

	"github.com/bursarhq/bursar"
)

// Waiting counts the requests that wait for the write path.
func Waiting(e *Engine) int {
	e.lane.mu.Lock()
	defer e.lane.mu.Unlock()
	n := 0
	for _, q := range e.lane.queues {
		n += q.n
	}
	return n
}

// FeedSize is how much a watcher may miss.
const FeedSize = feedSize

// Forget drops a customer from memory, as after a commit of unknown outcome.
func (e *Engine) Forget(customer string) { e.dropID(customer) }

// Forged is an export with other rows and payloads in it, whose checksums and hashes are
// right again: what somebody could make who knows how.
func Forged(file []byte, rows func(kind string, rows []byte) []byte, payload func(stream string, seq uint64, payload []byte) []byte) []byte {
	var out bytes.Buffer
	var t Transfer
	w := exportWriter{to: &out, section: newSum(), all: newSum(), t: &t}
	var head Head
	var stream string
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	for _, line := range bytes.Split(bytes.TrimSuffix(file, []byte("\n")), []byte("\n")) {
		var l struct {
			Type, ID string
			Rows     json.RawMessage
		}
		must(json.Unmarshal(line, &l))
		switch l.Type {
		case lineHeader, lineMessage:
			w.buf = append(w.buf[:0], line...)
			must(w.flush())
			if l.Type == lineHeader {
				w.all.Reset()
			}
		case lineCatalogue, lineCustomer:
			head, stream = Head{}, l.ID
			w.section.Reset()
			must(w.sealed(streamLine{l.Type, l.ID}))
		case lineCheckpoint, lineActivity, lineFirst:
			l.Rows = rows(l.Type, l.Rows)
			must(w.sealed(rowsLine{l.Type, l.Rows}))
			var row LogRow
			if l.Type == lineFirst {
				must(DecodeRows(l.Rows, &row))
				head = row.Head
			}
		case lineCommit:
			r, _ := parseCommitLine(line)
			r.Payload = payload(stream, r.Head.Seq, r.Payload)
			r.Head.Hash = chain(head, r.ID, r.Head.Now, r.Payload)
			head = r.Head
			must(w.commit(&r))
		case lineBase:
			var b baseLine
			must(json.Unmarshal(line, &b))
			b.Lines = sumText(w.section)
			must(w.sealed(b))
		case lineEnd:
			var e endLine
			must(json.Unmarshal(line, &e))
			e.Hash, e.Lines = fmt.Sprintf("%x", head.Hash), sumText(w.section)
			must(w.sealed(e))
		case lineTotal:
			var e totalLine
			must(json.Unmarshal(line, &e))
			e.Lines = sumText(w.all)
			must(w.sealed(e))
		}
	}
	return out.Bytes()
}

// Payload gives a payload, or what was made of one, its checksum.
func Payload(b []byte) []byte {
	n := len(b) - 4
	return binary.LittleEndian.AppendUint32(b[:n:n], crc32.Checksum(b[:n], castagnoli))
}

// Housekeep is one round of housekeeping, and Looks how many customers rounds have had a
// look at so far.
func Housekeep(e *Engine) {
	e.keepUp()
	e.evict()
}

func Looks(e *Engine) int {
	e.keeper.mu.Lock()
	defer e.keeper.mu.Unlock()
	return e.keeper.looks
}

// Tick records what time has done to a customer.
func (e *Engine) Tick(customer string) error {
	_, _, err := e.write(context.Background(), system, customer, tickOp{})
	return err
}

// Standing is what a customer's log comes to, without its instants: who used and holds how
// much, and how reservations, grants and sets of values stand.
func Standing(ctx context.Context, s Store, customer string) (string, error) {
	st := newState()
	if err := s.ReadLog(ctx, customer, 0, 0, func(row LogRow) error { return st.fold(customer, &row) }); err != nil {
		return "", err
	}
	var b bytes.Buffer
	for ord, def := range st.rows {
		if def != nil {
			c := newView(st, st.head.Now).counter(uint32(ord), def)
			fmt.Fprintf(&b, "row %d: %s before, %s used, %s held\n", ord, c.prev, c.used, c.held)
		}
		if f := st.fired[uint32(ord)]; f != nil {
			fmt.Fprintf(&b, "row %d: fired %v\n", ord, f.levels)
		}
	}
	for _, cap := range sortedOrds(st.totals) {
		fmt.Fprintf(&b, "%s: %s used, %s held\n", st.caps.at(cap), st.totals[cap].value, st.totals[cap].held)
	}
	for k, l := range st.levels {
		fmt.Fprintf(&b, "level %v: %s\n", k, l.value)
	}
	for id, h := range st.holds {
		fmt.Fprintf(&b, "%s: %s, %s of %s for %s\n", formatID(id), h.status, h.recorded, h.amount, time.Duration(h.expires-h.created))
	}
	for ord, g := range st.grants[1:] {
		fmt.Fprintf(&b, "grant %d: %s, %s of %s\n", ord+1, g.Status, g.Consumed, g.Amount)
	}
	for cap, p := range st.pools {
		fmt.Fprintf(&b, "pool %d: %s of %s, %v\n", cap, p.used, p.limit, p.low)
	}
	for k, set := range st.uniques {
		fmt.Fprintf(&b, "values of %d, %d: %d\n", k.row, k.cap, set.count())
	}
	lines := bytes.Split(b.Bytes(), []byte("\n"))
	slices.SortFunc(lines, bytes.Compare)
	return string(bytes.Join(lines, []byte("\n"))), nil
}

// Revoke appends n revocations of tokens, each a commit as RevokeAccessToken makes it, to the
// catalogue's log, which no engine uses meanwhile.
func Revoke(ctx context.Context, s Store, n int, now, until bursar.Time) error {
	heads, _, _, err := s.Heads(ctx, []string{CatalogueStream}, nil)
	at := heads[0]
	for n > 0 && err == nil {
		var commits []Commit
		for ; n > 0 && len(commits) < importBatch; n-- {
			body, _ := json.Marshal(&revokedToken{formatID(idAt(now, uint64(n), 0, at.Hash)), now.Milli(), until})
			c := Commit{Stream: CatalogueStream, After: at, ID: at.Hash, Now: now, Payload: encodePayload(nil, []record{&catalogueRec{"tokenRevoked", body}}), Imported: true}
			c.Hash = chain(at, c.ID, c.Now, c.Payload)
			at = c.Head()
			commits = append(commits, c)
		}
		_, err = s.Append(ctx, commits, nil)
	}
	return err
}

// RevokedCount is how many revocations are known; RevokedLooks how many were looked at, all in
// all, to be rid of those that have ended.
func RevokedCount(e *Engine) int { return len(e.Catalogue().revoked) }
func RevokedLooks(e *Engine) int { return e.Catalogue().revokedSweep.looked }
