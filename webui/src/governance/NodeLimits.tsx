import { useQuery } from "@tanstack/react-query";
import { Pencil, Plus, Trash2, Zap } from "lucide-react";
import { useState } from "react";
import { formatExact, formatShort, isZero, nano, parseAmount } from "../api/amount";
import { newKey, path } from "../api/client";
import type { Amount } from "../api/json";
import type { Allocation, Assignment, Boost, One, Page, Tree, TreeRow } from "../api/types";
import { fromLocal, longTime, perCadence, until } from "../lib/time";
import { Amt, Button, Confirm, Dialog, Empty, Notice, Skeleton, StatusBadge, Text, Trouble, UsageBar, useAction, When } from "../ui";
import { refusalOf, useRefusals } from "./denials";
import { figuresOf } from "./figures";
import { LimitForm } from "./LimitForm";
import { useNames } from "./names";
import { capabilityOf, inputOf, type Session, useSession } from "./session";
import { type Status, statusOf } from "./tree";

type Both = { limit: Assignment; row: TreeRow | undefined };

async function read(s: Session, entityId: string): Promise<Both[]> {
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
  const [limits, tree] = await Promise.all([
    s.api.all<Assignment>(path`/customers/${s.customerId}/assignments`, { entityId }),
    s.capabilities.length === 0 ? null : s.api.get<Tree>(path`/customers/${s.customerId}/governance`, query),
  ]);
  const rows = new Map(tree?.data.map(r => [r.assignmentId, r]));
  const both = limits.map(limit => ({ limit, row: rows.get(limit.id) }));
  const full = (b: Both) => (b.row?.utilization == null ? -1 : Number(b.row.utilization));
  return both.sort((a, b) => full(b) - full(a));
}

/** The limits of an entity: of each capability, scope and label. */
export function NodeLimits({ entityId }: { entityId: string }) {
  const s = useSession();
  const [editing, setEditing] = useState<string | null>(null);
  const limits = useQuery({ queryKey: ["limits", s.customerId, entityId], queryFn: () => read(s, entityId), refetchInterval: 10_000 });
  if (limits.isPending) return <Skeleton lines={6} />;
  if (limits.isError) return <Trouble error={limits.error} retry={() => limits.refetch()} />;
  return (
    <div className="stack">
      {limits.data.length === 0 && editing !== "new" && (
        <Empty title="No limit of its own">
          <p>Requests here are stopped only by the limits above it, if there are any.</p>
        </Empty>
      )}
      {limits.data.map(b =>
        editing === b.limit.id ? (
          <div key={b.limit.id} className="limit">
            <div className="row wrap">
              <h3>{title(s, b.limit)}</h3>
              <Kind limit={b.limit} />
            </div>
            <LimitForm entityId={entityId} limit={b.limit} onDone={() => setEditing(null)} />
          </div>
        ) : (
          <LimitCard key={b.limit.id} {...b} onEdit={() => setEditing(b.limit.id)} />
        ),
      )}
      {editing === "new" ? (
        <div className="limit">
          <h3>New limit</h3>
          <LimitForm entityId={entityId} limit={null} onDone={() => setEditing(null)} />
        </div>
      ) : (
        s.mayEdit(entityId) && (
          <div>
            <Button icon={<Plus size={15} />} disabled={s.capabilities.length === 0} onClick={() => setEditing("new")}>
              Set a limit
            </Button>
          </div>
        )
      )}
    </div>
  );
}

const title = (s: Session, a: Assignment) => capabilityOf(a, s.capabilities)?.name ?? a.featureId ?? a.currencyId ?? "";

/** Which of several limits of a capability it is. */
function Kind({ limit }: { limit: Assignment }) {
  const name = useNames(limit.scopeEntityIds);
  return (
    <>
      {limit.label && <span className="chip ellipsis">{limit.label}</span>}
      {limit.scopeEntityIds.length > 0 && (
        <span className="chip ellipsis" title={limit.scopeEntityIds.join(", ")}>
          on {limit.scopeEntityIds.map(name).join(" + ")}
        </span>
      )}
    </>
  );
}

