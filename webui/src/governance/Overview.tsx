import { type UseQueryResult, useQuery, useQueryClient } from "@tanstack/react-query";
import { ArrowRight, RotateCw } from "lucide-react";
import { approx, formatExact, formatRatio, formatShort, less } from "../api/amount";
import { isStatus, path } from "../api/client";
import { count } from "../api/locale";
import type { Denial, EntityType, ForecastRow, History, One, Page, Tree, TreeRow } from "../api/types";
import { dayOnly, perCadence, shortTime, zone } from "../lib/time";
import { Amt, Button, Empty, Reading, Skeleton, StatusBadge, Trouble, UsageBar } from "../ui";
import { type Column, Table } from "../ui/List";
import { reasonWords } from "./Answer";
import { CapabilityPicker } from "./CapabilityPicker";
import { Burn, Change } from "./Figure";
import { EndsOn, isSpent, rangeWords, refusals, refusedWords } from "./foreseen";
import { useNames } from "./names";
import { mainCadence, movers, offBy, type Period, plusDays, running, sharesOf, sumsOf, thisMonth } from "./period";
import { named, type Session, useSession } from "./session";
import { standingOf } from "./standing";
import { type Top, topOf } from "./top";

// Nothing here is read again by itself: what is shown is of when it was read, and says so.
const rarely = { staleTime: 5 * 60_000, refetchOnWindowFocus: false, retry: 1 };
const topsRead = 300;
const rowsShown = 8;
const foreseenAtOnce = 30;

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
  const client = useQueryClient();
  const period = thisMonth();
  const roots = useTops(0);
  const tops = useTops(1);
  const top = roots.data ? topOf(roots.data) : undefined;
  const budgets = useBudgets();
  const known = budgets.data ? mainCadence(budgets.data.map(r => r.cadence ?? "")) : null;
  const cadence = budgets.isPending ? undefined : known;
  const foreseen = useForecasts(roots.isPending ? undefined : cadence, top?.root?.entityId);
  const model = modelOf(s);
  const total = useTotal(roots.isPending ? undefined : (top?.root?.entityId ?? ""), period);
  const whose = useSums(top && whoseOf(s, top), period);
  const models = useSums({ key: model.key }, period);
  const below = useBelow(top);
  const moved = useMoved(keyOf(below), period);
  // What is not asked for now is not read again either.
  const again = () =>
    void client.refetchQueries({ type: "active", predicate: q => shown.has(String(q.queryKey[0])) && q.queryKey[1] === s.customerId });
  const broken = [roots, tops, budgets, total].find(q => q.isError && !q.data);
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
  return (
    <div className="overview stack loose">
      <div className="row between wrap">
        <h2 className="hidden">Overview</h2>
        <CapabilityPicker />
        <span className="row small muted">
          {total.dataUpdatedAt > 0 && `as of ${shortTime(new Date(total.dataUpdatedAt).toISOString())}`}
          <Button size="small" look="quiet" aria-label="Read again" icon={<RotateCw size={14} />} onClick={again} />
        </span>
      </div>
      {broken && <Trouble error={broken.error} retry={() => broken.refetch()} />}
      {cap.adds ? (
        <Headline
          whose={top?.root ? (top.root.displayName ?? top.root.entityId) : "All usage"}
          budget={(top?.root && budgetOf(top.root.entityId)) ?? null}
          foreseen={foreseen}
          waiting={budgets.isPending}
          total={total}
          period={period}
        />
      ) : (
        <p>
          Usage of {cap.name} is the most or the number of different ones at a time: of days and of many together it does not add up, so
          that only what each limit has counted is shown.
        </p>
      )}
      <div className="halves">
        {!cap.adds ? (
          <Counted got={budgets} />
        ) : roots.isError && !roots.data ? null : (
          <Where
            title={
              top?.root
                ? `Below ${top.root.displayName ?? top.root.entityId}`
                : (s.types.get(top?.typeId ?? "")?.displayName ?? "By top level")
            }
            got={whose}
            period={period}
            names={names}
            budgetOf={budgetOf}
          />
        )}
        {cap.adds && <RunsOut got={foreseen} cadence={known} />}
        {cap.adds && <Models got={models} period={period} model={model} />}
        <Stopped />
        {cap.adds && <Moved got={moved} type={below ?? null} />}
      </div>
      {cap.adds && (
        <p className="small muted">
          Days begin at midnight in your time zone, {zone.replaceAll("_", " ")}. Periods are compared by as many whole days; today counts
          when it is over.
        </p>
      )}
    </div>
  );
}

/** What "Read again" reads. */
const shown = new Set(["tops", "budgets", "forecast", "total", "sums", "below", "stopped"]);

