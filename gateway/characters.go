package gateway

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Characters that stand for what is no text: 3 are a token.
const (
	mediaCharacters  = 4500 // of a picture or document in a prompt: 1,500 tokens
	numberCharacters = 3    // of a number, which may be a token of a prompt
	encodedLine      = 60   // the shortest line of a file in a text; words have shorter ones
)

// characters is the size of the texts in a JSON value, the names of members included. A
// picture or document in it, or a link to one, counts as a usual one, whatever its bytes.
func characters(v []byte) (n int64) {
	name := ""
	for i := 0; i < len(v); i++ {
		if v[i] == '-' || v[i] >= '0' && v[i] <= '9' {
			n += numberCharacters
			for i+1 < len(v) && strings.IndexByte("0123456789+-.eE", v[i+1]) >= 0 {
				i++
			}
			continue
		}
		if v[i] != '"' {
			continue
		}
		start := i + 1
		for i = start; i < len(v) && v[i] != '"'; i++ {
			if v[i] == '\\' {
				i++
			}
		}
		text := v[start:min(i, len(v))]
		after := i + 1
		for after < len(v) && (v[after] == ' ' || v[after] == '\n' || v[after] == '\r' || v[after] == '\t') {
			after++
		}
		if after < len(v) && v[after] == ':' {
			name = nameOf(text)
			n += int64(len(text))
			continue
		}
		n += charactersOf(name, text)
	}
	return n
}

// nameOf is a member's name, as it is without escapes.
func nameOf(text []byte) string {
	if bytes.IndexByte(text, '\\') < 0 {
		return string(text)
	}
	plain, err := jsontext.AppendUnquote(nil, append(append([]byte{'"'}, text...), '"'))
	if err != nil {
		return ""
	}
	return string(plain)
}

// charactersOf is the size of a text that is the member name, or in it.
func charactersOf(name string, text []byte) int64 {
	n := int64(utf8.RuneCount(text))
	switch name {
	case "url", "image_url", "file_url", "video_url", "audio_url": // the file itself or where it is
		if encoded(text) {
			return mediaCharacters
		}
		return max(n, mediaCharacters)
	case "file_id":
		return max(n, mediaCharacters)
	case "data", "file_data", "b64_json", "image", "mask", "file", "audio":
		if n > mediaCharacters && encoded(text) {
			return mediaCharacters
		}
	}
	return n
}

// encoded tells whether a text is the bytes of a file rather than words.
func encoded(text []byte) bool {
	if rest, found := bytes.CutPrefix(text, []byte("data:")); found {
		_, rest, found = bytes.Cut(rest, []byte(";base64,"))
		if !found {
			return false
		}
		text = rest
	}
	line := 0
	for i := 0; i < len(text); i++ {
		switch b := text[i]; {
		case b >= 'A' && b <= 'Z' || b >= 'a' && b <= 'z' || b >= '0' && b <= '9':
		case b == '+' || b == '/' || b == '-' || b == '_' || b == '=':
		case b == '\\' && i+1 < len(text) && text[i+1] == '/':
			i++
		case b == '\\' && i+1 < len(text) && text[i+1] == 'n' && i-line >= encodedLine:
			i++
			line = i + 1
		default:
			return false
		}
	}
	return true
}
