package transfer

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"

	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// Forged is an export with other rows and payloads in it, whose checksums and hashes are
// right again: what somebody could make who knows how.
func Forged(file []byte, rows func(kind string, rows []byte) []byte, payload func(stream string, seq uint64, payload []byte) []byte) []byte {
	var out bytes.Buffer
	var t Transfer
	w := exportWriter{to: &out, section: ledger.NewSum(), all: ledger.NewSum(), t: &t}
	var head store.Head
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
			head, stream = store.Head{}, l.ID
			w.section.Reset()
			must(w.sealed(streamLine{l.Type, l.ID}))
		case lineCheckpoint, lineActivity, lineFirst:
			l.Rows = rows(l.Type, l.Rows)
			must(w.sealed(rowsLine{l.Type, l.Rows}))
			var row store.LogRow
			if l.Type == lineFirst {
				must(store.DecodeRows(l.Rows, &row))
				head = row.Head
			}
		case lineCommit:
			r, _ := parseCommitLine(line)
			r.Payload = payload(stream, r.Head.Seq, r.Payload)
			r.Head.Hash = record.Chain(head, r.ID, r.Head.Now, r.Payload)
			head = r.Head
			must(w.Commit(&r))
		case lineBase:
			var b baseLine
			must(json.Unmarshal(line, &b))
			b.Lines = ledger.SumText(w.section)
			must(w.sealed(b))
		case lineEnd:
			var e endLine
			must(json.Unmarshal(line, &e))
			e.Hash, e.Lines = fmt.Sprintf("%x", head.Hash), ledger.SumText(w.section)
			must(w.sealed(e))
		case lineTotal:
			var e totalLine
			must(json.Unmarshal(line, &e))
			e.Lines = ledger.SumText(w.all)
			must(w.sealed(e))
		}
	}
	return out.Bytes()
}

// Payload gives a payload, or what was made of one, its checksum.
func Payload(b []byte) []byte {
	n := len(b) - 4
	return binary.LittleEndian.AppendUint32(b[:n:n], crc32.Checksum(b[:n], record.Castagnoli))
}
