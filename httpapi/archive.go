package httpapi

import (
	"github.com/bursarhq/bursar/ledger"
)

type archiveIn struct {
	based
	IDs         []string `json:"ids" is:"required,n=1-100,id"`
	Descendants *bool    `json:"descendants" is:"default=false" doc:"Archive all that is below them, too; at most 1,000 entities in all."`
	DryRun      *bool    `json:"dryRun" is:"default=false" doc:"Only tell what it would do. The ETag of that reply, as If-Match, makes sure that it is what is done."`
}

// archiveOut is what archiving did, or would do.
type archiveOut struct {
	IDs           []string        `json:"ids"`
	DryRun        bool            `json:"dryRun" doc:"Nothing was written."`
	Archived      []string        `json:"archived" doc:"Those that were live, with what is below them where that was asked for. To undo it, unarchive these."`
	Limits        []assignmentOut `json:"limits" doc:"Limits that stop to gate and to count with it, the first 100. Limits above go on."`
	LimitCount    int             `json:"limitCount"`
	Released      []entityOut     `json:"released" doc:"Entities below that stay, and that those limits do not stop any more; the first 100."`
	ReleasedCount int             `json:"releasedCount"`
	withRevision
}

func viewArchival(a ledger.Archival) archiveOut {
	return archiveOut{IDs: a.IDs, Archived: a.Archived, Limits: viewAssignments(a.Limits), LimitCount: a.LimitCount,
		Released: viewEach(viewEntity)(a.Entities), ReleasedCount: a.EntityCount, withRevision: withRevision{a.Revision()}}
}

func (a *API) archiveEntities(q *request, in *archiveIn) (archiveOut, error) {
	descendants := or(in.Descendants, false)
	c, err := caller(q, viewArchival)
	if err != nil {
		return archiveOut{}, err
	}
	if or(in.DryRun, false) { // changes nothing, so its key is free for the write that may follow
		got, err := versioned[ledger.Archival](q)(a.engine.PreviewArchive(q.ctx, q.options(freshness{}), q.path[0], in.IDs, descendants))
		if err != nil {
			return archiveOut{}, err
		}
		out := viewArchival(got)
		out.DryRun = true
		return out, nil
	}
	return shown(viewArchival)(versioned[ledger.Archival](q)(a.engine.Archive(q.ctx, c, q.path[0], in.IDs, descendants)))
}

// restoreIn names entities that come back: what one request archived fits.
type restoreIn struct {
	IDs []string `json:"ids" is:"required,n=1-1000,id"`
}

func (a *API) unarchiveEntities(q *request, in *restoreIn) (idsOut, error) {
	out := idsOut{in.IDs}
	c, err := caller(q, func(a ledger.Archival) idsOut { return idsOut{a.IDs} })
	if err != nil {
		return out, err
	}
	q.version, err = a.engine.ArchiveEntities(q.ctx, c, q.path[0], in.IDs, false)
	return out, err
}
