package spendtoken

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/bursarhq/bursar"
)

// A block is its length and its caveats; a caveat is a byte for its kind, its length and its
// texts, each with its length before it. Lengths are uvarints. The kinds never change their
// meaning: who does not know one refuses the token.
const (
	kindNonce    = 'n'
	kindCustomer = 'c'
	kindLabel    = 'l'
	kindExpires  = 'x'
	kindEntity   = 'e'
	kindDim      = 'd'
	kindFeature  = 'f'
	kindCurrency = 'm'
	kindEvent    = 'v'
	kindModel    = 'o'
	kindCapOf    = 'F' // of a feature
	kindCapIn    = 'M' // of a currency
)

// encode writes a block with its length.
func encode(b *Block) ([]byte, error) {
	if err := b.check(); err != nil {
		return nil, err
	}
	out := caveat(nil, kindNonce, string(b.nonce[:]))
	if b.Customer != "" {
		out = caveat(out, kindCustomer, b.Customer)
	}
	if b.Label != "" {
		out = caveat(out, kindLabel, b.Label)
	}
	if b.Expires != 0 {
		out = caveat(out, kindExpires, string(binary.BigEndian.AppendUint64(nil, uint64(b.Expires))))
	}
	for _, p := range b.Entities {
		out = caveat(out, kindEntity, p.Key, p.Value)
	}
	for _, p := range b.Dims {
		out = caveat(out, kindDim, p.Key, p.Value)
	}
	for _, n := range b.Only {
		switch {
		case n.Feature != "":
			out = caveat(out, kindFeature, n.Feature)
		case n.Currency != "":
			out = caveat(out, kindCurrency, n.Currency)
		default:
			out = caveat(out, kindEvent, n.Event)
		}
	}
	for _, m := range b.Models {
		out = caveat(out, kindModel, m)
	}
	for _, c := range b.Caps {
		kind := byte(kindCapOf)
		if c.Capability.Kind == bursar.KindCurrency {
			kind = kindCapIn
		}
		out = caveat(out, kind, c.Capability.ID, c.Amount.String())
	}
	return append(binary.AppendUvarint(nil, uint64(len(out))), out...), nil
}

func caveat(b []byte, kind byte, texts ...string) []byte {
	var all []byte
	for _, s := range texts {
		all = append(binary.AppendUvarint(all, uint64(len(s))), s...)
	}
	return append(binary.AppendUvarint(append(b, kind), uint64(len(all))), all...)
}

// check is what is wrong with a block.
func (b *Block) check() error {
	if max(len(b.Entities), len(b.Dims), len(b.Only), len(b.Models), len(b.Caps)) > MaxList {
		return fmt.Errorf("at most %d of each: entities, dimensions, names, models, caps", MaxList)
	}
	if err := bursar.CheckText(b.Label, bursar.MaxNameLen); err != nil {
		return fmt.Errorf("a label %v", err)
	}
	if b.Expires < 0 {
		return errors.New("a token ends after 1970")
	}
	for i, list := range [2][]Pin{b.Entities, b.Dims} {
		for j, p := range list {
			one := [1]bursar.Dimension{{Key: p.Key, Value: p.Value}}
			if _, err := bursar.CheckDimensions(one[:]); err != nil {
				return err
			}
			if pinned(list[:j], p.Key) || i == 1 && pinned(b.Entities, p.Key) {
				return fmt.Errorf("the dimension %s is pinned twice", p.Key)
			}
		}
	}
	for _, n := range b.Only {
		if n == (Name{}) || n != (Name{Feature: n.Feature}) && n != (Name{Currency: n.Currency}) && n != (Name{Event: n.Event}) {
			return errors.New("name a feature, a currency or an event, one of them")
		}
	}
	if slices.Contains(b.Models, "") {
		return errors.New("a model has a name")
	}
	for i, c := range b.Caps {
		if c.Capability.ID == "" || c.Amount.Sign() < 0 || !c.Amount.InRange() {
			return errors.New("a cap is an amount, 0 or more, of a feature or currency")
		}
		if slices.ContainsFunc(b.Caps[:i], func(other Cap) bool { return other.Capability == c.Capability }) {
			return fmt.Errorf("there are two caps of %s", c.Capability.ID)
		}
	}
	return nil
}

func pinned(list []Pin, key string) bool {
	return slices.ContainsFunc(list, func(p Pin) bool { return p.Key == key })
}

