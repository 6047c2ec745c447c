import { useQuery } from "@tanstack/react-query";
import { ArrowRight, RotateCw } from "lucide-react";
import { add, approx, formatExact, formatRatio, formatShort, less } from "../api/amount";
import { path } from "../api/client";
import type { Amount } from "../api/json";
import { count } from "../api/locale";
import type { Denial, EntityType, ForecastRow, History, One, Page, Tree, TreeRow } from "../api/types";
import { dayOnly, perCadence, shortTime, zone } from "../lib/time";
import { Amt, Button, Empty, Reading, Skeleton, StatusBadge, Trouble, UsageBar } from "../ui";
import { Table } from "../ui/List";
import { reasonWords } from "./Answer";
import { CapabilityPicker } from "./CapabilityPicker";
import { type Band, Burn, Change } from "./Figure";
import { EndsOn, rangeWords, refusedWords } from "./foreseen";
import { useNames } from "./names";
import { mainCadence, movers, type Period, plusDays, running, type Share, sharesOf, thisMonth } from "./period";
import { named, type Session, useSession } from "./session";
import { standingOf } from "./standing";

// Nothing here is read again by itself: what is shown is of when it was read, and says so.
const rarely = { staleTime: 5 * 60_000, refetchOnWindowFocus: false, retry: 1 };
const topsRead = 300;
const rowsShown = 8;

/** How a customer stands: this month against its budget, where that leads, who it was and who was stopped. */
export function Overview() {
  const s = useSession();
  if (!s.capability)
    return (
      <Empty title="Nothing is measured yet">
        <p>As soon as usage of a feature or a currency is reported, it is shown here.</p>
      </Empty>
    );
  return <Of key={`${s.capability.kind}:${s.capability.id}`} />;
}

function Of() {
  const s = useSession();
  const period = thisMonth();
  const tops = useTops();
  const top = tops.data ? topOf(tops.data) : undefined;
  const budgets = useBudgets();
  const cadence = budgets.data ? mainCadence(budgets.data.map(r => r.cadence ?? "")) : undefined;
  const foreseen = useForecasts(cadence, top?.root?.entityId);
  const model = modelOf(s);
  const whose = useShares(top && (top.root ? { root: top.root.entityId, key: "$child" } : { key: keyOf(s.types.get(top.typeId)) }), period);
  const models = useShares({ key: model.key }, period);
  const below = useBelow(top);
  const moved = useMoved(keyOf(below), period);
  const again = () => void Promise.all([tops, budgets, foreseen, whose.got, models.got, moved].map(q => q.refetch()));
  const broken = [tops, budgets, foreseen, whose.got].find(q => q.isError && !q.data);
  const cap = s.capability;
  if (!cap) return null;
  if (tops.data?.length === 0)
    return (
      <Empty title="No departments, teams, users or agents yet">
        <p>What they use is shown here as soon as there are some.</p>
        <Button onClick={() => s.go("tree")}>To the budgets</Button>
      </Empty>
    );
  const names = new Map((tops.data ?? []).map(r => [r.entityId, r.displayName ?? r.entityId]));
  const budgetOf = (id: string) => budgets.data?.find(r => r.entityId === id && r.cadence === cadence && r.usageLimit !== null);
  const main = foreseen.data?.main ?? null;
  return (
    <div className="overview stack loose">
      <div className="row between wrap">
        <h2 className="hidden">Overview</h2>
        <CapabilityPicker />
        <span className="row small muted">
          {whose.got.dataUpdatedAt > 0 && `as of ${shortTime(new Date(whose.got.dataUpdatedAt).toISOString())}`}
          <Button size="small" look="quiet" aria-label="Read again" icon={<RotateCw size={14} />} onClick={again} />
        </span>
      </div>
      {broken && <Trouble error={broken.error} retry={() => broken.refetch()} />}
      <Headline main={main} shares={whose.shares} period={period} waiting={!whose.got.data || !foreseen.data} names={names} />
      <div className="halves">
        <Where
          title={
            top?.root
              ? `Below ${top.root.displayName ?? top.root.entityId}`
              : (s.types.get(top?.typeId ?? "")?.displayName ?? "By top level")
          }
          got={whose}
          period={period}
          name={id => names.get(id) ?? (id === "" ? "Not below anybody" : id)}
          budgetOf={budgetOf}
          toned
        />
        <RunsOut got={foreseen} cadence={cadence ?? null} />
        <Models got={models} period={period} model={model} />
        <Stopped />
        <Moved got={moved} type={below ?? null} />
      </div>
      <p className="small muted">
        Days begin at midnight in your time zone, {zone.replaceAll("_", " ")}. Periods are compared by as many whole days; today counts when
        it is over.
      </p>
    </div>
  );
}

