package catalogue

import (
	"fmt"
	"slices"

	"github.com/bursarhq/bursar"
)

func (w *Write) PutEntityTypes(in []EntityTypeInput) ([]bursar.EntityType, error) {
	var p bursar.Problems
	out := make([]bursar.EntityType, 0, len(in))
	met := map[string]bool{}
	for i := range in {
		at := fmt.Sprintf("/types/%d", i)
		t := &in[i]
		if err := bursar.CheckID(t.ID); err != nil {
			p.Add(at+"/id", bursar.CodeValidationFailed, "%v", err)
		}
		if met[t.ID] {
			p.Add(at+"/id", bursar.CodeValidationFailed, "the entity type %q is in this request twice", t.ID)
		}
		met[t.ID] = true
		CheckName(at+"/displayName", t.DisplayName, &p)
		CheckText(at+"/description", &t.Description.Value, &p)
		w.checkAttribution(at, t, &p)
		v := bursar.EntityType{ID: t.ID, DisplayName: t.DisplayName, AttributionKeys: append([]string{}, t.AttributionKeys...),
			CreatedAt: w.Now.Milli(), UpdatedAt: w.Now.Milli()}
		old := w.TypeOf[t.ID]
		if p.CheckRevision(at+"/ifMatch", t.IfMatch, old, old != nil); old != nil {
			v.CreatedAt, v.Description, v.Strict, v.Ungoverned, v.Enrolment = old.CreatedAt, old.Description, old.Strict, old.Ungoverned, old.Enrolment
		}
		if t.Strict.Set {
			v.Strict = t.Strict.Value
		}
		if t.Ungoverned.Set {
			v.Ungoverned = t.Ungoverned.Value
		}
		checkUngoverned(at+"/ungoverned", v.Ungoverned, &p)
		checkEnrolment(at+"/enrolment", t, &p)
		if t.Enrolment.Set {
			v.Enrolment = enrolmentOf(t.Enrolment)
		}
		SetOpt(&v.Description, t.Description)
		if p.Empty() {
			if err := w.Put("entityType", &v); err != nil {
				return nil, err
			}
			w.notify(bursar.EventEntityTypeUpdated, entityTypeData{v})
		}
		out = append(out, v)
	}
	w.checkParentKeys(in, &p)
	return out, p.Err()
}

func (w *Write) checkAttribution(at string, t *EntityTypeInput, p *bursar.Problems) {
	if len(t.AttributionKeys) > 2 {
		p.Add(at+"/attributionKeys", bursar.CodeValidationFailed, "an entity type has at most 2 attribution keys")
	}
	for j, k := range t.AttributionKeys {
		pointer := fmt.Sprintf("%s/attributionKeys/%d", at, j)
		if bad, err := bursar.CheckDimensions([]bursar.Dimension{{Key: k}}); err != nil {
			p.Add(pointer, bursar.CodeValidationFailed, "%q cannot be an attribution key: %v", bad, err)
		}
		if owner := w.Attribution[k]; owner != "" && owner != t.ID {
			p.Add(pointer, bursar.CodeValidationFailed, "the attribution key %q belongs to the entity type %q", k, owner)
		}
		if slices.Contains(t.AttributionKeys[:j], k) {
			p.Add(pointer, bursar.CodeValidationFailed, "the attribution key %q is here twice", k)
		}
	}
}

func (w *Write) ArchiveEntityTypes(ids []string, archive bool) error {
	var p bursar.Problems
	for i, id := range ids {
		at := fmt.Sprintf("/ids/%d", i)
		old := w.TypeOf[id]
		if old == nil {
			p.Add(at, bursar.CodeEntityTypeNotFound, "%s", w.NoType(id))
			continue
		}
		if (old.ArchivedAt != nil) == archive {
			continue
		}
		v := *old
		now := w.Now.Milli()
		if v.ArchivedAt, v.UpdatedAt = nil, now; archive {
			v.ArchivedAt = &now
			w.unused("entityType", id, at)
		} else {
			w.checkAttribution("", &EntityTypeInput{ID: id, AttributionKeys: v.AttributionKeys}, &p)
		}
		if err := w.Put("entityType", &v); err != nil {
			return err
		}
		w.notify(bursar.EventEntityTypeUpdated, entityTypeData{v})
	}
	return p.Err()
}

type entityTypeData struct {
	EntityType bursar.EntityType `json:"entityType"`
}
