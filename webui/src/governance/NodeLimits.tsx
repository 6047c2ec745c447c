import { useQuery } from "@tanstack/react-query";
import { Pencil, Plus, Split, Trash2, Zap } from "lucide-react";
import { useEffect, useState } from "react";
import { formatExact, formatShort, isZero, nano } from "../api/amount";
import { path } from "../api/client";
import type { Amount } from "../api/json";
import { count } from "../api/locale";
import type { Allocation, Assignment, Capability, Effective, Page, Tree, TreeRow } from "../api/types";
import { longTime, perCadence, until } from "../lib/time";
import { Amt, Button, Confirm, Empty, Notice, Reading, StatusBadge, UsageBar, When } from "../ui";
import { useLeave } from "../ui/draft";
import { useIsKept } from "../ui/kept";
import { lazily } from "../ui/Lazily";
import { AskForMore, mayAsk } from "./AskForMore";
import { BoostForm, Boosts, boostKey } from "./Boost";
import { useDefaultWords } from "./Default";
import { figuresOf } from "./figures";
import { Kind, limitWords, titleOf, UsedOfIt, WhichLimit } from "./Limit";
import { LimitForm, limitKey } from "./LimitForm";
import { readLimits } from "./limit";
import { capabilityOf, useSession } from "./session";
import type { Session } from "./sessiontype";
import { shareKey } from "./share";
import { causeWords, refusalOf, type Status, standingOf } from "./standing";
import { undoDelete } from "./undo";

const Allocate = lazily(() => import("./Allocate"));

type Both = { limit: Assignment; row: TreeRow | undefined };

type Found = { limits: Both[]; effective: Effective | null };

async function read(s: Session, entityId: string): Promise<Found> {
  const ids = (kind: string) =>
    s.capabilities
      .filter(c => c.kind === kind)
      .slice(0, 100)
      .map(c => c.id);
  const query = {
    rootEntityId: entityId,
    depth: 0,
    limit: 1000,
    featureIds: ids("feature"),
    currencyIds: ids("currency"),
    includeArchived: true,
  };
  const c = s.capability;
  const about = {
    rootEntityId: entityId,
    depth: 0,
    includeArchived: true,
    [c?.kind === "currency" ? "effectiveCurrencyId" : "effectiveFeatureId"]: c?.id,
  };
  const [limits, tree, bare] = await Promise.all([
    s.api.all<Assignment>(path`/customers/${s.customerId}/assignments`, { entityId }),
    s.capabilities.length === 0 ? null : s.api.get<Tree>(path`/customers/${s.customerId}/governance`, query),
    c ? s.api.get<Tree>(path`/customers/${s.customerId}/governance`, about) : null,
  ]);
  const rows = new Map(tree?.data.map(r => [r.assignmentId, r]));
  limits.push(...(await readLimits(s, tree?.data.filter(r => r.defaultOf) ?? [])));
  return { limits: limits.map(limit => ({ limit, row: rows.get(limit.id) })), effective: bare?.data[0]?.effective ?? null };
}

/**
 * Limits in an order that usage and saving do not change: what the tree shows first, then as
 * the capabilities are listed; the entity's own before those on something.
 */
export function inOrder<T extends { limit: Assignment }>(all: T[], capabilities: Capability[], first: Capability | null): T[] {
  const place = (a: Assignment) => {
    const c = capabilityOf(a, capabilities);
    return c && c.kind === first?.kind && c.id === first.id ? -1 : capabilities.indexOf(c as Capability);
  };
  return [...all].sort(
    (x, y) =>
      place(x.limit) - place(y.limit) ||
      x.limit.scopeEntityIds.length - y.limit.scopeEntityIds.length ||
      (x.limit.label < y.limit.label ? -1 : x.limit.label > y.limit.label ? 1 : 0) ||
      (x.limit.id < y.limit.id ? -1 : 1),
  );
}

