package httpapi

import (
	"github.com/bursarhq/bursar/ledger"
)

type archiveIn struct {
	customerPath
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
	return archiveOut{IDs: a.IDs, Archived: a.Archived, Limits: viewEach(viewAssignment)(a.Limits), LimitCount: a.LimitCount,
		Released: viewEach(viewEntity)(a.Entities), ReleasedCount: a.EntityCount, withRevision: withRevision{a.Revision()}}
}

func (a *API) archiveEntities(c call, in *archiveIn) (out archiveOut, _ uint64, _ error) {
	descendants := or(in.Descendants, false)
	if or(in.DryRun, false) { // changes nothing, so its key is free for the write that may follow
		got, version, err := a.engine.PreviewArchive(c.ctx, c.options(), in.CustomerID, in.IDs, descendants)
		if err != nil {
			return out, version, err
		}
		out = viewArchival(got)
		out.DryRun = true
		return out, version, nil
	}
	got, version, err := a.engine.Archive(c.ctx, c.by, in.CustomerID, in.IDs, descendants)
	if err != nil {
		return out, version, err
	}
	return viewArchival(got), version, nil
}

// restoreIn names entities that come back: what one request archived fits.
type restoreIn struct {
	customerPath
	IDs []string `json:"ids" is:"required,n=1-1000,id"`
}

func viewArchivedIDs(a ledger.Archival) idsOut { return idsOut{a.IDs} }

func (a *API) unarchiveEntities(c call, in *restoreIn) (ledger.Archival, uint64, error) {
	version, err := a.engine.ArchiveEntities(c.ctx, c.by, in.CustomerID, in.IDs, false)
	return ledger.Archival{IDs: in.IDs}, version, err
}
