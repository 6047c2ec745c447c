package catalogue

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bursarhq/bursar"
)

// Enroller says which types a caller's requests may enrol: they make entities of ids that are new.
type Enroller struct {
	Nobody bool
	Types  []string // none = of all
}

// Enroller is what the caller may enrol. With an API key that is entities of the types that the
// key is bound to. With a token it is nobody.
func (c *Caller) Enroller() Enroller {
	return Enroller{Nobody: c.Token != nil || c.Spends != nil, Types: c.Types}
}

// Refuses says why nobody is enrolled as one of a type; "" = whoever is new may be.
func (e *Enroller) Refuses(typeID string) string {
	switch {
	case e.Nobody:
		return "who holds a token enrols nobody"
	case len(e.Types) > 0 && !slices.Contains(e.Types, typeID):
		return fmt.Sprintf("the API key is bound to the entity types %s", strings.Join(e.Types, ", "))
	}
	return ""
}

func checkEnrolment(at string, t *EntityTypeInput, p *bursar.Problems) {
	if !t.Enrolment.Set || t.Enrolment.Null {
		return
	}
	if t.ID == bursar.SpendTokenType {
		p.Add(at, bursar.CodeValidationFailed, "the server makes the entities of the type %q: nobody is enrolled as one", t.ID)
	}
	keys := t.Enrolment.Value.ParentKeys
	if len(keys) > bursar.MaxParentKeys {
		p.Add(at+"/parentKeys", bursar.CodeValidationFailed, "at most %d keys say the parent", bursar.MaxParentKeys)
	}
	for i, k := range keys {
		if slices.Contains(keys[:i], k) {
			p.Add(fmt.Sprintf("%s/parentKeys/%d", at, i), bursar.CodeValidationFailed, "the key %q is here twice", k)
		}
	}
	if id := t.Enrolment.Value.ParentID; id != nil && *id != "" {
		if err := bursar.CheckEntityID(*id); err != nil {
			p.Add(at+"/parentId", bursar.CodeValidationFailed, "%v", err)
		}
	}
}

// checkParentKeys adds to p the keys that would never name a parent. It is called when the types
// of the request are made, so their keys count.
func (w *Write) checkParentKeys(in []EntityTypeInput, p *bursar.Problems) {
	if !p.Empty() {
		return
	}
	for i := range in {
		for j, k := range in[i].Enrolment.Value.ParentKeys {
			if w.Attributes(k) {
				continue
			}
			why := "name one of a type that is there or put it into this request"
			if like, _, _ := w.LikeKey(k); like != "" {
				why = fmt.Sprintf("did you mean %q?", like)
			}
			p.Add(fmt.Sprintf("/types/%d/enrolment/parentKeys/%d", i, j), bursar.CodeValidationFailed,
				"%q is the attribution key of no entity type, so it names no parent: %s", k, why)
		}
	}
}

// enrolmentOf is the enrolment of a type once in is written to it; nil = none.
func enrolmentOf(in bursar.Opt[bursar.Enrolment]) *bursar.Enrolment {
	if in.Null {
		return nil
	}
	x := in.Value
	x.ParentKeys = append([]string{}, x.ParentKeys...)
	return &x
}

// enrolsNow tells whether a live type enrols.
func (c *Catalogue) enrolsNow() bool {
	for _, t := range c.TypeOf {
		if t.Enrolment != nil && t.ArchivedAt == nil {
			return true
		}
	}
	return false
}
