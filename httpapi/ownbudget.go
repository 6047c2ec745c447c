package httpapi

import (
	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/spendtoken"
)

type ownBudgetIn struct{ freshness }

// ownBudgetOut is what a spend token says of itself, and the limits that it meets.
type ownBudgetOut struct {
	spendTokenOut
	Chain  []spendLinkOut    `json:"chain" doc:"The token that the server made, and each that was made from the one before; the last is the one that asks."`
	Limits []nodeReply       `json:"limits" doc:"The limits that the token's own dimensions meet, of at most 200 capabilities, its caps among them."`
	Closed []closedBudgetOut `json:"closed" doc:"Of which capabilities nothing more is granted now, and why."`
}

type spendLinkOut struct {
	ID        string        `json:"id"`
	Label     *string       `json:"label"`
	ExpiresAt bursar.Time   `json:"expiresAt"`
	Caps      []spendCapOut `json:"caps" doc:"How much may be used with it and all that are made from it."`
}

type closedBudgetOut struct {
	FeatureID  *string     `json:"featureId,omitempty"`
	CurrencyID *string     `json:"currencyId,omitempty"`
	Reason     bursar.Code `json:"reason"`
}

// maxBudgets bounds the capabilities whose limits one reply shows.
const maxBudgets = 200

// ownBudget tells the holder of a spend token what it may spend.
func (a *API) ownBudget(c call, _ *ownBudgetIn) (out ownBudgetOut, _ uint64, _ error) {
	t := c.spend.token
	own := spendTokenOf(t)
	made := a.engine.Catalogue().SpendToken(t.RootID())
	own.CreatedAt = made.CreatedAt
	out = ownBudgetOut{spendTokenOut: viewSpendToken(own), Limits: []nodeReply{}, Closed: []closedBudgetOut{}}
	end := bursar.Time(0)
	for i := range t.Blocks {
		b := &t.Blocks[i]
		if end == 0 || b.Expires != 0 && b.Expires < end {
			end = b.Expires
		}
		caps := make([]bursar.SpendCap, len(b.Caps))
		for j := range b.Caps {
			caps[j] = capOf(b.Caps[j])
		}
		out.Chain = append(out.Chain, spendLinkOut{ID: t.IDs[i], Label: orNil(&b.Label), ExpiresAt: end, Caps: viewSpendCaps(caps)})
	}
	var asked []ledger.CheckInput
	for _, of := range a.spendable(t) {
		asked = append(asked, ledger.CheckInput{Capability: of, Dimensions: c.spend.pins})
	}
	if len(asked) == 0 {
		return out, 0, nil
	}
	decisions, version, err := a.engine.Check(c.ctx, c.options(), t.Customer(), asked)
	if err != nil {
		return out, version, err
	}
	met := map[string]bool{}
	for i := range decisions {
		d := &decisions[i]
		open := d.Granted
		for _, chain := range d.Chains {
			for j := range chain {
				n := &chain[j]
				if left := n.Remaining(); n.Enforcement == bursar.Hard && left != nil && left.IsZero() {
					open = false
				}
				if !met[n.AssignmentID] {
					met[n.AssignmentID] = true
					out.Limits = append(out.Limits, viewNode(n))
				}
			}
		}
		if !open {
			closed := closedBudgetOut{Reason: d.Reason}
			if closed.Reason == "" {
				closed.Reason = bursar.CodeBudgetExceeded
			}
			closed.FeatureID, closed.CurrencyID = capabilityIDs(d.Capability)
			out.Closed = append(out.Closed, closed)
		}
	}
	return out, version, nil
}

// spendable are the capabilities that are not archived and that the token may be about.
func (a *API) spendable(t *spendtoken.Token) (out []bursar.Capability) {
	cat := a.engine.Catalogue()
	add := func(of bursar.Capability, n spendtoken.Name, archived *bursar.Time) {
		if archived == nil && len(out) < maxBudgets && spendsOn(t, n) {
			out = append(out, of)
		}
	}
	for _, f := range cat.Features() {
		add(bursar.Capability{Kind: bursar.KindFeature, ID: f.ID}, spendtoken.Name{Feature: f.ID}, f.ArchivedAt)
	}
	for _, cur := range cat.Currencies() {
		add(bursar.Capability{Kind: bursar.KindCurrency, ID: cur.ID}, spendtoken.Name{Currency: cur.ID}, cur.ArchivedAt)
	}
	return out
}
