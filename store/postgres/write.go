package postgres

import (
	"context"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

const (
	insertLog = `INSERT INTO log (stream, seq, now, hash, commit_id, payload, sum)
		SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bytea[], $5::bytea[], $6::bytea[], $7::bigint[])`
	advance = `UPDATE streams s SET seq = q.seq, now = q.now, hash = q.hash
		FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bytea[]) q (id, seq, now, hash) WHERE s.id = q.id`
	advanceAside = `UPDATE streams SET asides = CASE WHEN aside_at = seq - 1 THEN asides + 1 ELSE 1 END, aside_at = seq WHERE name = ''`
	insertBehind = "INSERT INTO behind SELECT unnest($1::bigint[]) ON CONFLICT DO NOTHING"
	putCustomers = `INSERT INTO customers (id, name, email, metadata, timezone, language, billing_id, billing_currency,
			created_at, updated_at, archived_at, sum)
		SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
			$9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[])
		ON CONFLICT (id) DO UPDATE SET name = excluded.name, email = excluded.email, metadata = excluded.metadata,
			timezone = excluded.timezone, language = excluded.language, billing_id = excluded.billing_id,
			billing_currency = excluded.billing_currency, created_at = excluded.created_at,
			updated_at = excluded.updated_at, archived_at = excluded.archived_at, sum = excluded.sum`
	insertActivity = `INSERT INTO activity (stream, id, timestamp, actor_type, actor_id, subject, action, target_type,
			target_id, entity_id, before, after, request_id, sum)
		SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[],
			$8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::bigint[])
		ON CONFLICT DO NOTHING`
	beginUses = `INSERT INTO uses (kind, id, stream)
		SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[]) ON CONFLICT DO NOTHING`
	endUses = `DELETE FROM uses WHERE ctid = ANY(ARRAY(
		SELECT u.ctid FROM unnest($1::text[], $2::text[], $3::bigint[]) q (kind, id, stream)
		CROSS JOIN LATERAL (SELECT ctid FROM uses WHERE kind = q.kind AND id = q.id AND stream = q.stream OFFSET 0) u))`
)

// commit writes the commits that judge has chosen, with all that comes with them.
func (a *appending) commit(ctx context.Context, c *conn) error {
	var (
		b       batch
		rows    logRows
		behind  []int64
		heads   = map[string]locked{} // where the streams of imported runs end
		listed  = map[string]*bursar.Customer{}
		lists   customers
		entries activities
		out     outbox
		aside   bool
	)
	for i := range a.commits {
		if a.out[i] != store.Committed {
			continue
		}
		m := &a.commits[i]
		st := a.streams[m.Stream]
		rows.add(st.id, m)
		heads[m.Stream] = st
		if m.After.Seq == st.saved && m.Stream != store.CatalogueStream {
			behind = append(behind, st.id)
		}
		if m.Listing != nil {
			listed[m.Listing.ID] = m.Listing
		}
		aside = aside || m.Aside
		entries.add(m.Stream, st.id, m.Activity)
		for j := range m.Messages {
			out.add(&m.Messages[j])
		}
	}
	rows.put(&b)
	advanceAll(&b, heads)
	if aside {
		b.exec(advanceAside)
	}
	for _, c := range listed {
		if err := lists.add(c); err != nil {
			return err
		}
	}
	if len(behind) > 0 {
		b.exec(insertBehind, behind)
	}
	lists.put(&b)
	entries.put(&b)
	a.putUses(&b)
	out.put(&b)
	return c.commit(ctx, &b)
}

// putUses writes what the commits change of what is used.
func (a *appending) putUses(b *batch) {
	var begin, end uses
	for u, streams := range a.uses {
		for name, uses := range streams {
			l := &end
			if uses {
				l = &begin
			}
			l.add(a.streams[name].id, u)
		}
	}
	begin.put(b, beginUses)
	end.put(b, endUses)
}

// logRows are rows of the log, by column.
type logRows struct {
	streams, seqs, nows, sums   []int64
	hashes, commitIDs, payloads [][]byte
}

func (l *logRows) add(stream int64, c *store.Commit) {
	l.streams, l.seqs, l.nows = append(l.streams, stream), append(l.seqs, int64(c.After.Seq+1)), append(l.nows, int64(c.Now))
	l.hashes, l.commitIDs, l.payloads = append(l.hashes, c.Hash[:]), append(l.commitIDs, c.ID[:]), append(l.payloads, c.Payload)
	l.sums = append(l.sums, logSum(c.Head(), c.ID, c.Payload))
}

func (l *logRows) put(b *batch) {
	b.exec(insertLog, l.streams, l.seqs, l.nows, l.hashes, l.commitIDs, l.payloads, l.sums)
}

func advanceAll(b *batch, heads map[string]locked) {
	var ids, seqs, nows []int64
	var hashes [][]byte
	for _, st := range heads {
		ids, seqs, nows = append(ids, st.id), append(seqs, int64(st.head.Seq)), append(nows, int64(st.head.Now))
		hashes = append(hashes, st.head.Hash[:])
	}
	b.exec(advance, ids, seqs, nows, hashes)
}

// customers are rows of the listing, by column.
type customers struct {
	ids                                                 []string
	names, emails, metadata, zones, languages, billings []*string
	currencies                                          []*string
	created, updated                                    []int64
	archived                                            []*int64
	sums                                                []int64
}

func (l *customers) add(c *bursar.Customer) error {
	metadata, err := metadataText(c.Metadata)
	if err != nil {
		return err
	}
	l.ids = append(l.ids, text(c.ID))
	l.names, l.emails, l.metadata = append(l.names, optText(c.Name)), append(l.emails, optText(c.Email)), append(l.metadata, metadata)
	l.zones, l.languages = append(l.zones, optText(c.Timezone)), append(l.languages, optText(c.Language))
	l.billings, l.currencies = append(l.billings, optText(c.BillingID)), append(l.currencies, optText(c.BillingCurrency))
	l.created, l.updated = append(l.created, int64(c.CreatedAt)), append(l.updated, int64(c.UpdatedAt))
	l.archived, l.sums = append(l.archived, (*int64)(c.ArchivedAt)), append(l.sums, customerSum(c, metadata))
	return nil
}

func (l *customers) put(b *batch) {
	if len(l.ids) > 0 {
		b.exec(putCustomers, l.ids, l.names, l.emails, l.metadata, l.zones, l.languages, l.billings, l.currencies, l.created, l.updated, l.archived, l.sums)
	}
}

// activities are rows of the activity listing, by column.
type activities struct {
	streams, times []int64
	texts          [8][]string // id, actor type and id, subject, action, target type and id, entity
	before, after  []*string
	requests       []string
	sums           []int64
}

func (l *activities) add(name string, stream int64, rows []store.Activity) {
	for i := range rows {
		r := &rows[i]
		l.streams, l.times = append(l.streams, stream), append(l.times, int64(r.Timestamp))
		for j, s := range [8]string{r.ID, r.ActorType, r.ActorID, r.Subject, r.Action, r.TargetType, r.TargetID, r.EntityID} {
			l.texts[j] = append(l.texts[j], text(s))
		}
		l.before, l.after = append(l.before, jsonText(r.Before)), append(l.after, jsonText(r.After))
		l.requests, l.sums = append(l.requests, text(r.RequestID)), append(l.sums, activitySum(name, r))
	}
}

func (l *activities) put(b *batch) {
	if len(l.streams) > 0 {
		t := &l.texts
		b.exec(insertActivity, l.streams, t[0], l.times, t[1], t[2], t[3], t[4], t[5], t[6], t[7], l.before, l.after, l.requests, l.sums)
	}
}

// uses are rows of uses, by column.
type uses struct {
	kinds, ids []string
	streams    []int64
}

func (l *uses) add(stream int64, u store.Use) {
	l.kinds, l.ids, l.streams = append(l.kinds, text(u.Kind)), append(l.ids, text(u.ID)), append(l.streams, stream)
}

func (l *uses) put(b *batch, sql string) {
	if len(l.ids) > 0 {
		b.exec(sql, l.kinds, l.ids, l.streams)
	}
}
