package transfer_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/store"
	"github.com/bursarhq/bursar/store/mem"
	"github.com/bursarhq/bursar/transfer"
)

// lived is a store with customers that have used a little of everything.
func lived(t testing.TB, customers ...string) *mem.Store {
	s := mem.New()
	r := newRig(t, s, engine.Options{CheckpointRecords: 40, KeysInMemory: 16})
	defer r.close()
	ctx := context.Background()
	r.furnish(customers...)
	_, err := r.CreateCurrency(ctx, tester, bursar.Currency{ID: "gold", DisplayName: "Gold", Prepaid: true})
	r.must(err)
	_, err = r.CreateWebhook(ctx, tester, catalogue.WebhookInput{URL: "https://hooks.example/a"})
	r.must(err)
	_, err = r.CreateWebhook(ctx, tester, catalogue.WebhookInput{URL: "https://hooks.example/b", EventTypes: []string{bursar.EventCreditsGranted}})
	r.must(err)
	for _, c := range customers {
		_, _, err := r.CreateGrant(ctx, tester, bursar.GrantInput{CustomerID: c, CurrencyID: "gold", Amount: bursar.AmountFromInt(500), DisplayName: "A grant", Type: bursar.GrantPaid})
		r.must(err)
		for i := range 30 {
			_, err := r.consume(c, int64(i), fmt.Sprint("key-", i))
			r.must(err)
			h, _, err := r.Reserve(ctx, tester, c, spendOf("credits", 2, fmt.Sprint("hold-", i)), 60+i%2*600, "")
			r.must(err)
			if i%3 == 0 {
				_, _, err = r.CommitReservation(ctx, tester, c, h.ID, bursar.AmountFromInt(1))
				r.must(err)
			}
			r.advance(7 * time.Minute)
		}
	}
	return s
}