function LimitCard({ limit, row, onEdit }: Both & { onEdit: () => void }) {
  const s = useSession();
  const [act, setAct] = useState<"boost" | "delete" | null>(null);
  const capability = capabilityOf(limit, s.capabilities);
  const boosted =
    limit.usageLimit !== null && limit.effectiveUsageLimit !== null && nano(limit.usageLimit) !== nano(limit.effectiveUsageLimit);
  const refusals = useRefusals();
  const status = statusOf(row, null, refusals);
  const refusal = status === "full" && row ? refusalOf(row, refusals) : undefined;
  return (
    <section className="limit" aria-label={`${title(s, limit)} ${limit.label}`}>
      <div className="row wrap">
        <h3>{title(s, limit)}</h3>
        <Kind limit={limit} />
        <span className="grow" />
        <StatusBadge status={status} />
      </div>
      {row?.currentUsage != null && row.reserved !== null && <Numbers row={row} boosted={boosted} status={status} />}
      {refusal && (
        <Notice kind="bad">
          {formatExact(refusal.asked)} was asked for and stopped <When at={refusal.at} />; {formatExact(row?.remaining ?? 0)} is left.
        </Notice>
      )}
      <p className="small muted">
        {limit.enforcement === "hard" ? "Stops requests" : "Reports only"} · {perCadence(limit.cadence)}
        {row?.usagePeriodEnd && <span title={longTime(row.usagePeriodEnd)}>, resets {until(row.usagePeriodEnd)}</span>} · {limit.timezone}
        {limit.alertThresholds.length > 0 && <> · alerts at {limit.alertThresholds.map(t => `${t}%`).join(", ")}</>}
        {boosted && limit.usageLimit !== null && <> · {formatExact(limit.usageLimit)} without boosts</>}
      </p>
      {capability && limit.scopeEntityIds.length === 0 && <Allocated limit={limit} />}
      <Boosts limit={limit} />
      {s.mayEdit(limit.entityId) && (
        <div className="row wrap">
          <Button size="small" icon={<Pencil size={14} />} onClick={onEdit}>
            Edit
          </Button>
          {limit.usageLimit !== null && (
            <Button size="small" icon={<Zap size={14} />} onClick={() => setAct("boost")}>
              Boost
            </Button>
          )}
          <Button size="small" look="quiet" className="danger" icon={<Trash2 size={14} />} onClick={() => setAct("delete")}>
            Delete
          </Button>
        </div>
      )}
      {act === "boost" && <BoostForm limit={limit} onClose={() => setAct(null)} />}
      {act === "delete" && (
        <Confirm
          title="Delete this limit?"
          action="Delete"
          danger
          onClose={() => setAct(null)}
          onConfirm={async () => {
            await s.api.delete(path`/customers/${s.customerId}/assignments/${limit.id}`);
            const again = () => s.api.put(path`/customers/${s.customerId}/assignments`, { assignments: [inputOf(limit)] });
            s.wrote({ text: "Limit deleted", entityIds: [limit.entityId], undo: again });
          }}
        >
          <p>What it has counted, its holds and its boosts are dropped; undoing sets the limit again, from zero.</p>
        </Confirm>
      )}
    </section>
  );
}

type NumbersProps = { row: TreeRow; boosted: boolean; status: Status };

function Numbers({ row, boosted, status }: NumbersProps) {
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
        {figure("Used", used, shown?.used)}
        {figure("Held", held, shown?.held)}
        {figure(`Limit${boosted ? " with boosts" : ""}`, limit, shown?.limit ?? "Unlimited")}
        {figure("Remaining", row.remaining, shown?.remaining)}
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
        <Amt v={a.allocated} /> allocated to {a.children.toLocaleString("en")} {a.children === 1 ? "limit" : "limits"} below
        {a.unlimited > 0 && `, ${a.unlimited.toLocaleString("en")} of them unlimited`};{" "}
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

function Boosts({ limit }: { limit: Assignment }) {
  const s = useSession();
  const target = path`/customers/${s.customerId}/assignments/${limit.id}/boosts`;
  const got = useQuery({ queryKey: ["boosts", s.customerId, limit.id], queryFn: () => s.api.get<Page<Boost>>(target, { limit: 100 }) });
  const end = useAction();
  const active = (got.data?.data ?? []).filter(b => b.endedAt === null && Date.parse(b.expiresAt) > Date.now());
  if (active.length === 0) return null;
  return (
    <ul className="stack tight small">
      {active.map(b => (
        <li key={b.id} className="row">
          <Zap size={13} aria-hidden style={{ flex: "none" }} />
          <span className="grow">
            Boost of <Amt v={b.amount} /> ends <When at={b.expiresAt} future />
            {b.reason && <span className="muted break"> · {b.reason}</span>}
          </span>
          {s.mayEdit(limit.entityId) && (
            <Button
              size="small"
              look="quiet"
              busy={end.busy}
              onClick={() =>
                end.start(async () => {
                  await s.api.delete(`${target}/${encodeURIComponent(b.id)}`);
                  s.wrote({ text: "Boost ended", entityIds: [limit.entityId] });
                })
              }
            >
              End now
            </Button>
          )}
        </li>
      ))}
      {end.error !== null && <Trouble error={end.error} />}
    </ul>
  );
}

function BoostForm({ limit, onClose }: { limit: Assignment; onClose: () => void }) {
  const s = useSession();
  const [key] = useState(newKey);
  const [amount, setAmount] = useState("");
  const [ends, setEnds] = useState("");
  const [reason, setReason] = useState("");
  const run = useAction();
  const parsed = parseAmount(amount);
  const target = path`/customers/${s.customerId}/assignments/${limit.id}/boosts`;
  const save = () =>
    run.start(async () => {
      const got = await s.api.post<One<Boost>>(target, { amount: parsed, expiresAt: fromLocal(ends), reason: reason || undefined }, key);
      const undo = () => s.api.delete(`${target}/${encodeURIComponent(got.data.id)}`);
      s.wrote({ text: `Boosted by ${formatExact(got.data.amount)}`, entityIds: [limit.entityId], undo });
    }, onClose);
  return (
    <Dialog
      title={`Boost ${title(s, limit)}`}
      onClose={onClose}
      foot={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button look="primary" busy={run.busy} disabled={!parsed || isZero(parsed.text)} onClick={save}>
            Boost
          </Button>
        </>
      }
    >
      <div className="stack">
        <p className="muted">The limit is higher for a while and goes back by itself.</p>
        <div className="fields">
          <Text
            label="Amount"
            value={amount}
            onChange={setAmount}
            inputMode="decimal"
            autoFocus
            problem={amount && !parsed ? "A number above 0" : null}
          />
          <Text label="Until" type="datetime-local" value={ends} onChange={setEnds} hint="Left empty: until the limit resets" />
          <Text wide label="Reason" value={reason} onChange={v => setReason(v.slice(0, 500))} hint="Shown in the history" />
        </div>
        {run.error !== null && <Trouble error={run.error} />}
      </div>
    </Dialog>
  );
}
