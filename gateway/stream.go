package gateway

import (
	"bytes"
	"encoding/json"
)

// maxEventBytes bounds an event of a stream that is looked into.
const maxEventBytes = 32 << 20

// events reads the events of a stream as pieces of it pass.
type events struct {
	usage  *reading
	filter bool // take out again what was asked for here
	rest   []byte
	out    []byte // what feed returned last
	lost   bool   // an event was too large: until it ends nothing is looked into
}

// feed takes a piece and returns what the caller gets of it: the piece, or with filter all
// events that are whole, without what the caller did not ask for. What is returned is good
// until the next call.
func (e *events) feed(piece []byte) []byte {
	if !e.filter {
		e.scan(piece, nil)
		return piece
	}
	e.out = e.out[:0]
	e.scan(piece, func(event []byte) { e.out = append(e.out, event...) })
	return e.out
}

// end returns what is left when the stream ends.
func (e *events) end() []byte {
	left := e.rest
	e.rest = nil
	drop := false
	if len(left) > 0 && !e.lost {
		drop, left = e.inspect(left)
	}
	if drop || !e.filter {
		return nil
	}
	return left
}

// scan looks into each event that ends in piece. pass takes it, without what is taken out.
func (e *events) scan(piece []byte, pass func([]byte)) {
	e.rest = append(e.rest, piece...)
	from := 0
	if len(e.rest) > len(piece)+4 {
		from = len(e.rest) - len(piece) - 4 // an end that came in two pieces
	}
	start := 0
	for {
		n := eventEnd(e.rest[from:])
		if n < 0 {
			break
		}
		event := e.rest[start : from+n]
		start, from = from+n, from+n
		if e.lost {
			e.lost = false
			if pass != nil {
				pass(event)
			}
			continue
		}
		drop, cut := e.inspect(event)
		if pass != nil && !drop {
			pass(cut)
		}
	}
	e.rest = append(e.rest[:0], e.rest[start:]...)
	if len(e.rest) > maxEventBytes {
		if pass != nil {
			pass(e.rest)
		}
		e.rest, e.lost = nil, true
	}
	if len(e.rest) == 0 && cap(e.rest) > pooledBytes {
		e.rest = nil
	}
}

const pooledBytes = 64 << 10

// eventEnd is where an event ends: behind an empty line. -1 is nowhere.
func eventEnd(b []byte) int {
	for i := 0; i < len(b); i++ {
		if b[i] != '\n' && b[i] != '\r' {
			continue
		}
		n := i + 1 // behind the end of a line
		if b[i] == '\r' && n < len(b) && b[n] == '\n' {
			n++
		}
		if n >= len(b) {
			return -1
		}
		switch {
		case b[n] == '\n':
			return n + 1
		case b[n] == '\r' && n+1 < len(b) && b[n+1] == '\n':
			return n + 2
		case b[n] == '\r' && n+1 < len(b):
			return n + 1
		}
	}
	return -1
}

// inspect reads an event. With filter it returns what is left of it, and whether nothing is.
func (e *events) inspect(event []byte) (drop bool, left []byte) {
	at, data := dataOf(event)
	if data == nil {
		return false, event
	}
	e.usage.event(data)
	if !e.filter || at < 0 || !bytes.Contains(data, usageName) || !json.Valid(data) {
		return false, event
	}
	from, to, value := topMember(data, "usage")
	if to == 0 {
		return false, event
	}
	if value[0] == '{' {
		if _, _, choices := topMember(data, "choices"); len(choices) >= 2 && choices[0] == '[' && len(bytes.TrimSpace(choices[1:len(choices)-1])) == 0 {
			return true, nil
		}
	}
	left = append(left, event[:at+from]...)
	return false, append(left, event[at+to:]...)
}

var dataField = []byte("data:")

// dataOf is the data of an event, and where it is; -1 when it was of several lines.
func dataOf(event []byte) (at int, data []byte) {
	at = -1
	lines := 0
	for i := 0; i < len(event); {
		end := bytes.IndexAny(event[i:], "\r\n")
		if end < 0 {
			end = len(event)
		} else {
			end += i
		}
		if rest, found := bytes.CutPrefix(event[i:end], dataField); found {
			rest, _ = bytes.CutPrefix(rest, []byte(" "))
			if lines++; lines == 1 {
				at, data = end-len(rest), rest
			} else {
				data = append(append(bytes.Clone(data), '\n'), rest...)
				at = -1
			}
		}
		i = end + 1
	}
	return at, data
}

// topMember finds a member of the JSON object b: the bytes to cut for its removal, with one
// comma, and its value. to = 0 is that there is none.
func topMember(b []byte, name string) (from, to int, value []byte) {
	depth, comma := 0, -1
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		case ',':
			if depth == 1 {
				comma = i
			}
		case '"':
			start := i + 1
			for i = start; i < len(b) && b[i] != '"'; i++ {
				if b[i] == '\\' {
					i++
				}
			}
			if depth != 1 || i >= len(b) || string(b[start:i]) != name {
				continue
			}
			colon := skipSpace(b, i+1)
			if colon >= len(b) || b[colon] != ':' {
				continue
			}
			v := skipSpace(b, colon+1)
			end := valueEnd(b, v)
			if end < 0 {
				return 0, 0, nil
			}
			value = b[v:end]
			if comma >= 0 {
				return comma, end, value
			}
			if next := skipSpace(b, end); next < len(b) && b[next] == ',' {
				end = next + 1
			}
			return start - 1, end, value
		}
	}
	return 0, 0, nil
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\n' || b[i] == '\r') {
		i++
	}
	return i
}

// valueEnd is where the JSON value at i ends; -1 when it does not.
func valueEnd(b []byte, i int) int {
	if i >= len(b) {
		return -1
	}
	depth := 0
	for ; i < len(b); i++ {
		switch b[i] {
		case '"':
			for i++; i < len(b) && b[i] != '"'; i++ {
				if b[i] == '\\' {
					i++
				}
			}
			if i >= len(b) {
				return -1
			}
			if depth == 0 {
				return i + 1
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i
			}
			if depth--; depth == 0 {
				return i + 1
			}
		case ',':
			if depth == 0 {
				return i
			}
		}
	}
	return -1
}