/** The first two levels of what the reader sees, with their names. */
function useTops() {
  const s = useSession();
  return useQuery({
    queryKey: ["tops", s.customerId],
    queryFn: async () => (await s.api.get<Tree>(path`/customers/${s.customerId}/governance`, { depth: 1, limit: topsRead })).data,
    ...rarely,
  });
}

type Top = { root: TreeRow | null; typeId: string };

/** The one that all others are below, where there is one; else of what type the most roots are. */
function topOf(rows: TreeRow[]): Top {
  const ids = new Set(rows.map(r => r.entityId));
  const roots = rows.filter(r => r.parentId === null || !ids.has(r.parentId));
  const parents = roots.filter(r => r.childCount > 0);
  const of = parents.length > 0 ? parents : roots;
  const times = new Map<string, number>();
  for (const r of of) times.set(r.entityTypeId, (times.get(r.entityTypeId) ?? 0) + 1);
  const typeId = [...times].sort((a, b) => b[1] - a[1])[0]?.[0] ?? "";
  return { root: parents.length === 1 ? (parents[0] ?? null) : null, typeId };
}

/** The limits of the first two levels. */
function useBudgets() {
  const s = useSession();
  const cap = s.capability;
  return useQuery({
    queryKey: ["budgets", s.customerId, cap?.kind, cap?.id],
    queryFn: async () => {
      const ids = cap?.kind === "feature" ? { featureIds: [cap.id] } : { currencyIds: [cap?.id ?? ""] };
      const got = await s.api.get<Tree>(path`/customers/${s.customerId}/governance`, {
        ...ids,
        depth: 1,
        scope: "nodeWide",
        limit: topsRead,
      });
      return got.data;
    },
    ...rarely,
  });
}

/** What limits of a cadence are expected to come to, and that of the top. */
function useForecasts(cadence: string | null | undefined, root: string | undefined) {
  const s = useSession();
  const cap = s.capability;
  return useQuery({
    queryKey: ["forecast", s.customerId, cap?.kind, cap?.id, cadence, root],
    queryFn: async () => {
      const at = path`/customers/${s.customerId}/forecast`;
      const query = { ...(cap ? named(cap) : {}), cadence };
      const [all, mine] = await Promise.all([
        s.api.get<One<ForecastRow[]>>(at, { ...query, limit: 30 }),
        root ? s.api.get<One<ForecastRow[]>>(at, { ...query, rootEntityId: root, depth: 0, limit: 5 }) : null,
      ]);
      return { rows: all.data, main: mine?.data.find(r => r.scopeEntityIds.length === 0) ?? null };
    },
    enabled: cadence !== undefined,
    ...rarely,
  });
}

type Shares = ReturnType<typeof useShares>;

/** Usage of this period and of the one before, told apart by a key. */
function useShares(by: { root?: string; key: string } | undefined, period: Period) {
  const s = useSession();
  const cap = s.capability;
  const got = useQuery({
    queryKey: ["shares", s.customerId, cap?.kind, cap?.id, by?.root, by?.key, period.before.toISOString()],
    queryFn: () =>
      s.api.get<One<History>>(
        by?.root ? path`/customers/${s.customerId}/entities/${by.root}/usage` : path`/customers/${s.customerId}/usage`,
        {
          ...(cap ? named(cap) : {}),
          startDate: period.before.toISOString(),
          granularity: "DAY",
          timezone: zone,
          groupBy: by?.key ? [by.key] : [],
        },
      ),
    enabled: by !== undefined,
    ...rarely,
  });
  return { got, key: by?.key ?? "", shares: got.data ? sharesOf(got.data.data.series, period) : [] };
}

