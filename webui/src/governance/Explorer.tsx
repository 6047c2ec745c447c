import { useQuery } from "@tanstack/react-query";
import { Download, Link2, Printer } from "lucide-react";
import { useEffect, useMemo, useState } from "react";
import { add, formatExact, formatRatio, nano } from "../api/amount";
import { path } from "../api/client";
import type { Amount } from "../api/json";
import type { History, One } from "../api/types";
import { day, dayOnly, zone } from "../lib/time";
import { Button, Checkbox, copy, Empty, Reading, Select, Skeleton, Text, toast } from "../ui";
import { lazily } from "../ui/Lazily";
import { type Order, SortHead, sorted } from "../ui/Sort";
import { CapabilityPicker } from "./CapabilityPicker";
import { Change } from "./Figure";
import { between, daysOf, endOf, growth, lastDays, lastMonth, lastWeek, type Period, type Share, sharesOf, thisMonth } from "./period";
import { SavedViews } from "./SavedViews";
import { named, useSession } from "./session";
import type { Session } from "./sessiontype";
import { Grouping, useLineNames, warnings } from "./UsagePanel";
import type { Line } from "./usage";
import { queryOf } from "./views";
import { addressOf, other, type Wish, wishOf } from "./wish";

const Chart = lazily(() => import("./Chart"), <Skeleton lines={5} />);

const ranges = {
  week: ["7 days", () => lastDays(7)],
  lastWeek: ["Last week", () => lastWeek()],
  month: ["This month", () => thisMonth()],
  lastMonth: ["Last month", () => lastMonth()],
  month30: ["30 days", () => lastDays(30)],
  quarter: ["90 days", () => lastDays(90)],
} as const satisfies Record<string, readonly [string, () => Period]>;
type Range = keyof typeof ranges | "days";
const rangeNames: Range[] = [...(Object.keys(ranges) as (keyof typeof ranges)[]), "days"];
const rangeOptions = [...Object.entries(ranges).map(([k, [words]]) => [k as Range, words] as const), ["days", "From … to …"] as const];

const linesShown = 6;
const rowsShown = 300;

/** Usage of the whole customer by whatever tells it apart, over any days, beside the days before. */
export default function Explorer() {
  const s = useSession();
  const models = [...s.types.values()].find(t => t.archivedAt === null && /model/i.test(`${t.id} ${t.attributionKeys[0]}`));
  const wished = (search: string) => {
    const by = s.rights.root === null ? (models?.attributionKeys[0] ?? "") : "";
    const keys = new Set([...s.types.values()].filter(t => t.archivedAt === null).map(t => t.attributionKeys[0] ?? ""));
    return wishOf(search, { by, range: "month" }, rangeNames, keys.add("$featureId"));
  };
  const [wish, setWish] = useState(() => wished(location.search));
  const set = (w: Partial<Wish<Range>>) => setWish(old => ({ ...old, ...w }));
  const cap = s.capability;
  const id = cap ? `${cap.kind}:${cap.id}` : "";
  const turnTo = (search: string) => {
    const of = new URLSearchParams(search).get("of");
    const found = s.capabilities.find(c => `${c.kind}:${c.id}` === of);
    if (found) s.setCapability(found);
  };
  // The address names what is shown, to be kept and shared.
  // biome-ignore lint/correctness/useExhaustiveDependencies: once, from the address that the page began with
  useEffect(() => turnTo(location.search), []);
  useEffect(() => {
    const next = addressOf(location.href, wish, id);
    if (next !== location.href) history.replaceState(history.state, "", next);
  }, [wish, id]);
  const key = (k: string) => (k === other ? wish.dimension.trim() : k);
  const groups = wish.by === "" ? [] : [key(wish.by), ...(wish.next !== "" && wish.next !== wish.by ? [key(wish.next)] : [])];
  const period = wish.range === "days" ? between(wish.first, wish.last) : ranges[wish.range][1]();
  const got = useUsage(groups, period, wish.compare);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a period is made anew each time, and is told by when it begins
  const shares = useMemo(
    () => (got.data && period ? sharesOf(got.data.data.series, period).filter(x => Number(x.total) > 0 || Number(x.was) > 0) : []),
    [got.data, period?.from.getTime(), period?.days],
  );
  const lines = shares.map(x => lineOf(x, period));
  const name = useLineNames(lines, groups);
  if (!cap) return <Empty title="Nothing is measured yet" />;
  return (
    <div className="explorer stack">
      <div className="row wrap actions">
        <CapabilityPicker />
        <span className="grow" />
        <SavedViews
          customerId={s.customerId}
          query={queryOf(new URL(addressOf(location.href, wish, id)).search)}
          onShow={query => {
            setWish(wished(query));
            turnTo(query);
          }}
        />
        {window.top === window && (
          <Button
            size="small"
            look="quiet"
            icon={<Link2 size={15} />}
            onClick={() => void copy(addressOf(location.href, wish, id)).then(() => toast("Address copied"))}
          >
            Copy address
          </Button>
        )}
        <Button
          size="small"
          look="quiet"
          icon={<Download size={15} />}
          disabled={!period || lines.length === 0}
          onClick={() => period && void save(s.customerId, cap.id, shares, lines, groups, name, period, wish.compare)}
        >
          Export CSV
        </Button>
        <Button size="small" look="quiet" icon={<Printer size={15} />} disabled={!period || lines.length === 0} onClick={() => print()}>
          Print
        </Button>
      </div>
      <PrintedTitle
        parts={[
          s.customerId,
          `Usage of ${cap.name}`,
          groups.length > 0 && `by ${groups.map(g => groupWords(s, g)).join(", then ")}`,
          period && `${day(period.from.toISOString())} to ${day(new Date(endOf(period).getTime() - 1).toISOString())}`,
        ]}
      />
      <div className="fields">
        <Select label="Period" value={wish.range} onChange={range => set({ range })} options={rangeOptions} />
        <Grouping label="By" value={wish.by} onChange={by => set({ by })} capability={cap} none="Total" whole />
        {wish.by !== "" && (
          <Grouping
            label="Then by"
            value={wish.next}
            onChange={next => set({ next })}
            capability={cap}
            none="Nothing else"
            except={wish.by}
            whole
          />
        )}
        {(wish.by === other || wish.next === other) && (
          <Text
            label="Dimension"
            value={wish.dimension}
            onChange={dimension => set({ dimension })}
            placeholder="region"
            hint="As the requests name it"
          />
        )}
        {wish.range === "days" && (
          <>
            <Text label="From" type="date" value={wish.first} onChange={first => set({ first })} />
            <Text label="To" type="date" value={wish.last} onChange={last => set({ last })} />
          </>
        )}
      </div>
      <Checkbox checked={wish.compare} onChange={compare => set({ compare })}>
        Beside the period before
      </Checkbox>
      {cap.counts !== "sum" && (
        <p className="small muted">
          Usage of {cap.name} is the most, or the number of different ones, at a time: shown is by how much each day raised it.
        </p>
      )}
      {!period && <Empty title="Choose the first and the last day">The last is today or earlier, and there are at most 400.</Empty>}
      {period && groups.every(g => g !== "") && <Reading got={got} lines={6} />}
      {period && got.data && (
        <Found
          period={period}
          shares={shares}
          lines={lines}
          groups={groups}
          name={name}
          unit={cap.unit}
          compare={wish.compare}
          warned={got.data.data.warnings}
        />
      )}
    </div>
  );
}

