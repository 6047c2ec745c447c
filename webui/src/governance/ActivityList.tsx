import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { formatExact } from "../api/amount";
import { path } from "../api/client";
import type { Activity, Page } from "../api/types";
import { longTime, perCadence, shortTime } from "../lib/time";
import { Empty, Reading, Text } from "../ui";
import { Pager } from "./Holds";
import { useKeyNames, useNames } from "./names";
import { useSession } from "./session";

/** Who changed what, newest first. */
export default function ActivityList({ entityId }: { entityId?: string }) {
  const s = useSession();
  const [cursors, setCursors] = useState<string[]>([""]);
  const [action, setAction] = useState("");
  const after = cursors.at(-1) ?? "";
  const got = useQuery({
    queryKey: ["activity", s.customerId, entityId, action, after],
    queryFn: () => s.api.get<Page<Activity>>(path`/customers/${s.customerId}/activity`, { entityId, action, limit: 50, after }),
  });
  const list = got.data?.data ?? [];
  const name = useNames(
    list.flatMap(a => [...(entityId === undefined && a.entityId ? [a.entityId] : []), ...scopeOf(a.before), ...scopeOf(a.after)]),
  );
  const keyName = useKeyNames();
  return (
    <div className="stack">
      {entityId === undefined && (
        <div className="fields">
          <Text
            label="Action"
            value={action}
            onChange={v => {
              setAction(v.trim());
              setCursors([""]);
            }}
            placeholder="all"
            list="actions"
          />
          <datalist id="actions">
            {[...new Set(got.data?.data.map(a => a.action))].map(a => (
              <option key={a} value={a} />
            ))}
          </datalist>
        </div>
      )}
      <Reading got={got} lines={6} />
      {got.data?.data.length === 0 && <Empty title="No changes yet" />}
      <ol className="timeline">
        {got.data?.data.map(a => (
          <li key={a.id}>
            <time className="muted num" dateTime={a.timestamp} title={longTime(a.timestamp)}>
              {shortTime(a.timestamp)}
            </time>
            <div className="stack tight">
              <span className="break">
                <span className="strong">{words(a.action)}</span>{" "}
                {a.entityId && entityId === undefined ? (
                  <button type="button" className="link" onClick={() => s.open(a.entityId)}>
                    {name(a.entityId)}
                  </button>
                ) : (
                  !a.entityId &&
                  entityId === undefined && (
                    <span>{String(a.after?.displayName ?? a.before?.displayName ?? a.after?.name ?? a.before?.name ?? "")}</span>
                  )
                )}
                <span className="muted" title={a.actor.id}>
                  {" "}
                  by {actor(a, keyName)}
                </span>
              </span>
              <Diff before={a.before} after={a.after} name={name} />
            </div>
          </li>
        ))}
      </ol>
      <Pager cursors={cursors} setCursors={setCursors} next={got.data?.pagination.next} />
    </div>
  );
}

/** "assignment.updated" is "Limit updated". */
function words(action: string): string {
  const [thing = "", verb = ""] = action.split(".");
  const names: Record<string, string> = {
    assignment: "Limit",
    entitlement: "Limit",
    entity: "Entity",
    grant: "Credit grant",
    boost: "Boost",
    boostRequest: "Request for more",
    token: "Access token",
    spend_token: "Spend token",
  };
  return `${names[thing] ?? thing.replace(/^./, c => c.toUpperCase())} ${verb.replaceAll("_", " ")}`;
}

const actor = ({ actor: a }: Activity, keyName: (id: string) => string) =>
  a.subject ??
  {
    API_KEY: keyName(a.id),
    ACCESS_TOKEN: "an access token",
    SPEND_TOKEN: "a spend token",
    NOTIFICATION: "a recipient of a notification",
    SYSTEM: "the system",
  }[a.type];

/** What has changed, value by value. Of something new only what it is. */
function Diff({ before, after, name }: Pick<Activity, "before" | "after"> & { name: (id: string) => string }) {
  const keys = Object.keys({ ...before, ...after }).sort((a, b) => weight(a) - weight(b));
  const changed = keys.filter(
    k => text(before?.[k]) !== text(after?.[k]) && !(before && after ? plumbing : dull).test(k) && text(after?.[k] ?? before?.[k]) !== "–",
  );
  if (changed.length === 0) return null;
  return (
    <ul className="diff small">
      {changed.slice(0, 8).map(k => (
        <li key={k} className="break">
          <span className="muted">{called[k] ?? spaced(k)}</span>{" "}
          {before && after && k in before && <del>{said(k, before[k], name)} →</del>} <ins>{said(k, (after ?? before)?.[k], name)}</ins>
        </li>
      ))}
    </ul>
  );
}

// Not worth a word: of a change, and of something new.
const plumbing = /(^id|Id|At)$/;
const dull = /(^id|Id|At|^status|^priority|^anchor|^allocation|^timezone|^metadata)$/;

// What people look for first.
const first = ["displayName", "usageLimit", "amount", "cadence", "label", "enforcement"];
const weight = (k: string) => (first.indexOf(k) + first.length + 1) % (first.length + 1);

const called: Record<string, string> = {
  displayName: "name",
  usageLimit: "limit",
  cadence: "",
  alertThresholds: "alerts at",
  enforcement: "at the limit",
  scopeEntityIds: "only on",
};

const scopeOf = (limit: Activity["after"]): string[] => (Array.isArray(limit?.scopeEntityIds) ? limit.scopeEntityIds.map(String) : []);

/** A value in words, where it has some. */
function said(k: string, v: unknown, name: (id: string) => string): string {
  if (k === "usageLimit" && v === null) return "unlimited";
  if (k === "cadence" && typeof v === "string") return perCadence(v);
  if (k === "grantType") return text(v).toLowerCase();
  if (k === "enforcement") return v === "soft" ? "report only" : "stop requests";
  if (k === "scopeEntityIds" && Array.isArray(v) && v.length > 0) return v.map(id => name(String(id))).join(" + ");
  if (k === "alertThresholds" && Array.isArray(v)) return v.map(t => `${t}%`).join(", ") || "–";
  return text(v);
}

const spaced = (k: string) => k.replace(/[A-Z]/g, c => ` ${c.toLowerCase()}`);

function text(v: unknown): string {
  if (v === undefined || v === null || v === "" || (Array.isArray(v) && v.length === 0)) return "–";
  if (typeof v === "number" || (typeof v === "string" && /^-?\d+(\.\d+)?$/.test(v))) return formatExact(v);
  if (Array.isArray(v)) return v.map(text).join(", ");
  return typeof v === "object" ? JSON.stringify(v) : String(v);
}
