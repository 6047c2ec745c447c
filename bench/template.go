//go:build linux

package main

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

// request is one HTTP request. In Path and Body, {leaf} stands for the digits of a random
// leaf, {seq} for a number that never repeats and {id} for the id that the reply before
// on the same connection began with.
type request struct {
	Method, Path, Key, Body string
	Status                  int // expected
}

// Widths of what is filled in: fixed, so that a request is made once and only these
// bytes of it change.
const (
	leafWidth = 7
	seqWidth  = 16
	idWidth   = 36
)

var slotWidths = map[string]int{"{leaf}": leafWidth, "{seq}": seqWidth, "{id}": idWidth}

// template is a request that is ready to be sent but for its slots.
type template struct {
	text   []byte
	slots  []slot
	status int
}

type slot struct {
	kind string
	at   int
}

func compile(r *request, host string) *template {
	t := &template{status: r.Status}
	path, body := expand(r.Path), expand(r.Body)
	head := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\n", r.Method, path, host)
	if r.Key != "" {
		head += "X-API-KEY: " + r.Key + "\r\n"
	}
	if r.Body != "" {
		head += "Content-Type: application/json\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n"
	}
	head += "\r\n"
	t.text = append([]byte(head), body...)
	t.find(len(r.Method)+1, r.Path)
	t.find(len(head), r.Body)
	return t
}

// expand puts zeros in the place of slots.
func expand(s string) string {
	for kind, width := range slotWidths {
		s = strings.ReplaceAll(s, kind, strings.Repeat("0", width))
	}
	return s
}

// find notes the slots of s, whose expansion begins at at.
func (t *template) find(at int, s string) {
	for s != "" {
		i := strings.IndexByte(s, '{')
		if i < 0 {
			return
		}
		at, s = at+i, s[i:]
		end := strings.IndexByte(s, '}')
		width, ok := 0, false
		if end > 0 {
			width, ok = slotWidths[s[:end+1]]
		}
		if !ok {
			at, s = at+1, s[1:]
			continue
		}
		t.slots = append(t.slots, slot{s[:end+1], at})
		at, s = at+width, s[end+1:]
	}
}

// filler fills slots. seq begins at the time of day, so that no two generators share
// numbers.
type filler struct {
	rand   *rand.Rand
	seq    uint64
	leaves int
}

func (f *filler) fill(t *template, id []byte) []byte {
	for _, s := range t.slots {
		switch s.kind {
		case "{leaf}":
			digits(t.text[s.at:s.at+leafWidth], uint64(f.rand.IntN(f.leaves)), 10)
		case "{seq}":
			f.seq++
			digits(t.text[s.at:s.at+seqWidth], f.seq, 16)
		case "{id}":
			copy(t.text[s.at:s.at+idWidth], id)
		}
	}
	return t.text
}

func digits(b []byte, n, base uint64) {
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = "0123456789abcdef"[n%base]
		n /= base
	}
}