/** What the page is about, where what was chosen is not printed. */
const PrintedTitle = ({ parts }: { parts: (string | false | null)[] }) => (
  <p className="print-only strong break" aria-hidden>
    {parts.filter(Boolean).join(" · ")}
  </p>
);

const groupWords = (s: Session, key: string) =>
  key === "$featureId" ? "feature" : ([...s.types.values()].find(t => t.attributionKeys[0] === key)?.displayName.toLowerCase() ?? key);

function useUsage(groups: string[], period: Period | null, compare: boolean) {
  const s = useSession();
  const cap = s.capability;
  const from = (compare ? period?.before : period?.from)?.toISOString();
  return useQuery({
    queryKey: ["explore", s.customerId, cap?.kind, cap?.id, groups, from, period?.from.getTime(), period?.days],
    queryFn: ({ signal }) =>
      s.api.get<One<History>>(
        path`/customers/${s.customerId}/usage`,
        {
          ...(cap ? named(cap) : {}),
          startDate: from,
          endDate: period?.whole ? endOf(period).toISOString() : undefined,
          granularity: "DAY",
          timezone: zone,
          groupBy: groups,
        },
        signal,
      ),
    enabled: cap !== null && period !== null && groups.every(g => g !== ""),
    staleTime: 60_000,
    refetchOnWindowFocus: false,
    retry: false,
  });
}

function lineOf(x: Share, p: Period | null): Line {
  const at = p ? daysOf(p) : [];
  return {
    id: x.id,
    name: x.untold ? "\0" : x.id,
    untold: x.untold,
    total: x.total,
    points: x.days.map((value, i) => ({ timestamp: at[i]?.toISOString() ?? "", value })),
    parts: x.parts.map(y => lineOf(y, p)),
  };
}

type Named = (line: Line, depth: number) => string;
type FoundProps = {
  period: Period;
  shares: Share[];
  lines: Line[];
  groups: string[];
  name: Named;
  unit: string;
  compare: boolean;
  warned: string[];
};