/** The limits of an entity: of each capability, scope and label. */
export function NodeLimits({ entityId }: { entityId: string }) {
  const s = useSession();
  const leave = useLeave();
  const isKept = useIsKept();
  const [editing, setEditing] = useState<Both | "new" | null>(null);
  const limits = useQuery({ queryKey: ["limits", s.customerId, entityId], queryFn: () => read(s, entityId), refetchInterval: 10_000 });
  // What was typed here and left is opened again.
  const left = limits.data?.limits.find(b => isKept(limitKey(s, entityId, b.limit)));
  const waiting = limits.data && s.mayEdit(entityId) && (left ?? (isKept(limitKey(s, entityId, null)) ? "new" : null));
  useEffect(() => {
    if (waiting && editing === null) setEditing(waiting);
  }, [waiting, editing]);
  if (!limits.data) return <Reading got={limits} lines={6} />;
  const shown = [...limits.data.limits];
  // What is being edited stays, whatever has become of it meanwhile.
  if (editing && editing !== "new" && !shown.some(b => b.limit.id === editing.limit.id)) shown.push({ ...editing, row: undefined });
  const list = inOrder(shown, s.capabilities, s.capability);
  const edit = (what: Both | "new") => leave(() => setEditing(what));
  const done = () => setEditing(null);
  const given = limits.data.limits.flatMap(b => (b.limit.defaultOf ? b.limit : []));
  return (
    <div className="stack">
      <Reading got={limits} />
      {list.length === 0 && <Stopped effective={limits.data.effective} />}
      {list.length === 0 && editing !== "new" && (
        <Empty title="No limit of its own">
          <p>Requests here are stopped only by the limits above it, if there are any.</p>
        </Empty>
      )}
      {list.map(b =>
        editing && editing !== "new" && editing.limit.id === b.limit.id ? (
          <section key={b.limit.id} className="limit" aria-label={`Edit ${titleOf(s, b.limit)} ${b.limit.label}`}>
            <LimitForm entityId={entityId} limit={b.limit} used={b.row?.currentUsage} onDone={done} />
          </section>
        ) : (
          <LimitCard key={b.limit.id} {...b} onEdit={() => edit(b)} />
        ),
      )}
      {editing === "new" ? (
        <section className="limit" aria-label="New limit">
          <h3>New limit</h3>
          <LimitForm entityId={entityId} limit={null} given={given} onDone={done} />
        </section>
      ) : (
        s.mayEdit(entityId) && (
          <div>
            <Button icon={<Plus size={15} />} disabled={s.capabilities.length === 0} onClick={() => edit("new")}>
              Set a limit
            </Button>
          </div>
        )
      )}
    </div>
  );
}

function LimitCard({ limit, row, onEdit }: Both & { onEdit: () => void }) {
  const s = useSession();
  const [act, setAct] = useState<"boost" | "share" | "delete" | null>(null);
  const isKept = useIsKept();
  const capability = capabilityOf(limit, s.capabilities);
  const boosted =
    limit.usageLimit !== null && limit.effectiveUsageLimit !== null && nano(limit.usageLimit) !== nano(limit.effectiveUsageLimit);
  const { status, cause } = standingOf({ id: limit.entityId, effective: null }, row, null);
  const refusal = status === "full" && row ? refusalOf(row) : null;
  const stopped = cause !== "" && (status === "above" || status === "blocked");
  const shares = s.canEdit &&
    capability?.counts === "sum" &&
    row &&
    row.childCount > 0 &&
    limit.usageLimit !== null &&
    limit.scopeEntityIds.length === 0 && (
      <Button size="small" icon={<Split size={14} />} onClick={() => setAct("share")}>
        {isKept(shareKey(s, limit)) ? "Go on sharing out" : "Share out"}
      </Button>
    );
  return (
    <section className="limit" aria-label={`${titleOf(s, limit)} ${limit.label}`}>
      <div className="row wrap">
        <h3>{titleOf(s, limit)}</h3>
        <Kind limit={limit} />
        <span className="grow" />
        <StatusBadge status={status} cause={cause} />
      </div>
      {row?.currentUsage != null && row.reserved !== null && (
        <Numbers row={row} boosted={boosted} status={status} counts={capability?.counts ?? "sum"} />
      )}
      {stopped && <Stopped effective={row?.effective ?? null} />}
      {refusal && (
        <Notice kind="bad">
          {formatExact(refusal.requested)} was asked for and stopped <When at={refusal.at} />; {formatExact(row?.remaining ?? 0)} is left.
        </Notice>
      )}
      <Given limit={limit} />
      <p className="small muted">
        {limit.enforcement === "hard" ? "Stops requests" : "Reports only"} · {perCadence(limit.cadence)}
        {row?.usagePeriodEnd && <span title={longTime(row.usagePeriodEnd)}>, resets {until(row.usagePeriodEnd)}</span>} · {limit.timezone}
        {limit.alertThresholds.length > 0 && <> · alerts at {limit.alertThresholds.map(t => `${t}%`).join(", ")}</>}
        {boosted && limit.usageLimit !== null && <> · {formatExact(limit.usageLimit)} without boosts</>}
      </p>
      {capability && limit.scopeEntityIds.length === 0 && <Allocated limit={limit} />}
      <Boosts limit={limit} />
      {!s.mayEdit(limit.entityId) && (shares || (mayAsk(s, limit.entityId) && limit.usageLimit !== null)) && (
        <div className="row wrap">
          {mayAsk(s, limit.entityId) && limit.usageLimit !== null && <AskForMore limit={limit} />}
          {shares}
        </div>
      )}
      {s.mayEdit(limit.entityId) && (
        <div className="row wrap">
          <Button size="small" icon={<Pencil size={14} />} onClick={onEdit}>
            {limit.defaultOf ? "Set own limit" : "Edit"}
          </Button>
          {limit.usageLimit !== null && (
            <Button size="small" icon={<Zap size={14} />} onClick={() => setAct("boost")}>
              {isKept(boostKey(s, limit)) ? "Go on with the boost" : "Boost"}
            </Button>
          )}
          {shares}
          {!limit.defaultOf && (
            <Button size="small" look="quiet" className="danger" icon={<Trash2 size={14} />} onClick={() => setAct("delete")}>
              Delete
            </Button>
          )}
        </div>
      )}
      {act === "boost" && <BoostForm limit={limit} row={row} onClose={() => setAct(null)} />}
      {act === "share" && <Allocate limit={limit} row={row} onClose={() => setAct(null)} />}
      {act === "delete" && (
        <Confirm
          title={`Delete the limit of ${titleOf(s, limit)}?`}
          action="Delete"
          danger
          onClose={() => setAct(null)}
          onConfirm={async () => {
            await s.api.delete(path`/customers/${s.customerId}/assignments/${limit.id}`, limit.revision);
            s.wrote({
              text: `Limit deleted: ${titleOf(s, limit)} ${perCadence(limit.cadence)}`,
              entityIds: [limit.entityId],
              undo: () => undoDelete(s, limit),
            });
          }}
        >
          <WhichLimit limit={limit} />
          <p>
            Now <span className="strong num">{limitWords(limit.effectiveUsageLimit)}</span>
            <UsedOfIt of={limit} v={row?.currentUsage} />. Then nothing limits this here but a default, if there is one, and the limits
            above it.
          </p>
          <p>
            What it has counted, its holds and its boosts go on in a default that takes its place. Without one they are dropped, and undoing
            sets the limit again, from zero.
          </p>
        </Confirm>
      )}
    </section>
  );
}