// decode reads the blocks of raw.
func (t *Token) decode() error {
	rest := string(t.raw) // of which all texts are parts
	whole := len(rest)
	t.Blocks = make([]Block, 0, 4)
	for len(rest) > 0 {
		body, after, ok := piece(rest)
		if !ok || len(t.Blocks) == MaxBlocks {
			return ErrToken
		}
		t.Blocks = append(t.Blocks, Block{})
		if err := t.Blocks[len(t.Blocks)-1].decode(body, len(t.Blocks) == 1); err != nil {
			return err
		}
		rest = after
		t.ends = append(t.ends, whole-len(rest))
	}
	if len(t.Blocks) == 0 {
		return ErrToken
	}
	t.IDs = make([]string, len(t.Blocks))
	return t.contradiction()
}

// contradiction is that a dimension is pinned to two values.
func (t *Token) contradiction() error {
	for i := range t.Blocks {
		for j := range i {
			if contradict(t.Blocks[i].Entities, t.Blocks[j].Entities) || contradict(t.Blocks[i].Entities, t.Blocks[j].Dims) {
				return errors.New("a narrower token cannot pin a dimension to another value")
			}
		}
	}
	return nil
}

func contradict(a, b []Pin) bool {
	for _, p := range a {
		if slices.ContainsFunc(b, func(q Pin) bool { return q.Key == p.Key && q.Value != p.Value }) {
			return true
		}
	}
	return false
}

// piece cuts off what has its length before it.
func piece(s string) (body, rest string, ok bool) {
	n, w := uvarint(s)
	if w == 0 || n > len(s)-w {
		return "", "", false
	}
	return s[w : w+n], s[w+n:], true
}

// uvarint reads a length, of at most two bytes as tokens are short; w is 0 where there is none.
func uvarint(s string) (n, w int) {
	switch {
	case len(s) > 0 && s[0] < 0x80:
		return int(s[0]), 1
	case len(s) > 1 && s[1] < 0x80:
		return int(s[0]&0x7f) | int(s[1])<<7, 2
	}
	return 0, 0
}

func (b *Block) decode(body string, first bool) error {
	nonces := 0
	for len(body) > 0 {
		kind := body[0]
		content, rest, ok := piece(body[1:])
		if !ok {
			return ErrToken
		}
		body = rest
		text, more, ok := piece(content)
		if !ok {
			return ErrToken
		}
		second := ""
		if kind == kindEntity || kind == kindDim || kind == kindCapOf || kind == kindCapIn {
			if second, more, ok = piece(more); !ok {
				return ErrToken
			}
		}
		if more != "" || kind != kindNonce && kind != kindExpires && !utf8.ValidString(content) {
			return ErrToken
		}
		if kind == kindNonce {
			if nonces++; nonces > 1 || len(text) != nonceLen {
				return ErrToken
			}
			copy(b.nonce[:], text)
			continue
		}
		if err := b.take(kind, text, second); err != nil {
			return err
		}
	}
	if nonces != 1 || first != (b.Customer != "") || !first && len(b.Dims) > 0 || b.check() != nil {
		return ErrToken
	}
	return nil
}

// take adds a caveat.
func (b *Block) take(kind byte, text, second string) error {
	switch kind {
	case kindCustomer:
		if b.Customer != "" || bursar.CheckCustomerID(text) != nil {
			return ErrToken
		}
		b.Customer = text
	case kindLabel:
		b.Label = text
	case kindExpires:
		if len(text) != 8 {
			return ErrToken
		}
		at := bursar.Time(0)
		for i := range len(text) {
			at = at<<8 | bursar.Time(text[i])
		}
		if at <= 0 {
			return ErrToken
		}
		if b.Expires == 0 || at < b.Expires {
			b.Expires = at
		}
	case kindEntity:
		b.Entities = append(b.Entities, Pin{text, second})
	case kindDim:
		b.Dims = append(b.Dims, Pin{text, second})
	case kindFeature:
		b.Only = append(b.Only, Name{Feature: text})
	case kindCurrency:
		b.Only = append(b.Only, Name{Currency: text})
	case kindEvent:
		b.Only = append(b.Only, Name{Event: text})
	case kindModel:
		b.Models = append(b.Models, text)
	case kindCapOf, kindCapIn:
		amount, err := bursar.AmountFromString(second)
		if err != nil {
			return ErrToken
		}
		c := Cap{bursar.Capability{Kind: bursar.KindFeature, ID: text}, amount}
		if kind == kindCapIn {
			c.Capability.Kind = bursar.KindCurrency
		}
		b.Caps = append(b.Caps, c)
	default:
		return fmt.Errorf("this token says something that this version does not know (%q)", kind)
	}
	return nil
}
