package gateway

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"
)

// TestEventsInPieces: however a stream is cut into pieces, the caller gets the same bytes, and
// the usage is read.
func TestEventsInPieces(t *testing.T) {
	const asked, plain = "data: {\"a\":\"\\\"usage\\\":null\",\"usage\":null}\n\n: ping\n\ndata: {\"usage\" : null, \"b\":1}\n\nevent: x\ndata:{\"usage\":{\"nested\":{\"usage\":{}}},\"choices\":[{}]}\n\n" +
		"data: {\"x\":{\"usage\":null},\"choices\":[]}\n\ndata: {\"choices\": [ ] ,\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}\n\ndata: [DONE]\n\n",
		"data: {\"a\":\"\\\"usage\\\":null\"}\n\n: ping\n\ndata: { \"b\":1}\n\nevent: x\ndata:{\"choices\":[{}]}\n\n" +
			"data: {\"x\":{\"usage\":null},\"choices\":[]}\n\ndata: [DONE]\n\n"
	for _, ends := range []string{"\n", "\r\n", "\r"} {
		in, want := strings.ReplaceAll(asked, "\n", ends), strings.ReplaceAll(plain, "\n", ends)
		for range 3000 {
			var filtered, passed reading
			var got, raw strings.Builder
			f, p := &events{usage: &filtered, filter: true}, &events{usage: &passed}
			for rest := []byte(in); len(rest) > 0; {
				n := 1 + rand.IntN(min(len(rest), 40))
				piece := append([]byte(nil), rest[:n]...)
				got.Write(f.feed(piece))
				raw.Write(p.feed(piece))
				rest = rest[n:]
			}
			got.Write(f.end())
			raw.Write(p.end())
			if got.String() != want || raw.String() != in {
				t.Fatalf("with %q the caller gets\n%q\nwant\n%q\nor\n%q", ends, got.String(), want, raw.String())
			}
			for _, u := range []*reading{&filtered, &passed} {
				var read struct {
					Usage struct {
						Prompt int `json:"prompt_tokens"`
					}
				}
				if json.Unmarshal(u.object(), &read) != nil || read.Usage.Prompt != 3 {
					t.Fatalf("read is %s", u.object())
				}
			}
		}
	}
}

// FuzzEvents: no stream makes the reader fail, nothing is lost where nothing is taken out, and
// what is taken out leaves JSON.
func FuzzEvents(f *testing.F) {
	f.Add([]byte("data: {\"usage\":null,\"a\":1}\n\n"), uint8(3))
	f.Add([]byte("data: {\"choices\":[],\"usage\":{}}\r\n\r\ndata: [DONE]"), uint8(1))
	f.Add([]byte("data:{\"a\":[],\"usage\":\"00"), uint8(1))
	f.Fuzz(func(t *testing.T, in []byte, size uint8) {
		var got, raw []byte
		filtered, passed := &events{usage: &reading{}, filter: true}, &events{usage: &reading{}}
		for rest := in; len(rest) > 0; {
			n := min(int(size)+1, len(rest))
			got = append(got, filtered.feed(rest[:n])...)
			raw = append(raw, passed.feed(rest[:n])...)
			rest = rest[n:]
		}
		got = append(got, filtered.end()...)
		raw = append(raw, passed.end()...)
		if string(raw) != string(in) || len(got) > len(in) || !strings.Contains(string(in), "usage") && string(got) != string(in) {
			t.Fatalf("%q became %q and %q", in, got, raw)
		}
		if _, data := dataOf(in); data != nil && json.Valid(data) {
			if from, to, _ := topMember(data, "usage"); to > 0 {
				left := append(append([]byte(nil), data[:from]...), data[to:]...)
				if !json.Valid(left) {
					t.Fatalf("%q became %q", data, left)
				}
			}
		}
	})
}