/** That a limit is by default, and of whom. */
function Given({ limit }: { limit: Assignment }) {
  const of = useDefaultWords(limit.defaultOf);
  if (!limit.defaultOf) return null;
  return <p className="small">By default: {of}. It changes when the default does.</p>;
}

/** That something else than the limit beside it stops requests, which, and until when. */
function Stopped({ effective }: { effective: Effective | null }) {
  const s = useSession();
  const leave = useLeave();
  const by = effective?.by;
  if (effective?.status !== "blocked" || !by) return null;
  const id = by.source === "ENTITY" ? by.entityId : null;
  return (
    <Notice kind="bad">
      <span className="strong">
        {id ? (
          <button type="button" className="link" onClick={() => leave(() => s.open(id))}>
            {causeWords(by)}
          </button>
        ) : (
          causeWords(by)
        )}
      </span>{" "}
      has nothing left: requests here are stopped, whatever the limits here leave
      {by.resetsAt && <span title={longTime(by.resetsAt)}>; it resets {until(by.resetsAt)}</span>}.
    </Notice>
  );
}

type NumbersProps = { row: TreeRow; boosted: boolean; status: Status; counts: Capability["counts"] };

/** What is used and what is left are called, by what is counted. */
const figureWords: Record<Capability["counts"], [used: string, left: string]> = {
  sum: ["Used", "Remaining"],
  highest: ["Highest so far", "Passes up to"],
  different: ["Different so far", "Remaining"],
};

function Numbers({ row, boosted, status, counts }: NumbersProps) {
  const [used, held, limit] = [row.currentUsage ?? 0, row.reserved ?? 0, row.usageLimit];
  const shown = limit === null || row.remaining === null ? null : figuresOf(used, held, limit, row.remaining);
  const figure = (label: string, exact: Amount | null, text: string | undefined) => (
    <div>
      <dt>{label}</dt>
      <dd className="num" title={exact === null ? undefined : formatExact(exact)}>
        {text ?? (exact === null ? "–" : formatShort(exact))}
      </dd>
    </div>
  );
  return (
    <>
      {limit !== null && <UsageBar used={used} held={held} limit={limit} status={status} />}
      <dl className="trio">
        {figure(figureWords[counts][0], used, shown?.used)}
        {figure("Held", held, shown?.held)}
        {figure(`Limit${boosted ? " with boosts" : ""}`, limit, shown?.limit ?? "Unlimited")}
        {figure(figureWords[counts][1], row.remaining, shown?.remaining)}
      </dl>
    </>
  );
}

/** How much of a limit is allocated to the ones below it. */
function Allocated({ limit }: { limit: Assignment }) {
  const s = useSession();
  const query = {
    ...(limit.featureId ? { featureId: limit.featureId } : { currencyId: limit.currencyId }),
    entityId: limit.entityId,
    label: limit.label,
    limit: 100,
  };
  const got = useQuery({
    queryKey: ["allocation", s.customerId, limit.id],
    queryFn: () => s.api.get<Page<Allocation>>(path`/customers/${s.customerId}/allocation`, query),
  });
  const a = got.data?.data.find(x => x.assignmentId === limit.id);
  if (!a || a.children === 0 || a.usageLimit === null) return null;
  const over = !isZero(a.overCommitted);
  return (
    <div className="stack tight small">
      <UsageBar used={a.allocated} held={0} limit={a.usageLimit} status={over ? "near" : "ok"} />
      <span>
        <Amt v={a.allocated} /> allocated to {count(a.children)} {a.children === 1 ? "limit" : "limits"} below
        {a.unlimited > 0 && `, ${count(a.unlimited)} of them unlimited`};{" "}
        {over ? (
          <>
            over-committed by <Amt v={a.overCommitted} />
          </>
        ) : (
          <>
            <Amt v={a.unallocated ?? 0} /> unallocated
          </>
        )}
        {a.allocation === "strict" && " (strict)"}
      </span>
    </div>
  );
}