/** What each of many used in the whole days of this period and of as many before: sums alone, as there may be hundreds. */
function useMoved(key: string, period: Period) {
  const s = useSession();
  const cap = s.capability;
  return useQuery({
    queryKey: ["moved", s.customerId, cap?.kind, cap?.id, key, period.before.toISOString(), period.days],
    queryFn: async () => {
      const ask = (from: Date) =>
        s.api.get<One<History>>(path`/customers/${s.customerId}/usage`, {
          ...(cap ? named(cap) : {}),
          startDate: from.toISOString(),
          endDate: plusDays(from, period.days - 1).toISOString(),
          granularity: "MONTH",
          timezone: zone,
          groupBy: [key],
        });
      const [now, was] = await Promise.all([ask(period.from), ask(period.before)]);
      return movers(now.data.series, was.data.series, rowsShown);
    },
    enabled: key !== "" && period.days > 1,
    ...rarely,
  });
}

const keyOf = (t: EntityType | null | undefined) => t?.attributionKeys[0] ?? "";

/** What tells models apart: a type of entity of that name, or the dimension. */
function modelOf(s: Session): { key: string; typeId: string } {
  const type = [...s.types.values()].find(
    t => t.archivedAt === null && t.attributionKeys.length > 0 && /model/i.test(`${t.id} ${t.displayName} ${t.attributionKeys[0]}`),
  );
  return { key: keyOf(type) || "model", typeId: type?.id ?? "" };
}

/** The type of what is two levels below the top. */
function useBelow(top: Top | undefined): EntityType | null | undefined {
  const s = useSession();
  const tops = useTops();
  const parent = tops.data?.find(r => r.childCount > 0 && (top?.root ? r.parentId === top.root.entityId : r.parentId === null));
  const got = useQuery({
    queryKey: ["below", s.customerId, parent?.entityId],
    queryFn: async () =>
      (await s.api.get<Tree>(path`/customers/${s.customerId}/governance`, { parentId: parent?.entityId, limit: 1 })).data[0] ?? null,
    enabled: parent !== undefined,
    ...rarely,
  });
  if (tops.data && !parent) return null;
  if (got.data === undefined) return got.isError ? null : undefined;
  const type = s.types.get(got.data?.entityTypeId ?? "");
  return type && keyOf(type) ? type : null;
}

const month = new Intl.DateTimeFormat("en-GB", { month: "long" });

type HeadlineProps = { main: ForecastRow | null; shares: Share[]; period: Period; waiting: boolean; names: Map<string, string> };

function Headline({ main, shares, period, waiting, names }: HeadlineProps) {
  const s = useSession();
  if (waiting) return <Skeleton lines={5} />;
  const unit = s.capability?.unit || s.capability?.name || "";
  const total = shares.reduce<Amount>((sum, x) => add(sum, x.total), 0);
  const like = shares.reduce<Amount>((sum, x) => add(sum, x.like), 0);
  const was = shares.reduce<Amount>((sum, x) => add(sum, x.was), 0);
  const f = main?.forecast;
  const limit = main?.usageLimit ?? null;
  // The chart is of the calendar month: of another period it says what was used and no more.
  const monthly = main?.cadence === "P1M";
  const span = new Date(period.from.getFullYear(), period.from.getMonth() + 1, 0).getDate();
  const all = shares.filter(x => Number(x.total) > 0).map(x => ({ id: x.id, name: names.get(x.id) ?? x.id, totals: running(x.days) }));
  const ahead = monthly && f?.expected && f.low && f.high ? { level: approx(f.expected), low: approx(f.low), high: approx(f.high) } : null;
  return (
    <section className="stack" aria-label="This month">
      <dl className="figures">
        <div>
          <dt>
            {main && !monthly ? `Used ${perCadence(main.cadence ?? "")}` : `Used in ${month.format(period.from)}`}, {unit}
          </dt>
          <dd>
            <Amt v={main ? (main.currentUsage ?? 0) : total} />{" "}
            <small>{main && limit !== null ? `of ${formatShort(limit)}${shareWords(main)}` : "no budget at the top"}</small>
          </dd>
        </div>
        <Expected row={main} />
        <RunsOutFigure row={main} />
        <div>
          <dt>Against {month.format(period.before)}</dt>
          <dd className="big-change">
            <Change now={like} before={was} /> <small>{period.days > 1 ? `first ${days(period.days - 1)}` : "from tomorrow"}</small>
          </dd>
        </div>
      </dl>
      {all.length === 0 ? (
        <Empty title={`No usage in ${month.format(period.from)} yet`} />
      ) : (
        <Burn
          bands={fold(all)}
          days={period.days}
          span={span}
          limit={monthly && limit !== null ? approx(limit) : null}
          ahead={ahead}
          from={dayOnly(period.from.toISOString())}
          to={dayOnly(new Date(period.from.getFullYear(), period.from.getMonth(), span).toISOString())}
          label={`Usage in ${month.format(period.from)}, added up day by day: ${formatShort(total)} ${unit}`}
        />
      )}
    </section>
  );
}

