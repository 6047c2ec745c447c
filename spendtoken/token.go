// Package spendtoken is the text of spend tokens: what they say, how their holder makes a
// narrower one without asking anybody, and how the server tells its own from all others.
//
// A token is a chain of blocks. The first is made by the server, each further one by a holder
// who narrows it. The text ends with a seal: HMAC-SHA256 of the first block by a key that only
// the server has, and of each further block by the seal before it. So a block can be added by
// whoever has the text, and none can be taken away, changed or put elsewhere.
package spendtoken

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/bursarhq/bursar"
)

// Prefix is what every token begins with.
const Prefix = "bst_"

// Limits of a token.
const (
	MaxText   = 4096
	MaxBlocks = 16
	MaxList   = 32 // of pins, names, models and caps, in one block each
	nonceLen  = 16
)

var encoding = base64.RawURLEncoding.Strict()

// Looks tells whether a text is meant as a spend token.
func Looks(text string) bool { return strings.HasPrefix(text, Prefix) }

// Pin is a dimension that all requests have.
type Pin struct{ Key, Value string }

// Name is what a request may be about: a feature, a currency or an event; one of them is set.
type Name struct{ Feature, Currency, Event string }

// Cap is how much of one capability may be used with a token and all that are made from it
// together.
type Cap struct {
	Capability bursar.Capability
	Amount     bursar.Amount
}

// Block is what one block says. Every member narrows: what is empty says nothing, and of all
// blocks of a token each holds.
type Block struct {
	Customer string // of the first block alone, which must have it
	Label    string // for people
	Expires  bursar.Time
	Entities []Pin // by attribution key: who spends
	// Dims are plain dimensions, of the first block alone: prices and measures go by them, so
	// that one who holds a token could make its usage cheaper.
	Dims   []Pin
	Only   []Name   // what requests may be about
	Models []string // what their dimension model may be
	Caps   []Cap

	nonce [nonceLen]byte
}

// Token is a token that was read. What it says is true only of one that a Key opened.
type Token struct {
	Blocks []Block
	// IDs name the tokens that end with each block: the first that of the server, the last this one.
	// They tell nothing of the seals, so anybody may see them. Only a Key knows more than the last.
	IDs []string

	raw  []byte // the blocks, each with its length before it
	ends []int  // of the blocks in raw
	seal [sha256.Size]byte
}

// Customer is whose budgets the token is for.
func (t *Token) Customer() string { return t.Blocks[0].Customer }

// ID is that of the token; RootID that of the one it was made from, which is its own if the
// server made it.
func (t *Token) ID() string { return t.IDs[len(t.IDs)-1] }

func (t *Token) RootID() string { return t.IDs[0] }

// Expires is when the token ends: at the earliest end that a block says.
func (t *Token) Expires() bursar.Time {
	end := t.Blocks[0].Expires
	for i := range t.Blocks {
		if at := t.Blocks[i].Expires; at != 0 && (end == 0 || at < end) {
			end = at
		}
	}
	return end
}

// Allows tells whether a request may be about what n names.
func (t *Token) Allows(n Name) bool {
	return !slices.ContainsFunc(t.Blocks, func(b Block) bool { return len(b.Only) > 0 && !slices.Contains(b.Only, n) })
}

// AllowsModel is Allows for a model; "" is a request that names none.
func (t *Token) AllowsModel(model string) bool {
	return !slices.ContainsFunc(t.Blocks, func(b Block) bool { return len(b.Models) > 0 && !slices.Contains(b.Models, model) })
}

// ErrToken is that a text is no spend token.
var ErrToken = errors.New("this is no spend token: it may be cut off or mistyped")

// Parse reads a token without telling whether it is genuine, which only the server can.
func Parse(text string) (*Token, error) {
	t, err := read(text)
	if err == nil {
		t.IDs[len(t.IDs)-1] = idOf(&t.seal)
	}
	return t, err
}

func read(text string) (*Token, error) {
	if !Looks(text) || len(text) > MaxText || strings.ContainsAny(text, "\r\n") { // which base64 would skip
		return nil, ErrToken
	}
	b, err := encoding.DecodeString(text[len(Prefix):])
	if err != nil || len(b) < sha256.Size {
		return nil, ErrToken
	}
	t := &Token{raw: b[:len(b)-sha256.Size], seal: [sha256.Size]byte(b[len(b)-sha256.Size:])}
	if err := t.decode(); err != nil {
		return nil, err
	}
	return t, nil
}

// String is the token's text, a secret.
func (t *Token) String() string {
	return Prefix + encoding.EncodeToString(append(slices.Clip(t.raw), t.seal[:]...))
}

// Narrow makes a token that may do what t may and b lets it do. It is another one each time:
// caps of its own are counted apart from those of any other.
func (t *Token) Narrow(b Block) (*Token, error) {
	if b.Customer != "" || len(b.Dims) > 0 {
		return nil, errors.New("only who makes a token with an API key says its customer and its plain dimensions")
	}
	rand.Read(b.nonce[:])
	raw, err := encode(&b)
	if err != nil {
		return nil, err
	}
	n := &Token{raw: append(slices.Clip(t.raw), raw...)}
	n.seal = sealed(t.seal[:], raw)
	if err := n.decode(); err != nil {
		return nil, err
	}
	n.IDs[len(n.IDs)-1] = idOf(&n.seal)
	if len(n.String()) > MaxText {
		return nil, fmt.Errorf("the token would be longer than %d characters", MaxText)
	}
	return n, nil
}

// Key seals the first blocks of an environment's tokens.
type Key [sha256.Size]byte

// NewKey derives the key from the environment's secret.
func NewKey(secret [32]byte) *Key {
	k := Key(sealed(secret[:], []byte("bursar spend token v1")))
	return &k
}

// Make makes a token of one block.
func (k *Key) Make(b Block) (*Token, error) {
	if b.Customer == "" {
		return nil, errors.New("a token is of a customer")
	}
	rand.Read(b.nonce[:])
	raw, err := encode(&b)
	if err != nil {
		return nil, err
	}
	t := &Token{raw: raw, seal: sealed(k[:], raw)}
	if err := t.decode(); err != nil {
		return nil, err
	}
	t.IDs[0] = idOf(&t.seal)
	return t, nil
}

// Open reads a token that was made from one of k's; nil for any other text. It does not look
// at the time.
func (k *Key) Open(text string) *Token {
	t, err := read(text)
	if err != nil {
		return nil
	}
	key, from := [sha256.Size]byte(*k), 0
	for i, end := range t.ends {
		key = sealed(key[:], t.raw[from:end])
		t.IDs[i], from = idOf(&key), end
	}
	if !hmac.Equal(key[:], t.seal[:]) {
		return nil
	}
	return t
}

func sealed(key, text []byte) (out [sha256.Size]byte) {
	mac := hmac.New(sha256.New, key)
	mac.Write(text)
	mac.Sum(out[:0])
	return out
}

const idPrefix = "bursar spend token id\x00"

// idOf names the token with a seal; the seal does not follow from it.
func idOf(seal *[sha256.Size]byte) string {
	var b [len(idPrefix) + sha256.Size]byte
	copy(b[copy(b[:], idPrefix):], seal[:])
	sum := sha256.Sum256(b[:])
	return "tok-" + hex.EncodeToString(sum[:nonceLen])
}
