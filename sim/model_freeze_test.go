package sim

import (
	"cmp"
	"slices"

	"github.com/bursarhq/bursar"
)

// mFreeze is why an entity, or under "" the customer, is frozen.
type mFreeze struct {
	reason string
	at     bursar.Time
}

func (z *mFreeze) show(id string) *bursar.Freeze {
	out := bursar.Freeze{Code: bursar.CodeEntityIsFrozen, EntityID: id, Reason: z.reason, FrozenAt: z.at}
	if id == "" {
		out.Code = bursar.CodeCustomerIsFrozen
	}
	return &out
}

// stopped is the first freeze on the chains, each from the leaf to the root, or else the
// customer's.
func (c *mCust) stopped(chains ...[]string) *bursar.Freeze {
	for _, id := range append(slices.Concat(chains...), "") {
		if z := c.freezes[id]; z != nil {
			return z.show(id)
		}
	}
	return nil
}

// setFreeze freezes or, with the reason "", thaws.
func (m *model) setFreeze(customer, entity string, freeze bool, reason string) (bursar.Freezing, *fail) {
	c, now, f := m.writable(customer)
	if f != nil {
		return bursar.Freezing{}, f
	}
	e, known := c.entities[entity]
	if entity != "" && !known {
		return bursar.Freezing{}, failed(bursar.CodeEntityNotFound)
	}
	if freeze && reason == "" {
		return bursar.Freezing{}, failedAt("/reason", bursar.CodeValidationFailed)
	}
	out := bursar.Freezing{EntityID: entity}
	old := c.freezes[entity]
	if freeze && (old == nil || old.reason != reason) || !freeze && old != nil {
		told, verb := old, "thawed"
		if freeze {
			told, verb = &mFreeze{reason: reason, at: now.Milli()}, "frozen"
			c.freezes[entity] = told
		} else {
			delete(c.freezes, entity)
		}
		c.log.wrote(now)
		data := map[string]any{"reason": told.reason, "frozenAt": told.at}
		typ := "customer." + verb
		if entity != "" {
			typ, data["entity"] = "entity."+verb, e
		}
		c.tell(typ, data)
	}
	if z := c.freezes[entity]; z != nil {
		out.Freeze = z.show(entity)
	}
	return out, nil
}

func (m *model) listFreezes(customer string) ([]bursar.Freeze, *fail) {
	c, _ := m.customer(customer)
	if c == nil {
		return nil, failed(bursar.CodeCustomerNotFound)
	}
	list := []bursar.Freeze{}
	for id, z := range c.freezes {
		list = append(list, *z.show(id))
	}
	slices.SortFunc(list, compareFreezes)
	return list, nil
}

func compareFreezes(a, b bursar.Freeze) int {
	return cmp.Or(cmp.Compare(a.FrozenAt, b.FrozenAt), compareText(a.EntityID, b.EntityID))
}
