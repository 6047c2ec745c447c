// Package transfer moves environments between stores: an export is the logs, an import
// folds them and compares. It also mends logs that were written by a clock that was ahead.
package transfer

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"hash"
	"io"
	"strconv"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store"
)

// An export is JSON Lines, each with its "type" first:
//
//	bursar-export  the header: format, program version, when, the customer when it is one's
//	catalogue      begins the environment's own log; it is in every export
//	customer       begins a customer's log
//	commit         one row of the log, in order
//	end            ends a log: its head, the SHA-256 of its lines from the first on, that of
//	               the state it folds to and, of a whole log, that of reservations that ended
//	message        a webhook message that is not delivered everywhere, with its deliveries
//	total          counts, and the SHA-256 of all lines between the header and this one
//
// A log that was trimmed has, before the commits that the state is folded from:
//
//	checkpoint     a part of its checkpoint: the state at some commit, with all that a store
//	               keeps of it
//	activity       entries of the activity listing, of commits up to that one
//	first          the first commit that the log still has, if it is not after that one;
//	               those up to it follow
//	base           ends this: where the checkpoint is, and the SHA-256 of the lines so far
//
// A commit proves itself by its hash, which chains it to the one before. Every other line
// ends with the SHA-256 of what it has before that, so that nothing is written for a line
// that was changed, even where the sums that follow are not read yet. Two exports of the
// same content differ in the header alone. Payloads and bodies are bytes in base64, hashes
// and ids of commits hexadecimal, instants nanoseconds.
const exportFormat = 2

const (
	lineHeader     = "bursar-export"
	lineCatalogue  = "catalogue"
	lineCustomer   = "customer"
	lineCheckpoint = "checkpoint"
	lineActivity   = "activity"
	lineFirst      = "first"
	lineBase       = "base"
	lineCommit     = "commit"
	lineEnd        = "end"
	lineMessage    = "message"
	lineTotal      = "total"
)

type headerLine struct {
	Type     string      `json:"type"`
	Format   int         `json:"format"`
	Version  string      `json:"version"`
	Created  bursar.Time `json:"created"`
	Customer string      `json:"customer,omitempty"` // "" = the whole environment
}

type streamLine struct {
	Type string `json:"type"`
	ID   string `json:"id,omitempty"`
}

type endLine struct {
	Type    string `json:"type"`
	Commits uint64 `json:"commits"`
	Hash    string `json:"hash"`
	Lines   string `json:"lines"`
	ledger.Sums
}

// rowsLine has rows as EncodeRows writes them: a Checkpoint, entries of activity or a LogRow.
type rowsLine struct {
	Type string          `json:"type"`
	Rows json.RawMessage `json:"rows"`
}

type baseLine struct {
	Type    string `json:"type"`
	Commits uint64 `json:"commits"`
	Lines   string `json:"lines"`
}

type messageLine struct {
	Type       string         `json:"type"`
	ID         string         `json:"id"`
	EventType  string         `json:"eventType"`
	Customer   string         `json:"customer,omitempty"`
	Created    int64          `json:"created"`
	Body       []byte         `json:"body"`
	Deliveries []deliveryLine `json:"deliveries"`
}

type deliveryLine struct {
	ID             string               `json:"id"`
	Endpoint       string               `json:"endpoint"`
	Status         store.DeliveryStatus `json:"status"`
	Attempts       int                  `json:"attempts"`
	ResponseStatus int                  `json:"responseStatus,omitempty"`
	Error          string               `json:"error,omitempty"`
	Created        int64                `json:"created"`
	Next           int64                `json:"next,omitempty"`
}

type totalLine struct {
	Type     string `json:"type"`
	Streams  uint64 `json:"streams"`
	Commits  uint64 `json:"commits"`
	Messages uint64 `json:"messages"`
	Customer string `json:"customer,omitempty"` // the header's again
	Lines    string `json:"lines"`
}