const days = (n: number) => (n === 1 ? "day" : `${count(n)} days`);
const shareWords = (r: TreeRow) => (r.utilization === null ? "" : ` (${formatRatio(Number(r.utilization))})`);

/** The five that used most; the rest is one. */
function fold(all: Band[]): Band[] {
  if (all.length <= 6) return all;
  const rest = all.slice(5);
  const totals = rest[0]?.totals.map((_, d) => rest.reduce((sum, b) => sum + (b.totals[d] ?? 0), 0)) ?? [];
  return [...all.slice(0, 5), { id: "\0", name: "All others", totals }];
}

function Expected({ row }: { row: ForecastRow | null }) {
  const f = row?.forecast;
  if (!row || !f) return null;
  return (
    <div>
      <dt>Expected{row.usagePeriodEnd && f.expected ? ` by ${lastDay(row.usagePeriodEnd)}` : ""}</dt>
      <dd>
        {f.expected ? (
          <>
            <Amt v={f.expected} />{" "}
            <small className={over(row) ? "ink-bad" : ""}>
              {rangeWords(f)}
              {over(row) ? ", above the budget" : ", within the budget"}
            </small>
          </>
        ) : (
          <small>{refusedWords(f)}</small>
        )}
      </dd>
    </div>
  );
}

/** The day before an end at midnight. */
const lastDay = (end: string) => dayOnly(new Date(Date.parse(end) - 1).toISOString());

const over = (r: ForecastRow) => r.forecast.expected !== null && r.usageLimit !== null && less(r.usageLimit, r.forecast.expected);

function RunsOutFigure({ row }: { row: ForecastRow | null }) {
  if (!row || (row.forecast.refused && !row.forecast.runsOutAt)) return null;
  return (
    <div>
      <dt>Runs out</dt>
      <dd>{row.forecast.runsOutAt ? <EndsOn row={row} /> : <small>not before it begins anew</small>}</dd>
    </div>
  );
}

type WhereProps = {
  title: string;
  got: Shares;
  period: Period;
  name: (id: string) => string;
  budgetOf: (id: string) => TreeRow | undefined;
  /** Whether the rows have the colours of the chart. */
  toned?: boolean;
};

function Where({ title, got, period, name, budgetOf, toned }: WhereProps) {
  const s = useSession();
  const rows = got.shares.filter(x => Number(x.total) > 0 || Number(x.was) > 0).slice(0, 20);
  const tones = rows.filter(x => Number(x.total) > 0).length > 6 ? 5 : 6;
  return (
    <Panel title={title} note={`since ${dayOnly(period.from.toISOString())}`} got={got.got}>
      {rows.length === 0 ? (
        <Empty title="No usage" />
      ) : (
        <Table
          rows={rows}
          id={r => r.id + r.untold}
          columns={[
            {
              head: "Who",
              look: "break",
              cell: (r, i) => (
                <span className="row tight-row">
                  {toned && <span className={`swatch tone${Math.min(i, tones === 5 && i > 4 ? 5 : i, 5)}`} aria-hidden />}
                  <NameLink id={r.id} name={r.untold ? "Not told apart" : name(r.id)} />
                </span>
              ),
            },
            {
              head: "Used of budget",
              look: "cell-bar",
              cell: r => {
                const b = budgetOf(r.id);
                const change = <Change now={r.like} before={r.was} />;
                if (!b)
                  return (
                    <span className="row between">
                      <Amt v={r.total} /> {change}
                    </span>
                  );
                const st = standingOf({ id: r.id, effective: b.effective }, b, null);
                return (
                  <>
                    <UsageBar used={b.currentUsage ?? 0} held={b.reserved ?? 0} limit={b.usageLimit} status={st.status} />
                    <span className="row between">
                      <span className="num small">
                        {formatShort(b.currentUsage ?? 0)} <span className="muted">of {formatShort(b.usageLimit ?? 0)}</span>
                      </span>
                      {change}
                    </span>
                  </>
                );
              },
            },
            {
              head: "Status",
              cell: r => {
                const b = budgetOf(r.id);
                return b ? (
                  <StatusBadge {...standingOf({ id: r.id, effective: b.effective }, b, null)} />
                ) : (
                  <span className="muted">–</span>
                );
              },
            },
          ]}
        />
      )}
      <More onClick={() => s.go("usage", { range: "month" })}>Tell usage apart in other ways</More>
    </Panel>
  );
}

