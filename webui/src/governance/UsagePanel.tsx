import { useQuery } from "@tanstack/react-query";
import { lazy, Suspense, useState } from "react";
import { add, formatExact } from "../api/amount";
import { path } from "../api/client";
import type { Amount } from "../api/json";
import type { History, One, Series } from "../api/types";
import { shortTime } from "../lib/time";
import { Empty, Select, Skeleton, Trouble } from "../ui";
import { useNames } from "./names";
import { named, useSession } from "./session";

const Chart = lazy(() => import("./Chart"));

const spans = {
  day: { label: "24 hours", days: 1, granularity: "HOUR" },
  week: { label: "7 days", days: 7, granularity: "DAY" },
  month: { label: "30 days", days: 30, granularity: "DAY" },
  quarter: { label: "90 days", days: 90, granularity: "WEEK" },
} as const;
type Span = keyof typeof spans;
const linesShown = 6;

/** Usage of an entity over time: as a chart and, digit for digit, as a table. */
export function UsagePanel({ entityId }: { entityId: string }) {
  const s = useSession();
  const [span, setSpan] = useState<Span>("month");
  const [by, setBy] = useState("");
  const [dimension, setDimension] = useState("model");
  const [chosen, setChosen] = useState(s.capability ? `${s.capability.kind}:${s.capability.id}` : "");
  const capability = s.capabilities.find(c => `${c.kind}:${c.id}` === chosen) ?? s.capability;
  const group = by === "dimension" ? dimension.trim() : by;
  const { days, granularity } = spans[span];
  const got = useQuery({
    queryKey: ["usage", s.customerId, entityId, capability?.kind, capability?.id, span, group],
    queryFn: ({ signal }) =>
      s.api.get<One<History>>(
        path`/customers/${s.customerId}/entities/${entityId}/usage`,
        {
          ...(capability ? named(capability) : {}),
          startDate: new Date(Date.now() - days * 86_400_000).toISOString(),
          granularity,
          groupBy: group ? [group] : [],
        },
        signal,
      ),
    enabled: capability !== null && (by !== "dimension" || group !== ""),
    retry: false,
  });
  const series = ranked(got.data?.data.series ?? []);
  const name = useNames(by === "$child" ? series.map(x => x.name) : []);
  if (by === "$child") for (const x of series) x.name = name(x.name);
  if (!capability) return <Empty title="Nothing is measured yet" />;
  return (
    <div className="stack">
      <div className="fields">
        <Select
          label="Usage of"
          value={chosen}
          onChange={setChosen}
          options={s.capabilities.map(c => [`${c.kind}:${c.id}`, c.name] as const)}
        />
        <Select
          label="Period"
          value={span}
          onChange={setSpan}
          options={(Object.keys(spans) as Span[]).map(k => [k, spans[k].label] as const)}
        />
        <Select
          label="By"
          value={by}
          onChange={setBy}
          options={[
            ["", "Total"],
            ["$child", "Directly below"],
            ...(capability.kind === "currency" ? ([["$featureId", "Feature"]] as const) : []),
            ["dimension", "A dimension…"],
          ]}
        />
        {by === "dimension" && (
          <label className="field">
            <span className="label">Dimension</span>
            <input className="input" value={dimension} onChange={e => setDimension(e.target.value)} spellCheck={false} />
          </label>
        )}
      </div>
      {got.isPending && <Skeleton lines={5} />}
      {got.isError && <Trouble error={got.error} retry={() => got.refetch()} />}
      {got.data &&
        (series.length === 0 ? (
          <Empty title="No usage in this time" />
        ) : (
          <>
            <Suspense fallback={<Skeleton lines={5} />}>
              <Chart series={series.slice(0, linesShown)} unit={capability.unit} bars={span !== "day"} />
            </Suspense>
            <SeriesTable series={series} grouped={group !== ""} />
          </>
        ))}
    </div>
  );
}

export type Line = { name: string; points: { timestamp: string; value: Amount }[]; total: Amount };

function ranked(series: Series[]): Line[] {
  const lines = series.map(x => ({
    name: x.tags.map(t => t.value || "(none)").join(" · ") || "Total",
    points: x.points,
    total: x.points.reduce<Amount>((sum, p) => add(sum, p.value), 0),
  }));
  return lines.filter(l => l.points.length > 0).sort((a, b) => Number(b.total) - Number(a.total));
}

function SeriesTable({ series, grouped }: { series: Line[]; grouped: boolean }) {
  if (grouped)
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
            {series.slice(0, 200).map(l => (
              <tr key={l.name}>
                <td className="break">{l.name}</td>
                <td className="right num">{formatExact(l.total)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    );
  const points = (series[0]?.points ?? []).filter(p => Number(p.value) !== 0).toReversed();
  return (
    <div className="table-wrap panel" tabIndex={0}>
      <table>
        <thead>
          <tr>
            <th>From</th>
            <th className="right">Usage</th>
          </tr>
        </thead>
        <tbody>
          {points.map(p => (
            <tr key={p.timestamp}>
              <td className="num">{shortTime(p.timestamp)}</td>
              <td className="right num">{formatExact(p.value)}</td>
            </tr>
          ))}
          <tr>
            <td className="strong">Total</td>
            <td className="right strong num">{formatExact(series[0]?.total ?? 0)}</td>
          </tr>
        </tbody>
      </table>
    </div>
  );
}
