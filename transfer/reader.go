package transfer

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"hash"
	"io"
	"iter"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// ErrExport says that a file is no whole, unchanged export.
var ErrExport = errors.New("this is no whole, unchanged export")

// maxLine bounds a line. The longest that is written has a generation of keys.
const maxLine = 1 << 27

// exportSink takes what is in an export, in its order. Rows and messages are its to keep.
type exportSink interface {
	header(h *headerLine) error
	Begin(stream string) error
	// Base comes before the commits of a log that was trimmed: parts are read from the file,
	// and end with an error when they are not those that were written.
	Base(at store.Head, parts iter.Seq2[*store.BasePart, error]) error
	Commit(row *store.LogRow) error
	// end comes once the lines of the stream have the sum that they must have.
	end(head store.Head, s ledger.Sums) error
	message(m *store.Message) error
}

// exportReader reads an export and refuses one that was cut, changed or put in another
// order.
type exportReader struct {
	in      *bufio.Reader
	sink    exportSink
	line    []byte
	number  uint64 // of the line
	section hash.Hash
	all     hash.Hash
	before  string // the sum of the lines before this one
	t       *Transfer

	scope  headerLine
	phase  string     // the type of the last line, lineCommit within a stream
	head   store.Head // of the stream
	stream string
}

func readExport(from io.Reader, t *Transfer, sink exportSink) error {
	r := &exportReader{in: bufio.NewReaderSize(from, 1<<18), sink: sink, section: ledger.NewSum(), all: ledger.NewSum(), t: t}
	for r.phase != lineTotal {
		if err := r.next(); err != nil {
			return err
		}
		if err := r.take(); err != nil {
			return r.at(err)
		}
	}
	if _, err := r.in.ReadByte(); err == nil {
		return r.damaged("something follows its end")
	} else if !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

func (r *exportReader) damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrExport, lineError{r.number, fmt.Errorf(format, args...)})
}

// lineError says in which line of the file something is wrong.
type lineError struct {
	line uint64
	err  error
}

func (e lineError) Error() string { return fmt.Sprintf("line %d: %v", e.line, e.err) }

func (e lineError) Unwrap() error { return e.err }

// at says, of an error that does not, to which line it belongs.
func (r *exportReader) at(err error) error {
	if said := (lineError{}); errors.As(err, &said) {
		return err
	}
	return lineError{r.number, err}
}

// next reads a line.
func (r *exportReader) next() error {
	r.line, r.number = r.line[:0], r.number+1
	for {
		part, err := r.in.ReadSlice('\n')
		r.line = append(r.line, part...)
		if err := r.begins(); err != nil {
			return err
		}
		switch {
		case err == nil:
			r.t.Bytes += int64(len(r.line))
			return nil
		case errors.Is(err, io.EOF):
			return r.damaged("the file is cut off here")
		case !errors.Is(err, bufio.ErrBufferFull):
			return err
		case len(r.line) > maxLine:
			return r.damaged("the line is longer than %d MB", maxLine>>20)
		}
	}
}

// lineBegin is how every line begins.
const lineBegin = `{"type":"`

// begins refuses what is no line of an export, before all of it is read.
func (r *exportReader) begins() error {
	switch {
	case bytes.HasPrefix(r.line, []byte{0x1f, 0x8b}) && r.number == 1:
		return r.damaged("the file is compressed; decompress it first")
	case len(r.line) >= len(lineBegin) && !bytes.HasPrefix(r.line, []byte(lineBegin)):
		return r.damaged("it does not begin as a line of an export")
	}
	return nil
}

// take gives the line that was read to the sink.
func (r *exportReader) take() error {
	kind, text, err := r.split()
	if err != nil {
		return err
	}
	switch kind {
	case lineHeader:
		return r.header(text)
	case lineCatalogue, lineCustomer:
		return r.Begin(text)
	case lineCheckpoint:
		return r.Base(text)
	case lineCommit:
		return r.Commit(text)
	case lineEnd:
		return r.end(text)
	case lineMessage:
		return r.message(text)
	case lineTotal:
		return r.total(text)
	case lineActivity, lineFirst, lineBase:
		return r.damaged("a line of type %s in the wrong place", kind)
	}
	return r.damaged("a line of type %.32q", kind)
}