function NameLink({ id, name }: { id: string; name: string }) {
  const s = useSession();
  if (id === "") return <span className="muted">{name}</span>;
  return (
    <button type="button" className="link strong" title={id} onClick={() => s.open(id)}>
      {name}
    </button>
  );
}

type PanelProps = { title: string; note?: string; got: Parameters<typeof Reading>[0]["got"]; children: React.ReactNode };

function Panel({ title, note, got, children }: PanelProps) {
  return (
    <section className="panel" aria-label={title}>
      <header>
        <h3 className="grow break">{title}</h3>
        {note && <span className="small muted">{note}</span>}
      </header>
      {got.data === undefined ? (
        <div className="body">
          <Reading got={got} />
        </div>
      ) : (
        children
      )}
    </section>
  );
}

const More = ({ onClick, children }: { onClick: () => void; children: React.ReactNode }) => (
  <div className="panel-foot">
    <Button size="small" look="quiet" onClick={onClick} icon={<ArrowRight size={14} />}>
      {children}
    </Button>
  </div>
);

function RunsOut({ got, cadence }: { got: ReturnType<typeof useForecasts>; cadence: string | null }) {
  const s = useSession();
  const rows = got.data?.rows ?? [];
  const ending = rows.filter(r => r.forecast.runsOutAt !== null);
  const early = rows.filter(r => r.forecast.refused === "HISTORY_TOO_SHORT");
  const title = cadence === "P1M" ? "Runs out this month" : "Runs out in its period";
  return (
    <Panel title={title} note={cadence ? `limits ${perCadence(cadence)}` : undefined} got={got}>
      {ending.length === 0 ? (
        <Empty title={rows.length === 0 ? "No such limit" : early.length === rows.length ? "Too early to tell" : "Nobody, as things go"}>
          {early.length > 0 && early[0] && <p className="small muted">{capital(refusedWords(early[0].forecast))}.</p>}
        </Empty>
      ) : (
        <Table
          rows={ending.slice(0, rowsShown)}
          id={r => r.assignmentId ?? r.entityId}
          columns={[
            {
              head: "Who",
              look: "break",
              cell: r => (
                <>
                  <NameLink id={r.entityId} name={r.displayName ?? r.entityId} />
                  <div className="small muted">
                    {s.types.get(r.entityTypeId)?.displayName}
                    {r.label && ` · ${r.label}`}
                  </div>
                </>
              ),
            },
            { head: "On", look: "nowrap", cell: r => <EndsOn row={r} /> },
            {
              head: "Expected",
              look: "right",
              cell: r =>
                r.forecast.expected && r.usageLimit !== null ? (
                  <span className="num" title={`${formatExact(r.forecast.expected)} of ${formatExact(r.usageLimit)}`}>
                    {formatShort(r.forecast.expected)} <span className="muted small">of {formatShort(r.usageLimit)}</span>
                  </span>
                ) : (
                  <span className="muted">–</span>
                ),
            },
          ]}
        />
      )}
      {ending.length > 0 && early.length > 0 && (
        <p className="small muted panel-note">For {count(early.length)} more it is too early to tell.</p>
      )}
      <More onClick={() => s.go("tree")}>All budgets</More>
    </Panel>
  );
}

const capital = (text: string) => text.replace(/^./, c => c.toUpperCase());

