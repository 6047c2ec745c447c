package postgres

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// PostgreSQL's texts are UTF-8 without U+0000. What else there may be, in a name that
// somebody sends, is stored behind a mark, so that no two strings become one text and
// no statement is refused. Valid strings keep their order.
const (
	mark     = '\x01'
	markNul  = '0' // U+0000
	markMark = '1' // the mark itself
	markByte = '2' // two hexadecimal digits follow: a byte that is no UTF-8
)

// text is s as it is stored.
func text(s string) string {
	if strings.IndexByte(s, 0) < 0 && strings.IndexByte(s, mark) < 0 && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == 0:
			b.WriteString(string([]byte{mark, markNul}))
		case r == mark:
			b.WriteString(string([]byte{mark, markMark}))
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, "%c%c%02x", mark, markByte, s[i])
		default:
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	return b.String()
}

// readText is the string that is stored as b.
func readText(b []byte) string {
	if bytes.IndexByte(b, mark) < 0 {
		return string(b)
	}
	s := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		if b[i] != mark || i+1 == len(b) {
			s = append(s, b[i])
			continue
		}
		i++
		switch b[i] {
		case markNul:
			s = append(s, 0)
		case markMark:
			s = append(s, mark)
		case markByte:
			if v, err := strconv.ParseUint(string(b[i+1:min(i+3, len(b))]), 16, 8); err == nil {
				s = append(s, byte(v))
				i += 2
			}
		}
	}
	return string(s)
}
