//go:build linux

package main

import (
	"bytes"
	"fmt"
	"strconv"
)

// reply collects one HTTP reply.
type reply struct {
	buf  []byte
	n    int // bytes in buf
	head int // length of the head; 0 = not all there
	body int // length of the body; -1 = chunked
}

const replyBuffer = 512 << 10

func newReply() reply { return reply{buf: make([]byte, replyBuffer)} }

func (r *reply) reset() { r.n, r.head, r.body = 0, 0, 0 }

// complete reports whether all of the reply is in the buffer.
func (r *reply) complete() (bool, error) {
	if r.head == 0 {
		i := bytes.Index(r.buf[:r.n], []byte("\r\n\r\n"))
		if i < 0 {
			return false, r.full()
		}
		r.head = i + 4
		if err := r.parseLength(); err != nil {
			return false, err
		}
	}
	if r.body < 0 {
		return bytes.HasSuffix(r.buf[r.head:r.n], []byte("0\r\n\r\n")), r.full()
	}
	return r.n >= r.head+r.body, r.full()
}

func (r *reply) full() error {
	if r.n == len(r.buf) {
		return fmt.Errorf("a reply is longer than %d bytes", len(r.buf))
	}
	return nil
}

func (r *reply) parseLength() error {
	if r.head < 16 || !bytes.HasPrefix(r.buf, []byte("HTTP/1.1 ")) {
		return fmt.Errorf("no HTTP/1.1 reply: %.64q", r.buf[:r.n])
	}
	head := r.buf[:r.head]
	name := []byte("\r\nContent-Length: ")
	i := bytes.Index(head, name)
	if i < 0 {
		if bytes.Contains(head, []byte("\r\nTransfer-Encoding: chunked\r\n")) {
			r.body = -1
			return nil
		}
		return fmt.Errorf("a reply without a length: %.200q", head)
	}
	value, _, _ := bytes.Cut(head[i+len(name):], []byte("\r"))
	n, err := strconv.Atoi(string(value))
	r.body = n
	return err
}

func (r *reply) status() int {
	n, _ := strconv.Atoi(string(r.buf[9:12]))
	return n
}

// id is the id that the body begins with: {"data":{"id":"…
func (r *reply) id() []byte {
	mark := []byte(`{"data":{"id":"`)
	body := r.buf[r.head:r.n]
	if !bytes.HasPrefix(body, mark) || len(body) < len(mark)+idWidth {
		return nil
	}
	return body[len(mark) : len(mark)+idWidth]
}