func exported(t testing.TB, s store.Store, customer string) []byte {
	t.Helper()
	var b bytes.Buffer
	if _, err := transfer.Export(context.Background(), s, &b, transfer.ExportOptions{Customer: customer, Version: "test", Created: 1}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func imported(s store.Store, file []byte) (transfer.Transfer, error) {
	return transfer.Import(context.Background(), s, bytes.NewReader(file), transfer.ImportOptions{})
}

func TestTransferThroughBothStores(t *testing.T) {
	source := lived(t, "acme", "beta")
	last := newRig(t, source, quiet)
	h, err := last.CreateWebhook(t.Context(), tester, catalogue.WebhookInput{URL: "https://hooks.example/c"})
	last.must(err)
	_, err = last.TestWebhook(t.Context(), tester, h.ID) // a commit of no records
	last.must(err)
	last.close()
	file := exported(t, source, "")
	for _, s := range []store.Store{sqliteIn(t), mem.New()} {
		got, err := imported(s, file)
		if err != nil || got.Written != got.Commits || got.Added != got.Messages || got.Messages == 0 || got.Streams != 3 {
			t.Fatalf("%+v, %v", got, err)
		}
		if !bytes.Equal(exported(t, s, ""), file) {
			t.Error("what is exported from there is another file")
		}
		again, err := imported(s, file)
		if err != nil || again.Written+again.Added+again.Dropped != 0 || again.Commits != got.Commits {
			t.Errorf("the second time: %+v, %v", again, err)
		}
		r := newRig(t, s, quiet)
		r.now.Store(int64(start) + int64(24*time.Hour))
		if res, err := r.consume("acme", 29, "key-29"); err != nil || !res.Duplicate {
			t.Errorf("a key from before: %+v, %v", res, err)
		}
		if _, err := r.consume("acme", 1, "new"); err != nil {
			t.Error(err)
		}
		r.must(r.VerifyAll(context.Background()))
		r.close()
		if got, err := imported(s, file); err != nil || got.Written != 0 {
			t.Errorf("once the store has gone on: %+v, %v", got, err)
		}
	}
}

// An import that ends anywhere, with or without its last write, is completed by the next.
func TestTransferIsInterrupted(t *testing.T) {
	file := exported(t, lived(t, "acme", "beta"), "")
	boom := errors.New("boom")
	r := rand.New(rand.NewPCG(1, 1))
	for round := range 60 {
		s := mem.New()
		var mu sync.Mutex // logs are finished side by side
		left := r.IntN(14)
		op := []string{"append", "append.after", "addmessage", "addmessage.after", "save", "save.after", "readlog"}[round%7]
		s.Fail = func(at string) error {
			mu.Lock()
			defer mu.Unlock()
			if at == op {
				if left--; left < 0 {
					left = r.IntN(200)
					return boom
				}
			}
			return nil
		}
		attempts := 0
		for {
			attempts++
			if _, err := imported(s, file); err == nil {
				break
			} else if !errors.Is(err, boom) || attempts > 1000 {
				t.Fatalf("%s, attempt %d: %v", op, attempts, err)
			}
		}
		s.Fail = nil
		if !bytes.Equal(exported(t, s, ""), file) {
			t.Fatalf("%s, after %d attempts: another file", op, attempts)
		}
	}
}

// Whatever is wrong with a file, nothing of a damaged log is written beyond what is right,
// and a check beforehand finds it.
func TestTransferRefusesDamage(t *testing.T) {
	file := exported(t, lived(t, "acme", "beta"), "")
	f := newDamage(t, file)
	refusesDamage(t, file, map[string][]byte{
		"nothing":                 nil,
		"another file":            []byte("{\"hello\":1}\n"),
		"cut between lines":       f.edit(func(l [][]byte) [][]byte { return l[:f.at("commit", 9)] }),
		"two in one":              slices.Concat(file, exported(t, lived(t, "acme"), "")),
		"reordered commits":       f.swap(f.at("commit", 8), f.at("commit", 9)),
		"reordered messages":      f.swap(f.at("message", 0), f.at("message", 1)),
		"a commit less":           f.drop(f.at("commit", 12)),
		"the last commit less":    f.drop(f.at("end", 1) - 1),
		"a message less":          f.drop(f.at("message", 0)),
		"no catalogue":            f.edit(func(l [][]byte) [][]byte { return slices.Delete(l, f.at("catalogue", 0), f.at("customer", 0)) }),
		"another customer's name": bytes.Replace(file, []byte(`"customer","id":"acme"`), []byte(`"customer","id":"acmf"`), 1),
		"one customer, it says":   bytes.Replace(file, []byte(`"created":"`), []byte(`"customer":"acme","created":"`), 1),
		"a newer format":          bytes.Replace(file, []byte(`"format":2`), []byte(`"format":3`), 1),
		"a commit of another log": f.edit(func(l [][]byte) [][]byte { l[f.at("commit", 12)] = l[f.at("commit", 60)]; return l }),
	})
}

// So it is with a log that goes on from a base, of which nothing is written unless all is.
func TestTransferRefusesDamagedBase(t *testing.T) {
	s, _ := trimmedStore(t)
	file := exported(t, s, "acme")
	f := newDamage(t, file)
	move := func(from, to int) []byte {
		return f.edit(func(l [][]byte) [][]byte {
			line := l[from]
			return slices.Insert(slices.Delete(l, from, from+1), to, line)
		})
	}
	refusesDamage(t, file, map[string][]byte{
		"cut within the checkpoint":   f.edit(func(l [][]byte) [][]byte { return l[:f.at("checkpoint", 2)] }),
		"cut before the base ends":    f.edit(func(l [][]byte) [][]byte { return l[:f.at("base", 0)] }),
		"reordered parts":             f.swap(f.at("checkpoint", 1), f.at("checkpoint", 2)),
		"another part first":          f.swap(f.at("checkpoint", 0), f.at("checkpoint", 1)),
		"a part less":                 f.drop(f.at("checkpoint", 2)),
		"the first part less":         f.drop(f.at("checkpoint", 0)),
		"a part twice":                f.edit(func(l [][]byte) [][]byte { return slices.Insert(l, f.at("checkpoint", 2), l[f.at("checkpoint", 1)]) }),
		"no activity":                 f.drop(f.at("activity", 0)),
		"no first commit":             f.drop(f.at("first", 0)),
		"a commit of history less":    f.drop(f.at("first", 0) + 1),
		"no checkpoint":               f.edit(func(l [][]byte) [][]byte { return slices.Delete(l, f.at("checkpoint", 0), f.at("first", 0)) }),
		"no end of the base":          f.drop(f.at("base", 0)),
		"the base ends too early":     move(f.at("base", 0), f.at("base", 0)-1),
		"the base ends too late":      move(f.at("base", 0), f.at("base", 0)+1),
		"a part after the base":       move(f.at("checkpoint", 1), f.at("base", 0)),
		"a part in the catalogue":     move(f.at("checkpoint", 1), f.at("catalogue", 0)+1),
		"the base in the catalogue":   move(f.at("base", 0), f.at("catalogue", 0)+1),
		"the first commit after that": f.swap(f.at("first", 0), f.at("first", 0)+1),
	})
}

// damage makes files with something wrong of one.
type damage struct {
	t     *testing.T
	lines [][]byte
}

func newDamage(t *testing.T, file []byte) damage {
	return damage{t, bytes.SplitAfter(bytes.TrimSuffix(file, []byte("\n")), []byte("\n"))}
}

// at is where the n-th line of a type is.
func (d damage) at(kind string, n int) int {
	for i, l := range d.lines {
		if bytes.HasPrefix(l, []byte(`{"type":"`+kind+`"`)) {
			if n--; n < 0 {
				return i
			}
		}
	}
	d.t.Fatalf("no line of type %s", kind)
	return 0
}

func (d damage) edit(f func([][]byte) [][]byte) []byte {
	out := bytes.Join(f(slices.Clone(d.lines)), nil)
	if !bytes.HasSuffix(out, []byte("\n")) {
		out = append(out, '\n')
	}
	return out
}

func (d damage) swap(i, j int) []byte {
	return d.edit(func(l [][]byte) [][]byte { l[i], l[j] = l[j], l[i]; return l })
}

func (d damage) drop(i int) []byte {
	return d.edit(func(l [][]byte) [][]byte { return slices.Delete(l, i, i+1) })
}

func refusesDamage(t *testing.T, file []byte, bad map[string][]byte) {
	bad["without its last newline"] = file[:len(file)-1]
	body := bytes.IndexByte(file, '\n') + 1
	r := rand.New(rand.NewPCG(2, 2))
	for range 150 {
		i := body + r.IntN(len(file)-body)
		flipped := slices.Clone(file)
		flipped[i] ^= 1 << r.IntN(8)
		bad[fmt.Sprintf("bit of byte %d", i)] = flipped
		bad[fmt.Sprintf("cut at byte %d", i)] = file[:i]
	}
	whole := mem.New()
	if _, err := imported(whole, file); err != nil {
		t.Fatal(err)
	}
	want := exported(t, whole, "")
	for name, text := range bad {
		s := mem.New()
		if _, err := transfer.Import(context.Background(), s, bytes.NewReader(text), transfer.ImportOptions{DryRun: true}); err == nil {
			t.Errorf("%s: the check finds nothing", name)
		}
		if _, err := imported(s, text); err == nil {
			t.Errorf("%s: imported", name)
		}
		if got, err := imported(s, file); err != nil {
			t.Errorf("%s: the whole file afterwards: %+v, %v", name, got, err)
		} else if !bytes.Equal(exported(t, s, ""), want) {
			t.Errorf("%s: what was written was not right", name)
		}
	}
}

// A file whose state is not what its log folds to is told of, though its sums are right.
func TestTransferComparesStates(t *testing.T) {
	file := exported(t, lived(t, "acme"), "")
	states := regexp.MustCompile(`"state":"[0-9a-f]{64}"`)
	places := states.FindAllIndex(file, -1)
	forged := slices.Clone(file)
	copy(forged[places[1][0]:], `"state":"`+strings.Repeat("0", 64))
	forged = resealed(forged)
	if _, err := imported(mem.New(), forged); !errors.Is(err, transfer.ErrMismatch) || !strings.Contains(err.Error(), "acme") {
		t.Errorf("%v", err)
	}
	if again := resealed(file); !bytes.Equal(again, file) {
		t.Error("the test does not know how sums are made")
	}
}

// resealed gives every line, and the last one, the sums of what is there.
func resealed(file []byte) []byte {
	seal := regexp.MustCompile(`,"sha256":"[0-9a-f]{64}"}\n$`)
	sums := regexp.MustCompile(`"lines":"[0-9a-f]{64}"`)
	var out []byte
	all := sha256.New()
	for i, line := range bytes.SplitAfter(file, []byte("\n")) {
		if bytes.HasPrefix(line, []byte(`{"type":"total"`)) {
			line = sums.ReplaceAll(line, fmt.Appendf(nil, `"lines":"%x"`, all.Sum(nil)))
		}
		if body := seal.ReplaceAll(line, nil); len(body) < len(line) {
			line = fmt.Appendf(body[:len(body):len(body)], ",\"sha256\":\"%x\"}\n", sha256.Sum256(body))
		}
		if i > 0 {
			all.Write(line)
		}
		out = append(out, line...)
	}
	return out
}

func TestTransferOfOneCustomer(t *testing.T) {
	source := lived(t, "acme", "beta")
	acme, beta, whole := exported(t, source, "acme"), exported(t, source, "beta"), exported(t, source, "")
	if bytes.Contains(acme, []byte("beta")) {
		t.Error("another customer is in the file")
	}
	s := mem.New() // a store without an environment gets this one's
	for _, file := range [][]byte{acme, beta, acme} {
		if _, err := imported(s, file); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(exported(t, s, ""), whole) {
		t.Error("all customers, one after the other, are not the whole")
	}
	if _, err := transfer.Export(context.Background(), s, io.Discard, transfer.ExportOptions{Customer: "nobody"}); !errors.Is(err, transfer.ErrNoCustomer) {
		t.Errorf("exporting nobody: %v", err)
	}
	stranger := lived(t, "gamma")
	if _, err := imported(stranger, acme); !errors.Is(err, transfer.ErrOtherEnvironment) {
		t.Errorf("into another environment: %v", err)
	}
	if _, err := imported(stranger, whole); !errors.Is(err, transfer.ErrOtherEnvironment) {
		t.Errorf("a whole one into another: %v", err)
	}
}

// Two stores with one past that both went on: neither's customer replaces the other's,
// and a customer comes only where there is what it uses.
func TestTransferBetweenBranches(t *testing.T) {
	source := lived(t, "acme")
	left, right := newRig(t, source.CrashClone(), quiet), newRig(t, source.CrashClone(), quiet)
	for _, r := range []*rig{left, right} {
		r.advance(24 * time.Hour)
		_, err := r.consume("acme", 1, "after the branch")
		r.must(err)
	}
	_, err := left.CreateFeature(context.Background(), tester, bursar.Feature{ID: "images", DisplayName: "Images"})
	left.must(err)
	left.furnish("delta")
	_, _, err = left.Consume(context.Background(), tester, "delta", spendOf("images", 1, ""))
	left.must(err)
	right.furnish("epsilon")
	left.close()
	right.close()
	file := exported(t, left.store, "acme")
	if got, err := imported(right.store, file); !errors.Is(err, transfer.ErrDiverges) || got.Written != 0 || !strings.Contains(err.Error(), "commit ") {
		t.Errorf("%+v, %v", got, err)
	}
	delta := exported(t, left.store, "delta")
	dry, err := transfer.Import(context.Background(), right.store, bytes.NewReader(delta), transfer.ImportOptions{DryRun: true})
	if !errors.Is(err, transfer.ErrMissing) || !strings.Contains(err.Error(), "images") {
		t.Errorf("%+v, %v", dry, err)
	}
	right.open()
	_, err = right.CreateFeature(context.Background(), tester, bursar.Feature{ID: "images", DisplayName: "Images"})
	right.must(err)
	right.close()
	if _, err := imported(right.store, delta); err != nil {
		t.Fatal(err)
	}
	right.open()
	defer right.close()
	if used, _ := right.usedBy("epsilon"); !used.IsZero() {
		t.Errorf("the neighbour has used %s", used)
	}
	if _, err := right.consume("delta", 5, ""); err != nil {
		t.Error(err)
	}
}
