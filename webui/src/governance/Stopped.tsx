import { Scale, SlidersHorizontal, Snowflake, X, Zap } from "lucide-react";
import { useState } from "react";
import { formatExact } from "../api/amount";
import { path } from "../api/client";
import { count } from "../api/locale";
import type { Assignment, Denial, DenialSummary, Entity, One } from "../api/types";
import { dayWords, longTime, shortTime } from "../lib/time";
import { Button, Dialog, Empty, Notice, Reading, Select, Trouble, useAction } from "../ui";
import { Table } from "../ui/List";
import { reasonWords } from "./Answer";
import { BoostForm } from "./Boost";
import { ranges, useKept, useSummary, type Wanted } from "./denials";
import { EntityPicker } from "./EntityPicker";
import { asker, place } from "./Explain";
import { SetFrozen } from "./Freeze";
import { LimitForm } from "./LimitForm";
import { useNames } from "./names";
import { capabilityOf, useSession } from "./session";

/** What was stopped: when, whom, by what, how often; and what to do about it. */
export default function Stopped() {
  const s = useSession();
  const asked = new URLSearchParams(location.search);
  const [wanted, setWanted] = useState<Wanted>({
    hours: 24,
    entityId: asked.get("entity") ?? "",
    assignmentId: asked.get("limit") ?? "",
  });
  const summary = useSummary(wanted);
  const kept = useKept(wanted);
  const rows = kept.data?.pages.flatMap(p => p.data) ?? [];
  const keys = new Set([...s.types.values()].flatMap(t => t.attributionKeys));
  const isId = (key: string) => keys.has(key);
  const said = summary.data?.data;
  const name = useNames(
    [
      wanted.entityId,
      ...rows.flatMap(d => [d.binding?.entityId ?? "", d.frozen?.entityId ?? "", ...named(d, isId)]),
      ...(said?.groups ?? []).map(g => g.binding?.entityId ?? ""),
    ].filter(id => id !== ""),
  );
  return (
    <div className="stopped stack loose">
      <h2 className="hidden">Stopped</h2>
      <div className="row wrap">
        <Select
          label="Time"
          value={String(wanted.hours)}
          onChange={v => setWanted({ ...wanted, hours: Number(v) })}
          options={ranges.map(r => [r[0] as string, r[1]] as const)}
        />
        <Select
          label="Stopped by"
          value={wanted.assignmentId}
          onChange={v => setWanted({ ...wanted, assignmentId: v })}
          options={[
            ["", "Anything"] as const,
            ...limitsOf(said, wanted.assignmentId, name, c => capabilityOf(c, s.capabilities)?.name ?? ""),
          ]}
        />
        <EntityPicker label="Requested by" onPick={e => setWanted({ ...wanted, entityId: e.id })} />
        {wanted.entityId && (
          <Button size="small" icon={<X size={14} />} onClick={() => setWanted({ ...wanted, entityId: "" })}>
            {name(wanted.entityId)} and below
          </Button>
        )}
      </div>
      {said ? <Figures said={said} daily={wanted.hours > 168} /> : <Reading got={summary} />}
      {kept.isError && rows.length === 0 ? (
        <Trouble error={kept.error} retry={() => kept.refetch()} />
      ) : kept.data && rows.length === 0 && !kept.hasNextPage ? (
        <Empty title="Nothing was stopped in this time" />
      ) : rows.length > 0 ? (
        <Kept rows={rows} isId={isId} name={name} onLimit={id => setWanted({ ...wanted, assignmentId: id })} />
      ) : (
        !kept.data && <Reading got={kept} />
      )}
      {kept.hasNextPage && (
        <div>
          <Button busy={kept.isFetchingNextPage} onClick={() => kept.fetchNextPage()}>
            Older ones
          </Button>
        </div>
      )}
    </div>
  );
}

/** The ids that a request named. */
const named = (d: Denial, isId: (key: string) => boolean) =>
  Object.entries(d.dimensions).flatMap(([k, v]) => (isId(k) && v !== "" ? [String(v)] : []));

/** The limits that a reader may choose from: those that stopped most. */
function limitsOf(
  said: DenialSummary | undefined,
  chosen: string,
  name: (id: string) => string,
  capability: (c: { featureId?: string; currencyId?: string }) => string,
): (readonly [string, string])[] {
  const found = new Map<string, string>();
  for (const { binding: b } of said?.groups ?? [])
    if (b?.assignmentId) found.set(b.assignmentId, [name(b.entityId ?? ""), capability(b), b.label].filter(t => t !== "").join(" · "));
  if (chosen && !found.has(chosen)) found.set(chosen, "The chosen limit");
  return [...found];
}