function Found({ period, shares, lines, groups, name, unit, compare, warned }: FoundProps) {
  const drawn = useMemo(
    () => lines.slice(0, linesShown).map(l => ({ ...l, name: groups.length === 0 ? "Total" : name(l, 0) })),
    [lines, groups, name],
  );
  const [by, setBy] = useState<Order>({ column: 1, down: true });
  if (shares.length === 0) return <Empty title="No usage in this time" />;
  const sum = (of: (x: Share) => Amount) => shares.reduce<Amount>((a, x) => add(a, of(x)), 0);
  const total = sum(x => x.total);
  const value = (r: { x: Share; line: Line; depth: number }) =>
    [
      groups.length === 0 ? "" : name(r.line, r.depth),
      nano(r.x.total),
      nano(r.x.total),
      nano(r.x.was),
      growth(r.x.like, r.x.was) ?? (Number(r.x.like) > 0 ? Number.MAX_VALUE : null),
    ][by.column] ?? null;
  // Parts stay with what they are parts of.
  const inOrder = <T extends { x: Share; line: Line; depth: number }>(list: T[]) => sorted(list, value, by.down);
  const rows = inOrder(shares.map((x, i) => ({ x, line: lines[i] as Line, depth: 0, key: String(i) }))).flatMap(r => [
    r,
    ...inOrder(r.x.parts.map((y, j) => ({ x: y, line: r.line.parts[j] as Line, depth: 1, key: `${r.key}.${j}` }))),
  ]);
  const head = (column: number, words: string, look = "right") => (
    <SortHead look={look} order={by} column={column} onOrder={setBy}>
      {words}
    </SortHead>
  );
  const inner = shares.some(x => x.parts.length > 0);
  const words = `${dayOnly(period.from.toISOString())} – ${dayOnly(new Date(endOf(period).getTime() - 1).toISOString())}`;
  return (
    <>
      <Chart series={drawn} unit={unit} bars days />
      <div className="table-wrap panel" tabIndex={0}>
        <table>
          <thead>
            <tr>
              {head(0, groups.length === 0 ? "Usage" : "Name", "")}
              {head(1, words)}
              {head(2, "Part", "right part")}
              {compare && head(3, "Before")}
              {compare && head(4, "Change")}
            </tr>
          </thead>
          <tbody>
            {rows.slice(0, rowsShown).map(r => (
              <tr key={r.key} className={inner && r.depth === 0 ? "group" : ""}>
                <td className={`break ${r.depth ? "within" : ""}`} title={r.x.id}>
                  {groups.length === 0 ? "Total" : name(r.line, r.depth)}
                </td>
                <td className="right num">{formatExact(r.x.total)}</td>
                <td className="right num muted part">{Number(total) > 0 ? formatRatio(Number(r.x.total) / Number(total)) : "–"}</td>
                {compare && <td className="right num muted">{formatExact(r.x.was)}</td>}
                {compare && (
                  <td className="right">
                    <Change now={r.x.like} before={r.x.was} />
                  </td>
                )}
              </tr>
            ))}
            {rows.length > rowsShown && (
              <tr>
                <td colSpan={5} className="small muted">
                  and {formatExact(rows.length - rowsShown)} more, which the CSV has
                </td>
              </tr>
            )}
            {groups.length > 0 && (
              <tr>
                <td className="strong">Total</td>
                <td className="right strong num">{formatExact(total)}</td>
                <td className="part" />
                {compare && <td className="right num muted">{formatExact(sum(x => x.was))}</td>}
                {compare && (
                  <td className="right">
                    <Change now={sum(x => x.like)} before={sum(x => x.was)} />
                  </td>
                )}
              </tr>
            )}
          </tbody>
        </table>
      </div>
      {warned.map(
        w =>
          warnings[w] && (
            <p className="small muted" key={w}>
              {warnings[w]}
            </p>
          ),
      )}
      <p className="small muted">
        Days begin at midnight in your time zone, {zone.replaceAll("_", " ")}.
        {compare && !period.whole && " Before, and the change, are of as many whole days: today counts when it is over."}
      </p>
    </>
  );
}

async function save(
  customer: string,
  cap: string,
  shares: Share[],
  lines: Line[],
  groups: string[],
  name: Named,
  p: Period,
  compare: boolean,
) {
  try {
    const { download, writeCsv } = await import("../lib/csv");
    const two = groups.length > 1;
    const columns = ["from", "to", ...(groups.length > 0 ? ["name", "id"] : []), ...(two ? ["thenName", "thenId"] : []), "used"];
    const more = compare ? ["usedInWholeDays", "before", "change"] : [];
    const cells = (x: Share) => [String(x.total), ...(compare ? [String(x.like), String(x.was), String(growth(x.like, x.was) ?? "")] : [])];
    const dates = [p.from.toISOString(), endOf(p).toISOString()];
    const rows = shares.flatMap((x, i) => {
      const of = lines[i] as Line;
      const first = groups.length > 0 ? [name(of, 0), x.id] : [];
      if (!two) return [[...dates, ...first, ...cells(x)]];
      return x.parts.map((y, j) => [...dates, ...first, name(of.parts[j] as Line, 1), y.id, ...cells(y)]);
    });
    download(`${customer}-${cap}-usage.csv`, await writeCsv([...columns, ...more], rows, columns.length - 1));
  } catch (e) {
    toast(`Could not export: ${(e as Error).message}`);
  }
}
