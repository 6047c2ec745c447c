package engine

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
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