/** The first levels of what the reader sees, without models. */
function useTops(depth: number) {
  const s = useSession();
  const types = [...s.types.values()].filter(t => !isModel(t)).map(t => t.id);
  return useQuery({
    queryKey: ["tops", s.customerId, depth],
    queryFn: async () => {
      const query = { depth, limit: topsRead, sortBy: "id", order: "asc", entityTypeIds: types.length > 100 ? [] : types };
      return (await s.api.get<Tree>(path`/customers/${s.customerId}/governance`, query)).data;
    },
    ...rarely,
  });
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

type Foreseen = ReturnType<typeof useForecasts>;

/** What limits of a cadence are expected to come to, and that of the top; undefined: not asked yet. */
function useForecasts(cadence: string | null | undefined, root: string | undefined) {
  const s = useSession();
  const cap = s.capability;
  return useQuery({
    queryKey: ["forecast", s.customerId, cap?.kind, cap?.id, cadence, root],
    queryFn: async () => {
      const at = path`/customers/${s.customerId}/forecast`;
      const query = { ...(cap ? named(cap) : {}), cadence };
      const [all, mine] = await Promise.all([
        s.api.get<One<ForecastRow[]>>(at, { ...query, limit: foreseenAtOnce }),
        root ? s.api.get<One<ForecastRow[]>>(at, { ...query, rootEntityId: root, depth: 0, limit: 5 }) : null,
      ]);
      return { rows: all.data, main: mine?.data.find(r => r.entityId === root && r.scopeEntityIds.length === 0) ?? null };
    },
    enabled: cadence !== undefined && cap?.adds === true,
    ...rarely,
  });
}

/** Where usage is read of an entity, or of the whole. */
const usageAt = (s: Session, root: string | undefined) =>
  root ? path`/customers/${s.customerId}/entities/${root}/usage` : path`/customers/${s.customerId}/usage`;

/** Usage day by day of this period and of the one before. */
function useTotal(root: string | undefined, period: Period) {
  const s = useSession();
  const cap = s.capability;
  return useQuery({
    queryKey: ["total", s.customerId, cap?.kind, cap?.id, root, period.before.toISOString()],
    queryFn: async () => {
      const query = { ...(cap ? named(cap) : {}), startDate: period.before.toISOString(), granularity: "DAY", timezone: zone };
      return (await s.api.get<One<History>>(usageAt(s, root), query)).data.series;
    },
    enabled: root !== undefined && cap?.adds === true,
    ...rarely,
  });
}

type Sums = ReturnType<typeof useSums>;

/** What each group used of this period, and of the days that are compared: sums alone, as there may be hundreds. Null: too many. */
function useSums(by: { root?: string; key: string } | undefined, period: Period) {
  const s = useSession();
  const cap = s.capability;
  return useQuery({
    queryKey: ["sums", s.customerId, cap?.kind, cap?.id, by?.root, by?.key, period.before.toISOString(), period.days],
    queryFn: async () => {
      const ask = async (from: Date, days: number | null) => {
        if (days === 0) return [];
        const got = await s.api.get<One<History>>(usageAt(s, by?.root), {
          ...(cap ? named(cap) : {}),
          startDate: from.toISOString(),
          endDate: days === null ? undefined : plusDays(from, days).toISOString(),
          granularity: "MONTH",
          timezone: zone,
          groupBy: by?.key ? [by.key] : [],
        });
        return got.data.series;
      };
      try {
        const [total, like, was] = await Promise.all([
          ask(period.from, null),
          ask(period.from, period.like),
          ask(period.before, period.was),
        ]);
        return sumsOf(total, like, was);
      } catch (e) {
        if (isStatus(e, 400)) return null;
        throw e;
      }
    },
    enabled: by !== undefined && cap?.adds === true,
    ...rarely,
  });
}

/** Those that changed most. */
function useMoved(key: string, period: Period) {
  const got = useSums(key === "" || period.like === 0 ? undefined : { key }, period);
  return { ...got, data: got.data && movers(got.data, rowsShown) };
}

const keyOf = (t: EntityType | null | undefined) => t?.attributionKeys[0] ?? "";

const isModel = (t: EntityType) => t.attributionKeys.length > 0 && /model/i.test(`${t.id} ${t.displayName} ${t.attributionKeys[0]}`);

/** What tells models apart: a type of entity of that name, or the dimension. */
function modelOf(s: Session): { key: string; typeId: string } {
  const type = [...s.types.values()].find(t => t.archivedAt === null && isModel(t));
  return { key: keyOf(type) || "model", typeId: type?.id ?? "" };
}

/** What usage is told apart by first: whatever is directly below the one at the top, or by the type of those there. */
function whoseOf(s: Session, top: Top): { root?: string; key: string } {
  const key = keyOf(s.types.get(top.typeId));
  if (!top.root) return { key };
  return { root: top.root.entityId, key: top.root.childCount > 0 ? "$child" : key };
}

/** The type of what is two levels below the top. */
function useBelow(top: Top | undefined): EntityType | null | undefined {
  const s = useSession();
  const tops = useTops(1);
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

type HeadlineProps = {
  whose: string;
  budget: TreeRow | null;
  foreseen: Foreseen;
  waiting: boolean;
  total: ReturnType<typeof useTotal>;
  period: Period;
};

function Headline({ whose, budget, foreseen, waiting, total, period }: HeadlineProps) {
  const s = useSession();
  if (!total.data) return total.isError ? null : <Skeleton lines={5} />;
  const unit = s.capability?.unit || s.capability?.name || "";
  const used = sharesOf(total.data, period)[0];
  const row = foreseen.data?.main ?? null;
  const f = row?.forecast;
  // Without the forecast there is still what was used.
  const main: TreeRow | null = row ?? budget;
  const limit = main?.usageLimit ?? null;
  const end = new Date(period.from.getFullYear(), period.from.getMonth() + 1, 1);
  const off = main ? offBy(period.from, end, main.usagePeriodStart, main.usagePeriodEnd) : 0;
  // The chart is of the reader's month: of a budget whose own differs by more than a time zone it says nothing.
  const drawn = off <= 14 * 3_600_000;
  const ahead = drawn && f?.expected && f.low && f.high ? { level: approx(f.expected), low: approx(f.low), high: approx(f.high) } : null;
  const totals = running(used?.days ?? []);
  return (
    <section className="stack" aria-label="This month">
      <h3 className="break">{whose}</h3>
      <dl className="figures">
        <div>
          <dt>
            {main && off > 0
              ? `Used ${perCadence(main.cadence ?? "")}${main.usagePeriodStart ? `, since ${shortTime(main.usagePeriodStart)}` : ""}`
              : `Used in ${month.format(period.from)}`}
            , {unit}
          </dt>
          <dd>
            <Amt v={main ? (main.currentUsage ?? 0) : (used?.total ?? 0)} />{" "}
            <small>
              {main && limit !== null
                ? `of ${formatShort(limit)}${shareWords(main)}`
                : waiting || foreseen.isFetching
                  ? ""
                  : "no budget at the top"}
            </small>
          </dd>
        </div>
        <Expected row={row} failed={foreseen.isError} />
        <RunsOutFigure row={row} />
        {!drawn && (
          <div>
            <dt>Used in {month.format(period.from)}</dt>
            <dd>
              <Amt v={used?.total ?? 0} />
            </dd>
          </div>
        )}
        <div>
          <dt>Against {month.format(period.before)}</dt>
          <dd className="big-change">
            <Change now={used?.like ?? 0} before={used?.was ?? 0} />{" "}
            <small>{period.like > 0 ? `first ${days(period.like)}` : "from tomorrow"}</small>
          </dd>
        </div>
      </dl>
      {Number(used?.total ?? 0) === 0 ? (
        <Empty title={`No usage in ${month.format(period.from)} yet`} />
      ) : (
        <Burn
          totals={totals}
          span={new Date(period.from.getFullYear(), period.from.getMonth() + 1, 0).getDate()}
          limit={drawn && limit !== null ? approx(limit) : null}
          ahead={ahead}
          from={dayOnly(period.from.toISOString())}
          to={dayOnly(plusDays(end, -1).toISOString())}
          label={`Usage in ${month.format(period.from)}, added up day by day: ${formatShort(used?.total ?? 0)} ${unit}`}
        />
      )}
    </section>
  );
}

const days = (n: number) => (n === 1 ? "day" : `${count(n)} days`);
const shareWords = (r: TreeRow) => (r.utilization === null ? "" : ` (${formatRatio(Number(r.utilization))})`);

function Expected({ row, failed }: { row: ForecastRow | null; failed: boolean }) {
  const f = row?.forecast;
  if (!row || !f)
    return failed ? (
      <div>
        <dt>Expected</dt>
        <dd>
          <small>could not be read</small>
        </dd>
      </div>
    ) : null;
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
  got: Sums;
  period: Period;
  names: Map<string, string>;
  budgetOf: (id: string) => TreeRow | undefined;
};

function Where({ title, got, period, names, budgetOf }: WhereProps) {
  const s = useSession();
  const rows = (got.data ?? []).filter(x => Number(x.total) > 0 || Number(x.was) > 0).slice(0, 20);
  const name = useNames(rows.map(r => r.id).filter(id => id !== "" && !names.has(id)));
  return (
    <Panel title={title} note={`since ${dayOnly(period.from.toISOString())}`} got={got}>
      {rows.length === 0 ? (
        <NoGroups got={got} />
      ) : (
        <Table
          rows={rows}
          id={r => r.id + r.untold}
          columns={[
            {
              head: "Who",
              look: "break",
              cell: r => (
                <NameLink
                  id={r.id}
                  name={r.untold ? "Not told apart" : r.id === "" ? "Not below anybody" : (names.get(r.id) ?? name(r.id))}
                />
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

/** Why there are no groups. */
const NoGroups = ({ got }: { got: Sums }) => <Empty title={got.data === null ? "Too many to tell apart here" : "No usage"} />;

/** What limits have counted, where usage does not add up. */
function Counted({ got }: { got: UseQueryResult<TreeRow[]> }) {
  const s = useSession();
  const rows = (got.data ?? []).filter(r => r.usageLimit !== null).slice(0, 20);
  return (
    <Panel title="Limits at the top" got={got}>
      {rows.length === 0 ? (
        <Empty title="No limits" />
      ) : (
        <Table
          rows={rows}
          id={r => r.assignmentId ?? r.entityId}
          columns={[
            { head: "Who", look: "break", cell: r => <NameLink id={r.entityId} name={r.displayName ?? r.entityId} /> },
            {
              head: "Counted",
              look: "right",
              cell: r => (
                <>
                  <Amt v={r.currentUsage ?? 0} /> <span className="muted">of {formatShort(r.usageLimit ?? 0)}</span>
                </>
              ),
            },
            { head: "Period", look: "small muted", cell: r => perCadence(r.cadence ?? "") },
          ]}
        />
      )}
      <More onClick={() => s.go("tree")}>All budgets</More>
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

function RunsOut({ got, cadence }: { got: Foreseen; cadence: string | null }) {
  const s = useSession();
  const rows = got.data?.rows ?? [];
  const spent = rows.filter(isSpent);
  const coming = rows.filter(r => r.forecast.runsOutAt !== null && !isSpent(r));
  const untold = refusals(rows.filter(r => !isSpent(r)));
  const told = rows.some(r => r.forecast.refused === null && !isSpent(r));
  const title = cadence === "P1M" ? "Runs out this month" : "Runs out in its period";
  const who: Column<ForecastRow> = {
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
  };
  return (
    <Panel title={title} note={cadence ? `limits ${perCadence(cadence)}` : undefined} got={got}>
      {coming.length > 0 ? (
        <Table
          rows={coming.slice(0, rowsShown)}
          id={r => r.assignmentId ?? r.entityId}
          columns={[
            who,
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
      ) : (
        <Empty
          title={
            rows.length === 0
              ? "No such limit"
              : told
                ? `Nobody${spent.length > 0 ? " else" : ""}, as things go`
                : spent.length < rows.length
                  ? "Not told"
                  : rows.length < foreseenAtOnce
                    ? "All of them are used up"
                    : "So many are used up that no others were looked at"
          }
        />
      )}
      {untold.map(x => (
        <p key={x.words} className="small muted panel-note">
          {x.limits === 1 ? "One limit" : `${count(x.limits)} limits`}: {x.words}.
        </p>
      ))}
      {spent.length > 0 && (
        <Table
          rows={spent.slice(0, rowsShown)}
          id={r => r.assignmentId ?? r.entityId}
          columns={[
            { ...who, head: "Used up already" },
            {
              head: "Used",
              look: "right",
              cell: r => (
                <>
                  <Amt v={r.currentUsage ?? 0} /> <span className="muted small">of {formatShort(r.usageLimit ?? 0)}</span>
                </>
              ),
            },
          ]}
        />
      )}
      {spent.length > rowsShown && <p className="small muted panel-note">and {count(spent.length - rowsShown)} more that are used up</p>}
      {rows.length >= foreseenAtOnce && (
        <p className="small muted panel-note">Looked at: the {count(rows.length)} that are the fastest to use themselves up.</p>
      )}
      <More onClick={() => s.go("tree")}>All budgets</More>
    </Panel>
  );
}

const capital = (text: string) => text.replace(/^./, c => c.toUpperCase());

function Models({ got, period, model }: { got: Sums; period: Period; model: { key: string; typeId: string } }) {
  const s = useSession();
  const rows = (got.data ?? []).filter(x => Number(x.total) > 0).slice(0, rowsShown);
  const name = useNames(model.typeId ? rows.map(r => r.id).filter(id => id !== "") : []);
  const most = rows[0]?.total ?? 0;
  // To whoever sees a subtree, models beside it have no name.
  if (s.rights.root !== null && got.data && rows.every(r => r.id === "")) return null;
  return (
    <Panel title="By model" note={`since ${dayOnly(period.from.toISOString())}`} got={got}>
      {rows.length === 0 ? (
        <NoGroups got={got} />
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
  if (type === null || got.data === null || (got.fetchStatus === "idle" && !got.data)) return null;
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
            { head: "Now", look: "right", cell: r => <Amt v={r.like} /> },
            { head: "Change", look: "right", cell: r => <Change now={r.like} before={r.was} /> },
          ]}
        />
      )}
    </Panel>
  );
}