/** How many there were, as bars from 0, and what of them is not in the list. */
function Figures({ said, daily }: { said: DenialSummary; daily: boolean }) {
  const most = Math.max(...said.points.map(p => p.denied), 0);
  const width = 100 / Math.max(1, said.points.length);
  const words = daily ? dayWords : shortTime;
  const [first, last] = [said.points[0], said.points.at(-1)];
  return (
    <section className="panel" aria-label="How many were stopped">
      <header>
        <h3 className="grow">
          {count(said.denied)} stopped
          {said.notKept > 0 && (
            <span className="small muted"> · {count(said.notKept)} of them counted alone, as there were many alike</span>
          )}
        </h3>
        {most > 0 && (
          <span className="small muted">
            at most {count(most)} in {daily ? "a day" : "an hour"}
          </span>
        )}
      </header>
      <div className="body stack tight">
        <svg
          className="counts"
          viewBox="0 0 100 28"
          preserveAspectRatio="none"
          role="img"
          aria-label={`Stopped requests of each ${daily ? "day" : "hour"}, at most ${most}`}
        >
          <line x1="0" x2="100" y1="28" y2="28" vectorEffect="non-scaling-stroke" />
          {said.points.map((p, i) => (
            <g key={p.timestamp}>
              <title>{`${words(p.timestamp)}: ${count(p.denied)}`}</title>
              <rect className="free" x={i * width} width={width} y={0} height={28} />
              <rect
                x={(i + 0.1) * width}
                width={width * 0.8}
                y={28 - (p.denied / (most || 1)) * 27}
                height={(p.denied / (most || 1)) * 27}
              />
            </g>
          ))}
        </svg>
        <div className="row between small muted" aria-hidden>
          <span>{first && words(first.timestamp)}</span>
          <span>{last && words(last.timestamp)}</span>
        </div>
        {said.other !== null && said.other > 0 && (
          <Notice kind="warn">
            Of {count(said.other)} more it is only known that they were stopped: there were too many different ones in an hour.
          </Notice>
        )}
      </div>
    </section>
  );
}

type Act = { kind: "boost" | "raise"; limit: Assignment } | { kind: "freeze"; entity: Entity };

type KeptProps = { rows: Denial[]; isId: (key: string) => boolean; name: (id: string) => string; onLimit: (id: string) => void };

/** What was stopped, and what may be done about each. */
function Kept({ rows, isId, name, onLimit }: KeptProps) {
  const s = useSession();
  const [act, setAct] = useState<Act | null>(null);
  const run = useAction();
  const limit = (kind: "boost" | "raise", id: string) =>
    run.start(async () =>
      setAct({ kind, limit: (await s.api.get<One<Assignment>>(path`/customers/${s.customerId}/assignments/${id}`)).data }),
    );
  const freeze = (id: string) =>
    run.start(async () =>
      setAct({
        kind: "freeze",
        entity: (await s.api.get<One<Entity>>(path`/customers/${s.customerId}/entities/${id}`)).data,
      }),
    );
  return (
    <>
      {run.error !== null && <Trouble error={run.error} />}
      <Table
        look="panel"
        rows={rows}
        id={d => d.id}
        columns={[
          {
            head: "Who",
            look: "break",
            cell: d => {
              const id = named(d, isId)[0];
              return (
                <>
                  {id ? (
                    <button type="button" className="link strong" title={id} onClick={() => s.open(id)}>
                      {name(id)}
                    </button>
                  ) : (
                    asker(d, isId, name)
                  )}
                  <div className="small muted">{reasonWords(d.reason)}</div>
                </>
              );
            },
          },
          {
            head: "Asked for",
            look: "break",
            cell: d => `${formatExact(d.requested)} ${capabilityOf(d, s.capabilities)?.name ?? d.featureId ?? d.currencyId}`,
          },
          {
            head: "Stopped by",
            look: "break",
            cell: d => {
              const id = d.binding?.assignmentId;
              return id ? (
                <button type="button" className="link" title="Only what this limit stopped" onClick={() => onLimit(id)}>
                  {place(d, name)}
                </button>
              ) : (
                place(d, name)
              );
            },
          },
          {
            head: "When",
            look: "nowrap small muted",
            cell: d => <span title={longTime(d.timestamp)}>{shortTime(d.timestamp)}</span>,
          },
        ]}
        actions={d => {
          const b = d.binding;
          const mine = b?.assignmentId && b.entityId && s.mayEdit(b.entityId) ? b.assignmentId : null;
          const who = named(d, isId)[0];
          return (
            <span className="row">
              {mine && (
                <>
                  <Button size="small" look="quiet" icon={<Zap size={14} />} disabled={run.busy} onClick={() => limit("boost", mine)}>
                    Boost
                  </Button>
                  <Button
                    size="small"
                    look="quiet"
                    icon={<SlidersHorizontal size={14} />}
                    disabled={run.busy}
                    onClick={() => limit("raise", mine)}
                  >
                    Raise
                  </Button>
                </>
              )}
              {who && !d.frozen && s.mayEdit(who) && (
                <Button size="small" look="quiet" icon={<Snowflake size={14} />} disabled={run.busy} onClick={() => freeze(who)}>
                  Freeze
                </Button>
              )}
              <Button
                size="small"
                look="quiet"
                icon={<Scale size={14} />}
                onClick={() => s.go("explain", { denial: d.id, at: d.timestamp })}
              >
                Explain
              </Button>
            </span>
          );
        }}
      />
      {act?.kind === "boost" && <BoostForm limit={act.limit} row={undefined} onClose={() => setAct(null)} />}
      {act?.kind === "raise" && (
        <Dialog title={`Limit of ${name(act.limit.entityId)}`} onClose={() => setAct(null)}>
          <LimitForm entityId={act.limit.entityId} limit={act.limit} onDone={() => setAct(null)} />
        </Dialog>
      )}
      {act?.kind === "freeze" && <SetFrozen entity={act.entity} frozen={undefined} onClose={() => setAct(null)} />}
    </>
  );
}
