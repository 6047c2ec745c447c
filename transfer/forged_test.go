package transfer_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/bursarhq/bursar/store/mem"
	"github.com/bursarhq/bursar/transfer"
)

// checkedFirst imports as the command does: nothing of what the check refuses is written.
func checkedFirst(t *testing.T, name string, file []byte) error {
	t.Helper()
	s := mem.New()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := transfer.Import(context.Background(), s, bytes.NewReader(file), transfer.ImportOptions{DryRun: true})
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > 2<<30 {
		t.Errorf("%s: the check took %d MB of memory", name, took>>20)
	}
	if err != nil {
		if !regexp.MustCompile(`line \d+: `).MatchString(err.Error()) || strings.ContainsAny(err.Error(), "\n\x00") || len(err.Error()) > 600 {
			t.Errorf("%s: an unclear error: %v", name, err)
		}
		return err
	}
	if _, err := imported(s, file); err != nil {
		t.Errorf("%s: the check found nothing, the import %v", name, err)
	}
	return nil
}

// Files that are whole by their sums, but have anything in their commits or rows, are
// refused before something is written, or are right.
func TestTransferOfForgedFiles(t *testing.T) {
	s, _ := trimmedStore(t)
	file := exported(t, s, "")
	same := func(_ string, rows []byte) []byte { return rows }
	keep := func(_ string, _ uint64, p []byte) []byte { return p }
	if !bytes.Equal(transfer.Forged(file, same, keep), file) {
		t.Fatal("the test does not know how files are made")
	}
	r := rand.New(rand.NewPCG(7, 7))
	rounds, refused := 600, 0
	for round := range rounds {
		target := r.IntN(bytes.Count(file, []byte(`{"type":"commit"`)))
		n := 0
		forged := transfer.Forged(file, same, func(_ string, _ uint64, p []byte) []byte {
			if n++; n != target+1 {
				return p
			}
			p = slices.Clone(p)
			for range 1 + r.IntN(3) {
				at := 1 + r.IntN(len(p)-5)
				switch r.IntN(4) {
				case 0:
					p[at] = byte(r.IntN(256))
				case 1:
					p[at] ^= 1 << r.IntN(8)
				case 2: // a large number
					p = slices.Insert(p, at, 0xff, 0xff, 0xff, 0xff, 0x0f)
				case 3:
					p = slices.Delete(p, at, min(at+3, len(p)-4))
				}
				if len(p) < 8 {
					break
				}
			}
			return transfer.Payload(p)
		})
		if checkedFirst(t, fmt.Sprint("round ", round), forged) != nil {
			refused++
		}
	}
	if refused < rounds/2 {
		t.Errorf("%d of %d refused", refused, rounds)
	}
}

// So it is with numbers in a checkpoint.
func TestTransferOfForgedCheckpoints(t *testing.T) {
	s, _ := trimmedStore(t)
	file := exported(t, s, "acme")
	keep := func(_ string, _ uint64, p []byte) []byte { return p }
	numbers := regexp.MustCompile(`:-?\d+`)
	r := rand.New(rand.NewPCG(8, 8))
	others := []string{":0", ":-1", ":4294967295", ":16777216", ":4294967296", ":1e3", ":9223372036854775807", ":18446744073709551615", ":null", `:"x"`, ":[]"}
	refused := 0
	const rounds = 400
	for round := range rounds {
		what := ""
		target, n := r.IntN(bytes.Count(file, []byte(`{"type":"checkpoint"`))), 0
		forged := transfer.Forged(file, func(kind string, rows []byte) []byte {
			places := numbers.FindAllIndex(rows, -1)
			if n++; n != target+1 || len(places) == 0 {
				return rows
			}
			at := places[r.IntN(len(places))]
			other := others[r.IntN(len(others))]
			what = fmt.Sprintf("%s%s in place of %s", rows[max(0, at[0]-30):at[0]], other, rows[at[0]:at[1]])
			out := slices.Concat(rows[:at[0]], []byte(other), rows[at[1]:])
			if !json.Valid(out) {
				return rows
			}
			return out
		}, keep)
		if checkedFirst(t, fmt.Sprint("round ", round, ": ", what), forged) != nil {
			refused++
		}
	}
	if refused < rounds/2 {
		t.Errorf("%d of %d refused", refused, rounds)
	}
}

func lineOf(n int) string { return strings.Repeat("x", n) }

// Lines that no export has are refused, by their number, whatever they are.
func TestTransferOfHostileLines(t *testing.T) {
	file := exported(t, lived(t, "acme"), "")
	lines := bytes.SplitAfter(file, []byte("\n"))
	deep := strings.Repeat("[", 5_000_000)
	for name, line := range map[string]string{
		"no JSON":          "hello",
		"nothing":          "",
		"deep":             `{"type":"commit","seq":` + deep,
		"deep, of a type":  `{"type":"message","body":` + deep,
		"an unknown type":  `{"type":"credit"}`,
		"a type in a list": `{"type":["commit"]}`,
		"no UTF-8":         "{\"type\":\"\xff\xfe\"}",
		"NUL":              "{\"type\":\"a\x00b\"}",
		"a long type":      `{"type":"` + strings.Repeat("x", 1<<20) + `"}`,
		"a negative seq":   `{"type":"commit","seq":-1,"now":1,"id":"00000000000000000000000000000000","hash":"00000000000000000000000000000000","payload":""}`,
		"a huge seq":       `{"type":"commit","seq":99999999999999999999,"now":1,"id":"00000000000000000000000000000000","hash":"00000000000000000000000000000000","payload":""}`,
		"a negative now":   `{"type":"commit","seq":2,"now":-1,"id":"00000000000000000000000000000000","hash":"00000000000000000000000000000000","payload":""}`,
		"no base64":        `{"type":"commit","seq":2,"now":1,"id":"00000000000000000000000000000000","hash":"00000000000000000000000000000000","payload":"%"}`,
		"a long line":      lineOf(200 << 20),
		"a long record":    `{"type":"commit","seq":2,"now":1,` + lineOf(200<<20),
		"gzip":             "\x1f\x8b\x08\x00\x00\x00\x00\x00",
	} {
		bad := slices.Concat(lines[0], lines[1], lines[2], []byte(line+"\n"), bytes.Join(lines[3:], nil))
		if err := checkedFirst(t, name, bad); !errors.Is(err, transfer.ErrExport) || !strings.Contains(err.Error(), "line 4:") {
			t.Errorf("%s: %.300v", name, err)
		}
		first := []byte(line + "\n")
		if err := checkedFirst(t, name, first); !errors.Is(err, transfer.ErrExport) || !strings.Contains(err.Error(), "line 1:") {
			t.Errorf("%s, first: %.300v", name, err)
		}
	}
	customer := bytes.Index(file, []byte(`{"type":"customer"`))
	end := bytes.Index(file, []byte(`{"type":"message"`))
	if end < 0 {
		t.Fatal("no messages")
	}
	twice := slices.Concat(file[:end], file[customer:end], file[end:])
	if err := checkedFirst(t, "a customer twice", twice); err == nil {
		t.Error("a customer is there twice")
	}
}