function Models({ got, period, model }: { got: Shares; period: Period; model: { key: string; typeId: string } }) {
  const s = useSession();
  const rows = got.shares.filter(x => Number(x.total) > 0).slice(0, rowsShown);
  const name = useNames(model.typeId ? rows.map(r => r.id).filter(id => id !== "") : []);
  const most = rows[0]?.total ?? 0;
  // To whoever sees a subtree, models beside it have no name.
  if (s.rights.root !== null && got.got.data && rows.every(r => r.id === "")) return null;
  return (
    <Panel title="By model" note={`since ${dayOnly(period.from.toISOString())}`} got={got.got}>
      {rows.length === 0 ? (
        <Empty title="No usage" />
      ) : (
        <Table
          rows={rows}
          id={r => r.id + r.untold}
          columns={[
            { head: "Model", look: "break", cell: r => (r.id === "" ? <span className="muted">No model named</span> : name(r.id)) },
            {
              head: "Used",
              look: "cell-bar",
              cell: r => (
                <>
                  <UsageBar used={r.total} held={0} limit={most} status="ok" />
                  <span className="small">
                    <Amt v={r.total} />
                  </span>
                </>
              ),
            },
            { head: "Change", look: "right", cell: r => <Change now={r.like} before={r.was} /> },
          ]}
        />
      )}
      <More onClick={() => s.go("usage", { by: model.key, range: "lastWeek" })}>Who used them last week</More>
    </Panel>
  );
}

/** The newest requests that were stopped. */
function Stopped() {
  const s = useSession();
  const got = useQuery({
    queryKey: ["stopped", s.customerId],
    queryFn: () => s.api.get<Page<Denial>>(path`/customers/${s.customerId}/denials`, { limit: 8 }),
    ...rarely,
    staleTime: 30_000,
  });
  const rows = got.data?.data ?? [];
  const keys = new Set([...s.types.values()].flatMap(t => t.attributionKeys));
  const model = modelOf(s).key;
  // Whoever asked, rather than what was asked.
  const lowest = (d: Denial) => {
    const who = Object.entries(d.dimensions).filter(([k]) => keys.has(k));
    return String((who.find(([k]) => k !== model) ?? who[0])?.[1] ?? "");
  };
  const name = useNames(rows.flatMap(d => [lowest(d), d.binding?.entityId ?? ""]).filter(id => id !== ""));
  return (
    <Panel title="Stopped lately" got={got}>
      {rows.length === 0 ? (
        <Empty title="Nothing has been stopped lately" />
      ) : (
        <Table
          rows={rows}
          id={d => d.id}
          columns={[
            {
              head: "Who",
              look: "break",
              cell: d => (
                <>
                  <button type="button" className="link strong" onClick={() => s.go("explain", { denial: d.id })}>
                    {lowest(d) ? name(lowest(d)) : "Somebody"}
                  </button>
                  <div className="small muted">{capital(reasonWords(d.reason))}</div>
                </>
              ),
            },
            { head: "Stopped by", look: "break", cell: d => (d.binding?.entityId ? name(d.binding.entityId) : "–") },
            { head: "When", look: "nowrap small muted", cell: d => shortTime(d.timestamp) },
          ]}
        />
      )}
      <More onClick={() => s.go("explain")}>Explain any request</More>
    </Panel>
  );
}

function Moved({ got, type }: { got: ReturnType<typeof useMoved>; type: EntityType | null }) {
  const rows = got.data ?? [];
  const name = useNames(rows.map(r => r.id));
  if (type === null || (got.fetchStatus === "idle" && !got.data)) return null;
  return (
    <Panel title={`Changed most: ${type.displayName.toLowerCase()}`} note="against the period before" got={got}>
      {rows.length === 0 ? (
        <Empty title="No change to speak of" />
      ) : (
        <Table
          rows={rows}
          id={r => r.id}
          columns={[
            { head: type.displayName, look: "break", cell: r => <NameLink id={r.id} name={name(r.id)} /> },
            { head: "Before", look: "right", cell: r => <Amt v={r.was} /> },
            { head: "Now", look: "right", cell: r => <Amt v={r.now} /> },
            { head: "Change", look: "right", cell: r => <Change now={r.now} before={r.was} /> },
          ]}
        />
      )}
    </Panel>
  );
}