// split tells the line's type and adds it to the sums.
func (r *exportReader) split() (kind string, text []byte, err error) {
	text = bytes.TrimSuffix(r.line, []byte{'\n'})
	rest, ok := bytes.CutPrefix(text, []byte(lineBegin))
	name, _, found := bytes.Cut(rest, []byte{'"'})
	if !ok || !found {
		return "", nil, r.damaged("it does not begin as a line of an export")
	}
	if kind = string(name); r.phase == "" && kind != lineHeader {
		return "", nil, r.damaged("an export begins with its header")
	}
	switch kind { // what these sum up does not have them in it
	case lineTotal:
		r.before = ledger.SumText(r.all)
	case lineEnd, lineBase:
		r.before = ledger.SumText(r.section)
	case lineCatalogue, lineCustomer:
		r.section.Reset()
	}
	r.section.Write(r.line)
	if r.phase != "" {
		r.all.Write(r.line)
	}
	return kind, text, nil
}

func (r *exportReader) decode(text []byte, v any) error {
	if !unsealed(text, v) {
		return r.damaged("it was changed")
	}
	return nil
}

func (r *exportReader) header(text []byte) error {
	if r.phase != "" {
		return r.damaged("a second header")
	}
	r.phase = lineHeader
	if err := r.decode(text, &r.scope); err != nil {
		return err
	}
	if r.scope.Format != exportFormat {
		return fmt.Errorf("the export is of format %d, this program reads %d", r.scope.Format, exportFormat)
	}
	return r.sink.header(&r.scope)
}

func (r *exportReader) Begin(text []byte) error {
	var l streamLine
	if err := r.decode(text, &l); err != nil {
		return err
	}
	first := r.phase == lineHeader
	switch {
	case !first && r.phase != lineEnd, first != (l.Type == lineCatalogue), first != (l.ID == store.CatalogueStream):
		return r.damaged("a log begins in the wrong place")
	case r.scope.Customer != "" && !first && (l.ID != r.scope.Customer || r.stream != store.CatalogueStream):
		return r.damaged("customer %q is in the export of customer %q", l.ID, r.scope.Customer)
	}
	if err := bursar.CheckCustomerID(l.ID); err != nil && !first {
		return r.damaged("%v", err)
	}
	r.stream, r.head, r.phase = l.ID, store.Head{}, lineCommit
	r.t.Stream, r.t.Seq = l.ID, 0
	return r.sink.Begin(l.ID)
}

func (r *exportReader) Commit(text []byte) error {
	if r.phase != lineCommit {
		return r.damaged("a commit outside of a log")
	}
	row, err := r.row(text, r.head)
	if err != nil {
		return err
	}
	r.head = row.Head
	r.t.Commits++
	return r.sink.Commit(&row)
}

// row reads the commit that follows a head.
func (r *exportReader) row(text []byte, head store.Head) (row store.LogRow, err error) {
	row, ok := parseCommitLine(text)
	switch {
	case !ok:
		return row, r.damaged("a commit that cannot be read")
	case row.Head.Seq != head.Seq+1:
		return row, r.damaged("commit %d of %s follows commit %d", row.Head.Seq, streamTitle(r.stream), head.Seq)
	case row.Head.Now < head.Now:
		return row, r.damaged("commit %d of %s is of an earlier time than the one before", row.Head.Seq, streamTitle(r.stream))
	case record.Chain(head, row.ID, row.Head.Now, row.Payload) != row.Head.Hash:
		return row, r.damaged("commit %d of %s is not what its hash says", row.Head.Seq, streamTitle(r.stream))
	}
	return row, nil
}

func (r *exportReader) end(text []byte) error {
	var l endLine
	if err := r.decode(text, &l); err != nil {
		return err
	}
	if r.phase != lineCommit || l.Commits != r.head.Seq || l.Hash != fmt.Sprintf("%x", r.head.Hash) || l.Lines != r.before {
		return r.damaged("the lines of %s are not those that were written", streamTitle(r.stream))
	}
	r.phase = lineEnd
	r.t.Streams++
	return r.sink.end(r.head, l.Sums)
}

func (r *exportReader) message(text []byte) error {
	var l messageLine
	if err := r.decode(text, &l); err != nil {
		return err
	}
	if r.phase != lineEnd && r.phase != lineMessage || len(l.Deliveries) == 0 {
		return r.damaged("a message in the wrong place")
	}
	r.phase = lineMessage
	r.t.Messages++
	m := l.message()
	return r.sink.message(&m)
}

func (r *exportReader) total(text []byte) error {
	var l totalLine
	if err := r.decode(text, &l); err != nil {
		return err
	}
	whole := r.scope.Customer == "" || r.stream == r.scope.Customer
	if r.phase != lineEnd && r.phase != lineMessage || !whole || l.Customer != r.scope.Customer || l.Streams != r.t.Streams || l.Commits != r.t.Commits || l.Messages != r.t.Messages || l.Lines != r.before {
		return r.damaged("the lines of the file are not those that were written")
	}
	r.phase = lineTotal
	return nil
}
