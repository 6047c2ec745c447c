import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { path } from "../api/client";
import { count } from "../api/locale";
import type { Archive, Entity, Frozen, One } from "../api/types";
import { perCadence } from "../lib/time";
import { Confirm, Notice, Reading, Text } from "../ui";
import { limitWords, titleOf } from "./Limit";
import { useSession } from "./session";

const named = 5;

/** Archives an entity, saying first what that releases, or restores one. */
export function SetArchived({ entity, frozen, onClose }: Props & { frozen: Frozen | null | undefined }) {
  return entity.archivedAt === null ? (
    <Archiving entity={entity} frozen={frozen} onClose={onClose} />
  ) : (
    <Restore entity={entity} onClose={onClose} />
  );
}

type Props = { entity: Entity; onClose: () => void };

/** frozen: what the entity itself was frozen for; undefined where that is not known. */
function Archiving({ entity, frozen, onClose }: Props & { frozen: Frozen | null | undefined }) {
  const s = useSession();
  const [below, setBelow] = useState<"too" | "stay" | "freeze" | null>(null);
  const [reason, setReason] = useState("");
  const name = entity.displayName ?? entity.id;
  const target = path`/customers/${s.customerId}/entities`;
  const would = useQuery({
    queryKey: ["archival", s.customerId, entity.id, below === "too"],
    queryFn: () => s.api.post<One<Archive>>(`${target}/archive`, { ids: [entity.id], descendants: below === "too", dryRun: true }),
    staleTime: 0,
    placeholderData: before => before,
  });
  // Of those that stay it is asked without those below: what it releases is asked about once.
  const alone = useQuery({
    queryKey: ["archival", s.customerId, entity.id, false],
    queryFn: () => s.api.post<One<Archive>>(`${target}/archive`, { ids: [entity.id], descendants: false, dryRun: true }),
    staleTime: 0,
  });
  const releases = alone.data?.data.releasedCount ?? 0;
  const one = alone.data?.data.limitCount === 1;
  const got = would.data?.data;
  return (
    <Confirm
      title={`Archive ${name}?`}
      action={below === "freeze" ? "Freeze" : below === "too" && got ? `Archive ${count(got.archived.length)}` : "Archive"}
      danger
      ready={
        got !== undefined &&
        !would.isPlaceholderData &&
        alone.data !== undefined &&
        (releases === 0 || below !== null) &&
        (below !== "freeze" || reason.trim() !== "")
      }
      onClose={onClose}
      onConfirm={async () => {
        if (below === "freeze") {
          const at = path`/customers/${s.customerId}/entities/${entity.id}/`;
          await s.api.post(`${at}freeze`, { reason: reason.trim() });
          s.wrote({ text: `${name} is frozen, with all below it`, entityIds: null, undo: () => s.api.post(`${at}thaw`, {}) });
          return;
        }
        const body = { ids: [entity.id], descendants: below === "too" };
        const { data } = await s.api.post<One<Archive>>(`${target}/archive`, body, { ifMatch: got?.revision });
        const others = data.archived.length - 1;
        s.wrote({
          text: `${name} archived${others > 0 ? `, with ${count(others)} below` : ""}`,
          entityIds: null,
          undo: () => s.api.post(`${target}/unarchive`, { ids: data.archived }),
        });
        s.open(null);
      }}
    >
      <p>It leaves the tree. The limits above it go on counting what is used.</p>
      <Reading got={would} lines={2} />
      {got && got.limitCount > 0 && (
        <div>
          <p>{got.limitCount === 1 ? "This limit stops" : `These ${count(got.limitCount)} limits stop`} nothing any more:</p>
          <ul className="small">
            {got.limits.slice(0, named).map(l => (
              <li key={l.id} className="break">
                {titleOf(s, l)} <span className="num">{limitWords(l.effectiveUsageLimit)}</span> {perCadence(l.cadence)}
              </li>
            ))}
            {got.limitCount > named && <li>and {count(got.limitCount - named)} more</li>}
          </ul>
        </div>
      )}
      {releases > 0 && (
        <>
          <Notice kind="warn">
            <span className="strong">
              {count(releases)} {releases === 1 ? "entity" : "entities"} below would go on without {one ? "it" : "them"}:
            </span>{" "}
            <span className="break">
              {alone.data?.data.released
                .slice(0, named)
                .map(e => e.displayName ?? e.id)
                .join(", ")}
              {releases > named && ` and ${count(releases - named)} more`}
            </span>
            . What {one ? "this limit" : "these limits"} forbade is then granted.
          </Notice>
          <fieldset className="plain stack tight">
            <legend className="small strong">And what is below?</legend>
            <label className="check">
              <input type="radio" name="below" checked={below === "too"} onChange={() => setBelow("too")} />
              <span>Archive all below it, too</span>
            </label>
            {frozen ? (
              <p className="small break">
                It is frozen already, with all below it: {frozen.reason}. As long as it is not archived, nothing is granted there.
              </p>
            ) : (
              <label className="check">
                <input
                  type="radio"
                  name="below"
                  disabled={frozen === undefined}
                  checked={below === "freeze"}
                  onChange={() => setBelow("freeze")}
                />
                <span>Archive nothing: freeze it with all below it, so that nothing is granted until somebody has decided</span>
              </label>
            )}
            {below === "freeze" && (
              <Text
                label="Reason"
                value={reason}
                onChange={v => setReason(v.slice(0, 500))}
                placeholder="has left the company"
                hint="Shown in every denial and in the history"
              />
            )}
            <label className="check">
              <input type="radio" name="below" checked={below === "stay"} onChange={() => setBelow("stay")} />
              <span>Leave it as it is, no longer stopped by {one ? "this limit" : "these limits"}</span>
            </label>
          </fieldset>
        </>
      )}
    </Confirm>
  );
}

function Restore({ entity, onClose }: Props) {
  const s = useSession();
  const name = entity.displayName ?? entity.id;
  const act = (verb: "archive" | "unarchive") => s.api.post(path`/customers/${s.customerId}/entities/` + verb, { ids: [entity.id] });
  return (
    <Confirm
      title={`Restore ${name}?`}
      action="Restore"
      onClose={onClose}
      onConfirm={async () => {
        await act("unarchive");
        s.wrote({ text: `${name} restored`, entityIds: null, undo: () => act("archive") });
      }}
    >
      <p>Its own limits stop requests again, with the usage they had counted.</p>
    </Confirm>
  );
}