// appendCommitLine writes a commit's line, without its end. There are millions of them,
// so they are written and read by hand.
func appendCommitLine(b []byte, r *store.LogRow) []byte {
	b = strconv.AppendUint(append(b, `{"type":"commit","seq":`...), r.Head.Seq, 10)
	b = strconv.AppendInt(append(b, `,"now":`...), int64(r.Head.Now), 10)
	b = hex.AppendEncode(append(b, `,"id":"`...), r.ID[:])
	b = hex.AppendEncode(append(b, `","hash":"`...), r.Head.Hash[:])
	b = base64.StdEncoding.AppendEncode(append(b, `","payload":"`...), r.Payload)
	return append(b, `"}`...)
}

// parseCommitLine reads what appendCommitLine writes, and nothing else.
func parseCommitLine(line []byte) (r store.LogRow, ok bool) {
	p := commitParser{line, true}
	seq := p.field(`{"type":"commit","seq":`, `,`)
	now := p.field(`"now":`, `,`)
	id := p.field(`"id":"`, `",`)
	sum := p.field(`"hash":"`, `",`)
	payload := p.field(`"payload":"`, `"}`)
	if !p.ok || len(p.rest) > 0 || len(id) != 32 || len(sum) != 32 {
		return r, false
	}
	var errs [5]error
	var nanos int64
	r.Head.Seq, errs[0] = strconv.ParseUint(string(seq), 10, 64)
	nanos, errs[1] = strconv.ParseInt(string(now), 10, 64)
	r.Head.Now = bursar.Time(nanos)
	_, errs[2] = hex.Decode(r.ID[:], id)
	_, errs[3] = hex.Decode(r.Head.Hash[:], sum)
	r.Payload, errs[4] = base64.StdEncoding.AppendDecode(nil, payload)
	return r, errs == [5]error{}
}

type commitParser struct {
	rest []byte
	ok   bool
}

// field is what is between two texts, of which the first comes next.
func (p *commitParser) field(before, after string) (value []byte) {
	rest, found := bytes.CutPrefix(p.rest, []byte(before))
	p.ok = p.ok && found
	value, p.rest, found = bytes.Cut(rest, []byte(after))
	p.ok = p.ok && found
	return value
}

// Transfer is how far an export or import has come.
type Transfer struct {
	Streams  uint64 // logs that are complete, the catalogue's among them
	Commits  uint64 // commits in the file
	Messages uint64 // messages in the file
	Bytes    int64  // bytes of the file

	// Of an import: commits that were there already and that are written now, and messages
	// that are. Dropped are messages to endpoints that the environment does not have.
	Present, Written, Added, Dropped uint64
	// Stream is the log that is being read or written, Seq its newest commit that is
	// certainly there.
	Stream string
	Seq    uint64
}

// exportWriter writes lines and keeps their sums.
type exportWriter struct {
	to      io.Writer
	buf     []byte
	section hash.Hash // of the stream
	all     hash.Hash
	t       *Transfer
}

// sealed writes a line with its sum.
func (w *exportWriter) sealed(v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.buf = append(w.buf[:0], line[:len(line)-1]...)
	sum := sha256.Sum256(w.buf)
	w.buf = append(hex.AppendEncode(append(w.buf, sealBegin...), sum[:]), sealEnd...)
	return w.flush()
}

const (
	sealBegin = `,"sha256":"`
	sealEnd   = `"}`
	sealLen   = len(sealBegin) + 2*sha256.Size + len(sealEnd)
)

// unsealed reads a line that has its sum.
func unsealed(line []byte, v any) bool {
	if len(line) < sealLen {
		return false
	}
	body, seal := line[:len(line)-sealLen], line[len(line)-sealLen:]
	sum := sha256.Sum256(body)
	if string(seal) != sealBegin+hex.EncodeToString(sum[:])+sealEnd {
		return false
	}
	return json.Unmarshal(append(body[:len(body):len(body)], '}'), v) == nil
}

func (w *exportWriter) Commit(r *store.LogRow) error {
	w.buf = appendCommitLine(w.buf[:0], r)
	w.t.Commits++
	return w.flush()
}

// flush writes buf as a line.
func (w *exportWriter) flush() error {
	w.buf = append(w.buf, '\n')
	w.section.Write(w.buf)
	w.all.Write(w.buf)
	w.t.Bytes += int64(len(w.buf))
	_, err := w.to.Write(w.buf)
	return err
}
