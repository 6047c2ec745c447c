import { useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { formatExact } from "../api/amount";
import { path } from "../api/client";
import type { Capability, EntityType, History, One } from "../api/types";
import { dayWords, shortTime, zone } from "../lib/time";
import { Empty, Reading, Select, Skeleton, Text } from "../ui";
import { lazily } from "../ui/Lazily";
import { useNames } from "./names";
import { named, useSession } from "./session";
import { grouped, type Line, type Span, startOf } from "./usage";

const Chart = lazily(() => import("./Chart"), <Skeleton lines={5} />);

const spans: Record<string, Span> = {
  day: { label: "24 hours", days: 1, granularity: "HOUR" },
  week: { label: "7 days", days: 7, granularity: "DAY" },
  month: { label: "30 days", days: 30, granularity: "DAY" },
  quarter: { label: "90 days", days: 90, granularity: "WEEK" },
};
const linesShown = 6;
const rowsShown = 200;
const other = "dimension";

export const warnings: Record<string, string> = {
  USAGE_NOT_TOLD_APART:
    "Not told apart: it is not known whom this usage named. It was recorded before that was kept, or by more combinations than are.",
  DIMENSIONS_NOT_TOLD_APART: "There are more combinations of dimensions than are told apart: what is in none may have had some.",
};

/** The keys by which requests name entities. */
export const keysOf = (types: EntityType[]) => new Set(types.flatMap(t => t.attributionKeys));

/** Usage of an entity over time: as a chart and, digit for digit, as a table. */
export function UsagePanel({ entityId }: { entityId: string }) {
  const s = useSession();
  const [span, setSpan] = useState("month");
  const [by, setBy] = useState("");
  const [then, setThen] = useState("");
  const [dimension, setDimension] = useState("");
  const [chosen, setChosen] = useState(s.capability ? `${s.capability.kind}:${s.capability.id}` : "");
  const capability = s.capabilities.find(c => `${c.kind}:${c.id}` === chosen) ?? s.capability;
  const key = (k: string) => (k === other ? dimension.trim() : k);
  const groups = by === "" ? [] : [key(by), ...(then !== "" && then !== by ? [key(then)] : [])];
  const during = spans[span] as Span;
  const got = useQuery({
    queryKey: ["usage", s.customerId, entityId, capability?.kind, capability?.id, span, groups],
    queryFn: ({ signal }) =>
      s.api.get<One<History>>(
        path`/customers/${s.customerId}/entities/${entityId}/usage`,
        {
          ...(capability ? named(capability) : {}),
          startDate: startOf(during),
          granularity: during.granularity,
          timezone: zone,
          groupBy: groups,
        },
        signal,
      ),
    enabled: capability !== null && groups.every(g => g !== ""),
    retry: false,
  });
  const lines = useMemo(() => grouped(got.data?.data.series ?? [], keysOf([...s.types.values()])), [got.data, s.types]);
  const name = useLineNames(lines, groups);
  if (!capability) return <Empty title="Nothing is measured yet" />;
  const hourly = during.granularity === "HOUR";
  const shown = lines.slice(0, linesShown).map(l => ({ ...l, name: groups.length === 0 ? "Total" : name(l, 0) }));
  return (
    <div className="stack">
      <div className="fields">
        <Select
          label="Usage of"
          value={chosen}
          onChange={setChosen}
          options={s.capabilities.map(c => [`${c.kind}:${c.id}`, c.name] as const)}
        />
        <Select label="Period" value={span} onChange={setSpan} options={Object.entries(spans).map(([k, v]) => [k, v.label] as const)} />
        <Grouping label="By" value={by} onChange={setBy} capability={capability} none="Total" />
        {by !== "" && <Grouping label="Then by" value={then} onChange={setThen} capability={capability} none="Nothing else" except={by} />}
        {(by === other || then === other) && (
          <Text label="Dimension" value={dimension} onChange={setDimension} placeholder="region" hint="As the requests name it" />
        )}
      </div>
      {groups.every(g => g !== "") && <Reading got={got} lines={5} />}
      {got.data &&
        (lines.length === 0 ? (
          <Empty title="No usage in this time" />
        ) : (
          <>
            <Chart series={shown} unit={capability.unit} bars={!hourly} days={!hourly} />
            {groups.length > 0 ? <GroupTable lines={lines} name={name} /> : <StepTable line={lines[0]} span={during} />}
            {got.data.data.warnings.map(
              w =>
                warnings[w] && (
                  <p className="small muted" key={w}>
                    {warnings[w]}
                  </p>
                ),
            )}
            {!hourly && <p className="small muted">Days begin at midnight in your time zone, {zone.replaceAll("_", " ")}.</p>}
          </>
        ))}
    </div>
  );
}

type GroupingProps = {
  label: string;
  value: string;
  onChange: (v: string) => void;
  capability: Capability;
  none: string;
  except?: string /** Of the whole customer, which is no child of anything. */;
  whole?: boolean;
};

/** What usage can be told apart by: who it was charged to, each type of entity that requests name, or something else that they say. */
export function Grouping({ label, value, onChange, capability, none, except, whole }: GroupingProps) {
  const s = useSession();
  const types = [...s.types.values()].filter(t => t.archivedAt === null && t.attributionKeys.length > 0);
  const options = [
    ["", none],
    ...(whole ? [] : ([["$child", "Directly below"]] as const)),
    ...types.map(t => [t.attributionKeys[0] ?? "", t.displayName] as const),
    ...(capability.kind === "currency" ? ([["$featureId", "Feature"]] as const) : []),
    [other, "A dimension…"],
  ] as const;
  return <Select label={label} value={value} onChange={onChange} options={options.filter(([v]) => v === "" || v !== except)} />;
}

/** What the ids of a grouping are called. */
export function useLineNames(lines: Line[], groups: string[]): (line: Line, depth: number) => string {
  const s = useSession();
  const keys = keysOf([...s.types.values()]).add("$child");
  const isId = (depth: number) => keys.has(groups[depth] ?? "");
  // In the order in which they are shown: those further down may stay ids.
  const ids = lines.flatMap(l => [...(isId(0) ? [l.id] : []), ...(isId(1) ? l.parts.map(p => p.id) : [])]);
  const entity = useNames(ids.filter(id => id !== ""));
  return ({ id, untold }, depth) => {
    if (untold) return "(not told apart)";
    if (id === "") return groups[depth] === "$child" ? "(itself)" : "(none)";
    if (groups[depth] === "$featureId") return s.capabilities.find(c => c.kind === "feature" && c.id === id)?.name ?? id;
    return isId(depth) ? entity(id) : id;
  };
}

function GroupTable({ lines, name }: { lines: Line[]; name: (line: Line, depth: number) => string }) {
  const rows = lines.flatMap(l => [{ line: l, depth: 0, of: "" }, ...l.parts.map(p => ({ line: p, depth: 1, of: l.name }))]);
  const inner = lines.some(l => l.parts.length > 0);
  return (
    <div className="table-wrap panel" tabIndex={0}>
      <table>
        <thead>
          <tr>
            <th>Name</th>
            <th className="right">In this time</th>
          </tr>
        </thead>
        <tbody>
          {rows.slice(0, rowsShown).map(({ line, depth, of }) => (
            <tr key={JSON.stringify([of, depth, line.name])} className={inner && depth === 0 ? "group" : ""}>
              <td className={`break ${depth ? "within" : ""}`} title={line.id}>
                {name(line, depth)}
              </td>
              <td className="right num">{formatExact(line.total)}</td>
            </tr>
          ))}
          {rows.length > rowsShown && (
            <tr>
              <td colSpan={2} className="small muted">
                and {formatExact(rows.length - rowsShown)} more
              </td>
            </tr>
          )}
        </tbody>
      </table>
    </div>
  );
}

function StepTable({ line, span }: { line: Line | undefined; span: Span }) {
  const points = (line?.points ?? []).filter(p => Number(p.value) !== 0).toReversed();
  const words = { HOUR: shortTime, DAY: dayWords, WEEK: (t: string) => `Week of ${dayWords(t)}` }[span.granularity];
  return (
    <div className="table-wrap panel" tabIndex={0}>
      <table>
        <thead>
          <tr>
            <th>{span.granularity === "HOUR" ? "From" : span.granularity === "DAY" ? "Day" : "Week"}</th>
            <th className="right">Usage</th>
          </tr>
        </thead>
        <tbody>
          {points.map(p => (
            <tr key={p.timestamp}>
              <td className="num">{words(p.timestamp)}</td>
              <td className="right num">{formatExact(p.value)}</td>
            </tr>
          ))}
          <tr>
            <td className="strong">Total</td>
            <td className="right strong num">{formatExact(line?.total ?? 0)}</td>
          </tr>
        </tbody>
      </table>
    </div>
  );
}
